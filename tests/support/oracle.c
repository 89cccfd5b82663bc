/* SPDX-License-Identifier: Apache-2.0 */
#include "oracle.h"

#include <math.h>
#include <string.h>

#define ONE (INT64_C(1) << 31)
#define WEIGHT 100.0
#define EPOCHS (UINT32_C(1) << 18)

static void offend(struct oracle *oracle, size_t host, const char *offence)
{
    if (oracle->offence != NULL)
        return;
    oracle->offence = offence;
    oracle->offender = host;
}

static bool is_up(const struct oracle_host *host)
{
    return host->state == FO_STATE_UP;
}

struct oracle oracle_of(const struct oracle_rules *rules, uint64_t now_ms)
{
    struct oracle oracle = {.rules = *rules, .now_ms = now_ms, .began_ms = now_ms};

    oracle.roll_ms = now_ms + rules->judge.window_ms / ORACLE_BUCKETS;
    return oracle;
}

/* ---- Transitions --------------------------------------------------------------------------- */

static void begin_epoch(struct oracle_host *host)
{
    host->epoch = (host->epoch + 1) % EPOCHS;
    host->strikes = 0;
    host->trials_failed = 0;
    host->trial_is_out = false;
    memset(host->finished, 0, sizeof(host->finished));
    memset(host->failed, 0, sizeof(host->failed));
}

static void take_out(struct oracle *oracle, struct oracle_host *host, fo_state state)
{
    begin_epoch(host);
    host->state = state;
    host->is_ejected = state == FO_STATE_EJECTED;
    host->is_recalled = false;
    host->health = 0;
    host->ramp_ms = UINT64_MAX;
    host->wait_ms = oracle->now_ms;
}

static void lift(struct oracle *oracle, struct oracle_host *host)
{
    if (host->is_ejected) {
        host->ejections += host->trials_failed;
        host->returned_ms = oracle->now_ms;
    }
    begin_epoch(host);
    host->state = FO_STATE_UP;
    host->is_ejected = false;
    host->health = ONE;
    host->ramp_ms = oracle->now_ms;
}

static void fail_trial(struct oracle *oracle, struct oracle_host *host)
{
    host->state = host->is_ejected ? FO_STATE_EJECTED : FO_STATE_DOWN;
    host->trial_is_out = false;
    host->trials_failed++;
    host->wait_ms = oracle->now_ms;
}

/* ---- The judge ------------------------------------------------------------------------------ */

struct census {
    uint32_t endpoints, up, ejected, recalled;
    struct oracle_host *oldest;
};

static bool is_older(const struct oracle_host *a, const struct oracle_host *b)
{
    return a->ejected_ms != b->ejected_ms ? a->ejected_ms < b->ejected_ms : a->joined < b->joined;
}

static struct census count(struct oracle *oracle)
{
    struct census census = {0};

    for (size_t i = 0; i < ORACLE_HOSTS; i++) {
        struct oracle_host *host = &oracle->host[i];

        if (!host->is_member)
            continue;
        census.endpoints++;
        census.up += is_up(host) ? 1 : 0;
        census.recalled += host->is_ejected && host->is_recalled ? 1 : 0;
        if (!host->is_ejected || host->is_recalled)
            continue;
        census.ejected++;
        if (census.oldest == NULL || is_older(host, census.oldest))
            census.oldest = host;
    }
    return census;
}

static uint32_t allowed(const struct oracle *oracle, const struct census *census)
{
    uint32_t share = census->endpoints * oracle->rules.judge.share_percent / 100;

    return share > 0 ? share : 1;
}

static void eject(struct oracle *oracle, struct oracle_host *host)
{
    struct census census = count(oracle);
    uint64_t healed = (oracle->now_ms - host->returned_ms) / oracle->rules.judge.ejection_ms;

    if (census.up < 2 || census.ejected + census.recalled >= allowed(oracle, &census))
        return;
    take_out(oracle, host, FO_STATE_EJECTED);
    host->ejected_ms = oracle->now_ms;
    host->ejections = (healed < host->ejections ? host->ejections - (uint32_t)healed : 0) + 1;
}

