/* SPDX-License-Identifier: Apache-2.0
 *
 * Calling for the tick of a group: what a change of health in a group of several balancers costs whoever
 * reports it, however many they are.
 *
 *     change a word, count the change; if exchange(called, 1) was 0: queue the group   (once per tick)
 *     dispatcher: mend, wait for the next tick … until nothing has changed; exchange(called, 0), look
 *     at the count once more
 *
 * Order: the exchange is acquire-release on both sides. A reporter that finds 1 has its change seen by
 * the dispatcher's last look, because the dispatcher's exchange to 0 reads from it.
 */
#ifndef FO_TICK_CALL_H
#define FO_TICK_CALL_H

#include "queue.h"

struct fo__tick_call {
    _Atomic uint32_t balancers; /* of the group; one alone has nobody to tell */
    _Atomic uint32_t called;    /* a tick will come */
    struct fo__queue *queue;
    struct fo__node node;
};

static inline void fo__tick_call_init(struct fo__tick_call *call, struct fo__queue *queue)
{
    atomic_init(&call->balancers, 0);
    atomic_init(&call->called, 0);
    call->queue = queue;
    fo__node_init(&call->node, FO__NODE_GROUP);
}

/**
 * After a change was counted, in the same read section. Any thread; lock-free; one write() per tick.
 *
 * Who sees one balancer only may pass a second one by that is just being made: its first update mends
 * everything after a grace period, which waits for this section.
 */
static inline void fo__tick_call(struct fo__tick_call *call)
{
    if (fo__load_relaxed(&call->balancers) > 1 && fo__exchange_acq_rel(&call->called, 1) == 0)
        fo__queue_push(call->queue, &call->node);
}

#endif
