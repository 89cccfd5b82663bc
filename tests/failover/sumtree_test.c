/* SPDX-License-Identifier: Apache-2.0
 *
 * The sum tree against a plain array that is added up anew for every question.
 */
#include "dice.h"
#include "sumtree.h"

#include <criterion/criterion.h>
#include <stdlib.h>

struct pair {
    struct fo__sumtree tree;
    _Atomic uint64_t *memory;
    uint64_t *leaf; /* the oracle */
    uint32_t n;
};

static const struct fo__without nothing;

static struct pair pair_of(uint32_t n)
{
    struct pair pair = {.memory = calloc(fo__sumtree_words(n), sizeof(uint64_t)),
                        .leaf = calloc(n, sizeof(uint64_t)),
                        .n = n};

    cr_assert(pair.memory != NULL && pair.leaf != NULL);
    fo__sumtree_init(&pair.tree, n, pair.memory);
    return pair;
}

static void pair_free(struct pair *pair)
{
    free((void *)pair->memory);
    free(pair->leaf);
}

static void set(struct pair *pair, uint32_t slot, uint64_t value)
{
    fo__sumtree_set(&pair->tree, slot, value);
    pair->leaf[slot] = value;
}

static bool is_left_out(const struct fo__without *without, uint32_t slot)
{
    for (uint32_t i = 0; i < without->count; i++)
        if (without->slot[i] == slot)
            return true;
    return false;
}

static uint64_t worth_of(const struct pair *pair, const struct fo__without *without, uint32_t slot)
{
    return is_left_out(without, slot) ? 0 : pair->leaf[slot];
}

static uint64_t sum_before(const struct pair *pair, const struct fo__without *without, uint32_t end)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < end; i++)
        sum += worth_of(pair, without, i);
    return sum;
}

static void leave_out(const struct pair *pair, struct fo__without *without, uint32_t slot)
{
    if (is_left_out(without, slot))
        return;
    without->slot[without->count] = slot;
    without->worth[without->count++] = pair->leaf[slot];
}

/** Every prefix, and the slot of every single position. */
static void check_everything(const struct pair *pair, const struct fo__without *without)
{
    uint64_t at = 0;

    for (uint32_t end = 0; end <= pair->n; end++)
        cr_assert_eq(fo__sumtree_before(&pair->tree, end, without), sum_before(pair, without, end),
                     "sum before %u of %u", end, pair->n);
    for (uint32_t slot = 0; slot < pair->n; slot++)
        for (uint64_t i = 0; i < worth_of(pair, without, slot); i++, at++)
            cr_assert_eq(fo__sumtree_find(&pair->tree, at, without), slot, "place %zu of n %u",
                         (size_t)at, pair->n);
}

Test(sumtree, finds_every_position_of_small_trees)
{
    struct dice dice = dice_of(21);

    for (uint32_t n = 1; n <= 300; n += n < 40 ? 1 : 13) {
        struct pair pair = pair_of(n);

        for (uint32_t i = 0; i < n; i++)
            set(&pair, i, dice_below(&dice, 4) == 0 ? 0 : dice_below(&dice, 6));
        cr_assert_eq(fo__sumtree_total(&pair.tree), sum_before(&pair, &nothing, n));
        check_everything(&pair, &nothing);
        pair_free(&pair);
    }
}

Test(sumtree, leaves_out_the_excluded_at_every_position)
{
    struct dice dice = dice_of(22);

    for (int round = 0; round < 400; round++) {
        struct pair pair = pair_of(1 + dice_below(&dice, 290));
        struct fo__without without = {.count = 0};
        uint32_t most = dice_below(&dice, 65);

        for (uint32_t i = 0; i < pair.n; i++)
            set(&pair, i, dice_below(&dice, 5));
        for (uint32_t i = 0; i < most; i++)
            leave_out(&pair, &without, dice_below(&dice, pair.n));
        check_everything(&pair, &without);
        pair_free(&pair);
    }
}

Test(sumtree, leaves_out_a_whole_block)
{
    struct pair pair = pair_of(64);
    struct fo__without without = {.count = 0};

    for (uint32_t i = 0; i < pair.n; i++)
        set(&pair, i, 1 + i % 3);
    for (uint32_t i = 16; i < 48; i++)
        leave_out(&pair, &without, i);
    check_everything(&pair, &without);
    pair_free(&pair);
}

static void check_random_sets(uint32_t n, uint32_t sets, struct dice *dice)
{
    struct pair pair = pair_of(n);
    uint64_t total = 0;

    for (uint32_t i = 0; i < sets; i++) {
        uint32_t slot = dice_below(dice, n);
        uint64_t value = dice_below(dice, 3) == 0 ? 0 : dice_next(dice) >> 24;

        total += value - pair.leaf[slot];
        set(&pair, slot, value);
        cr_assert_eq(fo__sumtree_total(&pair.tree), total);
    }
    for (int i = 0; i < 50; i++) {
        uint32_t slot = dice_below(dice, n);
        uint64_t before = sum_before(&pair, &nothing, slot);

        cr_assert_eq(fo__sumtree_before(&pair.tree, slot, &nothing), before);
        if (pair.leaf[slot] == 0)
            continue;
        cr_assert_eq(fo__sumtree_find(&pair.tree, before, &nothing), slot);
        cr_assert_eq(fo__sumtree_find(&pair.tree, before + pair.leaf[slot] - 1, &nothing), slot);
    }
    pair_free(&pair);
}

Test(sumtree, follows_random_sets_at_any_size)
{
    static const uint32_t sizes[] = {1, 2, 15, 16, 17, 255, 256, 257, 4095, 4096, 4097, 65537};
    struct dice dice = dice_of(23);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        check_random_sets(sizes[i], 5000, &dice);
}

Test(sumtree, holds_the_most_leaves)
{
    struct dice dice = dice_of(24);

    check_random_sets(UINT32_C(1) << 20, 2000, &dice);
}

Test(sumtree, sums_up_what_was_preset)
{
    for (uint32_t n = 1; n < 5000; n = n * 3 + 1) {
        struct pair pair = pair_of(n);

        for (uint32_t i = 0; i < n; i++) {
            pair.leaf[i] = i * 7 + 1;
            fo__sumtree_preset(&pair.tree, i, pair.leaf[i]);
        }
        fo__sumtree_sum_up(&pair.tree);
        cr_assert_eq(fo__sumtree_total(&pair.tree), sum_before(&pair, &nothing, n));
        cr_assert_eq(fo__sumtree_before(&pair.tree, n / 2, &nothing),
                     sum_before(&pair, &nothing, n / 2));
        pair_free(&pair);
    }
}

/* An addition that is still on its way leaves a sum below its parts, even below zero. */
Test(sumtree, stays_in_range_while_sums_are_being_changed)
{
    struct pair pair = pair_of(300);
    struct dice dice = dice_of(25);

    for (uint32_t i = 0; i < pair.n; i++)
        set(&pair, i, 10);
    for (int round = 0; round < 2000; round++) {
        uint32_t level = dice_below(&dice, pair.tree.depth + 1);
        _Atomic uint64_t *node = &pair.tree.node[level][dice_below(&dice, pair.tree.width[level])];
        uint64_t saved = *node;

        *node = (uint64_t)dice_below(&dice, 100) - 50;
        cr_assert_lt(fo__sumtree_find(&pair.tree, dice_below(&dice, 4000), &nothing), pair.n);
        *node = saved;
    }
    pair_free(&pair);
}
