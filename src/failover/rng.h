/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
 * OOPSLA 2014). A state is one 64-bit word that walks by a constant; the output is a mix of it. So
 * two threads that share a state by accident (see row.h, the fallback row) draw the same number
 * twice at worst.
 */
#ifndef FO_RNG_H
#define FO_RNG_H

#include "atomic.h"
#include "bits.h"

/** 2^64 divided by the golden ratio, odd: the step of SplitMix64 and of a row's Weyl sequence. */
#define FO__GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t fo__rng_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/** The next 64 random bits. One writer; others may read the state. */
static inline uint64_t fo__rng_next(_Atomic uint64_t *state)
{
    uint64_t next = fo__load_relaxed(state) + FO__GOLDEN;
    fo__store_relaxed(state, next);
    return fo__rng_mix(next);
}

/** Uniform in [0, bound); 0 for bound 0. Bias below bound / 2^64. */
static inline uint64_t fo__rng_below(_Atomic uint64_t *state, uint64_t bound)
{
    return fo__mul_high(fo__rng_next(state), bound);
}

/** A seed from the system; never 0. */
uint64_t fo__rng_system_seed(void);

#endif
