/* SPDX-License-Identifier: Apache-2.0
 *
 * Lease: what the reserved words of struct fo_lease mean.
 *
 * A lease carries all that a finish needs while its endpoint is an ordinary member and the thread the
 * one that picked: the host word, the cell, and the thread whose cell it is. Such a finish looks
 * nothing up and does not touch the endpoint: at N = 10,000 that is one cache miss in three.
 *
 * Two compares tell a finish that nothing is special. The lease's thread is the calling one: then the
 * cell is its own, the process generation the same, and cheap read sections are allowed. And the host
 * word is still the one that the lease was taken with: ordinary leases are of hosts that are whole,
 * all others have a bit in it that no host word has.
 */
#ifndef FO_LEASE_H
#define FO_LEASE_H

#include "core.h"
#include "rcu.h"

#include <failover/balancer.h>

_Static_assert(sizeof(struct fo_lease) == 64, "a lease is one cache line");
_Static_assert(offsetof(struct fo_lease, endpoint) == 0, "the public part comes first");

/* Which reserved word is what. */
enum {
    FO__LEASE_HOST_WORD,
    FO__LEASE_CORE,
    FO__LEASE_CELL,
    FO__LEASE_COUNTS
};                                                                /* reserved_pointer */
enum { FO__LEASE_TAKEN_WITH, FO__LEASE_THREAD, FO__LEASE_NONCE }; /* reserved_wide */

/* Bits beside the host word that a lease was taken with; no host word has them. */
#define FO__LEASE_IS_COUNTED (UINT64_C(1) << 55) /* its counts say where */
#define FO__LEASE_IS_KEYED (UINT64_C(1) << 60)   /* counted in keyed_open */
#define FO__LEASE_IS_CHECKED (UINT64_C(1) << 61) /* its nonce is in the table of lease_check.c */
#define FO__LEASE_IS_TRIAL (UINT64_C(1) << 62)
#define FO__LEASE_IS_ILL (UINT64_C(1) << 63) /* the host was not whole */

/*
 * Counts: where a lease is counted, so that its finish counts it back there and nowhere else, whatever is
 * configured by then.
 *
 *     63              27 26         7 6     0
 *     ├─ when it began ─┼─ slice ────┼─ bits ─┤      the time in units of 2^10 ns, wraps after a day
 */
#define FO__COUNTS_RECENT UINT64_C(1)        /* in core.recent.open */
#define FO__COUNTS_BALANCER UINT64_C(2)      /* in core.tally */
#define FO__COUNTS_HOST UINT64_C(4)          /* in the host's tally */
#define FO__COUNTS_BALANCER_AGES UINT64_C(8) /* there in the bucket of its slice */
#define FO__COUNTS_HOST_AGES UINT64_C(16)    /* likewise */
#define FO__COUNTS_TIMED UINT64_C(32)        /* it has a time, and its latency is to be measured */
#define FO__COUNTS_DATED UINT64_C(64) /* its nonce is when it began, unless leases are checked */
#define FO__COUNTS_SLICE_SHIFT 7
#define FO__COUNTS_TIME_SHIFT 27
#define FO__COUNTS_TIME_UNIT_SHIFT 10

static inline struct fo__core *fo__lease_core(const struct fo_lease *lease)
{
    return lease->reserved_pointer[FO__LEASE_CORE];
}

static inline _Atomic uint64_t *fo__lease_host_word(const struct fo_lease *lease)
{
    return lease->reserved_pointer[FO__LEASE_HOST_WORD];
}

/** The host word that it was taken with, and bits of the lease. */
static inline uint64_t fo__lease_taken_with(const struct fo_lease *lease)
{
    return lease->reserved_wide[FO__LEASE_TAKEN_WITH];
}

static inline uint64_t fo__lease_counts(const struct fo_lease *lease)
{
    return (uint64_t)(uintptr_t)lease->reserved_pointer[FO__LEASE_COUNTS];
}

/** The thread of a lease that is nobody's own, of this process generation: its finish looks closely. */
static inline uint64_t fo__lease_no_thread(void)
{
    return fo__process_generation << FO__THREAD_NUMBER_BITS;
}

/** Whether it was picked in this process, or in a parent of it. */
static inline bool fo__lease_is_of_process(const struct fo_lease *lease)
{
    return lease->reserved_wide[FO__LEASE_THREAD] >> FO__THREAD_NUMBER_BITS ==
           fo__process_generation;
}

/** The trial that the lease is, as fo__word_trial() has it; 0: none. */
static inline uint64_t fo__lease_trial(const struct fo_lease *lease)
{
    if ((fo__lease_taken_with(lease) & FO__LEASE_IS_TRIAL) == 0)
        return 0; /* the trial in the word, if there is one, is another lease */
    return fo__word_trial(fo__lease_taken_with(lease));
}

static inline void fo__lease_fill(struct fo_lease *lease, struct fo__core *core,
                                  struct fo__cell *cell, const struct fo__slot *slot,
                                  uint64_t taken_with, uint64_t thread_id)
{
    lease->endpoint = slot->endpoint;
    lease->reserved_pointer[FO__LEASE_HOST_WORD] = slot->word;
    lease->reserved_pointer[FO__LEASE_CORE] = core;
    lease->reserved_pointer[FO__LEASE_CELL] = cell;
    lease->reserved_wide[FO__LEASE_TAKEN_WITH] = taken_with;
    lease->reserved_wide[FO__LEASE_THREAD] = thread_id;
}

/** Counts a lease of the slot as started and fills it, with what it has been counted in by then
 * (counting.h). In the read section of the pick. */
static inline void fo__lease_start(struct fo_lease *lease, struct fo__core *core,
                                   struct fo__row *row, const struct fo__slot *slot, uint64_t word,
                                   uint64_t bits, uint64_t counts)
{
    struct fo__cell *cell = fo__endpoint_start(slot->endpoint, row, slot->cell);
    bool at_home = cell != NULL && fo__rcu_is_cheap();

    if (!fo__word_is_whole(word))
        bits |= FO__LEASE_IS_ILL;
    if (fo__unlikely((fo__attention(core) & FO__ATTENTION_RECENT) != 0)) {
        fo__add_relaxed(&core->recent.open, 1);
        counts |= FO__COUNTS_RECENT;
    }
    if (counts != 0) {
        lease->reserved_pointer[FO__LEASE_COUNTS] = (void *)(uintptr_t)counts;
        bits |= FO__LEASE_IS_COUNTED;
    }
    fo__lease_fill(lease, core, cell, slot, word | bits,
                   at_home ? fo__thread_rows.thread_id : fo__lease_no_thread());
}

/** What a lease without special bits has taken a slot with. */
static inline uint64_t fo__lease_word(uint64_t word)
{
    return fo__word_is_whole(word) ? word : word | FO__LEASE_IS_ILL;
}

/** Starts a lease of a slot in a row at home, and ends the read section. */
static inline fo_status fo__lease_take(struct fo__core *core, struct fo__row *row,
                                       const struct fo__slot *slot, uint64_t taken_with,
                                       const struct fo__rcu_section *section,
                                       struct fo_lease *lease)
{
    struct fo__cell *cell = fo__row_home_cell(row, slot->cell);

    fo__count(&cell->started);
    fo__lease_fill(lease, core, cell, slot, taken_with, fo__load_relaxed(&row->thread_id));
    fo__rcu_leave(section);
    return FO_OK;
}

#endif
