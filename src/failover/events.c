/* SPDX-License-Identifier: Apache-2.0
 *
 *     queue ─► host      ─► trial.c, check.c, sums of all its balancers, batch += its endpoints
 *           ─► check     ─► check.c
 *           ─► endpoint  ─► batch += it
 *           ─► balancer  ─► `closed`, free
 *           ─► group     ─► tick.c: sums of all its balancers
 *     weighing.c, 10 ms later  ─► batch += endpoints of the hosts whose weights have changed
 *     batch ─► each endpoint: compare with what was told last, tell the difference in order
 *           ─► released?  ─► dead
 *           ─► its balancer: is anything healthy, and was it?
 *     dead  ─► one grace period for all ─► free, or once it is out of the queue
 *
 * Nothing is stored per event. An endpoint has pending bits (set by updates and the last finish) and
 * the host word that was told last; the events are their difference to now, always in the order
 * added, updated, state, weight, removed, released. Hence the order per endpoint is right by construction, the
 * queue is bounded by the endpoints, and steps that happened in between are counted by the epoch.
 */
#include "events.h"

#include "check.h"
#include "cold.h"
#include "judge.h"
#include "publish.h"
#include "rcu.h"
#include "review.h"
#include "tick.h"
#include "trial.h"
#include "watch.h"
#include "weighing.h"

#include <failover/events.h>

#define ROUNDS 64 /* of one dispatch: a listener that causes events for ever must not keep it */

/* ---- Telling ----------------------------------------------------------------------------- */

static size_t deliver(struct fo_balancer *balancer, struct fo_event *event)
{
    if (!fo__listeners_want(&balancer->listeners, event->kind))
        return 0;
    event->size = sizeof(*event);
    event->balancer = balancer->name;
    fo__cold_end();
    fo__listeners_call(&balancer->listeners, event);
    fo__cold_begin();
    return 1;
}

/** What every event of an endpoint says: here that its state is as it was. */
static struct fo_event event_of(const struct fo_endpoint *endpoint, fo_event_kind kind)
{
    uint64_t word = endpoint->seen_word;
    struct fo_event event = {
        .kind = kind,
        .endpoint = fo_endpoint_name(endpoint),
        .endpoint_id = endpoint->id,
        .data = endpoint->data,
        .old_state = fo__word_state(word),
        .new_state = fo__word_state(word),
        .health = fo__word_health(word) / (double)FO__HEALTH_ONE,
    };
    return event;
}

static size_t tell_kind(struct fo_endpoint *endpoint, fo_event_kind kind, fo_state old_state,
                        fo_reason reason, uint32_t missed)
{
    struct fo_event event = event_of(endpoint, kind);

    endpoint->told_reason = reason;
    event.old_state = old_state;
    event.reason = reason;
    event.missed = missed;
    return deliver(fo__balancer_of(endpoint->core), &event);
}

static size_t tell_membership(struct fo_endpoint *endpoint, fo_event_kind kind)
{
    struct fo_event event = event_of(endpoint, kind);

    return deliver(fo__balancer_of(endpoint->core), &event);
}

/** After its state was told, so that it is that of the same word. */
static size_t tell_weight(struct fo_endpoint *endpoint)
{
    struct fo_event event = event_of(endpoint, FO_EVENT_WEIGHT);

    if (!fo__weighing_differs(endpoint, endpoint->seen_word, &event.old_weight, &event.new_weight))
        return 0;
    event.reason = endpoint->told_reason;
    return deliver(fo__balancer_of(endpoint->core), &event);
}

/** A host failed or is back: another may take its place in a core, or give it back. */
static void mark_for_regrouping(struct fo_runtime *runtime, struct fo_balancer *balancer)
{
    if (balancer->must_regroup || !fo__load_relaxed(&balancer->has_cores))
        return;
    balancer->must_regroup = true;
    balancer->regroup_next = runtime->regroup;
    runtime->regroup = balancer;
}

