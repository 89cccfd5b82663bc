/* SPDX-License-Identifier: Apache-2.0
 *
 * Release: each removed incarnation comes back exactly once, after its last lease and not before,
 * whoever finishes it, wherever its leases were counted. (The fixture checks "exactly once, with
 * its own data" for everything it ever heard of.)
 */
#include "crew.h"
#include "fixture.h"

#include <assert.h>
#include <criterion/criterion.h>

#define FINISHERS 3

static void begin(struct fixture *f, uint32_t row_limit)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.row_limit = row_limit;
    fixture_balancer(f, &config);
}

static void take_out(struct fixture *f, const char *name)
{
    fo_status status = fo_balancer_update(f->balancer, NULL, 0, &name, 1, NULL);
    cr_assert_eq(status, FO_OK);
}

static void put_back(struct fixture *f, const char *name, void *data)
{
    struct fo_endpoint_config config = fo_endpoint_config_init(name);

    config.data = data;
    cr_assert_eq(fo_balancer_update(f->balancer, &config, 1, NULL, 0, NULL), FO_OK);
}

/* ---- On other threads -------------------------------------------------------------------- */

struct bundle {
    struct fixture f;
    struct fo_lease leases[FINISHERS][8];
};

static void finish_mine(size_t member, void *arg)
{
    struct bundle *bundle = arg;

    for (int i = 0; i < 8; i++)
        fo_finish(&bundle->leases[member][i], FO_OUTCOME_SUCCESS);
}

static void pick_mine(size_t member, void *arg)
{
    struct bundle *bundle = arg;

    for (int i = 0; i < 8; i++) {
        fo_status status = fo_pick(bundle->f.balancer, &bundle->leases[member][i]);
        assert(status == FO_OK);
    }
}

static void race_to_the_last_lease(uint32_t row_limit)
{
    struct bundle bundle;

    begin(&bundle.f, row_limit);
    for (size_t round = 0; round < 60; round++) {
        struct crew *finishers;

        put_back(&bundle.f, "e0", &bundle.leases[round % FINISHERS]);
        crew_run(FINISHERS, pick_mine, &bundle); /* by threads that are gone when it is finished */
        finishers = crew_start(FINISHERS, finish_mine, &bundle);
        take_out(&bundle.f, "e0");
        crew_join(finishers);
        fixture_dispatch(&bundle.f);
        cr_assert_eq(fixture_heard(&bundle.f, FO_EVENT_RELEASED, "e0"), round + 1);
    }
    fixture_destroy(&bundle.f);
}

Test(release, comes_once_when_finishers_race_with_the_removal)
{
    race_to_the_last_lease(0);
}

Test(release, comes_once_when_threads_share_counters)
{
    race_to_the_last_lease(1);
}

Test(release, comes_once_when_the_name_is_taken_back_again_and_again)
{
    struct bundle bundle;

    begin(&bundle.f, 0);
    for (size_t round = 0; round < 60; round++) {
        struct fo_endpoint_info info;
        struct crew *finishers;

        put_back(&bundle.f, "e0", fixture_data(0));
        crew_run(FINISHERS, pick_mine, &bundle);
        finishers = crew_start(FINISHERS, finish_mine, &bundle);
        for (int i = 0; i < 3; i++) {
            take_out(&bundle.f, "e0");
            put_back(&bundle.f, "e0", fixture_data(0));
        }
        crew_join(finishers);
        info = fixture_info(&bundle.f, "e0");
        cr_assert_eq(info.in_flight, 0, "%llu of %llu", (unsigned long long)info.finished,
                     (unsigned long long)info.started);
        fixture_dispatch(&bundle.f);
    }
    fixture_destroy(&bundle.f);
}

/* ---- The end of a balancer ---------------------------------------------------------------- */

Test(release, after_destroy_waits_for_the_last_lease_and_closed_comes_behind)
{
    struct fo_lease leases[4];
    struct fixture f;

    begin(&f, 0);
    fixture_add(&f, 2, NULL);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(fo_pick(f.balancer, &leases[i]), FO_OK);
    fixture_dispatch(&f);
    fixture_story(&f);
    fixture_close(&f, f.balancer);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "removed e0, removed e1");
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(fixture_heard(&f, FO_EVENT_CLOSED, NULL), 0);
        cr_assert_eq(fo_finish(&leases[i], FO_OUTCOME_SUCCESS), FO_OK);
        fixture_dispatch(&f);
    }
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, NULL), 2);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_CLOSED, NULL), 1);
    cr_assert_eq(f.events[f.event_count - 1].kind, FO_EVENT_CLOSED);
    fixture_destroy(&f);
}

Test(release, of_a_balancer_without_endpoints_is_just_closed)
{
    struct fixture f;

    begin(&f, 0);
    fixture_close(&f, f.balancer);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "closed");
    fixture_destroy(&f);
}

