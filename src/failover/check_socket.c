/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks by socket: connect, perhaps say something, and look at the beginning of the answer.
 *
 *     resolves ──► connects ──► sends ──► receives ──► passed, failed
 *         └ told of an     └─ nothing to say: passed
 *           address           refused: the next address, if there are several
 *
 * The answer is judged as it comes, in pieces of any size, with a few counters and no buffer; what
 * follows the verdict is not read, the connection is closed. So a hostile server costs at most 16 KiB
 * of reading and the timeout.
 *
 * That a socket is ready to be written does not say that it is connected: that is asked of connect(),
 * which has one answer for each state of it. SO_ERROR has none yet for both "connected" and "still
 * connecting".
 *
 * A socket is watched from when there is something to wait for. With a server on the same machine the
 * handshake is over when connect() returns, though it says EINPROGRESS; so connect() is asked once more
 * at once, and then such a check neither enters the epoll set nor wakes anybody (bench/README.md).
 */
#include "check.h"

#include "rng.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#define PIECE 4096u
#define PIECES_AT_ONCE 4 /* read from one server before the others are served */

static struct fo__io *io_of(struct fo__check *check)
{
    return &fo__check_runtime(check)->io;
}

static void close_socket(struct fo__check *check)
{
    if (check->fd < 0)
        return;
    if (check->waits_for != 0)
        fo__io_unwatch(io_of(check), check->fd);
    check->waits_for = 0;
    close(check->fd);
    check->fd = -1;
}

/** The check goes on when its socket is ready for that. */
static enum fo__check_result wait_for(struct fo__check *check, uint32_t events)
{
    if (check->waits_for == 0 && !fo__io_watch(io_of(check), check->fd, events, check))
        return FO__CHECK_UNKNOWN;
    if (check->waits_for != 0 && check->waits_for != events)
        fo__io_rewatch(io_of(check), check->fd, events, check);
    check->waits_for = events;
    return FO__CHECK_RUNS;
}

/* ---- What is said, and what must be answered ---------------------------------------------- */

/** What HTTP wants to know, if it can be said in that header: not so a path, nor an interface. */
static const char *host_header(const struct fo__check *check)
{
    if (check->config->host != NULL)
        return check->config->host;
    return strncmp(check->address, "unix:", 5) == 0 || strchr(check->address, '%') != NULL
               ? "localhost"
               : check->address;
}

/** The request, perhaps in the buffer; always the same for one check. */
static const char *request_of(const struct fo__check *check, char *buffer, size_t size,
                              size_t *length)
{
    const struct fo_check_config *config = check->config;

    if (config->kind == FO_CHECK_HTTP) {
        *length = fo__http_request_write(buffer, size, config->path, host_header(check));
        return buffer;
    }
    *length = config->send_size;
    return config->send;
}

static enum fo__check_result judge_http(struct fo__check *check, const char *bytes, size_t count)
{
    switch (fo__http_answer_feed(&check->answer, bytes, count)) {
    case FO__HTTP_NEED_MORE: return FO__CHECK_RUNS;
    case FO__HTTP_MALFORMED: return FO__CHECK_FAILED;
    case FO__HTTP_DONE: break;
    }
    return check->answer.status >= check->config->status_min &&
                   check->answer.status <= check->config->status_max
               ? FO__CHECK_PASSED
               : FO__CHECK_FAILED;
}

static enum fo__check_result judge(struct fo__check *check, const char *bytes, size_t count)
{
    const struct fo_check_config *config = check->config;
    const char *expect = config->expect;
    size_t rest = config->expect_size - check->transferred;

    if (config->kind == FO_CHECK_HTTP)
        return judge_http(check, bytes, count);
    if (count > rest)
        count = rest;
    if (memcmp(bytes, expect + check->transferred, count) != 0)
        return FO__CHECK_FAILED;
    check->transferred += (uint32_t)count;
    return count == rest ? FO__CHECK_PASSED : FO__CHECK_RUNS;
}

static bool expects_answer(const struct fo_check_config *config)
{
    return config->kind == FO_CHECK_HTTP || config->expect_size > 0;
}

/* ---- Receiving and sending ---------------------------------------------------------------- */

static bool must_wait(void)
{
    return errno == EAGAIN || errno == EINTR; /* level-triggered: we are called again */
}

static enum fo__check_result receive(struct fo__check *check)
{
    char piece[PIECE];
    enum fo__check_result result = FO__CHECK_RUNS;

    for (int i = 0; i < PIECES_AT_ONCE && result == FO__CHECK_RUNS; i++) {
        ssize_t count = recv(check->fd, piece, sizeof(piece), 0);

        if (count < 0 && must_wait())
            return FO__CHECK_RUNS;
        if (count <= 0)
            return FO__CHECK_FAILED; /* closed before the answer was whole */
        result = judge(check, piece, (size_t)count);
    }
    return result;
}

static enum fo__check_result send_request(struct fo__check *check)
{
    char buffer[2 * FO_CHECK_TEXT_MAX];
    size_t length;
    const char *request = request_of(check, buffer, sizeof(buffer), &length);

    while (check->transferred < length) {
        ssize_t count = send(check->fd, request + check->transferred, length - check->transferred,
                             MSG_NOSIGNAL);

        if (count < 0 && must_wait())
            return wait_for(check, EPOLLOUT);
        if (count < 0)
            return FO__CHECK_FAILED;
        check->transferred += (uint32_t)count;
    }
    if (!expects_answer(check->config))
        return FO__CHECK_PASSED;
    check->phase = FO__CHECK_RECEIVES;
    check->transferred = 0;
    return wait_for(check, EPOLLIN);
}

