/* SPDX-License-Identifier: Apache-2.0
 *
 * Buckets: below 64 µs one for each microsecond, above that 32 to each power of two. The number of
 * a value is its exponent and its five bits behind the leading one.
 */
#include "histogram.h"

#include "now.h"

enum { CUT_BITS = 5, CUTS = 1 << CUT_BITS };

static size_t bucket_of(uint64_t us)
{
    unsigned shift;
    size_t bucket;

    if (us < CUTS)
        return (size_t)us;
    shift = 63u - (unsigned)__builtin_clzll(us) - CUT_BITS;
    bucket = shift * CUTS + (size_t)(us >> shift);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The middle of a bucket. */
static double middle_us(size_t bucket)
{
    unsigned shift = bucket < 2 * CUTS ? 0 : (unsigned)(bucket / CUTS) - 1;
    uint64_t low = (uint64_t)(bucket - (size_t)shift * CUTS) << shift;

    return (double)low + (double)(UINT64_C(1) << shift) / 2;
}

void histogram_add(struct histogram *histogram, uint64_t value_ns)
{
    atomic_fetch_add(&histogram->counts[bucket_of(value_ns / NS_PER_US)], 1);
}

void histogram_read(const struct histogram *histogram, struct histogram_copy *copy)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        copy->counts[i] = atomic_load(&histogram->counts[i]);
}

void histogram_subtract(struct histogram_copy *later, const struct histogram_copy *earlier)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        later->counts[i] -= earlier->counts[i];
}

double histogram_percentile_ms(const struct histogram_copy *copy, double share)
{
    uint64_t total = 0;
    uint64_t seen = 0;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        total += copy->counts[i];
    if (total == 0)
        return 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += copy->counts[i];
        if ((double)seen >= share * (double)total)
            return middle_us(i) * (double)NS_PER_US / (double)NS_PER_MS;
    }
    return middle_us(HISTOGRAM_BUCKETS - 1) * (double)NS_PER_US / (double)NS_PER_MS;
}
