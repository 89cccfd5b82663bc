/* SPDX-License-Identifier: Apache-2.0
 *
 * THE HOT PATH.
 *
 * Budget of fo_pick() while everything is well: no lock, no locked instruction, no allocation, no
 * system call, no clock, no random number; one read section; five cache lines that are read (thread
 * table, core, snapshot, slot, host word) and two that only this thread writes (row, cell). About 70
 * instructions; `./dev bench --check` holds a pick and its finish to 160 together.
 *
 *     gate ─► row ─► snapshot ─► first sample ─► host word is whole? ─► count, fill lease
 *      │ attention, or                            │ no: accept with probability health ──▲
 *      │ no row yet                               ▼ refused
 *      │                          pick_again(): redraw up to 8 times ─► sum tree
 *      ▼                                          ▼ tier 0 has nothing
 *     pick_aside() ─► run(): trial on offer? ─► reuse? ─► the tier whose turn it is ─► the others,
 *                     best first ─► without exclusions ─► last resort ─► FO_UNAVAILABLE
 *
 * How a slot is sampled and accepted: sample.h. When little of the weight is up, redrawing is in vain
 * and the sum tree answers in O(log N): draw.h. The long way: errand.h.
 *
 * Prefetching. Memory is what a pick of many endpoints costs, and the Weyl sequence knows the next
 * column when the present one is taken: with 10,000 endpoints it brings a pair from 31 to 16 ns.
 */
#include "abi.h"
#include "draw.h"
#include "errand.h"
#include "lease.h"
#include "pick_keyed.h"
#include "pick_load.h"
#include "rcu.h"
#include "recent.h"
#include "sample.h"

/* Endpoints whose slots, words and cells outgrow the first-level cache, and the second-level one. */
#define SOME 64
#define MANY 4096

/** The Weyl sequence tells in advance which columns come next. */
static inline const struct fo__slot *slot_ahead(const struct fo__slot *slots, uint64_t n,
                                                struct fo__row *row, uint64_t picks)
{
    return &slots[fo__mul_high(fo__load_relaxed(&row->weyl) + picks * FO__GOLDEN, n)];
}

/** Of many, even the next slot would come too late for what it points at: the slot of the pick after next
 * is called for, and the word and the cell of the next, whose slot the pick before has called for. */
static inline void prefetch_ahead_of_many(const struct fo__slot *slots, uint64_t n,
                                          struct fo__row *row)
{
    const struct fo__slot *next = slot_ahead(slots, n, row, 1);
    const struct fo__cell *segment = fo__load_relaxed(&row->segment[next->cell.segment]);

    __builtin_prefetch((const void *)next->word);
    __builtin_prefetch((const char *)segment + next->cell.offset, 1);
    __builtin_prefetch(slot_ahead(slots, n, row, 2));
}

static inline void prefetch_ahead(const struct fo__slot *slots, uint64_t n, struct fo__row *row)
{
    if (n >= MANY)
        prefetch_ahead_of_many(slots, n, row);
    else if (n >= SOME)
        __builtin_prefetch(slot_ahead(slots, n, row, 1));
}

/* ---- The long way ------------------------------------------------------------------------ */

/** A thread's first pick on a balancer, one at a run's beginning, or one that gives attention. */
static __attribute__((noinline)) fo_status pick_aside(struct fo__core *core, struct fo_lease *lease)
{
    struct fo__errand errand = {.core = core, .limits = &fo__no_limits, .lease = lease};

    errand.row = fo__row_of(&core->rows);
    errand.now_ns = fo__recent_now_ns(core);
    errand.counting.now_ns = fo__counting_now_ns(core);
    fo__rcu_read_lock();
    errand.snapshot = fo__load_acquire(&core->snapshot);
    return fo__errand_run(&errand);
}

/** The tier that a pick began with has nothing for it: the others, in the pick's section. */
static __attribute__((noinline)) fo_status
pick_elsewhere(struct fo__core *core, struct fo__snapshot *snapshot, struct fo__row *row,
               const struct fo__limits *limits, struct fo_lease *lease)
{
    struct fo__errand errand = {
        .core = core, .snapshot = snapshot, .row = row, .limits = limits, .lease = lease};

    return fo__errand_run(&errand);
}

/* ---- The short way ----------------------------------------------------------------------- */

/**
 * The host of the first sample is not whole. A function of its own, with the section by value, so that
 * the pick of a whole host keeps it in registers.
 */
static __attribute__((noinline)) fo_status pick_ill(struct fo__core *core, struct fo__row *row,
                                                    struct fo__rcu_section section,
                                                    struct fo_lease *lease)
{
    struct fo__snapshot *snapshot = fo__load_acquire(&core->snapshot);
    const struct fo__slot *slot = fo__last_sample(snapshot, row);
    uint64_t word = fo__load_acquire(slot->word);

    if (!fo__accept(snapshot, slot, word, row))
        slot = fo__redraw(core, snapshot, row, snapshot->tier, &fo__no_limits, &word);
    if (fo__likely(slot != NULL))
        return fo__lease_take(core, row, slot, fo__lease_word(word), &section, lease);
    return pick_elsewhere(core, snapshot, row, &fo__no_limits, lease);
}

/** Traffic has left level 0, and nothing else is special: the short way, by the tier whose turn it is. */
static __attribute__((noinline)) fo_status pick_from_tiers(struct fo__core *core,
                                                           struct fo_lease *lease)
{
    struct fo__row *row = fo__row_at_home(core->rows.balancer_id);
    struct fo__rcu_section section;
    struct fo__snapshot *snapshot;
    const struct fo__tier *tier;
    const struct fo__slot *slot;
    uint64_t word;

