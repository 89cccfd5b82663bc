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
 *      │                          pick_again(): redraw up to 8 times ─► sum tree ─► FO_UNAVAILABLE
 *      ▼
 *     pick_aside() ─► pick_slow(): trial on offer? ─► as above, within limits ─► without exclusions
 *
 * First sample. The row's Weyl sequence x += 2^64/φ is a low-discrepancy sequence: after any k·N
 * samples each of N equal columns was hit k times, give or take 4, where random numbers drift by √k.
 * One multiplication turns x into a column (upper half of x·N) and a coin (lower half). Each thread
 * begins at a random phase, so clients do not march in step, and draws a new one after 2^20 picks,
 * against resonance with a periodic caller. Those are counted by the lower 20 bits of x itself: the
 * step is odd, so they run through all their values. (Where x *is* must not decide: runs that all end
 * at the same place favour what lies there by half a pick each.)
 *
 * Further samples draw from the row's RNG: two consecutive Weyl values are one variable, and a refusal
 * followed by the next Weyl value would be correlated with it.
 *
 * Accepting with probability health over an immutable table of max weights is exact (rejection
 * sampling), needs no rebuild when health changes and costs nothing when it is 1. When little of the
 * weight is up, redrawing is in vain and the sum tree answers in O(log N).
 *
 * Prefetching. Memory is what a pick of many endpoints costs, and the Weyl sequence knows the next
 * column when the present one is taken: with 10,000 endpoints it brings a pair from 31 to 16 ns.
 */
#include "pick.h"

#include "abi.h"
#include "lease.h"
#include "lease_check.h"
#include "offer.h"
#include "rcu.h"
#include "rng.h"

#define REDRAWS 8
/* Endpoints whose slots, words and cells outgrow the first-level cache, and the second-level one. */
#define SOME 64
#define MANY 4096
#define RUN_MASK ((UINT64_C(1) << 20) - 1) /* lower bits of a Weyl word: they count a run */

const struct fo__limits fo__no_limits;

static inline const struct fo__slot *sample_at(const struct fo__snapshot *snapshot, uint64_t x)
{
    const struct fo__slot *own = &snapshot->slot[fo__mul_high(x, snapshot->n)];
    uint32_t coin = (uint32_t)((x * snapshot->n) >> 32);

    __asm__("" : "+r"(own)); /* or else gcc works its address out twice, to spare a displacement */

    /* A branch, not a conditional move: predicted, it takes the load of the column off the way to
     * the host word (8.5 instead of 10.9 ns a pair with equal weights). */
    return coin < own->threshold ? own : own + own->alias_step;
}

/** Whether the next sample begins a run: then the long way gives it a new phase. */
static inline bool is_at_a_run(struct fo__row *row)
{
    return (fo__load_relaxed(&row->weyl) & RUN_MASK) == 0;
}

/** The Weyl sequence tells in advance which columns come next: the next slot is called for. Of many
 * endpoints even that comes too late for what it points at, so there the slot of the pick after next is
 * called for, and the word and the cell of the next, whose slot the pick before has called for. */
static inline void prefetch_ahead(const struct fo__snapshot *snapshot, struct fo__row *row)
{
    uint64_t x = fo__load_relaxed(&row->weyl);
    const struct fo__slot *next = &snapshot->slot[fo__mul_high(x + FO__GOLDEN, snapshot->n)];

    if (snapshot->n >= MANY) {
        const struct fo__cell *segment = fo__load_relaxed(&row->segment[next->cell.segment]);

        __builtin_prefetch((const void *)next->word);
        __builtin_prefetch((const char *)segment + next->cell.offset, 1);
        next = &snapshot->slot[fo__mul_high(x + 2 * FO__GOLDEN, snapshot->n)];
    }
    __builtin_prefetch(next);
}

static inline const struct fo__slot *first_sample(const struct fo__snapshot *snapshot,
                                                  struct fo__row *row)
{
    uint64_t x = fo__load_relaxed(&row->weyl);

    fo__store_relaxed(&row->weyl, x + FO__GOLDEN);
    return sample_at(snapshot, x);
}

