/* SPDX-License-Identifier: Apache-2.0
 *
 * The picks, finishes and reports of operations_fuzz.
 *
 * What a pick may return, with a member called
 *
 *     allowed    it has the tags, is not drained and its max_weight is not 0
 *     steady     health > 0 or min_weight > 0
 *     on trial   its host is in FO_STATE_TRIAL
 *
 * is this: an allowed member, steady or on trial. One that is excluded only if the pick is not
 * strict and no other is allowed and steady. FO_UNAVAILABLE only if none is allowed and steady
 * (strict: and not excluded). An endpoint on trial may be picked or not, since its one offer may
 * have gone elsewhere; but where nothing but a trial explains a pick, no second one follows before
 * its end or its timeout.
 */
#ifndef OPERATIONS_PICK_H
#define OPERATIONS_PICK_H

#include "operations_world.h"

/* ---- Who may be picked ----------------------------------------------------------------- */

static bool is_excluded(const struct fo_pick_options *options, uint64_t id)
{
    for (size_t i = 0; options != NULL && i < options->exclude_count; i++)
        if (options->exclude[i] == id)
            return true;
    return false;
}

static bool is_allowed(const struct member *member, const struct fo_pick_options *options)
{
    uint64_t tags = options != NULL ? options->require_tags : 0;
    return (member->tags & tags) == tags && !member->drained && member->max_weight > 0;
}

static bool is_steady(const struct subject *subject, const struct member *member)
{
    return subject->hosts[member->incarnation->name].health > 0 || member->min_weight > 0;
}

/** Whether a member is allowed and steady; `fresh`: and not excluded. */
static bool any_is_steady(const struct subject *subject, const struct fo_pick_options *options,
                          bool fresh)
{
    for (unsigned i = 0; i < subject->count; i++) {
        const struct member *member = &subject->member[i];

        if (is_allowed(member, options) && is_steady(subject, member) &&
            !(fresh && is_excluded(options, member->incarnation->id)))
            return true;
    }
    return false;
}

static void enter_trial(struct host *host)
{
    MUST(host->state == FO_STATE_TRIAL);
    MUST(!host->trial_is_out || w.now_ns - host->trial_ns >= w.timeout_ns);
    host->trial_is_out = true;
    host->trial_ns = w.now_ns;
}

static void check_pick(struct subject *subject, const struct fo_pick_options *options,
                       const struct lease *lease)
{
    struct member *member = find_member(subject, lease->incarnation->name);
    struct host *host = &subject->hosts[lease->incarnation->name];

    MUST(member != NULL && member->incarnation == lease->incarnation);
    MUST(is_allowed(member, options));
    if (is_excluded(options, lease->incarnation->id))
        MUST(!options->strict && !any_is_steady(subject, options, true));
    if (!is_steady(subject, member))
        enter_trial(host);
}

/* ---- Picking and finishing ------------------------------------------------------------- */

/** Picks and holds the result against the model. False: nothing was picked. */
static bool pick(struct subject *subject, const struct fo_pick_options *options,
                 struct lease *lease)
{
    fo_status status;

    lease->lease = fo_lease_init();
    status = options != NULL ? fo_pick_with(subject->balancer, options, &lease->lease)
                             : fo_pick(subject->balancer, &lease->lease);
    if (status == FO_UNAVAILABLE) {
        MUST(lease->lease.endpoint == NULL);
        MUST(!any_is_steady(subject, options, options != NULL && options->strict));
        return false;
    }
    MUST(status == FO_OK && lease->lease.endpoint != NULL);
    lease->incarnation = find_id(subject, fo_endpoint_id(lease->lease.endpoint));
    MUST(lease->incarnation != NULL);
    check_pick(subject, options, lease);
    lease->incarnation->started++;
    lease->epoch = subject->hosts[lease->incarnation->name].epoch;
    return true;
}

static void finish(struct lease *lease, fo_outcome outcome)
{
    struct incarnation *incarnation = lease->incarnation;
    struct subject *subject = incarnation->subject;
    struct host *host = &subject->hosts[incarnation->name];

    MUST(strcmp(fo_endpoint_name(lease->lease.endpoint), text_of(incarnation->name)) == 0);
    MUST(fo_endpoint_id(lease->lease.endpoint) == incarnation->id);
    MUST(fo_endpoint_data(lease->lease.endpoint) == incarnation->data);
    if (subject->checks_leases) {
        w.finished_copy = lease->lease;
        w.finished_copy_of = subject;
    }
    MUST(fo_finish(&lease->lease, outcome) == FO_OK && lease->lease.endpoint == NULL);
    MUST(fo_finish(&lease->lease, outcome) == FO_EINVAL);
    incarnation->finished++;
    if (outcome == FO_OUTCOME_FAILURE || outcome == FO_OUTCOME_DOWN)
        incarnation->failed++;
    judge_outcome(host, outcome, lease->epoch, true, &subject->weight);
}

