/* SPDX-License-Identifier: Apache-2.0 */
#include "placement.h"

#include "hash.h"

#include <stdlib.h>
#include <string.h>

#define DISTANCES (FO_ZONES_MAX + 2) /* local, listed, any other */
#define CORES (FO__CORES_MAX + 1)    /* and those in none */

_Static_assert(FO__CORES_MAX == FO_CORES_MAX, "what may be configured can be placed");

/* ---- Configuration ------------------------------------------------------------------------ */

static bool is_name(const char *name)
{
    return name != NULL && name[0] != '\0' && strnlen(name, FO_NAME_MAX + 1) <= FO_NAME_MAX;
}

static bool has_local_zone(const struct fo_level_config *config)
{
    return config->local_zone != NULL && config->local_zone[0] != '\0';
}

static bool zones_are_valid(const struct fo_level_config *config)
{
    if (config->zone_count > FO_ZONES_MAX ||
        (config->zone_count > 0 && (config->zone_order == NULL || !has_local_zone(config))))
        return false;
    if (has_local_zone(config) && !is_name(config->local_zone))
        return false;
    for (size_t i = 0; i < config->zone_count; i++) {
        const char *name = config->zone_order[i];

        if (!is_name(name) || strcmp(name, config->local_zone) == 0)
            return false;
        for (size_t j = 0; j < i; j++)
            if (strcmp(name, config->zone_order[j]) == 0)
                return false;
    }
    return true;
}

static bool cores_are_valid(const struct fo_level_config *config)
{
    if (config->core_count > FO_CORES_MAX || (config->core_count > 0 && config->core_sizes == NULL))
        return false;
    if (config->client_id != NULL && !is_name(config->client_id))
        return false;
    if (config->client_count > 0)
        return config->client_index < config->client_count;
    return config->core_count == 0 || config->client_id != NULL;
}

bool fo__placement_is_valid(const struct fo_level_config *config)
{
    return zones_are_valid(config) && cores_are_valid(config);
}

static struct fo__subset subset_of(const struct fo_level_config *config)
{
    struct fo__subset subset = {.client_index = config->client_index,
                                .client_count = config->client_count,
                                .core_count = (uint32_t)config->core_count};

    if (config->client_id != NULL)
        subset.client_hash = fo__hash(config->client_id, strlen(config->client_id));
    for (size_t i = 0; i < config->core_count; i++)
        subset.core_size[i] = config->core_sizes[i];
    return subset;
}

bool fo__placement_init(struct fo__placement *placement, struct fo__zones *zones,
                        const struct fo_level_config *config)
{
    struct fo__placement made = {.rule = fo__level_rule_of(config), .subset = subset_of(config)};

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
    return (settings->level * DISTANCES + distance(placement, settings->zone)) * CORES;
}

/** Makes levels out of preferences: as many, in the same order, and without gaps. */
static void close_gaps(struct fo__place *places, uint32_t count)
{
    uint16_t level_of[(FO_LEVEL_MAX + 1) * DISTANCES * CORES] = {0};
    uint16_t level = 0;

    for (uint32_t i = 0; i < count; i++)
        level_of[places[i].level] = 1;
    for (uint32_t i = 0; i < sizeof(level_of) / sizeof(level_of[0]); i++) {
        bool used = level_of[i] != 0;

        level_of[i] = level;
        if (used && level < FO__LEVELS_MAX - 1)
            level++;
    }
    for (uint32_t i = 0; i < count; i++)
        places[i].level = level_of[places[i].level];
}

static int compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int by_preference(const void *a, const void *b)
{
    const struct fo__place *x = a;
    const struct fo__place *y = b;

    return compare(x->level, y->level);
}

/* ---- Cores -------------------------------------------------------------------------------- */

struct cores_scratch {
    struct fo__candidate *candidates;
    struct fo__subset_place *places;
};

static struct fo__candidate candidate_of(const struct fo__place *place)
{
    uint64_t word = fo__load_acquire(place->endpoint->host->word);
    struct fo__candidate candidate = {.name_hash = fo__endpoint_name_hash(place->endpoint),
                                      .failed = (word & FO__FLAG_DOWN) != 0};

    candidate.weight = place->settings->max_weight;
    if (place->settings->degraded || fo__load_relaxed(&place->endpoint->drained))
        candidate.weight = 0; /* in no core */
    return candidate;
}

/** Cuts up places of one preference. */
static void cut(const struct fo__subset *subset, struct fo__place *places, uint32_t count,
                const struct cores_scratch *scratch)
{
    for (uint32_t i = 0; i < count; i++)
        scratch->candidates[i] = candidate_of(&places[i]);
    fo__subset_assign(subset, scratch->candidates, count, scratch->places);
    for (uint32_t i = 0; i < count; i++)
        places[i].level += scratch->candidates[i].level;
}

/** Cuts up each preference by this client's subset. False: out of memory. */
static bool cut_all(const struct fo__subset *subset, struct fo__place *places, uint32_t count)
{
    struct cores_scratch scratch;
    bool made;

    if (count == 0)
        return true;
    scratch.candidates = calloc(count, sizeof(*scratch.candidates));
    scratch.places = calloc(count, sizeof(*scratch.places));
    made = scratch.candidates != NULL && scratch.places != NULL;
    if (made)
        qsort(places, count, sizeof(*places), by_preference);
    for (uint32_t i = 0, end; made && i < count; i = end) {
        uint32_t preference = places[i].level;

        for (end = i; end < count && places[end].level == preference;)
            end++;
        cut(subset, &places[i], end - i, &scratch);
    }
    free(scratch.candidates);
    free(scratch.places);
    return made;
}

/* ---- Order -------------------------------------------------------------------------------- */

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

bool fo__place(const struct fo__placement *placement, struct fo_endpoint *const *members,
               uint32_t count, struct fo__place *places)
{
    for (uint32_t i = 0; i < count; i++) {
        places[i].endpoint = members[i];
        places[i].settings = fo__endpoint_next_settings(members[i]);
        places[i].member = i;
        places[i].level = preference(placement, places[i].settings);
    }
    if (placement->subset.core_count > 0 && !cut_all(&placement->subset, places, count))
        return false;
    close_gaps(places, count);
    qsort(places, count, sizeof(*places), by_place);
    return true;
}
