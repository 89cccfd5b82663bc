/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNITS_SUM 4398046511104.0 /* 2^42 */

/* What the dummy slot of an empty snapshot points at: down for ever, so every pick refuses it. */
static _Atomic uint64_t nobody = FO__FLAG_DOWN | FO__HEALTH_ONE << FO__LOSS_SHIFT;

/* ---- Memory: one block for everything ----------------------------------------------------- */

struct layout {
    size_t tree, units, ids, ranges, tiers, floors, slot_of, size;
};

static struct layout layout_of(uint32_t n, uint32_t tier_count, uint32_t range_count,
                               uint32_t index_end)
{
    struct layout layout;

    layout.tree = sizeof(struct fo__snapshot) + n * sizeof(struct fo__slot);
    layout.units = layout.tree + fo__sumtree_words(n) * sizeof(uint64_t);
    layout.ids = layout.units + ((size_t)n + 1) * sizeof(uint64_t);
    layout.ranges = layout.ids + n * sizeof(uint64_t);
    layout.tiers = layout.ranges + range_count * sizeof(struct fo__range);
    layout.floors = layout.tiers + tier_count * sizeof(struct fo__tier);
    layout.slot_of = layout.floors + n * sizeof(uint32_t);
    layout.size = layout.slot_of + index_end * sizeof(uint32_t);
    layout.size = (layout.size + FO__CACHE_LINE - 1) / FO__CACHE_LINE * FO__CACHE_LINE;
    return layout;
}

static struct fo__snapshot *allocate(uint32_t n, uint32_t tier_count, uint32_t range_count,
                                     uint32_t index_end)
{
    struct layout layout = layout_of(n, tier_count, range_count, index_end);
    char *memory = aligned_alloc(FO__CACHE_LINE, layout.size);
    struct fo__snapshot *snapshot = (struct fo__snapshot *)(void *)memory;

    if (memory == NULL)
        return NULL;
    memset(memory, 0, layout.slot_of);
    memset(memory + layout.slot_of, 0xff, layout.size - layout.slot_of); /* FO__NO_SLOT */
    snapshot->index_end = index_end;
    snapshot->units_before = (uint64_t *)(void *)(memory + layout.units);
    snapshot->ids = (uint64_t *)(void *)(memory + layout.ids);
    snapshot->ranges = (struct fo__range *)(void *)(memory + layout.ranges);
    snapshot->tier = (struct fo__tier *)(void *)(memory + layout.tiers);
    snapshot->floors = (uint32_t *)(void *)(memory + layout.floors);
    snapshot->slot_of = (uint32_t *)(void *)(memory + layout.slot_of);
    fo__sumtree_init(&snapshot->tree, n, (_Atomic uint64_t *)(void *)(memory + layout.tree));
    return snapshot;
}

void fo__snapshot_destroy(struct fo__snapshot *snapshot)
{
    if (snapshot != NULL)
        fo__keyed_destroy(snapshot->keyed);
    free(snapshot);
}

/* ---- Empty ------------------------------------------------------------------------------- */

static struct fo__snapshot *create_empty(const struct fo__placement *placement, uint32_t index_end)
{
    struct fo__snapshot *snapshot = allocate(1, 1, 1, index_end);

    if (snapshot == NULL)
        return NULL;
    snapshot->rule = placement->rule;
    snapshot->has_keys = placement->has_keys;
    snapshot->n = 1;
    snapshot->tier_count = 1;
    snapshot->tier[0].n = 1;
    atomic_init(&snapshot->state, FO_BALANCER_UNAVAILABLE);
    snapshot->slot[0].threshold = UINT32_MAX;
    snapshot->slot[0].word = &nobody;
    return snapshot;
}

/* ---- Tiers and ranges -------------------------------------------------------------------- */

static double weight_of(const struct fo__place *place)
{
    return fo__load_relaxed(&place->endpoint->drained) ? 0 : place->settings->max_weight;
}

static bool begins_tier(const struct fo__place *places, uint32_t i)
{
    return i == 0 || places[i].level != places[i - 1].level ||
           places[i].settings->degraded != places[i - 1].settings->degraded;
}

static bool begins_range(const struct fo__place *places, uint32_t i)
{
    return begins_tier(places, i) || places[i].settings->tags != places[i - 1].settings->tags ||
           places[i].settings->zone != places[i - 1].settings->zone;
}

static void count_parts(const struct fo__place *places, uint32_t count, uint32_t *tiers,
                        uint32_t *ranges)
{
    *tiers = 0;
    *ranges = 0;
    for (uint32_t i = 0; i < count; i++) {
        *tiers += begins_tier(places, i) ? 1 : 0;
        *ranges += begins_range(places, i) ? 1 : 0;
    }
}

