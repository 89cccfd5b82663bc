/* SPDX-License-Identifier: Apache-2.0
 *
 * How outcomes move health: weight functions.
 *
 * A host has a health from 0 to 1. The live weight of an endpoint on it is
 *
 *     live = max(min_weight, health * max_weight)
 *
 * and an endpoint is picked in proportion to its live weight, or while its host ramps (group.h) to
 * that share of it. A weight function answers one
 * question: what is the live weight after this outcome? The library stores the answer as the
 * fraction live / max_weight, so a later change of max_weight keeps the health.
 *
 * A host whose live weight reaches 0, or that was reported FO_OUTCOME_DOWN, is *down*: its health is
 * 0, so it gets no traffic until a trial request succeeds (see group.h). The judge (judge.h) may take a
 * host out before its health does. An endpoint with a min_weight
 * above 0 never reaches 0 by failures, and keeps that trickle of traffic when its host is down; a
 * success of a request picked since then lifts the host too. Outcomes of requests that were picked
 * before it went down move nothing.
 */
#ifndef FAILOVER_HEALTH_H
#define FAILOVER_HEALTH_H

#include <failover/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fo_endpoint;

/** What a weight function is told. All weights are in the unit of fo_endpoint_config. */
struct fo_weight_input {
    size_t size;        /**< Of the library's struct: fields behind it are not there. */
    double max_weight;  /**< > 0 */
    double min_weight;  /**< 0 … max_weight */
    double live_weight; /**< min_weight … max_weight, before this outcome */
    const struct fo_endpoint *endpoint; /**< For fo_endpoint_name() and fo_endpoint_data();
                                             valid during the call. */
};

/**
 * A weight function of your own.
 *
 * @return the live weight after the outcome. Clamped to [min_weight, max_weight]; NaN leaves the
 *         weight as it is.
 *
 * on_success is not asked while the health is 1: there is nothing to add. on_failure is asked for
 * degraded and overloaded too, of which mild_step then takes its share.
 * Must be pure: it runs on the thread that finishes a lease, is called again when another thread
 * changed the weight meanwhile, and so may run more often than outcomes are reported. Never called
 * under a lock nor inside an RCU read section.
 */
typedef double (*fo_weight_fn)(const struct fo_weight_input *input, void *arg);

/** Kinds of weight function. */
typedef enum fo_weight_kind {
    FO_WEIGHT_RATIO = 0,  /**< Default: a failure keeps a ratio of the live weight. */
    FO_WEIGHT_LINEAR = 1, /**< A failure takes a fixed share of max_weight. */
    FO_WEIGHT_CUSTOM = 2  /**< Your own functions. */
} fo_weight_kind;

/**
 * A weight function with its numbers. Build it with fo_weight_ratio(), fo_weight_linear() or
 * fo_weight_custom() and change what you need. All shares are fractions of 1. Every number is checked
 * for every kind, also those that the kind does not use.
 *
 * Source of the two built-in kinds and their defaults: simple-failover-java's RatioWeightFunction
 * and SimpleWeightFunction.
 */
struct fo_weight_function {
    fo_weight_kind kind;
    uint32_t recover_threshold; /**< Successes in a row at the minimum before the weight rises, and
                                     of trials before a host is up again; ≥ 1. */
    double failure_keep;        /**< Ratio: share of the live weight that a failure leaves; [0, 1);
                                     0 takes the host down at the first failure. */
    double failure_step;        /**< Linear: share of max_weight that a failure takes; (0, 1]. */
    double success_step;        /**< Share of max_weight that a success adds; (0, 1]. */
    double recover_step;        /**< Share of max_weight that the first success adds to
                                     min_weight at the minimum; also after down, where there are no
                                     ramps (with one, health is 1 at once); (0, 1]. */
    double down_threshold;      /**< A live weight below this share of max_weight falls to
                                     min_weight; [0, 1). */
    double mild_step;           /**< What degraded and overloaded take, as a share of what a
                                     failure would; [0, 1]. They take nothing below
                                     down_threshold, or below 1 % of max_weight if that is more. */
    fo_weight_fn on_success;    /**< Custom only, not NULL there. */
    fo_weight_fn on_failure;    /**< Custom only, not NULL there. */
    void *arg;                  /**< Custom only: handed to both. Must live until `closed` was
                                     delivered; after fo_balancer_configure() the old one may still
                                     be in use by calls that began before. */
    uint64_t reserved[2];       /**< Must be 0. */
};

/** Ratio: failure keeps 0.5, success +1 %, first recovery +10 %, below 1 % falls to the minimum. */
static inline struct fo_weight_function fo_weight_ratio(void)
{
    struct fo_weight_function function;
    function.kind = FO_WEIGHT_RATIO;
    function.recover_threshold = 1;
    function.failure_keep = 0.5;
    function.failure_step = 0.05;
    function.success_step = 0.01;
    function.recover_step = 0.1;
    function.down_threshold = 0.01;
    function.mild_step = 0.1;
    function.on_success = NULL;
    function.on_failure = NULL;
    function.arg = NULL;
    function.reserved[0] = 0;
    function.reserved[1] = 0;
    return function;
}

/** Linear: failure −5 % of max_weight, success +1 %, first recovery +1 %, no down threshold. */
static inline struct fo_weight_function fo_weight_linear(void)
{
    struct fo_weight_function function = fo_weight_ratio();
    function.kind = FO_WEIGHT_LINEAR;
    function.recover_step = 0.01;
    function.down_threshold = 0;
    return function;
}

/** Your own two functions; see fo_weight_fn. The thresholds and mild_step still apply. */
static inline struct fo_weight_function fo_weight_custom(fo_weight_fn on_success,
                                                         fo_weight_fn on_failure, void *arg)
{
    struct fo_weight_function function = fo_weight_ratio();
    function.kind = FO_WEIGHT_CUSTOM;
    function.down_threshold = 0;
    function.on_success = on_success;
    function.on_failure = on_failure;
    function.arg = arg;
    return function;
}

#ifdef __cplusplus
}
#endif

#endif
