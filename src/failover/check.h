/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks: one for each host of a group that has them. All of it is the dispatcher's.
 *
 *              ┌──────────────── not due: whole, and checks are lazy ◄──┐
 *              ▼                                                        │
 *     timer: next check ──► begin ──► runs ──► result ──► count ──► next ──► verdict: outcome.c
 *                                      │ ▲
 *                                      │ └─ its socket is ready (io.h), or its node was pushed: an
 *                                      │    address is found, or a function of the embedder's is done
 *                                      └─ timer: timeout, a failure
 *
 * How a server is asked stands behind three functions (struct fo__check_kind); when, and what the
 * results mean, is in check_plan.h. A check has one timer for both its waits and one node by which
 * other threads tell that there is news. What it costs is there before it begins, but for a
 * descriptor: without one it counts neither way.
 *
 * The verdict comes last, when the next check is armed and nothing else is left to be done: to apply
 * it the embedder's weight function may have to be asked, and that may fork.
 */
#ifndef FO_CHECK_H
#define FO_CHECK_H

#include "address.h"
#include "check_plan.h"
#include "group.h"
#include "http_answer.h"
#include "resolve.h"

enum fo__check_result {
    FO__CHECK_RUNS,
    FO__CHECK_PASSED,
    FO__CHECK_FAILED,
    FO__CHECK_UNKNOWN /* it could not be made: counts neither way */
};

/* Where a check by socket is (check_socket.c). */
enum fo__check_phase {
    FO__CHECK_RESOLVES,
    FO__CHECK_CONNECTS,
    FO__CHECK_SENDS,
    FO__CHECK_RECEIVES
};

struct fo__check {
    /* Read-only. */
    struct fo__host *host;
    const struct fo_check_config *config;
    const struct fo__check_kind *kind;

    struct fo__node node; /* pushed by workers and fo_check_done(), while it is listed */
    struct fo__timer timer;
    struct fo__check *next; /* of the runtime's */
    struct fo__check *previous;
    struct fo__check_plan plan;
    uint64_t began_ns;
    uint32_t began_epoch;
    bool is_listed; /* in the runtime's list: was armed once */
    bool runs;
    bool has_lifted; /* the host, in lifted_epoch */
    uint32_t lifted_epoch;
    char address[FO_NAME_MAX + 1]; /* as it was when the last check began */

    /* check_socket.c */
    enum fo__check_phase phase;
    int fd;               /* -1: none */
    uint32_t waits_for;   /* EPOLLIN or EPOLLOUT, for which it is watched; 0: it is not */
    uint32_t address_at;  /* which of several */
    uint32_t transferred; /* bytes sent, then bytes received */
    struct fo__socket_address peer;
    struct fo__http_answer answer;
    struct fo__resolver *resolver; /* of `address`; NULL: none was needed yet */

    /* check_user.c */
    struct fo__user_job *job; /* of one that runs; NULL: none */
    uint64_t handle_id;       /* of one that runs, under its lock, as the next three */
    struct fo__check *handle_next;
    bool has_result;
    bool has_passed;
};

/** How a server is asked. Called inside the cold lock. */
struct fo__check_kind {
    enum fo__check_result (*begin)(struct fo__check *check, uint64_t now_ns);
    /** There is news: a socket is ready, or the node was pushed. Perhaps of an earlier check. */
    enum fo__check_result (*go_on)(struct fo__check *check, uint64_t now_ns);
    /** What it means that there is no result in time. */
    enum fo__check_result (*time_out)(struct fo__check *check, uint64_t now_ns);
    /** Takes back all that belongs to one check. Also in a child after fork(). */
    void (*end)(struct fo__check *check);
    /** Takes back all the rest. */
    void (*fini)(struct fo__check *check);
};

extern const struct fo__check_kind fo__check_socket;
extern const struct fo__check_kind fo__check_sync;
extern const struct fo__check_kind fo__check_async;

/** The check of a new host of a group that has checks. NULL: out of memory. */
struct fo__check *fo__check_make(struct fo__host *host);

/** The host was queued: arms its first check, or the next one earlier if its state changed. */
void fo__check_follow(struct fo__check *check, uint64_t now_ns);

/** The check's timer is due. */
void fo__check_due(struct fo__check *check, uint64_t now_ns);

/** The check's node was taken from the queue. */
void fo__check_take(struct fo__check *check, uint64_t now_ns);

/** Serves sockets that are ready. */
void fo__checks_serve(struct fo_runtime *runtime, uint64_t now_ns);

/** The host has no references: ends what runs. From then on nobody queues the node. */
void fo__check_stop(struct fo__check *check);

/** Frees a check that is stopped and not queued. */
void fo__check_free(struct fo__check *check);

/** In a child after fork(), with an epoll set of its own: what ran is to be begun again, and its
 * socket, which is the parent's, closed. */
void fo__checks_after_fork(struct fo_runtime *runtime);

/** Whether it was this check that brought the host up in that epoch. NULL: no. */
bool fo__check_has_lifted(const struct fo__check *check, uint32_t epoch);

static inline struct fo_runtime *fo__check_runtime(const struct fo__check *check)
{
    return check->host->group->runtime;
}

#endif
