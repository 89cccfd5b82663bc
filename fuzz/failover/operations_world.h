/* SPDX-License-Identifier: Apache-2.0
 *
 * The slow, obvious model beside the library: what the sentences of the manual say must be so.
 *
 *     world ─┬─ subject     one life of a balancer: members in order, every incarnation ever
 *            │    └─ hosts  what was last seen of each name's host; shared by subjects of a group
 *            └─ leases      open ones, with the epoch that their host had
 *
 * Membership, configuration, order and counts are computed here and compared. A host's health is
 * not computed: it is looked at after each call that may have moved it, and the move is judged
 * (judge_outcome(), judge_time()); between those calls nothing may have moved.
 */
#ifndef OPERATIONS_WORLD_H
#define OPERATIONS_WORLD_H

#include "input.h"

#include <failover/failover.h>

#define NAMES 40u /* more than a row's first segment of cells and than two blocks of a sum tree */
#define SLOTS 2u  /* balancers at a time */
#define LEASES 48u
#define EARS 8u
#define MS UINT64_C(1000000)

/** What was last seen of a host. */
struct host {
    bool known; /* false: no living balancer of the group has a member on it, so nobody can look */
    double health;
    fo_state state;
    uint32_t epoch;
    uint64_t down_ns;  /* when it became FO_STATE_DOWN; 0: not known */
    uint64_t armed_ns; /* the first dispatch after that; 0: none yet */
    bool trial_is_out; /* a pick that can only have been a trial is not finished yet */
    uint64_t trial_ns;
};

struct incarnation {
    struct incarnation *next;
    struct subject *subject;
    unsigned name;
    void *data;
    uint64_t id;
    uint64_t started, finished, failed;
    bool is_member;
    bool released; /* the event was heard */
    bool buried;   /* and a dispatch after it has ended: the library has forgotten it */
    bool was_told; /* added, ever */
    bool is_told;  /* added and not removed */
    fo_state told_state;
    double told_weight; /* −1: of none since it was added */
};

struct member {
    struct incarnation *incarnation;
    double max_weight, min_weight;
    uint64_t tags;
    bool drained;
};

/** An extra listener; never used for a second subscription. */
struct ear {
    struct subject *subject;
    struct fo_subscription *subscription;
    unsigned events;
    bool active;
    bool ends_itself;
};

struct subject {
    struct subject *next;
    struct fo_balancer *balancer; /* NULL: destroyed */
    bool closed;
    bool checks_leases;
    struct fo_weight_function weight;
    struct host *hosts;
    struct host own_hosts[NAMES];
    struct member member[NAMES];
    unsigned count;
    struct incarnation *incarnations; /* newest first */
    struct ear ears[EARS];
    unsigned ear_count;
    unsigned complaints; /* log lines */
};

struct lease {
    struct fo_lease lease;
    struct incarnation *incarnation;
    uint32_t epoch;
};

struct world {
    struct input input;
    uint64_t now_ns;
    struct fo_runtime *runtime;
    struct fo_group *group; /* NULL: each balancer has its own */
    uint64_t backoff_ns, backoff_max_ns, timeout_ns;
    struct fo_trial_config trial;
    struct host hosts[NAMES]; /* of the group */
    struct subject *slot[SLOTS];
    struct subject *subjects; /* all, also those that are closing */
    struct lease lease[LEASES];
    unsigned lease_count;
    struct fo_lease finished_copy; /* of a checked lease */
    struct subject *finished_copy_of;
    unsigned listener_budget; /* steps that listeners may still do */
    bool in_listener;
    size_t heard;
    bool has_thresholds; /* recover_threshold > 1 was ever configured */
    char data[NAMES][3]; /* endpoints' data point into it */
};

static struct world w;

/* ---- Names ----------------------------------------------------------------------------- */

#define NAME_EMPTY NAMES
#define NAME_TOO_LONG (NAMES + 1)
#define NAME_NULL (NAMES + 2)
#define NAME_KINDS (NAMES + 3)

static char name_text[NAME_NULL][FO_NAME_MAX + 2];

static void make_names(void)
{
    for (unsigned i = 0; i < NAMES; i++)
        snprintf(name_text[i], sizeof(name_text[i]), "e%u", i);
    memset(name_text[NAMES - 1], 'x', FO_NAME_MAX);
    memset(name_text[NAME_TOO_LONG], 'x', FO_NAME_MAX + 1);
}

static const char *text_of(unsigned name)
{
    return name == NAME_NULL ? NULL : name_text[name];
}

/** Mostly a name that can be. */
static unsigned name_from(struct input *input)
{
    unsigned byte = input_byte(input);
    return byte < 250 ? byte % NAMES : NAMES + byte % 3;
}

/* ---- Finding --------------------------------------------------------------------------- */

