/* SPDX-License-Identifier: Apache-2.0
 *
 * Host: what is learned about a name, shared by all endpoints of that name in a health group.
 *
 * The host word holds everything that decides a pick, so that one load decides and one CAS changes:
 *
 *     63      56 55                            24 23       6 5      0
 *     ├─ flags ──┼── loss, in units of 2^-31 ──────┼─ epoch ──┼ strikes ┤
 *
 * Loss is what is missing to full health. Loss and not health, and the epoch below it, so that a host
 * is whole, with health 1 and no flag, exactly when its word is below 2^24: one compare.
 *
 * Strikes are failures since the last success, but those of requests that were in flight together are
 * one: a lease remembers the word it was taken with, and its failure is a strike only if no other was
 * counted since then. A failure that is a strike costs at least one unit of health and a success takes
 * the strikes away in the CAS that heals, so a host that is whole has none. Enough strikes call the
 * judge (judge.h). A host that is down has none.
 *
 * It is a fraction, not a weight: a changed max_weight keeps it, and a finisher that still computes
 * with the old maximum cannot clamp to it. With the unit 2^-31 steps of max/2^20 are exact.
 *
 * A host that is down has no health. Then its bits hold:
 *
 *     30        29                         4 3        0
 *     ├ ejected ┼─ number of the last trial ─┼─ reason ─┤
 *
 * Ejected (judge.h) is a host that answers, but badly; it stays so while its trials fail.
 * The reason (fo_reason) is that of the last change, so no event can carry that of another. Each trial
 * that a pick takes has the next number, its lease remembers it, and so a trial that was given up
 * cannot end the one after it when its lease is finished at last.
 *
 * The epoch is bumped on real transitions only: up → down, down → up. A lease remembers it, and an
 * outcome from an older epoch moves nothing: a request sent before the crash must not resurrect the
 * server, nor its timeout kill it again after it has recovered. It wraps after 2^18 transitions.
 *
 *     UP ──(down reported, or no health left)──► DOWN ──(back-off over)──► DOWN|DUE
 *      ▲                                          ▲  ▲                        │ a pick takes it
 *      │                                          │  └──(trial failed)── DOWN|TRIAL
 *      └───────(a success of this epoch)──────────┴──────────────────────────┘
 *
 * A host that comes back, or joins others, is UP|RAMP first (ramp.h): its health is what the levels go
 * by, its admission what it gets of its share. The admission stands beside the word with the epoch as a
 * tag; a tag of another epoch means that the ramp has just begun.
 */
#ifndef FO_HOST_H
#define FO_HOST_H

#include "atomic.h"
#include "load.h"
#include "names.h"
#include "queue.h"
#include "timer.h"

#include <failover/endpoint.h>
#include <failover/events.h>
#include <failover/judge.h>
#include <stddef.h>

#define FO__HEALTH_ONE (UINT64_C(1) << 31)
#define FO__LOSS_SHIFT 24
#define FO__TAG_MASK ((UINT64_C(1) << FO__LOSS_SHIFT) - 1) /* epoch and strikes */
#define FO__STRIKE_BITS 6
#define FO__STRIKES_MASK ((UINT64_C(1) << FO__STRIKE_BITS) - 1)
#define FO__EPOCH_MASK (FO__TAG_MASK & ~FO__STRIKES_MASK)
#define FO__EPOCH_ONE (UINT64_C(1) << FO__STRIKE_BITS)
#define FO__FLAG_DOWN (UINT64_C(1) << 56)
#define FO__FLAG_DUE (UINT64_C(1) << 57)   /* a trial is offered */
#define FO__FLAG_TRIAL (UINT64_C(1) << 58) /* a trial is out */
#define FO__FLAG_RAMP (UINT64_C(1) << 59)  /* up, and admitted by and by */
#define FO__FLAGS_MASK (UINT64_C(0xff) << 56)
/* What a host that is down has for loss. Bit 31 of it is a lease's (lease.h). */
#define FO__REASON_MASK (UINT64_C(15) << FO__LOSS_SHIFT)
#define FO__TRIAL_ONE (UINT64_C(16) << FO__LOSS_SHIFT)
#define FO__TRIAL_MASK (UINT64_C(0x3ffffff0) << FO__LOSS_SHIFT)
#define FO__EJECTED (UINT64_C(0x40000000) << FO__LOSS_SHIFT)

_Static_assert(FO_STRIKES_MAX == FO__STRIKES_MASK, "the most strikes fit");
_Static_assert((uint64_t)FO_REASON_EJECTED_LATENCY << FO__LOSS_SHIFT <= FO__REASON_MASK,
               "the last reason fits");

