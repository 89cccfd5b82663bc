/* SPDX-License-Identifier: Apache-2.0
 *
 * What retries refuse, and what of older and newer callers they accept.
 */
#include "retry_fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static fo_status try_policy(const struct fo_retry_policy *policy)
{
    struct fo_retrier *retrier = NULL;
    fo_status status = fo_retrier_create(policy, &retrier);

    cr_assert_eq(retrier != NULL, status == FO_OK, "set on FO_OK only");
    fo_retrier_destroy(retrier);
    return status;
}

#define EXPECT(expected, field, value)                                                             \
    do {                                                                                           \
        struct fo_retry_policy policy = fo_retry_policy_init();                                    \
        policy.field = (value);                                                                    \
        cr_expect_eq(try_policy(&policy), expected, #field " " #value);                            \
    } while (0)

Test(retry_input, numbers_of_a_policy_have_their_ranges)
{
    EXPECT(FO_OK, max_attempts, 16);
    EXPECT(FO_EINVAL, max_attempts, 17);
    EXPECT(FO_OK, attempt_timeout_ms, UINT32_MAX);
    EXPECT(FO_OK, total_timeout_ms, FO_RETRY_NO_TIMEOUT);
    EXPECT(FO_OK, backoff_base_ms, FO_RETRY_NO_BACKOFF);
    EXPECT(FO_OK, backoff_base_ms, 5000);
    EXPECT(FO_OK, backoff_max_ms, 1);
    EXPECT(FO_OK, budget_ttl_ms, 1000);
    EXPECT(FO_EINVAL, budget_ttl_ms, 999);
    EXPECT(FO_OK, budget_ttl_ms, 3600000);
    EXPECT(FO_EINVAL, budget_ttl_ms, 3600001);
    EXPECT(FO_OK, budget_share, FO_RETRY_NONE);
    EXPECT(FO_OK, budget_share, 1000);
    EXPECT(FO_EINVAL, budget_share, 1000.1);
    EXPECT(FO_EINVAL, budget_share, -0.5);
    EXPECT(FO_EINVAL, budget_share, NAN);
    EXPECT(FO_OK, budget_floor_per_s, FO_RETRY_NONE);
    EXPECT(FO_OK, budget_floor_per_s, 1e6);
    EXPECT(FO_EINVAL, budget_floor_per_s, INFINITY);
    EXPECT(FO_EINVAL, budget_floor_per_s, -2);
    EXPECT(FO_EINVAL, budget_floor_per_s, NAN);
    EXPECT(FO_OK, throttle_k, 1);
    EXPECT(FO_OK, throttle_k, 1000);
    EXPECT(FO_EINVAL, throttle_k, 0.9);
    EXPECT(FO_EINVAL, throttle_k, 1001);
    EXPECT(FO_EINVAL, throttle_k, -1);
    EXPECT(FO_EINVAL, throttle_k, NAN);
    EXPECT(FO_OK, hedge_share, 0.1);
    EXPECT(FO_EINVAL, hedge_share, 0.11);
    EXPECT(FO_EINVAL, hedge_share, -1);
    EXPECT(FO_EINVAL, hedge_share, NAN);
}

Test(retry_input, the_first_pause_is_not_longer_than_the_longest)
{
    struct fo_retry_policy policy = fo_retry_policy_init();

    policy.backoff_base_ms = 100;
    policy.backoff_max_ms = 100;
    cr_assert_eq(try_policy(&policy), FO_OK);
    policy.backoff_max_ms = 99;
    cr_assert_eq(try_policy(&policy), FO_EINVAL);
}

Test(retry_input, nothing_means_all_defaults)
{
    struct fo_retry_policy zeros = {.size = sizeof(zeros)};

    cr_assert_eq(try_policy(NULL), FO_OK);
    cr_assert_eq(try_policy(&zeros), FO_OK);
    cr_assert_eq(fo_retrier_create(NULL, NULL), FO_EINVAL);
    fo_retrier_destroy(NULL);
}

Test(retry_input, older_and_newer_policies_are_read)
{
    struct {
        struct fo_retry_policy known;
        unsigned char tail[32];
    } newer = {.known = {.size = sizeof(newer)}};
    struct fo_retry_policy policy = fo_retry_policy_init();

    cr_assert_eq(try_policy(&newer.known), FO_OK);
    newer.tail[31] = 1;
    cr_assert_eq(try_policy(&newer.known), FO_EINVAL);
    policy.throttle_k = -1;
    policy.size = offsetof(struct fo_retry_policy, throttle_k);
    cr_assert_eq(try_policy(&policy), FO_OK, "what is behind an older one's end is not read");
    policy.size = 0;
    cr_assert_eq(try_policy(&policy), FO_EINVAL);
    policy.size = sizeof(policy) + 1;
    cr_assert_eq(try_policy(&policy), FO_EINVAL);
}

Test(retry_input, begin_needs_all_it_has)
{
    uint64_t excluded[FO_EXCLUDE_MAX] = {0};
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_retry retry = fo_retry_init();
    struct retry_fixture r;

    retry_fixture_open(&r, 1, NULL);
    cr_assert_eq(fo_retry_begin(NULL, r.f.balancer, NULL, &retry), FO_EINVAL);
    cr_assert_eq(fo_retry_begin(r.retrier, NULL, NULL, &retry), FO_EINVAL);
    cr_assert_eq(fo_retry_begin(r.retrier, r.f.balancer, NULL, NULL), FO_EINVAL);
    options.size = 3;
    cr_assert_eq(fo_retry_begin(r.retrier, r.f.balancer, &options, &retry), FO_EINVAL);
    options = fo_pick_options_init();
    options.exclude_count = 1;
    cr_assert_eq(fo_retry_begin(r.retrier, r.f.balancer, &options, &retry), FO_EINVAL);
    options.exclude = excluded;
    options.exclude_count = FO_EXCLUDE_MAX - 2; /* and three attempts */
    cr_assert_eq(fo_retry_begin(r.retrier, r.f.balancer, &options, &retry), FO_EINVAL);
    cr_assert_null(retry.retrier, "untouched");
    options.exclude_count = FO_EXCLUDE_MAX - 3;
    cr_assert_eq(fo_retry_begin(r.retrier, r.f.balancer, &options, &retry), FO_OK);
    cr_assert_eq(fo_retry_end(&retry), FO_OK);
    retry_fixture_close(&r);
}

Test(retry_input, what_pick_refuses_is_refused_by_next)
{
    struct fo_pick_options options = fo_pick_options_init();
    struct retry_fixture r;

    retry_fixture_open(&r, 1, NULL);
    options.reserved[1] = true;
    (void)fo_retry_end(&r.retry);
    cr_assert_eq(fo_retry_begin(r.retrier, r.f.balancer, &options, &r.retry), FO_OK);
    cr_assert_eq(retry_next(&r), FO_EINVAL);
    options.reserved[1] = false;
    cr_assert_eq(retry_next(&r), FO_OK);
    retry_fixture_close(&r);
}

Test(retry_input, next_and_hedge_need_a_request_that_is_begun)
{
    struct fo_retry nothing = fo_retry_init();
    struct fo_retry_advice bad = fo_retry_advice_init();
    struct fo_lease lease = fo_lease_init();
    struct retry_fixture r;

    bad.size = 5;
    retry_fixture_open(&r, 1, NULL);
    cr_assert_eq(fo_retry_next(NULL, &lease, &r.advice), FO_EINVAL);
    cr_assert_eq(fo_retry_next(&nothing, &lease, &r.advice), FO_EINVAL);
    cr_assert_eq(fo_retry_next(&r.retry, NULL, &r.advice), FO_EINVAL);
    cr_assert_eq(fo_retry_next(&r.retry, &lease, NULL), FO_EINVAL);
    cr_assert_eq(fo_retry_next(&r.retry, &lease, &bad), FO_EINVAL);
    cr_assert_eq(fo_retry_hedge(NULL, &lease, &r.advice), FO_EINVAL);
    cr_assert_eq(fo_retry_hedge(&nothing, &lease, &r.advice), FO_EINVAL);
    cr_assert_eq(fo_retry_hedge(&r.retry, &lease, &bad), FO_EINVAL);
    cr_assert_eq(fo_retry_end(NULL), FO_EINVAL);
    cr_assert_eq(fo_retry_end(&nothing), FO_EINVAL);
    cr_assert_null(lease.endpoint);
    retry_fixture_close(&r);
}

Test(retry_input, older_advice_is_filled_as_far_as_it_goes)
{
    struct retry_fixture r;

    retry_fixture_open(&r, 1, NULL);
    r.advice.size = offsetof(struct fo_retry_advice, hedge_after_ns);
    r.advice.hedge_after_ns = 12345;
    cr_assert_eq(retry_next(&r), FO_OK);
    cr_assert_neq(r.advice.deadline_ns, 0);
    cr_assert_eq(r.advice.hedge_after_ns, 12345);
    retry_fixture_close(&r);
}

Test(retry_input, report_needs_a_lease_of_an_open_attempt)
{
    struct fo_lease other = fo_lease_init();
    struct fo_retry nothing = fo_retry_init();
    struct retry_fixture r;

    retry_fixture_open(&r, 2, NULL);
    cr_assert_eq(retry_next(&r), FO_OK);
    cr_assert_eq(fo_retry_next(&r.retry, &other, &r.advice), FO_BUSY);
    cr_assert_eq(fo_retry_report(NULL, &r.lease, FO_OUTCOME_SUCCESS, 0), FO_EINVAL);
    cr_assert_eq(fo_retry_report(&nothing, &r.lease, FO_OUTCOME_SUCCESS, 0), FO_EINVAL);
    cr_assert_eq(fo_retry_report(&r.retry, NULL, FO_OUTCOME_SUCCESS, 0), FO_EINVAL);
    cr_assert_eq(fo_retry_report(&r.retry, &other, FO_OUTCOME_SUCCESS, 0), FO_EINVAL);
    cr_assert_eq(fo_retry_report(&r.retry, &r.lease, (fo_outcome)0, 0), FO_EINVAL);
    cr_assert_eq(fo_retry_report(&r.retry, &r.lease, (fo_outcome)8, 0), FO_EINVAL);
    do
        cr_assert_eq(fo_pick(r.f.balancer, &other), FO_OK);
    while (other.endpoint == r.lease.endpoint && fo_finish(&other, FO_OUTCOME_NEUTRAL) == FO_OK);
    cr_assert_eq(fo_retry_report(&r.retry, &other, FO_OUTCOME_SUCCESS, 0), FO_EINVAL);
    cr_assert_eq(fo_finish(&other, FO_OUTCOME_NEUTRAL), FO_OK, "it was not touched");
    retry_report(&r, FO_OUTCOME_SUCCESS);
    cr_assert_eq(retry_next(&r), FO_DONE, "the attempt was still open");
    retry_fixture_close(&r);
}

static int never(struct fo_attempt *attempt, void *arg)
{
    (void)attempt;
    (void)arg;
    cr_assert(false);
    return 0;
}

Test(retry_input, call_needs_all_it_has)
{
    struct fo_pick_options options = fo_pick_options_init();
    struct retry_fixture r;

    retry_fixture_open(&r, 1, NULL);
    options.exclude_count = 1;
    cr_assert_eq(fo_call(NULL, r.f.balancer, NULL, never, NULL), FO_EINVAL);
    cr_assert_eq(fo_call(r.retrier, NULL, NULL, never, NULL), FO_EINVAL);
    cr_assert_eq(fo_call(r.retrier, r.f.balancer, NULL, NULL, NULL), FO_EINVAL);
    cr_assert_eq(fo_call(r.retrier, r.f.balancer, &options, never, NULL), FO_EINVAL);
    retry_fixture_close(&r);
}
