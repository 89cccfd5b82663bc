/* SPDX-License-Identifier: Apache-2.0
 *
 * Retries: another attempt elsewhere when one fails, and no storm when all fail.
 *
 *     fo_retrier_create()                          once, for one service
 *     fo_call()                                    a thread that blocks: this is all
 *
 *     fo_retry_begin() ─► fo_retry_next() ─┬─► FO_OK: send, then fo_retry_report() ─┐
 *                              ▲  ▲        ├─► FO_WAIT: a timer, then ──────────────┤  an event loop
 *                              │  └────────┼────────────────────────────────────────┘
 *                              │           └─► anything else: fo_retry_end()
 *                              └─ fo_retry_hedge(): a second attempt beside a slow one
 *
 * What holds
 *   Elsewhere  a retry asks an endpoint that this request has not asked yet, while one is eligible. When
 *              none is, it asks one again (a cluster of one must retry on itself), unless
 *              fo_pick_options.strict.
 *   Budget     whenever a retry is paid for, before its pause, those of the last `budget_ttl_ms` are at most budget_share × the
 *              requests of that time, and budget_floor_per_s × that time beside. All threads share
 *              it, and it is never overspent.
 *   Deadlines  no attempt is begun at or behind the total deadline, and none is given a later one.
 *   Patience   between attempts there is a pause, drawn evenly from 0 to backoff_base_ms, twice that,
 *              four times …, at most backoff_max_ms. A server that says "retry after" is not asked
 *              again by this request before; what is not yet asked comes first.
 *
 * Which outcomes are repeated. Failure, overloaded and down: the next attempt may be well. Success,
 * degraded and neutral are answers, and cancelled means that you gave up: the request is over. Whether
 * your request may be sent twice at all is yours to know; if not, let max_attempts be 1.
 *
 * Time. All times are of one clock: the policy's, or that of the balancer's runtime. Every balancer
 * used with a retrier must have the same one then.
 *
 * Sources: retry budgets of Finagle; full jitter, M. Brooker, "Exponential backoff and jitter", 2015;
 * client-side throttling, "Site Reliability Engineering", 2016, chapter 21; hedged requests, Dean and
 * Barroso, "The tail at scale", 2013.
 */
#ifndef FAILOVER_RETRY_H
#define FAILOVER_RETRY_H

#include <failover/balancer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Which errors mean what --------------------------------------------------------------- */

/**
 * For a classification: a connect() that took too long. No errno has this value. The kernel's own
 * ETIMEDOUT may also come from a request that was too slow, which says less.
 */
#define FO_CONNECT_TIMEOUT (-1)

/**
 * Says what an error means.
 *
 * @param error  0: no error; else an errno, FO_CONNECT_TIMEOUT, or a code of your protocol: whatever
 *               the function given to fo_call() returned
 * @return the outcome; what is no outcome makes fo_call() end with FO_EINVAL
 *
 * Called by fo_call() on its own thread, under no lock. Two threads may call it at once.
 */
typedef fo_outcome (*fo_classify_fn)(int error, void *arg);

/**
 * The classification of plain sockets. A fo_classify_fn; `arg` is not used.
 *
 *   success    0
 *   down       ECONNREFUSED EHOSTUNREACH EHOSTDOWN ENETUNREACH ENETDOWN and FO_CONNECT_TIMEOUT: nobody
 *              is there. (The first user's isHostUnavailable(): refused, no route, connect timeout.)
 *   cancelled  ECANCELED EINTR: you gave up
 *   neutral    what is wrong on this side, and would be wrong with any server:
 *              the call itself: EINVAL EBADF EFAULT ENOTSOCK EDESTADDRREQ EMSGSIZE EISCONN ENOTCONN
 *              EALREADY EINPROGRESS EDOM ERANGE E2BIG ENAMETOOLONG; what is not supported: ENOSYS
 *              EAFNOSUPPORT EPROTONOSUPPORT EPROTOTYPE EOPNOTSUPP ENOPROTOOPT; rights: EACCES EPERM;
 *              what this process has run out of: EMFILE ENFILE ENOBUFS ENOMEM EADDRNOTAVAIL EADDRINUSE
 *   failure    all others: ETIMEDOUT and EAGAIN (too slow), ECONNRESET EPIPE EPROTO EIO …
 *
 * Any thread; wait-free.
 */
