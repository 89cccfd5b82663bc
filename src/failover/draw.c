/* SPDX-License-Identifier: Apache-2.0
 *
 * Drawing from a tier by sums, for picks whose samples are mostly refused.
 *
 * The slots that a pick may have are ranges of one zone and equal tags minus the excluded. Their worth
 * is a difference of prefix sums; a random number below it is a place in the measure, and the tree finds
 * the slot that covers it: O(ranges × log N), exact while nothing moves.
 *
 * A slot that is found is checked against its host word. In a group of several balancers a tree may
 * be behind the words (snapshot.h): then the block of 16 slots that the draw landed in is mended and
 * the draw repeated, so errors heal where the traffic goes; and before a pick is refused, the words
 * themselves are looked at if any of them changed since the last time.
 */
#include "draw.h"

#include "review.h"

#define REDRAWS 8
#define DRAWS 8 /* each repeated one means that another thread changed a word in the meantime */
#define RAMP_DRAWS 64 /* refused by ramps; when all begin theirs, one draw in 20 is not */

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

/** What a span of slots begins at in the measure, and how much it is worth. */
static uint64_t span_worth(const struct fo__snapshot *snapshot, uint32_t first, uint32_t slots_end,
                           const struct fo__without *without, uint64_t *begin)
{
    uint64_t end = fo__sumtree_before(&snapshot->tree, slots_end, without);

    *begin = first > 0 ? fo__sumtree_before(&snapshot->tree, first, without) : 0;
    return end > *begin ? end - *begin : 0;
}

/** One draw over the whole tier; FO__NO_SLOT when it is worth nothing. */
static uint32_t draw_many(const struct fo__snapshot *snapshot, struct fo__row *row,
                          const struct fo__tier *tier, const struct fo__without *without)
{
    uint64_t total = fo__load_relaxed(&tier->worth);
    uint64_t begin = 0;

    for (uint32_t i = 0; i < without->count; i++)
        if (fo__is_slot_of(tier, without->slot[i]))
            total = total > without->worth[i] ? total - without->worth[i] : 0;
    if (total == 0 || total > UINT64_MAX / 2)
        return FO__NO_SLOT;
    if (tier->first > 0)
        begin = fo__sumtree_before(&snapshot->tree, tier->first, without);
    return fo__sumtree_find(&snapshot->tree, begin + fo__rng_below(&row->rng, total), without);
}

/** One draw from a tier of few slots, which a plain pass over the leaves answers soonest. */
static uint32_t draw_few(const struct fo__snapshot *snapshot, struct fo__row *row,
                         const struct fo__tier *tier, const struct fo__without *without)
{
    uint64_t worth[FO__SUMTREE_FANOUT];
    uint64_t total = 0;
    uint64_t sum = 0;
    uint32_t passed = 0;
    uint64_t at;

    for (uint32_t i = 0; i < tier->n; i++) {
        worth[i] = fo__load_relaxed(&snapshot->tree.node[0][tier->first + i]);
        total += worth[i];
    }
    for (uint32_t i = 0; i < without->count; i++) {
        uint32_t number = without->slot[i] - tier->first;

        if (number < tier->n) {
            total -= worth[number];
            worth[number] = 0;
        }
    }
    if (total == 0)
        return FO__NO_SLOT;
    at = fo__rng_below(&row->rng, total);
    for (uint32_t i = 0; i < tier->n; i++) {
        sum += worth[i];
        passed += sum <= at ? 1 : 0;
    }
    return tier->first + passed;
}

/** One draw over the tier's ranges that are allowed. */
static uint32_t draw_ranges(const struct fo__snapshot *snapshot, struct fo__row *row,
                            const struct fo__tier *tier, const struct fo__limits *limits,
                            const struct fo__without *without)
{
    uint64_t total = 0;
    uint64_t begin;
    uint64_t at;

    for (uint32_t i = 0; i < snapshot->range_count; i++) {
        const struct fo__range *range = &snapshot->ranges[i];

        if (fo__is_range_of(range, snapshot, tier, limits))
            total += span_worth(snapshot, range->first, range->end, without, &begin);
    }
    if (total == 0)
        return FO__NO_SLOT;
    at = fo__rng_below(&row->rng, total);
    for (uint32_t i = 0; i < snapshot->range_count; i++) {
        const struct fo__range *range = &snapshot->ranges[i];
        uint64_t worth;

        if (!fo__is_range_of(range, snapshot, tier, limits))
            continue;
        worth = span_worth(snapshot, range->first, range->end, without, &begin);
        if (at < worth)
            return fo__sumtree_find(&snapshot->tree, begin + at, without);
        at -= worth;
    }
    return FO__NO_SLOT; /* the sums shrank between the two passes */
}

