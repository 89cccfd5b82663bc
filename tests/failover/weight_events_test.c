/* SPDX-License-Identifier: Apache-2.0
 *
 * Events of weight: told to who asks for them by name, merged, in order. All on virtual time.
 */
#include "fixture.h"
#include "group.h"
#include "members.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 10

static struct fo_subscription *listen(struct fixture *f)
{
    struct fo_subscription *subscription;

    cr_assert_eq(fo_subscribe(f->balancer, FO_EVENT_WEIGHT, fixture_record, f, &subscription),
                 FO_OK);
    return subscription;
}

static void begin_with(struct fixture *f, size_t n, uint32_t ramp_ms)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.weight = fo_weight_ratio();
    config.trial.backoff_ms = 100;
    config.trial.ramp_ms = ramp_ms;
    fixture_balancer(f, &config);
    fixture_add(f, n, NULL);
    fixture_dispatch(f);
    fixture_story(f);
}

static void begin(struct fixture *f, size_t n)
{
    begin_with(f, n, FO_RAMP_NONE);
}

static void report(struct fixture *f, const char *name, fo_outcome outcome)
{
    cr_assert_eq(fo_report(f->balancer, name, outcome), FO_OK);
}

static void expect_weights(const struct fixture_event *event, double before, double after)
{
    cr_assert_not_null(event);
    cr_assert_float_eq(event->old_weight, before, 1e-5, "%g", event->old_weight);
    cr_assert_float_eq(event->new_weight, after, 1e-5, "%g", event->new_weight);
}

/** That all weights heard of an endpoint are a chain from one to the other; their number. */
static size_t expect_chain(const struct fixture *f, size_t opened, const char *name, double first,
                           double last)
{
    size_t count = 0;
    double at = first;

    for (size_t i = 0; i < f->event_count; i++) {
        const struct fixture_event *event = &f->events[i];

        if (event->kind != FO_EVENT_WEIGHT || event->opened != opened ||
            strcmp(event->endpoint, name) != 0)
            continue;
        cr_assert_float_eq(event->old_weight, at, 1e-9, "%g after %g", event->old_weight, at);
        at = event->new_weight;
        count++;
    }
    cr_assert_float_eq(at, last, 1e-5, "%g, not %g", at, last);
    return count;
}

static bool is_ready(struct fixture *f)
{
    struct pollfd ready = {.fd = fo_runtime_fd(f->runtime), .events = POLLIN};

    return poll(&ready, 1, 0) == 1;
}

/* ---- On request ----------------------------------------------------------------------------- */

Test(weight_events, are_not_among_all_and_cost_nothing_unless_asked_for)
{
    struct fixture f;
    struct fixture other;

    begin(&f, 1);
    fixture_init(&other);
    cr_assert_eq(fo_subscribe(f.balancer, FO_EVENT_ALL, fixture_record, &other, NULL), FO_OK);
    report(&f, "e0", FO_OUTCOME_FAILURE);
    cr_assert(!is_ready(&f));
    cr_assert_eq(fo_runtime_next_deadline_ms(f.runtime), -1);
    fixture_advance_ms(&f, 100);
    cr_assert_eq(other.event_count, 0);
    fixture_destroy(&f);
    fixture_destroy(&other);
}

Test(weight_events, say_what_the_weight_was_and_is)
{
    const struct fixture_event *event;
    struct fixture f;

    begin(&f, 2);
    listen(&f);
    report(&f, "e1", FO_OUTCOME_FAILURE);
    fixture_advance_ms(&f, TICK_MS - 1);
    cr_assert_str_eq(fixture_story(&f), "");
    fixture_advance_ms(&f, 1);
    cr_assert_str_eq(fixture_story(&f), "weight e1");
    event = fixture_last(&f, FO_EVENT_WEIGHT, "e1");
    expect_weights(event, 100, 50);
    cr_assert_str_eq(event->balancer, "b");
    cr_assert_eq(event->endpoint_id, fixture_id(&f, "e1"));
    cr_assert_eq(event->data, fixture_data(1));
    cr_assert_eq(event->old_state, FO_STATE_UP);
    cr_assert_eq(event->new_state, FO_STATE_UP);
    cr_assert_eq(event->reason, FO_REASON_NONE);
    cr_assert_eq(event->missed, 0);
    cr_assert_float_eq(event->health, 0.5, 1e-6);
    fixture_destroy(&f);
}

