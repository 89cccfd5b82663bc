/* SPDX-License-Identifier: Apache-2.0
 *
 * A pick that takes a trial tells nobody, since a wake-up costs a system call. So the dispatcher only
 * looks in on an offered host once per timeout: a trial that it finds out at two looks in a row has
 * had at least one timeout, at most two, and is given up. Otherwise a lost lease would leave the host
 * half open for ever.
 */
#include "trial.h"

#include "judge.h"
#include "judged.h"
#include "offer.h"
#include "ramp.h"
#include "rcu.h"
#include "rng.h"

/* When more hosts wait for a trial than can be on offer at once (offer.h), the rest asks again. */
#define NO_ROOM_MS 100u

/** The back-off after so many failed trials: doubled each time, jittered by a fifth. */
static uint64_t backoff_ns(struct fo_group *group, uint32_t trials_failed)
{
    uint64_t backoff_ms = group->trial.backoff_ms;
    uint64_t ns;

    for (uint32_t i = 0; i < trials_failed && backoff_ms < group->trial.backoff_max_ms; i++)
        backoff_ms *= 2;
    if (backoff_ms > group->trial.backoff_max_ms)
        backoff_ms = group->trial.backoff_max_ms;
    ns = backoff_ms * FO__NS_PER_MS;
    return ns - ns / 5 + fo__rng_below(&group->rng, ns / 5 * 2 + 1);
}

/** Offers the endpoint if it takes traffic at all. False: there is no room for the offer now. */
static bool offer_one(struct fo_endpoint *endpoint)
{
    struct fo__core *core = endpoint->core;
    struct fo__snapshot *snapshot;
    bool room = true;
    uint32_t slot;

    /* Looked up and offered in one section: an update that takes the endpoint out of the snapshot
     * withdraws its offer after a grace period, so none is put up behind its back. */
    fo__rcu_read_lock();
    snapshot = fo__load_acquire(&core->snapshot);
    slot = fo__snapshot_slot(snapshot, endpoint->id);
    if (slot != FO__NO_SLOT && fo__slot_units(snapshot, slot) > 0)
        room = fo__offer_put(core, endpoint);
    fo__rcu_read_unlock();
    return room;
}

static bool offer_to_all(struct fo__host *host)
{
    bool room = true;

    pthread_mutex_lock(&host->group->lock);
    for (struct fo_endpoint *at = host->endpoints; at != NULL; at = at->host_next)
        room = offer_one(at) && room;
    pthread_mutex_unlock(&host->group->lock);
    return room;
}

static void arm(struct fo_runtime *runtime, struct fo__host *host, uint64_t due_ns)
{
    fo__timer_arm(&runtime->timers, &host->timer, due_ns);
}

/** A host that is recalled is waited for like one that is down: it is missed. */
static uint64_t wait_ns(struct fo__host *host, uint64_t word)
{
    return fo__word_is_ejected(word) && !host->judged->is_recalled
               ? fo__judge_wait_ns(host)
               : backoff_ns(host->group, fo__load_relaxed(&host->trials_failed));
}

static void wait_for_trial(struct fo_runtime *runtime, struct fo__host *host, uint64_t word,
                           uint64_t now_ns)
{
    uint64_t due_ns = now_ns + wait_ns(host, word);

    host->phase = FO__TRIAL_WAITING;
    fo__store_relaxed(&host->trial_due_ns, due_ns);
    arm(runtime, host, due_ns);
}

/** The wait began in the process that saved this state. */
static void go_on_waiting(struct fo_runtime *runtime, struct fo__host *host, uint64_t word)
{
    host->phase = FO__TRIAL_WAITING;
    fo__store_relaxed(&host->trials_failed, fo__word_restored_trials(word));
    arm(runtime, host, fo__load_relaxed(&host->trial_due_ns));
}

static void watch_offer(struct fo_runtime *runtime, struct fo__host *host, uint64_t wait_ms,
                        uint64_t now_ns)
{
    host->phase = FO__TRIAL_OFFERED;
    host->trial_was_out = false;
    arm(runtime, host, now_ns + wait_ms * FO__NS_PER_MS);
}

