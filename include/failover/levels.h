/* SPDX-License-Identifier: Apache-2.0
 *
 * Levels: who is preferred while all is well, and where traffic goes as things get worse.
 *
 * Every endpoint has a priority level: 0 first. Traffic stays at level 0 while it is healthy enough,
 * and overflows to the next as its health falls:
 *
 *     health of a level   = Σ live weight / Σ max weight of its endpoints
 *     it can take         = min(100 %, factor × health)           rounded down to whole per cent, but
 *                                                                 1 % at least if anything is alive
 *     each level gets     what it can take of what is left, level 0 first
 *     if all together can take less than 100 %, they share in proportion to what they can take,
 *     in whole per cent, by largest remainder
 *
 * With the default factor of 1.4 a level that is 72 % healthy keeps all of its traffic, and one that
 * is 50 % healthy keeps 70 %. Health decides, not slow start.
 *
 * Degraded endpoints (fo_endpoint_config.degraded) take traffic only when the others of all levels
 * cannot take it all: they come behind the last level, in the order of theirs.
 *
 * Zones. With a local zone configured, endpoints of the local zone come first, then those of the
 * zones in `zone_order`, in that order, then those of other zones or of none: distance orders the
 * endpoints of one configured level into levels of their own. Level numbers are without gaps:
 * fo_endpoint_level() and fo_endpoint_info.level are the numbers that result.
 *
 * Cores. With `core_sizes` each of these levels is cut up further: of its endpoints the first 5, say,
 * of this client's own order come first, then the next 20, then the rest. So a client keeps to a few of
 * many servers. An endpoint that is down counts for no core: the next of the order takes its place
 * while it is down, and gives it back; nobody else moves. The order depends on the names and on who the
 * client is, not on history, so it is the same after a restart:
 *   - by client_id: weighted rendezvous. A server that comes or goes changes at most one member of a
 *     core. The number of clients that a server has scatters (300 clients, 300 servers, cores of 10:
 *     25 … 202 % of the mean).
 *   - by client_index of client_count, where these are known: every server has the same number of
 *     clients, to within one. A server that comes or goes changes at most one member of a first core
 *     that is small against the number of servers. Weights above 0 do not matter for the order. All
 *     clients must see the same servers.
 * There are at most 136 levels in all; what would be beyond shares the last.
 *
 * Last resort. When nothing is healthy at any level, every endpoint takes traffic in proportion to its
 * max weight, levels in proportion to their numbers of endpoints, until one succeeds: a wrong verdict
 * about all of them, or one bad minute of this client's own network, must not take the last capacity
 * away. Drained endpoints, and those of weight 0, stay out.
 *
 * Sources. Rendezvous: Thaler and Ravishankar 1996, weighted by Schindelhauer and Schomaker 2005. The
 * overflow: Envoy's priority levels; where its documentation (5 % and 65 % healthy: 7 and
 * 93 % of the traffic) and its rule for remainders differ, the documentation.
 */
#ifndef FAILOVER_LEVELS_H
#define FAILOVER_LEVELS_H

#include <failover/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fo_balancer;

/** Highest level that fo_endpoint_config.level may name. */
#define FO_LEVEL_MAX 7
/** Most cores in fo_level_config.core_sizes. */
#define FO_CORES_MAX 8
/** Most zones in fo_level_config.zone_order. */
#define FO_ZONES_MAX 16

/** How traffic is shared between levels. */
typedef enum fo_overflow {
    FO_OVERFLOW_STANDARD = 0, /**< As on top. */
    FO_OVERFLOW_COMPAT = 1    /**< simple-failover-java's: each level in turn takes
                                   min(1, factor × health) of what the levels before it left, and what
                                   the last one leaves goes to level 0. */
} fo_overflow;

/** What happens when nothing is healthy. */
typedef enum fo_last_resort {
    FO_LAST_RESORT_ALL = 0, /**< All share the traffic, as on top. */
    FO_LAST_RESORT_NONE = 1 /**< Picks are refused with FO_UNAVAILABLE. */
} fo_last_resort;

