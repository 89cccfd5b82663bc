/* SPDX-License-Identifier: Apache-2.0
 *
 * What each outcome does to a host that is up, to one that is down, and to the counters.
 */
#include "fixture.h"

#include <criterion/criterion.h>

static const fo_outcome every_outcome[] = {
    FO_OUTCOME_SUCCESS, FO_OUTCOME_DEGRADED, FO_OUTCOME_FAILURE,   FO_OUTCOME_OVERLOADED,
    FO_OUTCOME_DOWN,    FO_OUTCOME_NEUTRAL,  FO_OUTCOME_CANCELLED,
};
#define OUTCOMES (sizeof(every_outcome) / sizeof(every_outcome[0]))

/** One endpoint of weight 100 with ratio weights. */
static void begin(struct fixture *f, double min_weight)
{
    fixture_open_one(f, fo_weight_ratio(), 100, min_weight);
}

static double live(struct fixture *f)
{
    return fixture_info(f, "e0").live_weight;
}

Test(outcome, moves_a_host_that_is_up)
{
    /* From a live weight of 50: success +1, failure half, mild a tenth of what a failure takes. */
    const double expected[OUTCOMES] = {51, 47.5, 25, 47.5, 0, 50, 50};

    for (size_t i = 0; i < OUTCOMES; i++) {
        struct fixture f;

        begin(&f, 0);
        fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
        cr_assert_eq(live(&f), 50);
        fixture_pick_and_finish(&f, every_outcome[i]);
        cr_assert_float_eq(live(&f), expected[i], 1e-6, "%s", fo_outcome_name(every_outcome[i]));
        cr_assert_eq(fixture_info(&f, "e0").state,
                     every_outcome[i] == FO_OUTCOME_DOWN ? FO_STATE_DOWN : FO_STATE_UP);
        fixture_destroy(&f);
    }
}

Test(outcome, on_full_health_success_and_neutral_change_nothing)
{
    struct fixture f;

    begin(&f, 0);
    fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    fixture_pick_and_finish(&f, FO_OUTCOME_NEUTRAL);
    fixture_pick_and_finish(&f, FO_OUTCOME_CANCELLED);
    cr_assert_eq(fixture_info(&f, "e0").health, 1);
    fixture_pick_and_finish(&f, FO_OUTCOME_DEGRADED);
    cr_assert_float_eq(live(&f), 95, 1e-6, "degraded is a mild step also at full health");
    fixture_destroy(&f);
}

Test(outcome, counts_failures_and_downs_as_failed_and_nothing_else)
{
    for (size_t i = 0; i < OUTCOMES; i++) {
        bool failed = every_outcome[i] == FO_OUTCOME_FAILURE || every_outcome[i] == FO_OUTCOME_DOWN;
        struct fo_endpoint_info info;
        struct fixture f;

        begin(&f, 0);
        fixture_pick_and_finish(&f, every_outcome[i]);
        info = fixture_info(&f, "e0");
        cr_assert_eq(info.started, 1);
        cr_assert_eq(info.finished, 1);
        cr_assert_eq(info.in_flight, 0);
        cr_assert_eq(info.failed, failed ? 1 : 0, "%s", fo_outcome_name(every_outcome[i]));
        fixture_destroy(&f);
    }
}

Test(outcome, decides_a_trial)
{
    const fo_state expected[OUTCOMES] = {FO_STATE_UP,   FO_STATE_UP,   FO_STATE_DOWN,
                                         FO_STATE_DOWN, FO_STATE_DOWN, FO_STATE_TRIAL,
                                         FO_STATE_TRIAL};

    for (size_t i = 0; i < OUTCOMES; i++) {
        struct fixture f;

        begin(&f, 0);
        fixture_pick_and_finish(&f, FO_OUTCOME_DOWN);
        fixture_advance_ms(&f, 1300);
        fixture_pick_and_finish(&f, every_outcome[i]);
        cr_assert_eq(fixture_info(&f, "e0").state, expected[i], "%s: %s",
                     fo_outcome_name(every_outcome[i]),
                     fo_state_name(fixture_info(&f, "e0").state));
        if (expected[i] == FO_STATE_UP)
            cr_assert_float_eq(live(&f), 10, 1e-6, "the first recovery from the minimum");
        fixture_destroy(&f);
    }
}

Test(outcome, failures_reach_down_and_its_reason)
{
    struct fixture f;
    int failures = 0;

    begin(&f, 0);
    while (fixture_info(&f, "e0").state == FO_STATE_UP && failures < 20) {
        fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
        failures++;
    }
    cr_assert_eq(failures, 7, "100 50 25 12.5 6.25 3.125 1.5625 and then below 1");
    cr_assert_eq(live(&f), 0);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "added e0, down e0 (no health)");
    fixture_destroy(&f);
}

Test(outcome, mild_steps_never_take_a_host_down)
{
    const fo_outcome mild[] = {FO_OUTCOME_DEGRADED, FO_OUTCOME_OVERLOADED};

    for (int i = 0; i < 2; i++) {
        struct fixture f;

        begin(&f, 0);
        for (int n = 0; n < 2000; n++)
            fixture_pick_and_finish(&f, mild[i]);
        cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_UP);
        cr_assert_float_eq(live(&f), 1, 1e-6, "it stays at the floor of 1 %%: %f", live(&f));
        fixture_destroy(&f);
    }
}

Test(outcome, a_minimum_keeps_a_trickle_when_down_and_a_success_of_it_recovers)
{
    struct fixture f;

    begin(&f, 5);
    fixture_pick_and_finish(&f, FO_OUTCOME_DOWN);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    cr_assert_eq(live(&f), 5);
    cr_assert_eq(fixture_info(&f, "e0").health, 0);
    cr_assert_eq(fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE), 0,
                 "the only one is still picked");
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_UP);
    cr_assert_float_eq(live(&f), 15, 1e-6, "the minimum and the first recovery");
    fixture_destroy(&f);
}

Test(outcome, a_minimum_is_never_left_downwards_by_failures)
{
    struct fixture f;

    begin(&f, 5);
    for (int i = 0; i < 100; i++)
        fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_UP);
    cr_assert_float_eq(live(&f), 5, 1e-6);
    fixture_destroy(&f);
}

Test(outcome, that_is_none_is_refused_and_the_lease_stays_open)
{
    const int none[] = {0, -1, 8, 1000};
    struct fo_lease lease;
    struct fixture f;

    begin(&f, 0);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(fo_finish(&lease, (fo_outcome)none[i]), FO_EINVAL);
        cr_assert_not_null(lease.endpoint);
        cr_assert_eq(fo_report(f.balancer, "e0", (fo_outcome)none[i]), FO_EINVAL);
    }
    cr_assert_eq(fixture_info(&f, "e0").in_flight, 1);
    cr_assert_eq(fixture_info(&f, "e0").started, 1);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_null(lease.endpoint);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_EINVAL);
    cr_assert_eq(fo_finish(NULL, FO_OUTCOME_SUCCESS), FO_EINVAL);
    fixture_destroy(&f);
}
