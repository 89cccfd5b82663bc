/* SPDX-License-Identifier: Apache-2.0 */
#include "placement.h"

#include <stdlib.h>
#include <string.h>

#define DISTANCES (FO_ZONES_MAX + 2) /* local, listed, any other */

/* ---- Configuration ------------------------------------------------------------------------ */

static bool is_zone_name(const char *name)
{
    return name != NULL && name[0] != '\0' && strnlen(name, FO_NAME_MAX + 1) <= FO_NAME_MAX;
}

static bool has_local_zone(const struct fo_level_config *config)
{
    return config->local_zone != NULL && config->local_zone[0] != '\0';
}

bool fo__zone_list_is_valid(const struct fo_level_config *config)
{
    if (config->zone_count > FO_ZONES_MAX ||
        (config->zone_count > 0 && (config->zone_order == NULL || !has_local_zone(config))))
        return false;
    if (has_local_zone(config) && !is_zone_name(config->local_zone))
        return false;
    for (size_t i = 0; i < config->zone_count; i++) {
        const char *name = config->zone_order[i];

        if (!is_zone_name(name) || strcmp(name, config->local_zone) == 0)
            return false;
        for (size_t j = 0; j < i; j++)
            if (strcmp(name, config->zone_order[j]) == 0)
                return false;
    }
    return true;
}

bool fo__placement_init(struct fo__placement *placement, struct fo__zones *zones,
                        const struct fo_level_config *config)
{
    struct fo__placement made = {.rule = fo__level_rule_of(config)};

    if (has_local_zone(config)) {
        made.zone_count = 1 + (uint32_t)config->zone_count;
        made.zone[0] = fo__zones_add(zones, config->local_zone);
        for (size_t i = 0; i < config->zone_count; i++)
            made.zone[i + 1] = fo__zones_add(zones, config->zone_order[i]);
    }
    for (uint32_t i = 0; i < made.zone_count; i++)
        if (made.zone[i] == NULL)
            return false;
    *placement = made;
    return true;
}

/* ---- Placing ------------------------------------------------------------------------------ */

static uint32_t distance(const struct fo__placement *placement, const struct fo__zone *zone)
{
    uint32_t i = 0;

    while (i < placement->zone_count && placement->zone[i] != zone)
        i++;
    return i;
}

static uint32_t preference(const struct fo__placement *placement,
                           const struct fo__endpoint_settings *settings)
{
    return settings->level * DISTANCES + distance(placement, settings->zone);
}

/** Makes levels out of preferences: as many, in the same order, and without gaps. */
static void close_gaps(struct fo__place *places, uint32_t count)
{
    uint32_t level_of[(FO_LEVEL_MAX + 1) * DISTANCES] = {0};
    uint32_t level = 0;

    for (uint32_t i = 0; i < count; i++)
        level_of[places[i].level] = 1;
    for (uint32_t i = 0; i < sizeof(level_of) / sizeof(level_of[0]); i++) {
        bool used = level_of[i] != 0;

        level_of[i] = level;
        level += used ? 1 : 0;
    }
    for (uint32_t i = 0; i < count; i++)
        places[i].level = level_of[places[i].level];
}

static int compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static uint32_t zone_number(const struct fo__place *place)
{
    return place->settings->zone != NULL ? place->settings->zone->number : 0;
}

static int by_place(const void *a, const void *b)
{
    const struct fo__place *x = a;
    const struct fo__place *y = b;
    int order = compare(x->settings->degraded, y->settings->degraded);

    if (order == 0)
        order = compare(x->level, y->level);
    if (order == 0)
        order = compare(zone_number(x), zone_number(y));
    if (order == 0)
        order = compare(x->settings->tags, y->settings->tags);
    return order != 0 ? order : compare(x->member, y->member);
}

void fo__place(const struct fo__placement *placement, struct fo_endpoint *const *members,
               uint32_t count, struct fo__place *places)
{
    for (uint32_t i = 0; i < count; i++) {
        places[i].endpoint = members[i];
        places[i].settings = fo__endpoint_next_settings(members[i]);
        places[i].member = i;
        places[i].level = preference(placement, places[i].settings);
    }
    close_gaps(places, count);
    qsort(places, count, sizeof(*places), by_place);
}
