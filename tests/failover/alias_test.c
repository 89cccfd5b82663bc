/* SPDX-License-Identifier: Apache-2.0
 *
 * The shares that a table gives are recomputed from its columns, in integers: a column is 2^32
 * wide, `threshold` of it its own and the rest its alias's. They must be what the weights ask for.
 */
#include "alias.h"
#include "bits.h"
#include "dice.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH (UINT64_C(1) << 32)
#define UNITS_MAX (UINT64_C(1) << 43) /* largest sum of the units */

struct table {
    uint32_t n;
    uint64_t *units;
    struct fo__alias_column *columns;
    uint64_t *given;      /* width that each has in all columns together */
    uint32_t *columns_of; /* columns that it has a part of, its own not counted */
};

static struct table table_of(uint32_t n)
{
    struct table table = {n, calloc(n, sizeof(uint64_t)), calloc(n, sizeof(*table.columns)),
                          calloc(n, sizeof(uint64_t)), calloc(n, sizeof(uint32_t))};

    cr_assert(table.units != NULL && table.columns != NULL && table.given != NULL &&
              table.columns_of != NULL);
    return table;
}

static void table_free(struct table *table)
{
    free(table->units);
    free(table->columns);
    free(table->given);
    free(table->columns_of);
}

/** Builds the columns, over scratch memory full of rubbish, and adds up who owns how much. */
static void build(struct table *table)
{
    uint64_t *share = malloc(table->n * sizeof(*share));
    uint32_t *stack = malloc(table->n * sizeof(*stack));

    memset(share, 0xa5, table->n * sizeof(*share));
    memset(stack, 0xa5, table->n * sizeof(*stack));
    memset(table->columns, 0xa5, table->n * sizeof(*table->columns));
    memset(table->given, 0, table->n * sizeof(*table->given));
    memset(table->columns_of, 0, table->n * sizeof(*table->columns_of));
    fo__alias_build(table->units, table->n, table->columns, share, stack);
    for (uint32_t i = 0; i < table->n; i++) {
        const struct fo__alias_column *column = &table->columns[i];

        cr_assert_lt(column->alias, table->n, "column %u", i);
        table->given[i] += column->threshold;
        table->given[column->alias] += WIDTH - column->threshold;
        table->columns_of[column->alias] += column->alias != i ? 1 : 0;
    }
    free(share);
    free(stack);
}

/** Each share is right to one 2^-32 of every column that it has a part of; zero is exactly zero. */
static void check(const struct table *table)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < table->n; i++)
        total += table->units[i];
    for (uint32_t i = 0; i < table->n; i++) {
        fo__u128 wanted = (fo__u128)table->units[i] * table->n * WIDTH;
        fo__u128 given = (fo__u128)table->given[i] * total;
        fo__u128 error = given > wanted ? given - wanted : wanted - given;

        if (table->units[i] == 0)
            cr_assert_eq(table->given[i], 0, "%u has weight 0 and a share", i);
        else
            cr_assert_gt(table->given[i], 0, "%u has a weight and no share", i);
        cr_assert(error <= (fo__u128)total * (table->columns_of[i] + 1), "share of %u of %u", i,
                  table->n);
    }
}

static void check_random_table(struct dice *dice, uint32_t n, uint64_t largest, uint32_t zeros_of_8)
{
    struct table table = table_of(n);

    for (uint32_t i = 0; i < n; i++)
        if (dice_below(dice, 8) >= zeros_of_8)
            table.units[i] = 1 + dice_next(dice) % largest;
    table.units[dice_below(dice, n)] = largest; /* at least one is not 0 */
    build(&table);
    check(&table);
    table_free(&table);
}

Test(alias, gives_one_endpoint_everything)
{
    struct table table = table_of(1);

    for (uint64_t units = 1; units <= UNITS_MAX; units *= 8) {
        table.units[0] = units;
        build(&table);
        cr_expect_eq(table.columns[0].alias, 0);
        cr_expect_eq(table.given[0], WIDTH);
    }
    table_free(&table);
}

/* With a power of two of columns and units that add up to another, shares fit the coin exactly. */
Test(alias, is_exact_when_shares_are_fractions_of_the_coin)
{
    struct dice dice = dice_of(11);

    for (uint32_t n = 2; n <= 1024; n *= 2) {
        const uint64_t total = UINT64_C(1) << 32;
        struct table table = table_of(n);
        uint64_t left = total;

        for (uint32_t i = 0; i + 1 < n; i++) {
            table.units[i] = dice_next(&dice) % (left / 2 + 1);
            left -= table.units[i];
        }
        table.units[n - 1] = left;
        build(&table);
        for (uint32_t i = 0; i < n; i++)
            cr_assert_eq(table.given[i], table.units[i] * n, "%u of %u", i, n);
        table_free(&table);
    }
}

Test(alias, shares_out_random_weights)
{
    struct dice dice = dice_of(12);

    for (int round = 0; round < 3000; round++) {
        uint32_t n = 1 + dice_below(&dice, 80);
        uint64_t largest = UINT64_C(1) << (1 + dice_below(&dice, 35));

        check_random_table(&dice, n, largest, dice_below(&dice, 8));
    }
}

Test(alias, gives_equal_weights_whole_columns)
{
    struct table table = table_of(1000);

    for (uint32_t i = 0; i < table.n; i++)
        table.units[i] = 4398046511;
    build(&table);
    for (uint32_t i = 0; i < table.n; i++) {
        cr_assert_eq(table.columns[i].threshold, UINT32_MAX);
        cr_assert_eq(table.columns[i].alias, i);
    }
    table_free(&table);
}

Test(alias, never_draws_a_weight_of_zero)
{
    struct table table = table_of(257);

    for (uint32_t only = 0; only < table.n; only++) {
        memset(table.units, 0, table.n * sizeof(*table.units));
        table.units[only] = 1;
        build(&table);
        for (uint32_t i = 0; i < table.n; i++)
            cr_assert_eq(table.given[i], i == only ? table.n * WIDTH : 0);
    }
    table_free(&table);
}

Test(alias, keeps_the_smallest_weight_beside_the_largest)
{
    struct table table = table_of(1000);

    for (uint32_t i = 0; i < table.n; i++)
        table.units[i] = 1;
    table.units[500] = UNITS_MAX - table.n;
    build(&table);
    check(&table);
    for (uint32_t i = 0; i < table.n; i++)
        cr_assert_eq(i != 500 ? table.columns[i].threshold : 1, 1);
    table_free(&table);
}

Test(alias, builds_a_hundred_thousand_columns)
{
    struct dice dice = dice_of(13);

    check_random_table(&dice, UINT32_C(1) << 17, UINT64_C(1) << 25, 2);
}

Test(alias, builds_the_most_columns_over_the_largest_sum)
{
    struct table table = table_of(UINT32_C(1) << 20);

    for (uint32_t i = 0; i < table.n; i++)
        table.units[i] = UNITS_MAX / 2 / table.n;
    table.units[table.n - 1] += UNITS_MAX / 2;
    build(&table);
    check(&table);
    table_free(&table);
}