static struct member *find_member(struct subject *subject, unsigned name)
{
    for (unsigned i = 0; i < subject->count; i++)
        if (subject->member[i].incarnation->name == name)
            return &subject->member[i];
    return NULL;
}

static struct incarnation *find_id(struct subject *subject, uint64_t id)
{
    struct incarnation *at = subject->incarnations;

    while (at != NULL && at->id != id)
        at = at->next;
    return at;
}

static uint64_t open_of(const struct incarnation *incarnation)
{
    return incarnation->started - incarnation->finished;
}

/** Whether the library still has an endpoint on that host. */
static bool host_is_used(const struct host *host)
{
    for (struct subject *subject = w.subjects; subject != NULL; subject = subject->next)
        for (struct incarnation *at = subject->incarnations; at != NULL; at = at->next)
            if (&subject->hosts[at->name] == host && !at->buried)
                return true;
    return false;
}

/* ---- Comparing ------------------------------------------------------------------------- */

/** One endpoint's info against the model; `host`: what must be seen of its host. */
static void check_info(const struct member *member, const struct fo_endpoint_info *info,
                       const struct host *host)
{
    const struct incarnation *incarnation = member->incarnation;
    double live = info->health * member->max_weight;

    MUST(strcmp(info->name, text_of(incarnation->name)) == 0);
    MUST(info->id == incarnation->id && info->data == incarnation->data);
    MUST(info->tags == member->tags && info->drained == member->drained);
    MUST(info->max_weight == member->max_weight && info->min_weight == member->min_weight);
    MUST(info->health >= 0 && info->health <= 1);
    MUST((info->state == FO_STATE_UP) == (info->health > 0));
    MUST(info->state >= FO_STATE_UP && info->state <= FO_STATE_TRIAL);
    live = live > member->min_weight ? live : member->min_weight;
    MUST(info->live_weight == (member->drained ? 0 : live));
    MUST(info->started == incarnation->started && info->finished == incarnation->finished);
    MUST(info->failed == incarnation->failed);
    MUST(info->in_flight == open_of(incarnation));
    if (!host->known)
        return;
    MUST(info->health == host->health && info->state == host->state && info->epoch == host->epoch);
}

struct visit {
    struct subject *subject;
    unsigned at;
};

static bool visit_member(const struct fo_endpoint_info *info, void *arg)
{
    struct visit *visit = arg;
    const struct member *member = &visit->subject->member[visit->at];

    MUST(visit->at < visit->subject->count);
    MUST(info->size == sizeof(*info));
    check_info(member, info, &visit->subject->hosts[member->incarnation->name]);
    visit->at++;
    return true;
}

/** Everything that a living balancer shows is what the model says, in the model's order. */
static void check_subject(struct subject *subject)
{
    struct visit visit = {subject, 0};

    if (subject == NULL)
        return;
    MUST(fo_endpoint_list(subject->balancer, visit_member, &visit) == FO_OK);
    MUST(visit.at == subject->count);
}

static void check_slots(void)
{
    for (unsigned i = 0; i < SLOTS; i++)
        check_subject(w.slot[i]);
}

/* ---- Looking at hosts ------------------------------------------------------------------ */

/** Sees a host as it is now, through any member that is on it. False: there is none. */
static bool look(const struct host *host, struct host *seen)
{
    unsigned name;

    for (unsigned i = 0; i < SLOTS; i++) {
        struct subject *subject = w.slot[i];
        struct fo_endpoint_info info = fo_endpoint_info_init();

        if (subject == NULL || host < subject->hosts || host >= subject->hosts + NAMES)
            continue;
        name = (unsigned)(host - subject->hosts);
        if (find_member(subject, name) == NULL)
            continue;
        MUST(fo_endpoint_status(subject->balancer, text_of(name), &info) == FO_OK);
        check_info(find_member(subject, name), &info, &(struct host){.known = false});
        *seen = *host;
        seen->known = true;
        seen->health = info.health;
        seen->state = info.state;
        seen->epoch = info.epoch;
        return true;
    }
    return false;
}

/** Enters what was seen. A host that was not known before has no history. */
static void enter(struct host *host, const struct host *seen)
{
    bool was_down = host->known && host->state == FO_STATE_DOWN && host->epoch == seen->epoch;
    struct host before = *host;

    *host = *seen;
    if (seen->state != FO_STATE_TRIAL || (before.known && before.epoch != seen->epoch))
        host->trial_is_out = false;
    if (seen->state == FO_STATE_DOWN && !was_down) {
        host->down_ns = before.known ? w.now_ns : 0;
        host->armed_ns = 0;
    }
}

static void look_and_enter(struct host *host)
{
    struct host seen;

    if (look(host, &seen))
        enter(host, &seen);
    else
        memset(host, 0, sizeof(*host));
}

