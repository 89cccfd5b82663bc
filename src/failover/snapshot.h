/* SPDX-License-Identifier: Apache-2.0
 *
 * Snapshot: the index of one membership, read by picks, replaced whole by updates.
 *
 *   core ──► snapshot ─┬─ slot[n]     alias column, endpoint, host word, cell: 32 bytes, all a pick needs
 *                      ├─ tier[]      the ranges of slots that picks sample from, best first, and
 *                      │              which share of the traffic each gets now
 *                      ├─ tree        contributions of the slots and their sums
 *                      ├─ ids[n]      endpoint id of each slot, for exclusions
 *                      ├─ slot_of[]   endpoint index → slot
 *                      ├─ floors[n]   minimum weights, as shares
 *                      └─ ranges[]    in a tier slots are sorted by zone and tags: one range for each
 *
 * Only contributions, sums and shares change after publication.
 *
 * It owns nothing but itself: endpoints and hosts outlive it. Weights are in integer *units*: max
 * weights scaled so that each level's sum to about 2^42, at least 1 each when positive.
 *
 * A contribution is f(word) = units × max(floor, health). It must follow the host word:
 *
 *   mend(slot):  loop { w = word; old = exchange(contribution, f(w)); add f(w) − old up to the root }
 *                until the word still gives f(w)
 *
 * called by whoever changed the word, in the same read section. Why the loop: two changers may
 * exchange in the other order than they changed the word. The later exchange reads from the earlier
 * (acquire-release), so that changer's second look at the word sees the newer value and mends again.
 * Without it 0.06 % of races leave a stale sum for ever (tests/models/repair.pml).
 *
 * A changer that still works on the old snapshot mends only that; therefore an update mends every
 * slot of the new one after the grace period that follows its publication.
 *
 * In a shared group a change must not touch a thousand trees. The reporting balancer mends its own.
 * The others read the host word itself when they accept a slot; their trees are mended where a draw
 * lands (draw.c) and by the runtime, within 10 ms (tick.c), or at once when a host went down (events.c).
 */
#ifndef FO_SNAPSHOT_H
#define FO_SNAPSHOT_H

#include "alias.h"
#include "bits.h"
#include "endpoint.h"
#include "keyed.h"
#include "placement.h"
#include "sumtree.h"

struct fo__slot {
    uint32_t threshold; /* of the alias column: own share, in 2^-32 */
    int32_t alias_step; /* slots from here to the owner of the rest */
    struct fo_endpoint *endpoint;
    _Atomic uint64_t *word; /* the host's */
    struct fo__cell_ref cell;
};

_Static_assert(sizeof(struct fo__slot) == 32, "two slots to a line");

/** What a pick samples from: the endpoints of a level, or the degraded ones among them (levels.h). */
struct fo__tier {
    /* Read-only after publication. */
    uint32_t first; /* slot */
    uint32_t n;     /* slots; at least 1 */
    uint32_t level;
    bool degraded;
    uint32_t endpoints;   /* of weight above 0 */
    uint64_t units_sum;   /* of them */
    uint64_t level_units; /* of the whole level */

    _Atomic uint64_t worth; /* Σ contributions; follows them as the tree's sums do */

    /* The verdict of the last review (review.c). */
    _Atomic uint64_t share_end; /* shares of the tiers up to this one, in 2^-32 */
    _Atomic bool panic;         /* takes its share without regard to health */
};

/** Slots [first, end) are of one tier, one zone and one set of tags. */
struct fo__range {
    const struct fo__zone *zone;
    uint64_t tags;
    uint32_t tier;
    uint32_t first;
    uint32_t end;
};

#define FO__NO_SLOT UINT32_MAX

struct fo__snapshot {
    uint64_t n;     /* slots of tier 0; at least 1; wide for the multiplication of a sample */
    uint32_t count; /* endpoints; 0: slot 0 is a dummy that is always refused */
    uint32_t range_count;
    uint32_t tier_count; /* at least 1 */
    uint32_t index_end;  /* entries of slot_of */
    bool closed;         /* the balancer is being destroyed */
    uint32_t floor_max;  /* of floors, and of members without weight */
    struct fo__level_rule rule;
    _Atomic uint32_t state; /* fo_balancer_state, by the last review */
    uint64_t *units_before; /* units of the slots before each slot, and of all */
    uint64_t *ids;
    uint32_t *slot_of;
    uint32_t *floors; /* min_weight / max_weight of each slot, in units of 2^-31 */
    struct fo__range *ranges;
    struct fo__tier *tier;
    struct fo__keyed *keyed; /* tier 0's; NULL: no pick had a key yet, or tier 0 has no weight */
    bool has_keys;
    struct fo__sumtree tree;
    _Alignas(FO__CACHE_LINE) struct fo__slot slot[];
};

