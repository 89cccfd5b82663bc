/* SPDX-License-Identifier: Apache-2.0
 *
 * Load: how much each server has to do, who gets the next request because of it, and how much is too
 * much.
 *
 * Weights say what servers are worth; load says how they are doing at this moment. A *policy* lets
 * load decide between endpoints that weight, health and ramp admit. A *limit* refuses what would be one
 * request too many.
 *
 *     weighted sample ─► allowed? healthy? ramp? ─► one ─┐
 *     weighted sample ─► allowed? healthy? ramp? ─► two ─┴─► policy ─► below its limits? ─► lease
 *
 * Load belongs to the host: all balancers of a health group see it, and leases of all of them that have
 * a policy or a limit count. Leases that were picked before the first policy or limit are not counted,
 * and those picked under one are counted back whatever is configured by then.
 *
 * Cost. While a balancer has no policy and no limit, nothing of this is touched. Otherwise each pick
 * and each finish changes one word of the host (6 ns, some 30 when two threads meet), and with a policy
 * or limit that needs latency each reads the clock, unless you report latency yourself.
 */
#ifndef FAILOVER_LOAD_H
#define FAILOVER_LOAD_H

#include <failover/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fo_balancer;

/** Most of anything that is in flight: the largest limit. */
#define FO_IN_FLIGHT_MAX 1000000000

/** How load decides. Values are never renumbered. */
typedef enum fo_load_policy {
    FO_LOAD_NONE = 0,    /**< Not at all: in proportion to live weight. */
    FO_LOAD_INVERSE = 1, /**< In proportion to live weight / (1 + in flight), exactly. */
    FO_LOAD_LEAST = 2,   /**< Of two different endpoints, sampled by live weight, the second if what
                                the first has in flight, for its weight, is at least what the second
                                would have with this request. Each failure in a row doubles what a
                                host seems to have, for a while: one that fails fast has little in
                                flight, and would attract everything. */
    FO_LOAD_PEAK_EWMA = 3, /**< Of two, the one with the smaller latency × (1 + in flight for its
                                weight). Latency rises at once, falls by its moving average, and fades
                                while a host is not asked. A failure counts as the largest of its
                                latency, failure_ms and twice the latency so far. */
    FO_LOAD_HOT_COLD = 4   /**< Of two: hot is what has more in flight, for its weight, than
                                hot_quantile of all that are looked at. Of two cold ones that of less
                                latency, else the cold one, of two hot ones that with less in flight.
                                Where servers report their load, that stands for what is in flight. */
} fo_load_policy;

/** The name of a policy, "peak EWMA" for FO_LOAD_PEAK_EWMA; "?" if unknown. Static, never NULL. */
FO_API const char *fo_load_policy_name(fo_load_policy policy);

/** How the library finds out how much a host can do at once. Values are never renumbered. */
typedef enum fo_limit_kind {
    FO_LIMIT_NONE = 0,     /**< It does not. */
    FO_LIMIT_GRADIENT = 1, /**< From latency: the limit grows while latency stays what it is without
                                a queue, and shrinks as far as it rises above. For servers that
                                queue. */
    FO_LIMIT_AIMD = 2      /**< From refusals: one more after each tenth of a second without
                                FO_OUTCOME_OVERLOADED, a tenth less after one with. For servers that
                                refuse. */
} fo_limit_kind;

/** What fo_config.load holds; all of it is changed by fo_balancer_configure(). */
struct fo_load_config {
    fo_load_policy policy;
    fo_limit_kind limit;  /**< A limit of its own for every host, found out and followed. Balancers
                                   of one group should agree on it: the limit is the host's. */
    uint32_t limit_min;   /**< It stays in limit_min … limit_max; 0: 1. */
    uint32_t limit_max;   /**< 0: 1000. At most FO_IN_FLIGHT_MAX. */
    uint32_t limit_first; /**< What it begins with; 0: 20, or what of that is in range. */
    uint32_t default_latency_ms; /**< Of a host that has not answered yet; 0: 30. */
    uint32_t decay_ms;   /**< After this long a latency, or a penalty for failures, counts for 1/e;
                                   0: 10,000. */
    uint32_t failure_ms; /**< What a failure takes at least, such as your timeout; 0: nothing is
                                   known, twice the latency so far. No failure counts for more than
                                   30 s. */
    uint32_t report_expiry_ms; /**< How long a load that a server reported holds; 0: 10,000. */
    uint32_t lease_timeout_ms; /**< A lease that is open longer than this, and up to half as long
                                    again, is taken for lost: it counts no more as in flight. It may
                                    still be finished. 0: leases are never lost. */
    double hot_quantile;       /**< Share of what is looked at that is cold, 0 … 1; 0: 0.84. */
    bool reports_latency;   /**< Every finish reports its latency (fo_finish_with()): picks read no
                                   exact clock for it, and finishes that do not, tell nothing. */
    bool reserved_flags[7]; /**< Must be false. */
    uint64_t reserved[2];   /**< Must be 0. */
};

/** No policy, no limit, and all defaults. */
static inline struct fo_load_config fo_load_config_init(void)
{
    struct fo_load_config config;
    int i;
    config.policy = FO_LOAD_NONE;
    config.limit = FO_LIMIT_NONE;
    config.limit_min = 0;
    config.limit_max = 0;
    config.limit_first = 0;
    config.default_latency_ms = 0;
    config.decay_ms = 0;
    config.failure_ms = 0;
    config.report_expiry_ms = 0;
    config.lease_timeout_ms = 0;
    config.hot_quantile = 0;
    config.reports_latency = false;
    for (i = 0; i < 7; i++)
        config.reserved_flags[i] = false;
    for (i = 0; i < 2; i++)
        config.reserved[i] = 0;
    return config;
}

/* ---- Requests that have no lease ----------------------------------------------------------- */

/**
 * Adds requests that are in flight without a lease: sent past the library, or known from elsewhere.
 *
 * They count for policies and limits as leases do, until they are subtracted; the limits do not refuse
 * them. They belong to the host, and are forgotten with it.
 *
 * @param n  0 … FO_IN_FLIGHT_MAX
 * @return FO_OK, FO_NOTFOUND, FO_CLOSED; FO_EINVAL: a NULL argument or too many
 *
 * Any thread, concurrently with everything; for fo_balancer_destroy() see there. Lock-free.
 */
FO_API fo_status fo_in_flight_add(struct fo_balancer *balancer, const char *name, uint64_t n);

/** Subtracts what was added, down to none of it; leases are not touched. Otherwise as
 * fo_in_flight_add(). */
FO_API fo_status fo_in_flight_sub(struct fo_balancer *balancer, const char *name, uint64_t n);

/** Subtracts all that was added. Otherwise as fo_in_flight_add(). */
FO_API fo_status fo_in_flight_reset(struct fo_balancer *balancer, const char *name);

#ifdef __cplusplus
}
#endif

#endif
