/* SPDX-License-Identifier: Apache-2.0
 *
 * The throttle's formula, and its dice, against lists of what happened when.
 */
#include "dice.h"
#include "retry_throttle.h"

#include <criterion/criterion.h>
#include <math.h>

Test(retry_throttle, has_the_formula_of_the_book)
{
    for (uint64_t requests = 0; requests < 60; requests++)
        for (uint64_t accepts = 0; accepts <= requests; accepts++)
            for (double k = 1; k <= 4; k += 0.5) {
                double naive =
                    fmax(0, ((double)requests - k * (double)accepts) / ((double)requests + 1));

                cr_assert_float_eq(fo__retry_shed_probability(k, requests, accepts), naive, 1e-12);
            }
    cr_assert_eq(fo__retry_shed_probability(2, 0, 0), 0);
    cr_assert_eq(fo__retry_shed_probability(2, 100, 50), 0);
    cr_assert_float_eq(fo__retry_shed_probability(2, 99, 0), 0.99, 1e-12);
}

Test(retry_throttle, sheds_nothing_while_it_is_off)
{
    struct fo__retry_throttle throttle;

    fo__retry_throttle_init(&throttle, 0);
    for (int i = 0; i < 1000; i++) {
        cr_assert_not(fo__retry_throttle_sheds(&throttle, 7, 0));
        fo__retry_throttle_count(&throttle, 7, false);
    }
}

/** One tick of the model. */
struct past {
    uint32_t requests;
    uint32_t accepts;
};

static double model(const struct past *past, size_t tick, double k)
{
    double requests = 0;
    double accepts = 0;

    for (size_t i = tick >= 19 ? tick - 19 : 0; i <= tick; i++) {
        requests += past[i].requests;
        accepts += past[i].accepts;
    }
    return fmax(0, (requests - k * accepts) / (requests + 1));
}

/** What it decides for a draw tells its probability: just below it is shed, just above it is not. */
Test(retry_throttle, sheds_as_a_naive_model_does)
{
    static struct past past[4000];
    struct fo__retry_throttle throttle;
    struct dice dice = dice_of(1);
    uint64_t shed = 0;
    size_t tick = 0;

    fo__retry_throttle_init(&throttle, 2);
    for (int i = 0; i < 100000; i++) {
        uint32_t health = 90 - (uint32_t)(i / 5000 % 4) * 30; /* 90, 60, 30, 0 % are answered */
        uint64_t draw = dice_next(&dice);
        double drawn = (double)(draw >> 11) * 0x1p-53;
        bool expected;
        bool accepted;

        tick += dice_below(&dice, 40) == 0 ? 1 : 0;
        expected = drawn < model(past, tick, 2);
        cr_assert_eq(fo__retry_throttle_sheds(&throttle, (uint32_t)tick, draw), expected, "%d", i);
        past[tick].requests++;
        shed += expected ? 1 : 0;
        if (expected)
            continue;
        accepted = dice_below(&dice, 100) < health;
        fo__retry_throttle_count(&throttle, (uint32_t)tick, accepted);
        past[tick].accepts += accepted ? 1 : 0;
    }
    cr_assert_gt(shed, 20000, "the case says something");
    cr_assert_lt(shed, 80000);
}
