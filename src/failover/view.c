/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at endpoints: copies, so that no user code runs under a lock or in a read section.
 */
#include "view.h"

#include "abi.h"
#include "cold.h"
#include "counting.h"
#include "judged.h"
#include "members.h"
#include "rcu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void view_load(const struct fo_endpoint *endpoint, uint64_t now_ns,
                      struct fo_endpoint_info *info)
{
    const struct fo__load_rules *rules = &fo__load_acquire(&endpoint->core->settings)->load;
    const struct fo__load *load = &endpoint->host->load;
    uint64_t limit = fo__counting_limit(rules, endpoint);
    uint64_t reported = fo__load_relaxed(&load->reported);

    info->load_in_flight = fo__load_relaxed(&load->tally.open);
    info->limit = limit != UINT64_MAX ? limit : 0;
    info->latency_ms =
        (double)fo__signal_now(fo__load_relaxed(&load->latency), now_ns, rules->decay_ns) / 1e6;
    info->penalty =
        (double)fo__signal_now(fo__load_relaxed(&load->penalty), now_ns, rules->decay_ns);
    if (reported != 0 && fo__signal_age_ns(reported, now_ns) < rules->report_expiry_ns)
        info->reported_load = (double)fo__signal_value(reported);
}

void fo__view_endpoint(struct fo_endpoint *endpoint, const struct fo__snapshot *snapshot,
                       uint64_t word, uint64_t now_ns, struct fo_endpoint_info *info)
{
    const struct fo__endpoint_settings *settings = fo__load_acquire(&endpoint->settings);
    struct fo__counts counts = fo__endpoint_counts(endpoint, &endpoint->core->rows);
    const struct fo__judged *judged = endpoint->host->judged;
    uint32_t slot = fo__snapshot_slot(snapshot, endpoint->id);
    double live;

    *info = fo_endpoint_info_init();
    strcpy(info->name, fo_endpoint_name(endpoint));
    info->id = endpoint->id;
    info->data = endpoint->data;
    info->tags = settings->tags;
    info->max_weight = settings->max_weight;
    info->min_weight = settings->min_weight;
    info->health = fo__word_health(word) / (double)FO__HEALTH_ONE;
    info->drained = slot != FO__NO_SLOT && fo__load_relaxed(&endpoint->drained);
    live = info->health * settings->max_weight;
    info->live_weight = live > settings->min_weight ? live : settings->min_weight;
    if (info->drained)
        info->live_weight = 0;
    info->state = fo__word_state(word);
    info->ramp = fo__host_admission(endpoint->host, word) / (double)FO__HEALTH_ONE;
    info->strikes = fo__word_strikes(word);
    if (judged != NULL) {
        info->suspect = fo__load_relaxed(&judged->is_suspect);
        info->ejections = fo__load_relaxed(&judged->ejections);
        info->ejections_refused = fo__load_relaxed(&judged->ejections_refused);
    }
    info->epoch = fo__word_epoch(word);
    info->started = counts.started;
    info->finished = counts.finished;
    info->failed = counts.failed;
    info->in_flight = counts.started - counts.finished;
    info->level = fo__load_relaxed(&endpoint->level);
    info->degraded = settings->degraded;
    if (settings->zone != NULL)
        strcpy(info->zone, settings->zone->name);
    view_load(endpoint, now_ns, info);
}

static void look_at(struct fo_endpoint *endpoint, const struct fo__snapshot *snapshot,
                    uint64_t now_ns, struct fo_endpoint_info *info)
{
    fo__view_endpoint(endpoint, snapshot, fo__load_acquire(endpoint->host->word), now_ns, info);
}

fo_status fo_endpoint_status(struct fo_balancer *balancer, const char *name,
                             struct fo_endpoint_info *info)
{
    struct fo_endpoint_info found;
    struct fo__snapshot *snapshot;
    struct fo_endpoint *endpoint;
    fo_status status = FO_NOTFOUND;
    uint64_t now_ns;

    if (balancer == NULL || name == NULL || info == NULL ||
        !fo__abi_size_is_sane(info->size, sizeof(*info)))
        return FO_EINVAL;
    if (strnlen(name, FO_NAME_MAX + 1) > FO_NAME_MAX)
        return FO_NOTFOUND;
    now_ns = fo__clock_coarse_ns(balancer->core.clock);
    fo__rcu_read_lock();
    snapshot = fo__load_acquire(&balancer->core.snapshot);
    endpoint = fo__names_get(&balancer->names, name);
    if (snapshot->closed)
        status = FO_CLOSED;
    else if (endpoint != NULL) {
        look_at(endpoint, snapshot, now_ns, &found);
        status = FO_OK;
    }
    fo__rcu_read_unlock();
    if (status == FO_OK)
        fo__abi_write(info, &found, sizeof(found));
    return status;
}

