/* SPDX-License-Identifier: Apache-2.0
 *
 * Events: their order, their reasons, what may be merged, and listeners that call back.
 */
#include "crew.h"
#include "fixture.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static void begin(struct fixture *f, size_t n)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.weight = fo_weight_ratio();
    config.trial.backoff_ms = 100;
    fixture_balancer(f, &config);
    if (n > 0)
        fixture_add(f, n, NULL);
}

static void update(struct fo_balancer *balancer, const char *name, double max_weight,
                   double min_weight, void *data)
{
    struct fo_endpoint_config config = fo_endpoint_config_init(name);
    fo_status status;

    config.max_weight = max_weight;
    config.min_weight = min_weight;
    config.data = data;
    status = fo_balancer_update(balancer, &config, 1, NULL, 0, NULL);
    assert(status == FO_OK);
}

static void take_out(struct fo_balancer *balancer, const char *name)
{
    fo_status status = fo_balancer_update(balancer, NULL, 0, &name, 1, NULL);
    assert(status == FO_OK);
}

static const char *story(struct fixture *f)
{
    fixture_dispatch(f);
    return fixture_story(f);
}

/* ---- What they say ----------------------------------------------------------------------- */

Test(events, tell_everything_about_a_change_of_state)
{
    const struct fixture_event *event;
    struct fixture f;

    begin(&f, 1);
    fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
    fixture_pick_and_finish(&f, FO_OUTCOME_DOWN);
    fixture_dispatch(&f);
    event = fixture_last(&f, FO_EVENT_DOWN, "e0");
    cr_assert_not_null(event);
    cr_assert_str_eq(event->balancer, "b");
    cr_assert_str_eq(event->endpoint, "e0");
    cr_assert_eq(event->endpoint_id, fixture_id(&f, "e0"));
    cr_assert_eq(event->data, fixture_data(0));
    cr_assert_eq(event->old_state, FO_STATE_UP);
    cr_assert_eq(event->new_state, FO_STATE_DOWN);
    cr_assert_eq(event->reason, FO_REASON_OUTCOME_DOWN);
    cr_assert_eq(event->health, 0);
    cr_assert_eq(event->missed, 0);
    fixture_advance_ms(&f, 121);
    event = fixture_last(&f, FO_EVENT_TRIAL, "e0");
    cr_assert_eq(event->old_state, FO_STATE_DOWN);
    cr_assert_eq(event->new_state, FO_STATE_TRIAL);
    cr_assert_eq(event->reason, FO_REASON_BACKOFF_OVER);
    fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    fixture_dispatch(&f);
    event = fixture_last(&f, FO_EVENT_RECOVERED, "e0");
    cr_assert_eq(event->old_state, FO_STATE_TRIAL);
    cr_assert_eq(event->new_state, FO_STATE_UP);
    cr_assert_eq(event->reason, FO_REASON_TRIAL_SUCCESS);
    cr_assert_float_eq(event->health, 0.1, 1e-6);
    fixture_destroy(&f);
}

Test(events, tell_membership_in_its_order)
{
    struct fixture f;

    begin(&f, 2);
    cr_assert_str_eq(story(&f), "added e0, added e1");
    update(f.balancer, "e0", 50, 0, fixture_data(0));
    cr_assert_str_eq(story(&f), "updated e0");
    take_out(f.balancer, "e0");
    cr_assert_str_eq(story(&f), "removed e0, released e0");
    fixture_close(&f, f.balancer);
    cr_assert_str_eq(story(&f), "removed e1, released e1, closed");
    cr_assert_eq(fixture_last(&f, FO_EVENT_CLOSED, NULL)->endpoint_id, 0);
    cr_assert_null(fixture_last(&f, FO_EVENT_CLOSED, NULL)->data);
    cr_assert_str_eq(fixture_last(&f, FO_EVENT_CLOSED, NULL)->endpoint, "");
    cr_assert_str_eq(fixture_last(&f, FO_EVENT_CLOSED, NULL)->balancer, "b");
    fixture_destroy(&f);
}

