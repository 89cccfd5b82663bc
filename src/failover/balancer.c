/* SPDX-License-Identifier: Apache-2.0
 *
 * Creating, configuring and destroying a balancer, and the operator's drain.
 */
#include "abi.h"
#include "atfork.h"
#include "check_config.h"
#include "cold.h"
#include "judge_config.h"
#include "load_config.h"
#include "rcu.h"
#include "review.h"
#include "rng.h"
#include "tick.h"
#include "update.h"
#include "weight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROW_LIMIT_MAX 65535u
#define KEY_LOAD_FACTOR_MAX 1000

/* ---- Creating ---------------------------------------------------------------------------- */

/** What fo_balancer_configure() changes. */
static bool live_config_is_valid(const struct fo_config *config)
{
    return config->reserved == 0 && fo__weight_function_is_valid(&config->weight) &&
           fo__level_config_is_valid(&config->levels) && fo__placement_is_valid(&config->levels) &&
           fo__load_config_is_valid(&config->load) && config->max_in_flight <= FO_IN_FLIGHT_MAX &&
           (config->key_load_factor == 0 ||
            (config->key_load_factor >= 1 && config->key_load_factor <= KEY_LOAD_FACTOR_MAX));
}

static bool config_is_valid(const struct fo_config *config)
{
    const struct fo_trial_config *trial = &config->trial;

    if (config->row_limit > ROW_LIMIT_MAX || !live_config_is_valid(config) ||
        !fo__trial_config_is_valid(trial) || !fo__check_config_is_valid(&config->check) ||
        !fo__judge_config_is_valid(&config->judge))
        return false;
    if (config->group == NULL)
        return true;
    return trial->backoff_ms == 0 && trial->backoff_max_ms == 0 && trial->timeout_ms == 0 &&
           (trial->ramp_ms == 0 || trial->ramp_ms == FO_RAMP_NONE) &&
           fo__check_config_is_default(&config->check) &&
           fo__judge_config_is_neutral(&config->judge) &&
           (config->runtime == NULL || config->runtime == config->group->runtime);
}

static fo_status read_config(struct fo_config *ours, const struct fo_config *config)
{
    *ours = fo_config_init();
    if (config != NULL && !fo__abi_read(ours, sizeof(*ours), config))
        return FO_EINVAL;
    return config_is_valid(ours) ? FO_OK : FO_EINVAL;
}

static uint32_t default_row_limit(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return cpus > 0 && cpus < (long)ROW_LIMIT_MAX / 2 ? (uint32_t)cpus * 2 : 64;
}

static uint64_t next_balancer_id(void)
{
    static _Atomic uint64_t last_id;
    return fo__add_relaxed(&last_id, FO__BALANCER_ID_STEP) + FO__BALANCER_ID_STEP;
}

static void fill_settings(struct fo__settings *settings, const struct fo_config *config)
{
    settings->weight = config->weight;
    settings->success_units = fo__weight_success_units(&config->weight);
    settings->key_load_factor = config->key_load_factor;
    settings->reuse_recent_ns = config->reuse_recent_ms * FO__NS_PER_MS;
    fo__load_rules_fill(&settings->load, &config->load, config->max_in_flight);
}

static void attend_to_recent(struct fo_balancer *balancer, const struct fo_config *config)
{
    if (config->reuse_recent_ms > 0)
        fo__attention_raise(&balancer->core, FO__ATTENTION_RECENT);
    else
        fo__attention_end(&balancer->core, FO__ATTENTION_RECENT);
}

static fo_status make_group(const struct fo_config *config, uint64_t seed, struct fo_group **group)
{
    struct fo_group_config own = fo_group_config_init();

    own.runtime = config->runtime;
    own.trial = config->trial;
    own.check = config->check;
    own.judge = config->judge;
    return fo__group_make(&own, seed, false, group);
}

/** The parts that are allocated one by one; on failure free_parts() takes what there is. */
static fo_status make_parts(struct fo_balancer *balancer, const struct fo_config *config,
                            uint64_t seed)
{
    struct fo__settings *settings = malloc(sizeof(*settings));
    bool placed = fo__placement_init(&balancer->placement, &balancer->core.zones, &config->levels);
    struct fo__snapshot *snapshot = fo__snapshot_create(&balancer->placement, NULL, 0, 0);

    atomic_init(&balancer->core.settings, settings);
    atomic_init(&balancer->core.snapshot, snapshot);
    balancer->closed_snapshot = fo__snapshot_create(&balancer->placement, NULL, 0, 0);
    balancer->name = strdup(config->name != NULL ? config->name : "");
    if (settings == NULL || !placed || snapshot == NULL || balancer->closed_snapshot == NULL ||
        balancer->name == NULL || !fo__names_init(&balancer->names))
        return FO_NOMEM;
    fill_settings(settings, config);
    balancer->closed_snapshot->closed = true;
    if (config->group == NULL)
        return make_group(config, fo__rng_mix(seed), &balancer->group);
    fo__group_ref(config->group);
    balancer->group = config->group;
    return FO_OK;
}

