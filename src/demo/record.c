/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting and remembering; see record.h.
 */
#include "record.h"

#include <errno.h>
#include <error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "now.h"
#include "options.h"

/* Requests that are under way when the last act ends still have to be counted. */
enum { EXTRA_BUCKETS = 200 };

static void *must_allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL)
        error(EXIT_TROUBLE, errno, "cannot keep the record of the run");
    return memory;
}

void record_init(struct record *record, unsigned server_count, unsigned seconds)
{
    memset(record, 0, sizeof(*record));
    record->server_count = server_count;
    record->bucket_count = seconds * (size_t)(NS_PER_S / BUCKET_NS) + EXTRA_BUCKETS;
    record->sent = must_allocate(server_count * record->bucket_count, sizeof(*record->sent));
    record->failed = must_allocate(server_count * record->bucket_count, sizeof(*record->failed));
    record->lost = must_allocate(record->bucket_count, sizeof(*record->lost));
    record->last_sent_ns = must_allocate(server_count, sizeof(*record->last_sent_ns));
    record->added_ns = NEVER_NS;
    record->removal.drained_ns = NEVER_NS;
    record->removal.idle_ns = NEVER_NS;
    record->removal.removed_ns = NEVER_NS;
    record->removal.released_ns = NEVER_NS;
    record->removal.stopped_ns = NEVER_NS;
    record->zones.lost_ns = NEVER_NS;
    record->zones.back_ns = NEVER_NS;
    for (int i = 0; i < ACT_COUNT; i++)
        record->acts[i].begin_ns = NEVER_NS;
    for (int i = 0; i < FAULT_COUNT; i++) {
        record->faults[i].begin_ns = NEVER_NS;
        record->faults[i].end_ns = NEVER_NS;
        record->faults[i].down_ns = NEVER_NS;
        record->faults[i].last_sent_ns = NEVER_NS;
    }
    pthread_mutex_init(&record->events_lock, NULL);
    record->origin_ns = now_ns();
}

void record_fini(struct record *record)
{
    pthread_mutex_destroy(&record->events_lock);
    free(record->events);
    free((void *)record->last_sent_ns);
    free((void *)record->lost);
    free((void *)record->failed);
    free((void *)record->sent);
}

uint64_t record_time_ns(const struct record *record)
{
    return now_ns() - record->origin_ns;
}

static size_t bucket_of(const struct record *record, uint64_t at_ns)
{
    uint64_t bucket = at_ns / BUCKET_NS;

    return bucket < record->bucket_count ? (size_t)bucket : record->bucket_count - 1;
}

static size_t cell_of(const struct record *record, unsigned server, uint64_t at_ns)
{
    return server * record->bucket_count + bucket_of(record, at_ns);
}

void record_sent(struct record *record, unsigned server, uint64_t at_ns)
{
    atomic_fetch_add(&record->sent[cell_of(record, server, at_ns)], 1);
    atomic_store(&record->last_sent_ns[server], at_ns);
}

void record_failed(struct record *record, unsigned server, uint64_t at_ns)
{
    atomic_fetch_add(&record->failed[cell_of(record, server, at_ns)], 1);
}

void record_lost(struct record *record, uint64_t at_ns)
{
    atomic_fetch_add(&record->lost[bucket_of(record, at_ns)], 1);
}

static uint64_t sum_between(const struct record *record, const _Atomic uint32_t *row,
                            uint64_t from_ns, uint64_t until_ns)
{
    size_t until = bucket_of(record, until_ns);
    uint64_t sum = 0;

    for (size_t i = bucket_of(record, from_ns); i < until; i++)
        sum += atomic_load(&row[i]);
    return sum;
}

uint64_t record_sent_between(const struct record *record, unsigned server, uint64_t from_ns,
                             uint64_t until_ns)
{
    return sum_between(record, record->sent + server * record->bucket_count, from_ns, until_ns);
}

uint64_t record_failed_between(const struct record *record, unsigned server, uint64_t from_ns,
                               uint64_t until_ns)
{
    return sum_between(record, record->failed + server * record->bucket_count, from_ns, until_ns);
}

uint64_t record_lost_between(const struct record *record, uint64_t from_ns, uint64_t until_ns)
{
    return sum_between(record, record->lost, from_ns, until_ns);
}

uint64_t record_all_sent_between(const struct record *record, uint64_t from_ns, uint64_t until_ns)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < record->server_count; i++)
        sum += record_sent_between(record, i, from_ns, until_ns);
    return sum;
}

double record_share(const struct record *record, unsigned server, uint64_t from_ns,
                    uint64_t until_ns)
{
    uint64_t all = record_all_sent_between(record, from_ns, until_ns);

    if (all == 0)
        return 0;
    return (double)record_sent_between(record, server, from_ns, until_ns) / (double)all;
}

static struct event_record *new_event_locked(struct record *record)
{
    if (record->event_count == record->event_room) {
        size_t room = record->event_room == 0 ? 64 : 2 * record->event_room;
        struct event_record *events = realloc(record->events, room * sizeof(*events));

        if (events == NULL)
            error(EXIT_TROUBLE, errno, "cannot keep the record of the run");
        record->events = events;
        record->event_room = room;
    }
    return &record->events[record->event_count++];
}

void record_event(struct record *record, const char *kind, const char *format, ...)
{
    struct event_record *event;
    va_list arguments;

    pthread_mutex_lock(&record->events_lock);
    event = new_event_locked(record);
    event->at_ns = record_time_ns(record);
    event->kind = kind;
    va_start(arguments, format);
    vsnprintf(event->text, sizeof(event->text), format, arguments);
    va_end(arguments);
    pthread_mutex_unlock(&record->events_lock);
}

bool record_read_event(struct record *record, size_t number, struct event_record *event)
{
    bool there;

    pthread_mutex_lock(&record->events_lock);
    there = number < record->event_count;
    if (there)
        *event = record->events[number];
    pthread_mutex_unlock(&record->events_lock);
    return there;
}
