/* SPDX-License-Identifier: Apache-2.0
 *
 * Host: what is learned about a name, shared by all endpoints of that name in a health group.
 *
 * The host word holds everything that decides a pick, so that one load decides and one CAS changes:
 *
 *     63      56 55                            24 23             0
 *     ├─ flags ──┼── loss, in units of 2^-31 ──────┼──── epoch ─────┤
 *
 * Loss is what is missing to full health. Loss and not health, and the epoch lowest, so that a host
 * is whole, with health 1 and no flag, exactly when its word is below 2^24: one compare.
 *
 * It is a fraction, not a weight: a changed max_weight keeps it, and a finisher that still computes
 * with the old maximum cannot clamp to it. With the unit 2^-31 steps of max/2^20 are exact.
 *
 * The epoch is bumped on real transitions only: up → down, down → up. A lease remembers it, and an
 * outcome from an older epoch moves nothing: a request sent before the crash must not resurrect the
 * server, nor its timeout kill it again after it has recovered. It wraps after 2^24 transitions.
 *
 *     UP ──(down reported, or no health left)──► DOWN ──(back-off over)──► DOWN|DUE
 *      ▲                                          ▲  ▲                        │ a pick takes it
 *      │                                          │  └──(trial failed)── DOWN|TRIAL
 *      └───────(a success of this epoch)──────────┴──────────────────────────┘
 */
#ifndef FO_HOST_H
#define FO_HOST_H

#include "atomic.h"
#include "names.h"
#include "queue.h"
#include "timer.h"

#include <failover/endpoint.h>
#include <stddef.h>

#define FO__HEALTH_ONE (UINT64_C(1) << 31)
#define FO__EPOCH_BITS 24
#define FO__EPOCH_MASK ((UINT64_C(1) << FO__EPOCH_BITS) - 1)
#define FO__FLAG_DOWN (UINT64_C(1) << 56)
#define FO__FLAG_DUE (UINT64_C(1) << 57)   /* a trial is offered */
#define FO__FLAG_TRIAL (UINT64_C(1) << 58) /* a trial is out */
#define FO__FLAGS_MASK (UINT64_C(0xff) << 56)

/** Health in units of 2^-31. */
static inline uint32_t fo__word_health(uint64_t word)
{
    return (uint32_t)(FO__HEALTH_ONE - (uint32_t)(word >> FO__EPOCH_BITS));
}

static inline uint32_t fo__word_epoch(uint64_t word)
{
    return (uint32_t)(word & FO__EPOCH_MASK);
}

/** The word of that epoch, of its lower bits at least, with that health and those flags. */
static inline uint64_t fo__word_of(uint64_t epoch, uint64_t health, uint64_t flags)
{
    return flags | (FO__HEALTH_ONE - health) << FO__EPOCH_BITS | (epoch & FO__EPOCH_MASK);
}

static inline uint64_t fo__word_next_epoch(uint64_t word, uint64_t health, uint64_t flags)
{
    return fo__word_of(word + 1, health, flags);
}

/** The word with another health. */
static inline uint64_t fo__word_with_health(uint64_t word, uint64_t health)
{
    return fo__word_of(word, health, word & FO__FLAGS_MASK);
}

/** Whether a host may be picked without a second thought: health exactly 1 and no flag. */
static inline bool fo__word_is_whole(uint64_t word)
{
    return word <= FO__EPOCH_MASK;
}

/** What the public calls that. */
static inline fo_state fo__word_state(uint64_t word)
{
    if ((word & FO__FLAG_DOWN) == 0)
        return FO_STATE_UP;
    return (word & (FO__FLAG_DUE | FO__FLAG_TRIAL)) != 0 ? FO_STATE_TRIAL : FO_STATE_DOWN;
}

struct fo_group;
struct fo_endpoint;

/* Where the dispatcher is with a host that is down (trial.c). */
enum fo__trial_phase { FO__TRIAL_NONE, FO__TRIAL_WAITING, FO__TRIAL_OFFERED };

struct fo__host {
    /* Read-only. */
    _Atomic uint64_t *word; /* the host word; the group's (words.h) */
    struct fo_group *group;
    struct fo__queue *queue;
    struct fo__name *name;

    /* Written by finishers. */
    _Atomic uint32_t streak; /* successes in a row at the minimum */
    _Atomic uint32_t reason; /* fo_reason of the last transition */
    struct fo__node node;

    /* Under the group lock. */
    struct fo_endpoint *endpoints;
    uint32_t references; /* endpoints, also those that wait to be freed */

    /* The dispatcher's. */
    struct fo__timer timer;
    enum fo__trial_phase phase;
    uint32_t phase_epoch; /* of the word that the phase belongs to */
    uint32_t trials_failed;
    bool trial_was_out; /* at the timer's last look */
};

#endif
