/* SPDX-License-Identifier: Apache-2.0
 *
 * The judge: takes a host out for a while when its results are bad, and spares one that hangs.
 *
 * Health (health.h) moves with every outcome and shifts traffic by degrees. The judge looks at more than
 * one outcome at a time, and decides on whole hosts. It belongs to a health group (group.h), so what it
 * decides holds for every balancer that shares the host. It *ejects* a host for one of four reasons:
 *
 *     strikes    so many failures without a success between them. Failures of requests that were in
 *                flight together are one strike: a blip that hits seven requests at once is one event,
 *                not seven
 *     rate       of the requests finished in the window, at least failure_percent failed
 *     outlier    its success rate in the window is below the mean of all hosts by more than so many
 *                standard deviations. At least five hosts must have the minimum volume
 *     latency    the mean latency of its answers in the window is above latency_percent of the best
 *                host's. Only where latencies are known: reported (fo_finish_with()), or measured for a
 *                load policy or limit (load.h)
 *
 * An ejected host is FO_STATE_EJECTED: like one that is down it gets no traffic (or its min_weight's
 * trickle) until one request, its trial, succeeds. The trial is offered after ejection_ms, which grows
 * with each further ejection, also where checks are configured (check.h): a passed check does not end an
 * ejection early, since the host was never dead. Failed checks turn it into a host that is down.
 *
 * The judge never takes away the last capacity. In each level of each balancer it ejects no more than
 * share_percent of the endpoints, and never the last that is up; where a host is in several, all must
 * allow it. A refused ejection is tried again with the next strike or window. When an update, or the end
 * of another host, makes ejected hosts too many, those that were ejected first are offered their trial at
 * once. This is about ejection alone: health may still take all hosts down (levels.h: last resort).
 *
 * *Suspect* is a host that hangs: three requests or more are open, and none has succeeded for stall_ms,
 * or for three times as long as 99 % of its requests take, if that is longer. Its open requests are its
 * trial. While three of them are open it gets next to nothing, then a hundredth of its share, until one
 * succeeds. It stays FO_STATE_UP, and levels do not see it. If all of a level are suspect they share as
 * ever. So callers are saved from a frozen server before their first timeout.
 *
 * The judge looks at the counts that are kept anyway, on the thread that runs the runtime: every 25 ms
 * while requests are on their way (less often with many endpoints and threads), once a second while
 * nothing happens. So fo_runtime_next_deadline_ms() is never far away while a group has endpoints and a
 * judge by windows or stalls. Picks and finishes cost the same with a judge as without.
 *
 * Saved state (state.h) has an ejected host as one that is down.
 *
 * Sources: Envoy's outlier detection (kinds, five hosts, minimum volume, mean − 1.9 σ, 300 s), Finagle's
 * failure accrual (five in a row, 5 to 300 s).
 */
#ifndef FAILOVER_JUDGE_H
#define FAILOVER_JUDGE_H

#include <failover/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** For the fields that say so: this is not a reason to act. */
#define FO_JUDGE_OFF UINT32_MAX

/** The largest number of strikes. */
#define FO_STRIKES_MAX 63

/** How the judge of a group decides. Zero in a field means its default. */
struct fo_judge_config {
    uint32_t strikes; /**< That eject; 1 … FO_STRIKES_MAX; 0: 5; FO_JUDGE_OFF. While it is on, a
                           failure takes at least 2^-31 of the health, whatever the weight function
                           says. */
    uint32_t failure_percent;  /**< Of the window's requests, that eject when they fail; 1 … 100;
                                    0: 50; FO_JUDGE_OFF. */
    uint32_t outlier_permille; /**< Thousandths of a standard deviation below the mean success rate
                                    that eject; 1 … 10,000; 0: 1,900; FO_JUDGE_OFF. */
    uint32_t latency_percent;  /**< Of the best host's mean latency, that eject; 101 … 100,000;
                                    0: 500; FO_JUDGE_OFF. */
    uint32_t window_ms; /**< Length of the window, in ten buckets; 100 … 3,600,000; 0: 10,000. */
    uint32_t window_requests; /**< Minimum volume: fewer finished requests in the window prove
                                   nothing, nor do fewer known latencies; 0: 100. */
    uint32_t share_percent; /**< Of the endpoints of a level that may be ejected at a time, but one
                                   always may if another is up; 1 … 100; 0: 50, for as in Envoy's panic
                                   threshold, when half of a level is bad the fault may be ours. */
    uint32_t ejection_ms;   /**< Times the number of ejections in short order, until the trial;
                                   0: 5,000, for a look costs one request here and not a full share.
                                   A failed trial counts as an ejection; each ejection_ms without one
                                   takes one off. */
    uint32_t
        ejection_max_ms;  /**< The time until the trial is never longer than this, and then up to
                                   a fifth more, at random. Not below ejection_ms; 0: the larger of
                                   300,000 and ejection_ms. */
    uint32_t stall_ms;    /**< Without a success while three requests are open, that makes a host
                            suspect; 0: 100; FO_JUDGE_OFF. */
    uint32_t reserved[6]; /**< Must be 0. */
};

/** All defaults. */
static inline struct fo_judge_config fo_judge_config_init(void)
{
    struct fo_judge_config config;
    int i;
    config.strikes = 0;
    config.failure_percent = 0;
    config.outlier_permille = 0;
    config.latency_percent = 0;
    config.window_ms = 0;
    config.window_requests = 0;
    config.share_percent = 0;
    config.ejection_ms = 0;
    config.ejection_max_ms = 0;
    config.stall_ms = 0;
    for (i = 0; i < 6; i++)
        config.reserved[i] = 0;
    return config;
}

/** No judge: only health, trials and checks. */
static inline struct fo_judge_config fo_judge_none(void)
{
    struct fo_judge_config config = fo_judge_config_init();
    config.strikes = FO_JUDGE_OFF;
    config.failure_percent = FO_JUDGE_OFF;
    config.outlier_permille = FO_JUDGE_OFF;
    config.latency_percent = FO_JUDGE_OFF;
    config.stall_ms = FO_JUDGE_OFF;
    return config;
}

#ifdef __cplusplus
}
#endif

#endif
