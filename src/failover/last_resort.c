/* SPDX-License-Identifier: Apache-2.0
 *
 * Drawing by max weight, when health is no guide any more.
 *
 * Max weights do not change while a snapshot lives, so their sums are an array of prefix sums, and a
 * place in the measure is found by bisection. Excluded slots are stepped over: in ascending order, each
 * that begins at or before the place moves it on by its own width.
 */
#include "draw.h"

/** Excluded slots of the tier in ascending order: so a place in the measure can step over them. */
static uint32_t sort_excluded(const struct fo__tier *tier, const struct fo__limits *limits,
                              uint32_t *sorted)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < limits->without.count; i++) {
        uint32_t slot = limits->without.slot[i];
        uint32_t at = count;

        if (!fo__is_slot_of(tier, slot))
            continue;
        for (; at > 0 && sorted[at - 1] > slot; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = slot;
        count++;
    }
    return count;
}

/** Units of slots [first, end) without the excluded. */
static uint64_t span_units(const struct fo__snapshot *snapshot, uint32_t first, uint32_t end,
                           const uint32_t *excluded, uint32_t count)
{
    uint64_t units = snapshot->units_before[end] - snapshot->units_before[first];

    for (uint32_t i = 0; i < count; i++)
        if (excluded[i] >= first && excluded[i] < end)
            units -= fo__slot_units(snapshot, excluded[i]);
    return units;
}

/** The slot in [first, end) that covers the place `at` of span_units(). */
static uint32_t find_units(const struct fo__snapshot *snapshot, uint32_t first, uint32_t end,
                           uint64_t at, const uint32_t *excluded, uint32_t count)
{
    at += snapshot->units_before[first];
    for (uint32_t i = 0; i < count; i++)
        if (excluded[i] >= first && excluded[i] < end && snapshot->units_before[excluded[i]] <= at)
            at += fo__slot_units(snapshot, excluded[i]);
    while (end - first > 1) {
        uint32_t middle = first + (end - first) / 2;

        if (snapshot->units_before[middle] <= at)
            first = middle;
        else
            end = middle;
    }
    return first;
}

const struct fo__slot *fo__draw_regardless(const struct fo__snapshot *snapshot, struct fo__row *row,
                                           const struct fo__tier *tier,
                                           const struct fo__limits *limits, uint64_t *word)
{
    uint32_t excluded[FO_EXCLUDE_MAX];
    uint32_t count = sort_excluded(tier, limits, excluded);
    const struct fo__slot *slot;
    uint64_t total = 0;
    uint64_t at;

    for (uint32_t i = 0; i < snapshot->range_count; i++)
        if (fo__is_range_of(&snapshot->ranges[i], snapshot, tier, limits))
            total += span_units(snapshot, snapshot->ranges[i].first, snapshot->ranges[i].end,
                                excluded, count);
    if (total == 0)
        return NULL;
    at = fo__rng_below(&row->rng, total);
    for (uint32_t i = 0;; i++) {
        const struct fo__range *range = &snapshot->ranges[i];
        uint64_t units;

        if (!fo__is_range_of(range, snapshot, tier, limits))
            continue;
        units = span_units(snapshot, range->first, range->end, excluded, count);
        if (at < units) {
            slot = &snapshot
                        ->slot[find_units(snapshot, range->first, range->end, at, excluded, count)];
            break;
        }
        at -= units;
    }
    *word = fo__load_acquire(slot->word);
    return slot;
}
