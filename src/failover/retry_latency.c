/* SPDX-License-Identifier: Apache-2.0 */
#include "retry_latency.h"

/* The first cell ends at 2^FIRST_OCTAVE ns and an eighth. */
#define FIRST_OCTAVE 10u
#define LAST_OCTAVE (FIRST_OCTAVE + FO__RETRY_LATENCY_CELLS / 8 - 1)

static uint32_t cell_of(uint64_t ns)
{
    uint32_t octave;

    if (ns < UINT64_C(1) << FIRST_OCTAVE)
        return 0;
    octave = 63u - (uint32_t)__builtin_clzll(ns);
    if (octave > LAST_OCTAVE)
        return FO__RETRY_LATENCY_CELLS - 1;
    return (octave - FIRST_OCTAVE) * 8 + ((uint32_t)(ns >> (octave - 3)) & 7);
}

static uint64_t end_of(uint32_t cell)
{
    return (UINT64_C(9) + cell % 8) << (FIRST_OCTAVE + cell / 8 - 3);
}

/** A tick of cells is one ttl: `now` and the one before count. */
static uint64_t count_in(struct fo__retry_latency *latency, uint32_t cell, uint32_t now)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < 2; i++) {
        uint64_t word = fo__load_relaxed(&latency->cell[cell][i]);
        int32_t age = fo__retry_tally_age(word, now);

        sum += age == 0 || age == 1 ? fo__retry_tally_count(word) : 0;
    }
    return sum;
}

static uint64_t work_out(struct fo__retry_latency *latency, uint32_t now)
{
    uint64_t total = 0;
    uint64_t seen = 0;
    uint32_t cell = 0;

    for (uint32_t i = 0; i < FO__RETRY_LATENCY_CELLS; i++)
        total += count_in(latency, i, now);
    if (total < FO__RETRY_LATENCY_ANSWERS_MIN)
        return 0;
    while (cell < FO__RETRY_LATENCY_CELLS - 1 &&
           (seen += count_in(latency, cell, now)) * 20 < total * 19)
        cell++;
    return end_of(cell);
}

void fo__retry_latency_count(struct fo__retry_latency *latency, uint32_t tick, uint64_t ns)
{
    uint32_t ttl = tick / FO__RETRY_WINDOW_TICKS;

    fo__retry_tally_add(&latency->cell[cell_of(ns)][ttl % 2], ttl);
}

uint64_t fo__retry_latency_p95_ns(struct fo__retry_latency *latency, uint32_t tick)
{
    if (fo__load_relaxed(&latency->known_since) != (uint64_t)tick + 1) {
        fo__store_relaxed(&latency->p95_ns, work_out(latency, tick / FO__RETRY_WINDOW_TICKS));
        fo__store_relaxed(&latency->known_since, (uint64_t)tick + 1);
    }
    return fo__load_relaxed(&latency->p95_ns);
}