static uint32_t draw_one(const struct fo__snapshot *snapshot, struct fo__row *row,
                         const struct fo__tier *tier, const struct fo__limits *limits)
{
    struct fo__without without;

    if (!fo__limits_by_range(limits) && tier->n <= FO__SUMTREE_FANOUT)
        return draw_few(snapshot, row, tier, &limits->without);
    weigh_excluded(snapshot, limits, &without);
    return fo__limits_by_range(limits) ? draw_ranges(snapshot, row, tier, limits, &without)
                                       : draw_many(snapshot, row, tier, &without);
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

/** Whether a slot that is worth something is taken while its host ramps, which the sums do not show. */
static bool ramp_admits(const struct fo__snapshot *snapshot, uint32_t slot, uint64_t word,
                        struct fo__row *row)
{
    uint64_t of_fraction;

    if (fo__likely((word & FO__FLAG_RAMP) == 0))
        return true;
    of_fraction = (fo__rng_next(&row->rng) >> 33) * fo__slot_fraction(snapshot, slot, word);
    return of_fraction >> 31 < fo__slot_admission(snapshot, slot, word);
}

/* ---- Sums that are behind ------------------------------------------------------------------ */

static void mend_block(struct fo__core *core, struct fo__snapshot *snapshot, uint32_t slot)
{
    uint32_t first = slot - slot % FO__SUMTREE_FANOUT;
    uint32_t end = first + FO__SUMTREE_FANOUT;

    for (uint32_t i = first; i < end && i < snapshot->count; i++)
        fo__snapshot_mend(snapshot, i);
    fo__review(core, snapshot);
}

/** Whether somebody in the group changed a word since this balancer last mended everything. */
static bool is_behind(struct fo__core *core, uint64_t *changes)
{
    *changes =
        fo__load_acquire(core->group_changes); /* pairs with the changers' release (outcome.c) */
    return *changes != fo__load_acquire(&core->changes_seen);
}

static uint64_t live_claim(const struct fo__snapshot *snapshot, uint32_t slot,
                           const struct fo__limits *limits, uint64_t *word)
{
    *word = fo__load_acquire(snapshot->slot[slot].word);
    return fo__limits_allow(limits, snapshot, slot) ? fo__slot_claim(snapshot, slot, *word) : 0;
}

/** A slot by adding up the host words themselves: O(N), for the rare pick that finds nothing in sums
 * that are behind, and for tiers of few of which one has been refused by its ramp. */
static const struct fo__slot *scan(const struct fo__snapshot *snapshot, struct fo__row *row,
                                   const struct fo__tier *tier, const struct fo__limits *limits,
                                   uint64_t *word)
{
    uint32_t end = tier->first + tier->n;
    uint64_t total = 0;
    uint64_t at;

    for (uint32_t i = tier->first; i < end; i++)
        total += live_claim(snapshot, i, limits, word);
    at = fo__rng_below(&row->rng, total);
    for (uint32_t i = tier->first; i < end; i++) {
        uint64_t claim = live_claim(snapshot, i, limits, word);

        if (at < claim)
            return &snapshot->slot[i];
        at -= claim;
    }
    return NULL;
}

/* ---- By live weight ------------------------------------------------------------------------ */

/** Draws until a slot holds good and is admitted. *worthless: there is nothing to draw from. After so many
 * refusals nearly all that is up has just begun its ramp, and hardly anybody is ahead of anybody. */
static const struct fo__slot *try_to_draw(struct fo__core *core, struct fo__snapshot *snapshot,
                                          struct fo__row *row, const struct fo__tier *tier,
                                          const struct fo__limits *limits, uint64_t *word,
                                          bool *worthless)
{
    uint32_t refused = 0;

    for (uint32_t draws = 0; draws < DRAWS + refused; draws++) {
        uint32_t slot = draw_one(snapshot, row, tier, limits);

        *worthless = slot == FO__NO_SLOT;
        if (*worthless)
            return NULL;
        *word = fo__load_acquire(snapshot->slot[slot].word);
        if (!holds_good(core, snapshot, slot, *word) || !fo__is_slot_of(tier, slot) ||
            !fo__limits_allow(limits, snapshot, slot))
            mend_block(core, snapshot, slot);
        else if (ramp_admits(snapshot, slot, *word, row) || ++refused == RAMP_DRAWS)
            return &snapshot->slot[slot];
        else if (tier->n <= FO__SUMTREE_FANOUT)
            return scan(snapshot, row, tier, limits, word);
    }
    return NULL;
}

const struct fo__slot *fo__draw_from_tree(struct fo__core *core, struct fo__snapshot *snapshot,
                                          struct fo__row *row, const struct fo__tier *tier,
                                          const struct fo__limits *limits, uint64_t *word)
{
    uint64_t changes = 0;
    bool worthless;
    const struct fo__slot *slot = try_to_draw(core, snapshot, row, tier, limits, word, &worthless);
    bool behind = slot == NULL && is_behind(core, &changes);

    if (slot != NULL)
        return slot;
    if (worthless && !behind) /* not behind *now*: if another pick has just caught up, look again */
        return try_to_draw(core, snapshot, row, tier, limits, word, &worthless);
    /* Marked when the sums are whole: until then every pick that finds nothing looks for itself. */
    if (fo__snapshot_mend_all(snapshot) && behind)
        fo__store_release(&core->changes_seen, changes);
    fo__review(core, snapshot);
    return scan(snapshot, row, tier, limits, word);
}

/* The less of the weight is up, the sooner redrawing is given up: at 1 / 8 of it, eight draws find
 * something in two of three cases only, and the tree would have been cheaper. Few endpoints are a
 * single node of the tree, cheaper than a second draw. */
static uint32_t redraws_worth_it(const struct fo__tier *tier)
{
    uint64_t worth = fo__load_relaxed(&tier->worth);

    if (tier->n <= FO__SUMTREE_FANOUT)
        return 0;
    return worth > tier->units_sum / 4 ? REDRAWS : worth > tier->units_sum / 8 ? 2 : 0;
}

/** A slot of a tier of few, without the detours of larger ones; NULL: not so, or look closer. */
static inline const struct fo__slot *try_few(const struct fo__core *core,
                                             const struct fo__snapshot *snapshot,
                                             struct fo__row *row, const struct fo__tier *tier,
                                             const struct fo__limits *limits, uint64_t *word)
{
    uint32_t slot;

    if (tier->n > FO__SUMTREE_FANOUT || fo__limits_by_range(limits))
        return NULL;
    slot = draw_few(snapshot, row, tier, &limits->without);
    if (slot == FO__NO_SLOT)
        return NULL;
    *word = fo__load_acquire(snapshot->slot[slot].word);
    return holds_good(core, snapshot, slot, *word) && ramp_admits(snapshot, slot, *word, row)
               ? &snapshot->slot[slot]
               : NULL;
}

/** Calls for the slot that comes next if this one's host refuses: a refusal draws one number. */
static inline void prefetch_redraw(const struct fo__snapshot *snapshot, const struct fo__tier *tier,
                                   struct fo__row *row)
{
    uint64_t x = fo__rng_mix(fo__load_relaxed(&row->rng) + 2 * FO__GOLDEN);

    __builtin_prefetch(&snapshot->slot[tier->first + fo__mul_high(x, tier->n)]);
}

const struct fo__slot *fo__redraw(struct fo__core *core, struct fo__snapshot *snapshot,
                                  struct fo__row *row, const struct fo__tier *tier,
                                  const struct fo__limits *limits, uint64_t *word)
{
    const struct fo__slot *few = try_few(core, snapshot, row, tier, limits, word);

    if (few != NULL)
        return few;
    for (uint32_t redraws = redraws_worth_it(tier); redraws > 0; redraws--) {
        const struct fo__slot *slot = fo__next_sample(snapshot, tier, row);

        prefetch_redraw(snapshot, tier, row);
        if (fo__accept_within(limits, snapshot, slot, row, word))
            return slot;
    }
    return fo__draw_from_tree(core, snapshot, row, tier, limits, word);
}
