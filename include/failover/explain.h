/* SPDX-License-Identifier: Apache-2.0
 *
 * Explanation: why a pick lands where it lands.
 *
 * For the next pick with given options every endpoint gets a verdict and a probability: what
 * fo_pick_with() would do if it were asked again and again while nothing else changes.
 *
 * One thing is left out: trials. A host that is down and whose back-off is over gets one request as a
 * trial, from the next pick that may take it, whatever the probabilities say. Picks by key
 * (fo_pick_options.key) are not explained. Of the load policies (load.h) `inverse` is explained in full;
 * for those that choose between two samples the probabilities are the samples'.
 */
#ifndef FAILOVER_EXPLAIN_H
#define FAILOVER_EXPLAIN_H

#include <failover/balancer.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Why an endpoint may be picked, or may not. Of several reasons against it, the first in this order;
 * values are never renumbered. */
typedef enum fo_verdict {
    FO_VERDICT_ELIGIBLE = 1, /**< May be picked: its probability is above 0. Also when it is down or
                                     excluded, but everything else is, too. */
    FO_VERDICT_DRAINED = 2,  /**< By fo_drain(). */
    FO_VERDICT_NO_WEIGHT = 3,   /**< Its max_weight is 0. */
    FO_VERDICT_LACKS_TAGS = 4,  /**< Has not all of fo_pick_options.require_tags. */
    FO_VERDICT_OTHER_ZONE = 5,  /**< Is not in fo_pick_options.zone. */
    FO_VERDICT_LEVEL_LIMIT = 6, /**< Its level is not below fo_pick_options.level_limit. */
    FO_VERDICT_EXCLUDED = 7,    /**< By fo_pick_options.exclude. */
    FO_VERDICT_FULL = 10,       /**< Its host has in flight all that it may have (load.h). */
    FO_VERDICT_DOWN = 8,        /**< Its live weight is 0: it is down. */
    FO_VERDICT_LEVEL_IDLE = 9   /**< Nothing is wrong with it, but its level gets no traffic now. */
} fo_verdict;

/** The name of a verdict, "level idle" for FO_VERDICT_LEVEL_IDLE; "?" if unknown. Static. */
FO_API const char *fo_verdict_name(fo_verdict verdict);

/** One endpoint in the light of a pick. Valid during the call. */
struct fo_explanation {
    size_t size;
    const struct fo_endpoint_info
        *endpoint; /**< What is known about it, among it level, zone, state,
                                                  health and live weight. */
    fo_verdict verdict;
    uint32_t reserved;
    double
        level_share; /**< 0 … 1: of all traffic without limits, what the endpoints of its level get
                             that are degraded as it is, or are not; as fo_level_info.share. */
    double probability; /**< 0 … 1: that the next pick with these options lands on it. */
};

/** Sees one endpoint; a copy. @return true to go on, false to stop. May call any function of the library
 * but fo_balancer_destroy() on this balancer. */
typedef bool (*fo_explain_fn)(const struct fo_explanation *explanation, void *arg);

/**
 * Shows to a visitor what the next pick with these options would do with each endpoint, in the order of
 * preference: level 0, 1, … and then the degraded endpoints of level 0, 1, …
 *
 * The probabilities of all endpoints add up to 1; they are all 0 when the pick would be refused with
 * FO_UNAVAILABLE or FO_OVERLOADED. They hold for the moment of the call: health moves with every outcome.
 *
 * @param options  as for fo_pick_with(); NULL: none
 * @param visitor  called once per endpoint, on a copy taken before the first call
 * @return FO_OK, also when the visitor stopped
 *         FO_NOMEM   no memory for the copy: free some, call again
 *         FO_EINVAL  a NULL balancer or visitor, or options that fo_pick_with() refuses or
 *                    that have a key: fix the caller
 *         FO_CLOSED  the balancer is being destroyed
 *
 * Any thread, concurrently with everything; for fo_balancer_destroy() see there. Cold: takes the
 * balancer's update lock for the copy and allocates; the visitor runs without it. O(N × exclusions).
 */
FO_API FO_MUST_USE fo_status fo_balancer_explain(struct fo_balancer *balancer,
                                                 const struct fo_pick_options *options,
                                                 fo_explain_fn visitor, void *arg);

#ifdef __cplusplus
}
#endif

#endif
