/* SPDX-License-Identifier: Apache-2.0
 *
 *     hash of the key ─► attempt 0, 1, 2 … of the table ─► allowed? healthy? within its bound? ─► lease
 *                     ─► after ATTEMPTS: the place of the hash in the tier's sums ─► the long way
 *
 * Nothing here is drawn at random: the same key comes to the same endpoint wherever health and weights
 * are the same. Of a host at 70 % of its health the key decides, by another part of its hash, whether it
 * is among the 70 % that stay.
 *
 * Bounded loads. An endpoint takes at most ⌈factor × its share of the live weight × (open + 1)⌉ open
 * leases by key. The lease is counted first, then compared and taken back when it is one too many: two
 * picks at once may both be turned away early, but never both be let in.
 */
#include "pick_keyed.h"

#include "draw.h"
#include "errand.h"
#include "hash.h"
#include "lease.h"
#include "lease_check.h"
#include "offer.h"
#include "rcu.h"

#include <math.h>

#define ATTEMPTS 24

/** A pick by key. */
struct search {
    struct fo__core *core;
    struct fo__snapshot *snapshot;
    struct fo__limits limits;
    uint64_t hash;
    double load_factor; /* 0: no bound */
    uint64_t word;      /* that the slot found was taken for */
};

/** Whether the key is among those that a host of that health, and so far up its ramp, keeps. */
static bool stays(const struct search *search, uint32_t slot, uint32_t attempt)
{
    uint32_t admission = fo__slot_admission(search->snapshot, slot, search->word);

    return (fo__rng_mix(search->hash + attempt) >> 33) < admission;
}

static double bound(const struct search *search, uint32_t slot)
{
    const struct fo__tier *tier = search->snapshot->tier;
    double worth = (double)fo__slot_worth(search->snapshot, slot, search->word);
    double all = (double)fo__load_relaxed(&tier->worth);
    double open = (double)fo__load_relaxed(&search->core->keyed_open);

    /* The pick itself is among the open ones already. */
    return all > 0 ? ceil(search->load_factor * worth / all * open) : 1;
}

/** Counts the lease, if its bound allows it. */
static bool admit(const struct search *search, uint32_t slot)
{
    struct fo_endpoint *endpoint = search->snapshot->slot[slot].endpoint;

    if (search->load_factor == 0)
        return true;
    fo__add_relaxed(&search->core->keyed_open, 1);
    if ((double)(fo__add_relaxed(&endpoint->keyed_open, 1) + 1) <= bound(search, slot))
        return true;
    fo__sub_relaxed(&endpoint->keyed_open, 1);
    fo__sub_relaxed(&search->core->keyed_open, 1);
    return false;
}

static bool fits(struct search *search, uint32_t slot, uint32_t attempt)
{
    search->word = fo__load_acquire(search->snapshot->slot[slot].word);
    return fo__limits_allow(&search->limits, search->snapshot, slot) &&
           (fo__word_is_whole(search->word) || stays(search, slot, attempt)) && admit(search, slot);
}

/** Where the hash falls in the sums of what is left, then whoever follows: for when nearly everything is
 * down, or beyond its bound. */
static const struct fo__slot *find_by_sums(struct search *search)
{
    const struct fo__tier *tier = search->snapshot->tier;
    struct fo__without none;
    uint64_t at = fo__mul_high(fo__rng_mix(search->hash), fo__load_relaxed(&tier->worth));
    uint32_t slot;

    none.count = 0;
    slot = fo__sumtree_find(&search->snapshot->tree, at, &none);
    for (uint32_t i = 0; i < tier->n; i++, slot++) {
        slot = slot < tier->n ? slot : 0;
        search->word = fo__load_acquire(search->snapshot->slot[slot].word);
        if (fo__slot_units(search->snapshot, slot) > 0 &&
            fo__slot_fraction(search->snapshot, slot, search->word) > 0 &&
            fo__limits_allow(&search->limits, search->snapshot, slot) && admit(search, slot))
            return &search->snapshot->slot[slot];
    }
    return NULL;
}

static const struct fo__slot *find(struct search *search)
{
    const struct fo__maglev *table;

    if (search->snapshot->keyed == NULL ||
        search->snapshot->tier[0].level >= search->limits.level_limit)
        return NULL;
    table = search->snapshot->keyed->table;
    for (uint32_t attempt = 0; attempt < ATTEMPTS; attempt++) {
        uint32_t slot = fo__maglev_at(table, search->hash, attempt);

        if (fo__likely(fits(search, slot, attempt)))
            return &search->snapshot->slot[slot];
    }
    return fo__load_relaxed(&search->snapshot->tier[0].worth) > 0 ? find_by_sums(search) : NULL;
}

