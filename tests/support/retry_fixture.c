/* SPDX-License-Identifier: Apache-2.0 */
#include "retry_fixture.h"

#include <assert.h>

struct fo_retry_policy retry_policy(void)
{
    struct fo_retry_policy policy = fo_retry_policy_init();

    policy.seed = 1;
    return policy;
}

void retry_use_policy(struct retry_fixture *r, const struct fo_retry_policy *policy)
{
    struct fo_retry_policy ours = retry_policy();
    fo_status status;

    fo_retrier_destroy(r->retrier);
    status = fo_retrier_create(policy != NULL ? policy : &ours, &r->retrier);
    assert(status == FO_OK);
    (void)status;
}

void retry_fixture_open(struct retry_fixture *r, size_t n, const struct fo_retry_policy *policy)
{
    fixture_open(&r->f, n, NULL);
    r->retrier = NULL;
    retry_use_policy(r, policy);
    r->retry = fo_retry_init();
    r->lease = fo_lease_init();
    r->advice = fo_retry_advice_init();
    retry_again(r);
}

void retry_fixture_close(struct retry_fixture *r)
{
    (void)fo_retry_end(&r->retry);
    fo_retrier_destroy(r->retrier);
    fixture_destroy(&r->f);
}

void retry_again(struct retry_fixture *r)
{
    fo_status status;

    (void)fo_retry_end(&r->retry);
    status = fo_retry_begin(r->retrier, r->f.balancer, NULL, &r->retry);
    assert(status == FO_OK);
    (void)status;
}

fo_status retry_next(struct retry_fixture *r)
{
    return fo_retry_next(&r->retry, &r->lease, &r->advice);
}

fo_status retry_next_waiting(struct retry_fixture *r)
{
    fo_status status = retry_next(r);

    while (status == FO_WAIT) {
        assert(r->advice.wait_until_ns > r->f.now_ns);
        atomic_store(&r->f.now_ns, r->advice.wait_until_ns);
        fixture_dispatch(&r->f);
        status = retry_next(r);
    }
    return status;
}

void retry_report(struct retry_fixture *r, fo_outcome outcome)
{
    fo_status status = fo_retry_report(&r->retry, &r->lease, outcome, 0);

    assert(status == FO_OK);
    (void)status;
}

size_t retry_where(const struct retry_fixture *r)
{
    return fixture_index(r->lease.endpoint);
}
