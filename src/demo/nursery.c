/* SPDX-License-Identifier: Apache-2.0
 *
 * The nursery's both ends: the calls of nursery.h send an order and wait for its result; the loop
 * in the child obeys.
 *
 * Ports. A server that is killed comes back on the same port, and until then the port has to answer
 * "connection refused". The nursery keeps one socket bound to each port, never listening, with
 * SO_REUSEADDR: the kernel then neither hands the port to somebody's outgoing connection nor lets
 * such a connection meet itself (both do happen on loopback, where clients and servers draw from
 * the same range), while a server's own socket may still bind and listen there.
 */
#include "nursery.h"

#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dice.h"
#include "options.h"
#include "server.h"

enum { CRADLES_MOST = SERVERS_MOST + 1, BACKLOG = 128 };

enum order_kind { ORDER_PORT, ORDER_LAUNCH, ORDER_SIGNAL, ORDER_KILL };

struct order {
    enum order_kind kind;
    unsigned index;
    int signal_number;
};

struct result {
    int error; /* 0 or an errno value */
    uint16_t port;
};

/* The child's side. */
struct cradle {
    struct sockaddr_in address;
    int reservation;
    pid_t pid; /* 0: does not run */
};

struct keeper {
    int control;
    pid_t pid;
    unsigned count;
    uint64_t dice;
    struct cradle cradles[CRADLES_MOST];
};

/* ---- The child: reserving, forking, killing ------------------------------------------------ */

/* A TCP socket bound to an address; port 0 becomes a free port. Returns −1 with errno set. */
static int bound_socket(struct sockaddr_in *address)
{
    static const int on = 1;
    socklen_t length = sizeof(*address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(fd, (struct sockaddr *)address, sizeof(*address)) == 0 &&
        getsockname(fd, (struct sockaddr *)address, &length) == 0)
        return fd;
    close(fd);
    return -1;
}

static void reserve_ports(struct keeper *keeper)
{
    for (unsigned i = 0; i < keeper->count; i++) {
        struct cradle *cradle = &keeper->cradles[i];

        cradle->address =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        cradle->reservation = bound_socket(&cradle->address);
        if (cradle->reservation < 0)
            error(EXIT_TROUBLE, errno, "cannot reserve a port for a server");
    }
}

/* A child that asked too late, when its parent was dead already, would wait for ever. */
static void die_with_parent(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(EXIT_TROUBLE);
}

/* In the new server's process: keeps the listener and nothing else of the nursery. */
static void become_server(const struct keeper *keeper, int listener, uint64_t seed)
{
    die_with_parent(keeper->pid);
    close(keeper->control);
    for (unsigned i = 0; i < keeper->count; i++)
        close(keeper->cradles[i].reservation);
    server_run(listener, seed);
}

/* Listens before it forks, so that connections succeed from the moment the order is answered. */
static int launch(struct keeper *keeper, struct cradle *cradle)
{
    uint64_t seed = dice_roll(&keeper->dice);
    int listener = bound_socket(&cradle->address);
    int problem = 0;
    pid_t pid = -1;

    if (listener < 0)
        return errno;
    if (listen(listener, BACKLOG) == 0)
        pid = fork();
    if (pid == 0)
        become_server(keeper, listener, seed);
    if (pid < 0)
        problem = errno;
    else
        cradle->pid = pid;
    close(listener);
    return problem;
}

static void bury(struct cradle *cradle)
{
    if (cradle->pid == 0)
        return;
    kill(cradle->pid, SIGKILL);
    waitpid(cradle->pid, NULL, 0);
    cradle->pid = 0;
}

static struct result obey(struct keeper *keeper, const struct order *order)
{
    struct cradle *cradle = &keeper->cradles[order->index];
    struct result result = {.error = 0, .port = ntohs(cradle->address.sin_port)};

    switch (order->kind) {
    case ORDER_PORT: break;
    case ORDER_LAUNCH: result.error = launch(keeper, cradle); break;
    case ORDER_SIGNAL:
        if (cradle->pid == 0)
            result.error = ESRCH;
        else if (kill(cradle->pid, order->signal_number) != 0)
            result.error = errno;
        break;
    case ORDER_KILL: bury(cradle); break;
    }
    return result;
}

/* Ctrl-C and hanging up are the demonstration's to handle: it wants its servers until its end. */
static void keep(struct keeper *keeper, pid_t parent)
{
    struct order order;

    die_with_parent(parent);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    keeper->pid = getpid();
    server_prepare();
    reserve_ports(keeper);
    while (recv(keeper->control, &order, sizeof(order), 0) == (ssize_t)sizeof(order)) {
        struct result result = obey(keeper, &order);

        if (send(keeper->control, &result, sizeof(result), MSG_NOSIGNAL) < 0)
            break;
    }
    for (unsigned i = 0; i < keeper->count; i++)
        bury(&keeper->cradles[i]);
    _exit(0);
}

/* ---- The parent: orders ---------------------------------------------------------------------- */

static struct result give(const struct nursery *nursery, enum order_kind kind, unsigned index,
                          int signal_number)
{
    struct order order = {.kind = kind, .index = index, .signal_number = signal_number};
    struct result result = {0};

    if (send(nursery->control, &order, sizeof(order), MSG_NOSIGNAL) != (ssize_t)sizeof(order) ||
        recv(nursery->control, &result, sizeof(result), 0) != (ssize_t)sizeof(result))
        error(EXIT_TROUBLE, 0, "the process that keeps the servers is gone");
    if (result.error != 0)
        error(EXIT_TROUBLE, result.error, "server %u", index + 1);
    return result;
}

void nursery_start(struct nursery *nursery, unsigned server_count, uint64_t seed)
{
    struct keeper keeper = {.count = server_count, .dice = seed};
    pid_t parent = getpid();
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        error(EXIT_TROUBLE, errno, "cannot open a socket pair");
    nursery->pid = fork();
    if (nursery->pid < 0)
        error(EXIT_TROUBLE, errno, "cannot fork");
    if (nursery->pid == 0) {
        close(ends[0]);
        keeper.control = ends[1];
        keep(&keeper, parent);
    }
    close(ends[1]);
    nursery->control = ends[0];
}

uint16_t nursery_port(const struct nursery *nursery, unsigned index)
{
    return give(nursery, ORDER_PORT, index, 0).port;
}

void nursery_launch(const struct nursery *nursery, unsigned index)
{
    give(nursery, ORDER_LAUNCH, index, 0);
}

void nursery_signal(const struct nursery *nursery, unsigned index, int signal_number)
{
    give(nursery, ORDER_SIGNAL, index, signal_number);
}

void nursery_kill(const struct nursery *nursery, unsigned index)
{
    give(nursery, ORDER_KILL, index, 0);
}

void nursery_stop(struct nursery *nursery)
{
    close(nursery->control);
    waitpid(nursery->pid, NULL, 0);
}
