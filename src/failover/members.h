/* SPDX-License-Identifier: Apache-2.0
 *
 * Members: a balancer as a whole, and the life of its endpoints outside of snapshots.
 *
 * An endpoint is made by an update, becomes a member, leaves, is released, told about, and freed. A
 * balancer lives until it was destroyed and its last endpoint is freed: `alive` counts those, plus
 * one until it is destroyed.
 */
#ifndef FO_MEMBERS_H
#define FO_MEMBERS_H

#include "core.h"
#include "group.h"
#include "lease_check.h"
#include "listeners.h"
#include "names.h"

struct fo_balancer {
    struct fo__core core; /* first: the hot path casts */

    /* Read-only. */
    char *name;
    struct fo_group *group;
    struct fo_balancer *group_next; /* of a shared group; under the group lock */
    struct fo_balancer *group_previous;
    struct fo__lease_check check;
    bool checks_leases;
    uint64_t began_ns; /* when it was made */

    struct fo__listeners listeners;
    struct fo__node node; /* queued when it may be freed */
    bool told_available;  /* the dispatcher's: whether listeners think that anything is healthy */
    _Atomic uint32_t publications;
    uint32_t judged_publications; /* the dispatcher's: of those, seen by the judge */
    bool must_regroup; /* the dispatcher's: who is failed has changed, and so may cores */
    struct fo_balancer *regroup_next;
    _Atomic bool has_cores; /* placement.subset has; written under the update lock */
    _Atomic uint32_t alive;

    pthread_mutex_t update_lock; /* guards the rest */
    struct fo__placement placement;
    uint64_t key_builds;
    struct fo__keyed_change key_change; /* of the last build */
    struct fo__names names;
    struct fo_endpoint **members; /* in order of joining */
    uint32_t count;
    struct fo_endpoint *leaving; /* draining, newest first */
    uint64_t last_serial;
    uint32_t index_end;   /* indices below are used or in free_index */
    uint32_t *free_index; /* a stack */
    uint32_t free_count;
    uint32_t free_capacity; /* at least index_end */
    bool closing;
    uint32_t weight_subscriptions;        /* to FO_EVENT_WEIGHT */
    struct fo__snapshot *closed_snapshot; /* made in advance: destroy cannot fail */

    /* Every balancer of the process, for fork(). */
    struct fo_balancer *all_next;
    struct fo_balancer *all_previous;
};

static inline struct fo_balancer *fo__balancer_of(struct fo__core *core)
{
    return (struct fo_balancer *)(void *)core;
}

/** Makes an endpoint with an index of its own on a referenced host. Update lock held. NULL: memory. */
struct fo_endpoint *fo__members_make(struct fo_balancer *balancer, struct fo__host *host,
                                     void *data);

/** Undoes fo__members_make() for an endpoint that was never published. Update lock held. */
void fo__members_unmake(struct fo_balancer *balancer, struct fo_endpoint *endpoint);

/** A member leaves: raises core.leaving, which finishes look at before they ask whether an endpoint is
 * draining, and keeps it where its name finds it. Update lock held. */
void fo__members_begin_leaving(struct fo_balancer *balancer, struct fo_endpoint *endpoint);

/** An endpoint leaves no more: it is a member again, or about to be freed. Update lock held. */
void fo__members_end_leaving(struct fo_balancer *balancer, struct fo_endpoint *endpoint);

/** Picks count leases if a policy or a limit asks for it: the balancer's settings, or any member's. Update
 * lock held, or nobody else knows the balancer. */
void fo__members_attend_to_load(struct fo_balancer *balancer);

/** Dispatcher: frees a released endpoint, after a grace period, outside the update lock. */
void fo__members_free(struct fo_endpoint *endpoint);

/** Frees a balancer of which nothing is alive. */
void fo__members_fini(struct fo_balancer *balancer);

/** Drops one of `alive`; the last one queues the balancer for its `closed` event. */
void fo__members_drop(struct fo_balancer *balancer);

/** Enters a balancer in the list of all, and calls a function for each in it. */
void fo__members_register(struct fo_balancer *balancer);
void fo__members_for_each(void (*visit)(struct fo_balancer *balancer));

#endif
