/* SPDX-License-Identifier: Apache-2.0
 *
 * Subscribing to events. Who wants to hear of weights makes changes of them cost something, so those
 * subscriptions are counted: in the balancer, and balancers that have some in their group.
 */
#include "cold.h"
#include "members.h"
#include "rcu.h"
#include "weighing.h"

#include <failover/events.h>

/** The first to listen has all endpoints weighed. Update lock held. */
static void listen_to_weights(struct fo_balancer *balancer)
{
    if (balancer->weight_subscriptions++ > 0)
        return;
    fo__add_relaxed(&balancer->group->weight_listeners, 1);
    fo__rcu_synchronize(); /* who has not seen that has changed what we see (weighing.h) */
    for (uint32_t i = 0; i < balancer->count; i++)
        fo__weighing_begin(balancer->members[i]);
}

static void end_listening_to_weights(struct fo_balancer *balancer)
{
    pthread_mutex_lock(&balancer->update_lock);
    if (--balancer->weight_subscriptions == 0)
        fo__sub_relaxed(&balancer->group->weight_listeners, 1);
    pthread_mutex_unlock(&balancer->update_lock);
}

static fo_status subscribe(struct fo_balancer *balancer, unsigned events, fo_event_fn listener,
                           void *arg, struct fo_subscription **made)
{
    bool weighs = (events & FO_EVENT_WEIGHT) != 0;
    bool closing;

    pthread_mutex_lock(&balancer->update_lock);
    closing = balancer->closing;
    if (!closing && weighs)
        listen_to_weights(balancer);
    pthread_mutex_unlock(&balancer->update_lock);
    if (closing)
        return FO_CLOSED;
    *made = fo__listeners_add(&balancer->listeners, events, listener, arg);
    if (*made != NULL)
        return FO_OK;
    if (weighs)
        end_listening_to_weights(balancer);
    return FO_NOMEM;
}

fo_status fo_subscribe(struct fo_balancer *balancer, unsigned events, fo_event_fn listener,
                       void *arg, struct fo_subscription **subscription)
{
    const unsigned known = (unsigned)FO_EVENT_ALL | (unsigned)FO_EVENT_WEIGHT;
    struct fo_subscription *made = NULL;
    fo_status status;

    if (balancer == NULL || listener == NULL || events == 0 || (events & ~known) != 0)
        return FO_EINVAL;
    fo__cold_begin();
    status = subscribe(balancer, events, listener, arg, &made);
    fo__cold_end();
    if (status == FO_OK && subscription != NULL)
        *subscription = made;
    return status;
}

void fo_unsubscribe(struct fo_balancer *balancer, struct fo_subscription *subscription)
{
    unsigned events;

    if (balancer == NULL || subscription == NULL)
        return;
    events = fo__listeners_remove(&balancer->listeners, subscription);
    if ((events & FO_EVENT_WEIGHT) == 0)
        return;
    fo__cold_begin();
    end_listening_to_weights(balancer);
    fo__cold_end();
}