Test(events, keep_their_order_when_all_are_told_at_once)
{
    struct fo_lease lease;
    struct fixture f;

    begin(&f, 1);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    update(f.balancer, "e0", 50, 0, fixture_data(0));
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    take_out(f.balancer, "e0");
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_str_eq(story(&f), "added e0, updated e0, down e0 (outcome down), removed e0, "
                                "released e0");
    fixture_destroy(&f);
}

Test(events, changes_of_weight_alone_are_no_events)
{
    struct fixture f;

    begin(&f, 1);
    story(&f);
    fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
    fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    fixture_pick_and_finish(&f, FO_OUTCOME_OVERLOADED);
    cr_assert_str_eq(story(&f), "");
    fixture_destroy(&f);
}

Test(events, merged_changes_are_counted_as_missed)
{
    const struct fixture_event *event;
    struct fixture f;

    begin(&f, 0);
    update(f.balancer, "a", 100, 5, fixture_data(0)); /* its trickle recovers without a trial */
    story(&f);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(fo_report(f.balancer, "a", FO_OUTCOME_DOWN), FO_OK);
        fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    }
    cr_assert_str_eq(story(&f), "recovered a (trial success)");
    event = fixture_last(&f, FO_EVENT_RECOVERED, "a");
    cr_assert_eq(event->missed, 5, "down, up, down, up, down came before: %u", event->missed);
    cr_assert_eq(event->old_state, FO_STATE_UP);
    cr_assert_eq(event->new_state, FO_STATE_UP);
    cr_assert_eq(fo_report(f.balancer, "a", FO_OUTCOME_DOWN), FO_OK);
    cr_assert_str_eq(story(&f), "down a (outcome down)");
    cr_assert_eq(fixture_last(&f, FO_EVENT_DOWN, "a")->missed, 0);
    fixture_destroy(&f);
}

/** A chain of states without a break, over a long random life. */
Test(events, of_each_endpoint_are_a_chain_of_states)
{
    enum { N = 5 };
    fo_state state[N];
    uint64_t epoch_steps[N] = {0};
    uint32_t first_epoch[N];
    struct fixture f;

    srand(7);
    begin(&f, N);
    fixture_dispatch(&f);
    for (size_t i = 0; i < N; i++) {
        state[i] = FO_STATE_UP;
        first_epoch[i] = fixture_info(&f, fixture_name(i)).epoch;
    }
    for (int n = 0; n < 20000; n++) {
        struct fo_lease lease;

        if (fo_pick(f.balancer, &lease) == FO_OK)
            fo_finish(&lease, rand() % 3 == 0 ? FO_OUTCOME_DOWN : FO_OUTCOME_SUCCESS);
        if (rand() % 4 == 0)
            fixture_advance_ms(&f, (uint64_t)rand() % 20);
    }
    fixture_dispatch(&f);
    for (size_t i = 0; i < f.event_count; i++) {
        const struct fixture_event *event = &f.events[i];
        size_t at = (size_t)(event->endpoint[1] - '0');

        if ((event->kind & (FO_EVENT_DOWN | FO_EVENT_TRIAL | FO_EVENT_RECOVERED)) == 0)
            continue;
        cr_assert_eq(event->old_state, state[at], "event %zu", i);
        if (event->missed > 0 ||
            (event->old_state == FO_STATE_UP) != (event->new_state == FO_STATE_UP))
            epoch_steps[at] += 1 + event->missed;
        state[at] = event->new_state;
    }
    for (size_t i = 0; i < N; i++) {
        struct fo_endpoint_info info = fixture_info(&f, fixture_name(i));

        cr_assert_eq(state[i], info.state);
        cr_assert_eq(epoch_steps[i], info.epoch - first_epoch[i], "none is lost uncounted");
        cr_assert_gt(epoch_steps[i], 20);
    }
    fixture_destroy(&f);
}

/* ---- Subscribing ------------------------------------------------------------------------- */

Test(events, come_only_in_the_kinds_asked_for)
{
    struct fo_subscription *subscription;
    struct fixture f, other;

    begin(&f, 0);
    fixture_init(&other);
    cr_assert_eq(fo_subscribe(f.balancer, FO_EVENT_DOWN | FO_EVENT_RELEASED, fixture_record, &other,
                              &subscription),
                 FO_OK);
    fixture_add(&f, 2, NULL);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&f);
    take_out(f.balancer, "e0");
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&other), "down e0 (outcome down), released e0");
    fo_unsubscribe(f.balancer, subscription);
    take_out(f.balancer, "e1");
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&other), "");
    fo_unsubscribe(f.balancer, NULL);
    fo_unsubscribe(NULL, NULL);
    fixture_destroy(&f);
    fixture_destroy(&other);
}

