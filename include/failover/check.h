/* SPDX-License-Identifier: Apache-2.0
 *
 * Health checks: asking the servers themselves.
 *
 * A check belongs to a health group (group.h): however many balancers share a host, it is checked once
 * each interval, without blocking, on the thread that runs the runtime.
 *
 *                 fall failed in a row                       rise passed in a row
 *     up ──────────────────────────────────► down ──────────────────────────────────► up, and ramps
 *      interval, fast after the first failed    interval, longer each time up to
 *                                               down_interval_max; fast after the first passed
 *
 * A check that fails to the end takes the host down as a reported FO_OUTCOME_DOWN does. While checks
 * are configured they are how a dead host comes back: no request of yours is spent on a trial. (An
 * endpoint with a min_weight keeps its trickle, and a success of that lifts the host, too.) A passed
 * check of a host that is up but not wholly healthy heals it by as much as one successful request.
 *
 * An ejected host (judge.h) has its trial all the same: a passed check does not end an ejection. Failed
 * checks take it down as one that is up, and then only checks bring it back.
 *
 * A check that began before the host last went down or came back moves nothing, but counts in its row.
 * A check that this process could not make (no descriptor or memory left, no port, a name that nobody
 * resolves) says nothing about the server: it counts neither way, and is made again.
 *
 * What is checked is the endpoint's address (fo_endpoint_config.address), or else its name:
 *
 *     192.0.2.1:80   [2001:db8::1]:80   [fe80::1%eth0]:80   unix:/path   unix:@abstract   a.example:80
 *
 * Names are resolved on threads of their own, at most every 30 seconds. Of several addresses the first
 * that takes the connection counts. Functions of your own get the address as it is.
 *
 * Checks go on over updates and while balancers join and leave, and end with the host's last endpoint.
 */
#ifndef FAILOVER_CHECK_H
#define FAILOVER_CHECK_H

#include <failover/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How a server is asked. */
typedef enum fo_check_kind {
    FO_CHECK_NONE = 0, /**< Not at all: trials bring hosts back (group.h). */
    FO_CHECK_TCP = 1,  /**< Passed when the connection is there and, if they are given, `send` is
                            sent and the answer begins with `expect`. */
    FO_CHECK_HTTP = 2, /**< GET by HTTP/1.1; passed when the status is in status_min …
                            status_max. The body is not read. No TLS. */
    FO_CHECK_SYNC = 3, /**< By fo_check_config.check. */
    FO_CHECK_ASYNC = 4 /**< By fo_check_config.begin. */
} fo_check_kind;

/** What is to be checked, for a function of yours. Valid during its call. */
struct fo_check_target {
    size_t size;
    const char *name;    /**< The endpoint's. */
    const char *address; /**< fo_endpoint_config.address, or the name; here any text is allowed. */
    uint32_t timeout_ms; /**< From the begin on; a result that comes later is ignored. */
    uint32_t reserved;
};

/** Names one check that was begun. A value: copy it, keep it as long as you like. */
struct fo_check_handle {
    uint64_t id;
};

/**
 * A check of your own that may block.
 *
 * @return whether the server is well
 *
 * Runs on a worker, with 256 KiB of stack, all signals blocked and at most three others of its kind or
 * look-ups of names beside it in the whole process. One that takes longer than the timeout has failed,
 * and is left to end on its own: then it may still run when its group is gone, so `arg` and all that it
 * uses must stay for good. One that finds no worker in time counts neither way. May call any function
 * of the library.
 */
typedef bool (*fo_check_fn)(const struct fo_check_target *target, void *arg);

/**
 * Begins a check of your own that does not block, and ends with fo_check_done().
 *
 * Called on the thread that runs the runtime, which waits for it. May call any function of the library,
 * fo_check_done() too. Not called any more once `closed` of all balancers of the group was delivered.
 */
typedef void (*fo_check_begin_fn)(struct fo_check_handle handle,
                                  const struct fo_check_target *target, void *arg);

/**
 * Gives the result of an asynchronous check.
 *
 * @param handle  from fo_check_begin_fn; one of a check that is over (timed out, ended with its
 *                group, begun before a fork()), or already has its result, is ignored
 *
 * Any thread, at once, late, twice or never. Cold: takes a lock; may wake the runtime.
 */
FO_API void fo_check_done(struct fo_check_handle handle, bool passed);

/** Which hosts are checked. */
typedef enum fo_check_when {
    FO_CHECK_LAZY = 0,  /**< Those that are down or not wholly healthy: traffic tells about the
                             rest. */
    FO_CHECK_ALWAYS = 1 /**< All. */
} fo_check_when;

/** For fo_check_config.jitter_percent: none. */
#define FO_CHECK_JITTER_NONE UINT32_MAX
/** Most bytes of `send` and of `expect`. */
#define FO_CHECK_TEXT_MAX 1024

