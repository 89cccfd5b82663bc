/* SPDX-License-Identifier: Apache-2.0
 *
 * Fixture: a balancer on virtual time, with a recorder of its events.
 *
 *     struct fixture f;
 *     fixture_init(&f);                       clock at 1 s, a runtime that we drive
 *     fixture_balancer(&f, NULL);             seed 1, weights that only fixture_set_weight() moves
 *     fixture_add(&f, 3, NULL);               e0 e1 e2 of weight 100, data = fixture_data(0 … 2)
 *     fixture_set_weight(&f, "e1", 30);       exactly 30 of 100
 *     fixture_advance_ms(&f, 1200);           moves the clock, dispatches until nothing is left
 *     fixture_story(&f)                       "added e0, added e1, added e2"
 *     fixture_destroy(&f);                    and checks that everything was released once
 *
 * Nothing here sleeps or reads a real clock. Mistakes of the test, and broken promises of the
 * library that every test relies on, are asserts; so a plain program may use it as well as a
 * Criterion test.
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <failover/failover.h>
#include <stdatomic.h>

/* Balancers that one fixture looks after at a time. */
#define FIXTURE_BALANCERS 8

struct fixture_ear;

/** A copy of an event that outlives the listener's call. */
struct fixture_event {
    size_t opened; /* which balancer, counted from 1; 0: heard by fixture_record() */
    fo_event_kind kind;
    char balancer[32];
    char endpoint[FO_NAME_MAX + 1];
    uint64_t endpoint_id;
    void *data;
    fo_state old_state;
    fo_state new_state;
    fo_reason reason;
    double health;
    uint32_t missed;
    double old_weight;
    double new_weight;
};

/* What a fixture records: all that has an endpoint, and `closed`. */
#define FIXTURE_EVENTS (FO_EVENT_ALL & ~(FO_EVENT_EXHAUSTED | FO_EVENT_AVAILABLE))

struct fixture {
    _Atomic uint64_t now_ns;
    _Atomic double wanted_weight; /* what an outcome sets; NaN: outcomes move nothing */
    struct fo_runtime *runtime;
    struct fo_balancer *balancer;                     /* the first one made, while it is open */
    struct fo_balancer *balancers[FIXTURE_BALANCERS]; /* still to be destroyed */
    size_t balancer_count;
    struct fixture_ear *ears; /* one for each balancer ever made */
    size_t opened_count;      /* of those: as many `closed` events are due */

    struct fixture_event *events; /* all, oldest first */
    size_t event_count;
    size_t event_capacity;
    size_t told_count; /* of those, told by fixture_story() */
    char *story;
};

/* ---- Life -------------------------------------------------------------------------------- */

/** A clock at one second and a runtime on it; no balancer yet. Pair with fixture_destroy(). */
void fixture_init(struct fixture *f);

/** A configuration on the fixture's runtime: name "b", seed 1, weights by fixture_set_weight(). */
struct fo_config fixture_config(struct fixture *f);

/** Makes a balancer (config NULL: fixture_config()) whose events are recorded; never NULL. */
struct fo_balancer *fixture_balancer(struct fixture *f, const struct fo_config *config);

/** All of the above at once, and e0 … e(n−1) of those weights (NULL: 100 each). */
void fixture_open(struct fixture *f, size_t n, const double *weights);

/** As fixture_open(), but outcomes move the weights (100 each) by this function. */
void fixture_open_weighed(struct fixture *f, struct fo_weight_function weight, size_t n);

/** As fixture_open_weighed(), with e0 only, of these weights. */
void fixture_open_one(struct fixture *f, struct fo_weight_function weight, double max_weight,
                      double min_weight);

/** Destroys one balancer early; its leases may still be open. */
void fixture_close(struct fixture *f, struct fo_balancer *balancer);

/**
 * Destroys what is left, dispatches until idle, and checks: `closed` once for each balancer, every
 * incarnation ever heard of released exactly once, with its own data, and the runtime unused.
 * Every lease has been finished.
 */
void fixture_destroy(struct fixture *f);

/* ---- Endpoints --------------------------------------------------------------------------- */

/** The name of endpoint i, "e0" … Valid until eight more calls on this thread. */
const char *fixture_name(size_t i);

/** The data of endpoint i, and back. */
void *fixture_data(size_t i);
size_t fixture_index(const struct fo_endpoint *endpoint);

/** The configuration of an endpoint of that weight and data. */
struct fo_endpoint_config fixture_upsert(const char *name, double max_weight, void *data);

/** Adds e0 … e(n−1) to f->balancer in one update; weights NULL: 100 each. */
void fixture_add(struct fixture *f, size_t n, const double *weights);

/** As fixture_add(), on any balancer, and with tags (NULL: none). */
void fixture_add_to(struct fo_balancer *balancer, size_t n, const double *weights,
                    const uint64_t *tags);

/** The status of an endpoint of f->balancer, which exists. */
struct fo_endpoint_info fixture_info(struct fixture *f, const char *name);

/** The id of an endpoint of f->balancer, which exists. */
uint64_t fixture_id(struct fixture *f, const char *name);

/** Sets the live weight exactly, by one reported outcome; the host is up. 0 takes it down. */
void fixture_set_weight(struct fixture *f, const char *name, double live_weight);

/** The custom weight functions behind it: arg is the fixture. */
struct fo_weight_function fixture_weights(struct fixture *f);

/** Picks on f->balancer and finishes with that outcome; the index of what was picked. */
size_t fixture_pick_and_finish(struct fixture *f, fo_outcome outcome);

/** Picks and finishes (neutral) so many times, adding one to counts[index] each time. */
void fixture_count(struct fixture *f, uint64_t picks, uint64_t *counts);

/* ---- Time and events --------------------------------------------------------------------- */

/** Dispatches until nothing is due; returns the number of events delivered. */
size_t fixture_dispatch(struct fixture *f);

/** Moves the clock from timer to timer up to `ms` later, dispatching at each. */
void fixture_advance_ms(struct fixture *f, uint64_t ms);

/**
 * What was heard since the last call, in order: "added e0, down e0 (no health), closed". A change
 * of state has its reason in brackets. Valid until the next call.
 */
const char *fixture_story(struct fixture *f);

/** How many events of a kind were heard so far; name NULL: of any endpoint. */
size_t fixture_heard(const struct fixture *f, fo_event_kind kind, const char *name);

/** The last event of a kind about that name, or NULL. */
const struct fixture_event *fixture_last(const struct fixture *f, fo_event_kind kind,
                                         const char *name);

/** The recorder and the clock, for balancers and runtimes of a test's own. arg is the fixture. */
void fixture_record(const struct fo_event *event, void *arg);
uint64_t fixture_clock(void *arg);

#endif
