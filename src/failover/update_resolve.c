/* SPDX-License-Identifier: Apache-2.0
 *
 * Resolving an update: what each entry means for the membership as it is.
 *
 *     upsert   name unknown                      add, or revive
 *              known, same data                  nothing, or reconfigure
 *              known, other data                 the member leaves; reincarnate, or revive
 *     removal  name known                        the member leaves
 *              unknown                           FO_NOTFOUND
 *
 * Revive: an incarnation of that name and data is still leaving because leases are open. It is taken
 * back by the same CAS that its last finish competes for, so either it is a member again and is not
 * released, or it was released and a new one is made.
 */
#include "update.h"

#include "check_config.h"

#include <stdlib.h>

static struct fo_endpoint *find_member(struct fo_balancer *balancer, const char *name)
{
    return fo__names_get(&balancer->names, name);
}

/** A leaving incarnation of that name and data, or NULL. */
static struct fo_endpoint *find_leaving(struct fo_balancer *balancer, const char *name,
                                        const void *data)
{
    struct fo__name *entry = fo__names_find(&balancer->names, name);
    struct fo_endpoint *at = entry != NULL ? entry->leaving : NULL;

    while (at != NULL && at->data != data)
        at = at->namesake_next;
    return at;
}

static bool is_as_configured(struct fo_endpoint *endpoint, const struct fo_endpoint_config *config)
{
    return fo__endpoint_settings_equal(fo__load_relaxed(&endpoint->settings), config) &&
           (config->address == NULL || fo__group_has_address(endpoint->host, config->address));
}

/** Without an address it is the name that will be checked, unless the host has one already. */
static fo_status check_name(struct fo__update *update, size_t i)
{
    const struct fo_endpoint_config *config = &update->changes[i].config;
    struct fo_group *group = update->balancer->group;
    const char *offence = NULL;

    if (config->address == NULL && !fo__group_knows_address(group, config->name))
        offence = fo__check_config_offence(group->check, config->name);
    return offence == NULL ? FO_OK : fo__update_refuse(update, FO_EINVAL, i, false, offence);
}

static void resolve_upsert(struct fo__update *update, struct fo__change *change)
{
    struct fo_balancer *balancer = update->balancer;

    change->current = find_member(balancer, change->config.name);
    if (change->current != NULL && change->current->data == change->config.data) {
        change->next = change->current;
        change->kind = is_as_configured(change->current, &change->config) ? FO__CHANGE_NONE
                                                                          : FO__CHANGE_RECONFIGURE;
        return;
    }
    change->next = find_leaving(balancer, change->config.name, change->config.data);
    if (change->next != NULL && fo__release_revive(&change->next->release)) {
        change->kind = FO__CHANGE_REVIVE;
        change->was_drained = fo__load_relaxed(&change->next->drained);
        return;
    }
    change->kind = change->current != NULL ? FO__CHANGE_REINCARNATE : FO__CHANGE_ADD;
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

fo_status fo__update_resolve(struct fo__update *update, const char *const *removals, size_t m,
                             bool replace)
{
    size_t leavers_max = update->change_count + (replace ? update->balancer->count : m);
    fo_status status;

    update->leavers = calloc(leavers_max + 1, sizeof(struct fo_endpoint *));
    if (update->leavers == NULL)
        return FO_NOMEM;
    for (size_t i = 0; i < update->change_count; i++) {
        status = check_name(update, i);
        if (status != FO_OK)
            return status;
    }
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
