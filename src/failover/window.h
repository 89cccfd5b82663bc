/* SPDX-License-Identifier: Apache-2.0
 *
 * Window: how many requests finished, and how many of them failed, in the last while.
 *
 *     [ 3 | 5 | 0 | 4 | 4 | 2 | 6 | 5 | 4 | 3 ]      ten buckets; the oldest is emptied and filled anew
 *               at ┘   └ the oldest
 *
 * Exact counts, not a decaying average: an average hides a burst among many good requests, and remembers
 * for ever a little of what is long past (linkerd2-proxy #4561). Plain arithmetic; no clock.
 */
#ifndef FO_WINDOW_H
#define FO_WINDOW_H

#include <stdint.h>

#define FO__WINDOW_BUCKETS 10

struct fo__window_counts {
    uint64_t finished;
    uint64_t failed;
};

/** Starts as all zeros. */
struct fo__window {
    struct fo__window_counts bucket[FO__WINDOW_BUCKETS];
    uint32_t at;
};

/** Counts into the present bucket. */
static inline void fo__window_add(struct fo__window *window, uint64_t finished, uint64_t failed)
{
    window->bucket[window->at].finished += finished;
    window->bucket[window->at].failed += failed;
}

/** The next bucket begins. */
static inline void fo__window_roll(struct fo__window *window)
{
    window->at = (window->at + 1) % FO__WINDOW_BUCKETS;
    window->bucket[window->at] = (struct fo__window_counts){0, 0};
}

/** All buckets together. */
static inline struct fo__window_counts fo__window_sum(const struct fo__window *window)
{
    struct fo__window_counts sum = {0, 0};

    for (uint32_t i = 0; i < FO__WINDOW_BUCKETS; i++) {
        sum.finished += window->bucket[i].finished;
        sum.failed += window->bucket[i].failed;
    }
    return sum;
}

#endif
