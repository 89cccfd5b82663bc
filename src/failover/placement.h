/* SPDX-License-Identifier: Apache-2.0
 *
 * Placement: which level each member is at, and the order in which a snapshot lays the members out.
 *
 *     member ─► preference = configured level × distance of its zone × core in this client's subset
 *            ─► level: preferences without gaps
 *     order:  degraded last ─► level ─► zone ─► tags ─► age
 *
 * So a tier is a range of slots, and so is what has one zone and one set of tags in it.
 */
#ifndef FO_PLACEMENT_H
#define FO_PLACEMENT_H

#include "endpoint.h"
#include "levels.h"
#include "subset.h"

/** What decides it, besides the members. Under the update lock. */
struct fo__placement {
    struct fo__level_rule rule;
    const struct fo__zone *zone[1 + FO_ZONES_MAX]; /* the local one, then by distance */
    uint32_t zone_count;                           /* 0: zones make no difference */
    struct fo__subset subset;                      /* no cores: all of a level are equal */
    bool has_keys; /* picks come with keys: snapshots have a table of them */
};

struct fo__place {
    struct fo_endpoint *endpoint;
    const struct fo__endpoint_settings *settings;
    uint32_t member; /* its number in the list given */
    uint32_t level;
};

/** Whether zones are named properly (the local one, if there is a list, and nobody twice), and cores and
 * the client too. */
bool fo__placement_is_valid(const struct fo_level_config *config);

/** Reads a valid configuration; adds its zones to those known. False: out of memory. */
bool fo__placement_init(struct fo__placement *placement, struct fo__zones *zones,
                        const struct fo_level_config *config);

/** The settings that an endpoint has when the update that is being prepared is committed. */
static inline const struct fo__endpoint_settings *
fo__endpoint_next_settings(const struct fo_endpoint *endpoint)
{
    return endpoint->next_settings != NULL ? endpoint->next_settings
                                           : fo__load_relaxed(&endpoint->settings);
}

/** Places `count` members, in order. False: out of memory. Update lock held. */
bool fo__place(const struct fo__placement *placement, struct fo_endpoint *const *members,
               uint32_t count, struct fo__place *places);

#endif