Test(weight_events, begin_with_the_weight_at_the_subscription)
{
    struct fixture f;

    begin(&f, 1);
    report(&f, "e0", FO_OUTCOME_FAILURE);
    listen(&f);
    fixture_advance_ms(&f, 100);
    cr_assert_str_eq(fixture_story(&f), "");
    report(&f, "e0", FO_OUTCOME_FAILURE);
    fixture_advance_ms(&f, TICK_MS);
    expect_weights(fixture_last(&f, FO_EVENT_WEIGHT, "e0"), 50, 25);
    fixture_destroy(&f);
}

Test(weight_events, of_other_kinds_have_no_weights)
{
    struct fixture f;

    begin(&f, 1);
    report(&f, "e0", FO_OUTCOME_DOWN);
    fixture_dispatch(&f);
    expect_weights(fixture_last(&f, FO_EVENT_DOWN, "e0"), 0, 0);
    fixture_destroy(&f);
}

Test(weight_events, end_with_the_last_subscription)
{
    struct fo_subscription *first;
    struct fo_subscription *second;
    struct fixture f;

    begin(&f, 1);
    first = listen(&f);
    second = listen(&f);
    fo_unsubscribe(f.balancer, first);
    report(&f, "e0", FO_OUTCOME_FAILURE);
    fixture_advance_ms(&f, TICK_MS);
    cr_assert_str_eq(fixture_story(&f), "weight e0");
    fo_unsubscribe(f.balancer, second);
    report(&f, "e0", FO_OUTCOME_FAILURE);
    cr_assert(!is_ready(&f));
    cr_assert_eq(fo_runtime_next_deadline_ms(f.runtime), -1);
    listen(&f);
    report(&f, "e0", FO_OUTCOME_FAILURE);
    fixture_advance_ms(&f, TICK_MS);
    expect_weights(fixture_last(&f, FO_EVENT_WEIGHT, "e0"), 25, 12.5);
    fixture_destroy(&f);
}

struct leaver {
    struct fo_balancer *balancer;
    struct fo_subscription *own;
    int calls;
};

static void unsubscribe_inside(const struct fo_event *event, void *arg)
{
    struct leaver *leaver = arg;

    (void)event;
    leaver->calls++;
    fo_unsubscribe(leaver->balancer, leaver->own);
}

Test(weight_events, may_be_ended_by_who_hears_them, .timeout = 20)
{
    struct leaver leaver = {.calls = 0};
    struct fixture f;

    begin(&f, 1);
    leaver.balancer = f.balancer;
    cr_assert_eq(
        fo_subscribe(f.balancer, FO_EVENT_WEIGHT, unsubscribe_inside, &leaver, &leaver.own), FO_OK);
    for (int i = 0; i < 3; i++) {
        report(&f, "e0", FO_OUTCOME_FAILURE);
        fixture_advance_ms(&f, TICK_MS);
    }
    cr_assert_eq(leaver.calls, 1);
    cr_assert_eq(f.balancer->group->weight_listeners, 0);
    fixture_destroy(&f);
}

/* ---- Merged --------------------------------------------------------------------------------- */

Test(weight_events, of_one_tick_are_one_and_wake_the_runtime_once)
{
    struct fixture f;

    begin(&f, 1);
    listen(&f);
    report(&f, "e0", FO_OUTCOME_FAILURE);
    cr_assert(is_ready(&f));
    fixture_dispatch(&f);
    for (int i = 0; i < 5; i++) {
        report(&f, "e0", FO_OUTCOME_FAILURE);
        cr_assert(!is_ready(&f));
    }
    cr_assert_eq(fo_runtime_next_deadline_ms(f.runtime), TICK_MS);
    fixture_advance_ms(&f, TICK_MS);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_WEIGHT, NULL), 1);
    expect_weights(fixture_last(&f, FO_EVENT_WEIGHT, "e0"), 100, 100.0 / 64);
    cr_assert_eq(fo_runtime_next_deadline_ms(f.runtime), -1);
    fixture_destroy(&f);
}

Test(weight_events, that_cancel_out_are_none)
{
    struct fo_endpoint_config config = fixture_upsert("e0", 50, fixture_data(0));
    struct fixture f;

    begin(&f, 1);
    listen(&f);
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    fixture_dispatch(&f);
    config.max_weight = 100;
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    fixture_advance_ms(&f, 5 * TICK_MS);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_WEIGHT, NULL), 0);
    fixture_destroy(&f);
}