static void recall(struct oracle *oracle)
{
    for (;;) {
        struct census census = count(oracle);

        if (census.ejected <= allowed(oracle, &census) &&
            !(census.up == 0 && census.recalled == 0 && census.ejected > 0))
            return;
        census.oldest->is_recalled = true;
        if (census.oldest->state == FO_STATE_EJECTED)
            census.oldest->state = FO_STATE_TRIAL;
    }
}

static bool is_guilty(const struct oracle *oracle, const struct oracle_host *host)
{
    uint64_t finished = 0, failed = 0;

    for (int i = 0; i < ORACLE_BUCKETS; i++) {
        finished += host->finished[i];
        failed += host->failed[i];
    }
    return host->is_member && is_up(host) && finished > 0 &&
           finished >= oracle->rules.judge.window_requests &&
           failed * 100 >= finished * oracle->rules.judge.failure_percent;
}

/** Who joined last is judged first. */
static void judge_windows(struct oracle *oracle)
{
    for (uint32_t joined = oracle->joined; joined > 0; joined--)
        for (size_t i = 0; i < ORACLE_HOSTS; i++)
            if (oracle->host[i].joined == joined && is_guilty(oracle, &oracle->host[i]))
                eject(oracle, &oracle->host[i]);
}

static void roll(struct oracle_host *host)
{
    memmove(&host->finished[1], &host->finished[0], sizeof(host->finished) - sizeof(uint64_t));
    memmove(&host->failed[1], &host->failed[0], sizeof(host->failed) - sizeof(uint64_t));
    host->finished[0] = host->failed[0] = 0;
}

/* ---- Membership ---------------------------------------------------------------------------- */

void oracle_add(struct oracle *oracle, size_t at)
{
    struct oracle_host *host = &oracle->host[at];
    bool joins_others = count(oracle).endpoints > 0 &&
                        oracle->now_ms - oracle->began_ms >= oracle->rules.trial.ramp_ms;

    memset(host, 0, sizeof(*host));
    host->is_member = true;
    host->joined = ++oracle->joined;
    host->health = ONE;
    host->state = FO_STATE_UP;
    host->ramp_ms = joins_others ? oracle->now_ms : UINT64_MAX;
    recall(oracle);
}

void oracle_remove(struct oracle *oracle, size_t at)
{
    oracle->host[at] = (struct oracle_host){.is_member = false};
    recall(oracle);
}

/* ---- Requests ------------------------------------------------------------------------------ */

struct oracle_lease oracle_pick(struct oracle *oracle, size_t at)
{
    struct oracle_lease lease = {.host = at};
    struct oracle_host *host;
    bool any_up = false, any_due = false;

    for (size_t i = 0; i < ORACLE_HOSTS; i++) {
        host = &oracle->host[i];
        any_up = any_up || (host->is_member && is_up(host));
        any_due =
            any_due || (host->is_member && host->state == FO_STATE_TRIAL && !host->trial_is_out);
    }
    if (at == ORACLE_HOSTS) {
        if (any_up || any_due)
            offend(oracle, at, "refused, though there was somebody");
        return lease;
    }
    host = &oracle->host[at];
    lease.epoch = host->epoch;
    lease.strikes = host->strikes;
    if (is_up(host)) {
        if (any_due)
            offend(oracle, at, "picked, though a trial was on offer");
    } else if (host->state != FO_STATE_TRIAL || host->trial_is_out) {
        offend(oracle, at, "picked, though it was out");
    } else {
        host->trial_is_out = true;
        host->trial_ms = oracle->now_ms;
        lease.trial = ++host->trial;
    }
    return lease;
}

/** Live weight to health, rounded to units as the manual says that it is stored. */
static int64_t units(double live)
{
    return llround(fmin(fmax(live, 0), WEIGHT) / WEIGHT * (double)ONE);
}

