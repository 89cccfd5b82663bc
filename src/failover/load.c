/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

void fo__load_answered(struct fo__load *load, uint64_t latency_ns, uint64_t now_ns, float decay_ns)
{
    float sample = latency_ns > 0 ? (float)(int64_t)latency_ns : 1;
    uint64_t before = fo__load_relaxed(&load->latency);
    float value;

    do {
        float known = fo__signal_value(before);
        float weight = fo__fade(fo__signal_age_ns(before, now_ns), decay_ns);

        value = sample >= known ? sample : known * weight + sample * (1 - weight);
    } while (!fo__cas_acq_rel(&load->latency, &before, fo__signal_of(value, now_ns)));
}

static void fail_latency(struct fo__load *load, float sample, float unknown_ns, uint64_t now_ns)
{
    uint64_t before = fo__load_relaxed(&load->latency);
    float value;

    do {
        float known = before != 0 ? fo__signal_value(before) : unknown_ns;

        value = sample > 2 * known ? sample : 2 * known;
        if (value > FO__LATENCY_MAX_NS)
            value = FO__LATENCY_MAX_NS;
    } while (!fo__cas_acq_rel(&load->latency, &before, fo__signal_of(value, now_ns)));
}

void fo__load_failed(struct fo__load *load, uint64_t latency_ns, float at_least_ns,
                     float unknown_ns, uint64_t now_ns)
{
    float sample = (float)latency_ns > at_least_ns ? (float)latency_ns : at_least_ns;
    uint64_t before = fo__load_relaxed(&load->penalty);
    float value;

    fail_latency(load, sample, unknown_ns, now_ns);
    do {
        value = 2 * fo__signal_value(before);
        value = value < 1 ? 1 : value > FO__PENALTY_MAX ? FO__PENALTY_MAX : value;
    } while (!fo__cas_acq_rel(&load->penalty, &before, fo__signal_of(value, now_ns)));
}

bool fo__load_forgive(struct fo__load *load, uint64_t now_ns, float decay_ns)
{
    uint64_t before = fo__load_relaxed(&load->penalty);

    while (fo__unlikely(before != 0)) {
        float value = fo__signal_now(before, now_ns, decay_ns) / 2;
        uint64_t after = value < 0.5f ? 0 : fo__signal_of(value, now_ns);

        if (fo__cas_acq_rel(&load->penalty, &before, after))
            return after == 0;
    }
    return false;
}

void fo__load_add(struct fo__load *load, uint64_t n)
{
    /* Here first: what is subtracted from `open` has been added there. */
    fo__add_relaxed(&load->tally.open, n);
    fo__add_release(&load->manual, n);
}

void fo__load_sub(struct fo__load *load, uint64_t n)
{
    uint64_t before = fo__load_relaxed(&load->manual);
    uint64_t less;

    do {
        less = n < before ? n : before;
    } while (!fo__cas_acq_rel(&load->manual, &before, before - less));
    fo__sub_relaxed(&load->tally.open, less);
}

void fo__load_after_fork(struct fo__load *load)
{
    fo__tally_after_fork(&load->tally);
    fo__store_relaxed(&load->manual, 0);
}