FO_API fo_outcome fo_classify_errno(int error, void *arg);

/* ---- The retrier -------------------------------------------------------------------------- */

/** For total_timeout_ms: no deadline. As a timeout_ms that was told: none; as an int it is −1, as
 * poll() wants it. */
#define FO_RETRY_NO_TIMEOUT UINT32_MAX
/** For backoff_base_ms: no pauses. */
#define FO_RETRY_NO_BACKOFF UINT32_MAX
/** For budget_share and budget_floor_per_s: nothing. */
#define FO_RETRY_NONE (-1.0)
/** Most attempts of one request, hedges among them. */
#define FO_RETRY_ATTEMPTS_MAX 16

/** Sleeps, on the thread of fo_call(), until about that time of the retrier's clock. Waking early is
 * allowed: it is called again. On virtual time it moves the clock. */
typedef void (*fo_sleep_fn)(uint64_t until_ns, void *arg);

struct fo_retry_policy {
    size_t size;
    uint32_t max_attempts;       /**< 1 … FO_RETRY_ATTEMPTS_MAX; 0: 3; 1: nothing is repeated. */
    uint32_t attempt_timeout_ms; /**< Deadline of one attempt; 0: that of the request. */
    uint32_t total_timeout_ms;   /**< Deadline of the request, pauses among it; 0: 10,000;
                                      FO_RETRY_NO_TIMEOUT: none. */
    uint32_t backoff_base_ms;    /**< Longest first pause; 0: 25, or backoff_max_ms if that is less;
                                      FO_RETRY_NO_BACKOFF: none. */
    uint32_t backoff_max_ms;     /**< Longest pause, at least backoff_base_ms; 0: 1,000, or
                                      backoff_base_ms if that is more. */
    uint32_t budget_ttl_ms;      /**< How long requests and retries count, and how far back throttle
                                      and hedging look; 1,000 … 3,600,000; 0: 10,000. */
    double budget_share;       /**< Retries for each request; up to 1000; 0: 0.2; FO_RETRY_NONE. */
    double budget_floor_per_s; /**< Retries beside that, so that a quiet client has some; up to
                                      1e6; 0: 10; FO_RETRY_NONE. */
    double throttle_k; /**< Of n attempts in the last budget_ttl_ms, a of which the servers answered
                             (success, degraded, neutral), a request is shed before it is sent
                             with probability max(0, (n − k·a) / (n + 1)); n counts those shed, not
                             those cancelled. 1 … 1000, such as 2; 0: off. It spares overloaded servers,
                             but after an outage traffic grows by e in each ttl / k only. */
    double hedge_share;      /**< Hedges for each request; up to 0.1; 0: no hedging. */
    fo_classify_fn classify; /**< For fo_call(); NULL: fo_classify_errno(). */
    void *classify_arg;      /**< Handed to classify; must outlive the retrier, as the next two. */
    fo_sleep_fn sleep; /**< For fo_call(); NULL: the system's, of CLOCK_MONOTONIC: with a clock of
                                  your own, give a sleep of your own. */
    void *sleep_arg;
    fo_clock_fn clock; /**< NULL: that of each balancer's runtime. See its rules in base.h. */
    void *clock_arg;
    uint64_t
        seed; /**< For pauses and throttle; 0: from the system. Children of a fork() draw as their
                        parent does: create retriers behind it. */
};

/** All defaults. */
static inline struct fo_retry_policy fo_retry_policy_init(void)
{
    struct fo_retry_policy policy;
    policy.size = sizeof(policy);
    policy.max_attempts = 0;
    policy.attempt_timeout_ms = 0;
    policy.total_timeout_ms = 0;
    policy.backoff_base_ms = 0;
    policy.backoff_max_ms = 0;
    policy.budget_ttl_ms = 0;
    policy.budget_share = 0;
    policy.budget_floor_per_s = 0;
    policy.throttle_k = 0;
    policy.hedge_share = 0;
    policy.classify = NULL;
    policy.classify_arg = NULL;
    policy.sleep = NULL;
    policy.sleep_arg = NULL;
    policy.clock = NULL;
    policy.clock_arg = NULL;
    policy.seed = 0;
    return policy;
}