static void finish_up(struct oracle *oracle, struct oracle_host *host,
                      const struct oracle_lease *lease, fo_outcome outcome)
{
    const struct fo_weight_function *weight = &oracle->rules.weight;
    double live = (double)host->health * (WEIGHT / (double)ONE);
    double step = weight->failure_step * WEIGHT;
    int64_t mild;

    switch (outcome) {
    case FO_OUTCOME_SUCCESS:
        host->strikes = 0;
        host->health += llround(weight->success_step * (double)ONE);
        host->health = host->health < ONE ? host->health : ONE;
        break;
    case FO_OUTCOME_DEGRADED:
    case FO_OUTCOME_OVERLOADED:
        host->strikes = outcome == FO_OUTCOME_DEGRADED ? 0 : host->strikes;
        live -= (live - fmax(live - step, 0)) * weight->mild_step;
        mild = units(fmax(live, 0.01 * WEIGHT));
        host->health = mild < host->health ? mild : host->health;
        break;
    case FO_OUTCOME_FAILURE:
        host->health = units(live - step);
        if (host->health == 0) {
            take_out(oracle, host, FO_STATE_DOWN);
        } else if ((lease == NULL || lease->strikes == host->strikes) &&
                   host->strikes < FO_STRIKES_MAX) {
            host->strikes++;
            if (host->strikes >= oracle->rules.judge.strikes)
                eject(oracle, host);
        }
        break;
    case FO_OUTCOME_DOWN: take_out(oracle, host, FO_STATE_DOWN); break;
    case FO_OUTCOME_NEUTRAL:
    case FO_OUTCOME_CANCELLED: break;
    }
}

static void finish_down(struct oracle *oracle, struct oracle_host *host,
                        const struct oracle_lease *lease, fo_outcome outcome)
{
    bool ends_trial =
        lease != NULL && host->trial_is_out && lease->trial != 0 && lease->trial == host->trial;

    switch (outcome) {
    case FO_OUTCOME_SUCCESS:
    case FO_OUTCOME_DEGRADED:
        if (lease != NULL && (ends_trial || !host->is_ejected))
            lift(oracle, host);
        break;
    case FO_OUTCOME_FAILURE:
    case FO_OUTCOME_OVERLOADED:
    case FO_OUTCOME_DOWN:
        if (ends_trial)
            fail_trial(oracle, host);
        break;
    case FO_OUTCOME_NEUTRAL:
    case FO_OUTCOME_CANCELLED:
        if (ends_trial)
            host->trial_is_out = false;
        break;
    }
}

void oracle_finish(struct oracle *oracle, size_t at, const struct oracle_lease *lease,
                   fo_outcome outcome)
{
    struct oracle_host *host = &oracle->host[at];
    uint32_t epoch = host->epoch;

    if (lease != NULL && lease->epoch != host->epoch)
        return;
    if (is_up(host))
        finish_up(oracle, host, lease, outcome);
    else
        finish_down(oracle, host, lease, outcome);
    if (host->epoch == epoch) { /* what made a transition belongs to neither side of it */
        host->finished[0]++;
        host->failed[0] += outcome == FO_OUTCOME_FAILURE || outcome == FO_OUTCOME_DOWN ? 1 : 0;
    }
    recall(oracle);
}

/* ---- Time ---------------------------------------------------------------------------------- */

/** The shortest and the longest wait for a trial. */
static void bounds(const struct oracle *oracle, const struct oracle_host *host, uint64_t *least,
                   uint64_t *most)
{
    const struct fo_trial_config *trial = &oracle->rules.trial;
    const struct fo_judge_config *judge = &oracle->rules.judge;
    uint64_t ms = trial->backoff_ms;

    if (host->is_ejected && !host->is_recalled) {
        ms = (uint64_t)judge->ejection_ms * (host->ejections + host->trials_failed);
        *least = ms < judge->ejection_max_ms ? ms : judge->ejection_max_ms;
        *most = *least / 5 * 6 + 2;
        return;
    }
    for (uint32_t i = 0; i < host->trials_failed && ms < trial->backoff_max_ms; i++)
        ms *= 2;
    ms = ms < trial->backoff_max_ms ? ms : trial->backoff_max_ms;
    *least = ms / 5 * 4;
    *most = ms / 5 * 6 + 2;
}

