/* SPDX-License-Identifier: Apache-2.0
 *
 * Inverse: in proportion to live weight / (1 + in flight), exactly.
 *
 * Rejection: a sample by live weight is taken with probability 1 / (1 + in flight). Of what is taken, each
 * has weight × that for its share, whatever was refused before it. The busier all are, the more samples
 * that takes, so after a few, one pass over the tier draws from the same shares outright. A mixture of two
 * exact draws is exact: whether the samples were refused does not tell what the pass will draw.
 *
 * Failures count as in flight, as for load_least.c.
 *
 * Source: simple-failover-java's concurrency control, which always makes the pass.
 */
#include "choose.h"

#define SAMPLES 8u

static double divisor_of(const struct fo__errand *errand, const struct fo__slot *slot)
{
    return 1 + fo__burden_of(errand, &slot->endpoint->host->load);
}

/** Uniform in (0, 1). */
static double coin(struct fo__row *row)
{
    return ((double)(fo__rng_next(&row->rng) >> 11) + 0.5) * 0x1p-53;
}

static double share_of(const struct fo__errand *errand, uint32_t slot, bool regardless,
                       uint64_t *word)
{
    const struct fo__snapshot *snapshot = errand->snapshot;

    *word = fo__load_acquire(snapshot->slot[slot].word);
    if (!fo__limits_allow(errand->limits, snapshot, slot))
        return 0;
    return (double)(regardless ? fo__slot_units(snapshot, slot)
                               : fo__slot_claim(snapshot, slot, *word)) /
           divisor_of(errand, &snapshot->slot[slot]);
}

/** One pass: each slot takes the place of what was drawn before it with its share of the sum so far. */
static const struct fo__slot *pass(struct fo__errand *errand, const struct fo__tier *tier)
{
    bool regardless = fo__load_relaxed(&tier->panic);
    const struct fo__slot *drawn = NULL;
    double sum = 0;

    for (uint32_t slot = tier->first; slot < tier->first + tier->n; slot++) {
        uint64_t word;
        double share = share_of(errand, slot, regardless, &word);

        sum += share;
        if (share == 0 || coin(errand->row) * sum >= share)
            continue;
        drawn = &errand->snapshot->slot[slot];
        errand->word = word;
    }
    return drawn;
}

static const struct fo__slot *choose(struct fo__errand *errand, const struct fo__tier *tier)
{
    for (uint32_t i = 0; i < SAMPLES; i++) {
        const struct fo__slot *slot = fo__choose_one(errand, tier, i == 0);
        double divisor;

        if (slot == NULL)
            return NULL;
        divisor = divisor_of(errand, slot);
        if (fo__likely(divisor == 1) || coin(errand->row) * divisor < 1)
            return slot;
    }
    return pass(errand, tier);
}

const struct fo__load_policy fo__load_inverse = {.choose = choose};
