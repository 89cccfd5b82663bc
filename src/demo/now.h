/* SPDX-License-Identifier: Apache-2.0
 *
 * Time in the demonstration: monotonic nanoseconds, the same clock that the library runs on.
 */
#ifndef DEMO_NOW_H
#define DEMO_NOW_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

static inline uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

#endif
