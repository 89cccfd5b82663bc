/* SPDX-License-Identifier: Apache-2.0
 *
 * failover.hpp: the move-only request of C++.
 */
#include <failover/failover.hpp>

#include <criterion/criterion.h>
#include <type_traits>
#include <utility>

using failover::retry;

static_assert(!std::is_copy_constructible<retry>::value, "a request is not copied");
static_assert(!std::is_copy_assignable<retry>::value, "a request is not copied");
static_assert(std::is_nothrow_move_constructible<retry>::value, "a request is moved");
static_assert(std::is_nothrow_move_assignable<retry>::value, "a request is moved");
static_assert(std::is_nothrow_destructible<retry>::value, "a request ends quietly");
static_assert(sizeof(retry) == sizeof(fo_retry), "it adds nothing");

namespace {

class service {
public:
    service()
    {
        fo_endpoint_config endpoints[2] = {fo_endpoint_config_init("a"),
                                           fo_endpoint_config_init("b")};
        fo_retry_policy policy = fo_retry_policy_init();

        policy.backoff_base_ms = FO_RETRY_NO_BACKOFF;
        cr_assert_eq(fo_balancer_create(nullptr, &balancer), FO_OK);
        cr_assert_eq(fo_balancer_update(balancer, endpoints, 2, nullptr, 0, nullptr), FO_OK);
        cr_assert_eq(fo_retrier_create(&policy, &retrier), FO_OK);
    }

    ~service()
    {
        fo_retrier_destroy(retrier);
        fo_balancer_destroy(balancer);
    }

    uint64_t in_flight(const char *name)
    {
        fo_endpoint_info info = fo_endpoint_info_init();

        cr_assert_eq(fo_endpoint_status(balancer, name, &info), FO_OK);
        return info.in_flight;
    }

    uint64_t in_flight() { return in_flight("a") + in_flight("b"); }

    fo_balancer *balancer;
    fo_retrier *retrier;
};

} // namespace

Test(cpp_retry, goes_elsewhere_until_it_is_done)
{
    service s;
    retry request;
    fo_lease attempt = fo_lease_init();
    fo_retry_advice advice = fo_retry_advice_init();

    cr_assert_eq(request.begin(s.retrier, s.balancer), FO_OK);
    cr_assert_eq(request.next(&attempt, &advice), FO_OK);
    fo_endpoint *first = attempt.endpoint;
    cr_assert_eq(request.report(&attempt, FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(request.next(&attempt, &advice), FO_OK);
    cr_assert_neq(attempt.endpoint, first);
    cr_assert_eq(request.hedge(&attempt, &advice), FO_BUDGET);
    cr_assert_eq(request.report(&attempt, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(request.next(&attempt, &advice), FO_DONE);
}

Test(cpp_retry, cancels_what_is_open_when_it_goes_out_of_scope)
{
    service s;
    fo_lease attempt = fo_lease_init();
    fo_retry_advice advice = fo_retry_advice_init();

    {
        retry request;
        cr_assert_eq(request.begin(s.retrier, s.balancer), FO_OK);
        cr_assert_eq(request.next(&attempt, &advice), FO_OK);
        cr_assert_eq(s.in_flight(), 1);
    }
    cr_assert_eq(s.in_flight(), 0);
}

Test(cpp_retry, is_moved_with_its_attempts)
{
    service s;
    retry request;
    retry other;
    fo_lease attempt = fo_lease_init();
    fo_retry_advice advice = fo_retry_advice_init();

    cr_assert_eq(request.begin(s.retrier, s.balancer), FO_OK);
    cr_assert_eq(request.next(&attempt, &advice), FO_OK);
    cr_assert_eq(other.begin(s.retrier, s.balancer), FO_OK);
    fo_lease replaced = fo_lease_init();
    cr_assert_eq(other.next(&replaced, &advice), FO_OK);
    cr_assert_eq(s.in_flight(), 2);
    other = std::move(request);
    cr_assert_eq(s.in_flight(), 1, "what was there before is cancelled");
    cr_assert_eq(request.report(&attempt, FO_OUTCOME_SUCCESS), FO_EINVAL, "it is empty");
    retry third(std::move(other));
    cr_assert_eq(third.report(&attempt, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(s.in_flight(), 0);
}
