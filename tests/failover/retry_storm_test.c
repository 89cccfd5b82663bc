/* SPDX-License-Identifier: Apache-2.0
 *
 * Many requests at once on virtual time: what a service sees while everything fails, and after.
 *
 *     every millisecond: the library's timers ─► new requests ─► each request that is due takes a step
 *
 * A request is driven as an event loop would: an answer or its deadline, a pause, the next attempt. The
 * servers are a function of time. Every request of every test is held to its deadlines, which it may
 * exceed by one tick of the loop, a millisecond.
 */
#include "dice.h"
#include "retry_fixture.h"

#include <criterion/criterion.h>

#define MS UINT64_C(1000000)
#define SERVERS 10
#define ROOM 5000 /* requests at once */

enum how { WELL, REFUSING, FAILING, FROZEN, SLOW };

struct attempt {
    struct fo_lease lease; /* endpoint NULL: none */
    uint64_t ends;
    uint64_t deadline_ns;
    fo_outcome outcome;
};

struct request {
    struct fo_retry retry;
    struct attempt attempt[2];
    uint64_t begun;
    uint64_t due;      /* the next attempt, after a pause */
    uint64_t hedge_at; /* UINT64_MAX: never */
    bool is_open;
};

struct storm {
    struct retry_fixture r;
    struct dice dice;
    enum how how;      /* of all servers */
    uint64_t total_ns; /* deadline of a request */
    struct request *request;
    size_t used; /* of them, so far */
    uint64_t begun;
    uint64_t attempts;
    uint64_t hedges;
    uint64_t succeeded;
    uint64_t last_failed_begun; /* when the last request began that failed; 0: none */
    uint64_t shed;
    uint64_t too_late;
};

/* ---- One request ---------------------------------------------------------------------------- */

/** What the servers do with an attempt that begins now. */
static void answer(struct storm *s, struct attempt *attempt, const struct fo_retry_advice *advice)
{
    uint64_t now = s->r.f.now_ns;
    bool is_slow = s->how == SLOW && dice_below(&s->dice, 100) < 4;

    attempt->deadline_ns = advice->deadline_ns;
    attempt->outcome = s->how == REFUSING                      ? FO_OUTCOME_DOWN
                       : s->how == FAILING || s->how == FROZEN ? FO_OUTCOME_FAILURE
                                                               : FO_OUTCOME_SUCCESS;
    attempt->ends = now + (1 + dice_below(&s->dice, 10)) * MS;
    if (s->how == REFUSING)
        attempt->ends = now;
    if (s->how == FROZEN)
        attempt->ends = UINT64_MAX;
    if (is_slow)
        attempt->ends = now + 200 * MS;
    if (attempt->ends > attempt->deadline_ns) {
        attempt->ends = attempt->deadline_ns;
        attempt->outcome = FO_OUTCOME_FAILURE;
    }
}

static void close_request(struct storm *s, struct request *request, fo_status status)
{
    uint64_t now = s->r.f.now_ns;

    cr_assert(status == FO_DONE || status == FO_BUDGET || status == FO_DEADLINE ||
              status == FO_UNAVAILABLE);
    cr_assert_leq(now, request->begun + s->total_ns + MS, "a request outlived its deadline");
    if (status == FO_DONE)
        s->succeeded++;
    else if (request->begun > s->last_failed_begun)
        s->last_failed_begun = request->begun;
    s->shed += status == FO_BUDGET && request->retry.attempts == 0 ? 1 : 0;
    s->too_late += status == FO_DEADLINE ? 1 : 0;
    cr_assert_eq(fo_retry_end(&request->retry), FO_OK);
    request->is_open = false;
}

/** Asks for the next attempt. */
static void go_on(struct storm *s, struct request *request)
{
    struct fo_retry_advice advice = fo_retry_advice_init();
    struct attempt *attempt = &request->attempt[0];
    fo_status status = fo_retry_next(&request->retry, &attempt->lease, &advice);

    request->hedge_at = UINT64_MAX;
    if (status == FO_WAIT) {
        request->due = advice.wait_until_ns;
        return;
    }
    if (status != FO_OK) {
        close_request(s, request, status);
        return;
    }
    s->attempts++;
    cr_assert_leq(advice.deadline_ns, request->begun + s->total_ns);
    answer(s, attempt, &advice);
    if (advice.hedge_after_ns > 0)
        request->hedge_at = s->r.f.now_ns + advice.hedge_after_ns;
}

