/* SPDX-License-Identifier: Apache-2.0
 *
 * Time: an injectable clock in monotonic nanoseconds.
 */
#ifndef FO_CLOCK_H
#define FO_CLOCK_H

#include <failover/base.h>

#define FO__NS_PER_MS UINT64_C(1000000)

struct fo__clock {
    fo_clock_fn now;
    fo_clock_fn coarse;
    void *arg;
};

/** The clock of a configuration: `now` NULL means CLOCK_MONOTONIC. */
struct fo__clock fo__clock_from(fo_clock_fn now, void *arg);

/** Seconds since 1970 by the system's wall clock, which may be set to and fro. */
uint64_t fo__clock_wall_s(void);

static inline uint64_t fo__clock_now_ns(const struct fo__clock *clock)
{
    return clock->now(clock->arg);
}

/**
 * The same time, read for less: for the system's clock what the kernel noted at its last tick, which is
 * up to 10 ms old (CLOCK_MONOTONIC_COARSE; 4 ms with most kernels). Never ahead of fo__clock_now_ns(). A
 * clock that was injected is asked as ever.
 *
 * So nobody must wake up to keep a tick of ours.
 */
static inline uint64_t fo__clock_coarse_ns(const struct fo__clock *clock)
{
    return clock->coarse(clock->arg);
}

#endif
