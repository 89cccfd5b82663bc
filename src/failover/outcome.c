/* SPDX-License-Identifier: Apache-2.0
 *
 *     word ──► judge(): next word, pure ──► CAS ──► mend own tree, queue host if its state changed
 *      ▲                                     │
 *      └─────────── somebody was faster ─────┘
 *
 * No outcome is lost: whoever loses the CAS judges the new word again. What an outcome may do:
 *
 *     outcome        host up                          host down (lease of this epoch)
 *     success        weight function, no strikes      recovers, epoch + 1
 *     degraded       mild step, never to down,        as success: it answered
 *                    no strikes
 *     failure        weight function; at 0 down,      if it is the trial that is out: that has failed
 *                    epoch + 1; else perhaps a strike
 *     overloaded     mild step, never to down         the same
 *     down           down, epoch + 1                  the same
 *     neutral,       nothing                          if it is the trial that is out: it is given
 *     cancelled                                       back, and the next request tries
 */
#include "outcome.h"

#include "judged.h"
#include "rcu.h"
#include "review.h"
#include "weight.h"

#include <math.h>

/** All that judging needs, copied out of the read section. */
struct rules {
    struct fo_weight_function weight;
    bool ramps;                   /* the host, when it comes back */
    bool has_strikes;             /* they are counted */
    bool has_trials;              /* that is how it comes back */
    struct fo_weight_input input; /* live_weight is set for each try */
};

static struct rules rules_of(struct fo__core *core, struct fo_endpoint *endpoint)
{
    const struct fo__endpoint_settings *settings;
    struct rules rules;

    fo__rcu_read_lock();
    rules.weight = fo__load_acquire(&core->settings)->weight;
    settings = fo__load_acquire(&endpoint->settings);
    rules.input.max_weight = settings->max_weight > 0 ? settings->max_weight : 1;
    rules.input.min_weight = settings->max_weight > 0 ? settings->min_weight : 0;
    fo__rcu_read_unlock();
    rules.input.endpoint = endpoint;
    rules.ramps = endpoint->host->ramps;
    rules.has_strikes = endpoint->host->strikes != FO_JUDGE_OFF;
    rules.has_trials = endpoint->host->check == NULL;
    return rules;
}

static uint64_t health_of(const struct rules *rules, double live_weight)
{
    return (uint64_t)llround(live_weight / rules->input.max_weight * (double)FO__HEALTH_ONE);
}

/** Compares in units of health: a minimum that is no multiple of the unit is still the minimum. */
static void set_live_weight(struct rules *rules, uint64_t word)
{
    struct fo_weight_input *input = &rules->input;
    uint32_t health = fo__word_health(word);

    input->live_weight = input->min_weight;
    if (health > health_of(rules, input->min_weight))
        input->live_weight = health * (input->max_weight / (double)FO__HEALTH_ONE);
}

/** A minimum of one balancer's does not lift what another balancer, or an older minimum, let fall. */
static uint64_t with_less_health(uint64_t word, uint64_t health)
{
    return health < fo__word_health(word) ? fo__word_with_health(word, health) : word;
}

/* ---- Judging a host that is up ------------------------------------------------------------ */

static uint64_t without_strikes(uint64_t word)
{
    return word & ~FO__STRIKES_MASK;
}

static uint64_t after_success(struct rules *rules, uint64_t word, bool streak_is_long)
{
    uint64_t health;

    if (rules->input.live_weight <= rules->input.min_weight && !streak_is_long)
        return word;
    health = health_of(rules, fo__weight_after_success(&rules->weight, &rules->input));
    if (health == 0)
        return fo__word_down(word, FO_REASON_NO_HEALTH);
    /* The unit that a strike took from a weight function that moves nothing. */
    if (fo__word_health(word) == FO__HEALTH_ONE - 1)
        health = FO__HEALTH_ONE;
    return fo__word_with_health(word, health);
}

