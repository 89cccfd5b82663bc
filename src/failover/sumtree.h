/* SPDX-License-Identifier: Apache-2.0
 *
 * Sum tree: what a level is worth now, and a weighted draw from it when the alias table's answers are
 * mostly refused.
 *
 *     node[2]            [  Σ of everything  ]               the root, one word
 *     node[1]      [ Σ 16 ][ Σ 16 ] …                        fan-out 16
 *     node[0]  [c c c … 16][c c c … 16] …                    contributions, one per slot
 *
 * A contribution is a slot's live weight in units. Changing one is an exchange of the leaf and an
 * addition of the difference to every node above: two changers of one slot add two differences that
 * telescope, so every node ends as the sum of its leaves, whatever the order. What the leaf must be
 * in the end is the caller's business (fo__snapshot_mend()).
 *
 * Readers see sums that are being changed: a draw may land on a slot that is worth nothing by now,
 * and callers check what they got.
 */
#ifndef FO_SUMTREE_H
#define FO_SUMTREE_H

#include "atomic.h"

#include <stddef.h>

#define FO__SUMTREE_BITS 4u
#define FO__SUMTREE_FANOUT (1u << FO__SUMTREE_BITS)
#define FO__SUMTREE_DEPTH_MAX 6u /* 16^5 = 2^20 leaves and the root */

struct fo__sumtree {
    uint32_t depth;                                /* index of the root's level */
    uint32_t width[FO__SUMTREE_DEPTH_MAX];         /* nodes of each level */
    _Atomic uint64_t *node[FO__SUMTREE_DEPTH_MAX]; /* node[0]: the leaves */
};

/** Different slots to leave out of a draw, with their contributions as read once. */
struct fo__without {
    uint32_t count;
    uint32_t slot[64];
    uint64_t worth[64];
};

/** Words of memory that a tree of n leaves needs; levels are filled up to whole nodes. */
size_t fo__sumtree_words(uint32_t n);

/** Lays a tree of n ≥ 1 leaves, all 0, over zeroed memory. */
void fo__sumtree_init(struct fo__sumtree *tree, uint32_t n, _Atomic uint64_t *memory);

/** Before publication only: sets a leaf; then fo__sumtree_sum_up() once. */
static inline void fo__sumtree_preset(struct fo__sumtree *tree, uint32_t slot, uint64_t value)
{
    atomic_init(&tree->node[0][slot], value);
}

/** Computes every sum from the leaves. Nobody else uses the tree. */
void fo__sumtree_sum_up(struct fo__sumtree *tree);

/**
 * Sets a leaf, brings the difference up to the root, and returns it (it wraps).
 *
 * The exchange is acquire-release: it reads from the changer before, so what that changer saw is
 * seen by this one's next look at the host word (see fo__snapshot_mend()).
 */
uint64_t fo__sumtree_set(struct fo__sumtree *tree, uint32_t slot, uint64_t value);

static inline uint64_t fo__sumtree_total(const struct fo__sumtree *tree)
{
    return fo__load_relaxed(&tree->node[tree->depth][0]);
}

/** Sum of the leaves in front of `slot`, without the excluded ones. */
uint64_t fo__sumtree_before(const struct fo__sumtree *tree, uint32_t slot,
                            const struct fo__without *without);

/** The slot that covers position `at` of the sums without the excluded; never out of range. */
uint32_t fo__sumtree_find(const struct fo__sumtree *tree, uint64_t at,
                          const struct fo__without *without);

#endif