/** Copies all members. Caller holds the update lock. */
static fo_status copy_all(struct fo_balancer *balancer, struct fo_endpoint_info **infos,
                          uint32_t *count)
{
    const struct fo__snapshot *snapshot = fo__load_acquire(&balancer->core.snapshot);
    uint64_t now_ns = fo__clock_coarse_ns(balancer->core.clock);

    if (balancer->closing)
        return FO_CLOSED;
    *infos = calloc(balancer->count + 1, sizeof(**infos));
    if (*infos == NULL)
        return FO_NOMEM;
    *count = balancer->count;
    for (uint32_t i = 0; i < *count; i++)
        look_at(balancer->members[i], snapshot, now_ns, &(*infos)[i]);
    return FO_OK;
}

fo_status fo_endpoint_list(struct fo_balancer *balancer, fo_endpoint_visitor visitor, void *arg)
{
    struct fo_endpoint_info *infos = NULL;
    uint32_t count = 0;
    fo_status status;

    if (balancer == NULL || visitor == NULL)
        return FO_EINVAL;
    fo__cold_begin();
    pthread_mutex_lock(&balancer->update_lock);
    status = copy_all(balancer, &infos, &count);
    pthread_mutex_unlock(&balancer->update_lock);
    fo__cold_end();
    for (uint32_t i = 0; i < count && visitor(&infos[i], arg); i++)
        ;
    free(infos);
    return status;
}

/* ---- Levels ------------------------------------------------------------------------------ */

static struct fo_level_info look_at_tier(const struct fo__snapshot *snapshot, uint32_t i)
{
    const struct fo__tier *tier = &snapshot->tier[i];
    uint64_t begin = i > 0 ? fo__load_relaxed(&tier[-1].share_end) : 0;
    uint64_t end = fo__load_relaxed(&tier->share_end);
    uint64_t live = 0;
    struct fo_level_info info = {.size = sizeof(info), .level = tier->level};

    for (uint32_t j = 0; j < snapshot->tier_count; j++)
        if (snapshot->tier[j].level == tier->level)
            live += fo__load_relaxed(&snapshot->tier[j].worth);
    info.degraded = tier->degraded;
    info.panic = fo__load_relaxed(&tier->panic);
    info.endpoints = tier->endpoints;
    if (tier->level_units > 0)
        info.health = fmin(1, (double)live / (double)tier->level_units);
    if (end > begin)
        info.share = (double)(end - begin) / (double)FO__SHARE_ONE;
    return info;
}

/** Copies all tiers. Caller holds the update lock. */
static fo_status copy_levels(struct fo_balancer *balancer, fo_balancer_state *state,
                             struct fo_level_info **infos, uint32_t *count)
{
    const struct fo__snapshot *snapshot = fo__load_acquire(&balancer->core.snapshot);

    if (balancer->closing)
        return FO_CLOSED;
    *infos = calloc(snapshot->tier_count, sizeof(**infos));
    if (*infos == NULL)
        return FO_NOMEM;
    *count = snapshot->count > 0 ? snapshot->tier_count : 0;
    for (uint32_t i = 0; i < *count; i++)
        (*infos)[i] = look_at_tier(snapshot, i);
    if (state != NULL)
        *state = (fo_balancer_state)fo__load_relaxed(&snapshot->state);
    return FO_OK;
}

fo_status fo_level_list(struct fo_balancer *balancer, fo_balancer_state *state,
                        fo_level_visitor visitor, void *arg)
{
    struct fo_level_info *infos = NULL;
    uint32_t count = 0;
    fo_status status;

    if (balancer == NULL)
        return FO_EINVAL;
    fo__cold_begin();
    pthread_mutex_lock(&balancer->update_lock);
    status = copy_levels(balancer, state, &infos, &count);
    pthread_mutex_unlock(&balancer->update_lock);
    fo__cold_end();
    for (uint32_t i = 0; i < count && visitor != NULL && visitor(&infos[i], arg); i++)
        ;
    free(infos);
    return status;
}
