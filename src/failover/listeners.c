/* SPDX-License-Identifier: Apache-2.0 */
#include "listeners.h"

#include <stdlib.h>

struct fo_subscription {
    struct fo_subscription *next;
    unsigned events;
    fo_event_fn listener;
    void *arg;
    unsigned references; /* the list's, and a running call's */
    bool ended;
    bool running;
    pthread_t runner; /* while running */
};

void fo__listeners_init(struct fo__listeners *listeners)
{
    pthread_mutex_init(&listeners->lock, NULL);
    pthread_cond_init(&listeners->returned, NULL);
    listeners->first = NULL;
}

void fo__listeners_fini(struct fo__listeners *listeners)
{
    while (listeners->first != NULL) {
        struct fo_subscription *subscription = listeners->first;

        listeners->first = subscription->next;
        free(subscription);
    }
    pthread_cond_destroy(&listeners->returned);
    pthread_mutex_destroy(&listeners->lock);
}

bool fo__listeners_want(struct fo__listeners *listeners, fo_event_kind kind)
{
    bool wanted = false;

    pthread_mutex_lock(&listeners->lock);
    for (struct fo_subscription *at = listeners->first; at != NULL && !wanted; at = at->next)
        wanted = !at->ended && (at->events & (unsigned)kind) != 0;
    pthread_mutex_unlock(&listeners->lock);
    return wanted;
}

/** Gives one reference back; the last one takes the subscription out. Caller holds the lock. */
static void unref(struct fo__listeners *listeners, struct fo_subscription *subscription)
{
    if (--subscription->references > 0)
        return;
    for (struct fo_subscription **at = &listeners->first; *at != NULL; at = &(*at)->next) {
        if (*at == subscription) {
            *at = subscription->next;
            break;
        }
    }
    free(subscription);
}

void fo__listeners_call(struct fo__listeners *listeners, const struct fo_event *event)
{
    struct fo_subscription *at;

    pthread_mutex_lock(&listeners->lock);
    for (at = listeners->first; at != NULL;) {
        struct fo_subscription *next;

        if (at->ended || (at->events & (unsigned)event->kind) == 0) {
            at = at->next;
            continue;
        }
        at->references++; /* keeps it in the list, so its `next` stays true */
        at->running = true;
        at->runner = pthread_self();
        pthread_mutex_unlock(&listeners->lock);
        at->listener(event, at->arg);
        pthread_mutex_lock(&listeners->lock);
        at->running = false;
        pthread_cond_broadcast(&listeners->returned);
        next = at->next;
        unref(listeners, at);
        at = next;
    }
    pthread_mutex_unlock(&listeners->lock);
}

struct fo_subscription *fo__listeners_add(struct fo__listeners *listeners, unsigned events,
                                          fo_event_fn listener, void *arg)
{
    struct fo_subscription *subscription = calloc(1, sizeof(*subscription));
    struct fo_subscription **last;

    if (subscription == NULL)
        return NULL;
    subscription->events = events;
    subscription->listener = listener;
    subscription->arg = arg;
    subscription->references = 1;
    pthread_mutex_lock(&listeners->lock);
    for (last = &listeners->first; *last != NULL; last = &(*last)->next)
        ;
    *last = subscription;
    pthread_mutex_unlock(&listeners->lock);
    return subscription;
}

unsigned fo__listeners_remove(struct fo__listeners *listeners, struct fo_subscription *subscription)
{
    unsigned events;

    pthread_mutex_lock(&listeners->lock);
    events = subscription->events;
    subscription->ended = true;
    while (subscription->running && !pthread_equal(subscription->runner, pthread_self()))
        pthread_cond_wait(&listeners->returned, &listeners->lock);
    unref(listeners, subscription);
    pthread_mutex_unlock(&listeners->lock);
    return events;
}

void fo__listeners_after_fork(struct fo__listeners *listeners)
{
    pthread_mutex_init(&listeners->lock, NULL);
    pthread_cond_init(&listeners->returned, NULL);
    for (struct fo_subscription *at = listeners->first; at != NULL; at = at->next)
        at->running = false;
}