Test(events, reach_listeners_in_the_order_of_subscription)
{
    struct fixture f;

    begin(&f, 0);
    cr_assert_eq(fo_subscribe(f.balancer, FO_EVENT_ADDED, fixture_record, &f, NULL), FO_OK);
    fixture_add(&f, 2, NULL);
    fixture_dispatch(&f);
    cr_assert_eq(f.event_count, 4);
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(f.events[i].opened, i % 2 == 0 ? 1 : 0);
    fixture_destroy(&f);
}

static void ignore(const struct fo_event *event, void *arg)
{
    (void)event;
    (void)arg;
}

Test(events, cannot_be_subscribed_to_wrongly)
{
    struct fo_subscription *subscription = NULL;
    struct fixture f;

    begin(&f, 1);
    cr_assert_eq(fo_subscribe(f.balancer, 0, ignore, NULL, &subscription), FO_EINVAL);
    cr_assert_eq(fo_subscribe(f.balancer, 1 << 12, ignore, NULL, &subscription), FO_EINVAL);
    cr_assert_eq(fo_subscribe(f.balancer, FO_EVENT_ALL | 1u << 31, ignore, NULL, &subscription),
                 FO_EINVAL);
    cr_assert_eq(fo_subscribe(f.balancer, FO_EVENT_ALL, NULL, NULL, &subscription), FO_EINVAL);
    cr_assert_eq(fo_subscribe(NULL, FO_EVENT_ALL, ignore, NULL, &subscription), FO_EINVAL);
    cr_assert_null(subscription);
    fixture_destroy(&f);
}

/* ---- Listeners that call back ------------------------------------------------------------- */

struct caller {
    struct fixture *f;
    struct fo_balancer *balancer;
    struct fo_subscription *own;
    struct fo_subscription *other;
    int calls;
    size_t dispatched;
};

static void add_another(const struct fo_event *event, void *arg)
{
    struct caller *caller = arg;

    if (event->kind == FO_EVENT_ADDED && caller->calls++ < 3)
        update(caller->balancer, fixture_name((size_t)caller->calls), 100, 0,
               fixture_data((size_t)caller->calls));
}

Test(events, a_listener_may_update, .timeout = 20)
{
    struct caller caller = {.calls = 0};
    struct fixture f;

    begin(&f, 0);
    caller.balancer = f.balancer;
    cr_assert_eq(fo_subscribe(f.balancer, FO_EVENT_ADDED, add_another, &caller, NULL), FO_OK);
    update(f.balancer, "e0", 100, 0, fixture_data(0));
    cr_assert_str_eq(story(&f), "added e0, added e1, added e2, added e3");
    fixture_destroy(&f);
}

static void remove_and_drain(const struct fo_event *event, void *arg)
{
    struct caller *caller = arg;
    fo_status status;

    if (event->kind == FO_EVENT_DOWN)
        take_out(caller->balancer, event->endpoint); /* the very one that is being told of */
    if (event->kind == FO_EVENT_REMOVED && caller->calls++ == 0) {
        status = fo_drain(caller->balancer, "e1");
        assert(status == FO_OK);
    }
}

Test(events, a_listener_may_remove_what_it_hears_of, .timeout = 20)
{
    struct caller caller = {.calls = 0};
    struct fixture f;

    begin(&f, 2);
    story(&f);
    caller.balancer = f.balancer;
    cr_assert_eq(fo_subscribe(f.balancer, FO_EVENT_ALL, remove_and_drain, &caller, NULL), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    cr_assert_str_eq(story(&f), "down e0 (outcome down), removed e0, released e0, updated e1");
    fixture_destroy(&f);
}

static void destroy_balancer(const struct fo_event *event, void *arg)
{
    struct caller *caller = arg;

    if (event->kind == FO_EVENT_DOWN && caller->calls++ == 0)
        fixture_close(caller->f, caller->balancer);
}

Test(events, a_listener_may_destroy_the_balancer, .timeout = 20)
{
    struct caller caller = {.calls = 0};
    struct fixture f;

    begin(&f, 3);
    story(&f);
    caller.f = &f;
    caller.balancer = f.balancer;
    cr_assert_eq(fo_subscribe(f.balancer, FO_EVENT_ALL, destroy_balancer, &caller, NULL), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, NULL), 3);
    cr_assert_eq(f.events[f.event_count - 1].kind, FO_EVENT_CLOSED);
    fixture_destroy(&f);
}

