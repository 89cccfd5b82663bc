/* SPDX-License-Identifier: Apache-2.0 */
#include "judge.h"

#include "judge_config.h"
#include "judged.h"
#include "members.h"
#include "outcome.h"
#include "rcu.h"
#include "rng.h"
#include "trial.h"
#include "watch.h"

#include <stdlib.h>

/* ---- Life ---------------------------------------------------------------------------------- */

static bool is_wanted(const struct fo_judge_config *judge)
{
    return judge->strikes != FO_JUDGE_OFF || fo__judge_config_has_windows(judge) ||
           fo__judge_config_has_stalls(judge);
}

bool fo__judge_admit(struct fo__host *host)
{
    struct fo_group *group = host->group;

    if (!is_wanted(&group->judge))
        return true;
    host->judged = calloc(1, sizeof(*host->judged));
    if (host->judged == NULL)
        return false;
    host->judged->host = host;
    host->judged->epoch = FO__EPOCH_NONE;
    host->judged->next = group->judged;
    if (group->judged != NULL)
        group->judged->previous = host->judged;
    group->judged = host->judged;
    return true;
}

static void unlink_judged(struct fo_group *group, struct fo__judged *judged)
{
    if (judged->previous != NULL)
        judged->previous->next = judged->next;
    else
        group->judged = judged->next;
    if (judged->next != NULL)
        judged->next->previous = judged->previous;
}

void fo__judge_dismiss(struct fo__host *host)
{
    struct fo_group *group = host->group;

    if (host->judged == NULL)
        return;
    if (host->judged->is_ejected)
        group->ejected--;
    pthread_mutex_lock(&group->lock);
    unlink_judged(group, host->judged);
    if (group->judged == NULL)
        fo__timer_cancel(&group->runtime->timers, &group->watch_timer);
    pthread_mutex_unlock(&group->lock);
    free(host->judged);
}

/* ---- Counting ------------------------------------------------------------------------------ */

/** What a level is made of: endpoints that are to take traffic. */
struct census {
    uint32_t endpoints;
    uint32_t up;             /* and not suspect */
    uint32_t ejected;        /* and not recalled */
    uint32_t recalled;       /* told to come back, and not up yet */
    struct fo__host *oldest; /* of those ejected */
};

static void count(struct census *census, struct fo__host *host)
{
    uint64_t word = fo__load_acquire(host->word);

    census->endpoints++;
    if ((word & FO__FLAG_DOWN) == 0) {
        census->up += fo__host_is_suspect(host) ? 0 : 1;
    } else if (fo__word_is_ejected(word)) {
        census->recalled += host->judged->is_recalled ? 1 : 0;
        census->ejected += host->judged->is_recalled ? 0 : 1;
        if (!host->judged->is_recalled &&
            (census->oldest == NULL ||
             host->judged->ejected_ns < census->oldest->judged->ejected_ns))
            census->oldest = host;
    }
}

/** In a read section; hosts of slots live until the dispatcher frees them. */
static struct census census_of(const struct fo__snapshot *snapshot, uint32_t level)
{
    struct census census = {0};

    for (uint32_t i = 0; i < snapshot->tier_count; i++) {
        const struct fo__tier *tier = &snapshot->tier[i];

        for (uint32_t slot = tier->first; tier->level == level && slot < tier->first + tier->n;
             slot++)
            if (fo__slot_units(snapshot, slot) > 0)
                count(&census, snapshot->slot[slot].endpoint->host);
    }
    return census;
}

static uint32_t allowed(const struct fo_group *group, const struct census *census)
{
    uint64_t share = (uint64_t)census->endpoints * group->judge.share_percent / 100;

    return share > 0 ? (uint32_t)share : 1;
}

/* ---- Ejecting ------------------------------------------------------------------------------ */

/** Whether the endpoint's level can spare it. */
static bool level_allows(struct fo_endpoint *endpoint, bool *is_member)
{
    const struct fo__snapshot *snapshot;
    struct census census = {0};
    uint32_t slot;

    fo__rcu_read_lock();
    snapshot = fo__load_acquire(&endpoint->core->snapshot);
    slot = fo__snapshot_slot(snapshot, endpoint->id);
    *is_member = slot != FO__NO_SLOT && fo__slot_units(snapshot, slot) > 0;
    if (*is_member)
        census = census_of(snapshot, fo__slot_tier(snapshot, slot)->level);
    fo__rcu_read_unlock();
    if (!*is_member)
        return true;
    /* The host itself is one of those that are up, or it is suspect and all the more dispensable. */
    if (census.up < (fo__host_is_suspect(endpoint->host) ? 1 : 2))
        return false;
    return census.ejected + census.recalled < allowed(endpoint->host->group, &census);
}

/** Whether every level that the host is in can spare it; a member to eject it by, which lives until the
 * dispatcher frees it; NULL: it may not be ejected. */
static struct fo_endpoint *dispensable(struct fo__host *host)
{
    struct fo_endpoint *found = NULL;
    bool allows = true;

    pthread_mutex_lock(&host->group->lock);
    for (struct fo_endpoint *at = host->endpoints; at != NULL && allows; at = at->host_next) {
        bool is_member;

        allows = level_allows(at, &is_member);
        if (is_member)
            found = at;
    }
    pthread_mutex_unlock(&host->group->lock);
    return allows ? found : NULL;
}

/** Ejections in short order; every ejection_ms without one has taken one off. */
static uint32_t ejections_now(const struct fo__host *host, uint64_t now_ns)
{
    uint64_t healed =
        (now_ns - host->judged->returned_ns) / (host->group->judge.ejection_ms * FO__NS_PER_MS);
    uint32_t ejections = fo__load_relaxed(&host->judged->ejections);

    return healed < ejections ? ejections - (uint32_t)healed : 0;
}

