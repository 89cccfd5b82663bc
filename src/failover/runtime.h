/* SPDX-License-Identifier: Apache-2.0
 *
 * Runtime: one dirty queue, one heap of timers, and whoever dispatches them.
 *
 * At most one thread dispatches a runtime at a time. What only the dispatcher touches needs no lock;
 * the field comments of hosts and endpoints say which that is.
 */
#ifndef FO_RUNTIME_H
#define FO_RUNTIME_H

#include "clock.h"
#include "endpoint.h"
#include "io.h"
#include "queue.h"
#include "timer.h"

#include <failover/runtime.h>

struct fo_balancer;
struct fo_group;
struct fo__check;

struct fo_runtime {
    struct fo__clock clock;
    struct fo__queue queue;
    _Atomic uint32_t dispatching;
    _Atomic uint64_t next_due_ns; /* FO__NEVER: no timer */
    _Atomic uint32_t users;       /* groups */
    struct fo_runtime *all_next;  /* every runtime of the process, for fork() */

    /* The dispatcher's. Here and not on its stack, so that a child after fork() can go on. */
    struct fo__timers timers;
    struct fo__io io;
    struct fo__check *checks;   /* all that have ever been armed */
    struct fo__node *taken;     /* out of the queue, not yet looked at */
    struct fo_balancer *closed; /* its `closed` is being told */
    struct fo_endpoint *batch;  /* endpoints to be told about, oldest first */
    struct fo_endpoint **batch_last;
    struct fo_endpoint *dead;    /* released and told: to be freed after a grace period */
    struct fo_group *ticking;    /* their balancers' sums are kept up to date (tick.h) */
    struct fo__host *weighed;    /* their endpoints' weights are to be told (weighing.h) */
    uint64_t weighed_due_ns;     /* when, if there are any */
    struct fo_balancer *regroup; /* their cores may have changed: to be published anew */
};

/** Takes a hold on a runtime; NULL: the process's default one, started if need be. Cold lock held. */
fo_status fo__runtime_acquire(struct fo_runtime *given, struct fo_runtime **runtime);
void fo__runtime_release(struct fo_runtime *runtime);

/** In a child after fork(), when every node is marked as taken: nobody else dispatches, and what was
 * queued is. */
fo_status fo__runtimes_renew(void);

/** In a child after fork(), when all is well again: the default runtime has a thread. */
fo_status fo__runtimes_resume(void);

#endif