static const struct fo__slot *first_sample_slow(const struct fo__snapshot *snapshot,
                                                struct fo__row *row)
{
    const struct fo__slot *slot = first_sample(snapshot, row);
    uint64_t next = fo__load_relaxed(&row->weyl);

    if (((next - FO__GOLDEN) & RUN_MASK) == 0)
        fo__store_relaxed(&row->weyl, (fo__rng_next(&row->rng) & ~RUN_MASK) | (next & RUN_MASK));
    return slot;
}

/** Whether a slot whose host is not whole is taken all the same: with the probability of its health. */
static inline bool accept_ill(const struct fo__snapshot *snapshot, const struct fo__slot *slot,
                              uint64_t word, struct fo__row *row)
{
    uint32_t fraction = fo__slot_fraction(snapshot, fo__slot_number(snapshot, slot), word);

    return (fo__rng_next(&row->rng) >> 33) < fraction;
}

static inline bool accept(const struct fo__snapshot *snapshot, const struct fo__slot *slot,
                          uint64_t word, struct fo__row *row)
{
    return fo__word_is_whole(word) || accept_ill(snapshot, slot, word, row);
}

/* ---- The long way ------------------------------------------------------------------------ */

/* The less of the weight is up, the sooner redrawing is given up: at 1 / 8 of it, eight draws find
 * something in two of three cases only, and the tree would have been cheaper. Of few endpoints the
 * tree is a single node, cheaper than a second draw. */
static uint32_t redraws_worth_it(const struct fo__snapshot *snapshot)
{
    uint64_t total = fo__sumtree_total(&snapshot->tree);

    if (snapshot->n <= FO__SUMTREE_FANOUT)
        return 0;
    return total > snapshot->units_sum / 4 ? REDRAWS : total > snapshot->units_sum / 8 ? 2 : 0;
}

/** Any slot by redrawing, then by the tree, with the host word that it was taken for; NULL when all are
 * worth nothing. */
static const struct fo__slot *redraw_any(struct fo__core *core, struct fo__snapshot *snapshot,
                                         struct fo__row *row, uint64_t *word)
{
    for (uint32_t redraws = redraws_worth_it(snapshot); redraws > 0; redraws--) {
        const struct fo__slot *slot = sample_at(snapshot, fo__rng_next(&row->rng));

        *word = fo__load_acquire(slot->word);
        if (accept(snapshot, slot, *word, row))
            return slot;
    }
    return fo__draw_from_tree(core, snapshot, row, &fo__no_limits, word);
}

static inline bool accept_within(const struct fo__limits *limits,
                                 const struct fo__snapshot *snapshot, const struct fo__slot *slot,
                                 struct fo__row *row, uint64_t *word)
{
    *word = fo__load_acquire(slot->word);
    return fo__limits_allow(limits, snapshot, fo__slot_number(snapshot, slot)) &&
           accept(snapshot, slot, *word, row);
}

/** As redraw_any(), within limits. */
static const struct fo__slot *redraw_within(const struct fo__limits *limits, struct fo__core *core,
                                            struct fo__snapshot *snapshot, struct fo__row *row,
                                            uint64_t *word)
{
    for (uint32_t redraws = redraws_worth_it(snapshot); redraws > 0; redraws--) {
        const struct fo__slot *slot = sample_at(snapshot, fo__rng_next(&row->rng));

        if (accept_within(limits, snapshot, slot, row, word))
            return slot;
    }
    return fo__draw_from_tree(core, snapshot, row, limits, word);
}

/** Ends the read section of a pick that did not take the short way. */
static fo_status leave(struct fo__core *core, struct fo_lease *lease, fo_status status)
{
    bool checks = (fo__attention(core) & FO__ATTENTION_CHECK) != 0;

    fo__rcu_read_unlock();
    if (fo__unlikely(status == FO_OK && checks))
        fo__lease_check_open(lease);
    return status;
}

/** A lease of the epoch in which the slot was taken, not of one that has begun since. */
static fo_status start(struct fo__core *core, struct fo__row *row, const struct fo__slot *slot,
                       uint64_t word, struct fo_lease *lease)
{
    fo__lease_start(lease, core, row, slot, word, 0);
    return leave(core, lease, FO_OK);
}

