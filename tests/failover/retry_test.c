/* SPDX-License-Identifier: Apache-2.0
 *
 * One request: attempts, pauses, deadlines, and who is asked.
 */
#include "retry_fixture.h"

#include <criterion/criterion.h>

#define MS UINT64_C(1000000)

static const fo_outcome repeated[] = {FO_OUTCOME_FAILURE, FO_OUTCOME_OVERLOADED, FO_OUTCOME_DOWN};

/** A policy that says no for no reason but the one in question. */
static struct fo_retry_policy eager(uint32_t attempts)
{
    struct fo_retry_policy policy = retry_policy();

    policy.max_attempts = attempts;
    policy.backoff_base_ms = FO_RETRY_NO_BACKOFF;
    policy.budget_floor_per_s = 1e6;
    return policy;
}

static void open_eager(struct retry_fixture *r, size_t n, uint32_t attempts)
{
    struct fo_retry_policy policy = eager(attempts);

    retry_fixture_open(r, n, &policy);
}

static void report_after(struct retry_fixture *r, uint32_t retry_after_ms)
{
    cr_assert_eq(fo_retry_report(&r->retry, &r->lease, FO_OUTCOME_OVERLOADED, retry_after_ms),
                 FO_OK);
}

/* ---- The course of a request --------------------------------------------------------------- */

Test(retry, is_done_with_an_answer)
{
    const fo_outcome answers[] = {FO_OUTCOME_SUCCESS, FO_OUTCOME_DEGRADED, FO_OUTCOME_NEUTRAL,
                                  FO_OUTCOME_CANCELLED};
    struct retry_fixture r;

    retry_fixture_open(&r, 2, NULL);
    for (size_t i = 0; i < 4; i++) {
        retry_again(&r);
        cr_assert_eq(retry_next(&r), FO_OK);
        cr_assert_eq(r.advice.attempt, 1);
        retry_report(&r, answers[i]);
        cr_assert_null(r.lease.endpoint);
        cr_assert_eq(retry_next(&r), FO_DONE);
        cr_assert_eq(retry_next(&r), FO_DONE);
    }
    retry_fixture_close(&r);
}

Test(retry, pauses_and_goes_elsewhere_after_a_failure)
{
    struct retry_fixture r;

    retry_fixture_open(&r, 3, NULL);
    for (size_t i = 0; i < 3; i++) {
        uint64_t now = r.f.now_ns;
        size_t first;

        retry_again(&r);
        cr_assert_eq(retry_next(&r), FO_OK);
        first = retry_where(&r);
        retry_report(&r, repeated[i]);
        cr_assert_eq(retry_next(&r), FO_WAIT);
        cr_assert_gt(r.advice.wait_until_ns, now);
        cr_assert_lt(r.advice.wait_until_ns, now + 25 * MS);
        cr_assert_eq(r.advice.timeout_ms, (r.advice.wait_until_ns - now + MS - 1) / MS);
        atomic_store(&r.f.now_ns, r.advice.wait_until_ns - 1);
        cr_assert_eq(retry_next(&r), FO_WAIT, "not a moment too soon");
        atomic_store(&r.f.now_ns, r.advice.wait_until_ns);
        cr_assert_eq(retry_next(&r), FO_OK);
        cr_assert_eq(r.advice.attempt, 2);
        cr_assert_neq(retry_where(&r), first);
        retry_report(&r, FO_OUTCOME_SUCCESS);
        fixture_advance_ms(&r.f, 1);
    }
    retry_fixture_close(&r);
}

Test(retry, ends_when_its_attempts_are_used_up)
{
    struct retry_fixture r;

    for (uint32_t attempts = 1; attempts <= FO_RETRY_ATTEMPTS_MAX; attempts++) {
        open_eager(&r, 3, attempts);
        for (uint32_t i = 1; i <= attempts; i++) {
            cr_assert_eq(retry_next(&r), FO_OK);
            cr_assert_eq(r.advice.attempt, i);
            retry_report(&r, FO_OUTCOME_FAILURE);
        }
        cr_assert_eq(retry_next(&r), FO_BUDGET);
        cr_assert_eq(retry_next(&r), FO_BUDGET);
        retry_fixture_close(&r);
    }
}