/* ---- Connecting --------------------------------------------------------------------------- */

/** Whether the error says something about us, and nothing about the server. */
static bool is_our_own(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL: return true; /* the last: no port is free */
    default: return false;
    }
}

/** Whether the socket is connected to itself. A connect() to a port of this machine where nobody
 * listens may be given that same port to come from, and TCP then takes the connection. */
static bool meets_itself(const struct fo__check *check)
{
    struct fo__socket_address own = {.length = sizeof(own.storage)};

    if (check->peer.storage.ss_family == AF_UNIX ||
        getsockname(check->fd, (struct sockaddr *)&own.storage, &own.length) != 0)
        return false;
    return own.length == check->peer.length &&
           memcmp(&own.storage, &check->peer.storage, own.length) == 0;
}

static enum fo__check_result connected(struct fo__check *check)
{
    if (meets_itself(check))
        return FO__CHECK_FAILED;
    check->phase = FO__CHECK_SENDS;
    check->transferred = 0;
    return send_request(check);
}

/** Begins to connect, or asks how it went; an error, 0 for none. */
static int ask_connect(const struct fo__check *check)
{
    const struct sockaddr *peer = (const struct sockaddr *)&check->peer.storage;

    return connect(check->fd, peer, check->peer.length) == 0 ? 0 : errno;
}

/** A Unix socket says EAGAIN when the server's queue is full: there is nothing to wait for, it has
 * failed. */
static enum fo__check_result try_to_connect(struct fo__check *check)
{
    int error = ask_connect(check);

    if (error == EINPROGRESS)
        error = ask_connect(check);
    if (error == 0 || error == EISCONN)
        return connected(check);
    if (error == EINPROGRESS || error == EALREADY || error == EINTR)
        return wait_for(check, EPOLLOUT);
    return is_our_own(error) ? FO__CHECK_UNKNOWN : FO__CHECK_FAILED;
}

static enum fo__check_result open_socket(struct fo__check *check)
{
    check->fd =
        socket(check->peer.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (check->fd < 0)
        return is_our_own(errno) ? FO__CHECK_UNKNOWN : FO__CHECK_FAILED;
    check->phase = FO__CHECK_CONNECTS;
    return try_to_connect(check);
}

/* ---- Addresses ---------------------------------------------------------------------------- */

/** On a worker, under its lock. */
static void tell(void *arg)
{
    struct fo__check *check = arg;

    fo__queue_push(check->host->queue, &check->node);
}

/** Looks a name up; false: out of memory. */
static bool resolve(struct fo__check *check, const struct fo__address *address, uint64_t now_ns)
{
    if (check->resolver == NULL)
        check->resolver =
            fo__resolver_create(address, tell, check, fo__rng_next(&check->host->group->rng));
    if (check->resolver == NULL)
        return false;
    (void)fo__resolver_step(check->resolver, now_ns);
    return true;
}

/** Tries one address after the other, from the present one on. */
static enum fo__check_result try_addresses(struct fo__check *check)
{
    enum fo__check_result result = FO__CHECK_FAILED;

    while (result == FO__CHECK_FAILED && check->address_at < fo__resolver_count(check->resolver)) {
        close_socket(check);
        check->peer = fo__resolver_address(check->resolver, check->address_at++);
        result = open_socket(check);
    }
    return result;
}

static enum fo__check_result begin(struct fo__check *check, uint64_t now_ns)
{
    struct fo__address address;

    check->phase = FO__CHECK_RESOLVES;
    check->address_at = 0;
    check->answer = (struct fo__http_answer){.taken = 0};
    if (!fo__address_read(check->address, &address))
        return FO__CHECK_UNKNOWN; /* its interface is not there now */
    if (fo__address_is_ready(&address)) {
        check->peer = address.socket;
        return open_socket(check);
    }
    if (!resolve(check, &address, now_ns))
        return FO__CHECK_UNKNOWN;
    return fo__resolver_count(check->resolver) > 0 ? try_addresses(check) : FO__CHECK_RUNS;
}

/** The look-up that the check waits for is done. */
static enum fo__check_result resolved(struct fo__check *check, uint64_t now_ns)
{
    (void)fo__resolver_step(check->resolver, now_ns);
    return fo__resolver_count(check->resolver) > 0 ? try_addresses(check) : FO__CHECK_RUNS;
}

static enum fo__check_result go_on(struct fo__check *check, uint64_t now_ns)
{
    enum fo__check_result result = FO__CHECK_RUNS;

    switch (check->phase) {
    case FO__CHECK_RESOLVES: return resolved(check, now_ns);
    case FO__CHECK_CONNECTS:
        result = try_to_connect(check);
        if (result == FO__CHECK_FAILED && check->resolver != NULL)
            return try_addresses(check);
        return result;
    case FO__CHECK_SENDS: return send_request(check);
    case FO__CHECK_RECEIVES: return receive(check);
    }
    return result;
}

/** Whoever has found no address has not asked the server. */
static enum fo__check_result time_out(struct fo__check *check, uint64_t now_ns)
{
    (void)now_ns;
    return check->phase == FO__CHECK_RESOLVES ? FO__CHECK_UNKNOWN : FO__CHECK_FAILED;
}

static void fini(struct fo__check *check)
{
    fo__resolver_destroy(check->resolver);
    check->resolver = NULL;
}

const struct fo__check_kind fo__check_socket = {begin, go_on, time_out, close_socket, fini};
