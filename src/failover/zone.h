/* SPDX-License-Identifier: Apache-2.0
 *
 * Zones: the names of zones that a balancer has heard of, each once, so that two are the same when their
 * addresses are. They are few, and kept as long as the balancer: leases hand their names out.
 */
#ifndef FO_ZONE_H
#define FO_ZONE_H

#include "atomic.h"

struct fo__zone {
    struct fo__zone *next;
    uint32_t number; /* in the order in which they were heard of, from 1 */
    char name[];
};

/** Starts as all zeros. */
struct fo__zones {
    struct fo__zone *_Atomic newest;
};

/** The zone of that name, which is added if it is new. NULL: no memory. One writer at a time. */
struct fo__zone *fo__zones_add(struct fo__zones *zones, const char *name);

/** The zone of that name, or NULL. Any thread. */
struct fo__zone *fo__zones_find(struct fo__zones *zones, const char *name);

void fo__zones_fini(struct fo__zones *zones);

#endif
