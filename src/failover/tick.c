/* SPDX-License-Identifier: Apache-2.0 */
#include "tick.h"

#include "members.h"
#include "rcu.h"
#include "review.h"

#define SLOTS 4096u /* that a run mends before it leaves the rest for the next dispatch */

/* ---- Membership ---------------------------------------------------------------------------- */

void fo__tick_join(struct fo_balancer *balancer)
{
    struct fo_group *group = balancer->group;

    pthread_mutex_lock(&group->lock);
    balancer->group_previous = NULL;
    balancer->group_next = group->balancers;
    if (group->balancers != NULL)
        group->balancers->group_previous = balancer;
    group->balancers = balancer;
    fo__add_relaxed(&group->tick_call.balancers, 1);
    pthread_mutex_unlock(&group->lock);
}

static void stop(struct fo_group *group)
{
    struct fo_group **at = &group->runtime->ticking;

    while (*at != group)
        at = &(*at)->tick_next;
    *at = group->tick_next;
    group->ticks = false;
}

void fo__tick_leave(struct fo_balancer *balancer)
{
    struct fo_group *group = balancer->group;

    pthread_mutex_lock(&group->lock);
    if (group->tick_at == balancer)
        group->tick_at = balancer->group_next;
    if (balancer->group_previous != NULL)
        balancer->group_previous->group_next = balancer->group_next;
    else
        group->balancers = balancer->group_next;
    if (balancer->group_next != NULL)
        balancer->group_next->group_previous = balancer->group_previous;
    fo__sub_acq_rel(&group->tick_call.balancers, 1);
    /* Only balancers keep a group that ticks; and a runtime must not wait for a tick to be destroyed. */
    if (group->balancers == NULL && group->ticks) {
        stop(group);
        fo__store_relaxed(&group->tick_call.called, 0);
    }
    pthread_mutex_unlock(&group->lock);
}

/* ---- Mending ------------------------------------------------------------------------------- */

/** Brings one balancer's sums up to date; returns how many slots that were. */
static uint32_t catch_up(struct fo__core *core)
{
    struct fo__snapshot *snapshot;
    uint64_t changes;
    uint32_t slots = 0;

    fo__rcu_read_lock();
    changes = fo__load_acquire(core->group_changes); /* pairs with the changers' (outcome.c) */
    if (changes != fo__load_acquire(&core->changes_seen)) {
        snapshot = fo__load_acquire(&core->snapshot);
        slots = snapshot->count;
        if (fo__snapshot_mend_all(snapshot))
            fo__store_release(&core->changes_seen, changes);
        fo__review(core, snapshot);
    }
    fo__rcu_read_unlock();
    return slots;
}

/** Mends balancers from tick_at on. True: all of them, down to the last. */
static bool go_on(struct fo_group *group)
{
    uint32_t slots = 0;

    /* Without the lock: who joins goes in front, and nobody but the dispatcher takes one out. */
    for (; group->tick_at != NULL && slots < SLOTS; group->tick_at = group->tick_at->group_next)
        slots += 1 + catch_up(&group->tick_at->core);
    return group->tick_at == NULL;
}

/** Whether nothing has changed since the last round began, and who changes something now will call. */
static bool is_over(struct fo_group *group)
{
    if (fo__load_acquire(&group->changes) != group->ticked_changes)
        return false;
    (void)fo__exchange_acq_rel(&group->tick_call.called, 0);
    if (fo__load_acquire(&group->changes) == group->ticked_changes)
        return true;
    /* Whoever was faster with this has queued the group, to no effect. */
    (void)fo__exchange_acq_rel(&group->tick_call.called, 1);
    return false;
}

static void tick(struct fo_group *group, uint64_t now_ns)
{
    if (group->tick_at == NULL) {
        if (is_over(group)) {
            stop(group);
            return;
        }
        group->ticked_changes = fo__load_acquire(&group->changes);
        pthread_mutex_lock(&group->lock);
        group->tick_at = group->balancers;
        pthread_mutex_unlock(&group->lock);
    }
    group->tick_due_ns = go_on(group) ? now_ns + FO__TICK_NS : now_ns;
}

/* ---- The dispatcher's calls ----------------------------------------------------------------- */

void fo__tick_begin(struct fo_group *group, uint64_t now_ns)
{
    bool has_balancers = fo__load_relaxed(&group->tick_call.balancers) > 0;

    if (group->ticks)
        return;
    fo__store_relaxed(&group->tick_call.called, has_balancers ? 1 : 0);
    if (!has_balancers)
        return;
    group->ticks = true;
    group->tick_due_ns = now_ns;
    group->tick_next = group->runtime->ticking;
    group->runtime->ticking = group;
}

void fo__tick_run(struct fo_runtime *runtime, uint64_t now_ns)
{
    struct fo_group *group = runtime->ticking;

    while (group != NULL) {
        struct fo_group *next = group->tick_next;

        if (group->tick_due_ns <= now_ns)
            tick(group, now_ns);
        group = next;
    }
}

uint64_t fo__tick_next_ns(const struct fo_runtime *runtime)
{
    uint64_t next_ns = FO__NEVER;

    for (const struct fo_group *at = runtime->ticking; at != NULL; at = at->tick_next)
        if (at->tick_due_ns < next_ns)
            next_ns = at->tick_due_ns;
    return next_ns;
}

void fo__tick_after_fork(struct fo_group *group)
{
    fo__store_relaxed(&group->tick_call.called, group->ticks ? 1 : 0);
}