/** What the requests to one service share: budget, throttle and latency. Opaque; pair
 * fo_retrier_create() with fo_retrier_destroy(). */
struct fo_retrier;

/**
 * Creates a retrier.
 *
 * @param policy   NULL: all defaults; copied, except what its fields say must outlive it
 * @param retrier  [out] set on FO_OK, untouched otherwise; yours until fo_retrier_destroy()
 * @return FO_OK
 *         FO_NOMEM   free memory, call again
 *         FO_EINVAL  retrier is NULL, or policy has a bad size, an unknown field, or one of its numbers
 *                    max_attempts, backoff_base_ms (above backoff_max_ms), budget_ttl_ms,
 *                    budget_share, budget_floor_per_s, throttle_k, hedge_share out of its range or
 *                    not a number: fix the caller
 *
 * Any thread. Cold: allocates some 6 KB.
 */
FO_API FO_MUST_USE fo_status fo_retrier_create(const struct fo_retry_policy *policy,
                                               struct fo_retrier **retrier);

/** Destroys a retrier; NULL is allowed. Every request on it was ended, and nothing else is called on
 * it meanwhile. */
FO_API void fo_retrier_destroy(struct fo_retrier *retrier);

/* ---- One request -------------------------------------------------------------------------- */

/** An attempt that is open. */
struct fo_retry_open {
    struct fo_lease lease;
    uint64_t started_ns;
    uint64_t number;
};

/** An endpoint that was asked. */
struct fo_retry_asked {
    uint64_t endpoint_id;
    uint64_t not_before_ns;
};

/** One request and its attempts. Any memory, 512 bytes; move it as you like, use one copy. Everything in
 * it is the library's. One thread at a time. */
struct fo_retry {
    struct fo_retrier *retrier; /* NULL: not begun, or ended */
    struct fo_balancer *balancer;
    const struct fo_pick_options *options;
    uint64_t deadline_ns;   /* UINT64_MAX: none */
    uint64_t not_before_ns; /* of the next attempt */
    uint32_t attempts;      /* begun, hedges among them */
    uint32_t admitted;      /* the next attempt need not ask throttle or budget again */
    uint32_t paid_tick;     /* when the budget paid for it */
    uint32_t over;          /* a fo_status: what every further call returns; FO_OK: it goes on */
    struct fo_retry_asked asked[FO_RETRY_ATTEMPTS_MAX];
    struct fo_retry_open open[2];
    uint64_t reserved[5];
};

/** A request that is not begun; ending it is refused with FO_EINVAL. */
static inline struct fo_retry fo_retry_init(void)
{
    struct fo_retry retry;
    int i;
    retry.retrier = NULL;
    retry.balancer = NULL;
    retry.options = NULL;
    retry.deadline_ns = UINT64_MAX;
    retry.not_before_ns = 0;
    retry.attempts = 0;
    retry.admitted = 0;
    retry.paid_tick = 0;
    retry.over = 0;
    for (i = 0; i < FO_RETRY_ATTEMPTS_MAX; i++) {
        retry.asked[i].endpoint_id = 0;
        retry.asked[i].not_before_ns = 0;
    }
    for (i = 0; i < 2; i++) {
        retry.open[i].lease = fo_lease_init();
        retry.open[i].started_ns = 0;
        retry.open[i].number = 0;
    }
    for (i = 0; i < 5; i++)
        retry.reserved[i] = 0;
    return retry;
}