static fo_status nothing_in(const struct fo__snapshot *snapshot)
{
    return snapshot->closed ? FO_CLOSED : FO_UNAVAILABLE;
}

/** A pick within limits that the first sample, unless it is refused already (NULL), and a trial on
 * offer may answer. In a read section, which it ends. */
static __attribute__((noinline)) fo_status
pick_slow(struct fo__core *core, struct fo__snapshot *snapshot, struct fo__row *row,
          const struct fo__slot *first, const struct fo__limits *limits, struct fo_lease *lease)
{
    bool offered = (fo__attention(core) & FO__ATTENTION_OFFERS) != 0;
    const struct fo__slot *slot;
    uint64_t word;

    if (fo__unlikely(snapshot->count == 0))
        return leave(core, lease, nothing_in(snapshot));
    /* A retry has failed once already: it is nobody's trial unless there is no other way. */
    if (offered && limits->without.count == 0 && fo__offer_take(core, snapshot, row, limits, lease))
        return leave(core, lease, FO_OK);
    if (first != NULL && accept_within(limits, snapshot, first, row, &word))
        return start(core, row, first, word, lease);
    slot = redraw_within(limits, core, snapshot, row, &word);
    if (slot != NULL)
        return start(core, row, slot, word, lease);
    if (offered && limits->without.count > 0 && fo__offer_take(core, snapshot, row, limits, lease))
        return leave(core, lease, FO_OK);
    if (limits->without.count > 0 && !limits->strict) {
        struct fo__limits reuse;

        reuse.require_tags = limits->require_tags;
        reuse.without.count = 0;
        slot = fo__draw_from_tree(core, snapshot, row, &reuse, &word);
        if (slot != NULL)
            return start(core, row, slot, word, lease);
    }
    return leave(core, lease, FO_UNAVAILABLE);
}

/** A thread's first pick on a balancer, one at a run's beginning, or one that gives attention. */
static __attribute__((noinline)) fo_status pick_aside(struct fo__core *core, struct fo_lease *lease)
{
    struct fo__row *row = fo__row_of(&core->rows);
    struct fo__snapshot *snapshot;

    fo__rcu_read_lock();
    snapshot = fo__load_acquire(&core->snapshot);
    return pick_slow(core, snapshot, row, first_sample_slow(snapshot, row), &fo__no_limits, lease);
}

/* ---- The short way ----------------------------------------------------------------------- */

/** Starts a lease of a slot in a row at home, and ends the read section. */
static inline fo_status take(struct fo__core *core, struct fo__row *row,
                             const struct fo__slot *slot, uint64_t taken_with,
                             const struct fo__rcu_section *section, struct fo_lease *lease)
{
    struct fo__cell *cell = fo__row_home_cell(row, slot->cell);

    fo__count(&cell->started);
    fo__lease_fill(lease, core, cell, slot, taken_with, fo__load_relaxed(&row->thread_id));
    fo__rcu_leave(section);
    return FO_OK;
}

static inline uint64_t taken_with(uint64_t word)
{
    return fo__word_is_whole(word) ? word : word | FO__LEASE_IS_ILL;
}

/** The first sample of a pick without limits was refused. */
static __attribute__((noinline)) fo_status
pick_again(struct fo__core *core, struct fo__snapshot *snapshot, struct fo__row *row,
           const struct fo__rcu_section *section, struct fo_lease *lease)
{
    const struct fo__slot *slot = NULL;
    uint64_t word;

    if (fo__likely(snapshot->count > 0))
        slot = redraw_any(core, snapshot, row, &word);
    if (fo__likely(slot != NULL))
        return take(core, row, slot, taken_with(word), section, lease);
    fo__rcu_leave(section);
    return nothing_in(snapshot);
}

