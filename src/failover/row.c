/* SPDX-License-Identifier: Apache-2.0 */
#include "row.h"

#include "rcu.h"
#include "rng.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The id of a thread without rows: no lease's, where it is a thread's or has the number 0. */
#define NO_THREAD UINT64_MAX

/* Entries of a thread's table, 16 KiB: with fewer it grows when two rows want one place. */
#define ROOM_MAX 1024u

static struct fo__row_entry no_entry[1];
__thread struct fo__row_table fo__thread_rows = {no_entry, 0, NO_THREAD, 0, false};
uint64_t fo__process_generation;

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;
static bool exit_key_made;

/* ---- Rows -------------------------------------------------------------------------------- */

static void free_segments(struct fo__row *row)
{
    for (uint32_t i = 0; i < FO__SEGMENTS; i++) {
        free(fo__load_relaxed(&row->segment[i]));
        fo__store_relaxed(&row->segment[i], NULL);
    }
}

static void free_row(struct fo__row *row)
{
    free_segments(row);
    free(row);
}

static void seed_row(struct fo__row *row, uint64_t seed)
{
    fo__store_relaxed(&row->weyl, fo__rng_mix(seed));
    fo__store_relaxed(&row->rng, fo__rng_mix(seed + 1));
}

/* Segments up to `capacity` cells; those that were made stay when a later one cannot be had. */
static bool grow_row(struct fo__row *row, uint32_t capacity)
{
    uint32_t cells = 0;

    for (uint32_t i = 0; i < FO__SEGMENTS && cells < capacity; i++) {
        uint32_t count = fo__segment_cells(i);

        cells += count;
        if (fo__load_relaxed(&row->segment[i]) == NULL) {
            void *segment = calloc(count, sizeof(struct fo__cell) + sizeof(uint64_t));
            if (segment == NULL)
                return false;
            fo__store_release(&row->segment[i], (struct fo__cell *)segment); /* C */
        }
    }
    return true;
}

/** A free row that counts, or any free row. Caller holds the registry lock. */
static struct fo__row *claim_row(struct fo__row_set *set, bool counts)
{
    for (struct fo__row *row = fo__load_acquire(&set->rows); row != NULL;
         row = fo__load_relaxed(&row->next)) {
        if (row->counts == counts && fo__load_relaxed(&row->claimed) == 0 &&
            fo__exchange_acq_rel(&row->claimed, 1) == 0) /* B */
            return row;
    }
    return NULL;
}

/** NULL when out of memory. Caller holds the registry lock. */
static struct fo__row *make_row(struct fo__row_set *set, bool counts)
{
    struct fo__row *row = aligned_alloc(FO__CACHE_LINE, (sizeof(*row) + FO__CACHE_LINE - 1) /
                                                            FO__CACHE_LINE * FO__CACHE_LINE);

    if (row == NULL)
        return NULL;
    memset(row, 0, sizeof(*row));
    row->balancer_id = set->balancer_id;
    row->counts = counts;
    atomic_init(&row->claimed, 1);
    if (counts && !grow_row(row, set->capacity)) {
        free_row(row);
        return NULL;
    }
    set->seed += FO__GOLDEN;
    seed_row(row, set->seed);
    set->counting += counts ? 1 : 0;
    fo__store_relaxed(&row->next, fo__load_relaxed(&set->rows));
    fo__store_release(&set->rows, row);
    return row;
}

/** Caller holds the registry lock. */
static struct fo__row *acquire_row(struct fo__row_set *set)
{
    struct fo__row *row = claim_row(set, true);

    if (row == NULL && set->counting < set->limit)
        row = make_row(set, true);
    if (row == NULL)
        row = claim_row(set, false);
    return row != NULL ? row : make_row(set, false);
}

/* ---- A thread's table -------------------------------------------------------------------- */

static uint64_t last_entry(const struct fo__row_table *table)
{
    return table->reach / sizeof(struct fo__row_entry);
}

/** False: another row stands at the key's first place, where alone the hot path looks. */
static bool put_entry(struct fo__row_entry *entries, uint64_t mask, uint64_t key,
                      struct fo__row *row)
{
    uint64_t first = key / sizeof(struct fo__row_entry) & mask;
    uint64_t at = first;

    while (entries[at].key != 0)
        at = (at + 1) & mask;
    entries[at].key = key;
    entries[at].row = row;
    return at == first;
}

static bool lives(const struct fo__row_entry *entry)
{
    return entry->key != 0 && !entry->row->orphan;
}

static bool is_at_home(const struct fo__row_entry *entry)
{
    return entry->key == entry->row->balancer_id;
}