/** Tells how the host's state differs from what was told last. */
static size_t tell_state(struct fo_runtime *runtime, struct fo_endpoint *endpoint)
{
    uint64_t now = fo__load_acquire(endpoint->host->word);
    fo_state old_state = fo__word_state(endpoint->seen_word);
    fo_state new_state = fo__word_state(now);
    uint32_t steps = fo__epoch_sum(fo__word_epoch(now), 0 - fo__word_epoch(endpoint->seen_word));
    fo_reason reason = fo__word_reason(now);
    fo_event_kind kind;

    endpoint->seen_word = now;
    if (steps == 0 && old_state == new_state)
        return 0;
    if (steps > 0) /* to and from trial is still failed */
        mark_for_regrouping(runtime, fo__balancer_of(endpoint->core));
    switch (new_state) {
    case FO_STATE_TRIAL: kind = FO_EVENT_TRIAL; break;
    case FO_STATE_DOWN: kind = FO_EVENT_DOWN; break;
    case FO_STATE_EJECTED: kind = FO_EVENT_EJECTED; break;
    case FO_STATE_UP:
    default:
        kind = FO_EVENT_RECOVERED;
        if (fo__check_has_lifted(endpoint->host->check, fo__word_epoch(now)))
            reason = FO_REASON_CHECK_PASSED;
        break;
    }
    return tell_kind(endpoint, kind, old_state, reason, steps > 0 ? steps - 1 : 0);
}

/** Takes a bit of what is to be told. The others stay in the endpoint while a listener runs, for a
 * child that it forks. */
static bool take_pending(struct fo_endpoint *endpoint, uint32_t bit)
{
    bool taken = (endpoint->telling & bit) != 0;

    endpoint->telling &= ~bit;
    return taken;
}

static size_t tell_release(struct fo_runtime *runtime, struct fo_endpoint *endpoint)
{
    fo__group_detach(endpoint);
    endpoint->batch_next = runtime->dead;
    runtime->dead = endpoint;
    return tell_membership(endpoint, FO_EVENT_RELEASED);
}

/** Tells when the last healthy endpoint of a balancer has gone, or the first has come. */
static size_t tell_availability(struct fo_balancer *balancer)
{
    struct fo_event event = {.endpoint = ""};
    const struct fo__snapshot *snapshot;
    fo_balancer_state state;
    bool closed;

    fo__rcu_read_lock();
    snapshot = fo__load_acquire(&balancer->core.snapshot);
    state = (fo_balancer_state)fo__load_relaxed(&snapshot->state);
    closed = snapshot->closed;
    fo__rcu_read_unlock();
    if (closed || fo__state_is_available(state) == balancer->told_available)
        return 0;
    balancer->told_available = fo__state_is_available(state);
    event.kind = balancer->told_available ? FO_EVENT_AVAILABLE : FO_EVENT_EXHAUSTED;
    return deliver(balancer, &event);
}

/** Before anything is buried: an endpoint that was told about keeps its balancer alive. What memory is
 * lacking for is done at the next change. */
static void regroup(struct fo_runtime *runtime)
{
    while (runtime->regroup != NULL) {
        struct fo_balancer *balancer = runtime->regroup;

        runtime->regroup = balancer->regroup_next;
        balancer->must_regroup = false;
        pthread_mutex_lock(&balancer->update_lock);
        if (!balancer->closing)
            (void)fo__publish_anew(balancer);
        pthread_mutex_unlock(&balancer->update_lock);
    }
}

static size_t tell(struct fo_runtime *runtime, struct fo_endpoint *endpoint)
{
    size_t told = 0;

    /* At once: a bit that is set after this look must not be told before one that was set earlier. */
    endpoint->telling |= fo__exchange_acq_rel(&endpoint->pending, 0);
    if (take_pending(endpoint, FO__PENDING_ADDED)) {
        endpoint->removed_told = false;
        fo__weighing_begin(endpoint);
        told += tell_membership(endpoint, FO_EVENT_ADDED);
    }
    if (take_pending(endpoint, FO__PENDING_UPDATED))
        told += tell_membership(endpoint, FO_EVENT_UPDATED);
    if (!endpoint->removed_told)
        told += tell_state(runtime, endpoint);
    if (take_pending(endpoint, FO__PENDING_WEIGHT) && !endpoint->removed_told)
        told += tell_weight(endpoint);
    if (take_pending(endpoint, FO__PENDING_REMOVED)) {
        endpoint->removed_told = true;
        told += tell_membership(endpoint, FO_EVENT_REMOVED);
    }
    if (take_pending(endpoint, FO__PENDING_RELEASED))
        told += tell_release(runtime, endpoint);
    return told + tell_availability(fo__balancer_of(endpoint->core));
}

