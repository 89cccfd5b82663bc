/* SPDX-License-Identifier: Apache-2.0 */
#include "sumtree.h"

size_t fo__sumtree_words(uint32_t n)
{
    size_t words = n;

    while (n > 1) {
        n = (n + FO__SUMTREE_FANOUT - 1) / FO__SUMTREE_FANOUT;
        words += n;
    }
    return words;
}

void fo__sumtree_init(struct fo__sumtree *tree, uint32_t n, _Atomic uint64_t *memory)
{
    uint32_t depth = 0;

    tree->node[0] = memory;
    tree->width[0] = n;
    while (n > 1) {
        memory += n;
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

void fo__sumtree_set(struct fo__sumtree *tree, uint32_t slot, uint64_t value)
{
    uint64_t old = fo__exchange_acq_rel(&tree->node[0][slot], value);

    if (old == value)
        return;
    for (uint32_t level = 1; level <= tree->depth; level++) {
        slot /= FO__SUMTREE_FANOUT;
        fo__add_relaxed(&tree->node[level][slot], value - old); /* wraps: a difference */
    }
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

/** Which child of a node covers position *at, which becomes the position in that child. All children
 * are added up, without a branch that nobody could predict. */
static uint32_t find_child(const struct fo__sumtree *tree, uint32_t level, uint32_t parent,
                           uint64_t span, uint64_t *at, const struct fo__without *without)
{
    uint32_t first = parent * FO__SUMTREE_FANOUT;
    uint32_t end = first + FO__SUMTREE_FANOUT;
    uint32_t passed = 0;
    uint64_t before = 0;
    uint64_t sum = 0;

    if (end > tree->width[level])
        end = tree->width[level];
    for (uint32_t i = first; i < end; i++) {
        uint64_t worth = node_worth(tree, level, i);

        if (without->count > 0)
            worth = minus(worth, excluded_worth(without, i * span, span));
        sum += worth;
        passed += sum <= *at ? 1 : 0;
        before = sum <= *at ? sum : before;
    }
    *at -= before;
    /* Beyond the last only while sums are changing: the caller checks what it gets. */
    return first + passed < end ? first + passed : end - 1;
}

uint32_t fo__sumtree_find(const struct fo__sumtree *tree, uint64_t at,
                          const struct fo__without *without)
{
    uint64_t span = 1; /* leaves under a node of the level */
    uint32_t found = 0;

    for (uint32_t level = 0; level < tree->depth; level++)
        span *= FO__SUMTREE_FANOUT;
    for (uint32_t level = tree->depth; level-- > 0;) {
        span /= FO__SUMTREE_FANOUT;
        found = find_child(tree, level, found, span, &at, without);
    }
    return found;
}
