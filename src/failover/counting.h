/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting: a pick asks for room, and its lease is counted where there was some.
 *
 *     now (no read section) ─► begin ─► enter: the balancer's own limit ─► admit: an endpoint's
 *                                         │                                  │ refused: another one
 *                                         └─ leave: nothing was found        └─ forgo: it is not wanted
 *
 * All of it is skipped while nothing asks for it: `rules` is NULL. What was counted, and in which slice
 * of time, is in `counts`, which becomes the lease's (lease.h). A host is counted while its balancer has
 * a policy or any limit, a balancer while it has a limit of its own.
 */
#ifndef FO_COUNTING_H
#define FO_COUNTING_H

#include "lease.h"

struct fo__counting {
    const struct fo__load_rules *rules; /* NULL: nothing is counted */
    uint64_t now_ns;                    /* 0: no time is needed, or there was none to be had */
    uint64_t counts;
    bool met_full; /* an endpoint that would have done was at its limit */
};

/** The time, if picks on the balancer need it now; else 0. Not in a read section. */
static inline uint64_t fo__counting_now_ns(const struct fo__core *core)
{
    uint32_t time = fo__load_relaxed(&core->time);

    if (fo__likely(time == FO__TIME_NONE))
        return 0;
    return time == FO__TIME_EXACT ? fo__clock_now_ns(core->clock)
                                  : fo__clock_coarse_ns(core->clock);
}

/** Begins a pick, which has set now_ns. In a read section, as the next four. */
static inline void fo__counting_begin(struct fo__counting *counting, struct fo__core *core)
{
    counting->rules = NULL;
    counting->counts = 0;
    counting->met_full = false;
    if (fo__unlikely((fo__attention(core) & FO__ATTENTION_LOAD) != 0))
        counting->rules = &fo__load_acquire(&core->settings)->load;
}

/** How much may be in flight at the endpoint; UINT64_MAX: anything. */
static inline uint64_t fo__counting_limit(const struct fo__load_rules *rules,
                                          const struct fo_endpoint *endpoint)
{
    uint64_t limit = fo__limit_now(&endpoint->host->load.limit, &rules->limit);
    uint32_t own = fo__load_relaxed(&endpoint->max_in_flight);

    return own != 0 && own < limit ? own : limit;
}

/** Counts in a tally, and in the bucket of the slice of time, with these bits for the one and the other. */
bool fo__counting_count(struct fo__counting *counting, struct fo__tally *tally, uint64_t limit,
                        uint64_t counted, uint64_t ages);

/** Makes room in the balancer; false: it has none. */
static inline bool fo__counting_enter(struct fo__counting *counting, struct fo__core *core)
{
    if (counting->rules == NULL || fo__likely(counting->rules->max_in_flight == UINT64_MAX))
        return true;
    return fo__counting_count(counting, &core->tally, counting->rules->max_in_flight,
                              FO__COUNTS_BALANCER, FO__COUNTS_BALANCER_AGES);
}

/** Gives that back. */
void fo__counting_leave(struct fo__counting *counting, struct fo__core *core);

/** Makes room at an endpoint of a balancer that was entered; false: it has none. */
static inline bool fo__counting_admit(struct fo__counting *counting, struct fo_endpoint *endpoint)
{
    const struct fo__load_rules *rules = counting->rules;
    struct fo__tally *tally;
    uint64_t limit;

    if (rules == NULL)
        return true;
    tally = &endpoint->host->load.tally;
    limit = fo__counting_limit(rules, endpoint);
    if (fo__unlikely(rules->slice_ns != 0)) {
        if (!fo__counting_count(counting, tally, limit, FO__COUNTS_HOST, FO__COUNTS_HOST_AGES))
            return false;
    } else {
        if (!fo__tally_admit(tally, limit))
            return false;
        counting->counts |= FO__COUNTS_HOST;
    }
    if (rules->measures && counting->now_ns != 0)
        counting->counts |= FO__COUNTS_TIMED | counting->now_ns >> FO__COUNTS_TIME_UNIT_SHIFT
                                                                       << FO__COUNTS_TIME_SHIFT;
    return true;
}

/** Gives that back. */
void fo__counting_forgo(struct fo__counting *counting, struct fo_endpoint *endpoint);

/** Takes back from a tally what counts say of a lease there; `ages`: which bit says that it has a bucket. */
static inline void fo__counting_take_back(struct fo__tally *tally, uint64_t counts, uint64_t ages)
{
    if (fo__unlikely((counts & ages) != 0))
        fo__tally_leave(tally, (uint32_t)(counts >> FO__COUNTS_SLICE_SHIFT) & FO__SLICE_MASK);
    else
        fo__tally_remove(tally);
}

/** Whether it looks as if there were room. */
static inline bool fo__counting_has_room(const struct fo__load_rules *rules,
                                         const struct fo_endpoint *endpoint)
{
    return fo__load_relaxed(&endpoint->host->load.tally.open) < fo__counting_limit(rules, endpoint);
}

#endif
