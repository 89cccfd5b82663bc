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

static double cost_of(const struct fo__errand *errand, const struct fo__tier *tier,
                      const struct fo__rival *rival)
{
    const struct fo__load_rules *rules = errand->counting.rules;
    uint64_t signal = fo__load_relaxed(&rival->load->latency);
    double latency_ns = (double)rules->unknown_ns;

    if (signal != 0)
        latency_ns = (double)fo__signal_now(signal, errand->counting.now_ns, rules->decay_ns);
    return latency_ns * (1 + fo__rival_burden(tier, rival, 0));
}

static bool beats(const struct fo__errand *errand, const struct fo__tier *tier,
                  const struct fo__rival *first, const struct fo__rival *second)
{
    return cost_of(errand, tier, second) < cost_of(errand, tier, first);
}

static const struct fo__slot *choose(struct fo__errand *errand, const struct fo__tier *tier)
{
    return fo__choose_of_two(errand, tier, beats);
}

const struct fo__load_policy fo__load_peak_ewma = {.needs_latency = true, .choose = choose};
