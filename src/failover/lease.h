/* SPDX-License-Identifier: Apache-2.0
 *
 * Lease: what the reserved words of struct fo_lease mean.
 *
 * A lease carries all that a finish needs while its endpoint is an ordinary member, so that a finish
 * touches the host word and a row's cell and never the endpoint itself: at N = 10,000 that is one
 * cache miss in three.
 */
#ifndef FO_LEASE_H
#define FO_LEASE_H

#include "core.h"

#include <failover/balancer.h>

_Static_assert(sizeof(struct fo_lease) == 64, "a lease is one cache line");
_Static_assert(offsetof(struct fo_lease, endpoint) == 0, "the public part comes first");

enum { FO__LEASE_CORE, FO__LEASE_HOST };                                      /* reserved_pointer */
enum { FO__LEASE_NONCE };                                                     /* reserved_wide */
enum { FO__LEASE_CELL, FO__LEASE_EPOCH, FO__LEASE_FLAGS, FO__LEASE_PROCESS }; /* reserved */

#define FO__LEASE_IS_TRIAL 1u
#define FO__LEASE_IS_CHECKED 2u /* its nonce is in the table of lease_check.c */

/** Counts forks: leases of another process generation are void. */
extern uint32_t fo__process_generation;

static inline struct fo__core *fo__lease_core(const struct fo_lease *lease)
{
    return lease->reserved_pointer[FO__LEASE_CORE];
}

static inline struct fo__host *fo__lease_host(const struct fo_lease *lease)
{
    return lease->reserved_pointer[FO__LEASE_HOST];
}

/** Counts a lease of the slot as started and fills it. In the read section of the pick. */
static inline void fo__lease_start(struct fo_lease *lease, struct fo__core *core,
                                   struct fo__row *row, const struct fo__slot *slot, uint64_t word,
                                   uint32_t flags)
{
    struct fo__cell *cell = fo__row_cell(row, slot->cell);

    if (fo__likely(cell != NULL))
        fo__count(&cell->started);
    else
        fo__add_relaxed(&slot->endpoint->shared.started, 1);
    lease->endpoint = slot->endpoint;
    lease->reserved_pointer[FO__LEASE_CORE] = core;
    lease->reserved_pointer[FO__LEASE_HOST] = slot->host;
    lease->reserved_wide[FO__LEASE_NONCE] = 0;
    lease->reserved_wide[1] = 0;
    lease->reserved[FO__LEASE_CELL] = slot->cell;
    lease->reserved[FO__LEASE_EPOCH] = fo__word_epoch(word);
    lease->reserved[FO__LEASE_FLAGS] = flags;
    lease->reserved[FO__LEASE_PROCESS] = fo__process_generation;
    lease->reserved[4] = 0;
    lease->reserved[5] = 0;
}

#endif
