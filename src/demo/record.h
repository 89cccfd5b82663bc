/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that is written down during a run, for the table while it lasts and for the summary,
 * the plot and the JSON file after it.
 *
 * Times in the record are nanoseconds since the load began. Requests are counted for each server
 * in buckets of 10 ms, which is fine enough to say when traffic left a dead server, and small enough
 * to keep whole.
 */
#ifndef DEMO_RECORD_H
#define DEMO_RECORD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster.h"
#include "histogram.h"

#define BUCKET_NS UINT64_C(10000000)

/* A time that has not come. */
#define NEVER_NS UINT64_MAX

enum act {
    ACT_HEALTHY,
    ACT_KILLED,
    ACT_FROZEN,
    ACT_SLOWED,
    ACT_BACK,
    ACT_ADDED,
    ACT_REMOVED,
    ACT_LOCAL,
    ACT_LOST,
    ACT_RETURN,
    ACT_COUNT
};

struct act_record {
    const char *name;  /* "killed"; at most six letters, but for the first act */
    char label[24];    /* "s2 killed" */
    char title[40];    /* "s2 killed (SIGKILL)" */
    uint64_t begin_ns; /* NEVER_NS: was not reached */
    uint64_t end_ns;
    _Atomic uint64_t requests; /* that began in this act */
    _Atomic uint64_t retried;  /* needed more than one attempt */
    _Atomic uint64_t saved;    /* of those, answered in the end */
    _Atomic uint64_t lost;     /* not answered */
    _Atomic uint64_t savable;  /* of those, that a retry could have saved; see main.c */
    struct histogram latency;
};

/* The three kinds of trouble, and what the library made of them. */
struct fault_record {
    enum act act;
    unsigned server;
    _Atomic uint64_t begin_ns; /* NEVER_NS: was not reached */
    _Atomic uint64_t end_ns;
    _Atomic uint64_t down_ns;      /* the first `down` event */
    _Atomic uint64_t last_sent_ns; /* the last request that was sent to it before that event */
    _Atomic uint32_t trials;
};
enum { FAULT_COUNT = 3 };

struct removal_record {
    unsigned server;
    uint64_t drained_ns; /* fo_drain() returned */
    uint64_t idle_ns;    /* in-flight 0 seen */
    uint64_t removed_ns; /* fo_balancer_update() returned */
    _Atomic uint64_t released_ns;
    uint64_t stopped_ns;     /* its process has ended */
    uint64_t picks_at_drain; /* leases started when fo_drain() had returned … */
    uint64_t picks_at_idle;  /* … and when the last was finished: no more, or drain leaks */
};

/* A zone as fo_balancer_explain() sees it: the level that the zone's servers are at. */
struct zone_view {
    unsigned level;
    unsigned servers;
    unsigned healthy; /* of these, with at least half of their health */
    double share;     /* 0 … 1: the probability that the next pick lands there */
};

/* The zone acts: what the library said near the end of each, and when the near zone was lost. */
struct zone_record {
    bool looked[ACT_COUNT];
    struct zone_view views[ACT_COUNT][ZONE_COUNT];
    uint64_t lost_ns; /* NEVER_NS: was not reached */
    uint64_t back_ns;
};

struct event_record {
    uint64_t at_ns;
    const char *kind; /* static */
    char text[80];
};

struct record {
    uint64_t origin_ns; /* now_ns() when the load began */
    uint64_t end_ns;
    size_t bucket_count;
    unsigned server_count;
    bool interrupted;
    _Atomic uint32_t *sent;   /* [server][bucket]: attempts that began */
    _Atomic uint32_t *failed; /* [server][bucket]: attempts that ended badly, when they ended */
    _Atomic uint32_t *lost;   /* [bucket]: requests */
    _Atomic uint64_t *last_sent_ns; /* [server] */

    _Atomic unsigned act; /* now */
    struct act_record acts[ACT_COUNT];
    struct fault_record faults[FAULT_COUNT];
    unsigned added_server;
    uint64_t added_ns;
    struct removal_record removal;
    struct zone_record zones;

    pthread_mutex_t events_lock;
    struct event_record *events; /* under events_lock */
    size_t event_count;
    size_t event_room;
};

/* Exits the program when memory lacks. */
void record_init(struct record *record, unsigned server_count, unsigned seconds);
void record_fini(struct record *record);

/* Time since the load began. Any thread. */
uint64_t record_time_ns(const struct record *record);

/* Any thread. */
void record_sent(struct record *record, unsigned server, uint64_t at_ns);
void record_failed(struct record *record, unsigned server, uint64_t at_ns);
void record_lost(struct record *record, uint64_t at_ns);

/* Requests sent to a server, and bad ends, in the buckets from … until (until excluded). */
uint64_t record_sent_between(const struct record *record, unsigned server, uint64_t from_ns,
                             uint64_t until_ns);
uint64_t record_failed_between(const struct record *record, unsigned server, uint64_t from_ns,
                               uint64_t until_ns);
uint64_t record_lost_between(const struct record *record, uint64_t from_ns, uint64_t until_ns);
uint64_t record_all_sent_between(const struct record *record, uint64_t from_ns, uint64_t until_ns);

/* The server's part of all requests sent in that time, 0 … 1; 0 when none was sent. */
double record_share(const struct record *record, unsigned server, uint64_t from_ns,
                    uint64_t until_ns);

/* Adds a line to the story. Any thread. kind: a string that lives for ever. */
__attribute__((format(printf, 3, 4))) void record_event(struct record *record, const char *kind,
                                                        const char *format, ...);

/* Copies event `number`; false when there is none yet. Any thread. */
bool record_read_event(struct record *record, size_t number, struct event_record *event);

#endif
