/* SPDX-License-Identifier: Apache-2.0
 *
 * Hot-cold: latency decides between what is not busy, business between what is.
 *
 *     first   second       taken
 *     cold    cold         the one of less latency
 *     cold    hot          the cold one
 *     hot     hot          the one with less in flight, for its weight
 *
 * Hot is what has more in flight, for its weight, than hot_quantile of all that is looked at. That line is
 * followed, not sorted out: each look moves it up by q of a step when what is seen lies above it, down by
 * 1 − q of one when not; it rests where a share q lies below. The step is a fiftieth of the line.
 *
 * Servers may report their load (fo_finish_report.load): how much they have in flight from all clients,
 * which one client cannot know. As long as such a report is fresh it is taken for what is in flight.
 *
 * What failed lately is busy by its penalty (load.h): with nothing in flight it would be cold, and be
 * preferred to everything hot.
 *
 * Sources: Prequal (Wydrowski et al. 2024), with in place of its probes what answers carry; the quantile
 * by stochastic approximation (Robbins and Monro 1951).
 */
#include "choose.h"

#define STEP 0.02f
#define STEP_MIN 0.02f

/** How busy a rival is: what is in flight there, and what its failures count for, for each mean weight. */
static float business_of(const struct fo__errand *errand, const struct fo__tier *tier,
                         const struct fo__rival *rival)
{
    const struct fo__load_rules *rules = errand->counting.rules;
    uint64_t reported = fo__load_relaxed(&rival->load->reported);
    double mean = (double)(int64_t)tier->units_sum / (double)(int64_t)tier->n;
    double burden = fo__burden_of(errand, rival->load);

    if (reported != 0 &&
        fo__signal_age_ns(reported, errand->counting.now_ns) < rules->report_expiry_ns)
        burden = (double)fo__signal_value(reported) + fo__penalty_of(errand, rival->load);
    return (float)(burden * mean / rival->weight);
}

/** Two threads at once may lose a step of one: the next look makes up for it. */
static void follow(struct fo__core *core, float quantile, float seen)
{
    float line = fo__load_relaxed(&core->hot_line);
    float step = line * STEP > STEP_MIN ? line * STEP : STEP_MIN;

    line += seen > line ? step * quantile : -step * (1 - quantile);
    fo__store_relaxed(&core->hot_line, line > 0 ? line : 0);
}

static float latency_of(const struct fo__errand *errand, const struct fo__rival *rival)
{
    const struct fo__load_rules *rules = errand->counting.rules;
    uint64_t signal = fo__load_relaxed(&rival->load->latency);

    return signal != 0 ? fo__signal_now(signal, errand->counting.now_ns, rules->decay_ns)
                       : rules->unknown_ns;
}

static bool beats(const struct fo__errand *errand, const struct fo__tier *tier,
                  const struct fo__rival *first, const struct fo__rival *second)
{
    float busy = business_of(errand, tier, first);
    float other = business_of(errand, tier, second);
    float line = fo__load_relaxed(&errand->core->hot_line);

    follow(errand->core, errand->counting.rules->hot_quantile, busy);
    if (busy > line && other > line)
        return other < busy;
    if (busy > line || other > line)
        return busy > line;
    return latency_of(errand, second) < latency_of(errand, first);
}

static const struct fo__slot *choose(struct fo__errand *errand, const struct fo__tier *tier)
{
    return fo__choose_of_two(errand, tier, beats);
}

const struct fo__load_policy fo__load_hot_cold = {.needs_latency = true, .choose = choose};
