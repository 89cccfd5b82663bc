/* SPDX-License-Identifier: Apache-2.0
 *
 * Core: the part of a balancer that picks and finishes touch. A struct fo_balancer begins with one.
 */
#ifndef FO_CORE_H
#define FO_CORE_H

#include "row.h"
#include "snapshot.h"

#include <failover/health.h>

/* Bits of core.attention. 0 lets a pick take the short way. */
#define FO__OFFERS 16u /* trials on offer at once */
#define FO__ATTENTION_OFFERS ((1u << FO__OFFERS) - 1)
#define FO__ATTENTION_CHECK (1u << FO__OFFERS) /* leases are checked: never taken back */

/** The part of the configuration that fo_balancer_configure() changes; replaced whole. */
struct fo__settings {
    struct fo_weight_function weight;
};

struct fo__core {
    /* Read by every pick and finish, written by updates and when a trial is offered or taken: one line,
     * with the balancer's id, which is the first of `rows`. */
    struct fo__snapshot *_Atomic snapshot;
    _Atomic uint32_t attention;
    _Atomic uint32_t leaving; /* endpoints that may be draining: finishes must look (release.h) */
    struct fo__settings *_Atomic settings;

    /* Otherwise by first calls of threads. */
    struct fo__row_set rows;

    /* Word changes that may have missed this balancer's sums, by any balancer of its group, and how far
     * it has followed. In a group of its own: changes by leases that are leaving. */
    _Atomic uint64_t *group_changes;
    _Atomic uint64_t changes_seen;
    bool group_is_shared;

    /* Endpoints whose host waits for a trial request; the bit of the same number in `attention`. */
    struct fo_endpoint *_Atomic offer[FO__OFFERS];
};

_Static_assert(offsetof(struct fo__core, rows.balancer_id) < FO__CACHE_LINE, "read with snapshot");
_Static_assert(offsetof(struct fo__core, rows.fallback) >= FO__CACHE_LINE, "written by many");

#endif
