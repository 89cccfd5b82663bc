/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading an update: every entry is copied and checked before anything is changed.
 */
#include "update.h"

#include "abi.h"
#include "check_config.h"
#include "hash.h"

#include <stdlib.h>

fo_status fo__update_refuse(struct fo__update *update, fo_status status, size_t offender,
                            bool is_removal, const char *offence)
{
    update->result->offender = offender;
    update->result->offender_removal = is_removal;
    update->result->offence = offence;
    return status;
}

/* Comparisons are written so that NaN and infinity fail them. */
static bool is_weight(double weight)
{
    return weight >= 0 && weight <= FO_WEIGHT_MAX;
}

static const char *name_offence(const char *name)
{
    size_t length;

    if (name == NULL)
        return "the name is NULL";
    length = strnlen(name, FO_NAME_MAX + 1);
    if (length == 0)
        return "the name is empty";
    return length > FO_NAME_MAX ? "the name is longer than FO_NAME_MAX" : NULL;
}

static const char *config_offence(const struct fo_endpoint_config *config)
{
    const char *offence = name_offence(config->name);
    double init = config->init_weight;

    if (offence != NULL)
        return offence;
    if (!is_weight(config->max_weight))
        return "max_weight is not in 0 ... FO_WEIGHT_MAX";
    if (!is_weight(config->min_weight))
        return "min_weight is not in 0 ... FO_WEIGHT_MAX";
    if (config->min_weight > config->max_weight)
        return "min_weight is above max_weight";
    if (init != FO_INIT_WEIGHT_MAX && !(init >= config->min_weight && init <= config->max_weight))
        return "init_weight is not in min_weight ... max_weight";
    if (config->level > FO_LEVEL_MAX)
        return "level is above FO_LEVEL_MAX";
    for (size_t i = 0; i < sizeof(config->reserved); i++)
        if (config->reserved[i])
            return "a reserved field is set";
    if (config->max_in_flight > FO_IN_FLIGHT_MAX)
        return "max_in_flight is above FO_IN_FLIGHT_MAX";
    if (config->zone != NULL && strnlen(config->zone, FO_NAME_MAX + 1) > FO_NAME_MAX)
        return "the zone is longer than FO_NAME_MAX";
    return NULL;
}

static const char *address_offence(const struct fo_check_config *check, const char *address)
{
    size_t length = strnlen(address, FO_NAME_MAX + 1);

    if (length == 0)
        return "the address is empty";
    if (length > FO_NAME_MAX)
        return "the address is longer than FO_NAME_MAX";
    return fo__check_config_offence(check, address);
}

/* An array of a caller's older or newer struct has that struct's stride. */
static const struct fo_endpoint_config *upsert_at(const struct fo_endpoint_config *upserts,
                                                  size_t i)
{
    return (const struct fo_endpoint_config *)(const void *)((const char *)upserts +
                                                             i * upserts[0].size);
}

static fo_status read_upserts(struct fo__update *update, const struct fo_endpoint_config *upserts,
                              size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct fo_endpoint_config *ours = &update->changes[i].config;
        const char *offence;

        *ours = fo_endpoint_config_init(NULL);
        if (!fo__abi_size_is_sane(upserts[0].size, sizeof(*ours)) ||
            upsert_at(upserts, i)->size != upserts[0].size ||
            !fo__abi_read(ours, sizeof(*ours), upsert_at(upserts, i)))
            return fo__update_refuse(update, FO_EINVAL, i, false,
                                     "the size is wrong or an unknown field is set");
        offence = config_offence(ours);
        if (offence == NULL && ours->address != NULL)
            offence = address_offence(update->balancer->group->check, ours->address);
        if (offence != NULL)
            return fo__update_refuse(update, FO_EINVAL, i, false, offence);
    }
    return FO_OK;
}

/* ---- Duplicates -------------------------------------------------------------------------- */

struct name_set {
    const char **name;
    size_t mask;
};

/** False: it is there already. */
static bool name_set_add(struct name_set *set, const char *name)
{
    size_t at = (size_t)fo__hash(name, strlen(name)) & set->mask;

    for (; set->name[at] != NULL; at = (at + 1) & set->mask)
        if (strcmp(set->name[at], name) == 0)
            return false;
    set->name[at] = name;
    return true;
}

static fo_status find_duplicates(struct fo__update *update, struct name_set *set,
                                 const char *const *removals, size_t m)
{
    for (size_t i = 0; i < update->change_count; i++)
        if (!name_set_add(set, update->changes[i].config.name))
            return fo__update_refuse(update, FO_DUPLICATE, i, false, "the name stands twice");
    for (size_t i = 0; i < m; i++)
        if (!name_set_add(set, removals[i]))
            return fo__update_refuse(update, FO_DUPLICATE, i, true, "the name stands twice");
    return FO_OK;
}

static fo_status check_duplicates(struct fo__update *update, const char *const *removals, size_t m)
{
    struct name_set set = {NULL, 15};
    fo_status status;

    while (set.mask + 1 < (update->change_count + m) * 2)
        set.mask = set.mask * 2 + 1;
    set.name = calloc(set.mask + 1, sizeof(*set.name));
    if (set.name == NULL)
        return FO_NOMEM;
    status = find_duplicates(update, &set, removals, m);
    free((void *)set.name);
    return status;
}

fo_status fo__update_read(struct fo__update *update, const struct fo_endpoint_config *upserts,
                          size_t n, const char *const *removals, size_t m)
{
    fo_status status;

    if ((n > 0 && upserts == NULL) || (m > 0 && removals == NULL) || n > FO_ENDPOINTS_MAX ||
        m > FO_ENDPOINTS_MAX)
        return fo__update_refuse(update, FO_EINVAL, SIZE_MAX, false,
                                 "a list is NULL or longer than FO_ENDPOINTS_MAX");
    update->changes = calloc(n + 1, sizeof(*update->changes));
    if (update->changes == NULL)
        return FO_NOMEM;
    update->change_count = n;
    status = read_upserts(update, upserts, n);
    for (size_t i = 0; i < m && status == FO_OK; i++) {
        const char *offence = name_offence(removals[i]);
        if (offence != NULL)
            status = fo__update_refuse(update, FO_EINVAL, i, true, offence);
    }
    return status == FO_OK ? check_duplicates(update, removals, m) : status;
}
