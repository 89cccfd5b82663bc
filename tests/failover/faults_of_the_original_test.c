/* SPDX-License-Identifier: Apache-2.0
 *
 * The proven faults of simple-failover-java, by their numbers. Each test replays the experiment
 * that showed the fault in the original and asks for the right answer here.
 *
 *     E1   an update puts a dead server back to full weight     E4   reports are lost over an update
 *     E1b  an update takes a healthy server out again           E5   a late failure leaks a timer
 *     E2   after an update nobody tries the dead server         E7   removing the unknown crashes
 *     E3   concurrent failures are lost                         E8   nonsense weights are accepted
 *     E3b  a success that races with "down" revives             E15  a late success revives
 */
#include "crew.h"
#include "dump.h"
#include "fixture.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <math.h>

static void add_one(struct fixture *f, const char *name, void *data)
{
    struct fo_endpoint_config config = fo_endpoint_config_init(name);

    config.data = data;
    cr_assert_eq(fo_balancer_update(f->balancer, &config, 1, NULL, 0, NULL), FO_OK);
}

static struct fo_lease pick(struct fixture *f)
{
    struct fo_lease lease = fo_lease_init();

    cr_assert_eq(fo_pick(f->balancer, &lease), FO_OK);
    return lease;
}

Test(e1, an_update_does_not_put_a_dead_server_back)
{
    struct fixture f;

    fixture_open(&f, 2, NULL);
    fixture_set_weight(&f, "e0", 0);
    fixture_set_weight(&f, "e1", 50);
    add_one(&f, "d", fixture_data(2));
    cr_assert_eq(fixture_info(&f, "e0").live_weight, 0);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    cr_assert_eq(fixture_info(&f, "e1").live_weight, 50);
    cr_assert_eq(fixture_info(&f, "d").live_weight, 100);
    for (int i = 0; i < 1000; i++)
        cr_assert_neq(fixture_pick_and_finish(&f, FO_OUTCOME_NEUTRAL), 0);
    fixture_destroy(&f);
}

Test(e1b, an_update_does_not_take_a_recovered_server_out)
{
    struct fo_config config;
    struct fixture f;

    fixture_init(&f);
    config = fixture_config(&f);
    config.weight = fo_weight_ratio();
    config.weight.recover_step = 1;
    fixture_balancer(&f, &config);
    fixture_add(&f, 1, NULL);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    fixture_advance_ms(&f, 1300);
    fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    cr_assert_eq(fixture_info(&f, "e0").live_weight, 100);
    add_one(&f, "z", fixture_data(1));
    cr_assert_eq(fixture_info(&f, "e0").live_weight, 100);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_UP);
    fixture_destroy(&f);
}

Test(e2, a_dead_server_is_still_tried_after_an_update)
{
    struct fixture f;

    fixture_open_weighed(&f, fo_weight_ratio(), 1);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&f);
    for (size_t i = 0; i < 20; i++) { /* updates in the middle of the back-off */
        add_one(&f, fixture_name(i + 1), fixture_data(i + 1));
        fixture_advance_ms(&f, 20);
    }
    fixture_advance_ms(&f, 900);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_TRIAL);
    cr_assert_eq(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS), 0, "the next pick is the trial");
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_UP);
    fixture_destroy(&f);
}

/* ---- E3 ---------------------------------------------------------------------------------- */

#define E3_THREADS 4
#define E3_FAILURES 100000
#define E3_MAX 1048576.0
#define E3_LEFT 648576.0

static double minus_one(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    return input->live_weight - 1;
}

static void fail_by_name(size_t member, void *arg)
{
    struct fixture *f = arg;

    (void)member;
    for (int i = 0; i < E3_FAILURES; i++) {
        fo_status status = fo_report(f->balancer, "e0", FO_OUTCOME_FAILURE);
        assert(status == FO_OK);
    }
}

static void fail_by_lease(size_t member, void *arg)
{
    struct fixture *f = arg;

    (void)member;
    for (int i = 0; i < E3_FAILURES; i++) {
        struct fo_lease lease;
        fo_status status = fo_pick(f->balancer, &lease);

        assert(status == FO_OK);
        status = fo_finish(&lease, FO_OUTCOME_FAILURE);
        assert(status == FO_OK);
    }
}

