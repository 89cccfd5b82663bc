/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: one thread's private counters and sequences inside one balancer.
 *
 * A count is then one plain load and store of a line nobody else writes: no locked instruction, no
 * line that travels between cores (6 ns alone, 30 and more when two threads meet).
 *
 *   thread (TLS) ──► table { balancer id → row }        one compare when the row is known
 *                                       │
 *   row set of a balancer ──► row ──► row ──► …          every row ever made, never unlinked
 *                              └─ segment[0] 32 cells, [1] 64, [2] 128, … never move
 *                                   cell = { started, finished }, and `failed` behind them
 *
 * Endpoints are numbered densely inside their balancer; an endpoint's number is its cell in every
 * row. Numbers are used again after an endpoint is freed, and rows by the next thread after a thread
 * has exited; counts only grow, so whoever takes a cell over remembers where it began.
 *
 * A null segment means: count in the endpoint's own shared atomic cell. That covers threads beyond
 * the row limit, memory that could not be had, and finishes so late in a thread's exit that its row
 * is already given back (they use the set's `fallback` row, which has no segments and is shared:
 * its two sequences are relaxed atomics, so sharing costs randomness, not correctness).
 *
 * Ordering
 *   (A) finished is a release store; a summer loads it acquire, all finished before any started. So a
 *       lease that is seen finished is seen started, and started − finished is never negative.
 *   (B) giving a row back is a release store of `claimed`, claiming it an acquire exchange: the
 *       next owner continues the counts of the last.
 *   (C) a segment pointer is stored release by an updater and loaded acquire by the owner.
 *
 * Locks: the registry lock guards the thread tables against destruction of a balancer: rows of a
 * dead balancer that a thread still has in its table become orphans and are freed by that thread.
 * It is the innermost lock; nothing is called under it and nobody waits for a grace period in it.
 */
#ifndef FO_ROW_H
#define FO_ROW_H

#include "atomic.h"

#include <stddef.h>

/* Ids of balancers are multiples of it, so that a thread's table is entered without a shift. */
#define FO__BALANCER_ID_STEP 16u

/* Of a thread's id: the process generation, then the thread's number in it. */
#define FO__THREAD_NUMBER_BITS 40

struct fo__cell {
    _Atomic uint64_t started;
    _Atomic uint64_t finished;
};

#define FO__SEGMENTS 16u /* 32 + 64 + … + 2^20 cells: more than endpoints can be */
#define FO__FIRST_SEGMENT_CELLS UINT32_C(32)

/** Where a cell is in every row. */
struct fo__cell_ref {
    uint32_t segment;
    uint32_t offset; /* in the segment, in bytes */
};

struct fo__row {
    /* What every pick and finish needs comes first, and on one line for the first 480 endpoints. */
    _Atomic uint64_t weyl;      /* low-discrepancy sequence of first samples */
    _Atomic uint64_t rng;       /* every further sample */
    _Atomic uint64_t thread_id; /* of the thread that has it at home */
    struct fo__cell *_Atomic segment[FO__SEGMENTS];

    uint64_t balancer_id;
    struct fo__row *_Atomic next; /* in the set; newest first */
    _Atomic uint32_t claimed;
    bool counts; /* has segments; false beyond the row limit */
    bool orphan; /* its balancer is gone; under the registry lock */
};

/** The rows of one balancer. */
struct fo__row_set {
    uint64_t balancer_id;
    struct fo__row *_Atomic rows;
    uint32_t capacity; /* cells that every counting row has; under the registry lock */
    uint32_t limit;    /* counting rows at most */
    uint32_t counting; /* under the registry lock */
    uint64_t seed;     /* next row's; under the registry lock */
    struct fo__row fallback;
};

/* A row *at home* stands under its balancer's id: it counts, in every segment that a published slot can
 * name, and its thread has cheap read sections. Any other row stands aside, under the complement of
 * the id, where the hot path does not find it. */
struct fo__row_entry {
    uint64_t key; /* 0: free */
    struct fo__row *row;
};

_Static_assert(sizeof(struct fo__row_entry) == FO__BALANCER_ID_STEP, "an id is an entry's offset");

/** A thread's rows: open addressing by balancer id, never full. */
struct fo__row_table {
    struct fo__row_entry *entry;
    uint64_t reach; /* offset of the last entry, in bytes: a mask for ids */
    /* Which thread, of which process generation: leases remember it, and a finish that finds its own
     * thread's in a lease may count in the lease's cell. NO_THREAD of row.c while it has no rows. */
    uint64_t thread_id;
    uint32_t used;
    bool exiting; /* its rows are given back: use fallback rows from now on */
};