static void add_to_tier(struct fo__snapshot *snapshot, const struct fo__place *places, uint32_t at)
{
    struct fo__tier *tier;

    if (begins_tier(places, at)) {
        tier = &snapshot->tier[snapshot->tier_count++];
        tier->first = at;
        tier->level = places[at].level;
        tier->degraded = places[at].settings->degraded;
    }
    tier = &snapshot->tier[snapshot->tier_count - 1];
    tier->n++;
    tier->endpoints += weight_of(&places[at]) > 0 ? 1 : 0;
    tier->units_sum += fo__slot_units(snapshot, at);
}

static void add_to_range(struct fo__snapshot *snapshot, const struct fo__place *places, uint32_t at)
{
    struct fo__range *range;

    if (begins_range(places, at)) {
        range = &snapshot->ranges[snapshot->range_count++];
        range->zone = places[at].settings->zone;
        range->tags = places[at].settings->tags;
        range->tier = snapshot->tier_count - 1;
        range->first = at;
    }
    snapshot->ranges[snapshot->range_count - 1].end = at + 1;
}

static void add_up_levels(struct fo__snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->tier_count; i++)
        for (uint32_t j = 0; j < snapshot->tier_count; j++)
            if (snapshot->tier[j].level == snapshot->tier[i].level)
                snapshot->tier[i].level_units += snapshot->tier[j].units_sum;
}

/* ---- Slots ------------------------------------------------------------------------------- */

/** Rounded up: whoever has a min_weight, however small, keeps a trickle. */
static uint32_t floor_of(const struct fo__endpoint_settings *settings)
{
    if (settings->max_weight <= 0)
        return 0;
    return (uint32_t)ceil(settings->min_weight / settings->max_weight * (double)FO__HEALTH_ONE);
}

static void fill_slot(struct fo__snapshot *snapshot, uint32_t at, const struct fo__place *place,
                      double weight_sum)
{
    struct fo__slot *slot = &snapshot->slot[at];
    double weight = weight_of(place);
    uint32_t floor = floor_of(place->settings);
    uint64_t units = 0;

    slot->word = place->endpoint->host->word;
    slot->endpoint = place->endpoint;
    slot->cell = place->endpoint->cell;
    if (weight > 0) {
        units = (uint64_t)(weight / weight_sum * UNITS_SUM);
        units += units == 0 ? 1 : 0;
        snapshot->floors[at] = floor;
    }
    if (floor > snapshot->floor_max)
        snapshot->floor_max = floor;
    snapshot->units_before[at + 1] = snapshot->units_before[at] + units;
    snapshot->ids[at] = place->endpoint->id;
    snapshot->slot_of[place->endpoint->index] = at;
}

/** Σ weights of each level, by level; NULL when out of memory. */
static double *sum_weights(const struct fo__place *places, uint32_t count)
{
    double *sums = calloc(FO__TIERS_MAX, sizeof(*sums));

    for (uint32_t i = 0; i < count && sums != NULL; i++)
        sums[places[i].level] += weight_of(&places[i]);
    return sums;
}

static bool fill_slots(struct fo__snapshot *snapshot, const struct fo__place *places,
                       uint32_t count)
{
    double *sums = sum_weights(places, count);

    if (sums == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        fill_slot(snapshot, i, &places[i], sums[places[i].level]);
        add_to_tier(snapshot, places, i);
        add_to_range(snapshot, places, i);
    }
    free(sums);
    add_up_levels(snapshot);
    snapshot->n = snapshot->tier[0].n;
    snapshot->count = count;
    return true;
}

static void fill_tree(struct fo__snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->count; i++) {
        /* Acquire: pairs with the changers' CAS; a later change is mended by its changer. */
        uint64_t word = fo__load_acquire(snapshot->slot[i].word);
        fo__sumtree_preset(&snapshot->tree, i, fo__slot_worth(snapshot, i, word));
    }
    fo__snapshot_sum_up(snapshot);
}

/* ---- Alias tables ------------------------------------------------------------------------ */

struct alias_scratch {
    uint64_t *units;
    uint64_t *share;
    struct fo__alias_column *columns;
    uint32_t *stack;
};

static bool alias_scratch_init(struct alias_scratch *scratch, uint32_t n)
{
    scratch->units = calloc(n, 2 * sizeof(*scratch->units) + sizeof(*scratch->columns) +
                                   sizeof(*scratch->stack));
    if (scratch->units == NULL)
        return false;
    scratch->share = scratch->units + n;
    scratch->columns = (struct fo__alias_column *)(void *)(scratch->share + n);
    scratch->stack = (uint32_t *)(void *)(scratch->columns + n);
    return true;
}

static void build_alias(struct fo__snapshot *snapshot, const struct fo__tier *tier,
                        struct alias_scratch *scratch)
{
    struct fo__slot *slot = &snapshot->slot[tier->first];