static void count_failures(void (*fail)(size_t, void *))
{
    const double weights[] = {E3_MAX};
    struct fo_endpoint_info info;
    struct fixture f;

    fixture_open_weighed(&f, fo_weight_custom(minus_one, minus_one, NULL), 0);
    fixture_add(&f, 1, weights);
    crew_run(E3_THREADS, fail, &f);
    info = fixture_info(&f, "e0");
    cr_assert_eq(info.live_weight, E3_LEFT, "%.0f", info.live_weight);
    cr_assert_eq(info.health * E3_MAX, E3_LEFT);
    cr_assert_eq(info.failed, E3_THREADS * E3_FAILURES);
    cr_assert_eq(info.finished, E3_THREADS * E3_FAILURES);
    cr_assert_eq(info.in_flight, 0);
    fixture_destroy(&f);
}

Test(e3, four_threads_of_100000_reports_are_all_counted)
{
    count_failures(fail_by_name);
}

Test(e3, four_threads_of_100000_leases_are_all_counted)
{
    count_failures(fail_by_lease);
}

/* ---- E3b: what was picked before "down" cannot lift it, whoever comes first --------------- */

#define E3B_ROUNDS 4000

struct revival {
    struct fixture f;
    struct fo_lease lease;
};

static void success_or_down(size_t member, void *arg)
{
    struct revival *revival = arg;

    if (member == 0)
        fo_finish(&revival->lease, FO_OUTCOME_SUCCESS);
    else
        fo_report(revival->f.balancer, "e0", FO_OUTCOME_DOWN);
}

Test(e3b, a_success_that_races_with_down_does_not_revive)
{
    struct revival revival;
    struct fo_config config;

    fixture_init(&revival.f);
    config = fixture_config(&revival.f);
    config.weight = fo_weight_ratio();
    config.weight.recover_step = 0.5; /* not back to 1 at once, so the success has work to do */
    fixture_balancer(&revival.f, &config);
    fixture_add(&revival.f, 1, NULL);
    for (int i = 0; i < E3B_ROUNDS; i++) {
        revival.lease = pick(&revival.f);
        crew_run(2, success_or_down, &revival);
        cr_assert_eq(fixture_info(&revival.f, "e0").state, FO_STATE_DOWN, "round %d", i);
        cr_assert_eq(fixture_info(&revival.f, "e0").live_weight, 0, "round %d", i);
        fixture_advance_ms(&revival.f, 1300);
        fixture_pick_and_finish(&revival.f, FO_OUTCOME_SUCCESS);
        cr_assert_eq(fixture_info(&revival.f, "e0").state, FO_STATE_UP, "round %d", i);
    }
    fixture_destroy(&revival.f);
}

/* ---- E4, E5 ------------------------------------------------------------------------------ */

Test(e4, open_requests_are_still_counted_after_an_update)
{
    struct fo_lease leases[11];
    struct fixture f;

    fixture_open(&f, 1, NULL);
    for (int i = 0; i < 10; i++)
        leases[i] = pick(&f);
    add_one(&f, "d", NULL);
    cr_assert_eq(fo_drain(f.balancer, "d"), FO_OK);
    cr_assert_eq(fixture_info(&f, "e0").in_flight, 10);
    leases[10] = pick(&f);
    cr_assert_eq(fo_finish(&leases[0], FO_OUTCOME_NEUTRAL), FO_OK);
    cr_assert_eq(fixture_info(&f, "e0").in_flight, 10);
    for (int i = 1; i <= 10; i++)
        cr_assert_eq(fo_finish(&leases[i], FO_OUTCOME_NEUTRAL), FO_OK);
    cr_assert_eq(fixture_info(&f, "e0").in_flight, 0);
    cr_assert_eq(fixture_info(&f, "e0").finished, 11);
    fixture_destroy(&f);
}

