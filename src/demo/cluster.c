/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of servers.
 */
#include "cluster.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "connection.h"
#include "now.h"

const char *const zone_names[ZONE_COUNT] = {"near", "far"};

static void init_server(struct server *server, unsigned index, uint16_t port)
{
    server->index = index;
    snprintf(server->name, sizeof(server->name), "s%u", index + 1);
    server->role = "";
    server->address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    for (unsigned i = 0; i < THREADS_MOST; i++)
        server->connections[i] = CONNECTION_NONE;
    server_is_not_good(server, "absent");
}

void cluster_start(struct cluster *cluster, const struct nursery *nursery, unsigned initial)
{
    cluster->initial = initial;
    cluster->count = initial + 1;
    for (unsigned i = 0; i < cluster->count; i++) {
        init_server(&cluster->servers[i], i, nursery_port(nursery, i));
        cluster->servers[i].zone = i < initial / 2 || i == initial ? ZONE_NEAR : ZONE_FAR;
    }
    for (unsigned i = 0; i < initial; i++) {
        nursery_launch(nursery, i);
        server_is_good(&cluster->servers[i]);
    }
}

void server_is_good(struct server *server)
{
    server->condition = "well";
    atomic_store(&server->good_since_ns, now_ns());
}

void server_is_not_good(struct server *server, const char *condition)
{
    server->condition = condition;
    atomic_store(&server->good_since_ns, NOT_GOOD);
}

bool server_was_good_since(const struct server *server, uint64_t since_ns)
{
    return atomic_load(&server->good_since_ns) <= since_ns;
}

void server_close_connections(struct server *server)
{
    for (unsigned i = 0; i < THREADS_MOST; i++)
        connection_close(&server->connections[i]);
}