static uint64_t after_mild_step(struct rules *rules, uint64_t word)
{
    uint64_t health = health_of(rules, fo__weight_after_mild_step(&rules->weight, &rules->input));

    return health > 0 ? with_less_health(word, health) : word;
}

static uint64_t after_failure(struct rules *rules, uint64_t word, uint32_t strikes_before)
{
    uint64_t health = health_of(rules, fo__weight_after_failure(&rules->weight, &rules->input));
    bool is_strike = rules->has_strikes && (strikes_before == FO__STRIKES_NOW ||
                                            strikes_before == fo__word_strikes(word));

    if (health == 0)
        return fo__word_down(word, FO_REASON_NO_HEALTH);
    word = with_less_health(word, health);
    return is_strike ? fo__word_with_strike(word) : word;
}

static uint64_t judge_up(struct rules *rules, uint64_t word, const struct fo__evidence *evidence,
                         bool streak_is_long)
{
    if (evidence->outcome == FO_OUTCOME_SUCCESS && fo__word_health(word) == FO__HEALTH_ONE)
        return word; /* it ramps */
    set_live_weight(rules, word);
    switch (evidence->outcome) {
    case FO_OUTCOME_SUCCESS: return after_success(rules, without_strikes(word), streak_is_long);
    case FO_OUTCOME_DEGRADED: return after_mild_step(rules, without_strikes(word));
    case FO_OUTCOME_OVERLOADED: return after_mild_step(rules, word);
    case FO_OUTCOME_FAILURE: return after_failure(rules, word, evidence->strikes);
    case FO_OUTCOME_DOWN: return fo__word_down(word, FO_REASON_OUTCOME_DOWN);
    case FO_OUTCOME_NEUTRAL:
    case FO_OUTCOME_CANCELLED: break;
    }
    return word;
}

/* ---- Judging a host that is down ----------------------------------------------------------
 * An ejected one waits for its trial: that its trickle succeeds at times is nothing new. */

/** The word of a host that is back; the same one if the weight function does not want it. */
static uint64_t lifted(struct rules *rules, uint64_t word)
{
    uint64_t health;
    double live;

    rules->input.live_weight = rules->input.min_weight;
    live = fo__weight_after_success(&rules->weight, &rules->input);
    if (!(live > 0))
        return word;
    if (rules->ramps)
        return fo__word_of(fo__word_step(word, 1), FO__HEALTH_ONE, FO__FLAG_RAMP);
    health = health_of(rules, live);
    return fo__word_of(fo__word_step(word, 1), health > 0 ? health : 1, 0);
}

static uint64_t judge_down(struct rules *rules, uint64_t word, const struct fo__evidence *evidence,
                           bool streak_is_long)
{
    bool is_ejected = fo__word_is_ejected(word);
    const uint64_t due = rules->has_trials || is_ejected
                             ? fo__word_still_down(word, FO__FLAG_DUE, FO_REASON_BACKOFF_OVER)
                             : word;
    bool trial_is_out = (word & FO__FLAG_TRIAL) != 0;
    bool ends_trial = trial_is_out && evidence->trial == fo__word_trial(word);

    switch (evidence->outcome) {
    case FO_OUTCOME_SUCCESS:
    case FO_OUTCOME_DEGRADED:
        if (!evidence->has_lease || (is_ejected && !ends_trial))
            return word;
        if (!streak_is_long)
            return trial_is_out && !ends_trial ? word : due;
        return lifted(rules, word);
    case FO_OUTCOME_FAILURE:
    case FO_OUTCOME_OVERLOADED:
    case FO_OUTCOME_DOWN:
        return ends_trial ? fo__word_still_down(word, 0, FO_REASON_TRIAL_FAILED) : word;
    case FO_OUTCOME_NEUTRAL:
    case FO_OUTCOME_CANCELLED: break;
    }
    return ends_trial ? due : word;
}

/* ---- Counting successes at the minimum ---------------------------------------------------- */

