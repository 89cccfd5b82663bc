/* SPDX-License-Identifier: Apache-2.0
 *
 * Tally: how many are open at once, never more than a limit, and what was lost ages out.
 *
 *     open ─┬─ slice 6 ── 0           a lease is counted in `open` and in the bucket of the slice of
 *           ├─ slice 7 ── 3           time in which it was picked: slice mod 4. Its bucket is dropped
 *           ├─ slice 4 ── 0 (dropped) when two whole slices have passed since: then what is left in
 *           └─ slice 5 ── 1           it is subtracted from `open`, and its leases count no more.
 *
 * A bucket is one word, slice << 32 | count, so that its count changes only together with the slice that
 * it is of: a finish subtracts from a bucket of its lease's slice and from no other, and either the
 * finish or the dropper subtracts a lease from `open`, never both. A dropped bucket is marked with the
 * next slice, which is never its own: nobody who is late can count there again.
 *
 * Never over the limit: whoever adds one and finds that it was one too many takes it back. Two at once
 * may both be turned away early, but of those that stay each saw a number within the limit. All is
 * relaxed: the order of changes of one word is all that this needs.
 *
 * Source of the generations: tagged pointers against ABA (IBM System/370).
 */
#ifndef FO_TALLY_H
#define FO_TALLY_H

#include "atomic.h"

#define FO__TALLY_BUCKETS 4u
#define FO__TALLY_SLICES 2u /* whole ones, after which a lease is lost: a timeout */
#define FO__SLICE_BITS 20
#define FO__SLICE_MASK ((UINT32_C(1) << FO__SLICE_BITS) - 1)

struct fo__tally {
    _Atomic uint64_t open;
    _Atomic uint64_t bucket[FO__TALLY_BUCKETS];
};

/** Counts one more, if it is within the limit. */
static inline bool fo__tally_admit(struct fo__tally *tally, uint64_t limit)
{
    if (fo__likely(fo__add_relaxed(&tally->open, 1) < limit))
        return true;
    fo__sub_relaxed(&tally->open, 1);
    return false;
}

/** Takes back one that is in no bucket. */
static inline void fo__tally_remove(struct fo__tally *tally)
{
    fo__sub_relaxed(&tally->open, 1);
}

/** Enters one that was admitted in the bucket of its slice; false: it is in none, for it comes late. */
bool fo__tally_enter(struct fo__tally *tally, uint32_t slice);

/** Takes back one that was entered, unless it was dropped. */
void fo__tally_leave(struct fo__tally *tally, uint32_t slice);

/** Drops the buckets that are too old in that slice. */
void fo__tally_expire(struct fo__tally *tally, uint32_t slice);

/** In a child after fork(): nothing is open. Alone. */
void fo__tally_after_fork(struct fo__tally *tally);

#endif