static void dispatch_inside(const struct fo_event *event, void *arg)
{
    struct caller *caller = arg;

    (void)event;
    caller->calls++;
    caller->dispatched += fo_runtime_dispatch(caller->f->runtime);
}

Test(events, a_dispatch_from_a_listener_does_nothing, .timeout = 20)
{
    struct caller caller = {.calls = 0};
    struct fixture f;

    begin(&f, 0);
    caller.f = &f;
    cr_assert_eq(fo_subscribe(f.balancer, FO_EVENT_ADDED, dispatch_inside, &caller, NULL), FO_OK);
    fixture_add(&f, 3, NULL);
    fixture_dispatch(&f);
    cr_assert_eq(caller.calls, 3);
    cr_assert_eq(caller.dispatched, 0);
    fixture_destroy(&f);
}

static void subscribe_inside(const struct fo_event *event, void *arg)
{
    struct caller *caller = arg;
    fo_status status;

    (void)event;
    if (caller->calls++ > 0)
        return;
    status =
        fo_subscribe(caller->balancer, FO_EVENT_DOWN, fixture_record, caller->f, &caller->other);
    assert(status == FO_OK);
}

Test(events, a_listener_may_subscribe_another, .timeout = 20)
{
    struct caller caller = {.calls = 0};
    struct fixture f, other;

    begin(&f, 1);
    fixture_init(&other);
    story(&f);
    caller.f = &other;
    caller.balancer = f.balancer;
    cr_assert_eq(fo_subscribe(f.balancer, FO_EVENT_UPDATED, subscribe_inside, &caller, NULL),
                 FO_OK);
    update(f.balancer, "e0", 5, 0, fixture_data(0));
    fixture_dispatch(&f);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&other), "down e0 (outcome down)");
    fo_unsubscribe(f.balancer, caller.other);
    fixture_destroy(&f);
    fixture_destroy(&other);
}

static void unsubscribe_both(const struct fo_event *event, void *arg)
{
    struct caller *caller = arg;

    (void)event;
    caller->calls++;
    fo_unsubscribe(caller->balancer, caller->other);
    fo_unsubscribe(caller->balancer, caller->own);
}

Test(events, a_listener_may_unsubscribe_itself_and_the_next, .timeout = 20)
{
    struct caller caller = {.calls = 0};
    struct fixture f, other;

    begin(&f, 0);
    fixture_init(&other);
    caller.balancer = f.balancer;
    cr_assert_eq(fo_subscribe(f.balancer, FO_EVENT_ALL, unsubscribe_both, &caller, &caller.own),
                 FO_OK);
    cr_assert_eq(fo_subscribe(f.balancer, FO_EVENT_ALL, fixture_record, &other, &caller.other),
                 FO_OK);
    fixture_add(&f, 2, NULL);
    cr_assert_str_eq(story(&f), "added e0, added e1", "others hear on");
    cr_assert_eq(caller.calls, 1, "that was its last call");
    cr_assert_str_eq(fixture_story(&other), "", "and the next one had none");
    fixture_destroy(&f);
    fixture_destroy(&other);
}

/* ---- Threads ----------------------------------------------------------------------------- */

struct slow {
    struct fixture f;
    struct fo_subscription *subscription;
    _Atomic bool entered;
    _Atomic bool may_return;
    _Atomic bool left;
    _Atomic bool unsubscribing;
    _Atomic bool unsubscribed;
};

static void until(_Atomic bool *flag)
{
    while (!atomic_load(flag))
        sched_yield();
}

static void wait_inside(const struct fo_event *event, void *arg)
{
    struct slow *slow = arg;

    (void)event;
    atomic_store(&slow->entered, true);
    until(&slow->may_return);
    atomic_store(&slow->left, true);
}