/** A long random life: a chain without a break, at most one event a tick, and true at the end. */
Test(weight_events, are_a_chain_with_a_tick_between_any_two)
{
    enum { N = 3 };
    uint64_t heard_ms[N];
    size_t count[N] = {0};
    struct fixture f;

    srand(11);
    begin(&f, N);
    listen(&f);
    for (uint64_t ms = 0; ms < 20000; ms++) {
        struct fo_lease lease;

        if (fo_pick(f.balancer, &lease) == FO_OK)
            fo_finish(&lease, rand() % 40 == 0  ? FO_OUTCOME_DOWN
                              : rand() % 8 == 0 ? FO_OUTCOME_FAILURE
                                                : FO_OUTCOME_SUCCESS);
        fixture_advance_ms(&f, 1);
        for (size_t i = 0; i < N; i++) {
            size_t heard = fixture_heard(&f, FO_EVENT_WEIGHT, fixture_name(i));

            if (heard == count[i])
                continue;
            cr_assert_eq(heard, count[i] + 1);
            cr_assert(count[i] == 0 || ms - heard_ms[i] >= TICK_MS, "%d ms",
                      (int)(ms - heard_ms[i]));
            count[i] = heard;
            heard_ms[i] = ms;
        }
        if (f.event_count > 2000)
            break;
    }
    fixture_advance_ms(&f, TICK_MS);
    for (size_t i = 0; i < N; i++) {
        cr_assert_gt(count[i], 100);
        expect_chain(&f, 0, fixture_name(i), 100, fixture_info(&f, fixture_name(i)).live_weight);
    }
    fixture_destroy(&f);
}

/* ---- What they tell of ----------------------------------------------------------------------- */

Test(weight_events, come_after_the_changes_of_state_that_they_belong_to)
{
    struct fixture f;

    begin(&f, 1);
    listen(&f);
    report(&f, "e0", FO_OUTCOME_DOWN);
    fixture_advance_ms(&f, TICK_MS);
    cr_assert_str_eq(fixture_story(&f), "down e0 (outcome down), weight e0 (outcome down)");
    expect_weights(fixture_last(&f, FO_EVENT_WEIGHT, "e0"), 100, 0);
    cr_assert_eq(fixture_last(&f, FO_EVENT_WEIGHT, "e0")->new_state, FO_STATE_DOWN);
    fixture_advance_ms(&f, 121);
    fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    fixture_advance_ms(&f, TICK_MS);
    cr_assert_str_eq(fixture_story(&f), "trial e0 (back-off over), recovered e0 (trial success), "
                                        "weight e0 (trial success)");
    expect_weights(fixture_last(&f, FO_EVENT_WEIGHT, "e0"), 0, 10);
    fixture_destroy(&f);
}

Test(weight_events, tell_of_every_step_of_a_ramp)
{
    enum { RAMP_MS = 30000, STEPS = 64 };
    struct fixture f;
    size_t steps;

    begin_with(&f, 2, RAMP_MS);
    listen(&f);
    report(&f, "e1", FO_OUTCOME_DOWN);
    while (fixture_info(&f, "e1").state != FO_STATE_TRIAL)
        fixture_advance_ms(&f, 1);
    while (fixture_info(&f, "e1").state != FO_STATE_UP)
        fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    fixture_advance_ms(&f, TICK_MS);
    expect_weights(fixture_last(&f, FO_EVENT_WEIGHT, "e1"), 0, 5);
    fixture_advance_ms(&f, RAMP_MS + TICK_MS);
    steps = expect_chain(&f, 0, "e1", 100, 100) - 2;
    cr_assert(steps >= STEPS && steps <= STEPS + 1, "%zu", steps);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_WEIGHT, "e0"), 0);
    fixture_destroy(&f);
}

Test(weight_events, tell_of_updates_and_drains)
{
    struct fo_endpoint_config config = fixture_upsert("e0", 60, fixture_data(0));
    struct fixture f;

    begin(&f, 1);
    listen(&f);
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    fixture_advance_ms(&f, TICK_MS);
    cr_assert_str_eq(fixture_story(&f), "updated e0, weight e0");
    expect_weights(fixture_last(&f, FO_EVENT_WEIGHT, "e0"), 100, 60);
    cr_assert_eq(fo_drain(f.balancer, "e0"), FO_OK);
    fixture_advance_ms(&f, TICK_MS);
    expect_weights(fixture_last(&f, FO_EVENT_WEIGHT, "e0"), 60, 0);
    cr_assert_eq(fo_undrain(f.balancer, "e0"), FO_OK);
    fixture_advance_ms(&f, TICK_MS);
    expect_weights(fixture_last(&f, FO_EVENT_WEIGHT, "e0"), 0, 60);
    fixture_destroy(&f);
}

