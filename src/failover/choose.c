/* SPDX-License-Identifier: Apache-2.0 */
#include "choose.h"

#include "draw.h"

#define TRIES 4u /* to find one with room, before all are looked at */

/* ---- Drawing ------------------------------------------------------------------------------- */

const struct fo__slot *fo__choose_otherwise(struct fo__errand *errand, const struct fo__tier *tier)
{
    return fo__load_relaxed(&tier->panic) ? fo__draw_regardless(errand->snapshot, errand->row, tier,
                                                                errand->limits, &errand->word)
                                          : fo__redraw(errand->core, errand->snapshot, errand->row,
                                                       tier, errand->limits, &errand->word);
}

const struct fo__slot *fo__choose_without(struct fo__errand *errand, const struct fo__tier *tier,
                                          const struct fo__slot *first)
{
    const struct fo__limits *given = errand->limits;
    struct fo__limits limits;
    const struct fo__slot *slot;

    if (given->without.count == FO_EXCLUDE_MAX)
        return NULL;
    limits.require_tags = given->require_tags;
    limits.zone = given->zone;
    limits.level_limit = given->level_limit;
    limits.strict = given->strict;
    limits.without.count = given->without.count + 1;
    for (uint32_t i = 0; i < given->without.count; i++)
        limits.without.slot[i] = given->without.slot[i];
    limits.without.slot[given->without.count] = fo__slot_number(errand->snapshot, first);
    slot =
        fo__load_relaxed(&tier->panic)
            ? fo__draw_regardless(errand->snapshot, errand->row, tier, &limits, &errand->word)
            : fo__redraw(errand->core, errand->snapshot, errand->row, tier, &limits, &errand->word);
    return slot;
}

/* ---- With room ----------------------------------------------------------------------------- */

const struct fo__slot *fo__choose(struct fo__errand *errand, const struct fo__tier *tier)
{
    const struct fo__load_policy *policy = errand->counting.rules->policy;

    for (uint32_t i = 0; i < TRIES; i++) {
        const struct fo__slot *slot =
            policy != NULL ? policy->choose(errand, tier) : fo__choose_one(errand, tier, i == 0);

        if (slot == NULL)
            return NULL;
        if (fo__likely(fo__counting_admit(&errand->counting, slot->endpoint)))
            return slot;
        errand->counting.met_full = true;
    }
    return NULL;
}

/** What a slot weighs in a scan; 0: it is not to be had. */
static uint64_t scanned_weight(struct fo__errand *errand, uint32_t slot, bool regardless,
                               uint64_t *word)
{
    const struct fo_endpoint *endpoint = errand->snapshot->slot[slot].endpoint;
    uint64_t weight;

    if (!fo__limits_allow(errand->limits, errand->snapshot, slot))
        return 0;
    *word = fo__load_acquire(errand->snapshot->slot[slot].word);
    weight = regardless ? fo__slot_units(errand->snapshot, slot)
                        : fo__slot_claim(errand->snapshot, slot, *word);
    if (weight == 0 || fo__counting_has_room(errand->counting.rules, endpoint))
        return weight;
    errand->counting.met_full = true;
    return 0;
}

/** One pass: each slot takes the place of what was chosen before it with its share of the weight so far. */
static const struct fo__slot *scan(struct fo__errand *errand, const struct fo__tier *tier,
                                   bool regardless)
{
    const struct fo__slot *chosen = NULL;
    uint64_t total = 0;

    for (uint32_t slot = tier->first; slot < tier->first + tier->n; slot++) {
        uint64_t word = 0;
        uint64_t weight = scanned_weight(errand, slot, regardless, &word);

        total += weight;
        if (weight == 0 || fo__rng_below(&errand->row->rng, total) >= weight)
            continue;
        chosen = &errand->snapshot->slot[slot];
        errand->word = word;
    }
    return chosen;
}

const struct fo__slot *fo__choose_by_scan(struct fo__errand *errand, const struct fo__tier *tier,
                                          bool regardless)
{
    for (uint32_t i = 0; i < TRIES; i++) {
        const struct fo__slot *slot =
            scan(errand, tier, regardless || fo__load_relaxed(&tier->panic));

        if (slot == NULL || fo__counting_admit(&errand->counting, slot->endpoint))
            return slot;
        errand->counting.met_full = true;
    }
    return NULL; /* others took each place that was found: nearly all are taken */
}