static void hear_of_ejection(struct fo__host *host, uint64_t now_ns)
{
    host->judged->is_ejected = true;
    host->judged->is_recalled = false;
    host->judged->ejected_ns = now_ns;
    host->group->ejected++;
    fo__store_relaxed(&host->judged->ejections, ejections_now(host, now_ns) + 1);
}

static bool has_strikes(const struct fo__host *host, uint64_t word)
{
    return (word & FO__FLAG_DOWN) == 0 && fo__word_strikes(word) >= host->strikes;
}

/** Whether what was held against the host of that epoch still holds. */
static bool is_guilty(const struct fo__host *host, uint64_t word, uint32_t epoch, fo_reason reason)
{
    return fo__word_epoch(word) == epoch && (word & FO__FLAG_DOWN) == 0 &&
           (reason != FO_REASON_EJECTED_FAILURES || has_strikes(host, word));
}

void fo__judge_eject(struct fo__host *host, uint32_t epoch, fo_reason reason, uint64_t now_ns)
{
    struct fo_endpoint *endpoint = dispensable(host);
    uint64_t word = fo__load_acquire(host->word);

    if (endpoint == NULL) {
        fo__store_relaxed(&host->judged->ejections_refused,
                          fo__load_relaxed(&host->judged->ejections_refused) + 1);
        return;
    }
    while (is_guilty(host, word, epoch, reason)) {
        if (fo__outcome_change_word(endpoint->core, endpoint, word,
                                    fo__word_ejected(word, reason))) {
            hear_of_ejection(host, now_ns);
            return;
        }
        word = fo__load_acquire(host->word);
    }
}

/* ---- Recalling ----------------------------------------------------------------------------- */

static bool has_too_many(const struct fo_group *group, const struct census *census)
{
    return census->ejected > allowed(group, census) ||
           (census->up == 0 && census->recalled == 0 && census->ejected > 0);
}

static void review_level(struct fo_runtime *runtime, const struct fo_group *group,
                         const struct fo__snapshot *snapshot, uint32_t level, uint64_t now_ns)
{
    struct census census = census_of(snapshot, level);

    while (has_too_many(group, &census)) {
        census.oldest->judged->is_recalled = true;
        fo__trial_hasten(runtime, census.oldest, now_ns);
        census = census_of(snapshot, level);
    }
}

/** Whether an earlier tier is of the same level: it has been reviewed with that. */
static bool is_repeated(const struct fo__snapshot *snapshot, uint32_t tier)
{
    for (uint32_t i = 0; i < tier; i++)
        if (snapshot->tier[i].level == snapshot->tier[tier].level)
            return true;
    return false;
}

void fo__judge_review(struct fo_runtime *runtime, struct fo_balancer *balancer, uint64_t now_ns)
{
    const struct fo__snapshot *snapshot;

    if (balancer->group->ejected == 0)
        return;
    fo__rcu_read_lock();
    snapshot = fo__load_acquire(&balancer->core.snapshot);
    for (uint32_t i = 0; i < snapshot->tier_count && snapshot->count > 0; i++)
        if (!is_repeated(snapshot, i))
            review_level(runtime, balancer->group, snapshot, snapshot->tier[i].level, now_ns);
    fo__rcu_read_unlock();
}

void fo__judge_publication(struct fo_runtime *runtime, struct fo_balancer *balancer,
                           uint64_t now_ns)
{
    uint32_t publications = fo__load_acquire(&balancer->publications);

    if (publications == balancer->judged_publications)
        return;
    balancer->judged_publications = publications;
    fo__judge_review(runtime, balancer, now_ns);
}

/* ---- Following ----------------------------------------------------------------------------- */

uint64_t fo__judge_wait_ns(struct fo__host *host)
{
    const struct fo_judge_config *judge = &host->group->judge;
    uint64_t times = (uint64_t)fo__load_relaxed(&host->judged->ejections) +
                     fo__load_relaxed(&host->trials_failed);
    uint64_t ms = judge->ejection_ms * times;
    uint64_t ns;

    if (ms > judge->ejection_max_ms)
        ms = judge->ejection_max_ms;
    ns = ms * FO__NS_PER_MS;
    return ns + fo__rng_below(&host->group->rng, ns / 5 + 1);
}

static void end_ejection(struct fo__host *host)
{
    if (host->judged->is_ejected)
        host->group->ejected--;
    host->judged->is_ejected = false;
}

static void hear_of_return(struct fo__host *host, uint64_t now_ns)
{
    end_ejection(host);
    fo__store_relaxed(&host->judged->ejections, fo__load_relaxed(&host->judged->ejections) +
                                                    fo__load_relaxed(&host->trials_failed));
    host->judged->returned_ns = now_ns;
}

static void review_all(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns)
{
    pthread_mutex_lock(&host->group->lock);
    for (struct fo_endpoint *at = host->endpoints; at != NULL; at = at->host_next)
        fo__judge_review(runtime, fo__balancer_of(at->core), now_ns);
    pthread_mutex_unlock(&host->group->lock);
}

void fo__judge_follow(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns)
{
    uint64_t word = fo__load_acquire(host->word);

    if (host->judged == NULL)
        return;
    fo__watch_follow(runtime, host, now_ns);
    if (host->judged->is_ejected && !fo__word_is_ejected(word))
        hear_of_return(host, now_ns);
    if (has_strikes(host, word))
        fo__judge_eject(host, fo__word_epoch(word), FO_REASON_EJECTED_FAILURES, now_ns);
    else if (fo__word_is_down(word))
        review_all(runtime, host, now_ns); /* it went down by itself, and others may be the last */
}
