/* SPDX-License-Identifier: Apache-2.0
 *
 * Latencies by many threads: counts in buckets that grow with the value.
 *
 * Every power of two is cut into 32 buckets, so a percentile is right to about 3 % at any size and
 * a histogram has a fixed, small size (the idea of Gil Tene's HdrHistogram).
 */
#ifndef DEMO_HISTOGRAM_H
#define DEMO_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 672 /* up to 2^25 µs, 33 s; what is longer counts as that */

struct histogram {
    _Atomic uint64_t counts[HISTOGRAM_BUCKETS];
};

/* A copy at one moment. */
struct histogram_copy {
    uint64_t counts[HISTOGRAM_BUCKETS];
};

/* Any thread. */
void histogram_add(struct histogram *histogram, uint64_t value_ns);

void histogram_read(const struct histogram *histogram, struct histogram_copy *copy);

/* What came between two copies of one histogram, into `later`. */
void histogram_subtract(struct histogram_copy *later, const struct histogram_copy *earlier);

/* The value that `share` (0 … 1) of the latencies do not exceed, in milliseconds; 0 when empty. */
double histogram_percentile_ms(const struct histogram_copy *copy, double share);

#endif
