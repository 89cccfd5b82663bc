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
 *     pick_aside() ─► run(): trial on offer? ─► the tier whose turn it is ─► the others, best first
 *                     ─► without exclusions ─► last resort ─► FO_UNAVAILABLE
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

const struct fo__limits fo__no_limits = {.level_limit = UINT32_MAX};

/** The slot that x falls on, of n that begin at `slots`. */
static inline const struct fo__slot *sample_at(const struct fo__slot *slots, uint64_t n, uint64_t x)
{
    const struct fo__slot *own = &slots[fo__mul_high(x, n)];
    uint32_t coin = (uint32_t)((x * n) >> 32);

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
    return sample_at(snapshot->slot, snapshot->n, x);
}

/** As first_sample(), of any tier, and at a run's beginning. */
static const struct fo__slot *first_sample_of(const struct fo__snapshot *snapshot,
                                              const struct fo__tier *tier, struct fo__row *row)
{
    uint64_t x = fo__load_relaxed(&row->weyl);
    uint64_t next = x + FO__GOLDEN;

    if ((x & RUN_MASK) == 0)
        next = (fo__rng_next(&row->rng) & ~RUN_MASK) | (next & RUN_MASK);
    fo__store_relaxed(&row->weyl, next);
    return sample_at(&snapshot->slot[tier->first], tier->n, x);
}

