/* SPDX-License-Identifier: Apache-2.0
 *
 * The short way is that of pick.c, with the table in the place of a sample: a key without other limits,
 * whose own host is whole. Anything else goes through the slots:
 *
 *     hash of the key ─► attempt 0, 1, 2 … of the table ─► allowed? healthy? within its bound? ─► lease
 *                     ─► after ATTEMPTS: the place of the hash in the tier's sums ─► the long way
 *
 * The key is hashed before the read section: it is the caller's memory, which may have to be paged in.
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

/** A pick by key on its way through the slots. */
struct search {
    struct fo__core *core;
    struct fo__snapshot *snapshot;
    struct fo__row *row;
    const struct fo__limits *limits;
    struct fo_lease *lease;
    uint64_t hash;
    double load_factor; /* 0: no bound */
    uint64_t word;      /* that the slot found was taken for */
    struct fo__counting counting;
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

/** Counts the lease, if its bound allows it, and makes room for it. */
static bool admit(struct search *search, uint32_t slot)
{
    struct fo_endpoint *endpoint = search->snapshot->slot[slot].endpoint;

    if (!fo__counting_admit(&search->counting, endpoint))
        return false;
    if (search->load_factor == 0)
        return true;
    fo__add_relaxed(&search->core->keyed_open, 1);
    if ((double)(fo__add_relaxed(&endpoint->keyed_open, 1) + 1) <= bound(search, slot))
        return true;
    fo__sub_relaxed(&endpoint->keyed_open, 1);
    fo__sub_relaxed(&search->core->keyed_open, 1);
    fo__counting_forgo(&search->counting, endpoint);
    return false;
}

static bool fits(struct search *search, uint32_t slot, uint32_t attempt)
{
    search->word = fo__load_acquire(search->snapshot->slot[slot].word);
    return fo__limits_allow(search->limits, search->snapshot, slot) &&
           (fo__word_is_whole(search->word) || stays(search, slot, attempt)) && admit(search, slot);
}

/** Whether a slot of the sums takes the key: also one whose host ramps and does not keep it yet, when
 * nobody else does. */
static bool is_up(const struct search *search, uint32_t slot, bool despite_ramp)
{
    return fo__slot_units(search->snapshot, slot) > 0 &&
           fo__slot_fraction(search->snapshot, slot, search->word) > 0 &&
           (despite_ramp || (search->word & FO__FLAG_RAMP) == 0 || stays(search, slot, ATTEMPTS));
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
    for (uint32_t i = 0; i < 2 * tier->n; i++, slot++) {
        slot = slot < tier->n ? slot : 0;
        search->word = fo__load_acquire(search->snapshot->slot[slot].word);
        if (is_up(search, slot, i >= tier->n) &&
            fo__limits_allow(search->limits, search->snapshot, slot) && admit(search, slot))
            return &search->snapshot->slot[slot];
    }
    return NULL;
}

static const struct fo__slot *find(struct search *search)
{
    const struct fo__maglev *table;

    if (search->snapshot->keyed == NULL ||
        search->snapshot->tier[0].level >= search->limits->level_limit)
        return NULL;
    table = search->snapshot->keyed->table;
    for (uint32_t attempt = 0; attempt < ATTEMPTS; attempt++) {
        uint32_t slot = fo__maglev_at(table, search->hash, attempt);

        if (fo__likely(fits(search, slot, attempt)))
            return &search->snapshot->slot[slot];
    }
    return fo__load_relaxed(&search->snapshot->tier[0].worth) > 0 ? find_by_sums(search) : NULL;
}

/** Tier 0 has nothing for the key: as a pick without one. */
static fo_status go_elsewhere(const struct search *search)
{
    struct fo__errand errand = {.core = search->core,
                                .snapshot = search->snapshot,
                                .row = search->row,
                                .limits = search->limits,
                                .lease = search->lease,
                                .counting = {.now_ns = search->counting.now_ns}};

    return fo__errand_run(&errand);
}

/** In a read section, which it ends. */
static fo_status run(struct search *search)
{
    uint64_t attention = fo__attention(search->core);
    const struct fo__slot *slot;

    search->load_factor = fo__load_acquire(&search->core->settings)->key_load_factor;
    fo__counting_begin(&search->counting, search->core);
    if (!fo__counting_enter(&search->counting, search->core)) {
        fo__rcu_read_unlock();
        return FO_OVERLOADED;
    }
    if ((attention & FO__ATTENTION_OFFERS) == 0 || search->limits->without.count > 0 ||
        !fo__offer_take(search->core, search->snapshot, search->row, search->limits,
                        &search->counting, search->lease)) {
        slot = find(search);
        if (slot == NULL) {
            fo__counting_leave(&search->counting, search->core);
            return go_elsewhere(search);
        }
        fo__lease_start(search->lease, search->core, search->row, slot, search->word,
                        search->load_factor > 0 ? FO__LEASE_IS_KEYED : 0, search->counting.counts);
    }
    fo__rcu_read_unlock();
    if (fo__unlikely((attention & FO__ATTENTION_CHECK) != 0))
        fo__lease_check_open(search->lease);
    return FO_OK;
}

/** Enters a read section in which there is a table of keys, or nothing to have one of. */
static fo_status enter(struct search *search)
{
    fo_status status = FO_OK;

    while (status == FO_OK) {
        fo__rcu_read_lock();
        search->snapshot = fo__load_acquire(&search->core->snapshot);
        if (search->snapshot->has_keys || search->snapshot->count == 0)
            return FO_OK;
        fo__rcu_read_unlock();
        status = search->core->enable_keys(search->core);
    }
    return status;
}

fo_status fo__pick_keyed(struct fo__core *core, const struct fo_pick_options *options,
                         struct fo_lease *lease)
{
    struct fo__limits limits;
    struct search search = {.core = core, .limits = &limits, .lease = lease};
    fo_status status;

