/* SPDX-License-Identifier: Apache-2.0
 *
 * Lease: what the reserved words of struct fo_lease mean.
 *
 * A lease carries all that a finish needs while its endpoint is an ordinary member and the thread the
 * one that picked: the host, the cell, and the row to see whose it is. Such a finish looks nothing up
 * and does not touch the endpoint: at N = 10,000 that is one cache miss in three.
 */
#ifndef FO_LEASE_H
#define FO_LEASE_H

#include "core.h"

#include <failover/balancer.h>

_Static_assert(sizeof(struct fo_lease) == 64, "a lease is one cache line");
_Static_assert(offsetof(struct fo_lease, endpoint) == 0, "the public part comes first");

/* Which reserved word is what. */
enum { FO__LEASE_HOST, FO__LEASE_CORE, FO__LEASE_ROW, FO__LEASE_CELL }; /* reserved_pointer */
enum { FO__LEASE_WORD, FO__LEASE_ORIGIN, FO__LEASE_NONCE };             /* reserved_wide */

/* The origin of an ordinary lease is the process generation and no more, so one compare tells a
 * finish that there is nothing special about it. */
#define FO__ORIGIN_IS_TRIAL (UINT64_C(1) << 32)
#define FO__ORIGIN_IS_CHECKED (UINT64_C(1) << 33) /* its nonce is in the table of lease_check.c */
#define FO__ORIGIN_PROCESS_MASK UINT64_C(0xffffffff)

/** Counts forks: leases of another process generation are void. */
extern uint64_t fo__process_generation;

static inline struct fo__core *fo__lease_core(const struct fo_lease *lease)
{
    return lease->reserved_pointer[FO__LEASE_CORE];
}

static inline struct fo__host *fo__lease_host(const struct fo_lease *lease)
{
    return lease->reserved_pointer[FO__LEASE_HOST];
}

static inline uint32_t fo__lease_epoch(const struct fo_lease *lease)
{
    return fo__word_epoch(lease->reserved_wide[FO__LEASE_WORD]);
}

/** The trial that the lease is, as fo__word_trial() has it; 0: none. */
static inline uint64_t fo__lease_trial(const struct fo_lease *lease)
{
    if ((lease->reserved_wide[FO__LEASE_ORIGIN] & FO__ORIGIN_IS_TRIAL) == 0)
        return 0; /* the trial in the word, if there is one, is another lease */
    return fo__word_trial(lease->reserved_wide[FO__LEASE_WORD]);
}

/* The whole host word and no half of it: narrower stores, vectorised, hold up the loads behind them.
 */
static inline void fo__lease_fill(struct fo_lease *lease, struct fo__core *core,
                                  struct fo__row *row, struct fo__cell *cell,
                                  const struct fo__slot *slot, uint64_t word, uint64_t flags)
{
    lease->endpoint = slot->endpoint;
    lease->reserved_pointer[FO__LEASE_HOST] = slot->host;
    lease->reserved_pointer[FO__LEASE_CORE] = core;
    lease->reserved_pointer[FO__LEASE_ROW] = row;
    lease->reserved_pointer[FO__LEASE_CELL] = cell;
    lease->reserved_wide[FO__LEASE_WORD] = word;
    lease->reserved_wide[FO__LEASE_ORIGIN] = fo__process_generation | flags;
}

/** Counts a lease of the slot as started and fills it. In the read section of the pick. */
static inline void fo__lease_start(struct fo_lease *lease, struct fo__core *core,
                                   struct fo__row *row, const struct fo__slot *slot, uint64_t word,
                                   uint64_t flags)
{
    struct fo__cell *cell = fo__endpoint_start(slot->endpoint, row, slot->cell);

    fo__lease_fill(lease, core, row, cell, slot, word, flags);
}

#endif