static inline const struct fo__slot *next_sample(const struct fo__snapshot *snapshot,
                                                 const struct fo__tier *tier, struct fo__row *row)
{
    return sample_at(&snapshot->slot[tier->first], tier->n, fo__rng_next(&row->rng));
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

/* ---- Of a tier -------------------------------------------------------------------------- */

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

/** Any slot of the tier by redrawing, then by the tree, with the host word that it was taken for; NULL
 * when all are worth nothing. */
static const struct fo__slot *redraw_any(struct fo__core *core, struct fo__snapshot *snapshot,
                                         struct fo__row *row, const struct fo__tier *tier,
                                         uint64_t *word)
{
    for (uint32_t redraws = redraws_worth_it(tier); redraws > 0; redraws--) {
        const struct fo__slot *slot = next_sample(snapshot, tier, row);

        *word = fo__load_acquire(slot->word);
        if (accept(snapshot, slot, *word, row))
            return slot;
    }
    return fo__draw_from_tree(core, snapshot, row, tier, &fo__no_limits, word);
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
                                            const struct fo__tier *tier, uint64_t *word)
{
    for (uint32_t redraws = redraws_worth_it(tier); redraws > 0; redraws--) {
        const struct fo__slot *slot = next_sample(snapshot, tier, row);

        if (accept_within(limits, snapshot, slot, row, word))
            return slot;
    }
    return fo__draw_from_tree(core, snapshot, row, tier, limits, word);
}

/* ---- The long way: all tiers ------------------------------------------------------------- */

/** A pick on its long way. */
struct errand {
    struct fo__core *core;
    struct fo__snapshot *snapshot;
    struct fo__row *row;
    const struct fo__limits *limits;
    struct fo_lease *lease;
    uint64_t word; /* that the slot found was taken for */
};

/** Ends the read section of a pick that did not take the short way. */
static fo_status leave(const struct errand *errand, fo_status status)
{
    bool checks = (fo__attention(errand->core) & FO__ATTENTION_CHECK) != 0;

    fo__rcu_read_unlock();
    if (fo__unlikely(status == FO_OK && checks))
        fo__lease_check_open(errand->lease);
    return status;
}

/** A lease of the epoch in which the slot was taken, not of one that has begun since. */
static fo_status start(const struct errand *errand, const struct fo__slot *slot)
{
    fo__lease_start(errand->lease, errand->core, errand->row, slot, errand->word, 0);
    return leave(errand, FO_OK);
}

static fo_status nothing_in(const struct fo__snapshot *snapshot)
{
    return snapshot->closed ? FO_CLOSED : FO_UNAVAILABLE;
}

/** The tier whose turn it is, by the last review's shares; tier 0 when there is none. */
static const struct fo__tier *tier_due(const struct errand *errand)
{
    const struct fo__snapshot *snapshot = errand->snapshot;
    uint64_t place;

    if ((fo__attention(errand->core) & FO__ATTENTION_LEVELS) == 0 || snapshot->tier_count == 1)
        return snapshot->tier;
    place = fo__rng_next(&errand->row->rng) >> 32;
    for (uint32_t i = 0; i < snapshot->tier_count; i++)
        if (place < fo__load_relaxed(&snapshot->tier[i].share_end))
            return &snapshot->tier[i];
    return snapshot->tier;
}

static bool is_below_limit(const struct errand *errand, const struct fo__tier *tier)
{
    return tier->level < errand->limits->level_limit;
}

/** A slot of the tier whose turn it is. */
static const struct fo__slot *find_due(struct errand *errand, const struct fo__tier *tier)
{
    const struct fo__slot *slot;

    if (!is_below_limit(errand, tier))
        return NULL;
    if (fo__unlikely(fo__load_relaxed(&tier->panic)))
        return fo__draw_regardless(errand->snapshot, errand->row, tier, errand->limits,
                                   &errand->word);
    slot = first_sample_of(errand->snapshot, tier, errand->row);
    if (accept_within(errand->limits, errand->snapshot, slot, errand->row, &errand->word))
        return slot;
    return redraw_within(errand->limits, errand->core, errand->snapshot, errand->row, tier,
                         &errand->word);
}

/** A slot of any tier, best first, that is worth something. */
static const struct fo__slot *find_healthy(struct errand *errand)
{
    const struct fo__slot *slot = NULL;

    for (uint32_t i = 0; i < errand->snapshot->tier_count && slot == NULL; i++)
        if (is_below_limit(errand, &errand->snapshot->tier[i]))
            slot = fo__draw_from_tree(errand->core, errand->snapshot, errand->row,
                                      &errand->snapshot->tier[i], errand->limits, &errand->word);
    return slot;
}

/** A slot of any tier, best first, that has weight. */
static const struct fo__slot *find_any(struct errand *errand)
{
    const struct fo__slot *slot = NULL;

    for (uint32_t i = 0; i < errand->snapshot->tier_count && slot == NULL; i++)
        if (is_below_limit(errand, &errand->snapshot->tier[i]))
            slot = fo__draw_regardless(errand->snapshot, errand->row, &errand->snapshot->tier[i],
                                       errand->limits, &errand->word);
    return slot;
}

/** What the limits leave is all down. If an excluded slot is healthy, that one, unless it must not be;
 * otherwise, as a last resort, one that is down. */
static const struct fo__slot *find_in_need(struct errand *errand)
{
    const struct fo__limits *limits = errand->limits;
    struct fo__limits reuse = *limits;
    const struct fo__slot *slot = NULL;

    reuse.without.count = 0;
    if (limits->without.count > 0) {
        errand->limits = &reuse;
        slot = find_healthy(errand);
        errand->limits = limits;
    }
    if (slot != NULL)
        return limits->strict ? NULL : slot;
    if (!errand->snapshot->rule.has_last_resort)
        return NULL;
    slot = find_any(errand);
    if (slot == NULL && limits->without.count > 0 && !limits->strict) {
        errand->limits = &reuse;
        slot = find_any(errand);
    }
    return slot;
}

/** In a read section, which it ends. */
static fo_status run(struct errand *errand)
{
    bool offered = (fo__attention(errand->core) & FO__ATTENTION_OFFERS) != 0;
    bool retries = errand->limits->without.count > 0;
    const struct fo__slot *slot;

    if (fo__unlikely(errand->snapshot->count == 0))
        return leave(errand, nothing_in(errand->snapshot));
    /* A retry has failed once already: it is nobody's trial unless there is no other way. */
    if (offered && !retries &&
        fo__offer_take(errand->core, errand->snapshot, errand->row, errand->limits, errand->lease))
        return leave(errand, FO_OK);
    slot = find_due(errand, tier_due(errand));
    if (slot == NULL)
        slot = find_healthy(errand);
    if (slot == NULL && offered && retries &&
        fo__offer_take(errand->core, errand->snapshot, errand->row, errand->limits, errand->lease))
        return leave(errand, FO_OK);
    if (slot == NULL)
        slot = find_in_need(errand);
    return slot != NULL ? start(errand, slot) : leave(errand, FO_UNAVAILABLE);
}

/** A thread's first pick on a balancer, one at a run's beginning, or one that gives attention. */
static __attribute__((noinline)) fo_status pick_aside(struct fo__core *core, struct fo_lease *lease)
{
    struct errand errand = {.core = core, .limits = &fo__no_limits, .lease = lease};

    errand.row = fo__row_of(&core->rows);
    fo__rcu_read_lock();
    errand.snapshot = fo__load_acquire(&core->snapshot);
    return run(&errand);
}

/** The tier that a pick began with has nothing for it: the others, in the pick's section. */
static __attribute__((noinline)) fo_status
pick_elsewhere(struct fo__core *core, struct fo__snapshot *snapshot, struct fo__row *row,
               const struct fo__limits *limits, struct fo_lease *lease)
{
    struct errand errand = {core, snapshot, row, limits, lease, 0};
    return run(&errand);
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
    uint64_t word;
    const struct fo__slot *slot = redraw_any(core, snapshot, row, snapshot->tier, &word);

    if (fo__likely(slot != NULL))
        return take(core, row, slot, taken_with(word), section, lease);
    return pick_elsewhere(core, snapshot, row, &fo__no_limits, lease);
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
    for (size_t i = 0; i < sizeof(options->reserved); i++)
        if (options->reserved[i])
            return false;
    return options->exclude_count <= FO_EXCLUDE_MAX &&
           (options->exclude_count == 0 || options->exclude != NULL);
}

/** The zone of a name; one that no endpoint is in for a name that nobody ever gave one. */
static const struct fo__zone *find_zone(struct fo__core *core, const char *name)
{
    static const struct fo__zone nowhere;
    const struct fo__zone *zone;

    if (name == NULL || name[0] == '\0')
        return NULL;
    zone = fo__zones_find(&core->zones, name);
    return zone != NULL ? zone : &nowhere;
}

static inline void translate(struct fo__core *core, const struct fo_pick_options *options,
                             const struct fo__snapshot *snapshot, struct fo__limits *limits)
{
    limits->require_tags = options->require_tags;
    limits->zone = find_zone(core, options->zone);
    limits->level_limit = options->level_limit != 0 ? options->level_limit : UINT32_MAX;
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
    struct fo__limits limits;
    struct errand errand = {.core = core, .limits = &limits, .lease = lease};

    errand.row = fo__row_of(&core->rows);
    fo__rcu_read_lock();
    errand.snapshot = fo__load_acquire(&core->snapshot);
    translate(core, options, errand.snapshot, &limits);
    return run(&errand);
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
    translate(core, options, snapshot, &limits);
    if (snapshot->n >= SOME)
        prefetch_ahead(snapshot, row);
    slot = first_sample(snapshot, row);
    if (fo__unlikely(!accept_within(&limits, snapshot, slot, row, &word)))
        slot = redraw_within(&limits, core, snapshot, row, snapshot->tier, &word);
    if (fo__likely(slot != NULL))
        return take(core, row, slot, taken_with(word), &section, lease);
    return pick_elsewhere(core, snapshot, row, &limits, lease);
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
