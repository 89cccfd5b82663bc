/* SPDX-License-Identifier: Apache-2.0 */
#include "stall.h"

#include <string.h>

#define NS_PER_MS UINT64_C(1000000)
#define LATENCIES_MAX 200u /* then all are halved */
#define TIMES_LATENCY 3u

/* ---- Latencies ----------------------------------------------------------------------------- */

/** Milliseconds 0 … 3 one each, then four for each doubling. */
static uint32_t bucket_of(uint64_t ns)
{
    uint64_t ms = ns / NS_PER_MS;
    uint32_t top;
    uint32_t bucket;

    if (ms < 4)
        return (uint32_t)ms;
    top = 63u - (uint32_t)__builtin_clzll(ms); /* ≥ 2 */
    bucket = (top - 1) * 4 + (uint32_t)((ms >> (top - 2)) & 3);
    return bucket < FO__STALL_BUCKETS ? bucket : FO__STALL_BUCKETS - 1;
}

/** The end of a bucket. */
static uint64_t end_of(uint32_t bucket)
{
    if (bucket < 4)
        return (bucket + 1) * NS_PER_MS;
    return (uint64_t)(bucket % 4 + 5) * NS_PER_MS << (bucket / 4 - 1);
}

static void halve(struct fo__stall *stall)
{
    stall->latencies = 0;
    for (uint32_t i = 0; i < FO__STALL_BUCKETS; i++) {
        stall->latency[i] /= 2;
        stall->latencies += stall->latency[i];
    }
}

static void learn(struct fo__stall *stall, uint64_t latency_ns)
{
    if (stall->latencies == LATENCIES_MAX)
        halve(stall);
    stall->latency[bucket_of(latency_ns)]++;
    stall->latencies++;
}

/** What 99 % of the latencies are below, and all but one if they are few; 0: too few are known. */
static uint64_t usual_ns(const struct fo__stall *stall)
{
    uint32_t above = stall->latencies < 200 ? 1 : stall->latencies / 100;
    uint32_t bucket = FO__STALL_BUCKETS;

    if (stall->latencies <= above)
        return 0;
    while (stall->latency[--bucket] <= above)
        above -= stall->latency[bucket];
    return end_of(bucket);
}

static void follow_mark(struct fo__stall *stall, const struct fo__stall_look *look)
{
    uint64_t failed = look->finished - look->succeeded;

    if (stall->mark_ns != 0 && look->finished >= stall->mark_started) {
        uint64_t latency_ns = look->now_ns - stall->mark_ns;
        uint64_t look_ns = look->now_ns - stall->last.now_ns;

        if (failed == stall->mark_failed)
            learn(stall, latency_ns > look_ns ? latency_ns - look_ns : 0);
        stall->mark_ns = 0;
    }
    if (stall->mark_ns == 0 && look->started > look->finished) {
        stall->mark_ns = look->now_ns;
        stall->mark_started = look->started;
        stall->mark_failed = failed;
    }
}

/* ---- Looks --------------------------------------------------------------------------------- */

void fo__stall_reset(struct fo__stall *stall, const struct fo__stall_look *look)
{
    stall->last = *look;
    stall->since_ns = look->now_ns;
    stall->mark_ns = 0;
    stall->hangs = false;
}

/** When the third of those that are open was started, at the earliest, if they came evenly since the last look. What
 * succeeded since that look was started before all of them, and is taken to have ended before the third. */
static uint64_t third_came_ns(const struct fo__stall *stall, const struct fo__stall_look *look)
{
    uint64_t came = look->started - stall->last.started;
    uint64_t after_third = look->started - look->finished - FO__STALL_OPEN;
    uint64_t look_ns = look->now_ns - stall->last.now_ns;

    if (came == 0 || after_third >= came)
        return stall->last.now_ns;
    return look->now_ns - look_ns / came * (after_third + 1);
}

bool fo__stall_look_at(struct fo__stall *stall, const struct fo__stall_look *look,
                       uint64_t limit_ns)
{
    bool succeeded = look->succeeded != stall->last.succeeded;
    bool some_open = look->started - look->finished >= FO__STALL_OPEN;

    if (some_open && fo__stall_open(stall) < FO__STALL_OPEN)
        stall->since_ns = third_came_ns(stall, look);
    else if (succeeded || !some_open)
        stall->since_ns = look->now_ns;
    if (succeeded)
        stall->hangs = false;
    follow_mark(stall, look);
    stall->last = *look;
    if (some_open && look->now_ns - stall->since_ns >= fo__stall_limit_ns(stall, limit_ns))
        stall->hangs = true;
    return stall->hangs;
}

uint64_t fo__stall_limit_ns(const struct fo__stall *stall, uint64_t limit_ns)
{
    uint64_t by_latency_ns = TIMES_LATENCY * usual_ns(stall);

    return by_latency_ns > limit_ns ? by_latency_ns : limit_ns;
}

uint64_t fo__stall_due_ns(const struct fo__stall *stall, uint64_t limit_ns)
{
    if (stall->hangs || fo__stall_open(stall) < FO__STALL_OPEN)
        return UINT64_MAX;
    return stall->since_ns + fo__stall_limit_ns(stall, limit_ns);
}