Test(retry, is_told_at_once_that_the_budget_is_spent)
{
    struct fo_retry_policy policy = retry_policy();
    struct retry_fixture r;

    policy.budget_share = FO_RETRY_NONE;
    policy.budget_floor_per_s = 0.1; /* one in ten seconds */
    retry_fixture_open(&r, 3, &policy);
    cr_assert_eq(retry_next(&r), FO_OK);
    retry_report(&r, FO_OUTCOME_FAILURE);
    cr_assert_eq(retry_next(&r), FO_WAIT, "this one is paid for");
    fixture_advance_ms(&r.f, 1000);
    cr_assert_eq(retry_next(&r), FO_OK);
    retry_report(&r, FO_OUTCOME_FAILURE);
    cr_assert_eq(retry_next(&r), FO_BUDGET);
    cr_assert_eq(retry_next(&r), FO_BUDGET);
    retry_fixture_close(&r);
}

Test(retry, gives_back_what_it_paid_for_and_did_not_use)
{
    struct fo_retry_policy policy = retry_policy();
    struct retry_fixture r;

    policy.budget_share = FO_RETRY_NONE;
    policy.budget_floor_per_s = 0.1;
    retry_fixture_open(&r, 3, &policy);
    for (int i = 0; i < 5; i++) {
        retry_again(&r);
        cr_assert_eq(retry_next(&r), FO_OK);
        retry_report(&r, FO_OUTCOME_FAILURE);
        cr_assert_eq(retry_next(&r), FO_WAIT, "%d", i);
        cr_assert_eq(retry_next(&r), FO_WAIT, "it pays once");
    }
    retry_again(&r);
    cr_assert_eq(retry_next(&r), FO_OK);
    retry_report(&r, FO_OUTCOME_FAILURE);
    cr_assert_eq(retry_next_waiting(&r), FO_OK);
    retry_report(&r, FO_OUTCOME_SUCCESS);
    retry_again(&r);
    cr_assert_eq(retry_next(&r), FO_OK);
    retry_report(&r, FO_OUTCOME_FAILURE);
    cr_assert_eq(retry_next(&r), FO_BUDGET, "an attempt that was made is not given back");
    retry_fixture_close(&r);
}

Test(retry, finishes_what_is_open_at_its_end)
{
    struct retry_fixture r;

    retry_fixture_open(&r, 1, NULL);
    cr_assert_eq(retry_next(&r), FO_OK);
    cr_assert_eq(fixture_info(&r.f, "e0").in_flight, 1);
    cr_assert_eq(fo_retry_end(&r.retry), FO_OK);
    cr_assert_eq(fixture_info(&r.f, "e0").in_flight, 0);
    cr_assert_eq(fixture_info(&r.f, "e0").failed, 0);
    cr_assert_eq(fo_retry_end(&r.retry), FO_EINVAL, "once");
    retry_fixture_close(&r);
}

Test(retry, can_be_moved)
{
    struct retry_fixture r;
    struct fo_retry moved;

    open_eager(&r, 2, 2);
    cr_assert_eq(retry_next(&r), FO_OK);
    moved = r.retry;
    memset(&r.retry, 0xa5, sizeof(r.retry));
    cr_assert_eq(fo_retry_report(&moved, &r.lease, FO_OUTCOME_FAILURE, 0), FO_OK);
    cr_assert_eq(fo_retry_next(&moved, &r.lease, &r.advice), FO_OK);
    r.retry = moved;
    retry_report(&r, FO_OUTCOME_SUCCESS);
    retry_fixture_close(&r);
}

/* ---- Deadlines ----------------------------------------------------------------------------- */

