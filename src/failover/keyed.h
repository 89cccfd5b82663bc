/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of keys of one tier: which slot a key belongs to.
 *
 * Members are known by their names' hashes and by weights relative to the heaviest, which do not depend
 * on the order of the members, so the table is the same in every process (maglev.h).
 */
#ifndef FO_KEYED_H
#define FO_KEYED_H

#include "endpoint.h"
#include "maglev.h"

struct fo__keyed {
    const struct fo_endpoint **owner; /* by slot: who, for comparing with the next table */
    double *weight;                   /* by slot */
    uint32_t n;
    struct fo__maglev *table;
};

/** One member of the tier. */
struct fo__keyed_member {
    const struct fo_endpoint *endpoint;
    double weight; /* 0: has no keys */
};

/** The table of n ≥ 1 members, of which at least one has weight. NULL: out of memory. */
struct fo__keyed *fo__keyed_create(const struct fo__keyed_member *members, uint32_t n);
void fo__keyed_destroy(struct fo__keyed *keyed);

/** What a new table did to the keys. */
struct fo__keyed_change {
    double moved;    /* share of the keys that another endpoint has now */
    double needless; /* share that moved although their endpoint is there as it was */
};

/** Compares two tables by a fixed sample of keys. */
struct fo__keyed_change fo__keyed_compare(const struct fo__keyed *before,
                                          const struct fo__keyed *after);

#endif
