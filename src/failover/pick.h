/* SPDX-License-Identifier: Apache-2.0
 *
 * What a pick is limited to, translated from fo_pick_options into slots of one snapshot.
 */
#ifndef FO_PICK_H
#define FO_PICK_H

#include "core.h"

#include <failover/balancer.h>

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
    for (uint32_t i = 0; i < snapshot->range_count; i++)
        if (slot < snapshot->ranges[i].end)
            return fo__limits_allow_range(limits, &snapshot->ranges[i]);
    return false;
}

/** A slot of the tier that the limits allow, in proportion to its live weight, from the sum tree, with
 * the host word that it was taken for; NULL when they are all worth nothing. In a read section. */
const struct fo__slot *fo__draw_from_tree(struct fo__core *core, struct fo__snapshot *snapshot,
                                          struct fo__row *row, const struct fo__tier *tier,
                                          const struct fo__limits *limits, uint64_t *word);

/** The same in proportion to max weights, whatever the health: for tiers that panic. */
const struct fo__slot *fo__draw_regardless(const struct fo__snapshot *snapshot, struct fo__row *row,
                                           const struct fo__tier *tier,
                                           const struct fo__limits *limits, uint64_t *word);

#endif
