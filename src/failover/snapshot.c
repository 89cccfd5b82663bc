/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNITS_SUM 4398046511104.0 /* 2^42 */

/* What the dummy slot of an empty snapshot points at: down for ever, so every pick refuses it. */
static _Atomic uint64_t nobody = FO__FLAG_DOWN | FO__HEALTH_ONE << FO__EPOCH_BITS;

/* ---- Memory: one block for everything ----------------------------------------------------- */

struct layout {
    size_t tree, units, ids, ranges, floors, slot_of, size;
};

static struct layout layout_of(uint32_t n, uint32_t index_end)
{
    struct layout layout;

    layout.tree = sizeof(struct fo__snapshot) + n * sizeof(struct fo__slot);
    layout.units = layout.tree + fo__sumtree_words(n) * sizeof(uint64_t);
    layout.ids = layout.units + n * sizeof(uint64_t);
    layout.ranges = layout.ids + n * sizeof(uint64_t);
    layout.floors = layout.ranges + n * sizeof(struct fo__tag_range);
    layout.slot_of = layout.floors + n * sizeof(uint32_t);
    layout.size = layout.slot_of + index_end * sizeof(uint32_t);
    layout.size = (layout.size + FO__CACHE_LINE - 1) / FO__CACHE_LINE * FO__CACHE_LINE;
    return layout;
}

static struct fo__snapshot *allocate(uint32_t n, uint32_t index_end)
{
    struct layout layout = layout_of(n, index_end);
    char *memory = aligned_alloc(FO__CACHE_LINE, layout.size);
    struct fo__snapshot *snapshot = (struct fo__snapshot *)(void *)memory;

    if (memory == NULL)
        return NULL;
    memset(memory, 0, layout.slot_of);
    memset(memory + layout.slot_of, 0xff, layout.size - layout.slot_of); /* FO__NO_SLOT */
    snapshot->n = n;
    snapshot->index_end = index_end;
    snapshot->units = (uint64_t *)(void *)(memory + layout.units);
    snapshot->ids = (uint64_t *)(void *)(memory + layout.ids);
    snapshot->ranges = (struct fo__tag_range *)(void *)(memory + layout.ranges);
    snapshot->floors = (uint32_t *)(void *)(memory + layout.floors);
    snapshot->slot_of = (uint32_t *)(void *)(memory + layout.slot_of);
    fo__sumtree_init(&snapshot->tree, n, (_Atomic uint64_t *)(void *)(memory + layout.tree));
    return snapshot;
}

void fo__snapshot_destroy(struct fo__snapshot *snapshot)
{
    free(snapshot);
}

/* ---- Empty ------------------------------------------------------------------------------- */

static void fill_dummy(struct fo__snapshot *snapshot)
{
    snapshot->slot[0].threshold = UINT32_MAX;
    snapshot->slot[0].word = &nobody;
}

/* ---- Building ---------------------------------------------------------------------------- */

static const struct fo__endpoint_settings *settings_of(struct fo_endpoint *endpoint)
{
    return endpoint->next_settings != NULL ? endpoint->next_settings
                                           : fo__load_relaxed(&endpoint->settings);
}

static double weight_of(struct fo_endpoint *endpoint)
{
    return fo__load_relaxed(&endpoint->drained) ? 0 : settings_of(endpoint)->max_weight;
}

struct order {
    uint64_t tags;
    uint32_t member;
};

static int by_tags_then_age(const void *a, const void *b)
{
    const struct order *x = a;
    const struct order *y = b;

    if (x->tags != y->tags)
        return x->tags < y->tags ? -1 : 1;
    return x->member < y->member ? -1 : x->member > y->member;
}

/** Rounded up: whoever has a min_weight, however small, keeps a trickle. */
static uint32_t floor_of(const struct fo__endpoint_settings *settings)
{
    if (settings->max_weight <= 0)
        return 0;
    return (uint32_t)ceil(settings->min_weight / settings->max_weight * (double)FO__HEALTH_ONE);
}

