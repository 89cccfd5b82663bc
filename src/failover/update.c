/* SPDX-License-Identifier: Apache-2.0
 *
 * Updating a membership: all or nothing, and nothing is reset.
 *
 *     read      copy and check the caller's lists                         update_read.c
 *     resolve   what is each entry: new, changed, other data, unknown?
 *     prepare   make everything that will be needed; all that can fail    FO_NOMEM: undo, as before
 *     commit    names, settings, members; publish the snapshot            cannot fail
 *     wait      one grace period
 *     settle    mend the new sums, release what left, free what was replaced
 *
 * A snapshot is built over the *same* endpoint and host objects, so health, state, counters, trials
 * and open leases go on as if nothing had happened.
 */
#include "update.h"

#include "abi.h"
#include "cold.h"
#include "rcu.h"

#include <failover/events.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Resolving --------------------------------------------------------------------------- */

static struct fo_endpoint *find_member(struct fo_balancer *balancer, const char *name)
{
    return fo__names_get(&balancer->names, name);
}

/** A leaving incarnation of that name and data, or NULL. */
static struct fo_endpoint *find_leaving(struct fo_balancer *balancer, const char *name,
                                        const void *data)
{
    struct fo_endpoint *at = balancer->leaving;

    while (at != NULL && (at->data != data || strcmp(fo_endpoint_name(at), name) != 0))
        at = at->leaving_next;
    return at;
}

static bool same_settings(struct fo_endpoint *endpoint, const struct fo_endpoint_config *config)
{
    const struct fo__endpoint_settings *now = fo__load_relaxed(&endpoint->settings);

    return now->max_weight == config->max_weight && now->min_weight == config->min_weight &&
           now->tags == config->tags;
}

static void resolve_upsert(struct fo__update *update, struct fo__change *change)
{
    struct fo_balancer *balancer = update->balancer;

    change->current = find_member(balancer, change->config.name);
    if (change->current != NULL && change->current->data == change->config.data) {
        change->next = change->current;
        change->kind = same_settings(change->current, &change->config) ? FO__CHANGE_NONE
                                                                       : FO__CHANGE_RECONFIGURE;
        return;
    }
    change->next = find_leaving(balancer, change->config.name, change->config.data);
    if (change->next != NULL && fo__release_revive(&change->next->release))
        change->kind = FO__CHANGE_REVIVE;
    else
        change->kind = change->current != NULL ? FO__CHANGE_REINCARNATE : FO__CHANGE_ADD;
    if (change->kind != FO__CHANGE_REVIVE)
        change->next = NULL;
}

static void add_leaver(struct fo__update *update, struct fo_endpoint *endpoint)
{
    endpoint->leaves = true;
    update->leavers[update->leaver_count++] = endpoint;
}

static fo_status resolve_removals(struct fo__update *update, const char *const *removals, size_t m)
{
    for (size_t i = 0; i < m; i++) {
        struct fo_endpoint *endpoint = find_member(update->balancer, removals[i]);

        if (endpoint == NULL)
            return fo__update_refuse(update, FO_NOTFOUND, i, true, "there is no such endpoint");
        add_leaver(update, endpoint);
    }
    return FO_OK;
}

/** For a replace: members that no upsert names are removed. */
static void resolve_missing(struct fo__update *update)
{
    struct fo_balancer *balancer = update->balancer;

    for (uint32_t i = 0; i < balancer->count; i++)
        balancer->members[i]->mentioned = false;
    for (size_t i = 0; i < update->change_count; i++) {
        struct fo_endpoint *member = find_member(balancer, update->changes[i].config.name);
        if (member != NULL)
            member->mentioned = true;
    }
    for (uint32_t i = 0; i < balancer->count; i++)
        if (!balancer->members[i]->mentioned)
            add_leaver(update, balancer->members[i]);
}

