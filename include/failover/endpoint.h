/* SPDX-License-Identifier: Apache-2.0
 *
 * Endpoints: one server, broker, cluster … in one balancer.
 *
 * An endpoint is described by an fo_endpoint_config, seen through an fo_endpoint_info, and handed out
 * in a lease as `struct fo_endpoint *`.
 *
 * Incarnations. `data` is yours and fixed for an endpoint's incarnation. Updating a name with other
 * `data` makes a new incarnation (new id, same host, so its health stays); the old one takes no more
 * picks, its open leases finish in peace, and then one `released` event brings its own `data` back.
 * The same happens when a name is removed. Removing a name and adding it again with the same `data`
 * before the last lease is finished takes the incarnation back: there is then no `released`.
 */
#ifndef FAILOVER_ENDPOINT_H
#define FAILOVER_ENDPOINT_H

#include <failover/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fo_balancer;

/** An endpoint in a lease. Valid until that lease is finished; never NULL in an open one. */
struct fo_endpoint;

/** Longest name in bytes, without the final NUL. */
#define FO_NAME_MAX 255
/** Largest weight. */
#define FO_WEIGHT_MAX 1e12
/** Most endpoints of one balancer. */
#define FO_ENDPOINTS_MAX 1048575
/** For fo_endpoint_config.init_weight: start at max_weight. */
#define FO_INIT_WEIGHT_MAX (-1.0)

struct fo_endpoint_config {
    size_t size;
    const char *name;  /**< 1 … FO_NAME_MAX bytes, any but NUL; unique in its balancer; copied. */
    double max_weight; /**< Weight at full health; 0 … FO_WEIGHT_MAX; 0: never picked. */
    double min_weight; /**< Live weight never falls below; 0 … max_weight. Above 0 the endpoint
                             keeps a trickle of traffic even when down. */
    double init_weight; /**< Live weight of a host seen for the first time: min_weight …
                             max_weight or FO_INIT_WEIGHT_MAX; 0 of a max_weight above 0: down until
                             a trial or its checks succeed. */
    uint64_t tags;      /**< Bits of your own meaning, for fo_pick_options.require_tags. */
    void *data;         /**< Yours, never touched; comes back in the `released` event. */
    uint32_t level;     /**< 0 … FO_LEVEL_MAX (levels.h): level 0 is used first. */
    bool degraded;      /**< Only when the endpoints that are not cannot take all the traffic. */
    bool reserved[3];   /**< Must be false. */
    const char *zone; /**< Where it is, 1 … FO_NAME_MAX bytes; NULL or "": nowhere in particular;
                             copied. A zone's name is remembered as long as the balancer lives. */
    const char *address; /**< Where its host is checked (check.h), 1 … FO_NAME_MAX bytes, copied. It
                             belongs to the host: the newest upsert that brings one counts in all
                             balancers of the group. NULL: the host keeps what it has, at first its
                             name. With FO_CHECK_TCP and FO_CHECK_HTTP it, or without it the name,
                             must be one of the forms in check.h. */
    uint64_t
        max_in_flight; /**< Most that its host may have in flight for a pick of this endpoint, of all
                             that is counted there (load.h); at most FO_IN_FLIGHT_MAX; 0: no limit. */
};

/** A configuration of weight 100 at level 0 that starts healthy, without tags, data or zone. */
static inline struct fo_endpoint_config fo_endpoint_config_init(const char *name)
{
    struct fo_endpoint_config config;
    int i;
    config.size = sizeof(config);
    config.name = name;
    config.max_weight = 100;
    config.min_weight = 0;
    config.init_weight = FO_INIT_WEIGHT_MAX;
    config.tags = 0;
    config.data = NULL;
    config.level = 0;
    config.degraded = false;
    for (i = 0; i < 3; i++)
        config.reserved[i] = false;
    config.zone = NULL;
    config.address = NULL;
    config.max_in_flight = 0;
    return config;
}

/** The endpoint's name, NUL-terminated. `endpoint` is not NULL, as in the next four.
 * Wait-free. */
FO_API const char *fo_endpoint_name(const struct fo_endpoint *endpoint);

/** The incarnation's id: never 0, never reused within its balancer. Wait-free. */
FO_API uint64_t fo_endpoint_id(const struct fo_endpoint *endpoint);

/** The incarnation's `data`. Wait-free. */
FO_API void *fo_endpoint_data(const struct fo_endpoint *endpoint);

/** The endpoint's zone, "" if it has none. Valid as long as the balancer. Wait-free, but for a thread's
 * first call of the library (see fo_thread_prepare()). */
FO_API const char *fo_endpoint_zone(const struct fo_endpoint *endpoint);

/** The level that it is at now (see levels.h). Wait-free. */
FO_API uint32_t fo_endpoint_level(const struct fo_endpoint *endpoint);

/** What a host's state is. */
typedef enum fo_state {
    FO_STATE_UP = 1,     /**< Takes traffic in proportion to its live weight. */
    FO_STATE_DOWN = 2,   /**< Takes none (or its min_weight's trickle) until a request picked since
                             then succeeds, or its checks do (check.h). */
    FO_STATE_TRIAL = 3,  /**< Down or ejected, and a trial request is out or waits for a taker. */
    FO_STATE_EJECTED = 4 /**< As down, by the judge (judge.h), until its trial succeeds. */
} fo_state;

/** The name of a state, "up" for FO_STATE_UP; "?" if unknown. Static, never NULL. */
FO_API const char *fo_state_name(fo_state state);

