/* SPDX-License-Identifier: Apache-2.0
 *
 * Explaining a pick: what errand.c draws, worked out in full on a copy.
 *
 *     the endpoint of the last request, if it is used again: all of it (recent.h)
 *     candidates in the order of slots: a tier is a range of them
 *       │
 *       ▼ of each tier its share, among those that the limits leave: by live weight, in panic by max
 *     a tier where they are worth nothing: its share goes elsewhere
 *         ─► the best tier in which they are worth something ─► the excluded, unless strict
 *         ─► by max weight, as a last resort ─► of the excluded, unless strict
 *
 * This is the way that errand.c goes, written down a second time, because what a pick draws from is in no
 * form to be looked at. tests/failover/explain_test.c holds the two against each other.
 */
#include "abi.h"
#include "choose.h"
#include "cold.h"
#include "members.h"
#include "pick_limits.h"
#include "recent.h"
#include "view.h"

#include <failover/explain.h>
#include <stdlib.h>
#include <string.h>

/** An endpoint, as it was at one moment. */
struct candidate {
    struct fo_endpoint_info info;
    uint64_t units;    /* max weight */
    uint64_t worth;    /* live weight */
    fo_verdict misfit; /* why it is outside the limits, exclusions aside; 0: it is not */
    bool is_excluded;
    double divisor; /* of its live weight, by the load policy */
    bool is_full;   /* of what its host has in flight, nothing may be added */
    double probability;
};

struct part {
    uint32_t first; /* candidate */
    uint32_t n;
    bool panic;
    double share;
    double due; /* the same, and of the first tier what is nobody's */
};

struct outlook {
    struct fo_pick_options options;
    struct candidate *candidates;
    uint32_t count;
    bool retries;                       /* something is excluded */
    const struct fo__load_rules *rules; /* NULL: load makes no difference; while it is copied */
    bool is_full;                       /* the balancer has all that it may have in flight */
    bool has_last_resort;
    uint32_t recent; /* candidate that is used again before anything else; or FO__NO_SLOT */
    uint32_t part_count;
    struct part part[FO__TIERS_MAX];
};

/* By which weight candidates claim, whether the excluded may, and whether load divides it. */
enum claim { CLAIM_LIVE = 0, CLAIM_MAX = 1, CLAIM_REUSE = 2, CLAIM_BY_LOAD = 4 };

/* ---- Options ------------------------------------------------------------------------------- */

static bool read_options(struct fo_pick_options *ours, const struct fo_pick_options *theirs)
{
    *ours = fo_pick_options_init();
    return (theirs == NULL || fo__abi_read(ours, sizeof(*ours), theirs)) &&
           fo__pick_options_are_valid(ours) && ours->key == NULL;
}

static bool is_excluded(const struct fo_pick_options *options, uint64_t id)
{
    for (size_t i = 0; i < options->exclude_count; i++)
        if (options->exclude[i] == id)
            return true;
    return false;
}

static bool is_in_zone(const struct fo_pick_options *options, const char *zone)
{
    return options->zone == NULL || options->zone[0] == '\0' || strcmp(options->zone, zone) == 0;
}

static fo_verdict misfit_of(const struct fo_pick_options *options,
                            const struct candidate *candidate)
{
    const struct fo_endpoint_info *info = &candidate->info;

    if (info->drained)
        return FO_VERDICT_DRAINED;
    if (candidate->units == 0)
        return FO_VERDICT_NO_WEIGHT;
    if ((info->tags & options->require_tags) != options->require_tags)
        return FO_VERDICT_LACKS_TAGS;
    if (!is_in_zone(options, info->zone))
        return FO_VERDICT_OTHER_ZONE;
    if (options->level_limit != 0 && info->level >= options->level_limit)
        return FO_VERDICT_LEVEL_LIMIT;
    return (fo_verdict)0;
}

/* ---- The copy ------------------------------------------------------------------------------ */

/** What `inverse` divides a weight by; the other policies choose between two samples by weight. */
static double divisor_of(const struct outlook *outlook, const struct fo_endpoint_info *info)
{
    if (outlook->rules == NULL || outlook->rules->policy != &fo__load_inverse)
        return 1;
    return 1 + (double)info->load_in_flight + info->penalty;
}