Test(e4, a_failure_picked_before_an_update_still_counts)
{
    struct fo_lease lease;
    struct fixture f;

    fixture_open_weighed(&f, fo_weight_ratio(), 1);
    lease = pick(&f);
    add_one(&f, "d", NULL);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(fixture_info(&f, "e0").live_weight, 50);
    cr_assert_eq(fixture_info(&f, "e0").failed, 1);
    fixture_destroy(&f);
}

Test(e5, late_failures_after_destroy_leave_no_timer_and_no_memory)
{
    struct fo_lease leases[100];
    struct fixture f;

    fixture_open_weighed(&f, fo_weight_ratio(), 1);
    for (int i = 0; i < 100; i++) {
        struct fo_endpoint_config upsert = fo_endpoint_config_init("e0");

        upsert.data = fixture_data((size_t)i);
        upsert.max_weight = 1 + i;
        cr_assert_eq(fo_balancer_update(f.balancer, &upsert, 1, NULL, 0, NULL), FO_OK);
        leases[i] = pick(&f);
    }
    fixture_close(&f, f.balancer);
    fixture_dispatch(&f);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(fo_finish(&leases[i], FO_OUTCOME_FAILURE), FO_OK);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, "e0"), 100);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_CLOSED, NULL), 1);
    cr_assert_eq(fo_runtime_next_deadline_ms(f.runtime), -1, "no timer is left");
    fixture_destroy(&f); /* which finds the runtime unused */
}

/* ---- E7, E8 ------------------------------------------------------------------------------ */

Test(e7, removing_an_unknown_name_is_refused_with_its_index)
{
    const char *removals[] = {"e0", "nobody"};
    struct fo_update_result result = fo_update_result_init();
    struct fixture f;
    char *before;

    fixture_open(&f, 2, NULL);
    before = dump(f.balancer);
    cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, removals, 2, &result), FO_NOTFOUND);
    cr_assert_eq(result.offender, 1);
    cr_assert(result.offender_removal);
    cr_assert(dump_is_still(f.balancer, before));
    fo_update_result_fini(&result);
    fixture_destroy(&f);
}

Test(e7, a_name_both_added_and_removed_is_refused)
{
    const char *removals[] = {"e1"};
    struct fo_endpoint_config upsert = fo_endpoint_config_init("e1");
    struct fo_update_result result = fo_update_result_init();
    struct fixture f;
    char *before;

    fixture_open(&f, 2, NULL);
    before = dump(f.balancer);
    cr_assert_eq(fo_balancer_update(f.balancer, &upsert, 1, removals, 1, &result), FO_DUPLICATE);
    cr_assert_eq(result.offender, 0);
    cr_assert(result.offender_removal);
    cr_assert(dump_is_still(f.balancer, before));
    fo_update_result_fini(&result);
    fixture_destroy(&f);
}

Test(e8, nonsense_weights_are_refused)
{
    const double wrong[][3] = {
        /* max, min, init */
        {100, 0, 5000},
        {100, 10, -7},
        {100, 10, 9.99},
        {NAN, 0, FO_INIT_WEIGHT_MAX},
        {INFINITY, 0, FO_INIT_WEIGHT_MAX},
        {100, 0, NAN},
        {100, NAN, FO_INIT_WEIGHT_MAX},
    };
    struct fixture f;
    char *before;

    fixture_open(&f, 1, NULL);
    before = dump(f.balancer);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fo_endpoint_config upsert = fo_endpoint_config_init("new");

        upsert.max_weight = wrong[i][0];
        upsert.min_weight = wrong[i][1];
        upsert.init_weight = wrong[i][2];
        cr_assert_eq(fo_balancer_update(f.balancer, &upsert, 1, NULL, 0, NULL), FO_EINVAL, "%zu",
                     i);
    }
    cr_assert(dump_is_still(f.balancer, before));
    fixture_destroy(&f);
}

Test(e15, a_late_success_does_not_lift_a_server_that_is_down)
{
    struct fo_lease lease;
    struct fixture f;

    fixture_open_weighed(&f, fo_weight_ratio(), 1);
    lease = pick(&f);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(fixture_info(&f, "e0").live_weight, 0);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN, "nor does a report by name");
    fixture_destroy(&f);
}
