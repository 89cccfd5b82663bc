/* SPDX-License-Identifier: Apache-2.0
 *
 * Events: what changed, in order, with its reason.
 *
 * Events are delivered one at a time, on the thread that runs the runtime (runtime.h), each to the
 * listeners in the order in which they were subscribed. A listener may call any function of the
 * library, and no pick ever waits for it. It may block, but the runtime waits for it: until it
 * returns there are no trials, no checks, no events and no frees in any balancer on that runtime.
 *
 * Order holds within an incarnation (endpoint_id): `added` first, `removed` and then `released` last
 * (`added` again between those two, if the incarnation is taken back; see endpoint.h).
 * Changes pending together are told as added, updated, state, removed, whatever came first. Different
 * incarnations are not ordered: after new `data` for a name, `added` of the new one may come before
 * `removed` of the old, so key your maps by endpoint_id, never by name alone. Such an update gives
 * `added` and `removed`, not `updated`.
 *
 * Changes that come faster than they are delivered are merged: `missed` tells how many changes to or
 * from down were left out, and a removal that is taken back before it was told is not told, but as
 * `updated` if the configuration differs. `released` and `closed` are never merged and never lost.
 *
 * `weight` is told after a pause of 10 ms in which its host's changes are collected, so at most once in 10 ms
 * for each endpoint, and after the changes of state in between. Its old weight is the new one of the
 * `weight` before: what was told is a chain, and its end is true when nothing changes for 10 ms. While
 * nobody has subscribed to it in a group, changes of weight cost what they ever did.
 */
#ifndef FAILOVER_EVENTS_H
#define FAILOVER_EVENTS_H

#include <failover/base.h>
#include <failover/endpoint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fo_balancer;

/** Kinds of event: bits, to be joined with | in fo_subscribe(). */
typedef enum fo_event_kind {
    FO_EVENT_ADDED = 1 << 0,   /**< The endpoint joined. */
    FO_EVENT_UPDATED = 1 << 1, /**< Its configuration changed, or fo_drain()/fo_undrain(). */
    FO_EVENT_DOWN = 1 << 2,    /**< Its host went down: no traffic, or its min_weight's trickle. */
    FO_EVENT_TRIAL = 1 << 3,   /**< A host that is down is offered one trial request. */
    FO_EVENT_RECOVERED = 1 << 4, /**< Its host takes traffic again. */
    FO_EVENT_REMOVED = 1 << 5,   /**< It left the membership; leases may still be open. */
    FO_EVENT_RELEASED = 1 << 6,  /**< After removed: its last lease is finished. `data` is yours
                                      again. Exactly once for each incarnation. */
    FO_EVENT_CLOSED = 1 << 7,    /**< The balancer's last event; no endpoint. */
    FO_EVENT_EXHAUSTED = 1 << 8, /**< Nothing in the balancer is healthy any more: all endpoints
                                      share the traffic, or picks are refused (levels.h). No
                                      endpoint. */
    FO_EVENT_AVAILABLE = 1 << 9, /**< Something is healthy, the first time or again. No endpoint. */
    FO_EVENT_WEIGHT = 1 << 10,   /**< What it is picked with has changed: by outcomes, a check, a
                                      step of its ramp, an update. Up to 100 a second for each
                                      endpoint, so it is not among FO_EVENT_ALL and must be asked
                                      for by name: FO_EVENT_ALL | FO_EVENT_WEIGHT. */
    FO_EVENT_EJECTED = 1 << 11,  /**< The judge has ejected its host (judge.h). */
    FO_EVENT_ALL = ((1 << 10) - 1) | FO_EVENT_EJECTED /**< All but `weight`: what happens seldom. */
} fo_event_kind;

/** The name of a kind, "down" for FO_EVENT_DOWN; "?" if unknown. Static, never NULL. */
FO_API const char *fo_event_kind_name(fo_event_kind kind);