static void free_parts(struct fo_balancer *balancer)
{
    if (balancer->names.table != NULL)
        fo__names_fini(&balancer->names);
    fo__snapshot_destroy(balancer->closed_snapshot);
    fo__snapshot_destroy(fo__load_relaxed(&balancer->core.snapshot));
    free(fo__load_relaxed(&balancer->core.settings));
    fo__zones_fini(&balancer->core.zones);
    free(balancer->name);
    free(balancer);
}

/** For the first pick by key: from now on snapshots have a table of keys. */
static fo_status enable_keys(struct fo__core *core)
{
    struct fo_balancer *balancer = fo__balancer_of(core);
    fo_status status = FO_OK;

    fo__cold_begin();
    pthread_mutex_lock(&balancer->update_lock);
    if (balancer->closing) {
        status = FO_CLOSED;
    } else if (!balancer->placement.has_keys) {
        balancer->placement.has_keys = true;
        status = fo__publish_anew(balancer);
        balancer->placement.has_keys = status == FO_OK;
    }
    pthread_mutex_unlock(&balancer->update_lock);
    fo__cold_end();
    return status;
}

static void check_leases(struct fo_balancer *balancer, const struct fo_config *config)
{
    balancer->checks_leases = true;
    balancer->check.core = &balancer->core;
    balancer->check.log = config->log;
    balancer->check.log_arg = config->log_arg;
    fo__lease_check_attach(&balancer->check);
    fo__attention_raise(&balancer->core, FO__ATTENTION_CHECK);
}

static fo_status make(const struct fo_config *config, struct fo_balancer **out)
{
    uint64_t seed = config->seed != 0 ? config->seed : fo__rng_system_seed();
    uint64_t id = next_balancer_id();
    uint32_t row_limit = config->row_limit != 0 ? config->row_limit : default_row_limit();
    struct fo_balancer *balancer = aligned_alloc(_Alignof(struct fo_balancer), sizeof(*balancer));
    fo_status status;

    if (balancer == NULL)
        return FO_NOMEM;
    memset(balancer, 0, sizeof(*balancer));
    status = make_parts(balancer, config, seed);
    if (status != FO_OK) {
        free_parts(balancer);
        return status;
    }
    balancer->core.group_changes = &balancer->group->changes;
    balancer->core.group_is_shared = balancer->group->shared;
    balancer->core.weight_listeners = &balancer->group->weight_listeners;
    fo__row_set_init(&balancer->core.rows, id, row_limit, seed);
    atomic_init(&balancer->core.gate, id);
    fo__review(&balancer->core, fo__load_relaxed(&balancer->core.snapshot));
    fo__listeners_init(&balancer->listeners);
    fo__node_init(&balancer->node, FO__NODE_BALANCER);
    balancer->core.enable_keys = enable_keys;
    balancer->core.clock = &balancer->group->runtime->clock;
    balancer->began_ns = fo__clock_now_ns(balancer->core.clock);
    attend_to_recent(balancer, config);
    fo__members_attend_to_load(balancer);
    atomic_init(&balancer->alive, 1);
    atomic_init(&balancer->has_cores, balancer->placement.subset.core_count > 0);
    pthread_mutex_init(&balancer->update_lock, NULL);
    if (config->check_leases)
        check_leases(balancer, config);
    if (balancer->group->shared) {
        balancer->core.tick_call = &balancer->group->tick_call;
        fo__tick_join(balancer);
    }
    fo__members_register(balancer);
    *out = balancer;
    return FO_OK;
}

fo_status fo_balancer_create(const struct fo_config *config, struct fo_balancer **balancer)
{
    struct fo_config ours;
    fo_status status;

    if (balancer == NULL)
        return FO_EINVAL;
    status = read_config(&ours, config);
    if (status != FO_OK)
        return status;
    fo__atfork_register();
    fo__cold_begin();
    status = make(&ours, balancer);
    fo__cold_end();
    return status;
}

/* ---- Configuring ------------------------------------------------------------------------- */

/** Takes over what can be changed; on failure everything is as before. Update lock held. */
static fo_status configure(struct fo_balancer *balancer, const struct fo_config *config,
                           struct fo__settings **settings)
{
    struct fo__placement before = balancer->placement;