/** Checks of a group. Zero in a field means its default. */
struct fo_check_config {
    fo_check_kind kind;
    fo_check_when when;
    uint32_t interval_ms; /**< From the begin of a check to that of the next; 0: 2,000. The first
                               comes at a random time within one interval. */
    uint32_t timeout_ms;  /**< A check that takes longer has failed; 0: 1,000. If it is longer than
                               the interval, the next check begins when it is over. */
    uint32_t rise;        /**< Passed in a row that bring a host back; 0: 2. */
    uint32_t fall;        /**< Failed in a row that take a host down; 0: 3. */
    uint32_t fast_interval_ms; /**< In place of interval_ms between the first failed check of a host
                                        that is up and the verdict, and between the first passed of one
                                        that is down and the verdict. Not above interval_ms; 0: a quarter
                                        of it, at least 50 (or interval_ms, if that is less). */
    uint32_t down_interval_max_ms; /**< While a host is down, the interval doubles with each failed
                                        check up to this. Not below interval_ms; 0: interval_ms, so that
                                        it stays. */
    uint32_t jitter_percent; /**< Each interval is longer or shorter by up to this, at random, so
                                  that clients do not march in step; 1 … 50; 0: 10;
                                  FO_CHECK_JITTER_NONE. */
    uint32_t reserved[3];    /**< Must be 0. */

    const void *send;   /**< TCP: bytes to be sent; NULL: none; copied, as everything here. */
    size_t send_size;   /**< 0 … FO_CHECK_TEXT_MAX; 0 exactly when send is NULL. */
    const void *expect; /**< TCP: what the answer begins with; NULL: anything or nothing. */
    size_t expect_size; /**< 0 … FO_CHECK_TEXT_MAX; 0 exactly when expect is NULL. */

    const char *path;      /**< HTTP: what to get, begins with "/", visible ASCII without "#", up to
                           FO_CHECK_TEXT_MAX bytes; NULL: "/". */
    const char *host;      /**< HTTP: the Host header, letters, digits and -._:[] up to FO_NAME_MAX
                           bytes; NULL: what is checked, or "localhost" for Unix sockets. */
    uint16_t status_min;   /**< HTTP: 100 … 599; 0: 200. */
    uint16_t status_max;   /**< HTTP: status_min … 599; 0: the larger of 399 and status_min. */
    uint16_t reserved2[2]; /**< Must be 0. */

    fo_check_fn check;       /**< For FO_CHECK_SYNC, else NULL. */
    fo_check_begin_fn begin; /**< For FO_CHECK_ASYNC, else NULL. */
    void *arg;               /**< Handed to either; see there how long it must live. */
};

/** No checks, and all other defaults. */
static inline struct fo_check_config fo_check_config_init(void)
{
    struct fo_check_config config;
    int i;
    config.kind = FO_CHECK_NONE;
    config.when = FO_CHECK_LAZY;
    config.interval_ms = 0;
    config.timeout_ms = 0;
    config.rise = 0;
    config.fall = 0;
    config.fast_interval_ms = 0;
    config.down_interval_max_ms = 0;
    config.jitter_percent = 0;
    for (i = 0; i < 3; i++)
        config.reserved[i] = 0;
    config.send = NULL;
    config.send_size = 0;
    config.expect = NULL;
    config.expect_size = 0;
    config.path = NULL;
    config.host = NULL;
    config.status_min = 0;
    config.status_max = 0;
    for (i = 0; i < 2; i++)
        config.reserved2[i] = 0;
    config.check = NULL;
    config.begin = NULL;
    config.arg = NULL;
    return config;
}

/** Checks by connecting. */
static inline struct fo_check_config fo_check_tcp(void)
{
    struct fo_check_config config = fo_check_config_init();
    config.kind = FO_CHECK_TCP;
    return config;
}

/** Checks by a function of yours that may block. */
static inline struct fo_check_config fo_check_sync(fo_check_fn check, void *arg)
{
    struct fo_check_config config = fo_check_config_init();
    config.kind = FO_CHECK_SYNC;
    config.check = check;
    config.arg = arg;
    return config;
}

/** Checks by a function of yours that only begins them. */
static inline struct fo_check_config fo_check_async(fo_check_begin_fn begin, void *arg)
{
    struct fo_check_config config = fo_check_config_init();
    config.kind = FO_CHECK_ASYNC;
    config.begin = begin;
    config.arg = arg;
    return config;
}

/** Checks by GET of a path; NULL: "/". */
static inline struct fo_check_config fo_check_http(const char *path)
{
    struct fo_check_config config = fo_check_config_init();
    config.kind = FO_CHECK_HTTP;
    config.path = path;
    return config;
}

#ifdef __cplusplus
}
#endif

#endif