static void hedge(struct storm *s, struct request *request)
{
    struct fo_retry_advice advice = fo_retry_advice_init();
    struct attempt *attempt = &request->attempt[1];
    fo_status status = fo_retry_hedge(&request->retry, &attempt->lease, &advice);

    request->hedge_at = UINT64_MAX;
    if (status == FO_WAIT)
        request->hedge_at = advice.wait_until_ns;
    if (status != FO_OK)
        return;
    s->hedges++;
    answer(s, attempt, &advice);
}

static void finish(struct storm *s, struct request *request, struct attempt *attempt)
{
    cr_assert_leq(s->r.f.now_ns, attempt->deadline_ns + MS, "an attempt outlived its deadline");
    cr_assert_eq(fo_retry_report(&request->retry, &attempt->lease, attempt->outcome, 0), FO_OK);
}

static bool is_running(const struct request *request)
{
    return request->attempt[0].lease.endpoint != NULL || request->attempt[1].lease.endpoint != NULL;
}

static void step(struct storm *s, struct request *request)
{
    uint64_t now = s->r.f.now_ns;

    for (int i = 0; i < 2; i++)
        if (request->attempt[i].lease.endpoint != NULL && request->attempt[i].ends <= now)
            finish(s, request, &request->attempt[i]);
    if (request->retry.over == FO_DONE || (!is_running(request) && request->due <= now))
        go_on(s, request);
    else if (is_running(request) && request->hedge_at <= now)
        hedge(s, request);
}

/* ---- The loop -------------------------------------------------------------------------------- */

static void begin(struct storm *s)
{
    struct request *request = s->request;

    while (request->is_open)
        request++;
    cr_assert_lt(request - s->request, ROOM - 1);
    if (request == &s->request[s->used])
        s->used++;
    cr_assert_eq(fo_retry_begin(s->r.retrier, s->r.f.balancer, NULL, &request->retry), FO_OK);
    request->is_open = true;
    request->begun = s->r.f.now_ns;
    request->due = 0;
    request->attempt[0].lease = request->attempt[1].lease = fo_lease_init();
    s->begun++;
    step(s, request);
}

/** Lets time pass, with a new request each `every_ms`. */
static void pass(struct storm *s, uint64_t ms, uint64_t every_ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        fixture_advance_ms(&s->r.f, 1);
        for (size_t k = 0; k < s->used; k++)
            if (s->request[k].is_open)
                step(s, &s->request[k]);
        if (every_ms > 0 && i % every_ms == 0)
            begin(s);
    }
}

/** Ten servers under the library's defaults: weights, last resort, ramps and all. */
static void open_storm(struct storm *s, struct fo_retry_policy policy)
{
    struct fo_config config;

    memset(s, 0, sizeof(*s));
    policy.seed = 1;
    s->dice = dice_of(1);
    s->request = calloc(ROOM, sizeof(*s->request));
    s->total_ns = (policy.total_timeout_ms != 0 ? policy.total_timeout_ms : 10000) * MS;
    fixture_init(&s->r.f);
    config = fo_config_init();
    config.runtime = s->r.f.runtime;
    config.seed = 1;
    fixture_balancer(&s->r.f, &config);
    fixture_add(&s->r.f, SERVERS, NULL);
    retry_use_policy(&s->r, &policy);
}

static void close_storm(struct storm *s)
{
    pass(s, s->total_ns / MS + 1, 0);
    for (size_t i = 0; i < s->used; i++)
        cr_assert_not(s->request[i].is_open);
    for (size_t i = 0; i < SERVERS; i++)
        cr_assert_eq(fixture_info(&s->r.f, fixture_name(i)).in_flight, 0);
    free(s->request);
    fo_retrier_destroy(s->r.retrier);
    fixture_destroy(&s->r.f);
}

/* ---- Storms ---------------------------------------------------------------------------------- */

/** All fails for a minute, then all is well. */
static void weather(enum how how, uint32_t attempt_timeout_ms)
{
    struct fo_retry_policy policy = fo_retry_policy_init();
    struct storm s;
    uint64_t recovered;

    policy.attempt_timeout_ms = attempt_timeout_ms;
    policy.total_timeout_ms = 1000;
    open_storm(&s, policy);
    s.how = how;
    pass(&s, 60000, 2);
    cr_assert_eq(s.begun, 30000);
    cr_assert_eq(s.succeeded, 0);
    cr_assert_leq(s.attempts, 36000 + 600, "1.2 × requests and ten a second");
    cr_assert_geq(s.attempts, 35000, "and nearly that much, so it was wanted");
    s.how = WELL;
    recovered = s.r.f.now_ns;
    pass(&s, 15000, 2);
    cr_assert_leq(s.last_failed_begun, recovered + 5000 * MS, "well after five seconds");
    cr_assert_geq(s.succeeded, 5000);
    close_storm(&s);
}