/* ---- Collecting -------------------------------------------------------------------------- */

static void add_to_batch(struct fo_runtime *runtime, struct fo_endpoint *endpoint)
{
    if (endpoint->in_batch)
        return;
    endpoint->in_batch = true;
    endpoint->batch_next = NULL;
    *runtime->batch_last = endpoint;
    runtime->batch_last = &endpoint->batch_next;
}

static void mend(struct fo_endpoint *endpoint)
{
    struct fo__snapshot *snapshot;
    uint32_t slot;

    fo__rcu_read_lock();
    snapshot = fo__load_acquire(&endpoint->core->snapshot);
    slot = fo__snapshot_slot(snapshot, endpoint->id);
    if (slot != FO__NO_SLOT)
        fo__snapshot_mend(snapshot, slot);
    fo__review(endpoint->core, snapshot);
    fo__rcu_read_unlock();
}

static void follow_host(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns)
{
    struct fo_group *group = host->group;

    fo__judge_follow(runtime, host, now_ns);
    fo__trial_follow(runtime, host, now_ns);
    fo__weighing_follow(runtime, host, now_ns);
    if (host->check != NULL)
        fo__check_follow(host->check, now_ns);
    pthread_mutex_lock(&group->lock);
    for (struct fo_endpoint *at = host->endpoints; at != NULL; at = at->host_next) {
        mend(at); /* the reporting balancer has done its own; the others hear of it here */
        add_to_batch(runtime, at);
    }
    pthread_mutex_unlock(&group->lock);
}

static void take_host(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns)
{
    fo__node_taken(&host->node);
    if (fo__group_retire_host(host)) {
        fo__timer_cancel(&runtime->timers, &host->timer);
        fo__weighing_forget(runtime, host);
        fo__group_free_host(host);
    } else {
        follow_host(runtime, host, now_ns);
    }
}

static void take_endpoint(struct fo_runtime *runtime, struct fo_endpoint *endpoint, uint64_t now_ns)
{
    fo__node_taken(&endpoint->node);
    if (endpoint->is_dead) {
        fo__members_free(endpoint);
        return;
    }
    fo__judge_publication(runtime, fo__balancer_of(endpoint->core), now_ns);
    add_to_batch(runtime, endpoint);
    fo__weighing_call(runtime, endpoint->host, now_ns); /* it may have another weight */
}

static void take_weighed(struct fo_runtime *runtime, uint64_t now_ns)
{
    struct fo__host *host;

    while ((host = fo__weighing_take_due(runtime, now_ns)) != NULL) {
        pthread_mutex_lock(&host->group->lock);
        for (struct fo_endpoint *at = host->endpoints; at != NULL; at = at->host_next) {
            at->telling |= FO__PENDING_WEIGHT;
            add_to_batch(runtime, at);
        }
        pthread_mutex_unlock(&host->group->lock);
    }
}

static void free_closed(struct fo_runtime *runtime)
{
    if (runtime->closed != NULL)
        fo__members_fini(runtime->closed);
    runtime->closed = NULL;
}

static size_t close_balancer(struct fo_runtime *runtime, struct fo_balancer *balancer)
{
    struct fo_event event = {.kind = FO_EVENT_CLOSED, .endpoint = ""};
    size_t told;

    runtime->closed = balancer;
    told = deliver(balancer, &event);
    free_closed(runtime);
    return told;
}

