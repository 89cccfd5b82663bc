/* SPDX-License-Identifier: Apache-2.0
 *
 * The demonstration's view of its servers, and its truth about them.
 *
 * The library is told nothing of what is here but names, zones and the `data` pointer: it learns from the
 * outcomes of requests alone. The truth is for judging afterwards: was a server in good order
 * during the whole of a request that was lost?
 *
 * Zones. The first half of the servers is in zone near, the others are in zone far. The server that is
 * added takes the place of the first, which is removed: it is near.
 *
 * Connections. Each client thread keeps one connection to each server, in a slot of its own that it
 * touches only while it holds a lease on that server. So when the library delivers `released`,
 * after the last lease, the listener may close every slot without a lock and without asking
 * anybody.
 */
#ifndef DEMO_CLUSTER_H
#define DEMO_CLUSTER_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "nursery.h"
#include "options.h"

#define SERVERS_TOTAL_MOST (SERVERS_MOST + 1)

/* good_since_ns of a server that is in trouble or takes no traffic. */
#define NOT_GOOD UINT64_MAX

enum zone { ZONE_NEAR, ZONE_FAR, ZONE_COUNT };
extern const char *const zone_names[ZONE_COUNT];

struct server {
    unsigned index;
    char name[16];
    enum zone zone;
    const char *role;      /* what the acts do to it in the whole run; "" for nothing */
    const char *condition; /* what it is now, in a word */
    struct sockaddr_in address;
    int connections[THREADS_MOST]; /* a slot for each client thread; see the top */
    struct histogram latency;      /* of every attempt, also of those that failed */
    _Atomic uint64_t good_since_ns;
    _Atomic uint32_t released; /* `released` events: one at the end */
};

struct cluster {
    unsigned count; /* all servers, also the one that is added later */
    unsigned initial;
    struct server servers[SERVERS_TOTAL_MOST];
};

/* Names and places the servers, asks the nursery for their ports and launches all but the last. */
void cluster_start(struct cluster *cluster, const struct nursery *nursery, unsigned initial);

/* The server serves, takes traffic and nothing is wrong with it, from now on. */
void server_is_good(struct server *server);
/* It is something else, say "killed". To be called before the trouble begins. */
void server_is_not_good(struct server *server, const char *condition);
/* Was all well with it since that moment? */
bool server_was_good_since(const struct server *server, uint64_t since_ns);

/* Closes every connection to the server. Only when no lease on it is open. */
void server_close_connections(struct server *server);

#endif
