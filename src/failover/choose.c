/* SPDX-License-Identifier: Apache-2.0 */
#include "choose.h"

#include "draw.h"

#define TRIES 4u /* to find one with room, before all are looked at */
#define COLLISIONS 4u /* of the second sample with the first, before that is excluded */

/* ---- Drawing ------------------------------------------------------------------------------- */

const struct fo__slot *fo__choose_one(struct fo__errand *errand, const struct fo__tier *tier,
                                      bool is_first)
{
    const struct fo__slot *slot;

    if (fo__unlikely(fo__load_relaxed(&tier->panic)))
        return fo__draw_regardless(errand->snapshot, errand->row, tier, errand->limits,
                                   &errand->word);
    slot = is_first && !errand->is_further
               ? fo__first_sample_of(errand->snapshot, tier, errand->row)
               : fo__next_sample(errand->snapshot, tier, errand->row);
    if (fo__likely(fo__accept_within(errand->limits, errand->snapshot, slot, errand->row,
                                     &errand->word)))
        return slot;
    return fo__redraw(errand->core, errand->snapshot, errand->row, tier, errand->limits,
                      &errand->word);
}

/** The second sample of a tier in which the first was met again and again. */
static const struct fo__slot *draw_without(struct fo__errand *errand, const struct fo__tier *tier,
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
    slot = fo__load_relaxed(&tier->panic)
               ? fo__draw_regardless(errand->snapshot, errand->row, tier, &limits, &errand->word)
               : fo__redraw(errand->core, errand->snapshot, errand->row, tier, &limits,
                            &errand->word);
    return slot;
}

/** A slot other than the first, drawn as if that were not there; NULL: there is none. */
static const struct fo__slot *draw_second(struct fo__errand *errand, const struct fo__tier *tier,
                                          const struct fo__slot *first)
{
    for (uint32_t i = 0; i < COLLISIONS && tier->n > 2; i++) {
        const struct fo__slot *slot = fo__choose_one(errand, tier, false);

        if (fo__likely(slot != first))
            return slot;
    }
    return tier->n > 1 ? draw_without(errand, tier, first) : NULL;
}

/* ---- Of two -------------------------------------------------------------------------------- */

static void fill_rival(struct fo__rival *rival, const struct fo__errand *errand,
                       const struct fo__tier *tier, const struct fo__slot *slot, uint64_t word)
{
    uint32_t number = fo__slot_number(errand->snapshot, slot);

    rival->slot = slot;
    rival->word = word;
    rival->load = &slot->endpoint->host->load;
    rival->weight = (double)(fo__load_relaxed(&tier->panic)
                                 ? fo__slot_units(errand->snapshot, number)
                                 : fo__slot_claim(errand->snapshot, number, word));
    if (rival->weight < 1)
        rival->weight = 1; /* it went down since it was drawn */
}

const struct fo__slot *fo__choose_of_two(struct fo__errand *errand, const struct fo__tier *tier,
                                         fo__beats_fn beats)
{
    const struct fo__slot *slot = fo__choose_one(errand, tier, true);
    struct fo__rival first;
    struct fo__rival second;

    if (slot == NULL)
        return NULL;
    fill_rival(&first, errand, tier, slot, errand->word);
    slot = draw_second(errand, tier, slot);
    if (slot != NULL) {
        fill_rival(&second, errand, tier, slot, errand->word);
        if (!fo__counting_has_room(errand->counting.rules, first.slot->endpoint) ||
            (fo__counting_has_room(errand->counting.rules, slot->endpoint) &&
             beats(errand, tier, &first, &second)))
            return slot;
    }
    errand->word = first.word;
    return first.slot;
}

/* ---- With room ----------------------------------------------------------------------------- */

const struct fo__slot *fo__choose(struct fo__errand *errand, const struct fo__tier *tier)
{
    const struct fo__load_policy *policy = errand->counting.rules->policy;

    for (uint32_t i = 0; i < TRIES; i++) {
        const struct fo__slot *slot = policy != NULL ? policy->choose(errand, tier)
                                                     : fo__choose_one(errand, tier, i == 0);

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
