/* SPDX-License-Identifier: Apache-2.0
 *
 * Core: the part of a balancer that picks and finishes touch. A struct fo_balancer begins with one.
 */
#ifndef FO_CORE_H
#define FO_CORE_H

#include "clock.h"
#include "row.h"
#include "snapshot.h"
#include "tick_call.h"

#include <failover/health.h>

/* What a pick must know of before it takes the short way: bits of core.gate. */
#define FO__OFFERS 16u /* trials on offer at once */
#define FO__ATTENTION_OFFER(i) (UINT64_C(1) << (FO__ATTENTION_SHIFT + (i)))
#define FO__ATTENTION_OFFERS (((UINT64_C(1) << FO__OFFERS) - 1) << FO__ATTENTION_SHIFT)
#define FO__ATTENTION_CHECK                                                                        \
    FO__ATTENTION_OFFER(FO__OFFERS) /* leases are checked: never taken back */
#define FO__ATTENTION_LEVELS FO__ATTENTION_OFFER(FO__OFFERS + 1) /* not all traffic is tier 0's */
#define FO__ATTENTION_RECENT FO__ATTENTION_OFFER(FO__OFFERS + 2) /* leases are counted: recent.h */
#define FO__ATTENTION_LOAD FO__ATTENTION_OFFER(FO__OFFERS + 3) /* leases are counted: counting.h */
#define FO__ATTENTION_SHIFT 44

/** The part of the configuration that fo_balancer_configure() changes; replaced whole. */
struct fo__settings {
    struct fo_weight_function weight;
    uint32_t
        success_units; /* what a success adds to health above the minimum; or FO__CUSTOM_UNITS */
    double key_load_factor;   /* 0: no bound */
    uint64_t reuse_recent_ns; /* 0: never */
    struct fo__load_rules load;
};

/** What recent.h remembers. */
struct fo__recent {
    _Atomic int64_t open; /* counted leases */
    _Atomic uint64_t id;  /* of the endpoint that succeeded last; 0: none yet */
    _Atomic uint64_t finished_ns;
};

struct fo__core {
    /* Read by every pick and finish, written by updates and when a trial is offered or taken: one line. */
    struct fo__snapshot *_Atomic snapshot;
    /* The balancer's id while nothing needs attention: the key under which a thread's row is at home.
     * Bits of attention above it make that look-up fail, so a pick finds out both with one compare. */
    _Atomic uint64_t gate;
    _Atomic uint32_t leaving; /* endpoints that may be draining: finishes must look (release.h) */
    struct fo__settings *_Atomic settings;

    struct fo__zones zones;                          /* for picks within one */
    fo_status (*enable_keys)(struct fo__core *core); /* builds the table; balancer.c */
    const struct fo__clock *clock;                   /* the runtime's */

    /* Otherwise by first calls of threads. */
    struct fo__row_set rows;

    /* Word changes that may have missed this balancer's sums, by any balancer of its group, and how far
     * it has followed. In a group of its own: changes by leases that are leaving. */
    _Atomic uint64_t *group_changes;
    _Atomic uint64_t changes_seen;
    bool group_is_shared;
    struct fo__tick_call *tick_call;    /* the shared group's; else NULL */
    _Atomic uint32_t *weight_listeners; /* the group's: balancers with listeners to weights */

    /* Endpoints whose host waits for a trial request; the attention of the same number in `gate`. */
    struct fo_endpoint *_Atomic offer[FO__OFFERS];

    /* Written by every pick and finish, while loads by key are bounded or leases counted: apart. */
    _Alignas(FO__CACHE_LINE) _Atomic int64_t keyed_open; /* leases by key, of all endpoints */
    struct fo__recent recent;

    /* Likewise, while there is a policy or a limit. */
    _Alignas(
        FO__CACHE_LINE) struct fo__tally tally; /* while there is a limit of the balancer's own */
    _Atomic uint32_t time;  /* fo__time: of the settings, and some while a penalty fades */
    _Atomic float hot_line; /* what is hot begins here (load_hot_cold.c) */
};

_Static_assert(offsetof(struct fo__core, rows.fallback) >= FO__CACHE_LINE, "written by many");

/** What needs attention now. */
static inline uint64_t fo__attention(const struct fo__core *core)
{
    return fo__load_acquire(&core->gate) >> FO__ATTENTION_SHIFT << FO__ATTENTION_SHIFT;
}

static inline void fo__attention_raise(struct fo__core *core, uint64_t attention)
{
    fo__or_acq_rel(&core->gate, attention);
}

static inline void fo__attention_end(struct fo__core *core, uint64_t attention)
{
    fo__and_acq_rel(&core->gate, ~attention);
}

#endif
