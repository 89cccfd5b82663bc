/* SPDX-License-Identifier: Apache-2.0 */
#include "load_config.h"

#include "choose.h"

#include <math.h>

#define LIMIT_MAX 1000u
#define LIMIT_FIRST 20u
#define UNKNOWN_MS 30u
#define DECAY_MS 10000u
#define REPORT_EXPIRY_MS 10000u
#define HOT_QUANTILE 0.84

static uint32_t or_default(uint32_t given, uint32_t by_default)
{
    return given != 0 ? given : by_default;
}

static bool reserved_is_clear(const struct fo_load_config *config)
{
    for (size_t i = 0; i < sizeof(config->reserved_flags); i++)
        if (config->reserved_flags[i])
            return false;
    return config->reserved[0] == 0 && config->reserved[1] == 0;
}

static struct fo__limit_rules limit_rules(const struct fo_load_config *config)
{
    struct fo__limit_rules rules = {.kind = config->limit};

    rules.min = or_default(config->limit_min, 1);
    rules.max =
        or_default(config->limit_max, rules.min > LIMIT_MAX ? config->limit_min : LIMIT_MAX);
    rules.first = config->limit_first != 0 ? config->limit_first
                                           : fmin(fmax(LIMIT_FIRST, rules.min), rules.max);
    return rules;
}

bool fo__load_config_is_valid(const struct fo_load_config *config)
{
    struct fo__limit_rules limit = limit_rules(config);

    return (unsigned)config->policy <= FO_LOAD_HOT_COLD &&
           (unsigned)config->limit <= FO_LIMIT_AIMD && limit.min <= limit.first &&
           limit.first <= limit.max && limit.max <= FO_IN_FLIGHT_MAX && config->hot_quantile >= 0 &&
           config->hot_quantile <= 1 && reserved_is_clear(config);
}

static const struct fo__load_policy *policy_of(fo_load_policy policy)
{
    static const struct fo__load_policy *const policies[] = {
        [FO_LOAD_NONE] = NULL,
        [FO_LOAD_INVERSE] = &fo__load_inverse,
        [FO_LOAD_LEAST] = &fo__load_least,
        [FO_LOAD_PEAK_EWMA] = &fo__load_peak_ewma,
        [FO_LOAD_HOT_COLD] = &fo__load_hot_cold,
    };
    return policies[policy];
}

static float ns_of_ms(uint32_t ms)
{
    return (float)ms * 1e6f;
}

/** Exact for latency that picks measure, any for latency that fades, limits, and leases that get lost. A
 * penalty that fades asks for it when it is there. */
static enum fo__time time_for(bool measures, bool needs_some)
{
    return measures ? FO__TIME_EXACT : needs_some ? FO__TIME_COARSE : FO__TIME_NONE;
}

void fo__load_rules_fill(struct fo__load_rules *rules, const struct fo_load_config *config,
                         uint64_t max_in_flight)
{
    uint64_t timeout_ns = config->lease_timeout_ms * UINT64_C(1000000);
    const struct fo__load_policy *policy = policy_of(config->policy);
    bool needs_latency =
        (policy != NULL && policy->needs_latency) || config->limit == FO_LIMIT_GRADIENT;

    rules->policy = policy;
    rules->limit = limit_rules(config);
    rules->max_in_flight = max_in_flight != 0 ? max_in_flight : UINT64_MAX;
    rules->slice_ns = (timeout_ns + FO__TALLY_SLICES - 1) / FO__TALLY_SLICES;
    rules->report_expiry_ns =
        or_default(config->report_expiry_ms, REPORT_EXPIRY_MS) * UINT64_C(1000000);
    rules->decay_ns = ns_of_ms(or_default(config->decay_ms, DECAY_MS));
    rules->unknown_ns = ns_of_ms(or_default(config->default_latency_ms, UNKNOWN_MS));
    rules->failure_ns = ns_of_ms(config->failure_ms);
    rules->hot_quantile = (float)(config->hot_quantile > 0 ? config->hot_quantile : HOT_QUANTILE);
    rules->measures = needs_latency && !config->reports_latency;
    rules->time = time_for(rules->measures,
                           needs_latency || config->limit != FO_LIMIT_NONE || timeout_ns != 0);
    rules->is_on = policy != NULL || config->limit != FO_LIMIT_NONE || max_in_flight != 0;
}
