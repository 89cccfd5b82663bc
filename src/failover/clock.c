/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t monotonic_now_ns(void *arg)
{
    (void)arg;
    return read_ns(CLOCK_MONOTONIC);
}

static uint64_t monotonic_coarse_ns(void *arg)
{
    (void)arg;
    return read_ns(CLOCK_MONOTONIC_COARSE);
}

uint64_t fo__clock_wall_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec > 0 ? (uint64_t)now.tv_sec : 0;
}

struct fo__clock fo__clock_from(fo_clock_fn now, void *arg)
{
    struct fo__clock clock = {monotonic_now_ns, monotonic_coarse_ns, arg};

    if (now != NULL) {
        clock.now = now;
        clock.coarse = now;
    }
    return clock;
}
