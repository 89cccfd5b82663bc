/* SPDX-License-Identifier: Apache-2.0
 *
 * Preparing an update: everything that can fail happens here, and all of it can be undone. Nothing
 * made here is seen by a pick: endpoints are in no snapshot, name entries have no value, settings are
 * not installed. Only a revived incarnation has moved, and goes on leaving when undone.
 */
#include "rcu.h"
#include "update.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/** Zones that an update brings and then fails stay behind: they are few, and found again. */
static struct fo__endpoint_settings *settings_from(struct fo_balancer *balancer,
                                                   const struct fo_endpoint_config *config)
{
    const struct fo__zone *zone = NULL;

    if (config->zone != NULL && config->zone[0] != '\0') {
        zone = fo__zones_add(&balancer->core.zones, config->zone);
        if (zone == NULL)
            return NULL;
    }
    return fo__endpoint_settings_create(config, zone);
}

/** Whether a new host should begin gently: it is wanted, there are others to carry on, and it is not
 * the process that is new. At its start servers are found one after the other, and the first must not
 * have to carry all. */
static bool has_ramp(const struct fo__update *update)
{
    const struct fo_balancer *balancer = update->balancer;
    uint32_t ramp_ms = balancer->group->trial.ramp_ms;
    uint64_t age_ns = fo__clock_now_ns(balancer->core.clock) - balancer->began_ns;

    return ramp_ms != FO_RAMP_NONE && balancer->count > update->leaver_count &&
           age_ns >= ramp_ms * FO__NS_PER_MS;
}

/** The word that a host begins with if this endpoint is its first. */
static uint64_t first_word(const struct fo__update *update, const struct fo_endpoint_config *config)
{
    uint64_t health = FO__HEALTH_ONE;

    if (config->init_weight != FO_INIT_WEIGHT_MAX && config->max_weight > 0)
        health =
            (uint64_t)llround(config->init_weight / config->max_weight * (double)FO__HEALTH_ONE);
    return health > 0 ? fo__word_of(0, health, has_ramp(update) ? FO__FLAG_RAMP : 0)
                      : fo__word_down(0, FO_REASON_STARTED_DOWN);
}

/** What listeners take a host for before they are told: up, and one step behind if it is down. */
static uint64_t untold_word(uint64_t word)
{
    return (word & FO__FLAG_DOWN) == 0 ? word
                                       : fo__word_of(fo__word_step(word, -1), FO__HEALTH_ONE, 0);
}

static fo_status make_endpoint(struct fo__update *update, struct fo__change *change)
{
    struct fo_balancer *balancer = update->balancer;
    struct fo__host *host;

    host = fo__group_acquire_host(balancer->group, change->config.name,
                                  first_word(update, &change->config));
    if (host == NULL)
        return FO_NOMEM;
    change->next = fo__members_make(balancer, host, change->config.data);
    if (change->next == NULL) {
        fo__group_release_host(host);
        return FO_NOMEM;
    }
    atomic_init(&change->next->settings, change->settings);
    change->settings = NULL;
    change->next->seen_word = untold_word(fo__load_acquire(host->word));
    return FO_OK;
}

/** The name stays in the index while an incarnation of it is leaving, so it may be there. */
static fo_status find_entry(struct fo__update *update, struct fo__change *change)
{
    struct fo__names *names = &update->balancer->names;

    change->entry = fo__names_find(names, change->config.name);
    if (change->entry == NULL)
        change->entry = change->reserved = fo__names_reserve(names, change->config.name);
    return change->entry != NULL ? FO_OK : FO_NOMEM;
}

static fo_status prepare_change(struct fo__update *update, struct fo__change *change)
{
    if (change->kind == FO__CHANGE_NONE)
        return FO_OK;
    change->settings = settings_from(update->balancer, &change->config);
    if (change->settings == NULL)
        return FO_NOMEM;
    if (change->config.address != NULL) {
        change->address = strdup(change->config.address);
        if (change->address == NULL)
            return FO_NOMEM;
    }
    if (change->next != NULL)
        change->next->next_settings = change->settings;
    if (find_entry(update, change) != FO_OK)
        return FO_NOMEM;
    if (change->next == NULL && make_endpoint(update, change) != FO_OK)
        return FO_NOMEM;
    /* The operator drained the name, whatever stands behind it, until it is removed. */
    fo__store_relaxed(&change->next->drained,
                      change->current != NULL && fo__load_relaxed(&change->current->drained));
    return FO_OK;
}

/** Refuses before anything is made: indices would run out, which reads as a lack of memory. */
static fo_status count_members(struct fo__update *update)
{
    size_t count = update->balancer->count - update->leaver_count;

    for (size_t i = 0; i < update->change_count; i++)
        if (fo__change_joins(&update->changes[i]))
            count++;
    if (count > FO_ENDPOINTS_MAX)
        return fo__update_refuse(update, FO_EINVAL, SIZE_MAX, false,
                                 "the balancer would have more than FO_ENDPOINTS_MAX endpoints");
    return FO_OK;
}

/** The new list: who stays, in the old order, then who joins. */
static void list_members(struct fo__update *update)
{
    struct fo_balancer *balancer = update->balancer;

    for (uint32_t i = 0; i < balancer->count; i++)
        if (!balancer->members[i]->leaves)
            update->members[update->member_count++] = balancer->members[i];
    for (size_t i = 0; i < update->change_count; i++)
        if (fo__change_joins(&update->changes[i]))
            update->members[update->member_count++] = update->changes[i].next;
}

static fo_status build_snapshot(struct fo__update *update)
{
    struct fo_balancer *balancer = update->balancer;

    update->members =
        calloc(balancer->count + update->change_count + 1, sizeof(struct fo_endpoint *));
    if (update->members == NULL)
        return FO_NOMEM;
    list_members(update);
    update->snapshot = fo__snapshot_create(&balancer->placement, update->members,
                                           update->member_count, balancer->index_end);
    return update->snapshot != NULL ? FO_OK : FO_NOMEM;
}

fo_status fo__update_prepare(struct fo__update *update)
{
    fo_status status = count_members(update);

    for (size_t i = 0; i < update->change_count && status == FO_OK; i++)
        status = prepare_change(update, &update->changes[i]);
    if (status == FO_OK)
        status = build_snapshot(update);
    return status == FO_OK ? fo__update_result_reserve(update) : status;
}

/* ---- Undoing ----------------------------------------------------------------------------- */

/** An incarnation that was taken back goes on leaving. */
static void drain_again(struct fo_endpoint *endpoint)
{
    fo__rcu_synchronize();
    fo__publish_fold_revived(endpoint);
    fo__release_begin(&endpoint->release);
    fo__rcu_synchronize();
    fo__publish_settle(endpoint);
}

static void undo_change(struct fo__update *update, struct fo__change *change)
{
    if (change->kind == FO__CHANGE_REVIVE) {
        fo__store_relaxed(&change->next->drained, change->was_drained);
        drain_again(change->next);
    } else if (change->next != NULL && change->next != change->current) {
        fo__group_release_host(change->next->host);
        fo__members_unmake(update->balancer, change->next);
    }
    if (change->reserved != NULL)
        fo__names_remove(&update->balancer->names, change->reserved);
}

void fo__update_undo(struct fo__update *update)
{
    for (size_t i = 0; i < update->change_count; i++)
        undo_change(update, &update->changes[i]);
    fo__rcu_synchronize(); /* a look-up by name may be at a reserved entry */
    fo__names_reap(&update->balancer->names);
    fo__snapshot_destroy(update->snapshot);
    free(update->members);
    free(update->result->memory);
    update->result->memory = NULL;
}