/** Part of fo_config; fo_balancer_configure() changes it live. */
struct fo_level_config {
    double factor; /**< How much more than its share a level can take: ≥ 1; 0: 1.4;
                                     INFINITY: everything, until nothing in it is healthy. */
    fo_overflow overflow;
    fo_last_resort last_resort;
    double panic_threshold;        /**< A level whose health is below this while all levels together
                                     cannot take the traffic uses all of its endpoints, healthy or
                                     not; 0 … 1 in whole per cent; 0: never. Not
                                     without last resort. */
    const char *local_zone;        /**< This process's zone; NULL or "": zones make no difference;
                                     copied. */
    const char *const *zone_order; /**< zone_count other zones, nearest first, none of them twice or
                                        local; may be NULL if zone_count is 0; copied. */
    size_t zone_count;             /**< 0 … FO_ZONES_MAX */
    const uint32_t *core_sizes; /**< core_count sizes of cores, best first, such as {5, 20}; may be
                                     NULL if core_count is 0; copied. */
    size_t core_count;          /**< 0 … FO_CORES_MAX; 0: every endpoint of a level is equal. */
    const char *client_id; /**< Who this client is, the same after a restart; 1 … FO_NAME_MAX bytes;
                                copied. Needed with cores, unless client_count is given. */
    uint32_t client_index; /**< Which of the clients this is: below client_count. */
    uint32_t client_count; /**< How many clients there are; 0: not known. */
    uint64_t reserved[4];  /**< Must be 0. */
};

/** All defaults: no zones, no cores, factor 1.4, last resort on. */
static inline struct fo_level_config fo_level_config_init(void)
{
    struct fo_level_config config;
    int i;
    config.factor = 0;
    config.overflow = FO_OVERFLOW_STANDARD;
    config.last_resort = FO_LAST_RESORT_ALL;
    config.panic_threshold = 0;
    config.local_zone = NULL;
    config.zone_order = NULL;
    config.zone_count = 0;
    config.core_sizes = NULL;
    config.core_count = 0;
    config.client_id = NULL;
    config.client_index = 0;
    config.client_count = 0;
    for (i = 0; i < 4; i++)
        config.reserved[i] = 0;
    return config;
}

/** What a balancer is doing. */
typedef enum fo_balancer_state {
    FO_BALANCER_NORMAL = 1, /**< All traffic is at level 0. */
    FO_BALANCER_OVERFLOWING =
        2, /**< Some or all of it is at other levels, or at degraded endpoints. */
    FO_BALANCER_LAST_RESORT = 3, /**< Nothing is healthy: all share the traffic. */
    FO_BALANCER_UNAVAILABLE =
        4 /**< Nothing is healthy, or there is no endpoint: picks are refused. */
} fo_balancer_state;

/** The name of a state, "last resort" for FO_BALANCER_LAST_RESORT; "?" if unknown. Static. */
FO_API const char *fo_balancer_state_name(fo_balancer_state state);

/** A level as it is now, for fo_level_list(). Valid during the call. */
struct fo_level_info {
    size_t size;
    uint32_t level; /**< 0, 1, … */
    bool degraded;  /**< The degraded endpoints of the level; the others otherwise. */
    bool panic;     /**< Uses its endpoints, healthy or not. */
    uint16_t reserved;
    size_t endpoints; /**< Of weight above 0, and not drained. */
    double health;    /**< 0 … 1: live weight by max weight of the level, degraded or not. */
    double share;     /**< 0 … 1: of the traffic, now. */
};

/** Sees one level; a copy. @return true to go on, false to stop. May call any function of the library
 * but fo_balancer_destroy() on this balancer. */
typedef bool (*fo_level_visitor)(const struct fo_level_info *info, void *arg);

/**
 * Shows the levels that have endpoints to a visitor, in the order of preference: level 0, 1, … and then
 * the degraded endpoints of level 0, 1, …
 *
 * @param state    NULL, or [out] what the balancer is doing
 * @param visitor  NULL: only the state is wanted
 * @return FO_OK, also when the visitor stopped
 *         FO_NOMEM   no memory for the copy: free some, call again
 *         FO_EINVAL  balancer is NULL: fix the caller
 *         FO_CLOSED  the balancer is being destroyed
 *
 * Any thread, concurrently with everything; for fo_balancer_destroy() see there. Cold: takes the
 * balancer's update lock for the copy and allocates; the visitor runs without it.
 */
FO_API FO_MUST_USE fo_status fo_level_list(struct fo_balancer *balancer, fo_balancer_state *state,
                                           fo_level_visitor visitor, void *arg);

#ifdef __cplusplus
}
#endif

#endif
