/* SPDX-License-Identifier: Apache-2.0
 *
 * The retrier: what the requests to one service share.
 *
 *     requests ──► budget of retries          retry_budget.h, over the window of first attempts
 *             └──► budget of hedges           the same
 *     outcomes ──► throttle                   retry_throttle.h
 *     answers  ──► 95th percentile            retry_latency.h
 *
 * No lock: each of them is a few words that threads add to. They do not agree with each other at any
 * moment, and need not.
 */
#ifndef FO_RETRIER_H
#define FO_RETRIER_H

#include "clock.h"
#include "retry_budget.h"
#include "retry_latency.h"
#include "retry_throttle.h"
#include "rng.h"

#include <failover/retry.h>

struct fo_retrier {
    /* Read-only. */
    struct fo_retry_policy policy; /* no zeros that mean a default */
    uint64_t tick_ns;
    uint64_t attempt_timeout_ns; /* UINT64_MAX: none, as the next */
    uint64_t total_timeout_ns;
    uint64_t backoff_base_ns; /* 0: no pauses */
    uint64_t backoff_max_ns;

    /* Written by requests. */
    _Alignas(FO__CACHE_LINE) struct fo__retry_window requests; /* by their first attempt */
    struct fo__retry_budget retries;
    struct fo__retry_budget hedges;
    struct fo__retry_throttle throttle;
    struct fo__retry_latency latency;
    _Atomic uint64_t rng;
};

static inline uint32_t fo__retrier_tick(const struct fo_retrier *retrier, uint64_t now_ns)
{
    return (uint32_t)(now_ns / retrier->tick_ns);
}

/** Many threads draw at once; each gets a number of its own. */
static inline uint64_t fo__retrier_draw(struct fo_retrier *retrier)
{
    return fo__rng_mix(fo__add_relaxed(&retrier->rng, FO__GOLDEN) + FO__GOLDEN);
}

#endif
