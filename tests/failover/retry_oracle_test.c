/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom a retry asks, a million times, against an oracle that knows every endpoint's state.
 *
 * Up to eight endpoints on three levels, with tags, some down; requests with limits of their own;
 * servers that ask to be left alone; endpoints that are drained, and come back, while a request is under
 * way. Outcomes move nothing here, so the oracle's state is the balancer's.
 */
#include "dice.h"
#include "retry_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define MS UINT64_C(1000000)
#define CASES 1000000
#define MEMBERS 8

struct member {
    char name[16];
    bool is_down;
    bool is_drained;
    uint32_t level;
    uint64_t tags;
    bool is_asked;
    uint64_t silent_until;
};

struct oracle {
    struct retry_fixture r;
    struct dice dice;
    size_t n;
    struct member member[MEMBERS];
    struct fo_pick_options options;
    uint64_t excluded;
    unsigned names;
    uint32_t elsewhere; /* cases by what the oracle expects */
    uint32_t again;
    uint32_t waits;
    uint32_t refused;
};

/* ---- The world ----------------------------------------------------------------------------- */

/** Others than before: those that were down stay so. */
static void populate(struct oracle *o)
{
    struct fo_endpoint_config all[MEMBERS];

    o->n = 1 + dice_below(&o->dice, MEMBERS);
    for (size_t i = 0; i < o->n; i++) {
        struct member *member = &o->member[i];

        *member = (struct member){.is_down = dice_below(&o->dice, 5) == 0};
        snprintf(member->name, sizeof(member->name), "%u", o->names++);
        member->level = (uint32_t)i % 3; /* without gaps */
        member->tags = dice_below(&o->dice, 4);
        all[i] = fixture_upsert(member->name, 1 + dice_below(&o->dice, 100), fixture_data(i));
        all[i].level = member->level;
        all[i].tags = member->tags;
    }
    cr_assert_eq(fo_balancer_replace(o->r.f.balancer, all, o->n, 0, NULL), FO_OK);
    for (size_t i = 0; i < o->n; i++)
        if (o->member[i].is_down)
            fixture_set_weight(&o->r.f, o->member[i].name, 0);
}

static void drain_or_undrain(struct oracle *o)
{
    struct member *member = &o->member[dice_below(&o->dice, (uint32_t)o->n)];
    fo_status status;

    member->is_drained = dice_below(&o->dice, 3) == 0;
    status = member->is_drained ? fo_drain(o->r.f.balancer, member->name)
                                : fo_undrain(o->r.f.balancer, member->name);
    cr_assert_eq(status, FO_OK);
}

static void begin(struct oracle *o)
{
    (void)fo_retry_end(&o->r.retry);
    for (size_t i = 0; i < o->n; i++) {
        o->member[i].is_asked = false;
        o->member[i].silent_until = 0;
    }
    o->options = fo_pick_options_init();
    o->options.require_tags = dice_below(&o->dice, 4) == 0 ? 1 : 0;
    o->options.level_limit = dice_below(&o->dice, 4) == 0 ? 2 : 0;
    o->options.strict = dice_below(&o->dice, 4) == 0;
    if (dice_below(&o->dice, 4) == 0) {
        size_t i = dice_below(&o->dice, (uint32_t)o->n);

        o->excluded = fixture_id(&o->r.f, o->member[i].name);
        o->options.exclude = &o->excluded;
        o->options.exclude_count = 1;
        o->member[i].is_asked = true;
    }
    cr_assert_eq(fo_retry_begin(o->r.retrier, o->r.f.balancer, &o->options, &o->r.retry), FO_OK);
}

/* ---- The oracle ---------------------------------------------------------------------------- */

static bool is_eligible(const struct oracle *o, const struct member *member)
{
    return !member->is_down && !member->is_drained &&
           (member->tags & o->options.require_tags) == o->options.require_tags &&
           (o->options.level_limit == 0 || member->level < o->options.level_limit);
}

