/* SPDX-License-Identifier: Apache-2.0
 *
 * The listeners of operations_fuzz, and the dispatch that calls them.
 *
 * Each balancer has one listener from its birth to `closed` that hears all and holds every event
 * against the model:
 *
 *     (added ─► (updated | down | trial | recovered | weight)* ─► removed)+ ─► released     … closed
 *
 * with the states and the weights of one endpoint forming chains, `released` once, with the incarnation's own data
 * and no lease open, and `closed` behind all of them. It may also run further steps of the input:
 * a listener may call any function of the library. Extra listeners come and go.
 */
#ifndef OPERATIONS_EVENTS_H
#define OPERATIONS_EVENTS_H

#include "operations_world.h"

#include <poll.h>

static void run_step(void);

/* ---- Hearing --------------------------------------------------------------------------- */

static void check_state_event(const struct fo_event *event)
{
    MUST(event->health >= 0 && event->health <= 1);
    switch (event->new_state) {
    case FO_STATE_UP:
        MUST(event->kind == FO_EVENT_RECOVERED && event->reason == FO_REASON_TRIAL_SUCCESS);
        break;
    case FO_STATE_TRIAL:
        MUST(event->kind == FO_EVENT_TRIAL && event->reason == FO_REASON_BACKOFF_OVER);
        break;
    case FO_STATE_DOWN:
        MUST(event->kind == FO_EVENT_DOWN && event->reason != FO_REASON_NONE &&
             event->reason != FO_REASON_BACKOFF_OVER && event->reason != FO_REASON_TRIAL_SUCCESS);
        break;
    case FO_STATE_EJECTED: MUST(false); /* there is no judge */
    }
}

static void check_weight_event(struct incarnation *incarnation, const struct fo_event *event)
{
    MUST(event->old_state == event->new_state && event->missed == 0);
    MUST(event->old_weight >= 0 && event->new_weight >= 0);
    MUST(event->old_weight != event->new_weight);
    MUST(incarnation->told_weight < 0 || event->old_weight == incarnation->told_weight);
    incarnation->told_weight = event->new_weight;
}

static void hear_of_endpoint(struct subject *subject, const struct fo_event *event)
{
    struct incarnation *incarnation = find_id(subject, event->endpoint_id);

    MUST(incarnation != NULL && !incarnation->released);
    MUST(strcmp(event->endpoint, text_of(incarnation->name)) == 0);
    MUST(event->data == incarnation->data);
    MUST(event->old_state == incarnation->told_state);
    incarnation->told_state = event->new_state;
    MUST(incarnation->is_told ==
         (event->kind != FO_EVENT_ADDED && event->kind != FO_EVENT_RELEASED));
    switch (event->kind) {
    case FO_EVENT_ADDED:
        incarnation->is_told = incarnation->was_told = true;
        incarnation->told_weight = -1;
        break;
    case FO_EVENT_WEIGHT: check_weight_event(incarnation, event); break;
    case FO_EVENT_REMOVED: incarnation->is_told = false; break;
    case FO_EVENT_RELEASED:
        MUST(incarnation->was_told && !incarnation->is_member && open_of(incarnation) == 0);
        incarnation->released = true;
        break;
    case FO_EVENT_UPDATED: break;
    default: check_state_event(event); break;
    }
}

static void hear_closed(struct subject *subject, const struct fo_event *event)
{
    MUST(subject->balancer == NULL && event->endpoint[0] == '\0' && event->endpoint_id == 0);
    for (struct incarnation *at = subject->incarnations; at != NULL; at = at->next)
        MUST(at->released);
    subject->closed = true;
}

static void hear(const struct fo_event *event, void *arg)
{
    struct subject *subject = arg;

    MUST(!subject->closed && event->size == sizeof(*event) && strcmp(event->balancer, "b") == 0);
    w.heard++;
    if (event->kind == FO_EVENT_CLOSED)
        hear_closed(subject, event);
    else if (event->endpoint_id != 0) /* not of the balancer as a whole */
        hear_of_endpoint(subject, event);
    if (w.listener_budget == 0)
        return;
    w.listener_budget--;
    for_each_host(judge_time);
    run_step();
}