static bool is_at_minimum(struct rules *rules, uint64_t word)
{
    set_live_weight(rules, word);
    return rules->input.live_weight <= rules->input.min_weight;
}

/** Whether enough successes came in a row for a host at its minimum to rise. Anything bad begins the
 * row again; a report without a lease does not lengthen the row of a host that is down. */
static bool extend_streak(struct rules *rules, struct fo__host *host, uint64_t word,
                          const struct fo__evidence *evidence)
{
    bool down = (word & FO__FLAG_DOWN) != 0;

    if (rules->weight.recover_threshold <= 1)
        return true;
    switch (evidence->outcome) {
    case FO_OUTCOME_NEUTRAL:
    case FO_OUTCOME_CANCELLED: return false;
    case FO_OUTCOME_DEGRADED:
        if (down && evidence->has_lease)
            break;
        fo__store_relaxed(&host->streak, 0);
        return false;
    case FO_OUTCOME_SUCCESS:
        if ((down && evidence->has_lease) || (!down && is_at_minimum(rules, word)))
            break;
        return false;
    case FO_OUTCOME_FAILURE:
    case FO_OUTCOME_OVERLOADED:
    case FO_OUTCOME_DOWN: fo__store_relaxed(&host->streak, 0); return false;
    }
    return fo__add_relaxed(&host->streak, 1) + 1 >= rules->weight.recover_threshold;
}

/** An outcome of another epoch, which tells nothing: nor shall windows have it. */
static void count_late(struct fo__host *host, fo_outcome outcome)
{
    if (host->judged == NULL)
        return;
    fo__add_relaxed(&host->judged->late, 1);
    if (fo__outcome_is_failed(outcome))
        fo__add_relaxed(&host->judged->late_failed, 1);
}

/* ---- Applying ---------------------------------------------------------------------------- */

static bool is_transition(uint64_t before, uint64_t after)
{
    const uint64_t told = FO__FLAGS_MASK & ~FO__FLAG_RAMP;

    return ((before | after) & told) != 0;
}

static bool calls_judge(const struct fo__host *host, uint64_t before, uint64_t after)
{
    return fo__word_strikes(after) >= host->strikes &&
           fo__word_strikes(after) != fo__word_strikes(before);
}

/** Counts a change that other balancers' sums, or another snapshot's, have not seen. */
static void count_change(struct fo__core *core)
{
    fo__add_release(core->group_changes, 1);
    if (core->tick_call != NULL)
        fo__tick_call(core->tick_call);
}

/** Weights are told on request only. */
static void call_for_weighing(struct fo__core *core, struct fo__host *host)
{
    if (fo__load_relaxed(core->weight_listeners) != 0 &&
        fo__exchange_acq_rel(&host->weighing_called, 1) == 0)
        fo__queue_push(host->queue, &host->node);
}

/** One CAS and what must follow it in the same read section. */
static bool swap_word(struct fo__core *core, struct fo_endpoint *endpoint, uint64_t before,
                      uint64_t after)
{
    struct fo__host *host = endpoint->host;
    struct fo__snapshot *snapshot;
    uint32_t slot;

    if (!fo__cas_acq_rel(host->word, &before, after))
        return false;
    snapshot = fo__load_acquire(&core->snapshot);
    slot = fo__snapshot_slot(snapshot, endpoint->id);
    if (slot != FO__NO_SLOT && fo__word_health(before) != fo__word_health(after)) {
        fo__snapshot_mend(snapshot, slot);
        fo__review(core, snapshot);
    }
    if (slot == FO__NO_SLOT || core->group_is_shared)
        count_change(core);
    /* An endpoint that is leaving has no slot, but a new incarnation on the same host may: then a
     * pick that would be refused, or else the dispatcher, mends that. */
    if (slot == FO__NO_SLOT || is_transition(before, after) || calls_judge(host, before, after))
        fo__queue_push(host->queue, &host->node);
    if (fo__word_health(before) != fo__word_health(after))
        call_for_weighing(core, host);
    return true;
}

