/* SPDX-License-Identifier: Apache-2.0 */
#include "errand.h"

#include "choose.h"
#include "draw.h"
#include "lease.h"
#include "lease_check.h"
#include "offer.h"
#include "rcu.h"
#include "recent.h"
#include "sample.h"

/** Ends the read section of a pick that did not take the short way. */
static fo_status leave(const struct fo__errand *errand, fo_status status)
{
    bool checks = (fo__attention(errand->core) & FO__ATTENTION_CHECK) != 0;

    fo__rcu_read_unlock();
    if (fo__unlikely(status == FO_OK && checks))
        fo__lease_check_open(errand->lease);
    return status;
}

/** A lease of the epoch in which the slot was taken, not of one that has begun since. */
static fo_status start(const struct fo__errand *errand, const struct fo__slot *slot)
{
    fo__lease_start(errand->lease, errand->core, errand->row, slot, errand->word, 0,
                    errand->counting.counts);
    return leave(errand, FO_OK);
}

static const struct fo__tier *tier_due(const struct fo__errand *errand)
{
    if ((fo__attention(errand->core) & FO__ATTENTION_LEVELS) == 0)
        return errand->snapshot->tier;
    return fo__tier_due(errand->snapshot, errand->row);
}

static bool is_below_limit(const struct fo__errand *errand, const struct fo__tier *tier)
{
    return tier->level < errand->limits->level_limit;
}

/** The slot of the last request, if it is to be used again. */
static const struct fo__slot *find_recent(struct fo__errand *errand)
{
    uint32_t slot = FO__NO_SLOT;

    if (fo__unlikely(errand->now_ns != 0) && !errand->is_further &&
        is_below_limit(errand, errand->snapshot->tier))
        slot = fo__recent_slot(errand->core, errand->snapshot, errand->now_ns);
    if (slot == FO__NO_SLOT || !fo__limits_allow(errand->limits, errand->snapshot, slot) ||
        !fo__counting_admit(&errand->counting, errand->snapshot->slot[slot].endpoint))
        return NULL;
    errand->word = fo__load_acquire(errand->snapshot->slot[slot].word);
    return &errand->snapshot->slot[slot];
}

static bool take_offer(struct fo__errand *errand)
{
    errand->has_trial = fo__offer_take(errand->core, errand->snapshot, errand->row, errand->limits,
                                       &errand->counting, errand->lease);
    return errand->has_trial;
}

/** A slot of the tier whose turn it is. */
static const struct fo__slot *find_due(struct fo__errand *errand, const struct fo__tier *tier)
{
    const struct fo__slot *slot;

    if (!is_below_limit(errand, tier))
        return NULL;
    if (errand->counting.rules != NULL)
        return fo__choose(errand, tier);
    if (fo__unlikely(fo__load_relaxed(&tier->panic)))
        return fo__draw_regardless(errand->snapshot, errand->row, tier, errand->limits,
                                   &errand->word);
    slot = errand->is_further ? fo__next_sample(errand->snapshot, tier, errand->row)
                              : fo__first_sample_of(errand->snapshot, tier, errand->row);
    if (fo__accept_within(errand->limits, errand->snapshot, slot, errand->row, &errand->word))
        return slot;
    return fo__redraw(errand->core, errand->snapshot, errand->row, tier, errand->limits,
                      &errand->word);
}

static const struct fo__slot *draw_healthy(struct fo__errand *errand, const struct fo__tier *tier)
{
    return errand->counting.rules != NULL
               ? fo__choose_by_scan(errand, tier, false)
               : fo__draw_from_tree(errand->core, errand->snapshot, errand->row, tier,
                                    errand->limits, &errand->word);
}

static const struct fo__slot *draw_any(struct fo__errand *errand, const struct fo__tier *tier)
{
    return errand->counting.rules != NULL ? fo__choose_by_scan(errand, tier, true)
                                          : fo__draw_regardless(errand->snapshot, errand->row, tier,
                                                                errand->limits, &errand->word);
}