/** The word is read once, so that verdict, state and health of an endpoint go together. */
static void copy_candidate(struct outlook *outlook, const struct fo__snapshot *snapshot,
                           uint32_t slot)
{
    struct candidate *candidate = &outlook->candidates[slot];
    struct fo_endpoint *endpoint = snapshot->slot[slot].endpoint;
    uint64_t word = fo__load_acquire(endpoint->host->word);

    fo__view_endpoint(endpoint, snapshot, word, fo__clock_coarse_ns(endpoint->core->clock),
                      &candidate->info);
    candidate->units = fo__slot_units(snapshot, slot);
    candidate->worth = fo__slot_claim(snapshot, slot, word);
    candidate->misfit = misfit_of(&outlook->options, candidate);
    candidate->is_excluded = is_excluded(&outlook->options, endpoint->id);
    candidate->is_full = outlook->rules != NULL && !fo__counting_has_room(outlook->rules, endpoint);
    candidate->divisor = divisor_of(outlook, &candidate->info);
    outlook->retries |= candidate->is_excluded;
}

/** A pick takes the first tier whose share ends behind its random place, and the first of all when none
 * does. So of ends that a review is just moving, one that lies in front of another counts as nothing. */
static void copy_shares(struct outlook *outlook, const struct fo__snapshot *snapshot)
{
    uint64_t given = 0;

    for (uint32_t i = 0; i < outlook->part_count; i++) {
        const struct fo__tier *tier = &snapshot->tier[i];
        struct part *part = &outlook->part[i];
        uint64_t end = fo__load_relaxed(&tier->share_end);
        uint64_t share = end > given ? end - given : 0;

        given += share;
        part->first = tier->first;
        part->n = tier->n;
        part->panic = fo__load_relaxed(&tier->panic);
        part->share = part->due = (double)share / (double)FO__SHARE_ONE;
    }
    outlook->part[0].due += (double)(FO__SHARE_ONE - given) / (double)FO__SHARE_ONE;
}

/** What load has to say. Caller holds the update lock. */
static void copy_rules(struct outlook *outlook, struct fo__core *core)
{
    if ((fo__attention(core) & FO__ATTENTION_LOAD) == 0)
        return;
    outlook->rules = &fo__load_relaxed(&core->settings)->load;
    outlook->is_full = fo__load_relaxed(&core->tally.open) >= outlook->rules->max_in_flight;
}

/** Caller holds the update lock. */
static fo_status copy_all(struct outlook *outlook, struct fo_balancer *balancer, uint64_t now_ns)
{
    const struct fo__snapshot *snapshot = fo__load_acquire(&balancer->core.snapshot);

    if (balancer->closing)
        return FO_CLOSED;
    outlook->candidates = calloc(snapshot->count + 1, sizeof(*outlook->candidates));
    if (outlook->candidates == NULL)
        return FO_NOMEM;
    outlook->count = snapshot->count;
    outlook->part_count = snapshot->count > 0 ? snapshot->tier_count : 0;
    outlook->has_last_resort = snapshot->rule.has_last_resort;
    copy_rules(outlook, &balancer->core);
    for (uint32_t i = 0; i < outlook->count; i++)
        copy_candidate(outlook, snapshot, i);
    copy_shares(outlook, snapshot);
    outlook->recent = fo__recent_slot(&balancer->core, snapshot, now_ns);
    return FO_OK;
}

/* ---- Who gets what ------------------------------------------------------------------------- */

/** What a candidate would claim if it had room. */
static double wish_of(const struct candidate *candidate, unsigned claim)
{
    if (candidate->misfit != 0 || (candidate->is_excluded && (claim & CLAIM_REUSE) == 0))
        return 0;
    return (double)((claim & CLAIM_MAX) != 0 ? candidate->units : candidate->worth);
}

static double claim_of(const struct candidate *candidate, unsigned claim)
{
    double wish = wish_of(candidate, claim);

    if ((claim & CLAIM_BY_LOAD) != 0)
        wish /= candidate->divisor;
    return candidate->is_full ? 0 : wish;
}

/** Shares an amount of probability out in a tier; false: nobody there has a claim. */
static bool give(struct outlook *outlook, const struct part *part, double amount, unsigned claim)
{
    struct candidate *candidates = &outlook->candidates[part->first];
    double total = 0;

    for (uint32_t i = 0; i < part->n; i++)
        total += claim_of(&candidates[i], claim);
    for (uint32_t i = 0; i < part->n && total > 0; i++)
        candidates[i].probability += amount * claim_of(&candidates[i], claim) / total;
    return total > 0;
}

