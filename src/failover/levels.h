/* SPDX-License-Identifier: Apache-2.0
 *
 * Levels: how traffic is shared between tiers, given what each is worth now. Pure arithmetic.
 *
 * A tier is what a pick samples from: the endpoints of one level, or the degraded ones among them. Tiers
 * stand in the order of preference: level 0, 1, … and behind them the degraded ones of level 0, 1, …
 *
 *     can take   = min(100, ⌊factor × live / max⌋) per cent, but 1 at least if anything is alive; for a
 *                  degraded tier at most what the other tier of its level leaves to 100
 *     sum ≥ 100    each gets what it can take of what is left
 *     sum < 100    in proportion, whole per cent, largest remainders first (Hamilton's method)
 *     sum = 0      last resort: levels in proportion to their endpoints
 *
 * All in integers, so that 50 % of healthy endpoints are 70 % of the traffic and not 69.
 */
#ifndef FO_LEVELS_H
#define FO_LEVELS_H

#include <failover/levels.h>

/* Levels at most, and each with a degraded tier. */
#define FO__LEVELS_MAX 136u
#define FO__TIERS_MAX (2 * FO__LEVELS_MAX)

/** A share of all traffic: in 2^-32. */
#define FO__SHARE_ONE (UINT64_C(1) << 32)

/** struct fo_level_config, ready to compute with. */
struct fo__level_rule {
    uint32_t factor_percent; /* FO__FACTOR_INFINITE, or 100 … 10^6 */
    uint32_t panic_percent;  /* a level less healthy than this panics; 0: none does */
    bool is_compat;
    bool has_last_resort;
};

#define FO__FACTOR_INFINITE UINT32_MAX

/** Whether every number is in its range; zones are checked elsewhere. */
bool fo__level_config_is_valid(const struct fo_level_config *config);

struct fo__level_rule fo__level_rule_of(const struct fo_level_config *config);

/** Whether anything is healthy. */
static inline bool fo__state_is_available(fo_balancer_state state)
{
    return state == FO_BALANCER_NORMAL || state == FO_BALANCER_OVERFLOWING;
}

/** What there is of a tier. */
struct fo__supply {
    uint64_t live;      /* worth of the tier, at most `max` */
    uint64_t max;       /* worth of its whole level at full health */
    uint32_t endpoints; /* that have weight */
    uint32_t level;     /* below the number of tiers */
};

/** What becomes of it. */
struct fo__portion {
    uint64_t
        end; /* of its share, added up from tier 0 on; of the last: FO__SHARE_ONE, or 0 for all */
    bool panic; /* takes traffic without regard to health */
};

/** Shares the traffic between 1 … FO__TIERS_MAX tiers. */
fo_balancer_state fo__levels_share(const struct fo__level_rule *rule,
                                   const struct fo__supply *supply, uint32_t n,
                                   struct fo__portion *portion);

#endif
