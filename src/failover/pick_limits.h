/* SPDX-License-Identifier: Apache-2.0
 *
 * What a pick is limited to, translated from fo_pick_options into slots of one snapshot.
 */
#ifndef FO_PICK_LIMITS_H
#define FO_PICK_LIMITS_H

#include "core.h"

#include <failover/balancer.h>
#include <string.h>

struct fo__limits {
    uint64_t require_tags;
    const struct fo__zone *zone; /* NULL: any */
    uint32_t level_limit;        /* only levels below */
    bool strict;                 /* nothing left: refuse, instead of dropping the exclusions */
    struct fo__without without;  /* excluded slots */
};

/** No limits at all. */
extern const struct fo__limits fo__no_limits;

/** Whether only some ranges of slots are allowed. */
static inline bool fo__limits_by_range(const struct fo__limits *limits)
{
    return limits->require_tags != 0 || limits->zone != NULL;
}

static inline bool fo__limits_allow_range(const struct fo__limits *limits,
                                          const struct fo__range *range)
{
    return (range->tags & limits->require_tags) == limits->require_tags &&
           (limits->zone == NULL || range->zone == limits->zone);
}

/** Whether the limits leave a slot in, of a tier whose level is below the limit. */
static inline bool fo__limits_allow(const struct fo__limits *limits,
                                    const struct fo__snapshot *snapshot, uint32_t slot)
{
    bool excluded = false;

    for (uint32_t i = 0; i < limits->without.count; i++) /* one branch that is hard to predict */
        excluded |= limits->without.slot[i] == slot;
    if (excluded)
        return false;
    if (!fo__limits_by_range(limits))
        return true;
    return fo__limits_allow_range(limits, fo__slot_range(snapshot, slot));
}

/** Whether there is nothing in them but perhaps a key; then they are valid. */
static inline bool fo__pick_options_have_no_limits(const struct fo_pick_options *options)
{
    uint64_t flags_and_level; /* strict, reserved and level_limit lie side by side */

    _Static_assert(offsetof(struct fo_pick_options, level_limit) ==
                       offsetof(struct fo_pick_options, strict) + 4,
                   "no padding between");
    memcpy(&flags_and_level, &options->strict, sizeof(flags_and_level));
    return (options->exclude_count | options->require_tags | flags_and_level |
            (uintptr_t)options->zone) == 0;
}

/** Whether every field is in its range. */
bool fo__pick_options_are_valid(const struct fo_pick_options *options);

/** The zone of a name, NULL for "": any; one that no endpoint is in for a name that none ever had. */
const struct fo__zone *fo__zone_to_pick(struct fo__core *core, const char *name);

/** Adds the slot of an id to the excluded, once; ids of no member are ignored. */
static inline void fo__exclude(struct fo__without *without, const struct fo__snapshot *snapshot,
                               uint64_t id)
{
    uint32_t slot = fo__snapshot_slot(snapshot, id);

    if (slot == FO__NO_SLOT)
        return;
    for (uint32_t i = 0; i < without->count; i++)
        if (without->slot[i] == slot)
            return;
    without->slot[without->count++] = slot;
}

/** Translates valid options. In a read section. */
static inline void fo__limits_read(struct fo__limits *limits, struct fo__core *core,
                                   const struct fo__snapshot *snapshot,
                                   const struct fo_pick_options *options)
{
    limits->require_tags = options->require_tags;
    limits->zone = options->zone != NULL ? fo__zone_to_pick(core, options->zone) : NULL;
    limits->level_limit = options->level_limit != 0 ? options->level_limit : UINT32_MAX;
    limits->strict = options->strict;
    limits->without.count = 0;
    for (size_t i = 0; i < options->exclude_count; i++)
        fo__exclude(&limits->without, snapshot, options->exclude[i]);
}

#endif
