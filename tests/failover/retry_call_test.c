/* SPDX-License-Identifier: Apache-2.0
 *
 * fo_call(): requests that block, on virtual time.
 */
#include "retry_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>

#define MS UINT64_C(1000000)

struct client {
    struct retry_fixture r;
    int error[FO_RETRY_ATTEMPTS_MAX]; /* what attempt 1, 2, … brings */
    uint32_t retry_after_ms;
    uint32_t takes_ms;
    uint32_t calls;
    uint32_t sleeps;
    uint64_t slept_until;
    size_t where[FO_RETRY_ATTEMPTS_MAX];
    uint32_t timeout_ms[FO_RETRY_ATTEMPTS_MAX];
};

static int send(struct fo_attempt *attempt, void *arg)
{
    struct client *client = arg;
    uint32_t i = client->calls++;

    cr_assert_eq(attempt->size, sizeof(*attempt));
    cr_assert_eq(attempt->number, i + 1);
    cr_assert_eq(attempt->retry_after_ms, 0);
    cr_assert_leq(attempt->deadline_ns, client->r.f.now_ns + attempt->timeout_ms * MS);
    cr_assert_gt(attempt->deadline_ns + MS, client->r.f.now_ns + attempt->timeout_ms * MS);
    client->where[i] = fixture_index(attempt->endpoint);
    client->timeout_ms[i] = attempt->timeout_ms;
    attempt->retry_after_ms = client->retry_after_ms;
    fixture_advance_ms(&client->r.f, client->takes_ms);
    return client->error[i];
}

/** Wakes up too early every other time. */
static void sleep_virtually(uint64_t until_ns, void *arg)
{
    struct client *client = arg;
    uint64_t now = client->r.f.now_ns;

    cr_assert_gt(until_ns, now);
    client->sleeps++;
    client->slept_until = until_ns;
    atomic_store(&client->r.f.now_ns,
                 client->sleeps % 2 == 0 ? until_ns : now + (until_ns - now) / 2);
}

static fo_outcome everything_is_fine(int error, void *arg)
{
    (void)error;
    (void)arg;
    return FO_OUTCOME_NEUTRAL;
}

static fo_outcome no_outcome(int error, void *arg)
{
    (void)error;
    return *(fo_outcome *)arg;
}

static struct fo_retry_policy policy_of(struct client *client)
{
    struct fo_retry_policy policy = retry_policy();

    memset(client, 0, sizeof(*client));
    policy.sleep = sleep_virtually;
    policy.sleep_arg = client;
    return policy;
}

static void open_client(struct client *client, size_t n)
{
    struct fo_retry_policy policy = policy_of(client);

    retry_fixture_open(&client->r, n, &policy);
}

static fo_status call(struct client *client)
{
    client->calls = 0;
    return fo_call(client->r.retrier, client->r.f.balancer, NULL, send, client);
}

Test(retry_call, returns_with_the_first_answer)
{
    static struct client client;

    open_client(&client, 3);
    cr_assert_eq(call(&client), FO_OK);
    cr_assert_eq(client.calls, 1);
    cr_assert_eq(client.sleeps, 0);
    cr_assert_eq(client.timeout_ms[0], 10000);
    client.error[0] = EINVAL;
    cr_assert_eq(call(&client), FO_OK, "an answer, too");
    cr_assert_eq(client.calls, 1);
    retry_fixture_close(&client.r);
}

Test(retry_call, goes_elsewhere_and_sleeps_between)
{
    static struct client client;

    open_client(&client, 3);
    client.error[0] = ECONNRESET;
    client.error[1] = ETIMEDOUT;
    client.takes_ms = 100;
    cr_assert_eq(call(&client), FO_OK);
    cr_assert_eq(client.calls, 3);
    cr_assert_geq(client.sleeps, 2);
    cr_assert_neq(client.where[0], client.where[1]);
    cr_assert_neq(client.where[1], client.where[2]);
    cr_assert_neq(client.where[0], client.where[2]);
    cr_assert_leq(client.timeout_ms[1], 9900);
    cr_assert_geq(client.timeout_ms[1], 9875);
    retry_fixture_close(&client.r);
}

