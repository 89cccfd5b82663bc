/* SPDX-License-Identifier: Apache-2.0
 *
 * What the stress programs share: options, a ledger of leases and incarnations, a place where
 * threads hand leases over, and a look at a balancer's sums.
 *
 *     program --threads T --seconds S --seed X
 *
 * The ledger is the oracle. An endpoint's `data` is a stress_data, and everything that happens to
 * one incarnation of it (a *tenure*: one id) is counted there by the threads themselves, with
 * relaxed atomics only: the ledger must not order what the library has to order, or
 * ThreadSanitizer would see nothing.
 *
 *     born by an update ─► picked, finished ─► removed ─► released, once, with no lease open
 *                              (taken back ◄─────┘)
 */
#ifndef STRESS_H
#define STRESS_H

#include "core.h"

#include <failover/failover.h>
#include <pthread.h>
#include <stdatomic.h>

/* ---- A run ------------------------------------------------------------------------------- */

struct stress {
    unsigned threads;
    unsigned seconds;
    uint64_t seed;
};

/** The options of the command line; ends the program on one that is unknown. */
struct stress stress_begin(int argc, char **argv);

/** Whether the time is over. Cheap enough for every step. */
bool stress_is_over(void);

/** Prints what went wrong and ends the program with 1, unless `holds`. */
void stress_check(bool holds, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Called by stress_check() when something does not hold, before the end; NULL: nothing to add. */
extern void (*stress_failed)(void);

/** A reproducible random number below a bound, from a thread's own state. */
uint32_t stress_random(uint64_t *state, uint32_t bound);

pthread_t stress_start(void *(*body)(void *), void *arg);
void stress_join(pthread_t thread);

/* ---- The ledger -------------------------------------------------------------------------- */

#define STRESS_TENURES 8

/** One incarnation: all that the threads know about one endpoint id. */
struct stress_tenure {
    _Atomic uint64_t id; /* 0: unused */
    _Atomic uint64_t picked;
    _Atomic uint64_t finished;
    _Atomic uint64_t failed;
    _Atomic int64_t open;
    _Atomic uint64_t gone; /* time of the ledger when its removal had returned; 0: may be picked */
    _Atomic uint32_t born;
    _Atomic uint32_t released;
    _Atomic bool told; /* between `added` and `removed` */
};

/** The user's data of an endpoint. Kept until stress_ledger_close(). */
struct stress_data {
    struct stress_data *next;
    char name[32];
    struct stress_tenure tenure[STRESS_TENURES];
};

struct stress_data *stress_data_new(const char *name);

/** Whether it may be given to another update: not every tenure is used up. */
bool stress_data_is_fresh(struct stress_data *data);

/** The tenure of that id; a new one when it was never seen. */
struct stress_tenure *stress_tenure_of(struct stress_data *data, uint64_t id);

/** An update that adds this data is about to begin: it may be picked from now on. */
void stress_joins(struct stress_data *data);

/** Enters what an update did. `data_of` finds the data that a name had before and has now. */
typedef struct stress_data *(*stress_data_of)(const char *name, void *arg);
void stress_updated(const struct fo_update_result *result, stress_data_of before,
                    stress_data_of after, void *arg);

/** The id left the membership, and the call that removed it has returned. */
void stress_left(struct stress_data *data, uint64_t id);

/** A listener that checks order and number of events; `arg`: a counter of `closed`. */
void stress_hear(const struct fo_event *event, void *arg);

/** Checks that every incarnation was released and every lease is finished; frees all data. Returns
 * the number of incarnations. */
uint64_t stress_ledger_close(void);

/* ---- Leases ------------------------------------------------------------------------------ */

struct stress_lease {
    struct fo_lease lease;
    struct stress_tenure *tenure;
};

/** Picks and enters the lease in the ledger. */
fo_status stress_pick(struct fo_balancer *balancer, const struct fo_pick_options *options,
                      struct stress_lease *lease);

/** Picks up to n ≤ STRESS_MANY at once, and notes each. */
#define STRESS_MANY 24
fo_status stress_pick_many(struct fo_balancer *balancer, size_t n, struct stress_lease *leases,
                           size_t *got);

/** Enters the end of the lease in the ledger and finishes it. */
void stress_finish(struct stress_lease *lease, fo_outcome outcome);

#define STRESS_POOL 64

/** Where threads leave leases for others. */
struct stress_pool {
    pthread_mutex_t lock;
    unsigned count;
    struct stress_lease lease[STRESS_POOL];
};

void stress_pool_init(struct stress_pool *pool);

/** Leaves a lease and takes another one at random. False: there was room, and nothing to take. */
bool stress_pool_swap(struct stress_pool *pool, uint64_t *random, struct stress_lease *lease);

/** Takes any lease. False: there is none. */
bool stress_pool_take(struct stress_pool *pool, struct stress_lease *lease);

/** Finishes all that is left. */
void stress_pool_drain(struct stress_pool *pool);

/* ---- A look inside, while nothing moves --------------------------------------------------- */

/** Waits for the thread that dispatches the balancer's runtime to do what is queued. */
void stress_wait_until_idle(struct fo_balancer *balancer);

/**
 * Checks the sums of a balancer: every node is the sum of its children, every contribution is what
 * its host is worth. In a shared group another balancer may have moved health since (snapshot.h):
 * there a contribution must be 0 exactly when the host is worth nothing.
 */
void stress_check_sums(struct fo_balancer *balancer);

/** Checks that started == finished == what the ledger counted, for each member. With `reports` the
 * library may have counted more. */
void stress_check_counts(struct fo_balancer *balancer, bool reports);

#endif