Test(retry, tells_each_attempt_its_deadline)
{
    struct fo_retry_policy policy = eager(3);
    struct retry_fixture r;
    uint64_t begun;

    policy.attempt_timeout_ms = 400;
    policy.total_timeout_ms = 1000;
    retry_fixture_open(&r, 3, &policy);
    begun = r.f.now_ns;
    cr_assert_eq(retry_next(&r), FO_OK);
    cr_assert_eq(r.advice.deadline_ns, begun + 400 * MS);
    cr_assert_eq(r.advice.timeout_ms, 400);
    fixture_advance_ms(&r.f, 700);
    retry_report(&r, FO_OUTCOME_FAILURE);
    cr_assert_eq(retry_next(&r), FO_OK);
    cr_assert_eq(r.advice.deadline_ns, begun + 1000 * MS, "not behind the request's");
    cr_assert_eq(r.advice.timeout_ms, 300);
    fixture_advance_ms(&r.f, 300);
    retry_report(&r, FO_OUTCOME_FAILURE);
    cr_assert_eq(retry_next(&r), FO_DEADLINE);
    cr_assert_eq(retry_next(&r), FO_DEADLINE);
    retry_fixture_close(&r);
}

Test(retry, has_no_deadline_if_told_so)
{
    struct fo_retry_policy policy = eager(2);
    struct retry_fixture r;

    policy.total_timeout_ms = FO_RETRY_NO_TIMEOUT;
    retry_fixture_open(&r, 1, &policy);
    cr_assert_eq(retry_next(&r), FO_OK);
    cr_assert_eq(r.advice.deadline_ns, UINT64_MAX);
    cr_assert_eq((int)r.advice.timeout_ms, -1);
    fixture_advance_ms(&r.f, 100000000);
    retry_report(&r, FO_OUTCOME_FAILURE);
    cr_assert_eq(retry_next(&r), FO_OK);
    retry_fixture_close(&r);
}

Test(retry, does_not_wait_for_what_comes_too_late)
{
    struct fo_retry_policy policy = retry_policy();
    struct retry_fixture r;
    uint32_t late = 0;

    policy.total_timeout_ms = 1000;
    policy.backoff_base_ms = 2000;
    policy.budget_floor_per_s = 1e6;
    retry_fixture_open(&r, 2, &policy);
    for (int i = 0; i < 1000; i++) {
        fo_status status;

        retry_again(&r);
        cr_assert_eq(retry_next(&r), FO_OK);
        retry_report(&r, FO_OUTCOME_FAILURE);
        status = retry_next(&r);
        late += status == FO_DEADLINE ? 1 : 0;
        if (status != FO_DEADLINE) {
            cr_assert_eq(status, FO_WAIT);
            cr_assert_lt(r.advice.wait_until_ns, r.f.now_ns + 1000 * MS);
        }
    }
    cr_assert_gt(late, 420, "half of them, within five standard deviations");
    cr_assert_lt(late, 580);
    retry_fixture_close(&r);
}

/* ---- Who is asked -------------------------------------------------------------------------- */

Test(retry, asks_everybody_before_anybody_again)
{
    struct retry_fixture r;

    open_eager(&r, 5, 10);
    for (int round = 0; round < 100; round++) {
        unsigned seen = 0;

        retry_again(&r);
        for (int i = 0; i < 10; i++) {
            cr_assert_eq(retry_next(&r), FO_OK);
            if (i < 5)
                cr_assert_eq(seen & 1u << retry_where(&r), 0);
            seen |= 1u << retry_where(&r);
            retry_report(&r, FO_OUTCOME_FAILURE);
        }
        cr_assert_eq(seen, 31);
    }
    retry_fixture_close(&r);
}

Test(retry, on_a_cluster_of_one_asks_it_again_unless_strict)
{
    struct fo_pick_options strict = fo_pick_options_init();
    struct retry_fixture r;

    open_eager(&r, 1, 3);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(retry_next(&r), FO_OK);
        retry_report(&r, FO_OUTCOME_FAILURE);
    }
    strict.strict = true;
    cr_assert_eq(fo_retry_end(&r.retry), FO_OK);
    cr_assert_eq(fo_retry_begin(r.retrier, r.f.balancer, &strict, &r.retry), FO_OK);
    cr_assert_eq(retry_next(&r), FO_OK);
    retry_report(&r, FO_OUTCOME_FAILURE);
    cr_assert_eq(retry_next(&r), FO_UNAVAILABLE);
    fixture_add(&r.f, 2, NULL);
    cr_assert_eq(retry_next(&r), FO_OK, "it may be asked later");
    cr_assert_eq(retry_where(&r), 1);
    retry_fixture_close(&r);
}