/** Why a host changed its state. */
typedef enum fo_reason {
    FO_REASON_NONE = 0,              /**< Not a change of state; weight: none was told yet. */
    FO_REASON_OUTCOME_DOWN = 1,      /**< Somebody reported FO_OUTCOME_DOWN. */
    FO_REASON_NO_HEALTH = 2,         /**< Failures took the live weight to 0. */
    FO_REASON_BACKOFF_OVER = 3,      /**< Time for a trial. */
    FO_REASON_TRIAL_SUCCESS = 4,     /**< A request picked after it went down succeeded. */
    FO_REASON_TRIAL_FAILED = 5,      /**< The trial failed or ran out of time. */
    FO_REASON_STARTED_DOWN = 6,      /**< Added with init_weight 0. */
    FO_REASON_CHECK_FAILED = 7,      /**< Checks failed, `fall` in a row (check.h). */
    FO_REASON_CHECK_PASSED = 8,      /**< Checks passed, `rise` in a row. */
    FO_REASON_RESTORED = 9,          /**< It was down in a state that was restored (state.h). */
    FO_REASON_EJECTED_FAILURES = 10, /**< Ejected for its strikes (judge.h); the next three too. */
    FO_REASON_EJECTED_RATE = 11,     /**< For its failure rate. */
    FO_REASON_EJECTED_OUTLIER = 12,  /**< For a success rate far below that of the others. */
    FO_REASON_EJECTED_LATENCY = 13   /**< For a latency far above that of the best. */
} fo_reason;

/** The name of a reason, "no health" for FO_REASON_NO_HEALTH; "?" if unknown. Static. */
FO_API const char *fo_reason_name(fo_reason reason);

/** One event. Valid, with its strings, during the listener's call only. */
struct fo_event {
    size_t size;
    fo_event_kind kind;
    const char *balancer; /**< fo_config.name */
    const char *endpoint; /**< Its name; "" for closed, exhausted and available. */
    uint64_t endpoint_id; /**< The incarnation; 0 for those three. */
    void *data;           /**< The incarnation's data; NULL for those three. */
    fo_state old_state;   /**< For down, ejected, trial and recovered: before and after. For added,
                               updated, weight, removed and released: both as last told. For the three
                               without an endpoint 0, which is no fo_state. */
    fo_state new_state;
    fo_reason reason; /**< For weight: of the change of state that was told last. */
    uint32_t missed;  /**< Changes to or from down since the last event of this endpoint that were
                          merged into this one; left-out steps to and from trial do not count. */
    double health;    /**< 0 … 1, belongs to new_state. */

    /* For `weight`, else 0; in the unit of fo_endpoint_config.max_weight. */
    double old_weight; /**< As last told; at first as it was when the first of this balancer's
                            listeners to weights subscribed, or when `added` was told. */
    double new_weight; /**< Health and ramp times max_weight, but at least min_weight; 0 while
                            drained. */
};

/** A listener; see the rules on top and those for callbacks in base.h. `event` is not NULL. */
typedef void (*fo_event_fn)(const struct fo_event *event, void *arg);

/** A subscription. Opaque; pair fo_subscribe() with fo_unsubscribe(), or leave it to destroy. */
struct fo_subscription;

/**
 * Subscribes a listener to a balancer's events.
 *
 * @param events        kinds joined with |; not 0
 * @param listener      not NULL; it hears what happens from now on, and what has happened but is not
 *                      yet delivered (such as `added` of endpoints that were added just before)
 * @param arg           handed to listener; must live until fo_unsubscribe() says, or until `closed`
 *                      was delivered
 * @param subscription  NULL, or [out] for fo_unsubscribe(); valid until then or until `closed`
 * @return FO_OK, FO_NOMEM, FO_CLOSED; FO_EINVAL: a NULL argument or an unknown kind
 *
 * Any thread, also from a listener, concurrently with everything; for fo_balancer_destroy() see there.
 * Cold: takes a lock, allocates; a balancer's first subscription to FO_EVENT_WEIGHT is O(N) and waits for
 * a grace period.
 */
FO_API FO_MUST_USE fo_status fo_subscribe(struct fo_balancer *balancer, unsigned events,
                                          fo_event_fn listener, void *arg,
                                          struct fo_subscription **subscription);

/**
 * Ends a subscription; NULL is allowed.
 *
 * When it returns, the listener does not run and never will, and `arg` may be freed. Called from that
 * listener itself: this is its last call, and `arg` may be freed when it returns.
 *
 * Once; any thread, also from a listener. Cold: takes locks, waits for a running call of this listener, so hold no
 * lock that the listener takes. Not after fo_balancer_destroy(), except from a listener of this
 * balancer.
 */
FO_API void fo_unsubscribe(struct fo_balancer *balancer, struct fo_subscription *subscription);

#ifdef __cplusplus
}
#endif

#endif
