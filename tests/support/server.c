/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* accept4 */
#include "server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int bound_socket(struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    assert(fd >= 0);
    /* Its own earlier connections must not keep it from its port. */
    assert(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
    assert(bind(fd, (struct sockaddr *)to, sizeof(*to)) == 0);
    return fd;
}

static void rebind(struct server *server, int backlog)
{
    server_refuse(server);
    close(server->fd);
    server->fd = bound_socket(&server->bound);
    assert(listen(server->fd, backlog) == 0);
}

void server_open(struct server *server)
{
    socklen_t length = sizeof(server->bound);

    memset(server, 0, sizeof(*server));
    for (int i = 0; i < SERVER_PLUGS; i++)
        server->plug[i] = -1;
    server->bound.sin_family = AF_INET;
    server->bound.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = bound_socket(&server->bound);
    assert(getsockname(server->fd, (struct sockaddr *)&server->bound, &length) == 0);
    snprintf(server->address, sizeof(server->address), "127.0.0.1:%u",
             (unsigned)ntohs(server->bound.sin_port));
    assert(listen(server->fd, 128) == 0);
}

static void pull_plugs(struct server *server)
{
    for (int i = 0; i < SERVER_PLUGS; i++) {
        if (server->plug[i] >= 0)
            close(server->plug[i]);
        server->plug[i] = -1;
    }
}

void server_close(struct server *server)
{
    pull_plugs(server);
    close(server->fd);
    server->fd = -1;
}

void server_refuse(struct server *server)
{
    pull_plugs(server);
    close(server->fd);
    server->fd = bound_socket(&server->bound); /* bound and not listening: nobody else has it */
}

void server_listen(struct server *server)
{
    rebind(server, 128);
}

void server_freeze(struct server *server)
{
    rebind(server, 0);
    for (int i = 0; i < SERVER_PLUGS; i++) {
        server->plug[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert(server->plug[i] >= 0);
        (void)connect(server->plug[i], (struct sockaddr *)&server->bound, sizeof(server->bound));
    }
}

int server_accept(struct server *server)
{
    return accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

size_t server_count(struct server *server)
{
    size_t count = 0;

    for (int fd = server_accept(server); fd >= 0; fd = server_accept(server)) {
        close(fd);
        count++;
    }
    return count;
}