static fo_status resolve(struct fo__update *update, const char *const *removals, size_t m,
                         bool replace)
{
    size_t leavers_max = update->change_count + (replace ? update->balancer->count : m);
    fo_status status;

    update->leavers = calloc(leavers_max + 1, sizeof(struct fo_endpoint *));
    if (update->leavers == NULL)
        return FO_NOMEM;
    status = resolve_removals(update, removals, m);
    if (status != FO_OK)
        return status;
    if (replace)
        resolve_missing(update);
    update->removal_count = update->leaver_count;
    for (size_t i = 0; i < update->change_count; i++) {
        struct fo__change *change = &update->changes[i];

        resolve_upsert(update, change);
        if (change->current != NULL && change->next != change->current)
            add_leaver(update, change->current);
    }
    return FO_OK;
}

/* ---- Preparing --------------------------------------------------------------------------- */

static struct fo__endpoint_settings *settings_from(const struct fo_endpoint_config *config)
{
    struct fo__endpoint_settings *settings = malloc(sizeof(*settings));

    if (settings != NULL) {
        settings->max_weight = config->max_weight;
        settings->min_weight = config->min_weight;
        settings->tags = config->tags;
    }
    return settings;
}

/** The word that a host begins with if this endpoint is its first. */
static uint64_t first_word(const struct fo_endpoint_config *config)
{
    uint64_t health = FO__HEALTH_ONE;

    if (config->init_weight != FO_INIT_WEIGHT_MAX && config->max_weight > 0)
        health = (uint64_t)llround(config->init_weight / config->max_weight *
                                   (double)FO__HEALTH_ONE);
    return health > 0 ? health : fo__word_next_epoch(0, 0, FO__FLAG_DOWN);
}

/** What listeners take a host for before they are told: up, and one step behind if it is down. */
static uint64_t untold_word(uint64_t word)
{
    return (word & FO__FLAG_DOWN) == 0
               ? word
               : (word & ~FO__STATE_MASK) - (UINT64_C(1) << FO__EPOCH_SHIFT) + FO__HEALTH_ONE;
}

static fo_status make_endpoint(struct fo__update *update, struct fo__change *change)
{
    struct fo_balancer *balancer = update->balancer;
    struct fo__host *host;

    host = fo__group_acquire_host(balancer->group, change->config.name,
                                  first_word(&change->config));
    if (host == NULL)
        return FO_NOMEM;
    change->next = fo__members_make(balancer, host, change->config.data);
    if (change->next == NULL) {
        fo__group_release_host(host);
        return FO_NOMEM;
    }
    atomic_init(&change->next->settings, change->settings);
    change->settings = NULL;
    change->next->seen_word = untold_word(fo__load_acquire(&host->word));
    return FO_OK;
}

static fo_status prepare_change(struct fo__update *update, struct fo__change *change)
{
    if (change->kind == FO__CHANGE_NONE)
        return FO_OK;
    change->settings = settings_from(&change->config);
    if (change->settings == NULL)
        return FO_NOMEM;
    if (change->next != NULL)
        change->next->next_settings = change->settings;
    if (change->current == NULL) {
        change->reserved = fo__names_reserve(&update->balancer->names, change->config.name);
        if (change->reserved == NULL)
            return FO_NOMEM;
    }
    if (change->next != NULL)
        return FO_OK;
    return make_endpoint(update, change);
}

/** The new list: who stays, in the old order, then who joins. */
static void list_members(struct fo__update *update, struct fo__entry *entries)
{
    struct fo_balancer *balancer = update->balancer;
    uint32_t count = 0;

    for (uint32_t i = 0; i < balancer->count; i++)
        if (!balancer->members[i]->leaves)
            update->members[count++] = balancer->members[i];
    for (size_t i = 0; i < update->change_count; i++)
        if (update->changes[i].next != update->changes[i].current)
            update->members[count++] = update->changes[i].next;
    update->member_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct fo_endpoint *endpoint = update->members[i];

        entries[i].endpoint = endpoint;
        entries[i].settings = endpoint->next_settings != NULL
                                  ? endpoint->next_settings
                                  : fo__load_relaxed(&endpoint->settings);
        entries[i].drained = endpoint->drained;
    }
}