/** A slot of any tier, best first, that is worth something. */
static const struct fo__slot *find_healthy(struct fo__errand *errand)
{
    const struct fo__slot *slot = NULL;

    for (uint32_t i = 0; i < errand->snapshot->tier_count && slot == NULL; i++)
        if (is_below_limit(errand, &errand->snapshot->tier[i]))
            slot = draw_healthy(errand, &errand->snapshot->tier[i]);
    return slot;
}

/** A slot of any tier, best first, that has weight. */
static const struct fo__slot *find_any(struct fo__errand *errand)
{
    const struct fo__slot *slot = NULL;

    for (uint32_t i = 0; i < errand->snapshot->tier_count && slot == NULL; i++)
        if (is_below_limit(errand, &errand->snapshot->tier[i]))
            slot = draw_any(errand, &errand->snapshot->tier[i]);
    return slot;
}

/** What the limits leave is all down. If an excluded slot is healthy, that one, unless it must not be;
 * otherwise, as a last resort, one that is down. */
static const struct fo__slot *find_in_need(struct fo__errand *errand)
{
    bool retries = errand->limits->without.count > 0;
    struct fo__limits all = *errand->limits; /* without exclusions */
    struct fo__errand again = *errand;
    const struct fo__slot *slot = NULL;

    all.without.count = 0;
    again.limits = &all;
    if (retries)
        slot = find_healthy(&again);
    if (slot != NULL && errand->limits->strict) {
        fo__counting_forgo(&again.counting, slot->endpoint);
        return NULL;
    }
    if (slot == NULL && !again.counting.met_full && errand->snapshot->rule.has_last_resort) {
        slot = find_any(errand);
        if (slot != NULL)
            return slot;
        if (retries && !errand->limits->strict)
            slot = find_any(&again);
    }
    errand->word = again.word;
    errand->counting = again.counting;
    return slot;
}

/** The slot that the pick gets, with room made there; NULL: none, or a trial is it and the lease begun. */
static const struct fo__slot *find(struct fo__errand *errand)
{
    bool offered = (fo__attention(errand->core) & FO__ATTENTION_OFFERS) != 0;
    bool retries = errand->limits->without.count > 0;
    const struct fo__slot *slot;

    /* A retry has failed once already: it is nobody's trial unless there is no other way. */
    if (offered && !retries && take_offer(errand))
        return NULL;
    slot = find_recent(errand);
    if (slot == NULL)
        slot = find_due(errand, tier_due(errand));
    if (slot == NULL)
        slot = find_healthy(errand);
    if (slot != NULL || (offered && retries && take_offer(errand)))
        return slot;
    return errand->counting.met_full ? NULL : find_in_need(errand);
}

fo_status fo__errand_run(struct fo__errand *errand)
{
    const struct fo__slot *slot;

    if (fo__unlikely(errand->snapshot->count == 0))
        return leave(errand, fo__nothing_in(errand->snapshot));
    fo__counting_begin(&errand->counting, errand->core);
    if (!fo__counting_enter(&errand->counting, errand->core))
        return leave(errand, FO_OVERLOADED);
    errand->has_trial = false;
    slot = find(errand);
    if (slot != NULL)
        return start(errand, slot);
    if (errand->has_trial)
        return leave(errand, FO_OK);
    fo__counting_leave(&errand->counting, errand->core);
    return leave(errand, errand->counting.met_full ? FO_OVERLOADED : FO_UNAVAILABLE);
}

fo_status fo__errand_pick(struct fo__core *core, const struct fo_pick_options *options,
                          bool is_further, struct fo_lease *lease)
{
    struct fo__limits limits;
    struct fo__errand errand = {
        .core = core, .limits = &limits, .lease = lease, .is_further = is_further};

    errand.row = fo__row_of(&core->rows);
    errand.now_ns = fo__recent_now_ns(core);
    errand.counting.now_ns = fo__counting_now_ns(core);
    fo__rcu_read_lock();
    errand.snapshot = fo__load_acquire(&core->snapshot);
    fo__limits_read(&limits, core, errand.snapshot, options);
    return fo__errand_run(&errand);
}
