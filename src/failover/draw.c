/* SPDX-License-Identifier: Apache-2.0
 *
 * Drawing from the sum tree, for picks whose samples are mostly refused.
 *
 * The slots that a pick may have are ranges of equal tags minus the excluded. Their worth is a
 * difference of prefix sums; a random number below it is a place in the measure, and the tree finds
 * the slot that covers it: O(distinct tags × log N), exact while nothing moves.
 *
 * A slot that is found is checked against its host word. In a group of several balancers a tree may
 * be behind the words (snapshot.h): then the block of 16 slots that the draw landed in is mended and
 * the draw repeated, so errors heal where the traffic goes; and before a pick is refused, the words
 * themselves are looked at if any of them changed since the last time.
 */
#include "pick.h"

#include "rng.h"

#define DRAWS 8 /* each repeated one means that another thread changed a word in the meantime */

/** Reads each excluded slot's contribution once, so that all sums of one draw subtract the same. */
static void weigh_excluded(const struct fo__snapshot *snapshot, const struct fo__limits *limits,
                           struct fo__without *without)
{
    without->count = limits->without.count;
    for (uint32_t i = 0; i < without->count; i++) {
        without->slot[i] = limits->without.slot[i];
        without->worth[i] = fo__load_relaxed(&snapshot->tree.node[0][without->slot[i]]);
    }
}

/** Where a range of slots begins in the measure and how much it is worth. */
static uint64_t range_worth(const struct fo__snapshot *snapshot, const struct fo__tag_range *range,
                            const struct fo__without *without, uint64_t *begin)
{
    uint64_t end = fo__sumtree_before(&snapshot->tree, range->end, without);

    *begin = fo__sumtree_before(&snapshot->tree, range->first, without);
    return end > *begin ? end - *begin : 0;
}

static bool range_is_allowed(const struct fo__tag_range *range, const struct fo__limits *limits)
{
    return (range->tags & limits->require_tags) == limits->require_tags;
}

/** One draw over the whole tree; FO__NO_SLOT when it is worth nothing. */
static uint32_t draw_many(const struct fo__snapshot *snapshot, struct fo__row *row,
                          const struct fo__without *without)
{
    uint64_t total = fo__sumtree_total(&snapshot->tree);

    for (uint32_t i = 0; i < without->count; i++)
        total = total > without->worth[i] ? total - without->worth[i] : 0;
    if (total == 0 || total > UINT64_MAX / 2)
        return FO__NO_SLOT;
    return fo__sumtree_find(&snapshot->tree, fo__rng_below(&row->rng, total), without);
}

/** One draw from a tree of a single node, which a plain pass over the leaves answers soonest. */
static uint32_t draw_few(const struct fo__snapshot *snapshot, struct fo__row *row,
                         const struct fo__without *without)
{
    uint64_t worth[FO__SUMTREE_FANOUT];
    uint32_t n = (uint32_t)snapshot->n;
    uint64_t total = 0;
    uint64_t sum = 0;
    uint32_t passed = 0;
    uint64_t at;

    for (uint32_t i = 0; i < n; i++) {
        worth[i] = fo__load_relaxed(&snapshot->tree.node[0][i]);
        total += worth[i];
    }
    for (uint32_t i = 0; i < without->count; i++) {
        total -= worth[without->slot[i]];
        worth[without->slot[i]] = 0;
    }
    if (total == 0)
        return FO__NO_SLOT;
    at = fo__rng_below(&row->rng, total);
    for (uint32_t i = 0; i < n; i++) {
        sum += worth[i];
        passed += sum <= at ? 1 : 0;
    }
    return passed;
}

/** One draw over the ranges that have the tags. */
static uint32_t draw_tagged(const struct fo__snapshot *snapshot, struct fo__row *row,
                            const struct fo__limits *limits, const struct fo__without *without)
{
    uint64_t total = 0;
    uint64_t begin;
    uint64_t at;

    for (uint32_t i = 0; i < snapshot->range_count; i++)
        if (range_is_allowed(&snapshot->ranges[i], limits))
            total += range_worth(snapshot, &snapshot->ranges[i], without, &begin);
    if (total == 0)
        return FO__NO_SLOT;
    at = fo__rng_below(&row->rng, total);
    for (uint32_t i = 0; i < snapshot->range_count; i++) {
        uint64_t worth;

        if (!range_is_allowed(&snapshot->ranges[i], limits))
            continue;
        worth = range_worth(snapshot, &snapshot->ranges[i], without, &begin);
        if (at < worth)
            return fo__sumtree_find(&snapshot->tree, begin + at, without);
        at -= worth;
    }
    return FO__NO_SLOT; /* the sums shrank between the two passes */
}