/** Copies the living, those at home first. False: one of these has found its first place taken. */
static bool copy_living(const struct fo__row_table *table, struct fo__row_entry *entries,
                        uint64_t mask)
{
    bool found = true;

    for (int aside = 0; aside <= 1; aside++) {
        for (uint64_t i = 0; i <= last_entry(table); i++) {
            const struct fo__row_entry *old = &table->entry[i];

            if (lives(old) && is_at_home(old) == (aside == 0))
                found = (put_entry(entries, mask, old->key, old->row) || aside != 0) && found;
        }
    }
    return found;
}

/**
 * The living in a table that they fill by a quarter at most, and less when one finds its first place
 * taken. Balancers that were made one after the other have places one after the other; but of three
 * from anywhere two meet in a table of 16 with 18 %, and a pick that does not find its row at the first
 * look takes more than twice as long. Caller holds the registry lock. NULL: no memory.
 */
static struct fo__row_entry *make_entries(const struct fo__row_table *table, uint64_t living,
                                          uint64_t *capacity)
{
    struct fo__row_entry *entries = NULL;

    *capacity = 8;
    while ((living + 1) * 4 > *capacity)
        *capacity *= 2;
    for (;; *capacity *= 2) {
        struct fo__row_entry *larger = calloc(*capacity, sizeof(*larger));

        if (larger == NULL) {
            *capacity /= 2; /* of the one before, if there is one */
            return entries;
        }
        free(entries);
        entries = larger;
        if (copy_living(table, entries, *capacity - 1) || *capacity >= ROOM_MAX)
            return entries;
    }
}

/** Makes a new table without the orphans. Caller holds the registry lock. */
static bool renew_table(struct fo__row_table *table)
{
    uint32_t living = 0;
    uint64_t capacity;
    struct fo__row_entry *entries;

    for (uint64_t i = 0; i <= last_entry(table); i++)
        living += lives(&table->entry[i]) ? 1 : 0;
    entries = make_entries(table, living, &capacity);
    if (entries == NULL)
        return false;
    for (uint64_t i = 0; i <= last_entry(table); i++)
        if (table->entry[i].key != 0 && table->entry[i].row->orphan)
            free_row(table->entry[i].row);
    if (table->entry != no_entry)
        free(table->entry);
    table->entry = entries;
    table->reach = (capacity - 1) * sizeof(*entries);
    table->used = living;
    return true;
}

/** Runs at a thread's exit: gives every row back, keeping its counts for the next owner. */
static void give_rows_back(void *arg)
{
    struct fo__row_table *table = &fo__thread_rows;

    (void)arg;
    pthread_mutex_lock(&registry_lock);
    for (uint64_t i = 0; i <= last_entry(table); i++) {
        struct fo__row *row = table->entry[i].row;

        if (table->entry[i].key == 0)
            continue;
        if (row->orphan) {
            free_row(row);
        } else {
            fo__store_release(&row->claimed, 0); /* B */
        }
    }
    pthread_mutex_unlock(&registry_lock);
    if (table->entry != no_entry)
        free(table->entry);
    table->entry = no_entry;
    table->reach = 0;
    table->used = 0;
    table->exiting = true;
    table->thread_id = NO_THREAD; /* open leases of the thread no longer count in its cells */
}

static void make_exit_key(void)
{
    exit_key_made = pthread_key_create(&exit_key, give_rows_back) == 0;
}

static struct fo__row *find_entry(const struct fo__row_table *table, uint64_t key)
{
    uint64_t mask = last_entry(table);
    uint64_t at = key / sizeof(struct fo__row_entry) & mask;

    for (; table->entry[at].key != 0; at = (at + 1) & mask)
        if (table->entry[at].key == key)
            return table->entry[at].row;
    return NULL;
}

/** Never reused. Caller holds the registry lock. */
static uint64_t new_thread_id(void)
{
    static uint64_t last_number;
    return fo__process_generation << FO__THREAD_NUMBER_BITS | ++last_number;
}

/** Enters a row that was just claimed. Caller holds the registry lock; there is room. */
static void take_home(struct fo__row_table *table, struct fo__row *row)
{
    bool at_home = row->counts && fo__rcu_is_cheap();
    uint64_t key = at_home ? row->balancer_id : ~row->balancer_id;
    bool found;

    if (table->thread_id == NO_THREAD)
        table->thread_id = new_thread_id();
    fo__store_relaxed(&row->thread_id, table->thread_id);
    found = put_entry(table->entry, last_entry(table), key, row);
    table->used++;
    if (at_home && !found && last_entry(table) + 1 < ROOM_MAX)
        (void)renew_table(table); /* without memory it is found at a later look */
}

struct fo__row *fo__row_of_slow(struct fo__row_set *set)
{
    struct fo__row_table *table = &fo__thread_rows;
    struct fo__row *row = find_entry(table, set->balancer_id);

