/* SPDX-License-Identifier: Apache-2.0
 *
 * A server: one thread, epoll, any number of connections up to SESSIONS_MOST.
 *
 * Work is pretended by waiting: a request gets a due time when it is complete, and its answer goes
 * out then. Requests of different connections wait side by side, so a server is never a queue, and
 * what a client measures is the service time and nothing else.
 *
 *     accept ─► reading ──frame complete──► due at now + service ──timer──► answer ─► reading …
 *                  └── end of stream, error, or more than one request at a time ──► closed
 *
 * The process knows nothing of the acts. It is killed and frozen from outside, by signals that no
 * program can handle, which is the point of the demonstration.
 */
#define _GNU_SOURCE /* accept4() */
#include "server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "dice.h"
#include "now.h"
#include "wire.h"

enum { SESSIONS_MOST = 256, EVENTS_MOST = 64 };

/* Tags in epoll's data beside the numbers of sessions. */
enum { TAG_LISTENER = SESSIONS_MOST, TAG_TIMER };

#define NEVER UINT64_MAX

struct session {
    int fd; /* −1: free */
    size_t received;
    unsigned char frame[WIRE_FRAME_MAX];
};

struct server_process {
    int listener;
    int epoll;
    int timer;
    uint64_t dice;
    uint64_t due_ns[SESSIONS_MOST]; /* NEVER: no request waits; apart, for the scan */
    struct session sessions[SESSIONS_MOST];
};

static volatile sig_atomic_t slowdown = 1;

static void set_pace(int signal_number)
{
    slowdown = signal_number == SERVER_SLOW ? SLOWDOWN : 1;
}

void server_prepare(void)
{
    struct sigaction action = {.sa_handler = set_pace, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(SERVER_SLOW, &action, NULL);
    sigaction(SERVER_NORMAL, &action, NULL);
}

static void watch(const struct server_process *process, int fd, uint64_t tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = tag}};

    if (epoll_ctl(process->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        _exit(EXIT_FAILURE);
}

static void close_session(struct server_process *process, size_t number)
{
    close(process->sessions[number].fd);
    process->sessions[number].fd = -1;
    process->due_ns[number] = NEVER;
}

static void accept_one(struct server_process *process)
{
    static const int on = 1;
    size_t number = 0;
    int fd = accept4(process->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    while (number < SESSIONS_MOST && process->sessions[number].fd >= 0)
        number++;
    if (number == SESSIONS_MOST) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    process->sessions[number].fd = fd;
    process->sessions[number].received = 0;
    watch(process, fd, number);
}

static uint64_t service_ns(struct server_process *process)
{
    uint64_t us =
        SERVICE_LEAST_US + dice_below(&process->dice, SERVICE_MOST_US - SERVICE_LEAST_US + 1);

    return us * NS_PER_US * (uint64_t)slowdown;
}

static void read_session(struct server_process *process, size_t number)
{
    struct session *session = &process->sessions[number];
    ssize_t got = recv(session->fd, session->frame + session->received,
                       sizeof(session->frame) - session->received, 0);
    ssize_t length;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 || process->due_ns[number] != NEVER) {
        close_session(process, number);
        return;
    }
    session->received += (size_t)got;
    length = wire_complete(session->frame, session->received);
    if (length < 0 || (length > 0 && (size_t)length != session->received))
        close_session(process, number);
    else if (length > 0)
        process->due_ns[number] = now_ns() + service_ns(process);
}

static void answer_session(struct server_process *process, size_t number)
{
    struct session *session = &process->sessions[number];
    ssize_t sent = send(session->fd, session->frame, session->received, MSG_NOSIGNAL);

    /* A frame fits any socket buffer; a client that left is the only reason for less. */
    if (sent != (ssize_t)session->received) {
        close_session(process, number);
        return;
    }
    session->received = 0;
    process->due_ns[number] = NEVER;
}

/* Answers what is due and sets the timer for what is due next. */
static void answer_due(struct server_process *process)
{
    struct itimerspec when = {0};
    uint64_t now = now_ns();
    uint64_t next = NEVER;

    for (size_t i = 0; i < SESSIONS_MOST; i++) {
        if (process->due_ns[i] <= now)
            answer_session(process, i);
        if (process->due_ns[i] < next)
            next = process->due_ns[i];
    }
    if (next != NEVER) {
        when.it_value.tv_sec = (time_t)(next / NS_PER_S);
        when.it_value.tv_nsec = (long)(next % NS_PER_S);
    }
    timerfd_settime(process->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void handle(struct server_process *process, uint64_t tag)
{
    uint64_t expirations;

    if (tag == TAG_LISTENER)
        accept_one(process);
    else if (tag != TAG_TIMER)
        read_session(process, (size_t)tag);
    else if (read(process->timer, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
        _exit(EXIT_FAILURE);
}

noreturn void server_run(int listener, uint64_t seed)
{
    static struct server_process process;
    struct epoll_event events[EVENTS_MOST];

    process.listener = listener;
    process.dice = seed;
    process.epoll = epoll_create1(EPOLL_CLOEXEC);
    process.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    for (size_t i = 0; i < SESSIONS_MOST; i++) {
        process.sessions[i].fd = -1;
        process.due_ns[i] = NEVER;
    }
    watch(&process, listener, TAG_LISTENER);
    watch(&process, process.timer, TAG_TIMER);

    for (;;) {
        int count = epoll_wait(process.epoll, events, EVENTS_MOST, -1);

        if (count < 0 && errno != EINTR)
            _exit(EXIT_FAILURE);
        for (int i = 0; i < count; i++)
            handle(&process, events[i].data.u64);
        answer_due(&process);
    }
}