/** For each host that anybody knows of. */
static void for_each_host(void (*visit)(struct host *host))
{
    for (unsigned i = 0; i < NAMES && w.group != NULL; i++)
        visit(&w.hosts[i]);
    for (unsigned slot = 0; slot < SLOTS && w.group == NULL; slot++)
        for (unsigned i = 0; i < NAMES && w.slot[slot] != NULL; i++)
            visit(&w.slot[slot]->hosts[i]);
}

/* ---- Judging --------------------------------------------------------------------------- */

static bool is_same(const struct host *a, const struct host *b)
{
    return a->health == b->health && a->state == b->state && a->epoch == b->epoch;
}

static bool went_down(const struct host *before, const struct host *now)
{
    return now->state == FO_STATE_DOWN && now->epoch == ((before->epoch + 1) & 0x3ffff);
}

static void judge_up(const struct host *before, const struct host *now, fo_outcome outcome,
                     bool custom)
{
    switch (outcome) {
    case FO_OUTCOME_SUCCESS:
        MUST(custom || (now->state == FO_STATE_UP && now->health >= before->health));
        break;
    case FO_OUTCOME_DEGRADED:
    case FO_OUTCOME_OVERLOADED:
        MUST(now->state == FO_STATE_UP && now->epoch == before->epoch);
        MUST(custom || now->health <= before->health);
        break;
    case FO_OUTCOME_FAILURE:
        MUST(went_down(before, now) || (now->state == FO_STATE_UP && now->epoch == before->epoch));
        MUST(custom || now->health <= before->health);
        break;
    case FO_OUTCOME_DOWN: MUST(went_down(before, now)); break;
    case FO_OUTCOME_NEUTRAL:
    case FO_OUTCOME_CANCELLED: MUST(is_same(before, now)); break;
    }
}

static void judge_down(const struct host *before, const struct host *now, fo_outcome outcome,
                       const struct fo_weight_function *weight, bool has_lease)
{
    bool good = outcome == FO_OUTCOME_SUCCESS || outcome == FO_OUTCOME_DEGRADED;

    if (now->state == FO_STATE_UP) {
        MUST(good && has_lease && now->epoch == ((before->epoch + 1) & 0x3ffff));
        return;
    }
    MUST(now->epoch == before->epoch);
    MUST(!good || !has_lease || weight->recover_threshold > 1 || weight->kind == FO_WEIGHT_CUSTOM);
    if (before->state == FO_STATE_DOWN && (!good || !has_lease))
        MUST(now->state == FO_STATE_DOWN);
}

/** What an outcome did to its host. `epoch`: the host's when the request was picked. */
static void judge_outcome(struct host *host, fo_outcome outcome, uint32_t epoch, bool has_lease,
                          const struct fo_weight_function *weight)
{
    struct host now;

    if (!host->known || !look(host, &now)) {
        host->trial_is_out = false;
        return;
    }
    if (epoch != host->epoch)
        MUST(is_same(host, &now));
    else if (host->state == FO_STATE_UP)
        judge_up(host, &now, outcome, weight->kind == FO_WEIGHT_CUSTOM);
    else
        judge_down(host, &now, outcome, weight, has_lease);
    if (epoch == host->epoch)
        now.trial_is_out = false; /* finished, failed by another, or handed on: never too strict */
    enter(host, &now);
}

/** What time did to a host: a trial is offered after the back-off, given up after the timeout. */
static void judge_time(struct host *host)
{
    struct host now;

    if (!host->known) {
        look_and_enter(host);
        return;
    }
    MUST(look(host, &now));
    MUST(now.health == host->health && now.epoch == host->epoch);
    MUST((now.state == FO_STATE_UP) == (host->state == FO_STATE_UP));
    if (host->state == FO_STATE_DOWN && now.state == FO_STATE_TRIAL && host->down_ns != 0)
        MUST(w.has_thresholds || w.now_ns - host->down_ns >= w.backoff_ns / 5 * 4);
    if (host->state == FO_STATE_TRIAL && now.state == FO_STATE_DOWN && host->trial_is_out)
        MUST(w.now_ns - host->trial_ns >= w.timeout_ns);
    enter(host, &now);
}

/** After a dispatch that left nothing to do: nobody who is down has been forgotten. */
static void judge_patience(struct host *host)
{
    if (!host->known || host->state == FO_STATE_UP)
        return;
    MUST(fo_runtime_next_deadline_ms(w.runtime) > 0);
    if (host->state != FO_STATE_DOWN)
        return;
    if (host->armed_ns == 0)
        host->armed_ns = w.now_ns;
    MUST(w.now_ns - host->armed_ns <= w.backoff_max_ns / 5 * 6);
}

#endif
