/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

uint64_t fo__clock_monotonic_ns(void *arg)
{
    struct timespec now;

    (void)arg;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t fo__clock_wall_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec > 0 ? (uint64_t)now.tv_sec : 0;
}

struct fo__clock fo__clock_from(fo_clock_fn now, void *arg)
{
    struct fo__clock clock = {now != NULL ? now : fo__clock_monotonic_ns, arg};
    return clock;
}
