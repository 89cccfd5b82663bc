/* SPDX-License-Identifier: Apache-2.0
 *
 * failover.hpp: the move-only lease of C++.
 */
#include <failover/failover.hpp>

#include <criterion/criterion.h>
#include <type_traits>
#include <utility>
#include <vector>

using failover::lease;

static_assert(!std::is_copy_constructible<lease>::value, "a lease is not copied");
static_assert(!std::is_copy_assignable<lease>::value, "a lease is not copied");
static_assert(std::is_nothrow_move_constructible<lease>::value, "a lease is moved");
static_assert(std::is_nothrow_move_assignable<lease>::value, "a lease is moved");
static_assert(std::is_nothrow_default_constructible<lease>::value, "a lease begins empty");
static_assert(std::is_nothrow_destructible<lease>::value, "a lease ends quietly");
static_assert(!std::is_convertible<lease, bool>::value, "its test is explicit");
static_assert(sizeof(lease) == sizeof(fo_lease), "it adds nothing");

namespace {

class shop {
public:
    shop()
    {
        fo_endpoint_config endpoint = fo_endpoint_config_init("a");
        fo_config config = fo_config_init();

        cr_assert_eq(fo_runtime_create(nullptr, &runtime_), FO_OK);
        config.runtime = runtime_;
        cr_assert_eq(fo_balancer_create(&config, &balancer), FO_OK);
        cr_assert_eq(fo_balancer_update(balancer, &endpoint, 1, nullptr, 0, nullptr), FO_OK);
    }

    ~shop()
    {
        fo_balancer_destroy(balancer);
        fo_runtime_dispatch(runtime_);
        cr_assert_eq(fo_runtime_destroy(runtime_), FO_OK, "no lease was forgotten");
    }

    fo_endpoint_info info() const
    {
        fo_endpoint_info info = fo_endpoint_info_init();

        cr_assert_eq(fo_endpoint_status(balancer, "a", &info), FO_OK);
        return info;
    }

    fo_balancer *balancer = nullptr;

private:
    fo_runtime *runtime_ = nullptr;
};

} // namespace

Test(cpp_lease, begins_empty_and_refuses_to_finish)
{
    lease nothing;

    cr_assert_not(static_cast<bool>(nothing));
    cr_assert_null(nothing.endpoint());
    cr_assert_eq(nothing.finish(FO_OUTCOME_SUCCESS), FO_EINVAL);
}

Test(cpp_lease, picks_and_finishes_once)
{
    shop s;
    lease held;

    cr_assert_eq(held.pick(s.balancer), FO_OK);
    cr_assert(static_cast<bool>(held));
    cr_assert_str_eq(fo_endpoint_name(held.endpoint()), "a");
    cr_assert_eq(s.info().in_flight, 1);
    cr_assert_eq(held.finish(FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(s.info().failed, 1);
    cr_assert_not(static_cast<bool>(held));
    cr_assert_eq(held.finish(FO_OUTCOME_FAILURE), FO_EINVAL);
}

Test(cpp_lease, is_finished_as_cancelled_at_the_end_of_its_scope)
{
    shop s;
    {
        lease held;

        cr_assert_eq(held.pick(s.balancer), FO_OK);
        cr_assert_eq(s.info().in_flight, 1);
    }
    cr_assert_eq(s.info().in_flight, 0);
    cr_assert_eq(s.info().finished, 1);
    cr_assert_eq(s.info().failed, 0);
    cr_assert_eq(s.info().health, 1);
}

Test(cpp_lease, moves_and_leaves_nothing_behind)
{
    shop s;
    lease from;

    cr_assert_eq(from.pick(s.balancer), FO_OK);
    lease to(std::move(from));
    cr_assert_not(static_cast<bool>(from));
    cr_assert(static_cast<bool>(to));
    cr_assert_eq(from.finish(FO_OUTCOME_SUCCESS), FO_EINVAL);
    cr_assert_eq(s.info().in_flight, 1);

    lease third;
    cr_assert_eq(third.pick(s.balancer), FO_OK);
    cr_assert_eq(s.info().in_flight, 2);
    third = std::move(to); /* what it held is cancelled */
    cr_assert_eq(s.info().in_flight, 1);
    cr_assert_not(static_cast<bool>(to));
    lease &itself = third;
    third = std::move(itself);
    cr_assert(static_cast<bool>(third));
    cr_assert_eq(third.finish(FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(s.info().in_flight, 0);
}

Test(cpp_lease, picking_again_cancels_what_was_held)
{
    shop s;
    lease held;

    cr_assert_eq(held.pick(s.balancer), FO_OK);
    cr_assert_eq(held.pick(s.balancer), FO_OK);
    cr_assert_eq(s.info().started, 2);
    cr_assert_eq(s.info().in_flight, 1);
}

Test(cpp_lease, a_pick_that_finds_nothing_leaves_it_empty)
{
    fo_pick_options options = fo_pick_options_init();
    shop s;
    lease held;

    cr_assert_eq(held.pick(s.balancer), FO_OK);
    options.require_tags = 1;
    cr_assert_eq(held.pick(s.balancer, &options), FO_UNAVAILABLE);
    cr_assert_not(static_cast<bool>(held));
    cr_assert_eq(s.info().in_flight, 0);
}

Test(cpp_lease, may_live_in_a_container)
{
    shop s;
    std::vector<lease> many;

    for (int i = 0; i < 100; i++) {
        lease one;
        cr_assert_eq(one.pick(s.balancer), FO_OK);
        many.push_back(std::move(one));
    }
    cr_assert_eq(s.info().in_flight, 100);
    many.erase(many.begin() + 10, many.begin() + 60);
    cr_assert_eq(s.info().in_flight, 50);
    many.clear();
    cr_assert_eq(s.info().in_flight, 0);
}
