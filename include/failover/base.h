/* SPDX-License-Identifier: Apache-2.0
 *
 * What every other header of libfailover needs: version, status, outcomes, log and clock types.
 *
 * Conventions of the whole library
 *   Time      a name ends in its unit: _ns, _ms.
 *   Errors    functions that can fail return fo_status; each value below names the caller's action.
 *             Nothing is printed, errno is neither read nor promised, nothing aborts but for one
 *             case inside liburcu; see fo_thread_prepare().
 *   Structs   that cross the boundary begin with `size_t size` and are built by their
 *             fo_..._init() function. Fields are only ever appended: a caller compiled against an
 *             older header passes a smaller size and gets defaults for what it does not know; a
 *             newer caller's unknown, non-zero tail is refused with FO_EINVAL. Exceptions:
 *             fo_trial_config, fo_weight_function and fo_level_config stand inside others and have reserved
 *             fields instead, fo_update_entry has its size in the result that holds it, and
 *             fo_lease is 64 bytes for ever. Reserved fields must be 0, as the init functions
 *             leave them.
 *   Threads   every function says who may call it concurrently with what. "Cold" functions take
 *             locks, may wait for a grace period and are not for the request path.
 *   Callbacks must return: no longjmp(), no C++ exception, no thread exit out of one.
 *   Never     from a signal handler. Never in a thread that somebody may cancel, unless its
 *             cancellation is disabled around the call: a thread that ends inside the library may
 *             leave a lock held for ever.
 */
#ifndef FAILOVER_BASE_H
#define FAILOVER_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The version of these headers. CMake, the package files and fo_version() read these lines. */
#define FO_VERSION_MAJOR 0
#define FO_VERSION_MINOR 1
#define FO_VERSION_PATCH 0

#define FO_API __attribute__((visibility("default")))
#define FO_MUST_USE __attribute__((warn_unused_result))

#ifdef __cplusplus
extern "C" {
#endif

/** Result of a call. Values are never renumbered. */
typedef enum fo_status {
    FO_OK = 0,          /**< Done. */
    FO_UNAVAILABLE = 1, /**< Nothing may be picked now: shed the request, queue it, or try later. */
    FO_CLOSED = 2,      /**< The balancer is being destroyed: stop using it. */
    FO_NOMEM = 3,       /**< Out of memory; nothing was changed: free some, call again. */
    FO_EINVAL = 4,      /**< An argument is out of range; nothing was changed: fix the caller. */
    FO_NOTFOUND = 5,    /**< No endpoint of that name; nothing was changed: refresh your list. */
    FO_DUPLICATE = 6, /**< A name stands twice in one update; nothing was changed: fix the list. */
    FO_BUSY = 7,      /**< Still in use: finish that first, call again. */
    FO_SYSTEM = 8,    /**< The system refused a thread or a descriptor: raise the limit. */
    FO_STALE = 9,     /**< What was given is too old; nothing was changed: do without it. */
    FO_NOSPACE = 10,  /**< The buffer is too small; nothing was written: give a larger one. */
    FO_OVERLOADED = 11, /**< All that could take the request is at its limit: shed it, or wait for
                             one to finish. */
    FO_WAIT = 12,       /**< Too early: call again when the advice says so (retry.h). */
    FO_DONE = 13,       /**< The request is over: go on with its answer (retry.h). */
    FO_BUDGET = 14,     /**< No further attempt may be made: fail with what the last one brought. */
    FO_DEADLINE = 15    /**< The time is up: fail the request. */
} fo_status;

/** The name of a status, "FO_OK" for FO_OK; "FO_?" for an unknown value. Static, never NULL. */
FO_API const char *fo_status_name(fo_status status);

/** How a request ended, as its caller saw it. Zero is no outcome, so a forgotten one is refused. */
typedef enum fo_outcome {
    FO_OUTCOME_SUCCESS = 1,    /**< Done: health rises. */
    FO_OUTCOME_DEGRADED = 2,   /**< Done, but the server is not well: counts as success, health
                                    falls by a mild step, never to down. */
    FO_OUTCOME_FAILURE = 3,    /**< Failed or timed out: health falls. */
    FO_OUTCOME_OVERLOADED = 4, /**< Refused for load: health falls by a mild step, never to down. */
    FO_OUTCOME_DOWN = 5,       /**< The server is certainly dead (connection refused, unplugged): no
                                    traffic, or only the trickle of its min_weight, until a request
                                    picked since then succeeds. */
    FO_OUTCOME_NEUTRAL = 6,    /**< The caller's own fault, the server is fine: no effect. */
    FO_OUTCOME_CANCELLED = 7   /**< Given up before an answer: says nothing, no effect. */
} fo_outcome;

/** The name of an outcome, "success" for FO_OUTCOME_SUCCESS; "?" if unknown. Static, never NULL. */
FO_API const char *fo_outcome_name(fo_outcome outcome);

/** Severity of a log line. */
typedef enum fo_log_level {
    FO_LOG_INFO = 1,
    FO_LOG_WARNING = 2, /**< Works, but somebody should look (a lease was forgotten). */
    FO_LOG_ERROR = 3    /**< The embedder broke a rule (a lease was finished twice). */
} fo_log_level;

/**
 * Receives the library's log lines.
 *
 * @param level    severity
 * @param message  one line without a newline; valid during the call only
 * @param arg      what stood beside the function in the configuration
 *
 * Called on the thread that noticed, never under a lock of the library nor inside an RCU read
 * section, so it may call any function of the library. Two threads may call it at once.
 */
typedef void (*fo_log_fn)(fo_log_level level, const char *message, void *arg);

/**
 * A clock: monotonic nanoseconds from any origin.
 *
 * Must not go backwards. A clock of your own makes time virtual. Two threads may call it at once, and
 * it runs under a lock of the library: it must not call the library, nor fork(), nor block.
 */
typedef uint64_t (*fo_clock_fn)(void *arg);

/** Version of the library that is linked: major << 16 | minor << 8 | patch. */
FO_API uint32_t fo_version(void);

#ifdef __cplusplus
}
#endif

#endif
