/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include "core.h"
#include "judge.h"
#include "judge_config.h"
#include "judged.h"
#include "ramp.h"
#include "rcu.h"
#include "rng.h"
#include "weighing.h"

#include <math.h>

#define LOOK_NS (25 * FO__NS_PER_MS)
#define LOOK_IDLE_NS (1000 * FO__NS_PER_MS)
#define CELLS_PER_LOOK 16384u
#define OUTLIER_HOSTS 5u

/* What a suspect gets of its share, in units of 2^-31: while its open requests are enough to tell whether
 * it lives again, and while they are not. */
#define TRICKLE_NONE UINT64_C(1)
#define TRICKLE (FO__HEALTH_ONE / 100)

/* ---- Counts -------------------------------------------------------------------------------- */

struct totals {
    struct fo__counts counts;
    uint64_t members;
    uint64_t cells; /* that were visited */
};

/** In a read section, group lock held. */
static void add_member(struct totals *totals, struct fo_endpoint *endpoint)
{
    struct fo__row_set *rows = &endpoint->core->rows;
    const struct fo__snapshot *snapshot = fo__load_acquire(&endpoint->core->snapshot);
    struct fo__counts counts;

    if (fo__snapshot_slot(snapshot, endpoint->id) == FO__NO_SLOT)
        return;
    counts = fo__endpoint_counts(endpoint, rows);
    totals->counts.started += counts.started;
    totals->counts.finished += counts.finished;
    totals->counts.failed += counts.failed;
    totals->members += fo__rng_mix(endpoint->id + rows->balancer_id);
    totals->cells += 1 + fo__row_set_length(rows);
}

static struct totals totals_of(struct fo__host *host)
{
    struct totals totals = {{0, 0, 0}, 0, 0};

    pthread_mutex_lock(&host->group->lock);
    fo__rcu_read_lock();
    for (struct fo_endpoint *at = host->endpoints; at != NULL; at = at->host_next)
        add_member(&totals, at);
    fo__rcu_read_unlock();
    pthread_mutex_unlock(&host->group->lock);
    return totals;
}

/* ---- One host ------------------------------------------------------------------------------ */

/** What is new since the last look, into the window. A finish counts as late before it counts as finished,
 * so the difference may fall behind for a moment. */
static void fill_window(struct fo__judged *judged, const struct totals *totals)
{
    uint64_t finished = totals->counts.finished - fo__load_relaxed(&judged->late);
    uint64_t failed = totals->counts.failed - fo__load_relaxed(&judged->late_failed);
    int64_t more = (int64_t)(finished - judged->finished);
    int64_t more_failed = (int64_t)(failed - judged->failed);
    struct fo__window_counts counts = {0, 0, 0, 0};

    if (more <= 0)
        return;
    counts.finished = (uint64_t)more;
    counts.failed = (uint64_t)(more_failed < 0 ? 0 : more_failed < more ? more_failed : more);
    fo__window_add(&judged->window, &counts);
    judged->finished = finished;
    judged->failed += counts.failed;
}

/** Likewise of answers. One that is counted between the two loads adds its time to the next look. */
static void fill_latency(struct fo__judged *judged)
{
    struct fo__window_counts counts = {0, 0, 0, 0};
    uint64_t answers = fo__load_relaxed(&judged->answers);
    uint64_t answers_ns = fo__load_relaxed(&judged->answers_ns);

    counts.answers = answers - judged->answers_seen;
    counts.answers_ns = answers_ns - judged->answers_ns_seen;
    fo__window_add(&judged->window, &counts);
    judged->answers_seen = answers;
    judged->answers_ns_seen = answers_ns;
}

static void rebase(struct fo__judged *judged, const struct totals *totals)
{
    judged->finished = totals->counts.finished - fo__load_relaxed(&judged->late);
    judged->failed = totals->counts.failed - fo__load_relaxed(&judged->late_failed);
    judged->answers_seen = fo__load_relaxed(&judged->answers);
    judged->answers_ns_seen = fo__load_relaxed(&judged->answers_ns);
    judged->members = totals->members;
}

static void begin_epoch(struct fo__judged *judged, uint32_t epoch)
{
    judged->epoch = epoch;
    judged->window = (struct fo__window){.at = 0};
    fo__store_relaxed(&judged->is_suspect, false);
}