    for (uint32_t i = 0; i < tier->n; i++)
        scratch->units[i] = fo__slot_units(snapshot, tier->first + i);
    if (tier->units_sum == 0) {
        /* No weight at all: whatever column is drawn, nobody is at home. */
        for (uint32_t i = 0; i < tier->n; i++)
            slot[i].word = &nobody;
        return;
    }
    fo__alias_build(scratch->units, tier->n, scratch->columns, scratch->share, scratch->stack);
    for (uint32_t i = 0; i < tier->n; i++) {
        slot[i].threshold = scratch->columns[i].threshold;
        slot[i].alias_step = (int32_t)scratch->columns[i].alias - (int32_t)i;
    }
}

static bool build_aliases(struct fo__snapshot *snapshot)
{
    struct alias_scratch scratch;

    if (!alias_scratch_init(&scratch, snapshot->count))
        return false;
    for (uint32_t i = 0; i < snapshot->tier_count; i++)
        build_alias(snapshot, &snapshot->tier[i], &scratch);
    free(scratch.units);
    return true;
}

/* ---- Keys --------------------------------------------------------------------------------- */

/** False: out of memory. */
static bool build_keyed(struct fo__snapshot *snapshot, const struct fo__place *places)
{
    uint32_t n = snapshot->tier[0].n;
    struct fo__keyed_member *members;

    if (snapshot->tier[0].units_sum == 0)
        return true;
    members = malloc(n * sizeof(*members));
    if (members == NULL)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        members[i].endpoint = places[i].endpoint;
        members[i].weight = weight_of(&places[i]);
    }
    snapshot->keyed = fo__keyed_create(members, n);
    free(members);
    return snapshot->keyed != NULL;
}

/* ---- Building ---------------------------------------------------------------------------- */

static struct fo__snapshot *create_placed(const struct fo__placement *placement,
                                          const struct fo__place *places, uint32_t count,
                                          uint32_t index_end)
{
    struct fo__snapshot *snapshot;
    uint32_t tiers;
    uint32_t ranges;

    count_parts(places, count, &tiers, &ranges);
    snapshot = allocate(count, tiers, ranges, index_end);
    if (snapshot == NULL)
        return NULL;
    snapshot->rule = placement->rule;
    snapshot->has_keys = placement->has_keys;
    if (!fill_slots(snapshot, places, count) || !build_aliases(snapshot) ||
        (snapshot->has_keys && !build_keyed(snapshot, places))) {
        fo__snapshot_destroy(snapshot);
        return NULL;
    }
    fill_tree(snapshot);
    return snapshot;
}

struct fo__snapshot *fo__snapshot_create(const struct fo__placement *placement,
                                         struct fo_endpoint *const *members, uint32_t count,
                                         uint32_t index_end)
{
    struct fo__snapshot *snapshot = NULL;
    struct fo__place *places;

    if (count == 0)
        return create_empty(placement, index_end);
    places = malloc(count * sizeof(*places));
    if (places == NULL)
        return NULL;
    if (fo__place(placement, members, count, places))
        snapshot = create_placed(placement, places, count, index_end);
    free(places);
    return snapshot;
}

/* ---- Mending ----------------------------------------------------------------------------- */

void fo__snapshot_sum_up(struct fo__snapshot *snapshot)
{
    fo__sumtree_sum_up(&snapshot->tree);
    for (uint32_t i = 0; i < snapshot->tier_count; i++) {
        struct fo__tier *tier = &snapshot->tier[i];
        uint64_t worth = 0;

        for (uint32_t j = tier->first; j < tier->first + tier->n; j++)
            worth += fo__load_relaxed(&snapshot->tree.node[0][j]);
        fo__store_relaxed(&tier->worth, worth);
    }
}

void fo__snapshot_mend(struct fo__snapshot *snapshot, uint32_t slot)
{
    _Atomic uint64_t *word = snapshot->slot[slot].word;
    struct fo__tier *tier = fo__slot_tier(snapshot, slot);
    uint64_t worth = fo__slot_worth(snapshot, slot, fo__load_acquire(word));
    uint64_t now = worth;

    do {
        uint64_t change;

        worth = now;
        change = fo__sumtree_set(&snapshot->tree, slot, worth);
        if (change != 0)
            fo__add_relaxed(&tier->worth, change);
        now = fo__slot_worth(snapshot, slot, fo__load_acquire(word));
    } while (now != worth);
}

bool fo__snapshot_mend_all(struct fo__snapshot *snapshot)
{
    bool whole = true;

    for (uint32_t i = 0; i < snapshot->tier_count && snapshot->count > 0; i++) {
        struct fo__tier *tier = &snapshot->tier[i];
        uint64_t sum = 0;

        for (uint32_t j = tier->first; j < tier->first + tier->n; j++) {
            fo__snapshot_mend(snapshot, j);
            sum += fo__load_relaxed(&snapshot->tree.node[0][j]);
        }
        whole = whole && fo__load_relaxed(&tier->worth) == sum;
    }
    return whole;
}