static void hear_extra(const struct fo_event *event, void *arg)
{
    struct ear *ear = arg;

    MUST(ear->active && (ear->events & (unsigned)event->kind) != 0);
    if (!ear->ends_itself || ear->subject->balancer == NULL)
        return;
    fo_unsubscribe(ear->subject->balancer, ear->subscription);
    ear->active = false;
}

/* ---- Dispatching ----------------------------------------------------------------------- */

static bool fd_is_readable(void)
{
    struct pollfd ready = {.fd = fo_runtime_fd(w.runtime), .events = POLLIN};
    return poll(&ready, 1, 0) == 1;
}

static bool is_owed(const struct incarnation *incarnation)
{
    return !incarnation->is_member && open_of(incarnation) == 0 && !incarnation->released;
}

/** Whether an event is due that the model knows of. */
static bool events_are_due(void)
{
    for (struct subject *subject = w.subjects; subject != NULL; subject = subject->next)
        for (struct incarnation *at = subject->incarnations; at != NULL; at = at->next)
            if (is_owed(at))
                return true;
    return false;
}

/** After a dispatch that left nothing to do, all that was owed has been told. */
static void check_delivered(struct subject *subject)
{
    bool all_released = true;

    for (struct incarnation *at = subject->incarnations; at != NULL; at = at->next) {
        MUST(!is_owed(at));
        MUST(at->is_told == at->is_member);
        at->buried = at->released;
        all_released = all_released && at->released;
        if (at->is_member && subject->hosts[at->name].known)
            MUST(at->told_state == subject->hosts[at->name].state);
    }
    MUST(subject->closed == (subject->balancer == NULL && all_released));
}

static void dispatch(void)
{
    int rounds = 0;

    if (w.in_listener) {
        MUST(fo_runtime_dispatch(w.runtime) == 0);
        return;
    }
    MUST(!events_are_due() || (fd_is_readable() && fo_runtime_next_deadline_ms(w.runtime) == 0));
    w.in_listener = true;
    do {
        w.heard = 0;
        MUST(fo_runtime_dispatch(w.runtime) == w.heard);
        MUST(rounds++ < 8);
    } while (fo_runtime_next_deadline_ms(w.runtime) == 0);
    w.in_listener = false;
    w.listener_budget = 0;
    MUST(fo_runtime_dispatch(w.runtime) == 0 && !fd_is_readable());
    for_each_host(judge_time);
    for_each_host(judge_patience);
    for (struct subject *subject = w.subjects; subject != NULL; subject = subject->next)
        check_delivered(subject);
}

/* ---- Subscribing ----------------------------------------------------------------------- */

static void subscribe(struct subject *subject)
{
    struct ear *ear = &subject->ears[subject->ear_count];
    const unsigned known = (unsigned)FO_EVENT_ALL | (unsigned)FO_EVENT_WEIGHT;
    unsigned events = input_byte(&w.input) |
                      (input_below(&w.input, 4) == 0 ? 1u << (8 + input_below(&w.input, 4)) : 0);
    bool ends_itself = input_bit(&w.input);
    bool valid = events != 0 && (events & ~known) == 0;

    if (subject->ear_count == EARS)
        return;
    MUST(fo_subscribe(subject->balancer, events, NULL, NULL, NULL) == FO_EINVAL);
    MUST(fo_subscribe(subject->balancer, events, hear_extra, ear, &ear->subscription) ==
         (valid ? FO_OK : FO_EINVAL));
    if (!valid)
        return;
    ear->subject = subject;
    ear->events = events;
    ear->ends_itself = ends_itself;
    ear->active = true;
    subject->ear_count++;
}

static void unsubscribe(struct subject *subject)
{
    struct ear *ear = &subject->ears[input_below(&w.input, EARS)];

    fo_unsubscribe(subject->balancer, NULL);
    if (!ear->active)
        return;
    fo_unsubscribe(subject->balancer, ear->subscription);
    ear->active = false;
}

#endif
