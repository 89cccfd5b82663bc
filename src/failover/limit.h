/* SPDX-License-Identifier: Apache-2.0
 *
 * Limit: how much a host can do at once, found out by trying.
 *
 *     samples ─► window of 100 ms and 10 samples that began in it ─► step ─► limit
 *
 * Gradient. Below the knee, latency does not depend on how much is in flight; above it, all more waits in
 * a queue, and latency grows in proportion. So the limit is multiplied by base latency / latency, and
 * gets a tenth on top, to find out whether more would go: it settles a ninth above the knee. Half of
 * each step is taken, against noise.
 *
 * The base must be measured without a queue, or the limit drifts up with what it causes itself (as it does
 * with a long average for base). So now and then the limit *dips* to three quarters for two windows, and
 * the base is the latency of the second. It dips after ten windows, or, to a half, after three in which it
 * had to shrink by much, or when a dip has found a base that is a tenth higher: either the knee has moved,
 * or the host has become slower and the base was wrong. Of a
 * host that has not enough to do, every window measures the base.
 *
 * AIMD. One more after each window without a refusal, a tenth less after one with.
 *
 * Neither moves while less than half of the limit is in use. Whoever closes a window steps; samples that
 * come meanwhile fall into the old or the new one.
 *
 * Sources: gradient and AIMD of Netflix's concurrency-limits; the dip is BBR's ProbeRTT (Cardwell et
 * al. 2016), shallow enough to cost 4 % of the capacity.
 */
#ifndef FO_LIMIT_H
#define FO_LIMIT_H

#include "atomic.h"

#include <failover/load.h>

struct fo__limit_rules {
    fo_limit_kind kind;
    double first;
    double min;
    double max;
};

struct fo__limit {
    _Atomic uint32_t now;  /* what picks go by; 0: not begun */
    _Atomic uint32_t step; /* windows since the last dip */
    _Atomic double value;  /* what it is but for dips */
    _Atomic uint64_t base_ns;
    _Atomic uint32_t shrinks; /* windows in a row in which it shrank by much */

    /* The window. */
    _Atomic uint32_t peak; /* most that was in flight */
    _Atomic uint64_t began_ns;
    _Atomic uint64_t latency_sum_ns;
    _Atomic uint32_t count;
    _Atomic uint32_t drops; /* refused for load */
};

/** What is known of a window that is over. */
struct fo__limit_window {
    uint64_t latency_ns; /* mean; 0: unknown */
    uint32_t drops;
    uint32_t peak;
};

/** How much may be in flight; UINT64_MAX without a limit. */
static inline uint64_t fo__limit_now(const struct fo__limit *limit,
                                     const struct fo__limit_rules *rules)
{
    uint32_t now;

    if (rules->kind == FO_LIMIT_NONE)
        return UINT64_MAX;
    now = fo__load_relaxed(&limit->now);
    return now != 0 ? now : (uint64_t)rules->first;
}

/** A request came back: it took so long (0: unknown), was refused for load or not, and so many were in
 * flight with it. */
void fo__limit_sample(struct fo__limit *limit, const struct fo__limit_rules *rules, uint64_t now_ns,
                      uint64_t latency_ns, bool dropped, uint64_t in_flight);

/** What a window changes; for the one who closed it, and tests. */
void fo__limit_step(struct fo__limit *limit, const struct fo__limit_rules *rules,
                    const struct fo__limit_window *window);

#endif
