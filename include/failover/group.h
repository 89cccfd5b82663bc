/* SPDX-License-Identifier: Apache-2.0
 *
 * Health groups: what is learned about a server is learned once.
 *
 * Endpoints of the same name, in any balancer of a group, share one *host*: its health, its state
 * and its trials or checks. A thousand topics on eight brokers then find out about a dead broker
 * once, not a thousand times. Weights, tags and drains stay with each balancer. A balancer created
 * without a group has one of its own.
 *
 * What one balancer learns, the next pick of every other goes by when it accepts an endpoint. How the
 * levels share the traffic follows within 10 ms, when the runtime is dispatched: so reporting an outcome
 * costs the same whether two or a thousand balancers share the host.
 *
 * How a dead host comes back. A host that is down gets no traffic, or only the trickle of an
 * endpoint's min_weight. After a back-off one request, and only one, is sent to it as a *trial*: an
 * ordinary pick whose lease decides.
 *
 *     success, degraded    it answered: lifts the host out of down. With a recover_threshold above 1
 *                          (health.h) the next trial is on offer at once, until so many have
 *                          succeeded in a row
 *     failure, overloaded, the trial has failed: the back-off doubles
 *     down
 *     neutral, cancelled   says nothing about the host: the next request is the trial
 *     none in time         given up after its timeout, as a failure
 *
 * Back means back gently. A host that was lifted has health 1 and ramps: beside neighbours of its level
 * that do not, it gets 5 % of its share at once and the rest over the next 24 to 30 seconds, by time and
 * not by requests. Levels (levels.h) go by health and do not see ramps: the neighbours take what a
 * ramping host is not admitted to, another level nothing of it. So a host that is alone in its level
 * has all of the traffic at once, and hosts that ramp together share it by weight. A ramp is measured
 * by the runtime's clock and goes on while it is dispatched. A min_weight is kept to all the while.
 *
 * A host that is new to its group ramps likewise, if the balancer that it joins has others that stay, and
 * is older than ramp_ms: at its start a process may find its servers one by one.
 *
 * With checks (check.h) there are no trials: the check lifts the host, which then ramps.
 *
 * Beside health, a judge (judge.h) watches each host: it ejects one whose results are bad, which comes back
 * by a trial, too, and spares one that hangs.
 *
 * A request of the trickle that was picked since the host went down lifts it likewise, if it succeeds.
 * A pick with exclusions is a retry already: it takes a trial only when there is nothing else.
 */
#ifndef FAILOVER_GROUP_H
#define FAILOVER_GROUP_H

#include <failover/base.h>
#include <failover/check.h>
#include <failover/judge.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fo_runtime;

/** A health group. Opaque; pair fo_group_create() with fo_group_destroy(). */
struct fo_group;

/** For fo_trial_config.ramp_ms: none. */
#define FO_RAMP_NONE UINT32_MAX

/** When and how a host that is down is tried again, and how it comes back. Zero in a field means its default. */
struct fo_trial_config {
    uint32_t backoff_ms;     /**< Wait before the first trial, ± 20 % jitter; 0: 1,000. */
    uint32_t backoff_max_ms; /**< The wait doubles with each failed trial up to this, with the same
                                  jitter (so 30,000 means 24 to 36 s). Not below backoff_ms; 0: the
                                  larger of 30,000 and backoff_ms. */
    uint32_t timeout_ms;     /**< A trial without a result is given up after one to two of these;
                                  0: 5,000. */
    uint32_t ramp_ms;        /**< A host that is back, or new among others, is admitted in full
                                  after 0.8 to 1 of this; 0: 30,000. FO_RAMP_NONE: at once, and a
                                  host that is back begins with the health that its weight function
                                  gives it (health.h). */
    uint32_t reserved[2];    /**< Must be 0. */
};

/** All defaults. */
static inline struct fo_trial_config fo_trial_config_init(void)
{
    struct fo_trial_config config;
    int i;
    config.backoff_ms = 0;
    config.backoff_max_ms = 0;
    config.timeout_ms = 0;
    config.ramp_ms = 0;
    for (i = 0; i < 2; i++)
        config.reserved[i] = 0;
    return config;
}

struct fo_group_config {
    size_t size;
    struct fo_runtime *runtime; /**< NULL: the process's default runtime. Must outlive the group:
                                     fo_runtime_destroy() tells whether it is gone. */
    struct fo_trial_config trial;
    struct fo_check_config check; /**< How hosts are checked (check.h); none: by trials. */
    struct fo_judge_config judge; /**< How hosts are ejected and suspected (judge.h). */
};

static inline struct fo_group_config fo_group_config_init(void)
{
    struct fo_group_config config;
    config.size = sizeof(config);
    config.runtime = NULL;
    config.trial = fo_trial_config_init();
    config.check = fo_check_config_init();
    config.judge = fo_judge_config_init();
    return config;
}

/**
 * Creates a health group for use in fo_config.group.
 *
 * @param config  NULL: all defaults; not kept
 * @param group   [out] set on FO_OK, untouched otherwise; yours until fo_group_destroy()
 * @return FO_OK
 *         FO_NOMEM   free memory, call again
 *         FO_EINVAL  group is NULL, or config has a bad size, an unknown or reserved field,
 *                    backoff_max_ms < backoff_ms or something in `check` or `judge` out of range: fix the
 *                    caller
 *         FO_SYSTEM  the default runtime's thread or descriptors could not be had: raise the limit
 *
 * Any thread. Cold: allocates, takes locks. Without a runtime it starts the default one's thread if
 * the process has none yet.
 */
FO_API FO_MUST_USE fo_status fo_group_create(const struct fo_group_config *config,
                                             struct fo_group **group);

/**
 * Gives back your hold on a group; NULL is allowed.
 *
 * Balancers that use it keep it alive; the last one to go frees it. Do not use the pointer in a new
 * fo_config afterwards.
 *
 * Any thread, once; not concurrently with an fo_balancer_create() that is given the group. Cold.
 */
FO_API void fo_group_destroy(struct fo_group *group);

#ifdef __cplusplus
}
#endif

#endif
