/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows: failure rate, success-rate outliers, latency; what counts in a window and what does not. All on
 * virtual time.
 */
#include "endpoint.h"
#include "fixture.h"
#include "window.h"

#include <criterion/criterion.h>
#include <string.h>

#define SECOND_MS 1000

static struct fo_judge_config windows_only(void)
{
    struct fo_judge_config judge = fo_judge_none();

    judge.failure_percent = 50;
    judge.window_requests = 100;
    return judge;
}

static struct fo_judge_config outliers_only(void)
{
    struct fo_judge_config judge = fo_judge_none();

    judge.outlier_permille = 0;
    return judge;
}

/** Weights that no outcome moves, so that all hosts get the same. */
static void begin(struct fixture *f, struct fo_judge_config judge, size_t n)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.judge = judge;
    fixture_balancer(f, &config);
    fixture_add(f, n, NULL);
    fixture_dispatch(f);
    fixture_story(f);
}

static fo_state state(struct fixture *f, size_t i)
{
    return fixture_info(f, fixture_name(i)).state;
}

/** So many reports on a host, of which so many failed, evenly spread. */
static void report(struct fixture *f, size_t i, uint32_t requests, uint32_t failures)
{
    uint32_t failed = 0;

    for (uint32_t n = 1; n <= requests; n++) {
        bool fails = (uint64_t)failures * n / requests > failed;

        failed += fails ? 1 : 0;
        cr_assert_eq(fo_report(f->balancer, fixture_name(i),
                               fails ? FO_OUTCOME_FAILURE : FO_OUTCOME_SUCCESS),
                     FO_OK);
    }
}

/* ---- The arithmetic ------------------------------------------------------------------------ */

Test(watch, a_window_forgets_exactly_the_tenth_bucket)
{
    const struct fo__window_counts first = {7, 3, 2, 50}, others = {10, 1, 1, 20};
    struct fo__window window = {.at = 0};

    fo__window_add(&window, &first);
    for (int i = 1; i < FO__WINDOW_BUCKETS; i++) {
        fo__window_roll(&window);
        fo__window_add(&window, &others);
        cr_expect_eq(fo__window_sum(&window).finished, 7 + 10 * (uint64_t)i);
        cr_expect_eq(fo__window_sum(&window).failed, 3 + (uint64_t)i);
        cr_expect_eq(fo__window_sum(&window).answers_ns, 50 + 20 * (uint64_t)i);
    }
    fo__window_roll(&window);
    cr_expect_eq(fo__window_sum(&window).finished, 90);
    cr_expect_eq(fo__window_sum(&window).failed, 9);
    cr_expect_eq(fo__window_sum(&window).answers, 9);
}

/* ---- Failure rate -------------------------------------------------------------------------- */

Test(watch, ejects_at_the_rate_and_not_below)
{
    for (uint32_t failures = 99; failures <= 100; failures++) {
        struct fixture f;

        begin(&f, windows_only(), 3);
        report(&f, 1, 200, failures);
        report(&f, 0, 200, 2);
        fixture_advance_ms(&f, SECOND_MS);
        cr_expect_eq(state(&f, 0), FO_STATE_UP);
        cr_expect_eq(state(&f, 1), failures >= 100 ? FO_STATE_EJECTED : FO_STATE_UP);
        if (failures >= 100)
            cr_expect_str_eq(fixture_story(&f), "ejected e1 (ejected for failure rate)");
        fixture_destroy(&f);
    }
}

Test(watch, needs_the_minimum_volume_in_one_window)
{
    struct fixture f;

    begin(&f, windows_only(), 3);
    report(&f, 1, 99, 99);
    fixture_advance_ms(&f, 9 * SECOND_MS + 500);
    cr_expect_eq(state(&f, 1), FO_STATE_UP);
    report(&f, 1, 1, 1);
    fixture_advance_ms(&f, SECOND_MS);
    cr_expect_eq(state(&f, 1), FO_STATE_EJECTED, "the hundredth, just in time");
    fixture_destroy(&f);
    begin(&f, windows_only(), 3);
    report(&f, 1, 99, 99);
    fixture_advance_ms(&f, 10 * SECOND_MS + 500);
    report(&f, 1, 1, 1);
    fixture_advance_ms(&f, SECOND_MS);
    cr_expect_eq(state(&f, 1), FO_STATE_UP, "one window too late");
    fixture_destroy(&f);
}

