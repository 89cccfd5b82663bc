/* SPDX-License-Identifier: Apache-2.0
 *
 * The listener runs on the library's own thread, one event at a time.
 */
#define _GNU_SOURCE /* sem_clockwait() */
#include "observer.h"

#include <errno.h>
#include <error.h>
#include <time.h>

#include <failover/failover.h>

#include "cluster.h"
#include "options.h"

/* Every request ends long before this; only a lost event is waited for so long. */
enum { CLOSED_WITHIN_S = 10 };

static struct fault_record *open_fault(struct record *record, unsigned server)
{
    for (int i = 0; i < FAULT_COUNT; i++) {
        struct fault_record *fault = &record->faults[i];

        if (fault->server == server && fault->begin_ns != NEVER_NS && fault->end_ns == NEVER_NS)
            return fault;
    }
    return NULL;
}

/* When the library first gave up on a server in trouble, and what it was sent until then. */
static void note_down(struct record *record, unsigned server)
{
    struct fault_record *fault = open_fault(record, server);

    if (fault == NULL || atomic_load(&fault->down_ns) != NEVER_NS)
        return;
    atomic_store(&fault->last_sent_ns, atomic_load(&record->last_sent_ns[server]));
    atomic_store(&fault->down_ns, record_time_ns(record));
}

static void note_trial(struct record *record, unsigned server)
{
    struct fault_record *fault = open_fault(record, server);

    if (fault != NULL)
        atomic_fetch_add(&fault->trials, 1);
}

/* No lease on the server is open and none will be: its connections belong to this thread now. */
static void note_released(struct record *record, struct server *server)
{
    server_close_connections(server);
    atomic_fetch_add(&server->released, 1);
    if (server->index == record->removal.server)
        atomic_store(&record->removal.released_ns, record_time_ns(record));
}

static const char *kind_word(fo_event_kind kind)
{
    switch (kind) {
    case FO_EVENT_DOWN: return "DOWN";
    case FO_EVENT_TRIAL: return "TRIAL";
    case FO_EVENT_RECOVERED: return "RECOVERED";
    case FO_EVENT_ADDED: return "ADDED";
    case FO_EVENT_UPDATED: return "UPDATED";
    case FO_EVENT_REMOVED: return "REMOVED";
    case FO_EVENT_RELEASED: return "RELEASED";
    case FO_EVENT_EXHAUSTED: return "EXHAUSTED";
    case FO_EVENT_AVAILABLE: return "AVAILABLE";
    default: return "CLOSED";
    }
}

static void tell(struct record *record, const struct fo_event *event)
{
    const char *word = kind_word(event->kind);

    if (event->reason == FO_REASON_NONE)
        record_event(record, word, "%s", event->endpoint);
    else if (event->missed == 0)
        record_event(record, word, "%s  %s", event->endpoint, fo_reason_name(event->reason));
    else
        record_event(record, word, "%s  %s, after %u changes more", event->endpoint,
                     fo_reason_name(event->reason), event->missed);
}

static void listen_to(const struct fo_event *event, void *arg)
{
    struct observer *observer = arg;
    struct server *server = event->data;

    tell(observer->record, event);
    if (event->kind == FO_EVENT_DOWN)
        note_down(observer->record, server->index);
    else if (event->kind == FO_EVENT_TRIAL)
        note_trial(observer->record, server->index);
    else if (event->kind == FO_EVENT_RELEASED)
        note_released(observer->record, server);
    else if (event->kind == FO_EVENT_CLOSED)
        sem_post(&observer->closed);
}

void observer_start(struct observer *observer, struct record *record, struct fo_balancer *balancer)
{
    fo_status status;

    observer->record = record;
    sem_init(&observer->closed, 0, 0);
    status = fo_subscribe(balancer, FO_EVENT_ALL, listen_to, observer, NULL);
    if (status != FO_OK)
        error(EXIT_TROUBLE, 0, "fo_subscribe: %s", fo_status_name(status));
}

void observer_finish(struct observer *observer)
{
    struct timespec until;
    int result;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += CLOSED_WITHIN_S;
    do {
        result = sem_clockwait(&observer->closed, CLOCK_MONOTONIC, &until);
    } while (result != 0 && errno == EINTR);
    if (result != 0)
        error(EXIT_TROUBLE, 0, "the library did not close within %d s", CLOSED_WITHIN_S);
    sem_destroy(&observer->closed);
}
