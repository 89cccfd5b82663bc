/* SPDX-License-Identifier: Apache-2.0
 *
 * The two tables that a pick draws from, against a plain array of the same numbers.
 *
 *     sum tree   any changes, then: each node is the sum of its children; before() and find(), with
 *                up to 64 slots left out, say what a walk along the array says
 *     alias      the shares of the columns, added up per owner, are the weights; a weight of 0 owns
 *                nothing at all
 */
#include "alias.h"
#include "input.h"
#include "sumtree.h"

#define LEAVES_MAX 5000u /* four levels */

/* A few very unlike sizes, as weights and their contributions have; 2^43 in all at most. */
static uint64_t value_from(struct input *input, uint32_t n)
{
    uint64_t most = (UINT64_C(1) << 43) / n;
    uint8_t byte = input_byte(input);

    switch (byte & 3) {
    case 0: return 0;
    case 1: return byte >> 2;
    case 2: return most - (byte >> 2);
    default: return most >> (byte >> 2) % 43;
    }
}

static uint32_t slot_from(struct input *input, uint32_t end)
{
    uint32_t high = input_byte(input);
    return (high << 8 | input_byte(input)) % end;
}

/* ---- Sum tree -------------------------------------------------------------------------- */

struct plain {
    uint32_t n;
    uint64_t leaf[LEAVES_MAX];
};

static uint64_t plain_worth(const struct plain *plain, uint32_t slot,
                            const struct fo__without *without)
{
    for (uint32_t i = 0; i < without->count; i++)
        if (without->slot[i] == slot)
            return 0;
    return plain->leaf[slot];
}

static uint64_t plain_before(const struct plain *plain, uint32_t slot,
                             const struct fo__without *without)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < slot; i++)
        sum += plain_worth(plain, i, without);
    return sum;
}

static void check_sums(const struct fo__sumtree *tree, const struct plain *plain)
{
    MUST(tree->width[0] == plain->n && tree->width[tree->depth] == 1);
    for (uint32_t i = 0; i < plain->n; i++)
        MUST(tree->node[0][i] == plain->leaf[i]);
    for (uint32_t level = 1; level <= tree->depth; level++) {
        for (uint32_t i = 0; i < tree->width[level]; i++) {
            uint64_t sum = 0;
            uint32_t end = (i + 1) * FO__SUMTREE_FANOUT;

            for (uint32_t child = i * FO__SUMTREE_FANOUT;
                 child < end && child < tree->width[level - 1]; child++)
                sum += tree->node[level - 1][child];
            MUST(tree->node[level][i] == sum);
        }
    }
}

/** Excluded slots: ascending or not, each once, as a pick hands them over. */
static struct fo__without without_from(struct input *input, const struct plain *plain)
{
    struct fo__without without;
    uint32_t wanted = input_below(input, 65);
    bool block = input_bit(input);
    uint32_t slot = slot_from(input, plain->n);

    without.count = 0;
    for (uint32_t i = 0; i < wanted; i++) {
        bool known = false;

        slot = block ? (slot + 1) % plain->n : slot_from(input, plain->n);
        for (uint32_t j = 0; j < without.count; j++)
            known = known || without.slot[j] == slot;
        if (known)
            continue;
        without.slot[without.count] = slot;
        without.worth[without.count] = plain->leaf[slot];
        without.count++;
    }
    return without;
}

static void check_find(const struct fo__sumtree *tree, const struct plain *plain, uint64_t at,
                       const struct fo__without *without)
{
    uint64_t total = plain_before(plain, plain->n, without);
    uint32_t found = fo__sumtree_find(tree, at, without);
    uint64_t before;

    MUST(found < plain->n);
    if (at >= total)
        return;
    before = plain_before(plain, found, without);
    MUST(before <= at && at < before + plain_worth(plain, found, without));
}