static void follow_stall(struct fo_runtime *runtime, struct fo__judged *judged, uint64_t word,
                         const struct fo__stall_look *look)
{
    struct fo__host *host = judged->host;
    uint64_t limit_ns = host->group->judge.stall_ms * FO__NS_PER_MS;
    bool hangs = fo__stall_look_at(&judged->stall, look, limit_ns);
    bool was_suspect = fo__load_relaxed(&judged->is_suspect);

    fo__store_relaxed(&judged->is_suspect, hangs);
    if (hangs) {
        fo__ramp_hold(host, word,
                      fo__stall_open(&judged->stall) >= FO__STALL_OPEN ? TRICKLE_NONE : TRICKLE);
        fo__weighing_call(runtime, host, look->now_ns);
    } else if (was_suspect) {
        fo__ramp_due(runtime, host, word, look->now_ns);
    }
}

/** Begins anew if the host has made a transition, or has other endpoints than before. */
static bool begins_anew(struct fo__judged *judged, const struct totals *totals, uint64_t word,
                        const struct fo__stall_look *look)
{
    bool is_new = fo__word_epoch(word) != judged->epoch;

    if (is_new)
        begin_epoch(judged, fo__word_epoch(word));
    if (!is_new && totals->members == judged->members)
        return false;
    rebase(judged, totals);
    fo__stall_reset(&judged->stall, look);
    return true;
}

static struct fo__stall_look stall_look(const struct totals *totals, uint64_t now_ns)
{
    return (struct fo__stall_look){now_ns, totals->counts.started, totals->counts.finished,
                                   totals->counts.finished - totals->counts.failed};
}

/** Whether anything has happened since the last look, or is on its way. */
static bool look_at(struct fo_runtime *runtime, struct fo__judged *judged, uint64_t now_ns,
                    uint64_t *cells)
{
    struct fo__host *host = judged->host;
    struct totals totals = totals_of(host);
    uint64_t word = fo__load_acquire(host->word);
    struct fo__stall_look look = stall_look(&totals, now_ns);
    bool happens = look.started != judged->stall.last.started || look.started != look.finished;

    *cells += totals.cells;
    if (begins_anew(judged, &totals, word, &look))
        return happens;
    fill_window(judged, &totals);
    fill_latency(judged);
    if ((word & FO__FLAG_DOWN) == 0 && fo__judge_config_has_stalls(&host->group->judge))
        follow_stall(runtime, judged, word, &look);
    else
        fo__stall_reset(&judged->stall, &look);
    return happens;
}

/* ---- Verdicts by windows -------------------------------------------------------------------- */

/** The counts of a host that is up; false: they prove nothing. */
static bool has_volume(const struct fo__judged *judged, struct fo__window_counts *counts)
{
    uint64_t word = fo__load_acquire(judged->host->word);

    *counts = fo__window_sum(&judged->window);
    return (word & FO__FLAG_DOWN) == 0 && fo__word_epoch(word) == judged->epoch &&
           counts->finished > 0 && counts->finished >= judged->host->group->judge.window_requests;
}

static double success_rate(const struct fo__window_counts *counts)
{
    return 1 - (double)counts->failed / (double)counts->finished;
}

/** The mean of the answers whose latency is known; 0: too few to prove anything. */
static double latency_ns(const struct fo__judged *judged, const struct fo__window_counts *counts)
{
    return counts->answers > 0 && counts->answers >= judged->host->group->judge.window_requests
               ? (double)counts->answers_ns / (double)counts->answers
               : 0;
}

/** What hosts are compared with. */
struct norm {
    double least_rate; /* below it a host is an outlier; 0: too few to say */
    double latency_ns; /* the best; 0: none is known, or only one */
};

/** Below the mean by so many standard deviations, of the population, as Envoy has it. */
static double least_rate(uint32_t hosts, double sum, double squares, uint32_t permille)
{
    double mean = hosts > 0 ? sum / hosts : 0;
    double variance = hosts > 0 ? squares / hosts - mean * mean : 0;

    if (hosts < OUTLIER_HOSTS || permille == FO_JUDGE_OFF)
        return 0;
    return mean - sqrt(variance > 0 ? variance : 0) * permille / 1000;
}

static struct norm norm_of(const struct fo_group *group, const struct fo__judged *first)
{
    struct norm norm = {0, 0};
    double sum = 0, squares = 0;
    uint32_t hosts = 0, known = 0;

    for (const struct fo__judged *at = first; at != NULL; at = at->next) {
        struct fo__window_counts counts;
        double took_ns;

        if (!has_volume(at, &counts))
            continue;
        took_ns = latency_ns(at, &counts);
        hosts++;
        sum += success_rate(&counts);
        squares += success_rate(&counts) * success_rate(&counts);
        known += took_ns > 0 ? 1 : 0;
        if (took_ns > 0 && (norm.latency_ns == 0 || took_ns < norm.latency_ns))
            norm.latency_ns = took_ns;
    }
    norm.least_rate = least_rate(hosts, sum, squares, group->judge.outlier_permille);
    if (known < 2 || group->judge.latency_percent == FO_JUDGE_OFF)
        norm.latency_ns = 0;
    return norm;
}