    if (fo__unlikely(row == NULL || fo__is_at_a_run(row) || !fo__rcu_enter(&section)))
        return pick_aside(core, lease);
    snapshot = fo__load_acquire(&core->snapshot);
    tier = fo__tier_due(snapshot, row);
    if (fo__unlikely(fo__load_relaxed(&tier->panic))) {
        slot = fo__draw_regardless(snapshot, row, tier, &fo__no_limits, &word);
        if (slot != NULL)
            return fo__lease_take(core, row, slot, fo__lease_word(word), &section, lease);
        return pick_elsewhere(core, snapshot, row, &fo__no_limits, lease);
    }
    prefetch_ahead(&snapshot->slot[tier->first], tier->n, row);
    slot = fo__first_sample_of(snapshot, tier, row);
    word = fo__load_acquire(slot->word);
    if (!fo__accept(snapshot, slot, word, row))
        slot = fo__redraw(core, snapshot, row, tier, &fo__no_limits, &word);
    if (fo__likely(slot != NULL))
        return fo__lease_take(core, row, slot, fo__lease_word(word), &section, lease);
    return pick_elsewhere(core, snapshot, row, &fo__no_limits, lease);
}

/** Something wants attention, or the thread's row is not at home. */
static __attribute__((noinline)) fo_status pick_attentively(struct fo__core *core,
                                                            struct fo_lease *lease)
{
    uint64_t attention = fo__attention(core);

    if (attention == FO__ATTENTION_LEVELS)
        return pick_from_tiers(core, lease);
    return (attention & FO__ATTENTION_LOAD) != 0 ? fo__pick_load(core, lease)
                                                 : pick_aside(core, lease);
}

fo_status fo_pick(struct fo_balancer *balancer, struct fo_lease *lease)
{
    struct fo__core *core = (struct fo__core *)(void *)balancer;
    struct fo__row *row = fo__row_at_home(fo__load_relaxed(&core->gate));
    struct fo__rcu_section section;
    const struct fo__snapshot *snapshot;
    const struct fo__slot *slot;
    uint64_t word;

    if (fo__unlikely(row == NULL || fo__is_at_a_run(row) || !fo__rcu_enter(&section)))
        return pick_attentively(core, lease);
    snapshot = fo__load_acquire(&core->snapshot); /* pairs with the updater's release store */
    prefetch_ahead(snapshot->slot, snapshot->n, row);
    slot = fo__first_sample(snapshot, row);
    word = fo__load_acquire(slot->word);
    if (fo__unlikely(!fo__word_is_whole(word)))
        return pick_ill(core, row, section, lease);
    return fo__lease_take(core, row, slot, word, &section, lease);
}

/* ---- Picks within limits ----------------------------------------------------------------- */

static fo_status pick_limited(struct fo__core *core, const struct fo_pick_options *options,
                              struct fo_lease *lease)
{
    struct fo__row *row = fo__row_at_home(fo__load_relaxed(&core->gate));
    struct fo__rcu_section section;
    struct fo__snapshot *snapshot;
    const struct fo__slot *slot;
    struct fo__limits limits;
    uint64_t word;

    if (fo__unlikely(row == NULL || fo__is_at_a_run(row) || !fo__rcu_enter(&section)))
        return fo__errand_pick(core, options, false, lease);
    snapshot = fo__load_acquire(&core->snapshot);
    fo__limits_read(&limits, core, snapshot, options);
    if (fo__unlikely(snapshot->tier[0].level >= limits.level_limit))
        return pick_elsewhere(core, snapshot, row, &limits, lease);
    prefetch_ahead(snapshot->slot, snapshot->n, row);
    slot = fo__first_sample(snapshot, row);
    if (fo__unlikely(!fo__accept_within(&limits, snapshot, slot, row, &word)))
        slot = fo__redraw(core, snapshot, row, snapshot->tier, &limits, &word);
    if (fo__likely(slot != NULL))
        return fo__lease_take(core, row, slot, fo__lease_word(word), &section, lease);
    return pick_elsewhere(core, snapshot, row, &limits, lease);
}

/** Options of this version's size. */
static fo_status pick_within(struct fo__core *core, const struct fo_pick_options *options,
                             struct fo_lease *lease)
{
    if (fo__unlikely(!fo__pick_options_are_valid(options)))
        return FO_EINVAL;
    if (options->key != NULL)
        return fo__pick_keyed(core, options, lease);
    return pick_limited(core, options, lease);
}

/** Options of another version's size. */
static __attribute__((noinline)) fo_status
pick_foreign(struct fo__core *core, const struct fo_pick_options *options, struct fo_lease *lease)
{
    struct fo_pick_options ours = fo_pick_options_init();

    if (!fo__abi_read(&ours, sizeof(ours), options))
        return FO_EINVAL;
    return pick_within(core, &ours, lease);
}

fo_status fo_pick_with(struct fo_balancer *balancer, const struct fo_pick_options *options,
                       struct fo_lease *lease)
{
    struct fo__core *core = (struct fo__core *)(void *)balancer;

    if (options == NULL)
        return fo_pick(balancer, lease);
    if (fo__unlikely(options->size != sizeof(*options)))
        return pick_foreign(core, options, lease);
    if (options->key != NULL && fo__pick_options_have_no_limits(options))
        return fo__pick_by_key(core, options->key, options->key_size, lease);
    return pick_within(core, options, lease);
}
