/* SPDX-License-Identifier: Apache-2.0
 *
 * Servers on 127.0.0.1 for checks: a listening socket each, in every state that a server can be in, and
 * no thread. What a server says is said by the test, when it wants.
 *
 *     struct server s;
 *     server_open(&s);             a port of its own; s.address is "127.0.0.1:port"
 *     server_refuse(&s);           nobody listens there any more
 *     server_listen(&s);           again
 *     server_freeze(&s);           listens, but its queue is full: connections hang
 *     int fd = server_accept(&s);  the next connection; −1: none
 *     server_close(&s);
 */
#ifndef SERVER_H
#define SERVER_H

#include <netinet/in.h>
#include <stddef.h>

#define SERVER_PLUGS 8

struct server {
    char address[32];
    struct sockaddr_in bound;
    int fd;
    int plug[SERVER_PLUGS]; /* connections that fill the queue of a frozen one; −1: none */
};

/** Listens on a port of its own. */
void server_open(struct server *server);
void server_close(struct server *server);

/** Closes its socket, and all connections that wait in it; the port stays its own. */
void server_refuse(struct server *server);
void server_listen(struct server *server);

/** Fills its queue, so that whoever connects hears nothing. server_listen() ends it. */
void server_freeze(struct server *server);

/** Takes the next connection out of the queue; its reads and writes do not block. −1: there is none.
 * The caller closes it. */
int server_accept(struct server *server);

/** How many connections have come since the last call; takes and closes them. */
size_t server_count(struct server *server);

#endif
