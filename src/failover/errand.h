/* SPDX-License-Identifier: Apache-2.0
 *
 * A pick on its long way: when something wants attention, or the tier it began with has nothing for it.
 *
 *     trial on offer? ─► the last request's, if it is used again (recent.h)
 *                     ─► the tier whose turn it is ─► the others, best first
 *                     ─► an excluded one that is healthy ─► last resort ─► FO_UNAVAILABLE
 *
 * Where leases are counted, what is found is what has room for one more (counting.h), and the tier whose
 * turn it is finds it by the load policy (choose.h). When all that would do is full, the pick ends there,
 * with FO_OVERLOADED: neither what was tried already nor what is down has more to give.
 */
#ifndef FO_ERRAND_H
#define FO_ERRAND_H

#include "counting.h"
#include "pick_limits.h"

/** A pick on its long way. */
struct fo__errand {
    struct fo__core *core;
    struct fo__snapshot *snapshot;
    struct fo__row *row;
    const struct fo__limits *limits;
    struct fo_lease *lease;
    uint64_t word;   /* that the slot found was taken for */
    uint64_t now_ns; /* fo__recent_now_ns(); 0: nothing is used again */
    bool is_further; /* one of several: its samples must be independent of the last one's */
    bool has_trial;  /* a trial on offer was taken: the lease has begun */
    struct fo__counting counting; /* now_ns is set before it runs */
};

/** Picks, and ends the read section that it is called in. */
fo_status fo__errand_run(struct fo__errand *errand);

/** A whole pick within valid options without a key, in a read section of its own. */
fo_status fo__errand_pick(struct fo__core *core, const struct fo_pick_options *options,
                          bool is_further, struct fo_lease *lease);

/** Why there is nothing to pick. */
static inline fo_status fo__nothing_in(const struct fo__snapshot *snapshot)
{
    return snapshot->closed ? FO_CLOSED : FO_UNAVAILABLE;
}

#endif
