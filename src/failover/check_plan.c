/* SPDX-License-Identifier: Apache-2.0 */
#include "check_plan.h"

#include "clock.h"
#include "rng.h"

bool fo__check_plan_follow(struct fo__check_plan *plan, uint32_t epoch)
{
    if (plan->epoch == epoch)
        return false;
    *plan = (struct fo__check_plan){.epoch = epoch};
    return true;
}

static void count(uint32_t *row, uint32_t *other)
{
    *other = 0;
    if (*row < UINT32_MAX)
        (*row)++;
}

/** A row that has led to a verdict has done its work. */
static enum fo__check_verdict verdict(struct fo__check_plan *plan, enum fo__check_verdict given)
{
    plan->passed = 0;
    plan->failed = 0;
    return given;
}

enum fo__check_verdict fo__check_plan_count(struct fo__check_plan *plan,
                                            const struct fo_check_config *config, bool is_down,
                                            bool current, bool passed)
{
    if (passed)
        count(&plan->passed, &plan->failed);
    else
        count(&plan->failed, &plan->passed);
    if (!current)
        return FO__CHECK_VERDICT_NONE;
    if (is_down && plan->passed >= config->rise)
        return verdict(plan, FO__CHECK_VERDICT_UP);
    if (!is_down && plan->failed >= config->fall)
        return verdict(plan, FO__CHECK_VERDICT_DOWN);
    return passed && !is_down ? FO__CHECK_VERDICT_HEAL : FO__CHECK_VERDICT_NONE;
}

static uint64_t jittered_ns(const struct fo_check_config *config, uint64_t ms,
                            _Atomic uint64_t *rng)
{
    uint64_t ns = ms * FO__NS_PER_MS;
    uint64_t most =
        config->jitter_percent != FO_CHECK_JITTER_NONE ? ns / 100 * config->jitter_percent : 0;

    return ns - most + fo__rng_below(rng, 2 * most + 1);
}

static uint64_t down_interval_ms(const struct fo__check_plan *plan,
                                 const struct fo_check_config *config)
{
    uint64_t ms = config->interval_ms;

    for (uint32_t i = 0; i < plan->failed && ms < config->down_interval_max_ms; i++)
        ms *= 2;
    return ms < config->down_interval_max_ms ? ms : config->down_interval_max_ms;
}

uint64_t fo__check_plan_interval_ns(const struct fo__check_plan *plan,
                                    const struct fo_check_config *config, bool is_down,
                                    _Atomic uint64_t *rng)
{
    uint32_t towards_a_verdict = is_down ? plan->passed : plan->failed;
    uint64_t ms = is_down ? down_interval_ms(plan, config) : config->interval_ms;

    return jittered_ns(config, towards_a_verdict > 0 ? config->fast_interval_ms : ms, rng);
}

uint64_t fo__check_plan_again_ns(const struct fo_check_config *config, _Atomic uint64_t *rng)
{
    return jittered_ns(config, config->fast_interval_ms, rng);
}