static void mend_block(struct fo__snapshot *snapshot, uint32_t slot)
{
    uint32_t first = slot - slot % FO__SUMTREE_FANOUT;
    uint32_t end = first + FO__SUMTREE_FANOUT;

    for (uint32_t i = first; i < end && i < snapshot->count; i++)
        fo__snapshot_mend(snapshot, i);
}

/** Whether somebody in the group changed a word since this balancer last mended everything. */
static bool is_behind(struct fo__core *core, uint64_t *changes)
{
    *changes =
        fo__load_acquire(core->group_changes); /* pairs with the changers' release (outcome.c) */
    return *changes != fo__load_acquire(&core->changes_seen);
}

static uint64_t live_worth(const struct fo__snapshot *snapshot, uint32_t slot,
                           const struct fo__limits *limits, uint64_t *word)
{
    *word = fo__load_acquire(snapshot->slot[slot].word);
    return fo__limits_allow(limits, snapshot, slot) ? fo__slot_worth(snapshot, slot, *word) : 0;
}

/** A slot by adding up the host words themselves: O(N), for the rare pick that finds nothing in sums
 * that are behind. */
static const struct fo__slot *scan(const struct fo__snapshot *snapshot, struct fo__row *row,
                                   const struct fo__limits *limits, uint64_t *word)
{
    uint64_t total = 0;
    uint64_t at;

    for (uint32_t i = 0; i < snapshot->count; i++)
        total += live_worth(snapshot, i, limits, word);
    at = fo__rng_below(&row->rng, total);
    for (uint32_t i = 0; i < snapshot->count; i++) {
        uint64_t worth = live_worth(snapshot, i, limits, word);

        if (at < worth)
            return &snapshot->slot[i];
        at -= worth;
    }
    return NULL;
}

static uint32_t draw_one(const struct fo__snapshot *snapshot, struct fo__row *row,
                         const struct fo__limits *limits)
{
    struct fo__without without;

    if (limits->require_tags == 0 && snapshot->n <= FO__SUMTREE_FANOUT)
        return draw_few(snapshot, row, &limits->without);
    weigh_excluded(snapshot, limits, &without);
    return limits->require_tags == 0 ? draw_many(snapshot, row, &without)
                                     : draw_tagged(snapshot, row, limits, &without);
}

/** Whether a slot that was drawn is worth something, and, where sums may be behind, what they say. In
 * a group of its own they are behind for the moment of a race at most, and drawing cost the less. */
static bool holds_good(const struct fo__core *core, const struct fo__snapshot *snapshot,
                       uint32_t slot, uint64_t word)
{
    uint64_t counted = fo__load_relaxed(&snapshot->tree.node[0][slot]);

    if (!core->group_is_shared)
        return counted > 0 && fo__slot_fraction(snapshot, slot, word) > 0;
    return counted > 0 && counted == fo__slot_worth(snapshot, slot, word);
}

/** Draws until a slot holds good. *worthless: there is nothing to draw from. */
static const struct fo__slot *try_to_draw(struct fo__core *core, struct fo__snapshot *snapshot,
                                          struct fo__row *row, const struct fo__limits *limits,
                                          uint64_t *word, bool *worthless)
{
    for (int draws = 0; draws < DRAWS; draws++) {
        uint32_t slot = draw_one(snapshot, row, limits);

        *worthless = slot == FO__NO_SLOT;
        if (*worthless)
            return NULL;
        *word = fo__load_acquire(snapshot->slot[slot].word);
        if (holds_good(core, snapshot, slot, *word) && fo__limits_allow(limits, snapshot, slot))
            return &snapshot->slot[slot];
        mend_block(snapshot, slot);
    }
    return NULL;
}

const struct fo__slot *fo__draw_from_tree(struct fo__core *core, struct fo__snapshot *snapshot,
                                          struct fo__row *row, const struct fo__limits *limits,
                                          uint64_t *word)
{
    uint64_t changes = 0;
    bool worthless;
    const struct fo__slot *slot = try_to_draw(core, snapshot, row, limits, word, &worthless);
    bool behind = slot == NULL && is_behind(core, &changes);

    if (slot != NULL)
        return slot;
    if (worthless && !behind) /* not behind *now*: if another pick has just caught up, look again */
        return try_to_draw(core, snapshot, row, limits, word, &worthless);
    /* Marked when the sums are whole: until then every pick that finds nothing looks for itself. */
    if (fo__snapshot_mend_all(snapshot) && behind)
        fo__store_release(&core->changes_seen, changes);
    return scan(snapshot, row, limits, word);
}