extern __thread struct fo__row_table fo__thread_rows;

/** Never fails: starts without rows. */
void fo__row_set_init(struct fo__row_set *set, uint64_t balancer_id, uint32_t limit, uint64_t seed);

/** Frees or orphans all rows. No thread is in a read section that uses them. */
void fo__row_set_fini(struct fo__row_set *set);

/** Gives every counting row, and every later one, at least `capacity` cells. False: no memory. */
bool fo__row_set_grow(struct fo__row_set *set, uint32_t capacity);

/** Finds or makes the calling thread's row. Takes the registry lock; outside read sections. */
struct fo__row *fo__row_of_slow(struct fo__row_set *set);

/** Counts forks: leases of another process generation are void. */
extern uint64_t fo__process_generation;

/** In a child after fork(): begins a process generation, of which the calling thread is the first. */
void fo__row_thread_after_fork(void);

/** In a child after fork(): rows of the threads that are gone are free, and all draw anew. */
void fo__row_set_after_fork(struct fo__row_set *set, uint64_t seed);

/** Around fork(), before it and after it in both processes: the registry lock is held over it. */
void fo__row_registry_before_fork(void);
void fo__row_registry_after_fork(void);

/** The calling thread's row if it is at home under that id and found at the first look, else NULL. */
static inline struct fo__row *fo__row_at_home(uint64_t balancer_id)
{
    const char *entries = (const char *)fo__thread_rows.entry;
    const struct fo__row_entry *home =
        (const void *)(entries + (balancer_id & fo__thread_rows.reach));

    if (fo__unlikely(home->key != balancer_id))
        return NULL;
    if (home->row == NULL)
        __builtin_unreachable();
    return home->row;
}

/** The calling thread's row. Outside read sections. */
static inline struct fo__row *fo__row_of(struct fo__row_set *set)
{
    struct fo__row *row = fo__row_at_home(set->balancer_id);
    return fo__likely(row != NULL) ? row : fo__row_of_slow(set);
}

static inline uint32_t fo__segment_cells(uint32_t segment)
{
    return FO__FIRST_SEGMENT_CELLS << segment;
}

static inline struct fo__cell_ref fo__cell_ref_of(uint32_t index)
{
    struct fo__cell_ref ref;
    uint32_t shifted = index + FO__FIRST_SEGMENT_CELLS;
    uint32_t top = 31u - (uint32_t)__builtin_clz(shifted); /* ≥ 5 */

    ref.segment = top - 5;
    ref.offset = (shifted - (UINT32_C(1) << top)) * (uint32_t)sizeof(struct fo__cell);
    return ref;
}

/** The cell in a row, or NULL: use the endpoint's shared one. */
static inline struct fo__cell *fo__row_cell(struct fo__row *row, struct fo__cell_ref ref)
{
    struct fo__cell *segment = fo__load_acquire(&row->segment[ref.segment]); /* C */

    if (fo__unlikely(segment == NULL))
        return NULL;
    return (struct fo__cell *)(void *)((char *)segment + ref.offset);
}

/** The cell in a row at home, for a slot of a published snapshot: its segment is there. */
static inline struct fo__cell *fo__row_home_cell(struct fo__row *row, struct fo__cell_ref ref)
{
    struct fo__cell *segment = fo__load_acquire(&row->segment[ref.segment]); /* C */

    return (struct fo__cell *)(void *)((char *)segment + ref.offset);
}

/** The failure count beside a cell of the row. */
static inline _Atomic uint64_t *fo__row_failed(struct fo__row *row, struct fo__cell_ref ref)
{
    struct fo__cell *segment = fo__load_acquire(&row->segment[ref.segment]); /* C */
    _Atomic uint64_t *failed =
        (_Atomic uint64_t *)(void *)(segment + fo__segment_cells(ref.segment));

    return failed + ref.offset / sizeof(struct fo__cell);
}

/** Adds one to a counter that only the calling thread writes. */
static inline void fo__count(_Atomic uint64_t *counter)
{
    fo__store_relaxed(counter, fo__load_relaxed(counter) + 1);
}

/** As fo__count(), and the last touch of what the lease held (A). */
static inline void fo__count_release(_Atomic uint64_t *counter)
{
    fo__store_release(counter, fo__load_relaxed(counter) + 1);
}

/** How many rows there are. Lock-free. */
uint32_t fo__row_set_length(struct fo__row_set *set);

struct fo__counts {
    uint64_t started;
    uint64_t finished;
    uint64_t failed;
};

/** Adds up one cell over all rows, finished before started (A). Lock-free. */
struct fo__counts fo__row_set_sum(struct fo__row_set *set, struct fo__cell_ref ref);

#endif
