/* SPDX-License-Identifier: Apache-2.0 */
#include "sumtree.h"

/** Nodes of a level, filled up with nodes worth nothing so that every parent has all its children. */
static size_t padded(uint32_t n)
{
    if (n == 1)
        return 1; /* the root */
    return ((size_t)n + FO__SUMTREE_FANOUT - 1) / FO__SUMTREE_FANOUT * FO__SUMTREE_FANOUT;
}

size_t fo__sumtree_words(uint32_t n)
{
    size_t words = padded(n);

    while (n > 1) {
        n = (n + FO__SUMTREE_FANOUT - 1) / FO__SUMTREE_FANOUT;
        words += padded(n);
    }
    return words;
}

void fo__sumtree_init(struct fo__sumtree *tree, uint32_t n, _Atomic uint64_t *memory)
{
    uint32_t depth = 0;

    tree->node[0] = memory;
    tree->width[0] = n;
    while (n > 1) {
        memory += padded(n);
        n = (n + FO__SUMTREE_FANOUT - 1) / FO__SUMTREE_FANOUT;
        depth++;
        tree->node[depth] = memory;
        tree->width[depth] = n;
    }
    tree->depth = depth;
}

void fo__sumtree_sum_up(struct fo__sumtree *tree)
{
    for (uint32_t level = 0; level < tree->depth; level++) {
        for (uint32_t i = 0; i < tree->width[level]; i++) {
            _Atomic uint64_t *parent = &tree->node[level + 1][i / FO__SUMTREE_FANOUT];
            uint64_t siblings = i % FO__SUMTREE_FANOUT == 0 ? 0 : *parent;
            atomic_init(parent, siblings + tree->node[level][i]);
        }
    }
}

uint64_t fo__sumtree_set(struct fo__sumtree *tree, uint32_t slot, uint64_t value)
{
    uint64_t change = value - fo__exchange_acq_rel(&tree->node[0][slot], value);

    if (change == 0)
        return 0;
    for (uint32_t level = 1; level <= tree->depth; level++) {
        slot /= FO__SUMTREE_FANOUT;
        fo__add_relaxed(&tree->node[level][slot], change);
    }
    return change;
}

static uint64_t minus(uint64_t sum, uint64_t part)
{
    return sum > part ? sum - part : 0;
}

/** What the excluded slots in [first, first + span) are worth together. */
static uint64_t excluded_worth(const struct fo__without *without, uint64_t first, uint64_t span)
{
    uint64_t worth = 0;

    for (uint32_t i = 0; i < without->count; i++)
        if (without->slot[i] - first < span) /* unsigned: also false in front of first */
            worth += without->worth[i];
    return worth;
}

/* Nodes that are being changed can be "negative" for a moment: an addition is still on its way. */
static uint64_t node_worth(const struct fo__sumtree *tree, uint32_t level, uint32_t i)
{
    uint64_t worth = fo__load_relaxed(&tree->node[level][i]);
    return worth > UINT64_MAX / 2 ? 0 : worth;
}

uint64_t fo__sumtree_before(const struct fo__sumtree *tree, uint32_t slot,
                            const struct fo__without *without)
{
    uint64_t sum = 0;
    uint32_t end = slot;

    for (uint32_t level = 0; level <= tree->depth; level++) {
        for (uint32_t i = end - end % FO__SUMTREE_FANOUT; i < end; i++)
            sum += node_worth(tree, level, i);
        end /= FO__SUMTREE_FANOUT;
    }
    return minus(sum, excluded_worth(without, 0, slot));
}

/* Which of a node's children covers a position. All are added up, without a branch that nobody could
 * predict. */
struct passage {
    uint64_t at;
    uint64_t sum;    /* of the children so far */
    uint64_t before; /* of those that end at or before the position */
    uint64_t passed; /* how many those are */
};

static inline void pass(struct passage *passage, uint64_t worth)
{
    uint64_t covered;

    passage->sum += worth;
    covered = passage->sum <= passage->at ? 1 : 0;
    passage->passed += covered;
    passage->before += worth & (0 - covered);
}

/** Without exclusions: what nearly every draw is. */
static inline void pass_all(struct passage *passage, const _Atomic uint64_t *child)
{
    for (uint32_t i = 0; i < FO__SUMTREE_FANOUT; i += 4) {
        pass(passage, fo__load_relaxed(&child[i]));
        pass(passage, fo__load_relaxed(&child[i + 1]));
        pass(passage, fo__load_relaxed(&child[i + 2]));
        pass(passage, fo__load_relaxed(&child[i + 3]));
    }
}

static void pass_without(struct passage *passage, const struct fo__sumtree *tree, uint32_t level,
                         uint32_t first, uint64_t span, const struct fo__without *without)
{
    for (uint32_t i = first; i < first + FO__SUMTREE_FANOUT; i++)
        pass(passage, minus(node_worth(tree, level, i), excluded_worth(without, i * span, span)));
}

uint32_t fo__sumtree_find(const struct fo__sumtree *tree, uint64_t at,
                          const struct fo__without *without)
{
    uint64_t span = UINT64_C(1) << tree->depth * FO__SUMTREE_BITS; /* leaves under a node */
    uint32_t found = 0;

    for (uint32_t level = tree->depth; level-- > 0;) {
        struct passage passage = {at, 0, 0, 0};
        uint32_t first = found * FO__SUMTREE_FANOUT;

        span /= FO__SUMTREE_FANOUT;
        if (fo__likely(without->count == 0))
            pass_all(&passage, &tree->node[level][first]);
        else
            pass_without(&passage, tree, level, first, span, without);
        at -= passage.before;
        found = first + (uint32_t)passage.passed;
        if (fo__unlikely(found >=
                         tree->width[level])) /* sums are changing: callers check the slot */
            found = tree->width[level] - 1;
    }
    return found;
}