static void fill_slot(struct fo__snapshot *snapshot, uint32_t at, struct fo_endpoint *endpoint,
                      double weight_sum)
{
    struct fo__slot *slot = &snapshot->slot[at];
    double weight = weight_of(endpoint);
    uint32_t floor = floor_of(settings_of(endpoint));

    slot->word = endpoint->host->word;
    slot->endpoint = endpoint;
    slot->cell = endpoint->cell;
    if (weight > 0) {
        snapshot->units[at] = (uint64_t)(weight / weight_sum * UNITS_SUM);
        if (snapshot->units[at] == 0)
            snapshot->units[at] = 1;
        snapshot->floors[at] = floor;
    }
    if (floor > snapshot->floor_max)
        snapshot->floor_max = floor;
    snapshot->units_sum += snapshot->units[at];
    snapshot->ids[at] = endpoint->id;
    snapshot->slot_of[endpoint->index] = at;
}

static void add_to_ranges(struct fo__snapshot *snapshot, uint32_t at, uint64_t tags)
{
    struct fo__tag_range *last = &snapshot->ranges[snapshot->range_count];

    if (snapshot->range_count > 0 && last[-1].tags == tags) {
        last[-1].end = at + 1;
        return;
    }
    last->tags = tags;
    last->first = at;
    last->end = at + 1;
    snapshot->range_count++;
}

static void build_tree(struct fo__snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->count; i++) {
        /* Acquire: pairs with the changers' CAS; a later change is mended by its changer. */
        uint64_t word = fo__load_acquire(snapshot->slot[i].word);
        fo__sumtree_preset(&snapshot->tree, i, fo__slot_worth(snapshot, i, word));
    }
    fo__sumtree_sum_up(&snapshot->tree);
}

static bool build_alias(struct fo__snapshot *snapshot)
{
    uint32_t n = (uint32_t)snapshot->n;
    struct fo__alias_column *columns;
    uint64_t *share;
    void *scratch;

    if (snapshot->units_sum == 0) {
        /* No weight at all: whatever column is drawn, nobody is at home. */
        for (uint32_t i = 0; i < n; i++)
            snapshot->slot[i].word = &nobody;
        return true;
    }
    scratch = malloc(n * (sizeof(*share) + sizeof(*columns) + sizeof(uint32_t)));
    if (scratch == NULL)
        return false;
    share = scratch;
    columns = (struct fo__alias_column *)(void *)(share + n);
    fo__alias_build(snapshot->units, n, columns, share, (uint32_t *)(void *)(columns + n));
    for (uint32_t i = 0; i < n; i++) {
        snapshot->slot[i].threshold = columns[i].threshold;
        snapshot->slot[i].alias_step = (int32_t)columns[i].alias - (int32_t)i;
    }
    free(scratch);
    return true;
}

static bool fill(struct fo__snapshot *snapshot, struct fo_endpoint *const *members, uint32_t count)
{
    struct order *order = malloc(count * sizeof(*order));
    double weight_sum = 0;

    if (order == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        order[i].tags = settings_of(members[i])->tags;
        order[i].member = i;
        weight_sum += weight_of(members[i]);
    }
    qsort(order, count, sizeof(*order), by_tags_then_age);
    for (uint32_t i = 0; i < count; i++) {
        fill_slot(snapshot, i, members[order[i].member], weight_sum);
        add_to_ranges(snapshot, i, order[i].tags);
    }
    free(order);
    snapshot->count = count;
    build_tree(snapshot);
    return build_alias(snapshot);
}

struct fo__snapshot *fo__snapshot_create(struct fo_endpoint *const *members, uint32_t count,
                                         uint32_t index_end)
{
    struct fo__snapshot *snapshot = allocate(count > 0 ? count : 1, index_end);

    if (snapshot == NULL)
        return NULL;
    if (count == 0) {
        fill_dummy(snapshot);
    } else if (!fill(snapshot, members, count)) {
        fo__snapshot_destroy(snapshot);
        return NULL;
    }
    return snapshot;
}

/* ---- Mending ----------------------------------------------------------------------------- */

void fo__snapshot_mend(struct fo__snapshot *snapshot, uint32_t slot)
{
    _Atomic uint64_t *word = snapshot->slot[slot].word;
    uint64_t worth = fo__slot_worth(snapshot, slot, fo__load_acquire(word));
    uint64_t now = worth;

    do {
        worth = now;
        fo__sumtree_set(&snapshot->tree, slot, worth);
        now = fo__slot_worth(snapshot, slot, fo__load_acquire(word));
    } while (now != worth);
}

bool fo__snapshot_mend_all(struct fo__snapshot *snapshot)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < snapshot->count; i++) {
        fo__snapshot_mend(snapshot, i);
        sum += fo__load_relaxed(&snapshot->tree.node[0][i]);
    }
    return fo__sumtree_total(&snapshot->tree) == sum;
}
