/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan of checks: what results mean and when the next one is, as numbers.
 */
#include "check_config.h"
#include "check_plan.h"
#include "clock.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static struct fo_check_config *full(struct fo_check_config config)
{
    struct fo_check_config *copy = NULL;

    cr_assert(fo__check_config_is_valid(&config));
    copy = fo__check_config_copy(&config);
    cr_assert_not_null(copy);
    return copy;
}

static uint64_t interval_ms(const struct fo__check_plan *plan, const struct fo_check_config *config,
                            bool is_down)
{
    _Atomic uint64_t rng = 1;

    return fo__check_plan_interval_ns(plan, config, is_down, &rng) / FO__NS_PER_MS;
}

static struct fo_check_config steady(void)
{
    struct fo_check_config config = fo_check_tcp();

    config.jitter_percent = FO_CHECK_JITTER_NONE;
    return config;
}

Test(check_plan, host_that_is_up_goes_down_after_fall_failures_in_a_row)
{
    struct fo_check_config *config = full(steady());
    struct fo__check_plan plan = {0};

    for (int i = 0; i < 2; i++)
        cr_assert_eq(fo__check_plan_count(&plan, config, false, true, false),
                     FO__CHECK_VERDICT_NONE);
    cr_assert_eq(fo__check_plan_count(&plan, config, false, true, true), FO__CHECK_VERDICT_HEAL,
                 "one passed check ends the row");
    for (int i = 0; i < 2; i++)
        cr_assert_eq(fo__check_plan_count(&plan, config, false, true, false),
                     FO__CHECK_VERDICT_NONE);
    cr_assert_eq(fo__check_plan_count(&plan, config, false, true, false), FO__CHECK_VERDICT_DOWN);
    cr_assert_eq(plan.failed, 0, "and the row has done its work");
    free(config);
}

Test(check_plan, host_that_is_down_comes_back_after_rise_passed_in_a_row)
{
    struct fo_check_config *config = full(steady());
    struct fo__check_plan plan = {0};

    cr_assert_eq(fo__check_plan_count(&plan, config, true, true, true), FO__CHECK_VERDICT_NONE);
    cr_assert_eq(fo__check_plan_count(&plan, config, true, true, false), FO__CHECK_VERDICT_NONE);
    cr_assert_eq(fo__check_plan_count(&plan, config, true, true, true), FO__CHECK_VERDICT_NONE);
    cr_assert_eq(fo__check_plan_count(&plan, config, true, true, true), FO__CHECK_VERDICT_UP);
    free(config);
}

Test(check_plan, result_of_an_older_epoch_counts_in_the_row_and_moves_nothing)
{
    struct fo_check_config *config = full(steady());
    struct fo__check_plan plan = {0};

    for (int i = 0; i < 5; i++)
        cr_assert_eq(fo__check_plan_count(&plan, config, true, false, true),
                     FO__CHECK_VERDICT_NONE);
    cr_assert_eq(plan.passed, 5);
    cr_assert_eq(fo__check_plan_count(&plan, config, true, true, true), FO__CHECK_VERDICT_UP);
    free(config);
}

Test(check_plan, rows_begin_anew_with_each_epoch)
{
    struct fo__check_plan plan = {.epoch = 7, .passed = 1000, .failed = 0};

    cr_assert_not(fo__check_plan_follow(&plan, 7));
    cr_assert_eq(plan.passed, 1000);
    cr_assert(fo__check_plan_follow(&plan, 8));
    cr_assert_eq(plan.passed, 0);
}

Test(check_plan, interval_is_fast_between_the_first_result_and_the_verdict)
{
    struct fo_check_config *config = full(steady());
    struct fo__check_plan plan = {0};

    cr_assert_eq(interval_ms(&plan, config, false), 2000);
    plan.failed = 1;
    cr_assert_eq(interval_ms(&plan, config, false), 500);
    plan = (struct fo__check_plan){.passed = 1};
    cr_assert_eq(interval_ms(&plan, config, false), 2000, "all is well");
    cr_assert_eq(interval_ms(&plan, config, true), 500);
    free(config);
}

