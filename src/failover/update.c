/* SPDX-License-Identifier: Apache-2.0
 *
 * Updating a membership: all or nothing, and nothing is reset.
 *
 *     read      copy and check the caller's lists                         update_read.c
 *     resolve   what is each entry: new, changed, other data, unknown?    update_resolve.c
 *     prepare   make everything that will be needed; all that can fail    update_prepare.c
 *     commit    names, settings, members; publish the snapshot            cannot fail
 *     wait      one grace period; then mend the new sums, settle what     publish.c
 *               left, free what was replaced
 *
 * A snapshot is built over the *same* endpoint and host objects, so health, state, counters, trials
 * and open leases go on as if nothing had happened.
 */
#include "update.h"

#include "abi.h"
#include "cold.h"

#include <stdlib.h>

/** Installs new settings; the change keeps the old ones until the grace period is over. */
static void install_settings(struct fo__change *change)
{
    struct fo_endpoint *endpoint = change->next;

    if (change->settings != NULL)
        change->settings = fo__exchange_acq_rel(&endpoint->settings, change->settings);
    fo__store_relaxed(&endpoint->max_in_flight,
                      fo__load_relaxed(&endpoint->settings)->max_in_flight);
}

static void join(struct fo__update *update, struct fo__change *change)
{
    struct fo_balancer *balancer = update->balancer;
    struct fo_endpoint *endpoint = change->next;
    struct fo__host *host = endpoint->host;

    fo__add_relaxed(&balancer->alive, 1);
    /* In its host's list the dispatcher finds it, and must have ADDED to tell before any state. */
    fo__or_acq_rel(&endpoint->pending, FO__PENDING_ADDED);
    fo__group_attach(endpoint);
    fo__endpoint_tell(endpoint, 0);
    if ((fo__load_acquire(host->word) & FO__FLAGS_MASK) != 0 || host->check != NULL ||
        host->judged != NULL)
        fo__queue_push(host->queue, &host->node);
}

/** Whether an incarnation that was taken back is another than the one that left. Its new settings are
 * installed. */
static bool came_back_changed(const struct fo__change *change)
{
    return !fo__endpoint_settings_equal(change->settings, &change->config) ||
           change->was_drained != fo__load_relaxed(&change->next->drained);
}

/** Membership events are merged until they are told: a removal not yet told is undone, and what is
 * left of the two is a change of configuration, if there is one. */
static void rejoin(struct fo__update *update, struct fo__change *change)
{
    struct fo_endpoint *endpoint = change->next;
    uint32_t pending = fo__and_acq_rel(&endpoint->pending, ~FO__PENDING_REMOVED);

    if ((pending & FO__PENDING_REMOVED) == 0)
        fo__endpoint_tell(endpoint, FO__PENDING_ADDED);
    else if (came_back_changed(change))
        fo__endpoint_tell(endpoint, FO__PENDING_UPDATED);
    fo__members_end_leaving(update->balancer, endpoint);
}

static void commit_change(struct fo__update *update, struct fo__change *change)
{
    if (change->kind == FO__CHANGE_NONE)
        return;
    install_settings(change);
    if (change->address != NULL)
        change->address = fo__group_exchange_address(change->next->host, change->address);
    if (change->kind == FO__CHANGE_RECONFIGURE) {
        fo__endpoint_tell(change->next, FO__PENDING_UPDATED);
        return;
    }
    change->next->entry = change->entry;
    fo__name_set(change->entry, change->next);
    if (change->kind == FO__CHANGE_REVIVE)
        rejoin(update, change);
    else
        join(update, change);
}

static void commit(struct fo__update *update)
{
    struct fo_balancer *balancer = update->balancer;

    for (size_t i = 0; i < update->removal_count; i++)
        fo__name_set(update->leavers[i]->entry, NULL);
    for (size_t i = 0; i < update->change_count; i++)
        commit_change(update, &update->changes[i]);
    free(balancer->members);
    balancer->members = update->members;
    balancer->count = update->member_count;
    fo__members_attend_to_load(balancer);
    fo__update_result_fill(update);
    fo__publish(balancer, update->snapshot, update->leavers, update->leaver_count);
    for (size_t i = 0; i < update->change_count; i++)
        if (update->changes[i].kind == FO__CHANGE_REVIVE)
            fo__publish_fold_revived(update->changes[i].next);
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
    status = fo__update_resolve(update, removals, m, replace);
    if (status == FO_OK && changes_nothing(update))
        return FO_OK;
    if (status == FO_OK)
        status = fo__update_prepare(update);
    clear_scratch(update);
    if (status == FO_OK)
        commit(update);
    else
        fo__update_undo(update);
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
    for (size_t i = 0; i < update.change_count; i++) {
        free(update.changes[i].settings);
        free(update.changes[i].address);
    }
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

    if (balancer == NULL || (result != NULL && !fo__update_result_is_sane(result)))
        return FO_EINVAL;
    if (result != NULL)
        ours.entry_size = result->entry_size;
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

    if (result == NULL || !fo__update_result_is_sane(result))
        return FO_EINVAL;
    ours.entry_size = result->entry_size;
    ours.offence = offence;
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
