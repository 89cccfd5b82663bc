/* SPDX-License-Identifier: Apache-2.0
 *
 * The epoch: an outcome of a request that was picked before the host's last change to or from down
 * counts in the statistics and moves nothing.
 */
#include "fixture.h"

#include <criterion/criterion.h>

static void begin(struct fixture *f)
{
    fixture_open_weighed(f, fo_weight_ratio(), 1);
}

static void go_down(struct fixture *f)
{
    cr_assert_eq(fo_report(f->balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
}

static void recover(struct fixture *f)
{
    fixture_advance_ms(f, 1300);
    fixture_pick_and_finish(f, FO_OUTCOME_SUCCESS);
    cr_assert_eq(fixture_info(f, "e0").state, FO_STATE_UP);
}

static struct fo_lease pick(struct fixture *f)
{
    struct fo_lease lease = fo_lease_init();

    cr_assert_eq(fo_pick(f->balancer, &lease), FO_OK);
    return lease;
}

Test(epoch, rises_with_real_changes_only)
{
    struct fixture f;
    uint32_t epoch;

    begin(&f);
    epoch = fixture_info(&f, "e0").epoch;
    fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
    fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    cr_assert_eq(fixture_info(&f, "e0").epoch, epoch);
    go_down(&f);
    cr_assert_eq(fixture_info(&f, "e0").epoch, epoch + 1);
    go_down(&f);
    cr_assert_eq(fixture_info(&f, "e0").epoch, epoch + 1, "down again is no change");
    fixture_advance_ms(&f, 1300);
    cr_assert_eq(fixture_info(&f, "e0").epoch, epoch + 1, "nor is a trial");
    fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
    cr_assert_eq(fixture_info(&f, "e0").epoch, epoch + 1, "nor its failure");
    fixture_advance_ms(&f, 2500);
    fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    cr_assert_eq(fixture_info(&f, "e0").epoch, epoch + 2);
    fixture_destroy(&f);
}

Test(epoch, late_outcomes_from_before_a_recovery_move_nothing)
{
    const fo_outcome late[] = {FO_OUTCOME_FAILURE, FO_OUTCOME_DOWN, FO_OUTCOME_OVERLOADED,
                               FO_OUTCOME_DEGRADED, FO_OUTCOME_SUCCESS};
    struct fo_lease leases[5];
    struct fo_endpoint_info before, now;
    struct fixture f;

    begin(&f);
    for (int i = 0; i < 5; i++)
        leases[i] = pick(&f);
    go_down(&f);
    recover(&f);
    before = fixture_info(&f, "e0");
    for (int i = 0; i < 5; i++)
        cr_assert_eq(fo_finish(&leases[i], late[i]), FO_OK);
    now = fixture_info(&f, "e0");
    cr_assert_eq(now.health, before.health);
    cr_assert_eq(now.state, FO_STATE_UP);
    cr_assert_eq(now.epoch, before.epoch);
    cr_assert_eq(now.finished, before.finished + 5, "but all are counted");
    cr_assert_eq(now.failed, before.failed + 2);
    cr_assert_eq(now.in_flight, 0);
    fixture_destroy(&f);
}

Test(epoch, a_late_outcome_does_not_decide_a_trial)
{
    const fo_outcome late[] = {FO_OUTCOME_FAILURE, FO_OUTCOME_DOWN, FO_OUTCOME_OVERLOADED,
                               FO_OUTCOME_SUCCESS, FO_OUTCOME_CANCELLED};

    for (int i = 0; i < 5; i++) {
        struct fo_lease old, trial;
        struct fixture f;

        begin(&f);
        old = pick(&f);
        go_down(&f);
        fixture_advance_ms(&f, 1300);
        trial = pick(&f);
        cr_assert_eq(fo_finish(&old, late[i]), FO_OK);
        cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_TRIAL, "%s", fo_outcome_name(late[i]));
        cr_assert_eq(fo_finish(&trial, FO_OUTCOME_SUCCESS), FO_OK);
        cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_UP);
        fixture_destroy(&f);
    }
}

Test(epoch, a_trial_lease_given_up_and_answered_late_still_tells)
{
    struct fo_lease trial;
    struct fixture f;

    begin(&f);
    go_down(&f);
    fixture_advance_ms(&f, 1300);
    trial = pick(&f);
    fixture_advance_ms(&f, 10000); /* more than two timeouts: given up */
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    cr_assert_eq(fo_finish(&trial, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_UP, "it was picked after it went down");
    fixture_destroy(&f);
}

Test(epoch, is_the_host_s_over_all_incarnations)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("e0");
    struct fo_lease old;
    struct fixture f;

    begin(&f);
    old = pick(&f);
    config.data = fixture_data(5);
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    go_down(&f);
    recover(&f);
    cr_assert_eq(fo_finish(&old, FO_OUTCOME_DOWN), FO_OK);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_UP);
    fixture_destroy(&f);
}

Test(epoch, two_leases_of_one_crash_take_it_down_once)
{
    struct fo_lease leases[2];
    struct fixture f;

    begin(&f);
    leases[0] = pick(&f);
    leases[1] = pick(&f);
    cr_assert_eq(fo_finish(&leases[0], FO_OUTCOME_DOWN), FO_OK);
    fixture_advance_ms(&f, 500);
    cr_assert_eq(fo_finish(&leases[1], FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_DOWN, "e0"), 1);
    fixture_advance_ms(&f, 701); /* the back-off counts from the first */
    cr_assert_eq(fixture_heard(&f, FO_EVENT_TRIAL, "e0"), 1);
    fixture_destroy(&f);
}