static fo_outcome outcome_from(struct input *input)
{
    return (fo_outcome)(1 + input_below(input, 7));
}

/* ---- Steps ----------------------------------------------------------------------------- */

static void pick_and_keep(struct subject *subject, const struct fo_pick_options *options)
{
    if (w.lease_count < LEASES && pick(subject, options, &w.lease[w.lease_count]))
        w.lease_count++;
}

static void pick_some(struct subject *subject)
{
    unsigned count = input_below(&w.input, 32);
    fo_outcome outcome = outcome_from(&w.input);
    struct lease lease;

    for (unsigned i = 0; i < count && pick(subject, NULL, &lease); i++)
        finish(&lease, outcome);
}

/** An id to exclude: mostly a member's, else one that has left, or one that never was. */
static uint64_t id_from(struct input *input, const struct subject *subject)
{
    unsigned byte = input_byte(input);
    const struct incarnation *at = subject->incarnations;

    if (byte < 0xe0 && subject->count > 0)
        return subject->member[byte % subject->count].incarnation->id;
    for (; byte > 0xe0 && at != NULL && at->next != NULL; byte--)
        at = at->next;
    return at != NULL && byte > 0xe0 ? at->id : byte * UINT64_C(0x100000001);
}

static void pick_within_limits(struct subject *subject)
{
    static const unsigned counts[] = {1, 0, 2, 3, 5, 40, 64, 65};
    uint64_t ids[65];
    struct fo_pick_options options = fo_pick_options_init();
    unsigned shape = input_byte(&w.input);
    struct fo_lease lease = fo_lease_init();

    options.exclude = ids;
    options.exclude_count = counts[shape & 7];
    options.strict = (shape & 8) != 0;
    options.require_tags = shape >> 4 & 7;
    for (size_t i = 0; i < options.exclude_count; i++)
        ids[i] = id_from(&w.input, subject);
    if ((shape & 0x80) != 0 && options.exclude_count == 3)
        options.exclude = NULL;
    if (options.exclude_count <= FO_EXCLUDE_MAX && options.exclude != NULL) {
        pick_and_keep(subject, &options);
        return;
    }
    MUST(fo_pick_with(subject->balancer, &options, &lease) == FO_EINVAL && lease.endpoint == NULL);
}

static void finish_one(void)
{
    unsigned at = input_byte(&w.input);
    fo_outcome outcome = outcome_from(&w.input);

    if (w.lease_count == 0)
        return;
    at %= w.lease_count;
    MUST(fo_finish(&w.lease[at].lease, (fo_outcome)0) == FO_EINVAL);
    MUST(fo_finish(&w.lease[at].lease, (fo_outcome)8) == FO_EINVAL);
    finish(&w.lease[at], outcome);
    w.lease[at] = w.lease[--w.lease_count];
}

/** A copy of a checked lease, finished again: refused, said, and nothing is counted. */
static void finish_again(void)
{
    unsigned complaints = w.finished_copy_of != NULL ? w.finished_copy_of->complaints : 0;

    if (w.finished_copy_of == NULL)
        return;
    MUST(fo_finish(&w.finished_copy, FO_OUTCOME_DOWN) == FO_EINVAL);
    if (!w.finished_copy_of->closed)
        MUST(w.finished_copy_of->complaints == complaints + 1);
    w.finished_copy_of = NULL;
    check_slots();
}

static void report(struct subject *subject)
{
    unsigned name = name_from(&w.input);
    struct member *member = find_member(subject, name);
    fo_outcome outcome = outcome_from(&w.input);
    fo_status status = fo_report(subject->balancer, text_of(name), outcome);
    struct host *host;

    MUST(fo_report(subject->balancer, text_of(name), (fo_outcome)0) == FO_EINVAL);
    if (member == NULL) {
        MUST(status == (name == NAME_NULL ? FO_EINVAL : FO_NOTFOUND));
        return;
    }
    MUST(status == FO_OK);
    host = &subject->hosts[name];
    member->incarnation->started++;
    member->incarnation->finished++;
    if (outcome == FO_OUTCOME_FAILURE || outcome == FO_OUTCOME_DOWN)
        member->incarnation->failed++;
    judge_outcome(host, outcome, host->epoch, false, &subject->weight);
}

#endif
