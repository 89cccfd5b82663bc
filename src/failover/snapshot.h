/* SPDX-License-Identifier: Apache-2.0
 *
 * Snapshot: the index of one membership, read by picks, replaced whole by updates.
 *
 *   core ──► snapshot ─┬─ slot[n]     alias column, endpoint, host word, cell: 32 bytes, all a pick needs
 *                      ├─ tree        contributions of the slots and their sums (the only part that
 *                      │              changes after publication)
 *                      ├─ ids[n]      endpoint id of each slot, for exclusions
 *                      ├─ slot_of[]   endpoint index → slot
 *                      ├─ floors[n]   minimum weights, as shares
 *                      └─ ranges[]    slots are sorted by tags: one range per combination
 *
 * It owns nothing but itself: endpoints and hosts outlive it. Weights are in integer *units*: max
 * weights scaled so that they sum to about 2^42, at least 1 each when positive.
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
 * lands (pick.c) and by the runtime (events.c).
 */
#ifndef FO_SNAPSHOT_H
#define FO_SNAPSHOT_H

#include "alias.h"
#include "bits.h"
#include "endpoint.h"
#include "sumtree.h"

struct fo__slot {
    uint32_t threshold; /* of the alias column: own share, in 2^-32 */
    int32_t alias_step; /* slots from here to the owner of the rest */
    struct fo_endpoint *endpoint;
    _Atomic uint64_t *word; /* the host's */
    struct fo__cell_ref cell;
};

_Static_assert(sizeof(struct fo__slot) == 32, "two slots to a line");

/** Slots [first, end) share these tags. */
struct fo__tag_range {
    uint64_t tags;
    uint32_t first;
    uint32_t end;
};

#define FO__NO_SLOT UINT32_MAX

struct fo__snapshot {
    uint64_t n;     /* columns; at least 1; wide for the multiplication of a sample */
    uint32_t count; /* endpoints; 0: slot 0 is a dummy that is always refused */
    uint32_t range_count;
    uint32_t index_end; /* entries of slot_of */
    bool closed;        /* the balancer is being destroyed */
    uint64_t units_sum;
    uint32_t floor_max; /* of floors, and of members without weight */
    uint64_t *units;
    uint64_t *ids;
    uint32_t *slot_of;
    uint32_t *floors; /* min_weight / max_weight of each slot, in units of 2^-31 */
    struct fo__tag_range *ranges;
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
struct fo__snapshot *fo__snapshot_create(struct fo_endpoint *const *members, uint32_t count,
                                         uint32_t index_end);

void fo__snapshot_destroy(struct fo__snapshot *snapshot);

static inline uint32_t fo__slot_number(const struct fo__snapshot *snapshot,
                                       const struct fo__slot *slot)
{
    return (uint32_t)(slot - snapshot->slot);
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

/** f(word): what a slot contributes to the sums; rounded up, so that whoever may be picked counts. */
static inline uint64_t fo__slot_worth(const struct fo__snapshot *snapshot, uint32_t slot,
                                      uint64_t word)
{
    fo__u128 scaled = (fo__u128)snapshot->units[slot] * fo__slot_fraction(snapshot, slot, word);
    return (uint64_t)((scaled + FO__HEALTH_ONE - 1) >> 31);
}

/** Makes the contribution of a slot equal to f(host word). In a read section, or the updater. */
void fo__snapshot_mend(struct fo__snapshot *snapshot, uint32_t slot);

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
