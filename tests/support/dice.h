/* SPDX-License-Identifier: Apache-2.0
 *
 * Dice: a test's own random numbers (Marsaglia's xorshift64*), so that a fault in the library's
 * generator cannot hide itself. Always seeded with a constant: a test that fails, fails again.
 */
#ifndef DICE_H
#define DICE_H

#include <stdint.h>

struct dice {
    uint64_t state; /* never 0 */
};

static inline struct dice dice_of(uint64_t seed)
{
    struct dice dice = {seed * UINT64_C(0x9e3779b97f4a7c15) | 1};
    return dice;
}

static inline uint64_t dice_next(struct dice *dice)
{
    dice->state ^= dice->state >> 12;
    dice->state ^= dice->state << 25;
    dice->state ^= dice->state >> 27;
    return dice->state * UINT64_C(0x2545f4914f6cdd1d);
}

/** Uniform in [0, bound), bound < 2^32. */
static inline uint32_t dice_below(struct dice *dice, uint32_t bound)
{
    return (uint32_t)(((dice_next(dice) >> 32) * bound) >> 32);
}

/** Uniform in [0, 1). */
static inline double dice_fraction(struct dice *dice)
{
    return (double)(dice_next(dice) >> 11) * 0x1p-53;
}

#endif