Test(retry, keeps_to_the_options_of_the_caller)
{
    struct fo_pick_options options = fo_pick_options_init();
    struct retry_fixture r;
    uint64_t excluded;

    open_eager(&r, 3, 4);
    excluded = fixture_id(&r.f, "e1");
    options.exclude = &excluded;
    options.exclude_count = 1;
    for (int round = 0; round < 50; round++) {
        (void)fo_retry_end(&r.retry);
        cr_assert_eq(fo_retry_begin(r.retrier, r.f.balancer, &options, &r.retry), FO_OK);
        for (int i = 0; i < 2; i++) {
            cr_assert_eq(retry_next(&r), FO_OK);
            cr_assert_neq(retry_where(&r), 1);
            retry_report(&r, FO_OUTCOME_FAILURE);
        }
        cr_assert_eq(retry_next(&r), FO_OK, "all are used again");
        retry_report(&r, FO_OUTCOME_FAILURE);
    }
    retry_fixture_close(&r);
}

Test(retry, leaves_a_server_alone_as_long_as_it_asked_for)
{
    struct retry_fixture r;
    uint64_t begun;
    size_t silent;

    open_eager(&r, 2, 5);
    begun = r.f.now_ns;
    cr_assert_eq(retry_next(&r), FO_OK);
    silent = retry_where(&r);
    report_after(&r, 500);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(retry_next(&r), FO_OK);
        cr_assert_neq(retry_where(&r), silent, "the other one is asked again before");
        retry_report(&r, FO_OUTCOME_FAILURE);
    }
    cr_assert_eq(retry_next(&r), FO_OK);
    cr_assert_neq(retry_where(&r), silent);
    report_after(&r, 300);
    cr_assert_eq(retry_next(&r), FO_WAIT);
    cr_assert_eq(r.advice.wait_until_ns, begun + 300 * MS, "the first that may be asked");
    cr_assert_eq(retry_next_waiting(&r), FO_OK);
    cr_assert_neq(retry_where(&r), silent);
    retry_report(&r, FO_OUTCOME_SUCCESS);
    retry_fixture_close(&r);
}

Test(retry, waits_for_the_only_server_if_the_deadline_allows)
{
    struct fo_retry_policy policy = eager(3);
    struct retry_fixture r;

    policy.total_timeout_ms = 1000;
    retry_fixture_open(&r, 1, &policy);
    cr_assert_eq(retry_next(&r), FO_OK);
    report_after(&r, 999);
    cr_assert_eq(retry_next(&r), FO_WAIT);
    cr_assert_eq(r.advice.timeout_ms, 999);
    cr_assert_eq(retry_next_waiting(&r), FO_OK);
    retry_again(&r);
    cr_assert_eq(retry_next(&r), FO_OK);
    report_after(&r, 1000);
    cr_assert_eq(retry_next(&r), FO_DEADLINE);
    retry_fixture_close(&r);
}

Test(retry, waits_for_a_silent_server_rather_than_ask_a_dead_one)
{
    struct retry_fixture r;

    open_eager(&r, 2, 3);
    fixture_set_weight(&r.f, "e1", 0);
    cr_assert_eq(retry_next(&r), FO_OK);
    cr_assert_eq(retry_where(&r), 0);
    report_after(&r, 500);
    cr_assert_eq(retry_next(&r), FO_WAIT);
    retry_fixture_close(&r);
}