Test(weight_events, keep_to_the_minimum)
{
    struct fo_endpoint_config config = fixture_upsert("e0", 100, fixture_data(0));
    struct fixture f;

    config.min_weight = 20;
    begin(&f, 1);
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    listen(&f);
    report(&f, "e0", FO_OUTCOME_DOWN);
    fixture_advance_ms(&f, TICK_MS);
    expect_weights(fixture_last(&f, FO_EVENT_WEIGHT, "e0"), 100, 20);
    fixture_destroy(&f);
}

Test(weight_events, begin_with_added_and_end_with_removed)
{
    const char *name = "e1";
    struct fo_endpoint_config config = fixture_upsert(name, 40, fixture_data(1));
    struct fixture f;

    begin(&f, 1);
    listen(&f);
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    report(&f, name, FO_OUTCOME_FAILURE);
    fixture_dispatch(&f);
    report(&f, name, FO_OUTCOME_FAILURE);
    fixture_advance_ms(&f, TICK_MS);
    cr_assert_str_eq(fixture_story(&f), "added e1, weight e1");
    expect_weights(fixture_last(&f, FO_EVENT_WEIGHT, name), 20, 10);
    report(&f, name, FO_OUTCOME_FAILURE);
    fixture_dispatch(&f);
    cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, &name, 1, NULL), FO_OK);
    fixture_advance_ms(&f, TICK_MS);
    cr_assert_str_eq(fixture_story(&f), "removed e1, released e1");
    fixture_destroy(&f);
}

/* ---- Of many balancers ------------------------------------------------------------------------ */

Test(weight_events, of_a_shared_host_are_told_to_each_balancer_that_asked)
{
    static const double max_weight[] = {100, 10, 1000};
    struct fo_balancer *balancers[3];
    struct fo_group_config of_group = fo_group_config_init();
    struct fo_config config = fo_config_init();
    struct fo_group *group;
    struct fixture f[3];

    for (int b = 0; b < 3; b++)
        fixture_init(&f[b]);
    of_group.runtime = f[0].runtime;
    of_group.trial.ramp_ms = FO_RAMP_NONE;
    cr_assert_eq(fo_group_create(&of_group, &group), FO_OK);
    config.group = group;
    config.weight = fo_weight_ratio();
    for (int b = 0; b < 3; b++) {
        struct fo_endpoint_config upsert = fixture_upsert("e0", max_weight[b], NULL);

        cr_assert_eq(fo_balancer_create(&config, &balancers[b]), FO_OK);
        cr_assert_eq(fo_balancer_update(balancers[b], &upsert, 1, NULL, 0, NULL), FO_OK);
    }
    fixture_dispatch(&f[0]); /* `added` is told */
    for (int b = 0; b < 2; b++)
        cr_assert_eq(fo_subscribe(balancers[b], FO_EVENT_WEIGHT, fixture_record, &f[b], NULL),
                     FO_OK);
    cr_assert_eq(fo_report(balancers[2], "e0", FO_OUTCOME_FAILURE), FO_OK);
    fixture_advance_ms(&f[0], TICK_MS);
    for (int b = 0; b < 2; b++) {
        cr_assert_eq(f[b].event_count, 1);
        expect_weights(&f[b].events[0], max_weight[b], max_weight[b] / 2);
    }
    cr_assert_eq(f[2].event_count, 0);
    fo_balancer_destroy(balancers[0]);
    fixture_dispatch(&f[0]);
    cr_assert_eq(group->weight_listeners, 1, "a subscription ends with its balancer");
    fo_balancer_destroy(balancers[1]);
    fixture_dispatch(&f[0]);
    cr_assert_eq(group->weight_listeners, 0);
    fo_balancer_destroy(balancers[2]);
    fo_group_destroy(group);
    fixture_dispatch(&f[0]);
    for (int b = 0; b < 3; b++)
        fixture_destroy(&f[b]);
}
