/* SPDX-License-Identifier: Apache-2.0
 *
 * Stall: does a host hang? Told by three counts that are looked at from time to time.
 *
 *     requests
 *        │        started ╱──────╱        open = started − finished
 *        │      ╱────────╱                W    = how long ago as many had started as have finished now
 *        │    ╱──  W  ──┬──────────       no success while three are open: since `since_ns`
 *        │  ╱ ─────────╱ finished
 *        └──────────────┴──────────── time
 *
 * The host stalls when FO__STALL_OPEN requests or more were open all the time and none has succeeded for
 * the limit: what is configured, or three times what 99 % of its requests take, if that is longer.
 *
 * How long they take is seen without a clock read in a pick or finish: with first in, first out, the
 * request that finishes now is the one that started when `started` was what `finished` is now. One
 * mark at a time is enough: the count of starts at some look, and the look at which the finishes have come
 * up to it. The truth may be shorter by one look on either side, so one look is taken off. A mark that
 * saw a failure tells of a caller's patience and not of the host, and does not count. A hang that ends
 * well is one latency, and the longest few are left out: the host is not given more time for it.
 *
 * Quantile: a histogram of four buckets for each doubling, halved when it is full (as HdrHistogram does,
 * by Gil Tene). Plain arithmetic; the caller has the clock and the lock.
 */
#ifndef FO_STALL_H
#define FO_STALL_H

#include <stdbool.h>
#include <stdint.h>

#define FO__STALL_OPEN 3u
#define FO__STALL_BUCKETS 80u

/** What is known at a look; sums over all endpoints of the host, monotone. */
struct fo__stall_look {
    uint64_t now_ns;
    uint64_t started;
    uint64_t finished;
    uint64_t succeeded;
};

/** Starts with fo__stall_reset() in zeroed memory. */
struct fo__stall {
    struct fo__stall_look last;
    uint64_t since_ns; /* three are open and none has succeeded since then */
    uint64_t mark_started;
    uint64_t mark_failed;
    uint64_t mark_ns; /* 0: no mark */
    uint8_t latency[FO__STALL_BUCKETS];
    uint32_t latencies;
    bool hangs;
};

/** Begins anew, but for what it knows of latencies: another epoch, or other endpoints. */
void fo__stall_reset(struct fo__stall *stall, const struct fo__stall_look *look);

/** Looks; `limit_ns` as configured. Whether the host hangs: until it has a success. */
bool fo__stall_look_at(struct fo__stall *stall, const struct fo__stall_look *look,
                       uint64_t limit_ns);

/** How long none may succeed: the limit that is configured or three times the usual latency. */
uint64_t fo__stall_limit_ns(const struct fo__stall *stall, uint64_t limit_ns);

/** When it will hang if nothing succeeds; UINT64_MAX: not as things are. */
uint64_t fo__stall_due_ns(const struct fo__stall *stall, uint64_t limit_ns);

static inline uint64_t fo__stall_open(const struct fo__stall *stall)
{
    return stall->last.started - stall->last.finished;
}

#endif