Test(retry, begins_by_its_key_and_goes_on_to_the_next_choice)
{
    struct fo_pick_options options = fo_pick_options_init();
    struct retry_fixture r;
    size_t first[20];
    size_t second[20];

    open_eager(&r, 6, 3);
    options.key = "a key";
    for (int i = 0; i < 20; i++) {
        options.key_size = 1 + (size_t)i / 10;
        (void)fo_retry_end(&r.retry);
        cr_assert_eq(fo_retry_begin(r.retrier, r.f.balancer, &options, &r.retry), FO_OK);
        cr_assert_eq(retry_next(&r), FO_OK);
        first[i] = retry_where(&r);
        retry_report(&r, FO_OUTCOME_FAILURE);
        cr_assert_eq(retry_next(&r), FO_OK);
        second[i] = retry_where(&r);
        cr_assert_neq(first[i], second[i]);
        if (i % 10 > 0) {
            cr_assert_eq(first[i], first[i - 1]);
            cr_assert_eq(second[i], second[i - 1]);
        }
        retry_report(&r, FO_OUTCOME_SUCCESS);
    }
    retry_fixture_close(&r);
}

/* ---- Throttle ------------------------------------------------------------------------------ */

Test(retry, sheds_the_first_attempt_only)
{
    struct fo_retry_policy policy = eager(2);
    struct retry_fixture r;
    uint32_t shed = 0;

    policy.throttle_k = 2;
    retry_fixture_open(&r, 3, &policy);
    for (int i = 0; i < 10000; i++) {
        fo_status status;

        retry_again(&r);
        status = retry_next(&r);
        if (status == FO_BUDGET) {
            cr_assert_eq(retry_next(&r), FO_BUDGET);
            shed++;
            continue;
        }
        cr_assert_eq(status, FO_OK);
        retry_report(&r, FO_OUTCOME_FAILURE);
        cr_assert_eq(retry_next(&r), FO_OK);
        retry_report(&r, FO_OUTCOME_FAILURE);
    }
    cr_assert_gt(shed, 9950, "the n-th passes with probability 1 / (n + 1)");
    retry_fixture_close(&r);
}

/* ---- Hedges -------------------------------------------------------------------------------- */

/** A policy that hedges, and 200 answers of 10 ms. */
static void open_hedging(struct retry_fixture *r, size_t n, uint32_t attempts)
{
    struct fo_retry_policy policy = eager(attempts);

    policy.hedge_share = 0.1;
    retry_fixture_open(r, n, &policy);
    for (int i = 0; i < 200; i++) {
        retry_again(r);
        cr_assert_eq(retry_next(r), FO_OK);
        cr_assert(i >= 100 || r->advice.hedge_after_ns == 0);
        fixture_advance_ms(&r->f, 10);
        retry_report(r, FO_OUTCOME_SUCCESS);
    }
    retry_again(r);
    cr_assert_eq(retry_next(r), FO_OK);
}

Test(retry, advises_a_hedge_after_what_nearly_all_answers_take)
{
    struct retry_fixture r;
    struct fo_lease hedge;

    open_hedging(&r, 3, 3);
    cr_assert_geq(r.advice.hedge_after_ns, 10 * MS);
    cr_assert_leq(r.advice.hedge_after_ns, 11250000);
    cr_assert_eq(fo_retry_hedge(&r.retry, &hedge, &r.advice), FO_WAIT);
    cr_assert_eq(r.advice.timeout_ms, 11);
    atomic_store(&r.f.now_ns, r.advice.wait_until_ns);
    cr_assert_eq(fo_retry_hedge(&r.retry, &hedge, &r.advice), FO_OK);
    cr_assert_eq(r.advice.attempt, 2);
    cr_assert_eq(r.advice.hedge_after_ns, 0, "no hedge of a hedge");
    cr_assert_neq(hedge.endpoint, r.lease.endpoint);
    cr_assert_eq(fo_retry_hedge(&r.retry, &hedge, &r.advice), FO_BUSY);
    cr_assert_eq(fo_retry_report(&r.retry, &hedge, FO_OUTCOME_SUCCESS, 0), FO_OK);
    cr_assert_eq(retry_next(&r), FO_DONE);
    retry_report(&r, FO_OUTCOME_CANCELLED);
    cr_assert_eq(retry_next(&r), FO_DONE);
    retry_fixture_close(&r);
}