/** FO_REASON_NONE: nothing is held against the host. */
static fo_reason reason_against(const struct fo__judged *judged, const struct norm *norm)
{
    const struct fo_judge_config *judge = &judged->host->group->judge;
    struct fo__window_counts counts;

    if (!has_volume(judged, &counts))
        return FO_REASON_NONE;
    if (judge->failure_percent != FO_JUDGE_OFF &&
        counts.failed * 100 >= counts.finished * judge->failure_percent)
        return FO_REASON_EJECTED_RATE;
    if (success_rate(&counts) < norm->least_rate)
        return FO_REASON_EJECTED_OUTLIER;
    if (norm->latency_ns > 0 &&
        latency_ns(judged, &counts) * 100 > norm->latency_ns * judge->latency_percent)
        return FO_REASON_EJECTED_LATENCY;
    return FO_REASON_NONE;
}

static void judge_windows(struct fo_group *group, struct fo__judged *first, uint64_t now_ns)
{
    struct norm norm = norm_of(group, first);

    for (struct fo__judged *at = first; at != NULL; at = at->next) {
        fo_reason reason = reason_against(at, &norm);

        if (reason != FO_REASON_NONE)
            fo__judge_eject(at->host, at->epoch, reason, now_ns);
        fo__window_roll(&at->window);
    }
}

/* ---- The group's timer ---------------------------------------------------------------------- */

static struct fo__judged *first_of(struct fo_group *group)
{
    struct fo__judged *first;

    pthread_mutex_lock(&group->lock);
    first = group->judged;
    pthread_mutex_unlock(&group->lock);
    return first;
}

static uint64_t bucket_ns(const struct fo_group *group)
{
    return group->judge.window_ms * FO__NS_PER_MS / FO__WINDOW_BUCKETS;
}

/** The next look, or the moment in which a host hangs if nothing succeeds until then. */
static void arm(struct fo_runtime *runtime, struct fo_group *group, struct fo__judged *first,
                uint64_t now_ns)
{
    uint64_t due_ns = now_ns + group->look_ns;

    if (group->bucket_due_ns < due_ns)
        due_ns = group->bucket_due_ns;
    for (const struct fo__judged *at = first; at != NULL; at = at->next) {
        uint64_t hangs_ns = fo__stall_due_ns(&at->stall, group->judge.stall_ms * FO__NS_PER_MS);

        if (hangs_ns > now_ns && hangs_ns < due_ns && fo__judge_config_has_stalls(&group->judge))
            due_ns = hangs_ns;
    }
    fo__timer_arm(&runtime->timers, &group->watch_timer, due_ns);
}

static void begin(struct fo_runtime *runtime, struct fo_group *group, uint64_t now_ns)
{
    bool has_windows = fo__judge_config_has_windows(&group->judge);

    if (group->watch_timer.armed || (!has_windows && !fo__judge_config_has_stalls(&group->judge)))
        return;
    group->look_ns = LOOK_NS;
    group->bucket_due_ns = has_windows ? now_ns + bucket_ns(group) : FO__NEVER;
    fo__watch_due(runtime, group, now_ns);
}

void fo__watch_follow(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns)
{
    uint64_t word = fo__load_acquire(host->word);
    struct fo__stall_look look;
    struct totals totals;

    if (fo__word_epoch(word) != host->judged->epoch) {
        totals = totals_of(host);
        look = stall_look(&totals, now_ns);
        (void)begins_anew(host->judged, &totals, word, &look);
    }
    begin(runtime, host->group, now_ns);
}

void fo__watch_due(struct fo_runtime *runtime, struct fo_group *group, uint64_t now_ns)
{
    struct fo__judged *first = first_of(group);
    uint64_t least_ns;
    uint64_t cells = 0;
    bool happens = false;

    /* Without the lock: who joins goes in front, and nobody but the dispatcher takes one out. */
    for (struct fo__judged *at = first; at != NULL; at = at->next)
        happens = look_at(runtime, at, now_ns, &cells) || happens;
    if (now_ns >= group->bucket_due_ns) {
        judge_windows(group, first, now_ns);
        group->bucket_due_ns = now_ns + bucket_ns(group);
    }
    least_ns = LOOK_NS * (1 + cells / CELLS_PER_LOOK);
    group->look_ns = happens ? least_ns : group->look_ns * 2;
    if (group->look_ns > LOOK_IDLE_NS)
        group->look_ns = least_ns > LOOK_IDLE_NS ? least_ns : LOOK_IDLE_NS;
    arm(runtime, group, first, now_ns);
}
