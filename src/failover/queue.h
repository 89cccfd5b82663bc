/* SPDX-License-Identifier: Apache-2.0
 *
 * The dirty queue: many producers, one consumer, intrusive.
 *
 * What is queued is not an event but an object that has something to tell: a node is in the queue at
 * most once, so the queue is bounded by the number of objects, is never full and allocates nothing.
 * The consumer clears `queued` *before* it looks at the object; whoever changes the object after
 * that look queues it again. Hence no change is lost, and fast changes merge.
 *
 *     push:  change the object; if exchange(queued, 1) was 0: link in, and if first: wake
 *     take:  list = exchange(head, NULL); for each node: exchange(queued, 0), then look
 *
 * Order: (a) the exchange of `queued` is acquire-release on both sides: a producer that finds 1 has
 * its change seen by the consumer's later look, because the consumer's exchange to 0 reads from it.
 * (b) linking is a release CAS of `head`, taken by an acquire exchange.
 */
#ifndef FO_QUEUE_H
#define FO_QUEUE_H

#include "atomic.h"

#include <stddef.h>

enum fo__node_kind {
    FO__NODE_HOST,
    FO__NODE_ENDPOINT,
    FO__NODE_BALANCER,
    FO__NODE_GROUP,
    FO__NODE_CHECK
};

struct fo__node {
    struct fo__node *next;
    _Atomic uint32_t queued;
    enum fo__node_kind kind;
};

struct fo__queue {
    struct fo__node *_Atomic head; /* newest first */
    int wake_fd;                   /* eventfd: readable when something was pushed */
};

/** False when the system has no descriptor left. Pair with fo__queue_fini(). */
bool fo__queue_init(struct fo__queue *queue);
void fo__queue_fini(struct fo__queue *queue);

static inline void fo__node_init(struct fo__node *node, enum fo__node_kind kind)
{
    node->next = NULL;
    atomic_init(&node->queued, 0);
    node->kind = kind;
}

/** In a child after fork(): a descriptor of its own, readable. False: the system has none left. */
bool fo__queue_reopen(struct fo__queue *queue);

/**
 * In a child after fork(): links anew what is in the queue, and in front of it a list that was taken
 * and not looked at. The caller has marked every node as taken that another thread may have marked as
 * queued: if that thread is gone before it linked the node, nobody else could ever queue it.
 */
void fo__queue_renew(struct fo__queue *queue, struct fo__node *taken);

/** Queues a node unless it is queued. Any thread; lock-free; one write() if the queue was empty. */
void fo__queue_push(struct fo__queue *queue, struct fo__node *node);

/** Takes everything, oldest first, linked by `next`; NULL if empty. The consumer. */
struct fo__node *fo__queue_take(struct fo__queue *queue);

/** To be called for each taken node before its object is looked at. */
static inline void fo__node_taken(struct fo__node *node)
{
    (void)fo__exchange_acq_rel(&node->queued, 0);
}

static inline bool fo__queue_is_empty(struct fo__queue *queue)
{
    return fo__load_relaxed(&queue->head) == NULL;
}

/** Makes the descriptor readable, as a push does. */
void fo__queue_wake(struct fo__queue *queue);

/** Makes the descriptor unreadable until the next wake. The consumer. */
void fo__queue_clear_wake(struct fo__queue *queue);

#endif