    if (balancer->closing)
        return FO_CLOSED;
    if (!fo__placement_init(&balancer->placement, &balancer->core.zones, &config->levels))
        return FO_NOMEM;
    balancer->placement.has_keys = before.has_keys;
    /* First: who fails from now on may be seen too late for the new snapshot. */
    fo__store_relaxed(&balancer->has_cores, balancer->placement.subset.core_count > 0);
    if (fo__publish_anew(balancer) != FO_OK) {
        balancer->placement = before;
        fo__store_relaxed(&balancer->has_cores, before.subset.core_count > 0);
        return FO_NOMEM;
    }
    *settings = fo__exchange_acq_rel(&balancer->core.settings, *settings);
    attend_to_recent(balancer, config);
    fo__members_attend_to_load(balancer);
    fo__rcu_synchronize();
    return FO_OK;
}

fo_status fo_balancer_configure(struct fo_balancer *balancer, const struct fo_config *config)
{
    struct fo_config ours = fo_config_init();
    struct fo__settings *settings;
    fo_status status;

    if (balancer == NULL || config == NULL || !fo__abi_read(&ours, sizeof(ours), config) ||
        !live_config_is_valid(&ours))
        return FO_EINVAL;
    settings = malloc(sizeof(*settings));
    if (settings == NULL)
        return FO_NOMEM;
    fill_settings(settings, &ours);
    fo__cold_begin();
    pthread_mutex_lock(&balancer->update_lock);
    status = configure(balancer, &ours, &settings);
    pthread_mutex_unlock(&balancer->update_lock);
    fo__cold_end();
    free(settings);
    return status;
}

/* ---- Destroying -------------------------------------------------------------------------- */

static void log_open_leases(const struct fo__lease_check *check, size_t open)
{
    char line[96];

    if (open == 0 || check->log == NULL)
        return;
    snprintf(line, sizeof(line), "%zu leases are still open while their balancer is destroyed",
             open);
    check->log(FO_LOG_WARNING, line, check->log_arg);
}

void fo_balancer_destroy(struct fo_balancer *balancer)
{
    if (balancer == NULL)
        return;
    if (balancer->checks_leases)
        log_open_leases(&balancer->check, fo__lease_check_count(&balancer->core));
    fo__cold_begin();
    pthread_mutex_lock(&balancer->update_lock);
    fo__publish_close(balancer);
    pthread_mutex_unlock(&balancer->update_lock);
    fo__members_drop(balancer);
    fo__cold_end();
}

/* ---- Draining ---------------------------------------------------------------------------- */

/** Caller holds the update lock. */
static fo_status set_drained(struct fo_balancer *balancer, const char *name, bool drained)
{
    struct fo_endpoint *endpoint = fo__names_get(&balancer->names, name);

    if (balancer->closing)
        return FO_CLOSED;
    if (endpoint == NULL)
        return FO_NOTFOUND;
    if (fo__load_relaxed(&endpoint->drained) == drained)
        return FO_OK;
    fo__store_relaxed(&endpoint->drained, drained);
    if (fo__publish_anew(balancer) != FO_OK) {
        fo__store_relaxed(&endpoint->drained, !drained);
        return FO_NOMEM;
    }
    fo__endpoint_tell(endpoint, FO__PENDING_UPDATED);
    return FO_OK;
}

static fo_status drain(struct fo_balancer *balancer, const char *name, bool drained)
{
    fo_status status;

    if (balancer == NULL || name == NULL)
        return FO_EINVAL;
    if (strnlen(name, FO_NAME_MAX + 1) > FO_NAME_MAX)
        return FO_NOTFOUND;
    fo__cold_begin();
    pthread_mutex_lock(&balancer->update_lock);
    status = set_drained(balancer, name, drained);
    pthread_mutex_unlock(&balancer->update_lock);
    fo__cold_end();
    return status;
}

fo_status fo_drain(struct fo_balancer *balancer, const char *name)
{
    return drain(balancer, name, true);
}

fo_status fo_undrain(struct fo_balancer *balancer, const char *name)
{
    return drain(balancer, name, false);
}

/* ---- Keys --------------------------------------------------------------------------------- */

fo_status fo_key_status(struct fo_balancer *balancer, struct fo_key_info *info)
{
    struct fo_key_info found = fo_key_info_init();
    const struct fo__snapshot *snapshot;
    bool closing;

    if (balancer == NULL || info == NULL || !fo__abi_size_is_sane(info->size, sizeof(*info)))
        return FO_EINVAL;
    fo__cold_begin();
    pthread_mutex_lock(&balancer->update_lock);
    closing = balancer->closing;
    snapshot = fo__load_relaxed(&balancer->core.snapshot);
    found.builds = balancer->key_builds;
    found.table_size = snapshot->keyed != NULL ? snapshot->keyed->table->size : 0;
    found.moved = balancer->key_change.moved;
    found.needless = balancer->key_change.needless;
    pthread_mutex_unlock(&balancer->update_lock);
    fo__cold_end();
    if (closing)
        return FO_CLOSED;
    fo__abi_write(info, &found, sizeof(found));
    return FO_OK;
}