Test(check_plan, interval_doubles_while_a_host_is_down)
{
    static const uint64_t wanted[] = {2000, 4000, 8000, 9000, 9000};
    struct fo_check_config config = steady();
    struct fo_check_config *filled;

    config.down_interval_max_ms = 9000;
    filled = full(config);
    for (uint32_t i = 0; i < 5; i++) {
        struct fo__check_plan plan = {.failed = i};
        cr_assert_eq(interval_ms(&plan, filled, true), wanted[i]);
    }
    free(filled);
    filled = full(steady());
    cr_assert_eq(interval_ms(&(struct fo__check_plan){.failed = UINT32_MAX}, filled, true), 2000,
                 "by default it stays");
    free(filled);
}

Test(check_plan, jitter_is_uniform_within_its_bounds)
{
    enum { DRAWS = 100000, SLOTS = 20 };
    struct fo_check_config *config = full(fo_check_tcp());
    struct fo__check_plan plan = {0};
    _Atomic uint64_t rng = 3;
    uint64_t slots[SLOTS] = {0};
    double chi2 = 0;

    for (int i = 0; i < DRAWS; i++) {
        uint64_t ns = fo__check_plan_interval_ns(&plan, config, false, &rng);

        cr_assert(ns >= 1800 * FO__NS_PER_MS && ns <= 2200 * FO__NS_PER_MS);
        slots[(ns - 1800 * FO__NS_PER_MS) * SLOTS / (400 * FO__NS_PER_MS + 1)]++;
    }
    for (int i = 0; i < SLOTS; i++) {
        double off = (double)slots[i] - (double)DRAWS / SLOTS;
        chi2 += off * off / ((double)DRAWS / SLOTS);
    }
    cr_assert_lt(chi2, 43.82, "chi-square of 19 degrees of freedom at p = 0.001: %f", chi2);
    free(config);
}

Test(check_plan, fast_interval_of_a_short_interval_is_not_longer)
{
    struct fo_check_config config = fo_check_tcp();
    struct fo_check_config *filled;

    config.interval_ms = 40;
    filled = full(config);
    cr_assert_eq(filled->fast_interval_ms, 40);
    free(filled);
    config.interval_ms = 100;
    filled = full(config);
    cr_assert_eq(filled->fast_interval_ms, 50);
    free(filled);
}

/* ---- Bad configurations -------------------------------------------------------------------- */

#define REFUSES(field, value)                                                                      \
    do {                                                                                           \
        struct fo_check_config config = fo_check_tcp();                                            \
        config.field = (value);                                                                    \
        cr_expect_not(fo__check_config_is_valid(&config), #field " = " #value " is taken");        \
    } while (0)

Test(check_plan, configurations_out_of_range_are_refused)
{
    static char long_path[FO_CHECK_TEXT_MAX + 2];

    memset(long_path, 'a', sizeof(long_path) - 1);
    long_path[0] = '/';
    REFUSES(kind, (fo_check_kind)77);
    REFUSES(when, (fo_check_when)2);
    REFUSES(jitter_percent, 51);
    REFUSES(fast_interval_ms, 2001);
    REFUSES(down_interval_max_ms, 1999);
    REFUSES(reserved[2], 1);
    REFUSES(reserved2[1], 1);
    REFUSES(send_size, 1);
    REFUSES(expect, "no size");
    REFUSES(path, "no-slash");
    REFUSES(path, "/a b");
    REFUSES(path, long_path);
    REFUSES(host, "a\r\nb");
    REFUSES(status_min, 99);
    REFUSES(status_min, 600);
    REFUSES(status_max, 199);
}

Test(check_plan, copy_has_texts_of_its_own)
{
    char send[] = "PING\r\n";
    char host[] = "a.example";
    struct fo_check_config config = fo_check_tcp();
    struct fo_check_config *copy;

    config.send = send;
    config.send_size = 6;
    config.host = host;
    copy = full(config);
    send[0] = 'X';
    host[0] = 'X';
    cr_assert_eq(memcmp(copy->send, "PING\r\n", 6), 0);
    cr_assert_str_eq(copy->host, "a.example");
    cr_assert_str_eq(copy->path, "/");
    cr_assert_null(copy->expect);
    cr_assert_eq(copy->status_min, 200);
    cr_assert_eq(copy->status_max, 399);
    free(copy);
}

Test(check_plan, nothing_but_the_initial_configuration_is_the_default_one)
{
    struct fo_check_config config = fo_check_config_init();

    cr_assert(fo__check_config_is_default(&config));
    config.rise = 1;
    cr_assert_not(fo__check_config_is_default(&config));
    config = fo_check_tcp();
    cr_assert_not(fo__check_config_is_default(&config));
}