Test(retry, goes_on_with_a_hedge_when_the_first_attempt_fails)
{
    struct retry_fixture r;
    struct fo_lease hedge;

    open_hedging(&r, 3, 3);
    fixture_advance_ms(&r.f, 20);
    cr_assert_eq(fo_retry_hedge(&r.retry, &hedge, &r.advice), FO_OK);
    retry_report(&r, FO_OUTCOME_FAILURE);
    cr_assert_eq(retry_next(&r), FO_BUSY, "the hedge is out");
    cr_assert_eq(fo_retry_report(&r.retry, &hedge, FO_OUTCOME_FAILURE, 0), FO_OK);
    cr_assert_eq(retry_next(&r), FO_OK);
    cr_assert_eq(r.advice.attempt, 3);
    retry_report(&r, FO_OUTCOME_FAILURE);
    cr_assert_eq(retry_next(&r), FO_BUDGET);
    retry_fixture_close(&r);
}

Test(retry, cancels_the_loser_at_its_end)
{
    struct retry_fixture r;
    struct fo_lease hedge;
    uint64_t in_flight = 0;

    open_hedging(&r, 2, 3);
    fixture_advance_ms(&r.f, 20);
    cr_assert_eq(fo_retry_hedge(&r.retry, &hedge, &r.advice), FO_OK);
    retry_report(&r, FO_OUTCOME_SUCCESS);
    cr_assert_eq(fo_retry_end(&r.retry), FO_OK);
    for (size_t i = 0; i < 2; i++)
        in_flight += fixture_info(&r.f, fixture_name(i)).in_flight;
    cr_assert_eq(in_flight, 0);
    retry_fixture_close(&r);
}

Test(retry, goes_on_when_a_hedge_is_cancelled_beside_an_open_attempt)
{
    struct retry_fixture r;
    struct fo_lease hedge;

    open_hedging(&r, 2, 3);
    fixture_advance_ms(&r.f, 20);
    cr_assert_eq(fo_retry_hedge(&r.retry, &hedge, &r.advice), FO_OK);
    cr_assert_eq(fo_retry_report(&r.retry, &hedge, FO_OUTCOME_CANCELLED, 0), FO_OK);
    retry_report(&r, FO_OUTCOME_FAILURE);
    cr_assert_eq(retry_next(&r), FO_OK);
    retry_report(&r, FO_OUTCOME_SUCCESS);
    retry_fixture_close(&r);
}

Test(retry, has_no_hedge_where_there_is_no_other_server)
{
    struct retry_fixture r;
    struct fo_lease hedge = fo_lease_init();

    open_hedging(&r, 1, 3);
    fixture_advance_ms(&r.f, 20);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(fo_retry_hedge(&r.retry, &hedge, &r.advice), FO_UNAVAILABLE, "paid back");
    cr_assert_null(hedge.endpoint);
    retry_fixture_close(&r);
}

Test(retry, has_no_hedge_while_it_is_off_or_nothing_is_open)
{
    struct retry_fixture r;

    open_eager(&r, 2, 3);
    cr_assert_eq(fo_retry_hedge(&r.retry, &r.lease, &r.advice), FO_EINVAL, "nothing is open");
    cr_assert_eq(retry_next(&r), FO_OK);
    cr_assert_eq(fo_retry_hedge(&r.retry, &r.lease, &r.advice), FO_BUDGET);
    retry_report(&r, FO_OUTCOME_SUCCESS);
    cr_assert_eq(fo_retry_hedge(&r.retry, &r.lease, &r.advice), FO_DONE);
    retry_fixture_close(&r);
}

Test(retry, has_no_hedge_at_its_last_attempt_nor_behind_its_deadline)
{
    struct retry_fixture r;

    open_hedging(&r, 2, 1);
    cr_assert_eq(r.advice.hedge_after_ns, 0);
    cr_assert_eq(fo_retry_hedge(&r.retry, &r.lease, &r.advice), FO_BUDGET);
    retry_fixture_close(&r);
    open_hedging(&r, 2, 2);
    fixture_advance_ms(&r.f, 10000);
    cr_assert_eq(fo_retry_hedge(&r.retry, &r.lease, &r.advice), FO_DEADLINE);
    retry_fixture_close(&r);
}