static fo_status build_snapshot(struct fo__update *update)
{
    struct fo_balancer *balancer = update->balancer;
    size_t count_max = balancer->count + update->change_count;
    struct fo__entry *entries;

    if (count_max - update->leaver_count > FO_ENDPOINTS_MAX)
        return fo__update_refuse(update, FO_EINVAL, SIZE_MAX, false,
                                 "the balancer would have more than FO_ENDPOINTS_MAX endpoints");
    update->members = calloc(count_max + 1, sizeof(struct fo_endpoint *));
    entries = calloc(count_max + 1, sizeof(*entries));
    if (update->members != NULL && entries != NULL) {
        list_members(update, entries);
        update->snapshot =
            fo__snapshot_create(entries, update->member_count, balancer->index_end);
    }
    free(entries);
    return update->snapshot != NULL ? FO_OK : FO_NOMEM;
}

static fo_status prepare(struct fo__update *update)
{
    fo_status status = FO_OK;

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
    fo__update_fold_revived(endpoint);
    fo__release_begin(&endpoint->release);
    fo__rcu_synchronize();
    fo__update_settle(endpoint);
}

static void undo_change(struct fo__update *update, struct fo__change *change)
{
    if (change->kind == FO__CHANGE_REVIVE) {
        drain_again(change->next);
    } else if (change->next != NULL && change->next != change->current) {
        fo__group_release_host(change->next->host);
        fo__members_unmake(update->balancer, change->next);
    }
    if (change->reserved != NULL)
        fo__names_remove(&update->balancer->names, change->reserved);
}

static void undo(struct fo__update *update)
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

/* ---- Committing -------------------------------------------------------------------------- */

/** Installs new settings; the change keeps the old ones until the grace period is over. */
static void install_settings(struct fo__change *change)
{
    if (change->settings != NULL)
        change->settings = fo__exchange_acq_rel(&change->next->settings, change->settings);
}

static void join(struct fo__update *update, struct fo__change *change)
{
    struct fo_balancer *balancer = update->balancer;
    struct fo_endpoint *endpoint = change->next;
    struct fo__host *host = endpoint->host;

    fo__add_relaxed(&balancer->alive, 1);
    fo__group_attach(endpoint);
    fo__members_tell(endpoint, FO__PENDING_ADDED);
    if ((fo__load_acquire(&host->word) & FO__FLAG_DOWN) != 0) {
        uint32_t no_reason = FO_REASON_NONE;

        fo__cas_acq_rel(&host->reason, &no_reason, (uint32_t)FO_REASON_STARTED_DOWN);
        fo__queue_push(host->queue, &host->node);
    }
}

/** Membership events are merged until they are told: a removal not yet told is simply undone. */
static void rejoin(struct fo__update *update, struct fo_endpoint *endpoint)
{
    uint32_t pending = fo__and_acq_rel(&endpoint->pending, ~FO__PENDING_REMOVED);

    if ((pending & FO__PENDING_REMOVED) == 0)
        fo__members_tell(endpoint, FO__PENDING_ADDED);
    fo__members_end_leaving(update->balancer, endpoint);
}

static void commit_change(struct fo__update *update, struct fo__change *change)
{
    struct fo__names *names = &update->balancer->names;

    if (change->kind == FO__CHANGE_NONE)
        return;
    install_settings(change);
    if (change->kind == FO__CHANGE_RECONFIGURE) {
        fo__members_tell(change->next, FO__PENDING_UPDATED);
        return;
    }
    change->next->entry = change->current != NULL ? change->current->entry : change->reserved;
    fo__names_set(names, change->next->entry, change->next);
    if (change->kind == FO__CHANGE_REVIVE)
        rejoin(update, change->next);
    else
        join(update, change);
}

static void commit(struct fo__update *update)
{
    struct fo_balancer *balancer = update->balancer;

    for (size_t i = 0; i < update->removal_count; i++)
        fo__names_remove(&balancer->names, update->leavers[i]->entry);
    for (size_t i = 0; i < update->change_count; i++)
        commit_change(update, &update->changes[i]);
    free(balancer->members);
    balancer->members = update->members;
    balancer->count = update->member_count;
    fo__update_result_fill(update);
    fo__update_publish(balancer, update->snapshot, update->leavers, update->leaver_count);
    for (size_t i = 0; i < update->change_count; i++)
        if (update->changes[i].kind == FO__CHANGE_REVIVE)
            fo__update_fold_revived(update->changes[i].next);
}