/** Health in units of 2^-31. */
static inline uint32_t fo__word_health(uint64_t word)
{
    uint32_t loss = (uint32_t)(word >> FO__LOSS_SHIFT);

    return (word & FO__FLAG_DOWN) != 0 ? 0 : (uint32_t)FO__HEALTH_ONE - loss;
}

static inline uint32_t fo__word_epoch(uint64_t word)
{
    return (uint32_t)((word & FO__EPOCH_MASK) >> FO__STRIKE_BITS);
}

#define FO__EPOCH_NONE UINT32_MAX

/** Numbers of epochs go round. */
static inline uint32_t fo__epoch_sum(uint32_t epoch, uint32_t steps)
{
    return (epoch + steps) & (uint32_t)(FO__EPOCH_MASK >> FO__STRIKE_BITS);
}

static inline uint32_t fo__word_strikes(uint64_t word)
{
    return (uint32_t)(word & FO__STRIKES_MASK);
}

/** A word with nothing but the epoch of that one, moved by so many steps. */
static inline uint64_t fo__word_step(uint64_t word, int steps)
{
    return (word + (uint64_t)(int64_t)steps * FO__EPOCH_ONE) & FO__EPOCH_MASK;
}

/** The word with the epoch of another, that health and those flags; without strikes. */
static inline uint64_t fo__word_of(uint64_t epoch_of, uint64_t health, uint64_t flags)
{
    return flags | (FO__HEALTH_ONE - health) << FO__LOSS_SHIFT | (epoch_of & FO__EPOCH_MASK);
}

/** The word with another health. */
static inline uint64_t fo__word_with_health(uint64_t word, uint64_t health)
{
    return fo__word_of(word, health, word & FO__FLAGS_MASK) | (word & FO__STRIKES_MASK);
}

/** The word after one more strike, for which it has room, and which leaves no health whole. */
static inline uint64_t fo__word_with_strike(uint64_t word)
{
    if (fo__word_health(word) == FO__HEALTH_ONE)
        word = fo__word_with_health(word, FO__HEALTH_ONE - 1);
    return fo__word_strikes(word) < FO__STRIKES_MASK ? word + 1 : word;
}

/** The word of a host that goes down. */
static inline uint64_t fo__word_down(uint64_t word, fo_reason reason)
{
    return FO__FLAG_DOWN | (uint64_t)reason << FO__LOSS_SHIFT | fo__word_step(word, 1);
}

/** The word of a host that the judge takes out. */
static inline uint64_t fo__word_ejected(uint64_t word, fo_reason reason)
{
    return fo__word_down(word, reason) | FO__EJECTED;
}

/** Whether a host that is down is out because of its results. */
static inline bool fo__word_is_ejected(uint64_t word)
{
    return (word & FO__FLAG_DOWN) != 0 && (word & FO__EJECTED) != 0;
}

/** Whether a host is down and not merely ejected. */
static inline bool fo__word_is_down(uint64_t word)
{
    return (word & FO__FLAG_DOWN) != 0 && !fo__word_is_ejected(word);
}

/** The word of a host that is down, with another reason and of the two other flags this one or none. */
static inline uint64_t fo__word_still_down(uint64_t word, uint64_t flag, fo_reason reason)
{
    uint64_t rest = word & ~(FO__FLAG_DUE | FO__FLAG_TRIAL | FO__REASON_MASK);
    return rest | flag | (uint64_t)reason << FO__LOSS_SHIFT;
}

/** Why a host came into the state that it is in, if it ever changed. */
static inline fo_reason fo__word_reason(uint64_t word)
{
    return (word & FO__FLAG_DOWN) != 0 ? (fo_reason)((word & FO__REASON_MASK) >> FO__LOSS_SHIFT)
                                       : FO_REASON_TRIAL_SUCCESS;
}

/** The word of a host that is due when a pick takes the trial. */
static inline uint64_t fo__word_with_trial(uint64_t word)
{
    uint64_t number = (word + FO__TRIAL_ONE) & FO__TRIAL_MASK;
    return (word & ~(FO__FLAG_DUE | FO__TRIAL_MASK)) | FO__FLAG_TRIAL | number;
}

/** The word of a host that was down in another process: its number of the last trial is that of those
 * which failed there, so that the dispatcher learns it with the word. */
