/* SPDX-License-Identifier: Apache-2.0 */
#include "levels.h"

#include <assert.h>
#include <math.h>

#define FACTOR 1.4
#define FACTOR_MAX 1e4

/* ---- Configuration ------------------------------------------------------------------------ */

/* Comparisons are written so that NaN fails them. */
bool fo__level_config_is_valid(const struct fo_level_config *config)
{
    for (size_t i = 0; i < sizeof(config->reserved) / sizeof(config->reserved[0]); i++)
        if (config->reserved[i] != 0)
            return false;
    if ((unsigned)config->overflow > (unsigned)FO_OVERFLOW_COMPAT ||
        (unsigned)config->last_resort > (unsigned)FO_LAST_RESORT_NONE)
        return false;
    if (config->factor != 0 && !(config->factor >= 1 && config->factor <= FACTOR_MAX) &&
        !(isinf(config->factor) && config->factor > 0))
        return false;
    return config->panic_threshold >= 0 && config->panic_threshold <= 1 &&
           (config->panic_threshold == 0 || config->last_resort == FO_LAST_RESORT_ALL);
}

struct fo__level_rule fo__level_rule_of(const struct fo_level_config *config)
{
    struct fo__level_rule rule;
    double factor = config->factor != 0 ? config->factor : FACTOR;

    rule.factor_percent = isinf(factor) ? FO__FACTOR_INFINITE : (uint32_t)llround(factor * 100);
    rule.panic_percent = (uint32_t)llround(config->panic_threshold * 100);
    rule.is_compat = config->overflow == FO_OVERFLOW_COMPAT;
    rule.has_last_resort = config->last_resort == FO_LAST_RESORT_ALL;
    return rule;
}

/* ---- What each can take -------------------------------------------------------------------- */

/** ⌊percent × live / max⌋, at most 100, and at least 1 of what is not nothing: a level without any traffic
 * could never show that it has recovered. Nothing overflows: live < 2^43, percent ≤ 10^6. */
static uint32_t scaled(uint64_t live, uint64_t max, uint32_t percent)
{
    uint64_t part;

    if (live == 0)
        return 0;
    if (percent == FO__FACTOR_INFINITE)
        return 100;
    part = live * percent / max;
    if (part == 0)
        return 1;
    return part < 100 ? (uint32_t)part : 100;
}

/** Fills in what each tier can take, in per cent, and returns the sum. */
static uint32_t weigh(const struct fo__level_rule *rule, const struct fo__supply *supply,
                      uint32_t n, uint32_t *takes)
{
    uint32_t of_level[FO__TIERS_MAX];
    uint32_t sum = 0;

    for (uint32_t i = 0; i < n; i++)
        of_level[i] = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t left = 100 - of_level[supply[i].level];

        takes[i] = scaled(supply[i].live, supply[i].max, rule->factor_percent);
        if (takes[i] > left)
            takes[i] = left;
        of_level[supply[i].level] += takes[i];
        sum += takes[i];
    }
    return sum;
}

/* ---- What each gets ------------------------------------------------------------------------ */

static void give_what_is_left(const uint32_t *takes, uint32_t n, uint32_t *percent)
{
    uint32_t left = 100;

    for (uint32_t i = 0; i < n; i++) {
        percent[i] = takes[i] < left ? takes[i] : left;
        left -= percent[i];
    }
}

/** Whole per cent in proportion to `parts`, whose sum is not 0; ties go to the first. */
static void give_in_proportion(const uint32_t *parts, uint32_t n, uint64_t sum, uint32_t *percent)
{
    uint64_t rest[FO__TIERS_MAX];
    uint32_t left = 100;

    assert(n > 0);
    for (uint32_t i = 0; i < n; i++) {
        percent[i] = (uint32_t)(parts[i] * UINT64_C(100) / sum);
        rest[i] = parts[i] * UINT64_C(100) % sum;
        left -= percent[i];
    }
    for (; left > 0; left--) {
        uint32_t best = 0;

        for (uint32_t i = 1; i < n; i++)
            if (rest[i] > rest[best])
                best = i;
        percent[best]++;
        rest[best] = 0;
    }
}