/* ---- All of it --------------------------------------------------------------------------- */

static void clear_scratch(struct fo__update *update)
{
    for (size_t i = 0; i < update->leaver_count; i++)
        update->leavers[i]->leaves = false;
    for (size_t i = 0; i < update->change_count; i++)
        if (update->changes[i].next != NULL)
            update->changes[i].next->next_settings = NULL;
}

static bool changes_nothing(const struct fo__update *update)
{
    for (size_t i = 0; i < update->change_count; i++)
        if (update->changes[i].kind != FO__CHANGE_NONE)
            return false;
    return update->leaver_count == 0;
}

/** Caller holds the update lock. */
static fo_status run_locked(struct fo__update *update, const char *const *removals, size_t m,
                            bool replace)
{
    fo_status status;

    if (update->balancer->closing)
        return FO_CLOSED;
    status = resolve(update, removals, m, replace);
    if (status == FO_OK && changes_nothing(update))
        return FO_OK;
    if (status == FO_OK)
        status = prepare(update);
    clear_scratch(update);
    if (status == FO_OK)
        commit(update);
    else
        undo(update);
    return status;
}

static fo_status run(struct fo_balancer *balancer, const struct fo_endpoint_config *upserts,
                     size_t n, const char *const *removals, size_t m, bool replace,
                     struct fo_update_result *result)
{
    struct fo__update update = {.balancer = balancer, .result = result};
    fo_status status = fo__update_read(&update, upserts, n, removals, m);

    if (status == FO_OK) {
        fo__cold_begin();
        pthread_mutex_lock(&balancer->update_lock);
        status = run_locked(&update, removals, m, replace);
        pthread_mutex_unlock(&balancer->update_lock);
        fo__cold_end();
    }
    for (size_t i = 0; i < update.change_count; i++)
        free(update.changes[i].settings);
    free(update.changes);
    free(update.leavers);
    return status;
}

/** Runs with a result of our own version, and copies it to the caller's. */
static fo_status run_with_result(struct fo_balancer *balancer,
                                 const struct fo_endpoint_config *upserts, size_t n,
                                 const char *const *removals, size_t m, bool replace,
                                 struct fo_update_result *result)
{
    struct fo_update_result ours = fo_update_result_init();
    fo_status status;

    if (balancer == NULL ||
        (result != NULL && !fo__abi_size_is_sane(result->size, sizeof(*result))))
        return FO_EINVAL;
    status = run(balancer, upserts, n, removals, m, replace, &ours);
    if (result != NULL)
        fo__abi_write(result, &ours, sizeof(ours));
    else
        fo_update_result_fini(&ours);
    return status;
}

fo_status fo_balancer_update(struct fo_balancer *balancer, const struct fo_endpoint_config *upserts,
                             size_t n, const char *const *removals, size_t m,
                             struct fo_update_result *result)
{
    return run_with_result(balancer, upserts, n, removals, m, false, result);
}

static fo_status refuse_replace(struct fo_update_result *result, const char *offence)
{
    struct fo_update_result ours = fo_update_result_init();

    ours.offence = offence;
    if (result != NULL && fo__abi_size_is_sane(result->size, sizeof(*result)))
        fo__abi_write(result, &ours, sizeof(ours));
    return FO_EINVAL;
}

fo_status fo_balancer_replace(struct fo_balancer *balancer, const struct fo_endpoint_config *all,
                              size_t n, unsigned flags, struct fo_update_result *result)
{
    if ((flags & ~FO_REPLACE_ALLOW_EMPTY) != 0)
        return refuse_replace(result, "an unknown flag is set");
    if (n == 0 && (flags & FO_REPLACE_ALLOW_EMPTY) == 0)
        return refuse_replace(result, "the list is empty");
    return run_with_result(balancer, all, n, NULL, 0, true, result);
}
