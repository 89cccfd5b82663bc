/* SPDX-License-Identifier: Apache-2.0 */
#include "tally.h"

static uint32_t slice_of(uint64_t bucket)
{
    return (uint32_t)(bucket >> 32);
}

static uint32_t count_of(uint64_t bucket)
{
    return (uint32_t)bucket;
}

static uint64_t bucket_of(uint32_t slice, uint32_t count)
{
    return (uint64_t)(slice & FO__SLICE_MASK) << 32 | count;
}

/** How many slices `later` is behind `earlier`; negative: it is the earlier one. Slices wrap. */
static int32_t slices_between(uint32_t earlier, uint32_t later)
{
    return (int32_t)((later - earlier) << (32 - FO__SLICE_BITS)) >> (32 - FO__SLICE_BITS);
}

/** Whether one of that slice may be counted there: the bucket is its own, or is free or old. */
static bool is_for(uint64_t bucket, uint32_t slice)
{
    int32_t behind = slices_between(slice_of(bucket), slice);

    return count_of(bucket) == 0 ? behind != -1 : behind >= 0;
}

bool fo__tally_enter(struct fo__tally *tally, uint32_t slice)
{
    _Atomic uint64_t *bucket = &tally->bucket[slice % FO__TALLY_BUCKETS];
    uint64_t before = fo__load_relaxed(bucket);
    uint64_t after;

    do {
        if (!is_for(before, slice))
            return false;
        after = slice_of(before) == slice ? before + 1 : bucket_of(slice, 1);
    } while (!fo__cas_acq_rel(bucket, &before, after));
    if (slice_of(before) != slice && count_of(before) > 0)
        fo__sub_relaxed(&tally->open, count_of(before)); /* at least two rounds old: all lost */
    return true;
}

void fo__tally_leave(struct fo__tally *tally, uint32_t slice)
{
    _Atomic uint64_t *bucket = &tally->bucket[slice % FO__TALLY_BUCKETS];
    uint64_t before = fo__load_relaxed(bucket);

    do {
        if (slice_of(before) != slice || count_of(before) == 0)
            return; /* dropped */
    } while (!fo__cas_acq_rel(bucket, &before, before - 1));
    fo__sub_relaxed(&tally->open, 1);
}

static void drop_if_old(struct fo__tally *tally, _Atomic uint64_t *bucket, uint32_t slice)
{
    uint64_t before = fo__load_relaxed(bucket);

    if (count_of(before) == 0 ||
        slices_between(slice_of(before), slice) <= (int32_t)FO__TALLY_SLICES)
        return;
    if (fo__cas_acq_rel(bucket, &before, bucket_of(slice_of(before) + 1, 0)))
        fo__sub_relaxed(&tally->open, count_of(before));
}

void fo__tally_expire(struct fo__tally *tally, uint32_t slice)
{
    for (uint32_t i = 0; i < FO__TALLY_BUCKETS; i++)
        drop_if_old(tally, &tally->bucket[i], slice);
}

void fo__tally_after_fork(struct fo__tally *tally)
{
    fo__store_relaxed(&tally->open, 0);
    for (uint32_t i = 0; i < FO__TALLY_BUCKETS; i++)
        fo__store_relaxed(&tally->bucket[i], 0);
}
