/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing by load: which endpoint of a tier gets the request, and whether it has room.
 *
 *     policy ─► slot ─► has room? ─► admitted
 *                          │ no: a few times more, then NULL, and a scan finds whoever has room
 *
 * A policy is one function in a file of its own (load_*.c). It draws by live weight, within the limits of
 * the pick, as a pick without a policy does, so that health, ramps, exclusions, tags and zones hold as
 * ever, and may draw again.
 */
#ifndef FO_CHOOSE_H
#define FO_CHOOSE_H

#include "draw.h"
#include "errand.h"

/** How load decides. */
struct fo__load_policy {
    bool needs_latency;
    /** A slot of the tier that the limits allow, with errand->word; NULL: there is none. */
    const struct fo__slot *(*choose)(struct fo__errand *errand, const struct fo__tier *tier);
};

extern const struct fo__load_policy fo__load_inverse;
extern const struct fo__load_policy fo__load_least;
extern const struct fo__load_policy fo__load_peak_ewma;
extern const struct fo__load_policy fo__load_hot_cold;

/** One of two endpoints between which load decides. */
struct fo__rival {
    const struct fo__slot *slot;
    uint64_t word;
    const struct fo__load *load;
    double weight; /* live, in units; above 0 */
};

/** Draws one when a sample was refused, or the tier panics. */
const struct fo__slot *fo__choose_otherwise(struct fo__errand *errand, const struct fo__tier *tier);

/** Draws one as if that slot were excluded. */
const struct fo__slot *fo__choose_without(struct fo__errand *errand, const struct fo__tier *tier,
                                          const struct fo__slot *first);

/** Draws one by live weight; `is_first`: it is the pick's first sample. */
static inline __attribute__((always_inline)) const struct fo__slot *
fo__choose_one(struct fo__errand *errand, const struct fo__tier *tier, bool is_first)
{
    const struct fo__slot *slot;

    if (fo__unlikely(fo__load_relaxed(&tier->panic)))
        return fo__choose_otherwise(errand, tier);
    slot = is_first && !errand->is_further
               ? fo__first_sample_of(errand->snapshot, tier, errand->row)
               : fo__next_sample(errand->snapshot, tier, errand->row);
    errand->word = fo__load_acquire(slot->word);
    if (fo__likely((errand->limits == &fo__no_limits ||
                    fo__limits_allow(errand->limits, errand->snapshot,
                                     fo__slot_number(errand->snapshot, slot))) &&
                   fo__accept(errand->snapshot, slot, errand->word, errand->row)))
        return slot;
    return fo__choose_otherwise(errand, tier);
}

/* Collisions of the second sample with the first, before that is excluded. */
#define FO__COLLISIONS 4u

/** A slot other than the first, drawn as if that were not there; NULL: there is none. */
static inline const struct fo__slot *fo__choose_second(struct fo__errand *errand,
                                                       const struct fo__tier *tier,
                                                       const struct fo__slot *first)
{
    for (uint32_t i = 0; i < FO__COLLISIONS && tier->n > 2; i++) {
        const struct fo__slot *slot = fo__choose_one(errand, tier, false);

        if (fo__likely(slot != first))
            return slot;
    }
    return tier->n > 1 ? fo__choose_without(errand, tier, first) : NULL;
}

/* Of unsigned integers the processor makes no floating-point numbers, of signed ones it does. */
static inline __attribute__((always_inline)) struct fo__rival
fo__rival_of(const struct fo__errand *errand, const struct fo__tier *tier,
             const struct fo__slot *slot, uint64_t word)
{
    uint32_t number = fo__slot_number(errand->snapshot, slot);
    struct fo__rival rival = {slot, word, &slot->endpoint->host->load, 0};

    rival.weight = (double)(int64_t)(fo__word_is_whole(word) || fo__load_relaxed(&tier->panic)
                                         ? fo__slot_units(errand->snapshot, number)
                                         : fo__slot_claim(errand->snapshot, number, word));
    if (rival.weight < 1)
        rival.weight = 1; /* it went down since it was drawn */
    return rival;
}

/** Whether the second of two, in the order drawn, is to have the request. */
typedef bool (*fo__beats_fn)(const struct fo__errand *errand, const struct fo__tier *tier,
                             const struct fo__rival *first, const struct fo__rival *second);

/** Draws two different slots, if there are two, and lets the function decide. Inline, as the function is
 * then, too. */
static inline const struct fo__slot *
fo__choose_of_two(struct fo__errand *errand, const struct fo__tier *tier, fo__beats_fn beats)
{
    const struct fo__slot *slot = fo__choose_one(errand, tier, true);
    struct fo__rival first;
    struct fo__rival second;

    if (slot == NULL)
        return NULL;
    first = fo__rival_of(errand, tier, slot, errand->word);
    slot = fo__choose_second(errand, tier, slot);
    if (slot != NULL) {
        second = fo__rival_of(errand, tier, slot, errand->word);
        if (beats(errand, tier, &first, &second))
            return slot;
    }
    errand->word = first.word;
    return first.slot;
}

/** What a host's failures count for, as if in flight. Penalties fade: whoever meets one without the time
 * asks for it from the next pick on. */
static inline double fo__penalty_of(const struct fo__errand *errand, const struct fo__load *load)
{
    uint64_t penalty = fo__load_relaxed(&load->penalty);

    if (fo__likely(penalty == 0))
        return 0;
    if (errand->counting.now_ns == 0)
        fo__store_relaxed(&errand->core->time, FO__TIME_COARSE);
    return (double)fo__signal_now(penalty, errand->counting.now_ns,
                                  errand->counting.rules->decay_ns);
}

/** What a host has in flight, its penalty included. */
static inline double fo__burden_of(const struct fo__errand *errand, const struct fo__load *load)
{
    return (double)(int64_t)fo__load_relaxed(&load->tally.open) + fo__penalty_of(errand, load);
}

/** Chooses by the balancer's policy, if it has one, and makes room. In a pick that counts. */
const struct fo__slot *fo__choose(struct fo__errand *errand, const struct fo__tier *tier);

/** Chooses in proportion to live weight, or to max weight when health is no guide, of all of the tier
 * that have room, and makes it; looks at each. */
const struct fo__slot *fo__choose_by_scan(struct fo__errand *errand, const struct fo__tier *tier,
                                          bool regardless);

#endif