Test(retry_call, tells_the_balancer_what_the_errors_mean)
{
    static struct client client;
    struct fo_endpoint_info info;

    open_client(&client, 2);
    client.error[0] = ECONNREFUSED;
    cr_assert_eq(call(&client), FO_OK);
    info = fixture_info(&client.r.f, fixture_name(client.where[0]));
    cr_assert_eq(info.state, FO_STATE_DOWN);
    cr_assert_eq(info.failed, 1);
    info = fixture_info(&client.r.f, fixture_name(client.where[1]));
    cr_assert_eq(info.state, FO_STATE_UP);
    cr_assert_eq(info.failed, 0);
    retry_fixture_close(&client.r);
}

Test(retry_call, gives_up_when_attempts_are_used_up)
{
    static struct client client;

    open_client(&client, 4);
    for (int i = 0; i < 4; i++)
        client.error[i] = EIO;
    cr_assert_eq(call(&client), FO_BUDGET);
    cr_assert_eq(client.calls, 3);
    retry_fixture_close(&client.r);
}

Test(retry_call, gives_up_at_the_deadline)
{
    static struct client client;
    uint64_t begun;

    open_client(&client, 4);
    begun = client.r.f.now_ns;
    client.error[0] = client.error[1] = EIO;
    client.takes_ms = 6000;
    cr_assert_eq(call(&client), FO_DEADLINE);
    cr_assert_eq(client.calls, 2);
    cr_assert_leq(client.timeout_ms[1], 4000);
    cr_assert_geq(client.r.f.now_ns, begun + 10000 * MS);
    retry_fixture_close(&client.r);
}

Test(retry_call, sleeps_until_the_only_server_may_be_asked)
{
    static struct client client;
    uint64_t begun;

    open_client(&client, 1);
    begun = client.r.f.now_ns;
    client.error[0] = EIO;
    client.retry_after_ms = 700;
    cr_assert_eq(call(&client), FO_OK);
    cr_assert_eq(client.calls, 2);
    cr_assert_eq(client.slept_until, begun + 700 * MS);
    retry_fixture_close(&client.r);
}

Test(retry_call, ends_when_the_caller_gives_up)
{
    static struct client client;

    open_client(&client, 3);
    client.error[0] = ECANCELED;
    cr_assert_eq(call(&client), FO_OK);
    cr_assert_eq(client.calls, 1);
    retry_fixture_close(&client.r);
}

Test(retry_call, takes_a_classification_of_ones_own)
{
    static struct client client;
    struct fo_retry_policy policy = policy_of(&client);
    fo_outcome none = (fo_outcome)8;

    policy.classify = everything_is_fine;
    retry_fixture_open(&client.r, 2, &policy);
    client.error[0] = ECONNREFUSED;
    cr_assert_eq(call(&client), FO_OK);
    cr_assert_eq(client.calls, 1);
    policy.classify = no_outcome;
    policy.classify_arg = &none;
    (void)fo_retry_end(&client.r.retry);
    retry_use_policy(&client.r, &policy);
    cr_assert_eq(call(&client), FO_EINVAL);
    cr_assert_eq(fixture_info(&client.r.f, fixture_name(client.where[0])).in_flight, 0);
    retry_fixture_close(&client.r);
}

Test(retry_call, is_refused_without_a_server)
{
    static struct client client;

    open_client(&client, 0);
    cr_assert_eq(call(&client), FO_UNAVAILABLE);
    cr_assert_eq(client.calls, 0);
    retry_fixture_close(&client.r);
}

static uint64_t frozen_clock(void *arg)
{
    (*(uint32_t *)arg)++;
    return 5000 * MS;
}

Test(retry_call, takes_a_clock_of_ones_own)
{
    static struct client client;
    struct fo_retry_policy policy = policy_of(&client);
    uint32_t looks = 0;

    policy.clock = frozen_clock;
    policy.clock_arg = &looks;
    retry_fixture_open(&client.r, 1, &policy);
    cr_assert_eq(retry_next(&client.r), FO_OK);
    cr_assert_eq(client.r.advice.deadline_ns, 15000 * MS);
    retry_report(&client.r, FO_OUTCOME_SUCCESS);
    cr_assert_eq(looks, 3);
    retry_fixture_close(&client.r);
}
