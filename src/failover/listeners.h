/* SPDX-License-Identifier: Apache-2.0
 *
 * Listeners of one balancer: subscribing, unsubscribing and calling, from anywhere, also from inside a
 * listener.
 *
 * A call holds a reference on its subscription and no lock. Unsubscribing marks the subscription and
 * waits until its call has returned, unless it is that call's own thread.
 */
#ifndef FO_LISTENERS_H
#define FO_LISTENERS_H

#include <failover/events.h>
#include <pthread.h>

struct fo__listeners {
    pthread_mutex_t lock;
    pthread_cond_t returned;
    struct fo_subscription *first;
};

void fo__listeners_init(struct fo__listeners *listeners);

/** Frees what is left. Nobody calls or subscribes any more. */
void fo__listeners_fini(struct fo__listeners *listeners);

/** Whether anybody wants this kind. */
bool fo__listeners_want(struct fo__listeners *listeners, fo_event_kind kind);

/** Calls every listener of event->kind, in the order of subscription. Outside the cold lock. */
void fo__listeners_call(struct fo__listeners *listeners, const struct fo_event *event);

/** NULL when out of memory. */
struct fo_subscription *fo__listeners_add(struct fo__listeners *listeners, unsigned events,
                                          fo_event_fn listener, void *arg);

/** Waits for a running call of another thread; returns what was subscribed to. Outside the cold lock. */
unsigned fo__listeners_remove(struct fo__listeners *listeners,
                              struct fo_subscription *subscription);

/** In a child after fork(): calls that ran in threads of the parent are over. */
void fo__listeners_after_fork(struct fo__listeners *listeners);

#endif
