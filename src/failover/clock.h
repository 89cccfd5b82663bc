/* SPDX-License-Identifier: Apache-2.0
 *
 * Time: an injectable clock in monotonic nanoseconds.
 */
#ifndef FO_CLOCK_H
#define FO_CLOCK_H

#include <failover/base.h>
#include <time.h>

#define FO__NS_PER_MS UINT64_C(1000000)

struct fo__clock {
    fo_clock_fn now;
    void *arg;
};

/** The clock of a configuration: `now` NULL means CLOCK_MONOTONIC. */
struct fo__clock fo__clock_from(fo_clock_fn now, void *arg);

/** Seconds since 1970 by the system's wall clock, which may be set to and fro. */
uint64_t fo__clock_wall_s(void);

/** What fo__clock_from() gives without a clock of the embedder's. */
uint64_t fo__clock_monotonic_ns(void *arg);

/** The time to a few milliseconds, for a quarter of the price. */
static inline uint64_t fo__clock_coarse_ns(const struct fo__clock *clock)
{
    struct timespec now;

    if (clock->now != fo__clock_monotonic_ns)
        return clock->now(clock->arg);
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static inline uint64_t fo__clock_now_ns(const struct fo__clock *clock)
{
    return clock->now(clock->arg);
}

#endif
