/* SPDX-License-Identifier: Apache-2.0
 *
 * Peak EWMA: of two different endpoints the second, if it costs less:
 *
 *     cost = latency × (1 + in flight / relative weight)      relative to the mean weight of the tier
 *
 * With equal weights that is latency × (in flight + 1), as Finagle has it. Dividing the 1 by the weight,
 * too, would starve what is light: idle, it would lose to everything heavier, although the samples are
 * drawn by weight already. Latency, its peaks and its fading: load.h.
 *
 * Source: Finagle's PeakEwma.
 */
#include "choose.h"

static double latency_at(const struct fo__errand *errand, const struct fo__rival *rival)
{
    const struct fo__load_rules *rules = errand->counting.rules;
    uint64_t signal = fo__load_relaxed(&rival->load->latency);

    return (double)(fo__likely(signal != 0)
                        ? fo__signal_now(signal, errand->counting.now_ns, rules->decay_ns)
                        : rules->unknown_ns);
}

/** Its cost, times its weight and the number of slots: nothing is divided. */
static double weighted_cost_of(const struct fo__errand *errand, const struct fo__tier *tier,
                               const struct fo__rival *rival)
{
    double open = (double)(int64_t)fo__load_relaxed(&rival->load->tally.open);

    return latency_at(errand, rival) *
           (rival->weight * (double)(int64_t)tier->n + open * (double)(int64_t)tier->units_sum);
}

static bool beats(const struct fo__errand *errand, const struct fo__tier *tier,
                  const struct fo__rival *first, const struct fo__rival *second)
{
    return weighted_cost_of(errand, tier, second) * first->weight <
           weighted_cost_of(errand, tier, first) * second->weight;
}

static const struct fo__slot *choose(struct fo__errand *errand, const struct fo__tier *tier)
{
    return fo__choose_of_two(errand, tier, beats);
}

const struct fo__load_policy fo__load_peak_ewma = {.needs_latency = true, .choose = choose};
