/* SPDX-License-Identifier: Apache-2.0
 *
 * fo_report(): outcomes for callers who keep only a name.
 */
#include "crew.h"
#include "dump.h"
#include "fixture.h"

#include <assert.h>
#include <criterion/criterion.h>

static void begin(struct fixture *f)
{
    fixture_open_weighed(f, fo_weight_ratio(), 2);
}

Test(report, counts_as_one_request_and_moves_health)
{
    struct fo_endpoint_info info;
    struct fixture f;

    begin(&f);
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_NEUTRAL), FO_OK);
    info = fixture_info(&f, "e1");
    cr_assert_float_eq(info.live_weight, 51, 1e-6);
    cr_assert_eq(info.started, 3);
    cr_assert_eq(info.finished, 3);
    cr_assert_eq(info.failed, 1);
    cr_assert_eq(info.in_flight, 0);
    cr_assert_eq(fixture_info(&f, "e0").started, 0);
    fixture_destroy(&f);
}

Test(report, takes_down_but_never_lifts)
{
    struct fixture f;

    begin(&f);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_SUCCESS), FO_OK);
        cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DEGRADED), FO_OK);
        cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    }
    fixture_advance_ms(&f, 1300);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_TRIAL);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_TRIAL, "nor while a trial is offered");
    fixture_destroy(&f);
}

Test(report, does_not_lift_a_minimum_s_trickle_out_of_down_either)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("e0");
    struct fixture f;

    begin(&f);
    config.data = fixture_data(0);
    config.min_weight = 5;
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    fixture_destroy(&f);
}

Test(report, does_not_help_a_recovery_along)
{
    struct fo_config config;
    struct fixture f;

    fixture_init(&f);
    config = fixture_config(&f);
    config.weight = fo_weight_ratio();
    config.weight.recover_threshold = 2;
    fixture_balancer(&f, &config);
    fixture_add(&f, 1, NULL);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_SUCCESS), FO_OK);
    fixture_advance_ms(&f, 1300);
    fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    cr_assert_neq(fixture_info(&f, "e0").state, FO_STATE_UP, "one trial success of two");
    fixture_destroy(&f);
}

Test(report, works_on_what_is_drained_and_on_weight_zero)
{
    const double weights[] = {100, 100, 0};
    struct fixture f;

    begin(&f);
    fixture_add(&f, 3, weights);
    cr_assert_eq(fo_drain(f.balancer, "e0"), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e2", FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(fo_undrain(f.balancer, "e0"), FO_OK);
    cr_assert_eq(fixture_info(&f, "e0").live_weight, 50);
    cr_assert_eq(fixture_info(&f, "e2").health, 0.5);
    fixture_destroy(&f);
}

Test(report, refuses_what_it_does_not_know)
{
    char longer[FO_NAME_MAX + 2];
    const char *removals[] = {"e1"};
    struct fixture f;
    char *before;

    for (size_t i = 0; i <= FO_NAME_MAX; i++)
        longer[i] = 'x';
    longer[FO_NAME_MAX + 1] = '\0';
    begin(&f);
    cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, removals, 1, NULL), FO_OK);
    before = dump(f.balancer);
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_DOWN), FO_NOTFOUND);
    cr_assert_eq(fo_report(f.balancer, "", FO_OUTCOME_DOWN), FO_NOTFOUND);
    cr_assert_eq(fo_report(f.balancer, longer, FO_OUTCOME_DOWN), FO_NOTFOUND);
    cr_assert_eq(fo_report(f.balancer, NULL, FO_OUTCOME_DOWN), FO_EINVAL);
    cr_assert_eq(fo_report(NULL, "e0", FO_OUTCOME_DOWN), FO_EINVAL);
    cr_assert(dump_is_still(f.balancer, before));
    fixture_destroy(&f);
}

/* ---- Against updates ---------------------------------------------------------------------- */

struct reporting {
    struct fixture f;
    _Atomic bool done;
    _Atomic uint64_t misses;
};

static void report_all_the_time(size_t member, void *arg)
{
    struct reporting *reporting = arg;

    (void)member;
    while (!atomic_load(&reporting->done))
        if (fo_report(reporting->f.balancer, "e0", FO_OUTCOME_SUCCESS) != FO_OK)
            atomic_fetch_add(&reporting->misses, 1);
}

Test(report, finds_a_name_that_is_there_all_the_time_while_its_data_changes)
{
    struct reporting reporting;
    struct crew *crew;

    begin(&reporting.f);
    atomic_init(&reporting.done, false);
    atomic_init(&reporting.misses, 0);
    crew = crew_start(1, report_all_the_time, &reporting);
    for (size_t i = 0; i < 4000; i++) {
        struct fo_endpoint_config config = fo_endpoint_config_init("e0");

        config.data = fixture_data(10 + i % 2);
        cr_assert_eq(fo_balancer_update(reporting.f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
        fixture_dispatch(&reporting.f);
    }
    atomic_store(&reporting.done, true);
    crew_join(crew);
    cr_assert_eq(atomic_load(&reporting.misses), 0, "%llu reports found no e0",
                 (unsigned long long)atomic_load(&reporting.misses));
    fixture_destroy(&reporting.f);
}
