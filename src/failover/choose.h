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

#include "errand.h"

/** How load decides. */
struct fo__load_policy {
    bool needs_latency;
    bool needs_time; /* signals fade */
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

/** Whether the second of two, in the order drawn, is to have the request. */
typedef bool (*fo__beats_fn)(const struct fo__errand *errand, const struct fo__tier *tier,
                             const struct fo__rival *first, const struct fo__rival *second);

/** Draws two different slots, if there are two, and lets the function decide. */
const struct fo__slot *fo__choose_of_two(struct fo__errand *errand, const struct fo__tier *tier,
                                         fo__beats_fn beats);

/** Draws one by live weight; `is_first`: it is the pick's first sample. */
const struct fo__slot *fo__choose_one(struct fo__errand *errand, const struct fo__tier *tier,
                                      bool is_first);

/** Chooses by the balancer's policy, if it has one, and makes room. In a pick that counts. */
const struct fo__slot *fo__choose(struct fo__errand *errand, const struct fo__tier *tier);

/** Chooses in proportion to live weight, or to max weight when health is no guide, of all of the tier
 * that have room, and makes it; looks at each. */
const struct fo__slot *fo__choose_by_scan(struct fo__errand *errand, const struct fo__tier *tier,
                                          bool regardless);

/** What is in flight at a rival for each mean weight of the tier, with `more` on top. */
static inline double fo__rival_burden(const struct fo__tier *tier, const struct fo__rival *rival,
                                      double more)
{
    double mean = (double)tier->units_sum / tier->n;

    return ((double)fo__load_relaxed(&rival->load->tally.open) + more) * mean / rival->weight;
}

#endif