Test(release, of_endpoints_that_left_before_destroy_keeps_it_open_too)
{
    struct fo_lease lease;
    struct fixture f;

    begin(&f, 0);
    fixture_add(&f, 1, NULL);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    take_out(&f, "e0");
    fixture_close(&f, f.balancer);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "added e0, removed e0");
    cr_assert_eq(fo_runtime_destroy(f.runtime), FO_BUSY);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "released e0, closed");
    fixture_destroy(&f);
}

/* ---- While the dispatcher is at it -------------------------------------------------------- */

struct late_finish {
    struct fixture f;
    struct fo_lease lease; /* of e0 */
    const char *waits_for; /* finished when this name is told of */
};

static void finish_when_told(const struct fo_event *event, void *arg)
{
    struct late_finish *late = arg;

    if (late->lease.endpoint != NULL && event->kind == FO_EVENT_REMOVED &&
        fixture_index(late->lease.endpoint) == 0 && event->endpoint[1] == late->waits_for[1])
        fo_finish(&late->lease, FO_OUTCOME_SUCCESS);
}

static void finish_in_the_middle_of_a_batch(const char *waits_for)
{
    const char *removals[] = {"e1", "e0", "e2"};
    struct late_finish late = {.waits_for = waits_for};

    begin(&late.f, 0);
    fixture_add(&late.f, 3, NULL);
    cr_assert_eq(fo_subscribe(late.f.balancer, FO_EVENT_ALL, finish_when_told, &late, NULL), FO_OK);
    fixture_dispatch(&late.f);
    do {
        if (late.lease.endpoint != NULL)
            fo_finish(&late.lease, FO_OUTCOME_NEUTRAL);
        cr_assert_eq(fo_pick(late.f.balancer, &late.lease), FO_OK);
    } while (fixture_index(late.lease.endpoint) != 0);
    cr_assert_eq(fo_balancer_update(late.f.balancer, NULL, 0, removals, 3, NULL), FO_OK);
    fixture_dispatch(&late.f);
    cr_assert_null(late.lease.endpoint);
    cr_assert_eq(fixture_heard(&late.f, FO_EVENT_RELEASED, "e0"), 1);
    fixture_dispatch(&late.f);
    fixture_destroy(&late.f);
}

Test(release, of_what_waits_in_the_batch_while_another_is_told)
{
    finish_in_the_middle_of_a_batch("e1"); /* its removal is then told together with its release */
}

Test(release, of_what_is_just_being_told)
{
    finish_in_the_middle_of_a_batch("e0");
}

Test(release, of_what_was_told_before_another)
{
    finish_in_the_middle_of_a_batch("e2");
}

struct default_thread {
    struct fo_balancer *balancer;
    _Atomic int released;
    _Atomic int closed;
};

static void count_ends(const struct fo_event *event, void *arg)
{
    struct default_thread *ends = arg;

    if (event->kind == FO_EVENT_RELEASED)
        atomic_fetch_add(&ends->released, 1);
    if (event->kind == FO_EVENT_CLOSED)
        atomic_fetch_add(&ends->closed, 1);
}

static void until(_Atomic int *counter, int value)
{
    while (atomic_load(counter) != value)
        ;
}

/* The dispatcher runs all the time, so removal, last finish and burial meet in every order. */
Test(release, comes_once_while_the_default_thread_dispatches, .timeout = 60)
{
    struct default_thread ends = {.released = 0};
    const char *removals[] = {"a"};

    cr_assert_eq(fo_balancer_create(NULL, &ends.balancer), FO_OK);
    cr_assert_eq(
        fo_subscribe(ends.balancer, FO_EVENT_RELEASED | FO_EVENT_CLOSED, count_ends, &ends, NULL),
        FO_OK);
    for (int i = 0; i < 3000; i++) {
        struct fo_endpoint_config config = fo_endpoint_config_init("a");
        struct fo_lease lease;

        cr_assert_eq(fo_balancer_update(ends.balancer, &config, 1, NULL, 0, NULL), FO_OK);
        cr_assert_eq(fo_pick(ends.balancer, &lease), FO_OK);
        if (i % 2 == 0)
            fo_finish(&lease, FO_OUTCOME_SUCCESS);
        cr_assert_eq(fo_balancer_update(ends.balancer, NULL, 0, removals, 1, NULL), FO_OK);
        if (i % 2 == 1)
            fo_finish(&lease, FO_OUTCOME_SUCCESS);
        if (i % 64 == 0)
            until(&ends.released, i + 1);
    }
    fo_balancer_destroy(ends.balancer);
    until(&ends.closed, 1);
    cr_assert_eq(atomic_load(&ends.released), 3000);
}
