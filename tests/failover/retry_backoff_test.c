/* SPDX-License-Identifier: Apache-2.0 */
#include "dice.h"
#include "retry_backoff.h"

#include <criterion/criterion.h>
#include <math.h>

Test(retry_backoff, doubles_its_limit_up_to_the_largest)
{
    cr_assert_eq(fo__retry_backoff_limit_ns(25, 1000, 1), 25);
    cr_assert_eq(fo__retry_backoff_limit_ns(25, 1000, 2), 50);
    cr_assert_eq(fo__retry_backoff_limit_ns(25, 1000, 6), 800);
    cr_assert_eq(fo__retry_backoff_limit_ns(25, 1000, 7), 1000);
    cr_assert_eq(fo__retry_backoff_limit_ns(25, 1000, 16), 1000);
    cr_assert_eq(fo__retry_backoff_limit_ns(25, 25, 9), 25);
}

Test(retry_backoff, does_not_wrap)
{
    const uint64_t longest = UINT64_C(4294967294) * 1000000;

    cr_assert_eq(fo__retry_backoff_limit_ns(longest, longest, 16), longest);
    cr_assert_eq(fo__retry_backoff_limit_ns(longest - 1, longest, 16), longest);
}

Test(retry_backoff, draws_evenly_from_nothing_to_the_limit)
{
    enum { DRAWS = 80000, CELLS = 8 };
    struct dice dice = dice_of(1);
    uint32_t cell[CELLS] = {0};

    for (int i = 0; i < DRAWS; i++) {
        uint64_t ns = fo__retry_backoff_ns(1000, 64000, 4, dice_next(&dice));

        cr_assert_lt(ns, 8000);
        cell[ns / 1000]++;
    }
    for (int i = 0; i < CELLS; i++)
        cr_assert_leq(fabs(cell[i] - (double)DRAWS / CELLS), 5 * sqrt((double)DRAWS / CELLS));
}

Test(retry_backoff, pauses_not_at_all_without_a_base)
{
    cr_assert_eq(fo__retry_backoff_ns(0, 1000000, 5, UINT64_MAX), 0);
}