    search.row = fo__row_of(&core->rows);
    search.hash = fo__hash(options->key, options->key_size);
    search.counting.now_ns = fo__counting_now_ns(core);
    status = enter(&search);
    if (status != FO_OK)
        return status;
    fo__limits_read(&limits, core, search.snapshot, options);
    return run(&search);
}

/** When something is special: no row or table yet, trials on offer, leases that are checked or counted. */
static __attribute__((noinline)) fo_status pick_aside(struct fo__core *core, uint64_t hash,
                                                      struct fo_lease *lease)
{
    struct search search = {.core = core, .limits = &fo__no_limits, .lease = lease, .hash = hash};
    fo_status status;

    search.row = fo__row_of(&core->rows);
    search.counting.now_ns = fo__counting_now_ns(core);
    status = enter(&search);
    return status == FO_OK ? run(&search) : status;
}

/** The key's own host is ill, or loads are bounded: in the pick's section. */
static __attribute__((noinline)) fo_status pick_searching(struct fo__core *core,
                                                          struct fo__snapshot *snapshot,
                                                          struct fo__row *row, uint64_t hash,
                                                          struct fo_lease *lease)
{
    struct search search = {.core = core,
                            .snapshot = snapshot,
                            .row = row,
                            .limits = &fo__no_limits,
                            .lease = lease,
                            .hash = hash};

    return run(&search);
}

fo_status fo__pick_by_key(struct fo__core *core, const void *key, size_t key_size,
                          struct fo_lease *lease)
{
    const uint64_t gate = fo__load_relaxed(&core->gate) & ~FO__ATTENTION_LEVELS;
    struct fo__row *row = fo__row_at_home(gate);
    uint64_t hash = fo__hash(key, key_size);
    struct fo__rcu_section section;
    struct fo__snapshot *snapshot;
    const struct fo__slot *slot;
    uint64_t word;

    if (fo__unlikely(row == NULL || !fo__rcu_enter(&section)))
        return pick_aside(core, hash, lease);
    snapshot = fo__load_acquire(&core->snapshot);
    if (fo__unlikely(snapshot->keyed == NULL)) {
        fo__rcu_leave(&section);
        return pick_aside(core, hash, lease);
    }
    slot = &snapshot->slot[fo__maglev_at(snapshot->keyed->table, hash, 0)];
    word = fo__load_acquire(slot->word);
    if (fo__unlikely(!fo__word_is_whole(word) ||
                     fo__load_acquire(&core->settings)->key_load_factor > 0))
        return pick_searching(core, snapshot, row, hash, lease);
    return fo__lease_take(core, row, slot, word, &section, lease);
}