/** What to do next. Times are of the retrier's clock. */
struct fo_retry_advice {
    size_t size;
    uint64_t wait_until_ns; /**< With FO_WAIT: call again then. Otherwise 0. */
    uint64_t deadline_ns;   /**< With FO_OK: give this attempt up then; UINT64_MAX: no deadline. */
    uint64_t
        hedge_after_ns;  /**< With FO_OK: when there is no answer after so long, fo_retry_hedge()
                                  may find a faster server: the 95th percentile of what has been
                                  answered. 0: do not. */
    uint32_t attempt;    /**< With FO_OK: 1 for the first, counting hedges. */
    uint32_t timeout_ms; /**< Until deadline_ns or wait_until_ns, rounded up; or
                                  FO_RETRY_NO_TIMEOUT. */
};

static inline struct fo_retry_advice fo_retry_advice_init(void)
{
    struct fo_retry_advice advice;
    advice.size = sizeof(advice);
    advice.wait_until_ns = 0;
    advice.deadline_ns = 0;
    advice.hedge_after_ns = 0;
    advice.attempt = 0;
    advice.timeout_ms = 0;
    return advice;
}

/**
 * Begins a request; its deadline counts from here.
 *
 * @param retrier   not NULL; outlives the request
 * @param balancer  not NULL; not destroyed before fo_retry_end()
 * @param options   NULL: none; not copied: it, and what it points to, must live until
 *                  fo_retry_end(). `exclude` counts as asked already, so its ids are used again as
 *                  those are, when nothing else is eligible.
 * @param retry     [out] filled on FO_OK, untouched otherwise; end it with fo_retry_end()
 * @return FO_OK
 *         FO_EINVAL  a NULL argument; or options of a bad size, with a NULL list of exclusions, or with
 *                    more of them than FO_EXCLUDE_MAX − max_attempts: fix the caller
 *
 * Any thread. Wait-free; reads the clock.
 */
FO_API FO_MUST_USE fo_status fo_retry_begin(struct fo_retrier *retrier,
                                            struct fo_balancer *balancer,
                                            const struct fo_pick_options *options,
                                            struct fo_retry *retry);

/**
 * Gives the next attempt, or says why there is none.
 *
 * @param lease   [out] filled on FO_OK, untouched otherwise. Give it back with fo_retry_report(), never
 *                with fo_finish(); what is open at fo_retry_end() is finished there.
 * @param advice  [in, out] from fo_retry_advice_init(); filled on FO_OK and FO_WAIT
 * @return FO_OK        send, by advice.deadline_ns, and report
 *         FO_WAIT      call again at advice.wait_until_ns, which is before the deadline
 *         FO_DONE      the request was answered, or cancelled: end it, go on with the answer
 *         FO_BUDGET    attempts or budget are used up, or the request is shed by the throttle: end it,
 *                      fail with what the last attempt brought
 *         FO_DEADLINE  the time is up, or would be before the next attempt may begin: end it, fail
 *         FO_BUSY      an attempt is open: report it first
 *         FO_UNAVAILABLE, FO_CLOSED, FO_NOMEM, FO_EINVAL as fo_pick_with(); call again later if you
 *                      like, or end it. FO_EINVAL also for a NULL argument, a request that was not
 *                      begun, or advice of a bad size.
 *
 * FO_DONE, FO_BUDGET and FO_DEADLINE stay: every further call returns the same.
 *
 * A retry is paid for before its pause, so a spent budget is told at once.
 *
 * Any thread, one at a time. Lock-free; reads the clock; otherwise as fo_pick_with().
 */
FO_API FO_MUST_USE fo_status fo_retry_next(struct fo_retry *retry, struct fo_lease *lease,
                                           struct fo_retry_advice *advice);

/**
 * Gives a second attempt beside the one that is open, on an endpoint that was not asked yet. The
 * first good answer wins: report it, and the loser as FO_OUTCOME_CANCELLED, or leave that to
 * fo_retry_end(). Hedges count as attempts, and have a budget of their own.
 *
 * @param lease, advice  as for fo_retry_next()
 * @return FO_OK        send, by advice.deadline_ns, and report
 *         FO_WAIT      too early: call again at advice.wait_until_ns, if there is no answer by then
 *         FO_BUDGET    hedging is off, not yet learned (the percentile takes 100 answers), or its budget
 *                      or the attempts are used up: do without
 *         FO_DEADLINE  the time is up, or would be: do without
 *         FO_UNAVAILABLE  no other endpoint is eligible: do without
 *         FO_DONE, FO_CLOSED, FO_NOMEM as fo_retry_next()
 *         FO_BUSY      two attempts are open already
 *         FO_EINVAL    as fo_retry_next(), and when no attempt is open
 *
 * Threads and progress as fo_retry_next().
 */
