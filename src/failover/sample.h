/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples: which slot a pick looks at, and whether it takes it.
 *
 * First sample. The row's Weyl sequence x += 2^64/φ is a low-discrepancy sequence: after any k·N
 * samples each of N equal columns was hit k times, give or take 4, where random numbers drift by √k.
 * One multiplication turns x into a column (upper half of x·N) and a coin (lower half). Each thread
 * begins at a random phase, so clients do not march in step, and draws a new one after 2^20 picks,
 * against resonance with a periodic caller. Those are counted by the lower 20 bits of x itself: the
 * step is odd, so they run through all their values. (Where x *is* must not decide: runs that all end
 * at the same place favour what lies there by half a pick each.)
 *
 * Further samples draw from the row's RNG: two consecutive Weyl values are one variable, and a refusal
 * followed by the next Weyl value would be correlated with it.
 *
 * Accepting with probability health over an immutable table of max weights is exact (rejection
 * sampling), needs no rebuild when health changes and costs nothing when it is 1.
 */
#ifndef FO_SAMPLE_H
#define FO_SAMPLE_H

#include "rng.h"
#include "row.h"
#include "snapshot.h"

#define FO__RUN_MASK ((UINT64_C(1) << 20) - 1) /* lower bits of a Weyl word: they count a run */

/** The slot that x falls on, of n that begin at `slots`. */
static inline const struct fo__slot *fo__sample_at(const struct fo__slot *slots, uint64_t n,
                                                   uint64_t x)
{
    const struct fo__slot *own = &slots[fo__mul_high(x, n)];
    uint32_t coin = (uint32_t)((x * n) >> 32);

    __asm__("" : "+r"(own)); /* or else gcc works its address out twice, to spare a displacement */

    /* A branch, not a conditional move: predicted, it takes the load of the column off the way to
     * the host word (8.5 instead of 10.9 ns a pair with equal weights). */
    return coin < own->threshold ? own : own + own->alias_step;
}

/** Whether the next sample begins a run: then the long way gives it a new phase. */
static inline bool fo__is_at_a_run(struct fo__row *row)
{
    return (fo__load_relaxed(&row->weyl) & FO__RUN_MASK) == 0;
}

static inline const struct fo__slot *fo__first_sample(const struct fo__snapshot *snapshot,
                                                      struct fo__row *row)
{
    uint64_t x = fo__load_relaxed(&row->weyl);

    fo__store_relaxed(&row->weyl, x + FO__GOLDEN);
    return fo__sample_at(snapshot->slot, snapshot->n, x);
}

/** What fo__first_sample() has just found; of a newer snapshot what it would have. */
static inline const struct fo__slot *fo__last_sample(const struct fo__snapshot *snapshot,
                                                     const struct fo__row *row)
{
    return fo__sample_at(snapshot->slot, snapshot->n, fo__load_relaxed(&row->weyl) - FO__GOLDEN);
}

/** As fo__first_sample(), of any tier, and at a run's beginning. */
static inline const struct fo__slot *fo__first_sample_of(const struct fo__snapshot *snapshot,
                                                         const struct fo__tier *tier,
                                                         struct fo__row *row)
{
    uint64_t x = fo__load_relaxed(&row->weyl);
    uint64_t next = x + FO__GOLDEN;

    if ((x & FO__RUN_MASK) == 0)
        next = (fo__rng_next(&row->rng) & ~FO__RUN_MASK) | (next & FO__RUN_MASK);
    fo__store_relaxed(&row->weyl, next);
    return fo__sample_at(&snapshot->slot[tier->first], tier->n, x);
}

static inline const struct fo__slot *fo__next_sample(const struct fo__snapshot *snapshot,
                                                     const struct fo__tier *tier,
                                                     struct fo__row *row)
{
    return fo__sample_at(&snapshot->slot[tier->first], tier->n, fo__rng_next(&row->rng));
}

/** Whether a slot whose host is not whole is taken all the same: with the probability of its health,
 * and of its host's ramp. */
static inline bool fo__accept_ill(const struct fo__snapshot *snapshot, const struct fo__slot *slot,
                                  uint64_t word, struct fo__row *row)
{
    uint32_t admission = fo__slot_admission(snapshot, fo__slot_number(snapshot, slot), word);

    return (fo__rng_next(&row->rng) >> 33) < admission;
}

static inline bool fo__accept(const struct fo__snapshot *snapshot, const struct fo__slot *slot,
                              uint64_t word, struct fo__row *row)
{
    return fo__word_is_whole(word) || fo__accept_ill(snapshot, slot, word, row);
}

/** The tier whose turn it is, by the last review's shares; tier 0 when there is none. */
static inline const struct fo__tier *fo__tier_due(const struct fo__snapshot *snapshot,
                                                  struct fo__row *row)
{
    uint64_t place = fo__rng_next(&row->rng) >> 32;

    for (uint32_t i = 0; i < snapshot->tier_count; i++)
        if (place < fo__load_relaxed(&snapshot->tier[i].share_end))
            return &snapshot->tier[i];
    return snapshot->tier;
}

#endif