Test(retry_storm, is_bounded_and_over_in_five_seconds_when_all_are_refusing)
{
    weather(REFUSING, 0);
}

Test(retry_storm, is_bounded_and_over_in_five_seconds_when_all_are_failing)
{
    weather(FAILING, 0);
}

Test(retry_storm, is_bounded_and_over_in_five_seconds_when_all_are_frozen)
{
    weather(FROZEN, 300);
}

Test(retry_storm, leaves_a_quiet_client_its_ten_retries_a_second)
{
    struct fo_retry_policy policy = fo_retry_policy_init();
    struct storm s;

    open_storm(&s, policy);
    s.how = REFUSING;
    pass(&s, 60000, 200);
    cr_assert_eq(s.begun, 300, "five a second");
    cr_assert_eq(s.attempts - s.begun, 600, "and each has both of its retries");
    close_storm(&s);
}

Test(retry_storm, hardly_reaches_the_servers_through_a_throttle)
{
    struct fo_retry_policy policy = fo_retry_policy_init();
    struct storm s;
    uint64_t before;

    policy.throttle_k = 2;
    policy.total_timeout_ms = 1000;
    open_storm(&s, policy);
    pass(&s, 20000, 2);
    cr_assert_eq(s.shed, 0, "nothing is shed while all is well");
    s.how = REFUSING;
    pass(&s, 20000, 2);
    before = s.attempts;
    pass(&s, 40000, 2);
    cr_assert_leq(s.attempts - before, 600, "of 20,000 requests, the floor of retries aside");
    s.how = WELL;
    pass(&s, 120000, 2);
    cr_assert_gt(s.r.f.now_ns - s.last_failed_begun, 10000 * MS, "it comes back");
    close_storm(&s);
}

/** Attempts and pauses that together take longer than there is time, in servers that change every half
 * second; close_request() and finish() hold each to its deadline. */
Test(retry_storm, outlives_no_deadline_by_more_than_a_tick)
{
    static const enum how course[] = {WELL, FROZEN, FAILING, SLOW, REFUSING, FROZEN};
    struct fo_retry_policy policy = fo_retry_policy_init();
    struct storm s;

    policy.max_attempts = 10;
    policy.attempt_timeout_ms = 300;
    policy.total_timeout_ms = 1000;
    policy.backoff_base_ms = 200;
    policy.budget_share = 10;
    policy.hedge_share = 0.1;
    open_storm(&s, policy);
    for (int i = 0; i < 60; i++) {
        s.how = course[i % 6];
        pass(&s, 500, 2);
    }
    cr_assert_geq(s.too_late, 1000, "many of them came to it");
    cr_assert_geq(s.succeeded, 1000);
    close_storm(&s);
}

/* ---- Hedges ---------------------------------------------------------------------------------- */

Test(retry_storm, hedges_at_most_a_tenth_of_the_requests)
{
    struct fo_retry_policy policy = fo_retry_policy_init();
    struct storm s;

    policy.hedge_share = 0.1;
    policy.attempt_timeout_ms = 500;
    open_storm(&s, policy);
    s.how = SLOW; /* 4 of 100 */
    pass(&s, 30000, 2);
    cr_assert_leq(s.hedges, s.begun / 10);
    cr_assert_geq(s.hedges, s.begun / 40, "what is slow is hedged");
    close_storm(&s);
}

Test(retry_storm, hedges_at_most_a_tenth_when_everything_turns_slow)
{
    struct fo_retry_policy policy = fo_retry_policy_init();
    struct storm s;
    uint64_t before;

    policy.hedge_share = 0.1;
    policy.attempt_timeout_ms = 300;
    policy.total_timeout_ms = 1000;
    open_storm(&s, policy);
    pass(&s, 5000, 2);
    before = s.hedges;
    cr_assert_leq(before, s.begun / 10);
    s.how = FROZEN; /* every attempt outlives the percentile */
    pass(&s, 15000, 2);
    cr_assert_leq(s.hedges, s.begun / 10);
    cr_assert_geq(s.hedges - before, 500, "the budget is used");
    close_storm(&s);
}