static inline uint64_t fo__word_restored(uint64_t word, uint32_t trials_failed)
{
    return fo__word_down(word, FO_REASON_RESTORED) | trials_failed * FO__TRIAL_ONE;
}

/** How many trials had failed by then; before any trial here. */
static inline uint32_t fo__word_restored_trials(uint64_t word)
{
    return (uint32_t)((word & FO__TRIAL_MASK) / FO__TRIAL_ONE);
}

/** Which trial is out, as opposed to any other of the epoch; 0: none. */
static inline uint64_t fo__word_trial(uint64_t word)
{
    return (word & FO__FLAG_TRIAL) != 0 ? word & (FO__FLAG_TRIAL | FO__TRIAL_MASK) : 0;
}

/** Whether a host may be picked without a second thought: health exactly 1 and no flag. */
static inline bool fo__word_is_whole(uint64_t word)
{
    return word <= FO__TAG_MASK;
}

/** What the public calls that. */
static inline fo_state fo__word_state(uint64_t word)
{
    if ((word & FO__FLAG_DOWN) == 0)
        return FO_STATE_UP;
    if ((word & (FO__FLAG_DUE | FO__FLAG_TRIAL)) != 0)
        return FO_STATE_TRIAL;
    return fo__word_is_ejected(word) ? FO_STATE_EJECTED : FO_STATE_DOWN;
}

struct fo_group;
struct fo_endpoint;
struct fo__check;
struct fo__judged;

/* What a ramp begins with, in units of 2^-31: 5 %. */
#define FO__ADMISSION_FIRST ((uint32_t)(FO__HEALTH_ONE / 20))

/* Where the dispatcher is with a host that is down (trial.c). */
enum fo__trial_phase { FO__TRIAL_NONE, FO__TRIAL_WAITING, FO__TRIAL_OFFERED };

struct fo__host {
    /* Read-only. */
    _Atomic uint64_t *word; /* the host word; the group's (words.h) */
    struct fo_group *group;
    struct fo__queue *queue;
    struct fo__name *name;
    struct fo__check *check;   /* NULL: its group has none, and brings it back by trials */
    struct fo__judged *judged; /* NULL: its group has no judge */
    bool ramps;                /* when it comes back */
    uint32_t strikes;          /* that call the judge; FO_JUDGE_OFF: they are not counted */

    /* Written by the dispatcher, read by picks. */
    _Atomic uint64_t admission; /* in units of 2^-31, over the epoch that it is of; 0: none yet */

    /* Written by finishers. */
    _Atomic uint32_t streak;          /* successes in a row at the minimum */
    _Atomic uint32_t weighing_called; /* its weights will be looked at (weighing.h) */
    struct fo__node node;

    /* Under the group lock. */
    struct fo_endpoint *endpoints;
    uint32_t references; /* endpoints, also those that wait to be freed */
    char *address;       /* to be checked; NULL: the name */

    /* The dispatcher's. */
    struct fo__timer timer;
    enum fo__trial_phase phase;
    uint32_t phase_epoch; /* of the word that the phase belongs to */
    bool trial_was_out;   /* at the timer's last look */
    bool is_weighed;      /* in the runtime's list of those whose weights are to be told */

    /* The dispatcher's, read by whoever saves state; a restore writes the second (state_restore.c). */
    _Atomic uint32_t trials_failed;
    _Atomic uint64_t trial_due_ns; /* when the wait for a trial is over, or was */

    /* The dispatcher's. */
    uint64_t ramp_began_ns;
    uint64_t ramp_ns; /* how long it takes */
    struct fo__host *weighed_next;
    struct fo__host *weighed_previous;
    /* Of picks and finishes of balancers with a policy or a limit, and finishes that report latency. */
    struct fo__load load;
};

/** Its admission, in units of 2^-31, if it is of the word's epoch; else 0. */
static inline uint32_t fo__host_admission_begun(const struct fo__host *host, uint64_t word)
{
    uint64_t admission = fo__load_relaxed(&host->admission);

    return fo__word_epoch(admission) == fo__word_epoch(word)
               ? (uint32_t)(admission >> FO__LOSS_SHIFT)
               : 0;
}

/** What the host of that word gets of its share, in units of 2^-31. */
static inline uint32_t fo__host_admission(const struct fo__host *host, uint64_t word)
{
    uint32_t begun;

    if (fo__likely((word & FO__FLAG_RAMP) == 0))
        return (uint32_t)FO__HEALTH_ONE;
    begun = fo__host_admission_begun(host, word);
    return begun != 0 ? begun : FO__ADMISSION_FIRST;
}

#endif
