/* SPDX-License-Identifier: Apache-2.0
 *
 * The load: client threads that send one request after the other through the library.
 *
 * This is the part to read for how the library is used:
 *
 *     fo_pick_with ─► connect if need be, send, wait ─► fo_finish ─┬─► answered: done
 *          ▲                                                       │
 *          └───── not on the servers already tried ◄───────────────┘ up to two more times,
 *                                                                    while the deadline lasts
 *
 * When a whole zone is lost, every server in it looks well until somebody has asked it. A request whose
 * first two attempts failed in the near zone therefore leaves that zone with its last one.
 */
#ifndef DEMO_CLIENT_H
#define DEMO_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cluster.h"
#include "record.h"

struct fo_balancer;

/* One attempt and two retries. Three attempts that all run out of time still fit the request. */
#define ATTEMPTS_MOST 3
#define ATTEMPT_MS 75
#define REQUEST_MS 250

struct load;

struct client {
    struct load *load;
    unsigned number; /* its slot in struct server's connections */
    uint64_t dice;
    uint64_t last_id;
    pthread_t thread;
};

struct load {
    struct fo_balancer *balancer;
    struct cluster *cluster;
    struct record *record;
    unsigned thread_count;
    _Atomic bool stopping;
    struct client clients[THREADS_MOST];
};

/* Starts the threads; the first five members are set. Exits the program when the system refuses. */
void load_start(struct load *load, uint64_t seed);

/* Lets every thread end its request and waits for it. */
void load_stop(struct load *load);

#endif
