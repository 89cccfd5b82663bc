/* SPDX-License-Identifier: Apache-2.0
 *
 * Window: how many requests finished, how many of them failed, and how long answers took, in the last while.
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
    uint64_t answers;    /* whose latency is known */
    uint64_t answers_ns; /* what they took together */
};

/** Starts as all zeros. */
struct fo__window {
    struct fo__window_counts bucket[FO__WINDOW_BUCKETS];
    uint32_t at;
};

static inline void fo__window_join(struct fo__window_counts *to,
                                   const struct fo__window_counts *more)
{
    to->finished += more->finished;
    to->failed += more->failed;
    to->answers += more->answers;
    to->answers_ns += more->answers_ns;
}

/** Counts into the present bucket. */
static inline void fo__window_add(struct fo__window *window, const struct fo__window_counts *more)
{
    fo__window_join(&window->bucket[window->at], more);
}

/** The next bucket begins. */
static inline void fo__window_roll(struct fo__window *window)
{
    window->at = (window->at + 1) % FO__WINDOW_BUCKETS;
    window->bucket[window->at] = (struct fo__window_counts){0, 0, 0, 0};
}

/** All buckets together. */
static inline struct fo__window_counts fo__window_sum(const struct fo__window *window)
{
    struct fo__window_counts sum = {0, 0, 0, 0};

    for (uint32_t i = 0; i < FO__WINDOW_BUCKETS; i++)
        fo__window_join(&sum, &window->bucket[i]);
    return sum;
}

#endif
