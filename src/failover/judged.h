/* SPDX-License-Identifier: Apache-2.0
 *
 * Judged: what the judge knows of a host, apart from it, so that groups without a judge do not pay.
 */
#ifndef FO_JUDGED_H
#define FO_JUDGED_H

#include "host.h"
#include "stall.h"
#include "window.h"

struct fo__judged {
    struct fo__host *host; /* read-only */

    /* Written by finishers: outcomes of requests from before the host's last transition. */
    _Atomic uint64_t late;
    _Atomic uint64_t late_failed;

    /* Written by finishers: answers whose latency is known, and what they took together. */
    _Atomic uint64_t answers;
    _Atomic uint64_t answers_ns;

    /* The dispatcher's, read by views. */
    _Atomic bool is_suspect;
    _Atomic uint32_t ejections; /* in short order, the present one included */
    _Atomic uint64_t ejections_refused;

    /* The dispatcher's. */
    bool is_ejected;  /* as the judge has heard */
    bool is_recalled; /* ejected, and to come back as soon as it answers */
    uint64_t ejected_ns;
    uint64_t returned_ns; /* from its last ejection */
    uint32_t epoch;       /* that window and stall are of */
    uint64_t members;     /* that the counts are of: a sum over their ids */
    uint64_t finished;    /* at the last look, without those that were late */
    uint64_t failed;      /* likewise */
    uint64_t answers_seen;
    uint64_t answers_ns_seen;
    struct fo__window window;
    struct fo__stall stall;

    /* In the group's list; its head under the group lock, for hosts join at any time. */
    struct fo__judged *next;
    struct fo__judged *previous;
};

/** An answer took so long, which somebody knew. Any finisher. */
static inline void fo__judged_answer(struct fo__judged *judged, uint64_t latency_ns)
{
    fo__add_relaxed(&judged->answers, 1);
    fo__add_relaxed(&judged->answers_ns, latency_ns);
}

/** Whether the host hangs. */
static inline bool fo__host_is_suspect(const struct fo__host *host)
{
    return host->judged != NULL && fo__load_relaxed(&host->judged->is_suspect);
}

#endif