/** Whether somebody would have a claim, but for want of room: then the pick ends there. */
static bool is_met_full(const struct outlook *outlook)
{
    for (uint32_t i = 0; i < outlook->count; i++)
        if (outlook->candidates[i].is_full && wish_of(&outlook->candidates[i], CLAIM_LIVE) > 0)
            return true;
    return false;
}

static bool give_to_best(struct outlook *outlook, double amount, unsigned claim)
{
    for (uint32_t i = 0; i < outlook->part_count; i++)
        if (give(outlook, &outlook->part[i], amount, claim))
            return true;
    return false;
}

/** A healthy endpoint that is excluded comes before one that is down; with strict it gets nothing, but
 * nor does the one that is down. */
static void give_elsewhere(struct outlook *outlook, double amount)
{
    bool strict = outlook->options.strict;

    if (give_to_best(outlook, amount, CLAIM_LIVE) || is_met_full(outlook))
        return;
    if (outlook->retries && give_to_best(outlook, strict ? 0 : amount, CLAIM_LIVE | CLAIM_REUSE))
        return;
    if (!outlook->has_last_resort || give_to_best(outlook, amount, CLAIM_MAX))
        return;
    if (outlook->retries && !strict)
        (void)give_to_best(outlook, amount, CLAIM_MAX | CLAIM_REUSE);
}

/** Whether the next pick uses the endpoint of the last request again. */
static bool give_to_recent(struct outlook *outlook)
{
    struct candidate *candidate;

    if (outlook->recent == FO__NO_SLOT)
        return false;
    candidate = &outlook->candidates[outlook->recent];
    if (candidate->misfit != 0 || candidate->is_excluded || candidate->is_full)
        return false;
    candidate->probability = 1;
    return true;
}

static void share_out(struct outlook *outlook)
{
    double left = 0;

    if (outlook->is_full || give_to_recent(outlook))
        return;

    for (uint32_t i = 0; i < outlook->part_count; i++) {
        const struct part *part = &outlook->part[i];

        if (!give(outlook, part, part->due, (part->panic ? CLAIM_MAX : CLAIM_LIVE) | CLAIM_BY_LOAD))
            left += part->due;
    }
    if (left > 0)
        give_elsewhere(outlook, left);
}

/* ---- Telling ------------------------------------------------------------------------------- */

static fo_verdict verdict_on(const struct candidate *candidate)
{
    if (candidate->probability > 0)
        return FO_VERDICT_ELIGIBLE;
    if (candidate->misfit != 0)
        return candidate->misfit;
    if (candidate->is_excluded)
        return FO_VERDICT_EXCLUDED;
    if (candidate->is_full)
        return FO_VERDICT_FULL;
    return candidate->worth == 0 ? FO_VERDICT_DOWN : FO_VERDICT_LEVEL_IDLE;
}

static bool tell(const struct candidate *candidate, const struct part *part, fo_explain_fn visitor,
                 void *arg)
{
    struct fo_explanation explanation = {.size = sizeof(explanation),
                                         .endpoint = &candidate->info,
                                         .verdict = verdict_on(candidate),
                                         .level_share = part->share,
                                         .probability = candidate->probability};

    return visitor(&explanation, arg);
}

static void tell_all(const struct outlook *outlook, fo_explain_fn visitor, void *arg)
{
    const struct part *part = outlook->part;

    for (uint32_t i = 0; i < outlook->count; i++) {
        part += i == part->first + part->n ? 1 : 0;
        if (!tell(&outlook->candidates[i], part, visitor, arg))
            return;
    }
}

fo_status fo_balancer_explain(struct fo_balancer *balancer, const struct fo_pick_options *options,
                              fo_explain_fn visitor, void *arg)
{
    struct outlook outlook = {0};
    fo_status status;

    if (balancer == NULL || visitor == NULL || !read_options(&outlook.options, options))
        return FO_EINVAL;
    fo__cold_begin();
    pthread_mutex_lock(&balancer->update_lock);
    status = copy_all(&outlook, balancer, fo__recent_now_ns(&balancer->core));
    pthread_mutex_unlock(&balancer->update_lock);
    fo__cold_end();
    if (status == FO_OK) {
        share_out(&outlook);
        tell_all(&outlook, visitor, arg);
    }
    free(outlook.candidates);
    return status;
}