static void begin_slow(struct slow *slow)
{
    memset(slow, 0, sizeof(*slow));
    begin(&slow->f, 2);
    fixture_dispatch(&slow->f);
    cr_assert_eq(
        fo_subscribe(slow->f.balancer, FO_EVENT_DOWN, wait_inside, slow, &slow->subscription),
        FO_OK);
    cr_assert_eq(fo_report(slow->f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
}

static void dispatch_once(size_t member, void *arg)
{
    struct slow *slow = arg;

    (void)member;
    fo_runtime_dispatch(slow->f.runtime);
}

Test(events, a_slow_listener_stops_neither_picks_nor_updates, .timeout = 20)
{
    struct crew *dispatcher;
    struct slow slow;

    begin_slow(&slow);
    dispatcher = crew_start(1, dispatch_once, &slow);
    until(&slow.entered);
    for (int i = 0; i < 10000; i++)
        cr_assert_eq(fixture_pick_and_finish(&slow.f, FO_OUTCOME_SUCCESS), 1);
    update(slow.f.balancer, "e2", 100, 0, fixture_data(2));
    cr_assert_eq(fo_drain(slow.f.balancer, "e1"), FO_OK);
    cr_assert_eq(fo_report(slow.f.balancer, "e2", FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(fo_runtime_dispatch(slow.f.runtime), 0, "and a second dispatcher returns at once");
    cr_assert_not(atomic_load(&slow.left));
    atomic_store(&slow.may_return, true);
    crew_join(dispatcher);
    fixture_destroy(&slow.f);
}

static void unsubscribe_now(size_t member, void *arg)
{
    struct slow *slow = arg;

    (void)member;
    atomic_store(&slow->unsubscribing, true);
    fo_unsubscribe(slow->f.balancer, slow->subscription);
    assert(atomic_load(&slow->left)); /* when it returns, the listener does not run */
    atomic_store(&slow->unsubscribed, true);
}

Test(events, unsubscribe_waits_for_a_running_call, .timeout = 20)
{
    struct crew *dispatcher, *leaver;
    struct slow slow;

    begin_slow(&slow);
    dispatcher = crew_start(1, dispatch_once, &slow);
    until(&slow.entered);
    leaver = crew_start(1, unsubscribe_now, &slow);
    until(&slow.unsubscribing);
    for (int i = 0; i < 20000 && !atomic_load(&slow.unsubscribed); i++)
        sched_yield(); /* every chance to return too early */
    cr_assert_not(atomic_load(&slow.unsubscribed));
    atomic_store(&slow.may_return, true);
    crew_join(leaver);
    crew_join(dispatcher);
    fixture_destroy(&slow.f);
}

struct storm {
    struct fixture f;
    _Atomic bool done;
};

static void dispatch_all_the_time(size_t member, void *arg)
{
    struct storm *storm = arg;

    (void)member;
    while (!atomic_load(&storm->done))
        fo_runtime_dispatch(storm->f.runtime);
}

static void come_and_go(size_t member, void *arg)
{
    struct storm *storm = arg;

    for (int i = 0; i < 500; i++) {
        struct fo_lease lease;

        update(storm->f.balancer, fixture_name(member), 100, 0, fixture_data((size_t)i));
        if (fo_pick(storm->f.balancer, &lease) == FO_OK)
            fo_finish(&lease, i % 3 == 0 ? FO_OUTCOME_DOWN : FO_OUTCOME_SUCCESS);
        take_out(storm->f.balancer, fixture_name(member));
    }
}

/* The fixture finds out whether each incarnation was released once and `closed` came last. */
Test(events, two_dispatchers_and_two_updaters_lose_nothing)
{
    struct crew *dispatchers;
    struct storm storm;

    begin(&storm.f, 0);
    atomic_init(&storm.done, false);
    dispatchers = crew_start(2, dispatch_all_the_time, &storm);
    crew_run(2, come_and_go, &storm);
    atomic_store(&storm.done, true);
    crew_join(dispatchers);
    fixture_dispatch(&storm.f);
    cr_assert_eq(fixture_heard(&storm.f, FO_EVENT_RELEASED, NULL), 1000);
    fixture_destroy(&storm.f);
}
