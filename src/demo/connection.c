/* SPDX-License-Identifier: Apache-2.0
 *
 * Connecting, sending and receiving with deadlines, by non-blocking sockets and ppoll().
 */
#define _GNU_SOURCE /* ppoll() */
#include "connection.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "now.h"
#include "wire.h"

/* False when the deadline passes first. Errors and hang-ups end the wait, too: the call that is
 * made next tells what they are. */
static bool wait_until(int fd, short events, uint64_t deadline_ns)
{
    struct pollfd poll = {.fd = fd, .events = events};

    for (;;) {
        uint64_t now = now_ns();
        uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
        struct timespec timeout = {.tv_sec = (time_t)(left / NS_PER_S),
                                   .tv_nsec = (long)(left % NS_PER_S)};
        int ready = ppoll(&poll, 1, &timeout, NULL);

        if (ready > 0)
            return true;
        if (ready == 0 || errno != EINTR)
            return false;
    }
}

static enum exchange meaning_of(int problem)
{
    switch (problem) {
    case 0: return EXCHANGE_ANSWERED;
    case ECONNREFUSED: return EXCHANGE_REFUSED;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL: return EXCHANGE_OWN_FAULT;
    default: return EXCHANGE_BROKEN;
    }
}

static enum exchange connect_until(int fd, const struct sockaddr_in *address, uint64_t deadline_ns)
{
    int problem = 0;
    socklen_t length = sizeof(problem);

    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
        return EXCHANGE_ANSWERED;
    if (errno != EINPROGRESS)
        return meaning_of(errno);
    if (!wait_until(fd, POLLOUT, deadline_ns))
        return EXCHANGE_LATE;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &length) != 0)
        return meaning_of(errno);
    return meaning_of(problem);
}

/* An idle connection has nothing to read. If it has, it is the end of the stream, left by a server
 * that died while nobody looked: a client that sent its request there would blame the server that
 * came after it. */
static bool still_open(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

enum exchange connection_ready(int *connection, const struct sockaddr_in *address,
                               uint64_t deadline_ns)
{
    static const int on = 1;
    enum exchange result;

    if (*connection != CONNECTION_NONE && still_open(*connection))
        return EXCHANGE_ANSWERED;
    connection_close(connection);
    *connection = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*connection < 0)
        return meaning_of(errno);
    setsockopt(*connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    result = connect_until(*connection, address, deadline_ns);
    if (result != EXCHANGE_ANSWERED)
        connection_close(connection);
    return result;
}

static enum exchange send_until(int fd, const unsigned char *frame, size_t length,
                                uint64_t deadline_ns)
{
    size_t done = 0;

    while (done < length) {
        ssize_t sent = send(fd, frame + done, length - done, MSG_NOSIGNAL);

        if (sent >= 0)
            done += (size_t)sent;
        else if (errno != EAGAIN && errno != EINTR)
            return meaning_of(errno);
        else if (!wait_until(fd, POLLOUT, deadline_ns))
            return EXCHANGE_LATE;
    }
    return EXCHANGE_ANSWERED;
}

static enum exchange receive_until(int fd, unsigned char *frame, uint64_t deadline_ns)
{
    size_t received = 0;
    ssize_t length = 0;

    while (length == 0) {
        ssize_t got;

        if (!wait_until(fd, POLLIN, deadline_ns))
            return EXCHANGE_LATE;
        got = recv(fd, frame + received, WIRE_FRAME_MAX - received, 0);
        if (got == 0)
            return EXCHANGE_BROKEN;
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return meaning_of(errno);
        if (got > 0)
            received += (size_t)got;
        length = wire_complete(frame, received);
    }
    return (size_t)length == received ? EXCHANGE_ANSWERED : EXCHANGE_BROKEN;
}

enum exchange connection_exchange(int connection, const unsigned char *frame, size_t length,
                                  uint64_t deadline_ns)
{
    unsigned char answer[WIRE_FRAME_MAX];
    enum exchange result = send_until(connection, frame, length, deadline_ns);

    if (result == EXCHANGE_ANSWERED)
        result = receive_until(connection, answer, deadline_ns);
    if (result == EXCHANGE_ANSWERED && wire_id(answer) != wire_id(frame))
        result = EXCHANGE_BROKEN;
    return result;
}

void connection_close(int *connection)
{
    if (*connection >= 0)
        close(*connection);
    *connection = CONNECTION_NONE;
}