    if (row == NULL)
        row = find_entry(table, ~set->balancer_id);
    if (row != NULL)
        return row;
    pthread_once(&exit_key_once, make_exit_key);
    if (table->exiting || !exit_key_made || pthread_setspecific(exit_key, table) != 0)
        return &set->fallback;
    pthread_mutex_lock(&registry_lock);
    if ((table->used + 1) * 2 <= last_entry(table) + 1 || renew_table(table)) {
        row = acquire_row(set);
        if (row != NULL)
            take_home(table, row);
    }
    pthread_mutex_unlock(&registry_lock);
    return row != NULL ? row : &set->fallback;
}

/* ---- A balancer's set -------------------------------------------------------------------- */

void fo__row_set_init(struct fo__row_set *set, uint64_t balancer_id, uint32_t limit, uint64_t seed)
{
    memset(set, 0, sizeof(*set));
    set->balancer_id = balancer_id;
    set->limit = limit;
    set->seed = seed;
    set->fallback.balancer_id = balancer_id;
    seed_row(&set->fallback, seed);
}

bool fo__row_set_grow(struct fo__row_set *set, uint32_t capacity)
{
    bool grown = true;

    pthread_mutex_lock(&registry_lock);
    for (struct fo__row *row = fo__load_acquire(&set->rows); row != NULL && grown;
         row = fo__load_relaxed(&row->next))
        if (row->counts)
            grown = grow_row(row, capacity);
    if (grown && capacity > set->capacity)
        set->capacity = capacity;
    pthread_mutex_unlock(&registry_lock);
    return grown;
}

void fo__row_set_fini(struct fo__row_set *set)
{
    struct fo__row *row;

    pthread_mutex_lock(&registry_lock);
    row = fo__load_acquire(&set->rows);
    while (row != NULL) {
        struct fo__row *next = fo__load_relaxed(&row->next);

        if (fo__load_relaxed(&row->claimed) == 0) {
            free_row(row);
        } else {
            free_segments(row);
            row->orphan = true;
        }
        row = next;
    }
    pthread_mutex_unlock(&registry_lock);
}

struct fo__counts fo__row_set_sum(struct fo__row_set *set, struct fo__cell_ref ref)
{
    struct fo__counts sum = {0, 0, 0};
    struct fo__row *rows = fo__load_acquire(&set->rows);

    for (struct fo__row *row = rows; row != NULL; row = fo__load_relaxed(&row->next)) {
        struct fo__cell *cell = fo__row_cell(row, ref);
        if (cell != NULL) {
            sum.finished += fo__load_acquire(&cell->finished); /* A */
            sum.failed += fo__load_relaxed(fo__row_failed(row, ref));
        }
    }
    /* From the head again: a lease seen finished may have been started in a newer row. */
    for (struct fo__row *row = fo__load_acquire(&set->rows); row != NULL;
         row = fo__load_relaxed(&row->next)) {
        struct fo__cell *cell = fo__row_cell(row, ref);
        if (cell != NULL)
            sum.started += fo__load_relaxed(&cell->started);
    }
    return sum;
}

uint32_t fo__row_set_length(struct fo__row_set *set)
{
    uint32_t length = 0;

    for (struct fo__row *row = fo__load_acquire(&set->rows); row != NULL;
         row = fo__load_relaxed(&row->next))
        length++;
    return length;
}

/* ---- fork() ------------------------------------------------------------------------------ */

static bool is_in_my_table(const struct fo__row *row)
{
    const struct fo__row_table *table = &fo__thread_rows;

    for (uint64_t i = 0; i <= last_entry(table); i++)
        if (table->entry[i].key != 0 && table->entry[i].row == row)
            return true;
    return false;
}

void fo__row_thread_after_fork(void)
{
    struct fo__row_table *table = &fo__thread_rows;

    pthread_mutex_lock(&registry_lock);
    fo__process_generation++;
    if (table->thread_id != NO_THREAD)
        table->thread_id = new_thread_id();
    for (uint64_t i = 0; i <= last_entry(table); i++)
        if (table->entry[i].key != 0)
            fo__store_relaxed(&table->entry[i].row->thread_id, table->thread_id);
    pthread_mutex_unlock(&registry_lock);
}

void fo__row_set_after_fork(struct fo__row_set *set, uint64_t seed)
{
    for (struct fo__row *row = fo__load_acquire(&set->rows); row != NULL;
         row = fo__load_relaxed(&row->next)) {
        if (!is_in_my_table(row))
            fo__store_release(&row->claimed, 0);
        seed += FO__GOLDEN;
        seed_row(row, seed);
    }
    set->seed = seed + FO__GOLDEN;
    seed_row(&set->fallback, set->seed);
}

void fo__row_registry_before_fork(void)
{
    pthread_mutex_lock(&registry_lock);
}

void fo__row_registry_after_fork(void)
{
    pthread_mutex_unlock(&registry_lock);
}