Test(watch, a_window_begins_anew_when_the_host_is_back)
{
    struct fixture f;

    begin(&f, windows_only(), 3);
    report(&f, 1, 200, 200);
    fixture_advance_ms(&f, SECOND_MS);
    cr_expect_eq(state(&f, 1), FO_STATE_EJECTED);
    while (state(&f, 1) != FO_STATE_TRIAL)
        fixture_advance_ms(&f, 100);
    atomic_store(&f.wanted_weight, 100);
    cr_expect_eq(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS), 1);
    fixture_advance_ms(&f, 100);
    cr_expect_eq(state(&f, 1), FO_STATE_UP);
    report(&f, 1, 100, 49);
    fixture_advance_ms(&f, 5 * SECOND_MS);
    cr_expect_eq(state(&f, 1), FO_STATE_UP, "the 200 are of the past");
    report(&f, 1, 100, 51);
    fixture_advance_ms(&f, SECOND_MS);
    cr_expect_eq(state(&f, 1), FO_STATE_EJECTED);
    fixture_destroy(&f);
}

Test(watch, late_outcomes_of_an_older_epoch_do_not_count)
{
    enum { LATE = 150 };
    static struct fo_lease leases[3 * LATE];
    struct fo_lease trial;
    struct fixture f;
    size_t late = 0;

    begin(&f, windows_only(), 3);
    for (size_t i = 0; i < 3 * LATE; i++)
        cr_assert_eq(fo_pick(f.balancer, &leases[i]), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_DOWN), FO_OK);
    while (state(&f, 1) != FO_STATE_TRIAL)
        fixture_advance_ms(&f, 100);
    atomic_store(&f.wanted_weight, 100);
    cr_assert_eq(fo_pick(f.balancer, &trial), FO_OK);
    cr_assert_eq(fixture_index(trial.endpoint), 1);
    cr_assert_eq(fo_finish(&trial, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_advance_ms(&f, 100);
    cr_expect_eq(state(&f, 1), FO_STATE_UP);
    for (size_t i = 0; i < 3 * LATE; i++) {
        bool is_late = fixture_index(leases[i].endpoint) == 1;

        late += is_late ? 1 : 0;
        cr_assert_eq(fo_finish(&leases[i], is_late ? FO_OUTCOME_FAILURE : FO_OUTCOME_SUCCESS),
                     FO_OK);
    }
    cr_expect_geq(late, 100);
    fixture_advance_ms(&f, 3 * SECOND_MS);
    cr_expect_eq(state(&f, 1), FO_STATE_UP, "all of them from before it went down");
    report(&f, 1, 100, 100);
    fixture_advance_ms(&f, SECOND_MS);
    cr_expect_eq(state(&f, 1), FO_STATE_EJECTED);
    fixture_destroy(&f);
}

Test(watch, an_endpoint_that_comes_or_goes_upsets_no_counts)
{
    struct fixture f;
    struct fo_endpoint_config again = fixture_upsert("e1", 100, fixture_data(9));

    begin(&f, windows_only(), 3);
    report(&f, 1, 90, 0);
    fixture_advance_ms(&f, 500);
    cr_assert_eq(fo_balancer_update(f.balancer, &again, 1, NULL, 0, NULL), FO_OK);
    fixture_advance_ms(&f, 500);
    report(&f, 1, 90, 89);
    fixture_advance_ms(&f, SECOND_MS);
    cr_expect_eq(state(&f, 1), FO_STATE_UP, "89 of 180");
    report(&f, 1, 4, 4);
    fixture_advance_ms(&f, SECOND_MS);
    cr_expect_eq(state(&f, 1), FO_STATE_EJECTED, "93 of 184");
    fixture_destroy(&f);
}

Test(watch, ejects_no_more_than_the_share_by_rate)
{
    struct fixture f;
    size_t out = 0;

    begin(&f, windows_only(), 8);
    for (int second = 0; second < 5; second++) {
        for (size_t i = 0; i < 8; i++)
            report(&f, i, 200, 200);
        fixture_advance_ms(&f, SECOND_MS);
    }
    for (size_t i = 0; i < 8; i++)
        out += state(&f, i) != FO_STATE_UP ? 1 : 0;
    cr_expect_eq(out, 4);
    fixture_destroy(&f);
}

/* ---- Outliers ------------------------------------------------------------------------------ */

Test(watch, an_outlier_is_below_the_mean_by_1_9_deviations)
{
    /* Of n hosts one fails a share, the others nothing: it is √(n − 1) deviations below the mean, however
     * small the share is. Fewer than five prove nothing. */
    static const struct {
        size_t n;
        uint32_t failures;
        uint32_t permille;
        bool ejects;
    } cases[] = {{5, 100, 0, true}, {5, 10, 0, true}, {5, 100, 2001, false}, {5, 100, 1999, true},
                 {6, 10, 0, true},  {6, 0, 0, false}, {4, 100, 1000, false}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fo_judge_config judge = outliers_only();
        struct fixture f;

        judge.outlier_permille = cases[i].permille;
        begin(&f, judge, cases[i].n);
        for (size_t at = 0; at < cases[i].n; at++)
            report(&f, at, 200, at == 1 ? cases[i].failures : 0);
        fixture_advance_ms(&f, SECOND_MS);
        cr_expect_eq(state(&f, 1), cases[i].ejects ? FO_STATE_EJECTED : FO_STATE_UP, "case %zu", i);
        cr_expect_eq(state(&f, 0), FO_STATE_UP);
        if (cases[i].ejects)
            cr_expect_str_eq(fixture_story(&f), "ejected e1 (ejected as outlier)");
        fixture_destroy(&f);
    }
}

Test(watch, when_all_fail_alike_nobody_is_an_outlier)
{
    struct fixture f;

    begin(&f, outliers_only(), 6);
    for (size_t i = 0; i < 6; i++)
        report(&f, i, 200, 120 + (uint32_t)i);
    fixture_advance_ms(&f, SECOND_MS);
    for (size_t i = 0; i < 6; i++)
        cr_expect_eq(state(&f, i), FO_STATE_UP);
    fixture_destroy(&f);
}

Test(watch, hosts_without_volume_are_neither_outliers_nor_the_norm)
{
    struct fixture f;

    begin(&f, outliers_only(), 6);
    for (size_t i = 0; i < 6; i++)
        report(&f, i, i < 2 ? 99 : 200, i == 5 ? 150 : 0);
    fixture_advance_ms(&f, SECOND_MS);
    cr_expect_eq(state(&f, 5), FO_STATE_UP, "four with volume");
    report(&f, 1, 1, 0);
    fixture_advance_ms(&f, SECOND_MS);
    cr_expect_eq(state(&f, 5), FO_STATE_EJECTED, "five");
    fixture_destroy(&f);
}

/* ---- Latency ------------------------------------------------------------------------------- */

/** So many answers of one host, each of that latency; what else is picked meanwhile says nothing. */
static void answer(struct fixture *f, size_t i, uint32_t answers, uint64_t ms)
{
    while (answers > 0) {
        struct fo_finish_report report = fo_finish_report_init(FO_OUTCOME_SUCCESS);
        struct fo_lease lease;

        cr_assert_eq(fo_pick(f->balancer, &lease), FO_OK);
        if (fixture_index(lease.endpoint) != i) {
            cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
            continue;
        }
        report.latency_ns = ms * 1000000;
        cr_assert_eq(fo_finish_with(&lease, &report), FO_OK);
        answers--;
    }
}

Test(watch, ejects_by_latency_above_five_times_the_best)
{
    struct fo_judge_config judge = fo_judge_none();

    judge.latency_percent = 0;
    for (uint64_t ms = 50; ms <= 51; ms++) {
        struct fixture f;

        begin(&f, judge, 3);
        for (size_t i = 0; i < 3; i++)
            report(&f, i, 200, 0);
        fixture_advance_ms(&f, SECOND_MS);
        cr_expect_eq(state(&f, 1), FO_STATE_UP, "not known");
        answer(&f, 1, 100, ms);
        fixture_advance_ms(&f, SECOND_MS);
        cr_expect_eq(state(&f, 1), FO_STATE_UP, "the only one that is known");
        answer(&f, 0, 99, 10);
        fixture_advance_ms(&f, SECOND_MS);
        cr_expect_eq(state(&f, 1), FO_STATE_UP, "too few of the other to be the norm");
        answer(&f, 0, 1, 10);
        fixture_advance_ms(&f, SECOND_MS);
        cr_expect_eq(state(&f, 1), ms > 50 ? FO_STATE_EJECTED : FO_STATE_UP);
        if (ms > 50)
            cr_expect_str_eq(fixture_story(&f), "ejected e1 (ejected for latency)");
        fixture_destroy(&f);
    }
}