/**
 * Builds the snapshot of a membership, with the hosts as they are now and each endpoint's settings:
 * those of the update that is being prepared, if it has some, else its own.
 *
 * @param index_end  above every member's index
 * @return NULL when out of memory; otherwise freed by fo__snapshot_destroy()
 *
 * Caller holds the update lock.
 */
struct fo__snapshot *fo__snapshot_create(const struct fo__placement *placement,
                                         struct fo_endpoint *const *members, uint32_t count,
                                         uint32_t index_end);

void fo__snapshot_destroy(struct fo__snapshot *snapshot);

static inline uint32_t fo__slot_number(const struct fo__snapshot *snapshot,
                                       const struct fo__slot *slot)
{
    return (uint32_t)(slot - snapshot->slot);
}

static inline uint64_t fo__slot_units(const struct fo__snapshot *snapshot, uint32_t slot)
{
    return snapshot->units_before[slot + 1] - snapshot->units_before[slot];
}

/** The tier of a slot. */
static inline struct fo__tier *fo__slot_tier(const struct fo__snapshot *snapshot, uint32_t slot)
{
    struct fo__tier *tier = snapshot->tier;

    while (slot - tier->first >= tier->n)
        tier++;
    return tier;
}

/** The range of a slot. */
static inline const struct fo__range *fo__slot_range(const struct fo__snapshot *snapshot,
                                                     uint32_t slot)
{
    const struct fo__range *range = snapshot->ranges;
    uint32_t count = snapshot->range_count;

    while (count > 1) { /* the first that ends behind the slot */
        uint32_t half = count / 2;

        if (range[half - 1].end <= slot) {
            range += half;
            count -= half;
        } else {
            count = half;
        }
    }
    return range;
}

/** Share of the max weight that a slot is worth now, in units of 2^-31. */
static inline uint32_t fo__slot_fraction(const struct fo__snapshot *snapshot, uint32_t slot,
                                         uint64_t word)
{
    uint32_t health = fo__word_health(word);

    if (health >= snapshot->floor_max) /* mostly: there are none */
        return health;
    return health > snapshot->floors[slot] ? health : snapshot->floors[slot];
}

/** Share of the max weight that a slot is picked with now, in units of 2^-31: less than the fraction
 * while its host ramps, but no less than the minimum. Sums and levels do not know of ramps. */
static inline uint32_t fo__slot_admission(const struct fo__snapshot *snapshot, uint32_t slot,
                                          uint64_t word)
{
    uint64_t admitted;

    if (fo__likely((word & FO__FLAG_RAMP) == 0))
        return fo__slot_fraction(snapshot, slot, word);
    admitted = (uint64_t)fo__word_health(word) *
               fo__host_admission(snapshot->slot[slot].endpoint->host, word);
    admitted = (admitted + FO__HEALTH_ONE - 1) >> 31;
    return (uint32_t)(admitted > snapshot->floors[slot] ? admitted : snapshot->floors[slot]);
}

/** f(word): what a slot contributes to the sums; rounded up, so that whoever may be picked counts. */
static inline uint64_t fo__slot_worth(const struct fo__snapshot *snapshot, uint32_t slot,
                                      uint64_t word)
{
    fo__u128 scaled =
        (fo__u128)fo__slot_units(snapshot, slot) * fo__slot_fraction(snapshot, slot, word);
    return (uint64_t)((scaled + FO__HEALTH_ONE - 1) >> 31);
}

/** What a slot weighs among those of its tier: its worth, less while its host ramps. */
static inline uint64_t fo__slot_claim(const struct fo__snapshot *snapshot, uint32_t slot,
                                      uint64_t word)
{
    fo__u128 scaled =
        (fo__u128)fo__slot_units(snapshot, slot) * fo__slot_admission(snapshot, slot, word);
    return (uint64_t)((scaled + FO__HEALTH_ONE - 1) >> 31);
}

/** Makes the contribution of a slot equal to f(host word). In a read section, or the updater. */
void fo__snapshot_mend(struct fo__snapshot *snapshot, uint32_t slot);

/** Brings the tiers' worth and the tree's sums back in line with the leaves. Nobody else uses them. */
void fo__snapshot_sum_up(struct fo__snapshot *snapshot);

/** Mends every slot. False: the root does not show it yet, because another thread that mends the same
 * has changed a leaf and not yet the nodes above. */
bool fo__snapshot_mend_all(struct fo__snapshot *snapshot);

/** The slot of an endpoint, or FO__NO_SLOT when it is no member of this snapshot. */
static inline uint32_t fo__snapshot_slot(const struct fo__snapshot *snapshot, uint64_t id)
{
    uint32_t index = (uint32_t)(id & FO__ID_INDEX_MASK);
    uint32_t slot = index < snapshot->index_end ? snapshot->slot_of[index] : FO__NO_SLOT;

    return slot != FO__NO_SLOT && snapshot->ids[slot] == id ? slot : FO__NO_SLOT;
}

#endif
