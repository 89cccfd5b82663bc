/* SPDX-License-Identifier: Apache-2.0 */
#include "dice.h"
#include "retry_latency.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/** From 2 µs to an hour, evenly in the logarithm, in a narrow band or a wide one. */
static uint64_t some_latency(struct dice *dice, double middle, double spread)
{
    double ns = exp2(middle + spread * (dice_fraction(dice) - 0.5));

    return (uint64_t)fmin(fmax(ns, 2048), 3.6e12);
}

Test(retry_latency, is_at_most_an_eighth_above_the_95th_percentile)
{
    struct dice dice = dice_of(1);

    for (int round = 0; round < 300; round++) {
        static struct fo__retry_latency latency;
        uint64_t all[1000];
        size_t n = 100 + dice_below(&dice, 900);
        double middle = 12 + dice_fraction(&dice) * 28;
        double spread = dice_fraction(&dice) * 10;
        uint64_t told;

        memset(&latency, 0, sizeof(latency));
        for (size_t i = 0; i < n; i++) {
            all[i] = some_latency(&dice, middle, spread);
            fo__retry_latency_count(&latency, 1000, all[i]);
        }
        qsort(all, n, sizeof(all[0]), by_size);
        told = fo__retry_latency_p95_ns(&latency, 1000);
        cr_assert_gt(told, all[(n * 19 + 19) / 20 - 1]);
        cr_assert_leq((double)told, (double)all[(n * 19 + 19) / 20 - 1] * 1.125);
    }
}

Test(retry_latency, is_not_known_before_a_hundred_answers)
{
    static struct fo__retry_latency latency;

    for (uint32_t i = 0; i < 100; i++) {
        cr_assert_eq(fo__retry_latency_p95_ns(&latency, i / 10), 0);
        fo__retry_latency_count(&latency, i / 10, 1000000);
    }
    cr_assert_eq(fo__retry_latency_p95_ns(&latency, 9), 0, "it was asked in this tick");
    cr_assert_geq(fo__retry_latency_p95_ns(&latency, 10), 1000000);
    cr_assert_leq(fo__retry_latency_p95_ns(&latency, 10), 1125000);
}

Test(retry_latency, forgets_after_two_ttls)
{
    static struct fo__retry_latency latency;

    for (int i = 0; i < 100; i++)
        fo__retry_latency_count(&latency, 0, 1000000);
    cr_assert_neq(fo__retry_latency_p95_ns(&latency, 39), 0);
    cr_assert_eq(fo__retry_latency_p95_ns(&latency, 40), 0);
    for (int i = 0; i < 100; i++)
        fo__retry_latency_count(&latency, 40, 5000000);
    cr_assert_geq(fo__retry_latency_p95_ns(&latency, 41), 5000000);
}

Test(retry_latency, holds_what_is_off_its_ends)
{
    static struct fo__retry_latency latency;

    for (int i = 0; i < 100; i++)
        fo__retry_latency_count(&latency, 0, 0);
    cr_assert_leq(fo__retry_latency_p95_ns(&latency, 0), 1152);
    for (int i = 0; i < 10000; i++)
        fo__retry_latency_count(&latency, 0, UINT64_MAX);
    cr_assert_geq(fo__retry_latency_p95_ns(&latency, 1), UINT64_C(4000000000000));
}
