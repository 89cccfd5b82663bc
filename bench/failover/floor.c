/* SPDX-License-Identifier: Apache-2.0 */
#include "floor.h"

#ifndef _LGPL_SOURCE
#define _LGPL_SOURCE /* liburcu's read side inline, as in the library */
#endif
#include <stdatomic.h>
#include <stdlib.h>
#include <urcu/urcu-bp.h>

__extension__ typedef unsigned __int128 u128;

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

struct column {
    uint32_t threshold; /* own share of the column, in 2^-32 */
    uint32_t alias;
};

struct table {
    uint32_t n;
    struct column column[];
};

struct count {
    _Atomic uint64_t started;
    _Atomic uint64_t finished;
};

struct floor {
    struct table *_Atomic table; /* published and read as a membership that changes would be */
    uint32_t number;
};

static __thread struct count *row[FLOOR_COUNT_MAX];
static __thread uint64_t weyl;

/* ---- Making it ---------------------------------------------------------------------------- */

static void *allocate(size_t size)
{
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);

    if (memory == NULL)
        abort();
    return memory;
}

/* Vose's method: each narrow column is filled up from a wide one. */
static void build_alias(const double *weights, uint32_t n, struct column *columns)
{
    double *share = allocate(n * sizeof(*share)); /* of a column's width */
    uint32_t *stack = allocate(n * sizeof(*stack));
    uint32_t narrow = 0;
    uint32_t wide = n;
    double sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += weights[i];
    for (uint32_t i = 0; i < n; i++) {
        columns[i].threshold = UINT32_MAX;
        columns[i].alias = i;
        share[i] = weights[i] * n / sum;
        if (share[i] < 1)
            stack[narrow++] = i;
        else
            stack[--wide] = i;
    }
    while (narrow > 0 && wide < n) {
        uint32_t small = stack[--narrow];
        uint32_t large = stack[wide];

        columns[small].threshold = (uint32_t)(share[small] * UINT32_MAX);
        columns[small].alias = large;
        share[large] -= 1 - share[small];
        if (share[large] < 1) {
            wide++;
            stack[narrow++] = large;
        }
    }
    free(share);
    free(stack);
}

struct floor *floor_create(const double *weights, uint32_t n)
{
    static _Atomic uint32_t made;
    struct floor *floor = allocate(sizeof(*floor));
    struct table *table = allocate(sizeof(*table) + n * sizeof(struct column));

    floor->number = atomic_fetch_add(&made, 1);
    if (floor->number >= FLOOR_COUNT_MAX)
        abort();
    table->n = n;
    build_alias(weights, n, table->column);
    atomic_init(&floor->table, table);
    return floor;
}

void floor_prepare_thread(const struct floor *floor)
{
    if (row[floor->number] != NULL)
        return;
    row[floor->number] = calloc(atomic_load(&floor->table)->n, sizeof(struct count));
    if (row[floor->number] == NULL)
        abort();
    weyl += (uint64_t)(uintptr_t)row[floor->number] * GOLDEN; /* a phase of the thread's own */
}

/* ---- What is measured --------------------------------------------------------------------- */

void floor_pick(struct floor *floor, struct floor_lease *lease)
{
    const struct table *table;
    const struct column *own;
    struct count *count;
    uint64_t x = weyl;
    uint32_t column;
    u128 scaled;

    weyl = x + GOLDEN;
    urcu_bp_read_lock();
    table = atomic_load_explicit(&floor->table, memory_order_acquire);
    scaled = (u128)x * table->n;
    column = (uint32_t)(scaled >> 64);
    own = &table->column[column];
    lease->floor = floor;
    lease->endpoint = (uint32_t)((uint64_t)scaled >> 32) < own->threshold ? column : own->alias;
    count = &row[floor->number][lease->endpoint];
    atomic_store_explicit(&count->started,
                          atomic_load_explicit(&count->started, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    urcu_bp_read_unlock();
}

void floor_finish(const struct floor_lease *lease)
{
    struct count *count = &row[lease->floor->number][lease->endpoint];

    atomic_store_explicit(&count->finished,
                          atomic_load_explicit(&count->finished, memory_order_relaxed) + 1,
                          memory_order_release);
}