static void offer(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns)
{
    uint64_t timeout_ms = host->group->trial.timeout_ms;
    bool room = offer_to_all(host);

    watch_offer(runtime, host, room || timeout_ms < NO_ROOM_MS ? timeout_ms : NO_ROOM_MS, now_ns);
}

/** Whether trials bring it back: checks do not end an ejection. */
static bool has_trials(const struct fo__host *host, uint64_t word)
{
    return host->check == NULL || fo__word_is_ejected(word);
}

void fo__trial_follow(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns)
{
    uint64_t word = fo__load_acquire(host->word);

    if (host->phase != FO__TRIAL_NONE && host->phase_epoch != fo__word_epoch(word)) {
        host->phase = FO__TRIAL_NONE;
        fo__store_relaxed(&host->trials_failed, 0);
    }
    host->phase_epoch = fo__word_epoch(word);
    if ((word & FO__FLAG_DOWN) == 0) {
        fo__ramp_follow(runtime, host, word, now_ns);
    } else if (!has_trials(host, word)) {
        fo__timer_cancel(&runtime->timers,
                         &host->timer); /* of its ramp; the check brings it back */
    } else if ((word & FO__FLAG_DUE) != 0) {
        offer(runtime, host, now_ns);
    } else if ((word & FO__FLAG_TRIAL) != 0) {
        if (host->phase != FO__TRIAL_OFFERED) /* taken by an offer left from an earlier round */
            watch_offer(runtime, host, host->group->trial.timeout_ms, now_ns);
    } else if (host->phase == FO__TRIAL_NONE && fo__word_reason(word) == FO_REASON_RESTORED) {
        go_on_waiting(runtime, host, word);
    } else if (host->phase != FO__TRIAL_WAITING || !host->timer.armed) {
        /* Offered, or due and taken and failed before we came to offer it: a trial has failed. */
        fo__add_relaxed(&host->trials_failed, host->phase != FO__TRIAL_NONE ? 1 : 0);
        wait_for_trial(runtime, host, word, now_ns);
    }
}

void fo__trial_hasten(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns)
{
    uint64_t word = fo__load_acquire(host->word);

    if (host->phase != FO__TRIAL_WAITING || host->phase_epoch != fo__word_epoch(word) ||
        (word & (FO__FLAG_DUE | FO__FLAG_TRIAL)) != 0)
        return; /* on offer, or not yet followed: then it waits as one that is recalled */
    fo__store_relaxed(&host->trial_due_ns, now_ns);
    arm(runtime, host, now_ns);
}

/** Changes the flag of a host that is down, if it still is as it was seen, and queues it. */
static void change_flag(struct fo__host *host, uint64_t word, uint64_t flag, fo_reason reason)
{
    if (!fo__cas_acq_rel(host->word, &word, fo__word_still_down(word, flag, reason)))
        return; /* a finish was faster, and has queued the host */
    fo__queue_push(host->queue, &host->node);
}

void fo__trial_due(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns)
{
    uint64_t word = fo__load_acquire(host->word);
    bool trial_is_over =
        host->phase == FO__TRIAL_OFFERED && (word & (FO__FLAG_DUE | FO__FLAG_TRIAL)) == 0;

    if ((word & FO__FLAG_DOWN) == 0) {
        fo__ramp_due(runtime, host, word, now_ns);
        return;
    }
    if (!has_trials(host, word))
        return;
    /* Armed for what is past: the host is queued, and fo__trial_follow() arms anew. */
    if (host->phase_epoch != fo__word_epoch(word) || trial_is_over)
        return;
    if ((word & FO__FLAG_TRIAL) != 0) {
        if (host->trial_was_out) {
            change_flag(host, word, 0, FO_REASON_TRIAL_FAILED);
        } else {
            host->trial_was_out = true;
            arm(runtime, host, now_ns + host->group->trial.timeout_ms * FO__NS_PER_MS);
        }
    } else if ((word & FO__FLAG_DUE) != 0) {
        offer(runtime, host, now_ns); /* nobody took it; perhaps there are new balancers */
    } else {
        change_flag(host, word, FO__FLAG_DUE, FO_REASON_BACKOFF_OVER);
    }
}