/** A copy of what is known about one endpoint. */
struct fo_endpoint_info {
    size_t size;                /**< Set it by fo_endpoint_info_init(). */
    char name[FO_NAME_MAX + 1]; /**< NUL-terminated. */
    uint64_t id;                /**< The incarnation. */
    void *data;
    uint64_t tags;
    double max_weight;
    double min_weight;
    double live_weight; /**< max(min_weight, health × max_weight); 0 while drained. */
    double health;      /**< 0 … 1 */
    fo_state state;
    bool drained;       /**< By fo_drain(). */
    uint32_t epoch;     /**< Rises with each change to or from down or ejected; wraps at 2^18. */
    uint64_t started;   /**< Leases picked since the incarnation began. */
    uint64_t finished;  /**< Leases finished. */
    uint64_t failed;    /**< Of those, with FO_OUTCOME_FAILURE or FO_OUTCOME_DOWN. */
    uint64_t in_flight; /**< Open leases: started − finished. */
    uint32_t level;     /**< The level that it is at now; see levels.h. */
    bool degraded;      /**< As configured. */
    bool suspect;       /**< Its host hangs (judge.h), and gets next to nothing: see ramp. */
    bool reserved[2];
    char zone[FO_NAME_MAX + 1]; /**< NUL-terminated; "": none. */
    double ramp; /**< What it is admitted to of its share among its neighbours: 1, also while it is
                      down, or less while its host ramps (fo_trial_config.ramp_ms) or is suspect. */
    uint32_t strikes; /**< Failures since the last success, those in flight together as one; at most
                             FO_STRIKES_MAX; 0 while it is down, or where they are not counted. */
    uint32_t ejections;         /**< Of its host in short order (fo_judge_config.ejection_ms). */
    uint64_t ejections_refused; /**< Times that the judge would have ejected its host, had the share
                                     or the last endpoint allowed it. */
    uint64_t load_in_flight;    /**< What policies and limits see in flight at its host (load.h):
                                     leases that are counted, of all balancers of the group, and what
                                     was added by hand. */
    uint64_t limit;    /**< How much of that it may have: the smaller of its max_in_flight and the
                               limit that was found out for its host; 0: no limit. */
    double latency_ms; /**< How long its host's answers take, by a peak moving average that fades
                               while there are none; 0: unknown. */
    double penalty;    /**< What its last failures count for, as if in flight; 0: nothing. */
    double reported_load; /**< What the server reported last (fo_finish_report.load); below 0:
                               nothing, or too long ago. */
};

static inline struct fo_endpoint_info fo_endpoint_info_init(void)
{
    struct fo_endpoint_info info;
    int i;
    info.size = sizeof(info);
    info.name[0] = '\0';
    info.id = 0;
    info.data = NULL;
    info.tags = 0;
    info.max_weight = 0;
    info.min_weight = 0;
    info.live_weight = 0;
    info.health = 0;
    info.state = FO_STATE_UP;
    info.drained = false;
    info.epoch = 0;
    info.started = 0;
    info.finished = 0;
    info.failed = 0;
    info.in_flight = 0;
    info.level = 0;
    info.degraded = false;
    info.suspect = false;
    for (i = 0; i < 2; i++)
        info.reserved[i] = false;
    info.zone[0] = '\0';
    info.ramp = 1;
    info.strikes = 0;
    info.ejections = 0;
    info.ejections_refused = 0;
    info.load_in_flight = 0;
    info.limit = 0;
    info.latency_ms = 0;
    info.penalty = 0;
    info.reported_load = -1;
    return info;
}

/**
 * Copies the status of the endpoint of that name.
 *
 * @param info  [in, out] from fo_endpoint_info_init(); filled on FO_OK, untouched otherwise
 * @return FO_OK
 *         FO_NOTFOUND  no such endpoint now
 *         FO_EINVAL    a NULL argument or a bad size: fix the caller
 *         FO_CLOSED    the balancer is being destroyed
 *
 * Any thread, concurrently with everything; for fo_balancer_destroy() see there. Lock-free; allocates
 * nothing. The counters are sums over threads: exact when no pick or finish runs meanwhile.
 */
FO_API FO_MUST_USE fo_status fo_endpoint_status(struct fo_balancer *balancer, const char *name,
                                                struct fo_endpoint_info *info);

/**
 * Sees one endpoint during fo_endpoint_list().
 *
 * @param info  a copy; valid during the call
 * @return true to go on, false to stop
 *
 * May call any function of the library but fo_balancer_destroy() on this balancer.
 */
typedef bool (*fo_endpoint_visitor)(const struct fo_endpoint_info *info, void *arg);

/**
 * Shows every endpoint of the balancer to a visitor, in the order in which they were added (an
 * update that changes `data` moves a name to the end).
 *
 * @param visitor  called once per endpoint, on a copy taken before the first call
 * @return FO_OK, also when the visitor stopped
 *         FO_NOMEM   no memory for the copy: free some, call again
 *         FO_EINVAL  a NULL balancer or visitor: fix the caller
 *         FO_CLOSED  the balancer is being destroyed
 *
 * Any thread, concurrently with everything; for fo_balancer_destroy() see there. Cold: takes the
 * balancer's update lock for the copy and allocates; the visitor runs without it.
 */
FO_API FO_MUST_USE fo_status fo_endpoint_list(struct fo_balancer *balancer,
                                              fo_endpoint_visitor visitor, void *arg);

#ifdef __cplusplus
}
#endif

#endif