bool fo__outcome_change_word(struct fo__core *core, struct fo_endpoint *endpoint, uint64_t before,
                             uint64_t after)
{
    bool changed;

    fo__rcu_read_lock();
    changed = swap_word(core, endpoint, before, after);
    fo__rcu_read_unlock();
    return changed;
}

bool fo__outcome_heal(struct fo__core *core, struct fo_endpoint *endpoint,
                      _Atomic uint64_t *host_word, uint32_t epoch)
{
    uint32_t units = fo__load_acquire(&core->settings)->success_units;
    uint32_t floor_max = fo__load_acquire(&core->snapshot)->floor_max;

    for (;;) {
        uint64_t before = fo__load_acquire(host_word);
        uint64_t health = fo__word_health(before);
        uint64_t after;

        if (fo__word_epoch(before) != epoch) {
            count_late(endpoint->host, FO_OUTCOME_SUCCESS);
            return true;
        }
        if (health == FO__HEALTH_ONE)
            return true; /* nothing to add */
        if ((before & FO__FLAG_DOWN) != 0 || health <= floor_max || units == FO__CUSTOM_UNITS)
            return false;
        health = health + units < FO__HEALTH_ONE ? health + units : FO__HEALTH_ONE;
        after = fo__word_with_health(without_strikes(before), health);
        if (after == before || swap_word(core, endpoint, before, after))
            return true;
    }
}

void fo__outcome_apply(struct fo__core *core, struct fo_endpoint *endpoint,
                       const struct fo__evidence *evidence)
{
    struct rules rules = rules_of(core, endpoint);
    struct fo__host *host = endpoint->host;
    uint64_t before = fo__load_acquire(host->word);
    bool streak_is_long;
    uint64_t after;

    if (fo__word_epoch(before) != evidence->epoch) {
        count_late(host, evidence->outcome);
        return;
    }
    streak_is_long = extend_streak(&rules, host, before, evidence);
    do {
        before = fo__load_acquire(host->word);
        if (fo__word_epoch(before) != evidence->epoch) {
            count_late(host, evidence->outcome); /* from before the host's last transition */
            return;
        }
        after = (before & FO__FLAG_DOWN) != 0 ? judge_down(&rules, before, evidence, streak_is_long)
                                              : judge_up(&rules, before, evidence, streak_is_long);
    } while (after != before && !fo__outcome_change_word(core, endpoint, before, after));
    if (after != before && streak_is_long && rules.weight.recover_threshold > 1)
        fo__store_relaxed(&host->streak, 0); /* it rose: the next minimum needs a row of its own */
}

/* ---- Checks ------------------------------------------------------------------------------ */

bool fo__outcome_fell(struct fo__core *core, struct fo_endpoint *endpoint, uint32_t epoch,
                      fo_reason reason)
{
    uint64_t before;

    do {
        before = fo__load_acquire(endpoint->host->word);
        if (fo__word_epoch(before) != epoch || fo__word_is_down(before))
            return false;
    } while (!fo__outcome_change_word(core, endpoint, before, fo__word_down(before, reason)));
    fo__store_relaxed(&endpoint->host->streak, 0);
    return true;
}

bool fo__outcome_lift(struct fo__core *core, struct fo_endpoint *endpoint, uint32_t epoch)
{
    struct rules rules = rules_of(core, endpoint);
    uint64_t before;
    uint64_t after;

    do {
        before = fo__load_acquire(endpoint->host->word);
        if (fo__word_epoch(before) != epoch || (before & FO__FLAG_DOWN) == 0)
            return false;
        after = lifted(&rules, before);
        if (after == before)
            return false;
    } while (!fo__outcome_change_word(core, endpoint, before, after));
    fo__store_relaxed(&endpoint->host->streak, 0);
    return true;
}