/** Members that may be asked now, as bits. */
static unsigned candidates(const struct oracle *o, bool asked_too)
{
    unsigned set = 0;

    for (size_t i = 0; i < o->n; i++) {
        const struct member *member = &o->member[i];

        if (is_eligible(o, member) &&
            (asked_too ? member->silent_until <= o->r.f.now_ns : !member->is_asked))
            set |= 1u << i;
    }
    return set;
}

/** The end of the first silence, of those who will not be asked before; UINT64_MAX: all may be. */
static uint64_t silence(const struct oracle *o)
{
    uint64_t first = UINT64_MAX;

    for (size_t i = 0; i < o->n; i++)
        if (o->member[i].silent_until > o->r.f.now_ns && o->member[i].silent_until < first)
            first = o->member[i].silent_until;
    return first;
}

static void expect_one_of(const struct oracle *o, fo_status status, unsigned set)
{
    cr_assert_eq(status, FO_OK);
    cr_assert_neq(set & 1u << retry_where(&o->r), 0, "%zu is not among %x", retry_where(&o->r),
                  set);
}

/** Asks for an attempt and holds it against the oracle; whether there is one. */
static bool judge(struct oracle *o)
{
    unsigned fresh = candidates(o, false);
    unsigned any = candidates(o, true);
    fo_status status = retry_next(&o->r);

    if (fresh != 0) {
        expect_one_of(o, status, fresh);
        o->elsewhere++;
    } else if (o->options.strict) {
        cr_assert_eq(status, FO_UNAVAILABLE);
        o->refused++;
    } else if (any != 0) {
        expect_one_of(o, status, any);
        o->again++;
    } else if (silence(o) != UINT64_MAX) {
        cr_assert_eq(status, FO_WAIT);
        cr_assert_eq(o->r.advice.wait_until_ns, silence(o));
        o->waits++;
    } else {
        cr_assert_eq(status, FO_UNAVAILABLE);
        o->refused++;
    }
    if (status == FO_WAIT)
        atomic_store(&o->r.f.now_ns, o->r.advice.wait_until_ns);
    return status == FO_OK || status == FO_WAIT;
}

static void report(struct oracle *o)
{
    struct member *member = &o->member[retry_where(&o->r)];
    uint32_t after_ms = dice_below(&o->dice, 3) == 0 ? 1 + dice_below(&o->dice, 50) : 0;
    fo_outcome outcome = after_ms > 0 ? FO_OUTCOME_OVERLOADED : FO_OUTCOME_FAILURE;

    member->is_asked = true;
    member->silent_until = o->r.f.now_ns + after_ms * MS;
    cr_assert_eq(fo_retry_report(&o->r.retry, &o->r.lease, outcome, after_ms), FO_OK);
    atomic_store(&o->r.f.now_ns, o->r.f.now_ns + dice_below(&o->dice, 10) * MS);
}

Test(retry_oracle, a_retry_never_returns_while_another_is_eligible)
{
    static struct oracle o;
    struct fo_retry_policy policy = retry_policy();

    policy.max_attempts = FO_RETRY_ATTEMPTS_MAX;
    policy.backoff_base_ms = FO_RETRY_NO_BACKOFF;
    policy.budget_floor_per_s = 1e6;
    policy.total_timeout_ms = FO_RETRY_NO_TIMEOUT;
    o.dice = dice_of(1);
    retry_fixture_open(&o.r, 1, &policy);
    for (uint32_t cases = 0, request = 0; cases < CASES; request++) {
        uint32_t attempts = 1 + dice_below(&o.dice, FO_RETRY_ATTEMPTS_MAX);

        if (request % 1000 == 0)
            populate(&o);
        begin(&o);
        while (o.r.retry.attempts < attempts && judge(&o)) {
            cases += o.r.retry.attempts > 1 ? 1 : 0;
            if (o.r.lease.endpoint != NULL)
                report(&o);
            if (dice_below(&o.dice, 20) == 0)
                drain_or_undrain(&o);
        }
    }
    cr_assert_gt(o.elsewhere, 100000, "each kind of case came often");
    cr_assert_gt(o.again, 100000);
    cr_assert_gt(o.waits, 10000);
    cr_assert_gt(o.refused, 10000);
    retry_fixture_close(&o.r);
}