fo_status fo_pick(struct fo_balancer *balancer, struct fo_lease *lease)
{
    struct fo__core *core = (struct fo__core *)(void *)balancer;
    struct fo__row *row = fo__row_at_home(fo__load_relaxed(&core->gate));
    struct fo__rcu_section section;
    struct fo__snapshot *snapshot;
    const struct fo__slot *slot;
    uint64_t word;

    if (fo__unlikely(row == NULL || is_at_a_run(row) || !fo__rcu_enter(&section)))
        return pick_aside(core, lease);
    snapshot = fo__load_acquire(&core->snapshot); /* pairs with the updater's release store */
    if (snapshot->n >= SOME)
        prefetch_ahead(snapshot, row);
    slot = first_sample(snapshot, row);
    word = fo__load_acquire(slot->word);
    if (fo__unlikely(!fo__word_is_whole(word))) {
        if (!accept_ill(snapshot, slot, word, row))
            return pick_again(core, snapshot, row, &section, lease);
        word |= FO__LEASE_IS_ILL;
    }
    return take(core, row, slot, word, &section, lease);
}

/* ---- Picks within limits ----------------------------------------------------------------- */

/** Adds the slot of an id to the excluded, once; ids of no member are ignored. */
static void exclude(struct fo__without *without, const struct fo__snapshot *snapshot, uint64_t id)
{
    uint32_t slot = fo__snapshot_slot(snapshot, id);

    if (slot == FO__NO_SLOT)
        return;
    for (uint32_t i = 0; i < without->count; i++)
        if (without->slot[i] == slot)
            return;
    without->slot[without->count++] = slot;
}

static bool options_are_valid(const struct fo_pick_options *options)
{
    return options->exclude_count <= FO_EXCLUDE_MAX &&
           (options->exclude_count == 0 || options->exclude != NULL);
}

static inline void translate(const struct fo_pick_options *options,
                             const struct fo__snapshot *snapshot, struct fo__limits *limits)
{
    limits->require_tags = options->require_tags;
    limits->strict = options->strict;
    limits->without.count = 0;
    for (size_t i = 0; i < options->exclude_count; i++)
        exclude(&limits->without, snapshot, options->exclude[i]);
}

/** As pick_aside(), within limits. */
static __attribute__((noinline)) fo_status pick_limited_aside(struct fo__core *core,
                                                              const struct fo_pick_options *options,
                                                              struct fo_lease *lease)
{
    struct fo__row *row = fo__row_of(&core->rows);
    struct fo__snapshot *snapshot;
    struct fo__limits limits;

    fo__rcu_read_lock();
    snapshot = fo__load_acquire(&core->snapshot);
    translate(options, snapshot, &limits);
    return pick_slow(core, snapshot, row, first_sample_slow(snapshot, row), &limits, lease);
}

static fo_status pick_limited(struct fo__core *core, const struct fo_pick_options *options,
                              struct fo_lease *lease)
{
    struct fo__row *row = fo__row_at_home(fo__load_relaxed(&core->gate));
    struct fo__rcu_section section;
    struct fo__snapshot *snapshot;
    const struct fo__slot *slot;
    struct fo__limits limits;
    uint64_t word;

    if (fo__unlikely(row == NULL || is_at_a_run(row) || !fo__rcu_enter(&section)))
        return pick_limited_aside(core, options, lease);
    snapshot = fo__load_acquire(&core->snapshot);
    translate(options, snapshot, &limits);
    if (snapshot->n >= SOME)
        prefetch_ahead(snapshot, row);
    slot = first_sample(snapshot, row);
    if (fo__unlikely(!accept_within(&limits, snapshot, slot, row, &word)))
        slot = redraw_within(&limits, core, snapshot, row, &word);
    if (fo__likely(slot != NULL))
        return take(core, row, slot, taken_with(word), &section, lease);
    return pick_slow(core, snapshot, row, NULL, &limits,
                     lease); /* perhaps without the exclusions */
}

fo_status fo_pick_with(struct fo_balancer *balancer, const struct fo_pick_options *options,
                       struct fo_lease *lease)
{
    struct fo__core *core = (struct fo__core *)(void *)balancer;
    struct fo_pick_options ours;

    if (options == NULL)
        return fo_pick(balancer, lease);
    if (fo__unlikely(options->size != sizeof(*options))) {
        ours = fo_pick_options_init();
        if (!fo__abi_read(&ours, sizeof(ours), options))
            return FO_EINVAL;
        options = &ours;
    }
    if (fo__unlikely(!options_are_valid(options)))
        return FO_EINVAL;
    return pick_limited(core, options, lease);
}
