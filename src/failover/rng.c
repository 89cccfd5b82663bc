/* SPDX-License-Identifier: Apache-2.0 */
#include "rng.h"

#include <sys/random.h>
#include <time.h>

uint64_t fo__rng_system_seed(void)
{
    uint64_t seed = 0;

    /* An old kernel, or one without entropy yet, must not keep a client from starting. */
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed)) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        seed = fo__rng_mix((uint64_t)now.tv_nsec ^ ((uint64_t)now.tv_sec << 30) ^
                           (uint64_t)(uintptr_t)&seed);
    }
    return seed != 0 ? seed : FO__GOLDEN;
}