static void follow_time(struct oracle *oracle, size_t at, const struct fo_endpoint_info *info)
{
    struct oracle_host *host = &oracle->host[at];
    uint64_t waited = oracle->now_ms - host->wait_ms;
    uint64_t out = oracle->now_ms - host->trial_ms;
    uint64_t least, most;

    if (is_up(host))
        return;
    bounds(oracle, host, &least, &most);
    if (host->state != FO_STATE_TRIAL) {
        if (info->state == FO_STATE_TRIAL && waited < least)
            offend(oracle, at, "tried too soon");
        if (info->state != FO_STATE_TRIAL && waited > most)
            offend(oracle, at, "not tried in time");
        host->state = info->state == FO_STATE_TRIAL ? FO_STATE_TRIAL : host->state;
    } else if (host->trial_is_out) {
        if (info->state != FO_STATE_TRIAL && out < oracle->rules.trial.timeout_ms)
            offend(oracle, at, "its trial was given up too soon");
        if (info->state == FO_STATE_TRIAL && out > 2 * (uint64_t)oracle->rules.trial.timeout_ms + 2)
            offend(oracle, at, "its trial was never given up");
        if (info->state != FO_STATE_TRIAL)
            fail_trial(oracle, host);
    }
}

void oracle_tick(struct oracle *oracle, uint64_t now_ms, const struct fo_endpoint_info *infos)
{
    oracle->now_ms = now_ms;
    if (now_ms >= oracle->roll_ms) {
        judge_windows(oracle);
        for (size_t i = 0; i < ORACLE_HOSTS; i++)
            roll(&oracle->host[i]);
        oracle->roll_ms += oracle->rules.judge.window_ms / ORACLE_BUCKETS;
        recall(oracle);
    }
    for (size_t i = 0; i < ORACLE_HOSTS; i++)
        if (oracle->host[i].is_member)
            follow_time(oracle, i, &infos[i]);
}

/* ---- Comparing ----------------------------------------------------------------------------- */

static void compare_ramp(struct oracle *oracle, size_t at, double ramp)
{
    const struct oracle_host *host = &oracle->host[at];
    double ramp_ms = oracle->rules.trial.ramp_ms;
    double ms = (double)(oracle->now_ms - host->ramp_ms);

    if (host->ramp_ms == UINT64_MAX || ms >= ramp_ms + 1) {
        if (ramp != 1)
            offend(oracle, at, "it ramps");
        return;
    }
    /* A step behind at most, which is a 64th or 10 ms. */
    if (ramp > 0.05 + 0.95 * ms / (0.8 * ramp_ms) + 1e-6 && ramp > 0.05 + 1e-6)
        offend(oracle, at, "its ramp is too steep");
    if (ramp < 0.05 + 0.95 * ((ms - 11) / ramp_ms - 1.0 / 60) - 1e-6)
        offend(oracle, at, "its ramp is too slow");
}

void oracle_compare(struct oracle *oracle, const struct fo_endpoint_info *infos)
{
    for (size_t i = 0; i < ORACLE_HOSTS; i++) {
        const struct oracle_host *host = &oracle->host[i];

        if (!host->is_member)
            continue;
        if (infos[i].state != host->state)
            offend(oracle, i, "state");
        if (infos[i].epoch != host->epoch)
            offend(oracle, i, "epoch");
        if (infos[i].health != (double)host->health / (double)ONE)
            offend(oracle, i, "health");
        if (infos[i].strikes != host->strikes)
            offend(oracle, i, "strikes");
        if (infos[i].ejections != host->ejections)
            offend(oracle, i, "ejections");
        compare_ramp(oracle, i, infos[i].ramp);
    }
}
