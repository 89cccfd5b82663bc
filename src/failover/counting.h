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
    return time == FO__TIME_EXACT ? fo__clock_now_ns(core->clock) : fo__clock_coarse_ns(core->clock);
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

/** Makes room in the balancer; false: it has none. */
bool fo__counting_enter(struct fo__counting *counting, struct fo__core *core);

/** Gives that back. */
void fo__counting_leave(struct fo__counting *counting, struct fo__core *core);

/** Makes room at an endpoint of a balancer that was entered; false: it has none. */
bool fo__counting_admit(struct fo__counting *counting, struct fo_endpoint *endpoint);

/** Gives that back. */
void fo__counting_forgo(struct fo__counting *counting, struct fo_endpoint *endpoint);

/** Takes back from a tally what counts say of a lease there; `ages`: which bit says that it has a bucket. */
void fo__counting_take_back(struct fo__tally *tally, uint64_t counts, uint64_t ages);

/** How much may be in flight at the endpoint; UINT64_MAX: anything. */
static inline uint64_t fo__counting_limit(const struct fo__load_rules *rules,
                                          const struct fo_endpoint *endpoint)
{
    uint64_t limit = fo__limit_now(&endpoint->host->load.limit, &rules->limit);
    uint32_t own = fo__load_relaxed(&endpoint->max_in_flight);

    return own != 0 && own < limit ? own : limit;
}

/** Whether it looks as if there were room. */
static inline bool fo__counting_has_room(const struct fo__load_rules *rules,
                                         const struct fo_endpoint *endpoint)
{
    return fo__load_relaxed(&endpoint->host->load.tally.open) < fo__counting_limit(rules, endpoint);
}

#endif