FO_API FO_MUST_USE fo_status fo_retry_hedge(struct fo_retry *retry, struct fo_lease *lease,
                                            struct fo_retry_advice *advice);

/**
 * Finishes an attempt with what happened, as fo_finish() does, and learns from it for the next.
 *
 * @param lease           of an open attempt of this request; cleared
 * @param outcome         failure, overloaded and down are repeated; anything else ends the request, but
 *                        for a cancelled attempt beside an open one
 * @param retry_after_ms  with those three, what the server asked for: this request does not ask the
 *                        endpoint again before. 0: nothing was asked.
 * @return FO_OK
 *         FO_EINVAL  a NULL argument, a request that was not begun, a lease of no open attempt, or no
 *                    outcome (the attempt is then still open): fix the caller
 *
 * Any thread, one at a time. Lock-free; reads the clock; otherwise as fo_finish().
 */
FO_API fo_status fo_retry_report(struct fo_retry *retry, struct fo_lease *lease, fo_outcome outcome,
                                 uint32_t retry_after_ms);

/**
 * Ends a request. Attempts that are open are finished as FO_OUTCOME_CANCELLED: your copies of their
 * leases are void.
 *
 * @return FO_OK
 *         FO_EINVAL  retry is NULL, was not begun or is ended already
 *
 * Any thread, one at a time. Lock-free; otherwise as fo_finish().
 */
FO_API fo_status fo_retry_end(struct fo_retry *retry);

/* ---- Blocking ------------------------------------------------------------------------------ */

/** One attempt of fo_call(). Valid during the call. */
struct fo_attempt {
    size_t size;                  /**< Of the library's struct: fields behind it are not there. */
    struct fo_endpoint *endpoint; /**< Whom to ask. */
    uint64_t deadline_ns;         /**< Give up then, of the retrier's clock; UINT64_MAX: never. */
    uint32_t number;              /**< 1 for the first. */
    uint32_t timeout_ms;          /**< The same from now, rounded up, or FO_RETRY_NO_TIMEOUT. */
    uint32_t retry_after_ms;      /**< [out] what the server asked for; 0, as it is, for nothing. */
    uint32_t reserved;
};

/**
 * Sends a request once.
 *
 * @return 0: done; otherwise an error, for the policy's `classify`
 *
 * Called on the thread of fo_call(), under no lock; may call any function of the library but
 * fo_retrier_destroy() on this retrier.
 */
typedef int (*fo_attempt_fn)(struct fo_attempt *attempt, void *arg);

/**
 * Sends a request, again if need be, and returns when it is over. No hedging: one thread does one
 * thing at a time.
 *
 * @param retrier   not NULL
 * @param balancer  not NULL; not destroyed meanwhile
 * @param options   NULL: none; as for fo_retry_begin()
 * @param send      not NULL; called once for each attempt, one after another
 * @param arg       handed to send
 * @return FO_OK  the last call of send ended the request: its outcome is neither failure, overloaded
 *                nor down
 *         FO_BUDGET, FO_DEADLINE, FO_UNAVAILABLE, FO_CLOSED, FO_NOMEM, FO_EINVAL as fo_retry_begin()
 *         and fo_retry_next(); FO_EINVAL also when classify returns no outcome
 *
 * Any thread. Blocks: in send, and in pauses, which go through the policy's `sleep`.
 */
FO_API FO_MUST_USE fo_status fo_call(struct fo_retrier *retrier, struct fo_balancer *balancer,
                                     const struct fo_pick_options *options, fo_attempt_fn send,
                                     void *arg);

#ifdef __cplusplus
}
#endif

#endif