static size_t take_node(struct fo_runtime *runtime, struct fo__node *node, uint64_t now_ns)
{
    switch (node->kind) {
    case FO__NODE_HOST:
        take_host(runtime, fo__container_of(node, struct fo__host, node), now_ns);
        break;
    case FO__NODE_ENDPOINT:
        take_endpoint(runtime, fo__container_of(node, struct fo_endpoint, node), now_ns);
        break;
    case FO__NODE_GROUP:
        fo__node_taken(node);
        fo__tick_begin(fo__container_of(node, struct fo_group, tick_call.node), now_ns);
        break;
    case FO__NODE_BALANCER:
        return close_balancer(runtime, fo__container_of(node, struct fo_balancer, node));
    case FO__NODE_CHECK:
        fo__check_take(fo__container_of(node, struct fo__check, node), now_ns);
        break;
    }
    return 0;
}

static size_t take_queue(struct fo_runtime *runtime, uint64_t now_ns)
{
    size_t told = 0;

    if (runtime->taken == NULL)
        runtime->taken = fo__queue_take(&runtime->queue);
    while (runtime->taken != NULL) {
        struct fo__node *node = runtime->taken;

        runtime->taken = node->next;
        told += take_node(runtime, node, now_ns);
    }
    return told;
}

/* ---- Dispatching ------------------------------------------------------------------------- */

static size_t tell_batch(struct fo_runtime *runtime)
{
    size_t told = 0;

    while (runtime->batch != NULL) {
        struct fo_endpoint *endpoint = runtime->batch;

        runtime->batch = endpoint->batch_next;
        if (runtime->batch == NULL)
            runtime->batch_last = &runtime->batch;
        endpoint->in_batch = false;
        told += tell(runtime, endpoint);
    }
    regroup(runtime);
    return told;
}

static void bury(struct fo_runtime *runtime)
{
    if (runtime->dead == NULL)
        return;
    fo__rcu_synchronize(); /* whoever told us of the release may still be about to queue it */
    while (runtime->dead != NULL) {
        struct fo_endpoint *endpoint = runtime->dead;

        runtime->dead = endpoint->batch_next;
        if (fo__load_acquire(&endpoint->node.queued) != 0)
            endpoint->is_dead = true; /* linked in the queue: freed when it is taken out */
        else
            fo__members_free(endpoint);
    }
}

static void run_timers(struct fo_runtime *runtime, uint64_t now_ns)
{
    struct fo__timer *timer;

    while ((timer = fo__timers_take_due(&runtime->timers, now_ns)) != NULL) {
        switch (timer->kind) {
        case FO__TIMER_HOST:
            fo__trial_due(runtime, fo__container_of(timer, struct fo__host, timer), now_ns);
            break;
        case FO__TIMER_CHECK:
            fo__check_due(fo__container_of(timer, struct fo__check, timer), now_ns);
            break;
        case FO__TIMER_WATCH:
            fo__watch_due(runtime, fo__container_of(timer, struct fo_group, watch_timer), now_ns);
            break;
        }
    }
}

static uint64_t next_due_ns(const struct fo_runtime *runtime)
{
    uint64_t timer_ns = fo__timers_next_ns(&runtime->timers);
    uint64_t tick_ns = fo__tick_next_ns(runtime);
    uint64_t weighing_ns = fo__weighing_next_ns(runtime);
    uint64_t next_ns = timer_ns < tick_ns ? timer_ns : tick_ns;

    return next_ns < weighing_ns ? next_ns : weighing_ns;
}

size_t fo__events_dispatch(struct fo_runtime *runtime)
{
    size_t told = 0;

    fo__queue_clear_wake(&runtime->queue);
    /* Left over only in a child that was forked while a listener ran. */
    free_closed(runtime);
    regroup(runtime);
    bury(runtime);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t now_ns = fo__clock_now_ns(&runtime->clock);

        fo__checks_serve(runtime, now_ns); /* first: an answer in time, though we are late */
        run_timers(runtime, now_ns);
        told += take_queue(runtime, now_ns);
        fo__tick_run(runtime, now_ns);
        take_weighed(runtime, now_ns);
        told += tell_batch(runtime);
        bury(runtime);
        if (fo__queue_is_empty(&runtime->queue))
            break;
    }
    fo__store_release(&runtime->next_due_ns, next_due_ns(runtime));
    if (!fo__queue_is_empty(&runtime->queue))
        fo__queue_wake(&runtime->queue);
    return told;
}
