/* SPDX-License-Identifier: Apache-2.0
 *
 * Chance in the demonstration: splitmix64 (Steele, Lea, Flood 2014). Each server and each client
 * thread has a state of its own, all derived from --seed.
 */
#ifndef DEMO_DICE_H
#define DEMO_DICE_H

#include <stdint.h>

static inline uint64_t dice_roll(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* A number below `bound`, which must not be 0 and stays far below 2^32 here: the modulo's bias is
 * then smaller than anything the demonstration can show. */
static inline uint64_t dice_below(uint64_t *state, uint64_t bound)
{
    return (dice_roll(state) >> 32) % bound;
}

#endif
