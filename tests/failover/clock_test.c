/* SPDX-License-Identifier: Apache-2.0
 *
 * Clocks: the system's, and one that is injected.
 */
#include "clock.h"

#include <criterion/criterion.h>

#define NS_PER_MINUTE UINT64_C(60000000000)

static uint64_t given_time(void *arg)
{
    return *(const uint64_t *)arg;
}

Test(clock, that_is_injected_is_asked_for_coarse_time_as_well)
{
    uint64_t time_ns = 7;
    struct fo__clock clock = fo__clock_from(given_time, &time_ns);

    cr_expect_eq(fo__clock_now_ns(&clock), 7);
    cr_expect_eq(fo__clock_coarse_ns(&clock), 7);
    time_ns = 8;
    cr_expect_eq(fo__clock_coarse_ns(&clock), 8, "no grain of its own");
}

/** Nothing is said about how much it lags, but that it is the same clock. */
Test(clock, of_the_system_has_a_coarse_time_that_is_never_ahead_and_never_goes_back)
{
    struct fo__clock clock = fo__clock_from(NULL, NULL);
    uint64_t last_ns = 0;

    for (int i = 0; i < 100000; i++) {
        uint64_t coarse_ns = fo__clock_coarse_ns(&clock);
        uint64_t now_ns = fo__clock_now_ns(&clock);

        cr_assert_leq(coarse_ns, now_ns);
        cr_assert_geq(coarse_ns, last_ns);
        cr_assert_lt(now_ns - coarse_ns, NS_PER_MINUTE);
        last_ns = coarse_ns;
    }
}
