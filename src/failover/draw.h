/* SPDX-License-Identifier: Apache-2.0
 *
 * Drawing a slot from a tier, for picks whose first sample was refused.
 *
 *     fo__redraw()           a few more samples, then the sums: in proportion to live weight
 *     fo__draw_from_tree()   the sums at once
 *     fo__draw_regardless()  in proportion to max weight, whatever the health: for tiers that panic
 *
 * Each gives a slot that the limits allow, with the host word that it was taken for; NULL when what they
 * allow is worth nothing. In a read section.
 */
#ifndef FO_DRAW_H
#define FO_DRAW_H

#include "pick_limits.h"
#include "sample.h"

static inline bool fo__accept_within(const struct fo__limits *limits,
                                     const struct fo__snapshot *snapshot,
                                     const struct fo__slot *slot, struct fo__row *row,
                                     uint64_t *word)
{
    *word = fo__load_acquire(slot->word);
    return fo__limits_allow(limits, snapshot, fo__slot_number(snapshot, slot)) &&
           fo__accept(snapshot, slot, *word, row);
}

const struct fo__slot *fo__redraw(struct fo__core *core, struct fo__snapshot *snapshot,
                                  struct fo__row *row, const struct fo__tier *tier,
                                  const struct fo__limits *limits, uint64_t *word);

const struct fo__slot *fo__draw_from_tree(struct fo__core *core, struct fo__snapshot *snapshot,
                                          struct fo__row *row, const struct fo__tier *tier,
                                          const struct fo__limits *limits, uint64_t *word);

const struct fo__slot *fo__draw_regardless(const struct fo__snapshot *snapshot, struct fo__row *row,
                                           const struct fo__tier *tier,
                                           const struct fo__limits *limits, uint64_t *word);

/** Whether a range is of the tier, and allowed. */
static inline bool fo__is_range_of(const struct fo__range *range,
                                   const struct fo__snapshot *snapshot, const struct fo__tier *tier,
                                   const struct fo__limits *limits)
{
    return &snapshot->tier[range->tier] == tier && fo__limits_allow_range(limits, range);
}

static inline bool fo__is_slot_of(const struct fo__tier *tier, uint32_t slot)
{
    return slot - tier->first < tier->n; /* unsigned: also false in front of it */
}

#endif