static void add_up(const uint32_t *percent, uint32_t n, struct fo__portion *portion)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        sum += percent[i];
        portion[i].end = (sum * FO__SHARE_ONE + 99) / 100;
    }
}

/* ---- Rules --------------------------------------------------------------------------------- */

static void share_standard(const uint32_t *takes, uint32_t sum, uint32_t n,
                           struct fo__portion *portion)
{
    uint32_t percent[FO__TIERS_MAX];

    if (sum >= 100)
        give_what_is_left(takes, n, percent);
    else
        give_in_proportion(takes, n, sum, percent);
    add_up(percent, n, portion);
}

/** In fractions of 2^-32, as the original computes in floating point. */
static void share_compat(const struct fo__level_rule *rule, const struct fo__supply *supply,
                         uint32_t n, struct fo__portion *portion)
{
    uint64_t share[FO__TIERS_MAX];
    uint64_t left = FO__SHARE_ONE;
    uint64_t end = 0;

    assert(n > 0);
    for (uint32_t i = 0; i < n; i++) {
        bool all = rule->factor_percent == FO__FACTOR_INFINITE && supply[i].live > 0;
        double max =
            (double)(supply[i].max > 0 ? supply[i].max : 1); /* nobody with weight: 0 of 1 */
        double part = (double)supply[i].live / max * rule->factor_percent / 100;

        share[i] = part < 1 && !all ? (uint64_t)((double)left * part) : left;
        left -= share[i];
    }
    share[0] += left;
    for (uint32_t i = 0; i < n; i++) {
        end += share[i];
        portion[i].end = end;
    }
}

/** Nothing is healthy. */
static fo_balancer_state share_last_resort(const struct fo__level_rule *rule,
                                           const struct fo__supply *supply, uint32_t n,
                                           struct fo__portion *portion)
{
    uint32_t endpoints[FO__TIERS_MAX];
    uint32_t percent[FO__TIERS_MAX];
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        endpoints[i] = supply[i].endpoints;
        sum += endpoints[i];
        portion[i].end = 0;
        portion[i].panic = rule->has_last_resort;
    }
    if (sum == 0 || !rule->has_last_resort)
        return FO_BALANCER_UNAVAILABLE;
    give_in_proportion(endpoints, n, sum, percent);
    add_up(percent, n, portion);
    return FO_BALANCER_LAST_RESORT;
}

static bool panics(const struct fo__level_rule *rule, const struct fo__supply *supply, uint32_t n,
                   uint32_t tier)
{
    uint64_t live = 0;

    for (uint32_t i = 0; i < n; i++)
        if (supply[i].level == supply[tier].level)
            live += supply[i].live;
    return supply[tier].max > 0 && scaled(live, supply[tier].max, 100) < rule->panic_percent;
}

fo_balancer_state fo__levels_share(const struct fo__level_rule *rule,
                                   const struct fo__supply *supply, uint32_t n,
                                   struct fo__portion *portion)
{
    uint32_t takes[FO__TIERS_MAX];
    uint32_t sum = weigh(rule, supply, n, takes);
    bool panic = false;

    assert(n > 0 && n <= FO__TIERS_MAX);
    if (sum == 0)
        return share_last_resort(rule, supply, n, portion);
    for (uint32_t i = 0; i < n; i++) {
        portion[i].panic = sum < 100 && rule->panic_percent > 0 && panics(rule, supply, n, i);
        panic |= portion[i].panic;
    }
    if (rule->is_compat)
        share_compat(rule, supply, n, portion);
    else
        share_standard(takes, sum, n, portion);
    return portion[0].end == FO__SHARE_ONE && !panic ? FO_BALANCER_NORMAL : FO_BALANCER_OVERFLOWING;
}