static void step_tree(struct input *input, struct fo__sumtree *tree, struct plain *plain)
{
    struct fo__without without = {.count = 0};
    uint32_t slot = slot_from(input, plain->n);
    uint64_t total;

    if (input_bit(input)) {
        plain->leaf[slot] = value_from(input, plain->n);
        fo__sumtree_set(tree, slot, plain->leaf[slot]);
        return;
    }
    if (input_bit(input))
        without = without_from(input, plain);
    total = plain_before(plain, plain->n, &without);
    slot = slot_from(input, plain->n + 1);
    MUST(fo__sumtree_before(tree, slot, &without) == plain_before(plain, slot, &without));
    MUST(fo__sumtree_before(tree, plain->n, &without) == total);
    check_find(tree, plain, 0, &without);
    check_find(tree, plain, total > 0 ? total - 1 : 0, &without);
    check_find(tree, plain, total, &without);
    check_find(tree, plain, total > 0 ? input_wide(input) % total : 0, &without);
    check_find(tree, plain, plain_before(plain, slot, &without), &without);
}

static void fuzz_tree(struct input *input, uint32_t n)
{
    static struct plain plain;
    struct fo__sumtree tree;
    size_t words = fo__sumtree_words(n);
    _Atomic uint64_t *memory = calloc(words, sizeof(*memory));
    bool preset = input_bit(input);

    MUST(memory != NULL);
    plain.n = n;
    fo__sumtree_init(&tree, n, memory);
    MUST(tree.node[tree.depth] + 1 == memory + words);
    for (uint32_t i = 0; i < n; i++) {
        plain.leaf[i] = preset ? value_from(input, n) : 0;
        fo__sumtree_preset(&tree, i, plain.leaf[i]);
    }
    fo__sumtree_sum_up(&tree);
    check_sums(&tree, &plain);
    for (uint32_t steps = 0; input->left > 0 && steps * n < 20000; steps++)
        step_tree(input, &tree, &plain);
    check_sums(&tree, &plain);
    MUST(fo__sumtree_total(&tree) == plain_before(&plain, n, &(struct fo__without){.count = 0}));
    free((void *)memory);
}

/* ---- Alias table ----------------------------------------------------------------------- */

/* In units of 2^-32 of a column. A column that is all its owner's shows the largest threshold. */
static void add_up_shares(const struct fo__alias_column *columns, uint32_t n, double *share)
{
    for (uint32_t i = 0; i < n; i++)
        share[i] = 0;
    for (uint32_t i = 0; i < n; i++) {
        MUST(columns[i].alias < n);
        share[i] += columns[i].threshold;
        share[columns[i].alias] += 0x1p32 - columns[i].threshold;
    }
}

static void check_alias(const uint64_t *units, uint32_t n, const struct fo__alias_column *columns)
{
    double *share = malloc(n * sizeof(*share));
    double total = 0;

    MUST(share != NULL);
    add_up_shares(columns, n, share);
    for (uint32_t i = 0; i < n; i++)
        total += (double)units[i];
    for (uint32_t i = 0; i < n; i++) {
        double error = share[i] - (double)units[i] / total * n * 0x1p32;

        MUST((units[i] == 0) == (share[i] == 0));
        MUST(error > -(double)n - 1 && error < (double)n + 1); /* a unit for each column it is in */
    }
    free(share);
}

static void fuzz_alias(struct input *input, uint32_t n)
{
    uint64_t *units = malloc(n * sizeof(*units));
    uint64_t *share = malloc(n * sizeof(*share));
    uint32_t *stack = malloc(n * sizeof(*stack));
    struct fo__alias_column *columns = malloc(n * sizeof(*columns));
    uint64_t total = 0;

    MUST(units != NULL && share != NULL && stack != NULL && columns != NULL);
    memset(columns, 0xa5, n * sizeof(*columns)); /* what is not written shows */
    for (uint32_t i = 0; i < n; i++) {
        units[i] = value_from(input, n);
        total += units[i];
    }
    if (total == 0)
        units[slot_from(input, n)] = 1;
    fo__alias_build(units, n, columns, share, stack);
    check_alias(units, n, columns);
    free(units);
    free(share);
    free(stack);
    free(columns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    bool is_alias = input_bit(&input);
    bool is_large = input_below(&input, 8) == 0;
    uint32_t n = slot_from(&input, is_large ? LEAVES_MAX : 300) + 1;

    if (is_alias)
        fuzz_alias(&input, n);
    else
        fuzz_tree(&input, n);
    return 0;
}