/** Tier 0 has nothing for the key: as a pick without one. In a read section, which it ends. */
static fo_status go_elsewhere(const struct search *search, struct fo__row *row,
                              struct fo_lease *lease)
{
    struct fo__errand errand = {.core = search->core,
                                .snapshot = search->snapshot,
                                .row = row,
                                .limits = &search->limits,
                                .lease = lease};

    return fo__errand_run(&errand);
}

/** In a read section, which it ends. */
static fo_status run(struct search *search, struct fo__row *row, struct fo_lease *lease)
{
    uint64_t attention = fo__attention(search->core);
    const struct fo__slot *slot;

    if ((attention & FO__ATTENTION_OFFERS) == 0 || search->limits.without.count > 0 ||
        !fo__offer_take(search->core, search->snapshot, row, &search->limits, lease)) {
        slot = find(search);
        if (slot == NULL)
            return go_elsewhere(search, row, lease);
        fo__lease_start(lease, search->core, row, slot, search->word,
                        search->load_factor > 0 ? FO__LEASE_IS_KEYED : 0);
    }
    fo__rcu_read_unlock();
    if (fo__unlikely((attention & FO__ATTENTION_CHECK) != 0))
        fo__lease_check_open(lease);
    return FO_OK;
}

/** Table, slot and word are misses one behind the other: they begin before anything else is done. */
static inline void prefetch_first(const struct search *search)
{
    const struct fo__keyed *keyed = search->snapshot->keyed;

    if (fo__likely(keyed != NULL))
        __builtin_prefetch(&search->snapshot->slot[fo__maglev_at(keyed->table, search->hash, 0)]);
}

/** Fills in the rest, when core and snapshot are known. */
static inline void read_search(struct search *search, const struct fo_pick_options *options)
{
    search->hash = fo__hash(options->key, options->key_size);
    prefetch_first(search);
    search->load_factor = fo__load_acquire(&search->core->settings)->key_load_factor;
    fo__limits_read(&search->limits, search->core, search->snapshot, options);
}

static bool has_table(const struct fo__snapshot *snapshot)
{
    return snapshot->has_keys || snapshot->count == 0;
}

/** When something is special: no row yet, no table yet, trials on offer, leases that are checked. */
static __attribute__((noinline)) fo_status
pick_aside(struct fo__core *core, const struct fo_pick_options *options, struct fo_lease *lease)
{
    struct fo__row *row = fo__row_of(&core->rows);
    struct search search = {.core = core};

    for (;;) {
        fo_status status;

        fo__rcu_read_lock();
        search.snapshot = fo__load_acquire(&core->snapshot);
        if (fo__likely(has_table(search.snapshot)))
            break;
        fo__rcu_read_unlock();
        status = core->enable_keys(core);
        if (status != FO_OK)
            return status;
    }
    read_search(&search, options);
    return run(&search, row, lease);
}

fo_status fo__pick_keyed(struct fo__core *core, const struct fo_pick_options *options,
                         struct fo_lease *lease)
{
    struct fo__row *row = fo__row_at_home(core->rows.balancer_id);
    const uint64_t special = FO__ATTENTION_OFFERS | FO__ATTENTION_CHECK | FO__ATTENTION_RECENT;
    struct fo__rcu_section section;
    const struct fo__slot *slot;
    struct search search;

    if (fo__unlikely(row == NULL || (fo__attention(core) & special) != 0 ||
                     !fo__rcu_enter(&section)))
        return pick_aside(core, options, lease);
    search.core = core;
    search.snapshot = fo__load_acquire(&core->snapshot);
    if (fo__unlikely(!has_table(search.snapshot))) {
        fo__rcu_leave(&section);
        return pick_aside(core, options, lease);
    }
    read_search(&search, options);
    slot = find(&search);
    if (fo__unlikely(slot == NULL))
        return go_elsewhere(&search, row, lease);
    return fo__lease_take(core, row, slot,
                          fo__lease_word(search.word) |
                              (search.load_factor > 0 ? FO__LEASE_IS_KEYED : 0),
                          &section, lease);
}
