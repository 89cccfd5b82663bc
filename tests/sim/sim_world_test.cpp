/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole runs: the same seed gives the same bytes, figures mean what they say, and the models do to each other
 * what was published.
 */
#include "catalog.hpp"
#include "report.hpp"
#include "scenarios.hpp"
#include "stage.hpp"

#include "policies/ours.hpp"

#include <criterion/criterion.h>

#include <string>

using namespace sim;

namespace {

Result run(const Spec &spec, const std::string &policy, std::uint64_t seed = 1)
{
    for (const auto &entry : policies())
        if (entry.name == policy)
            return World(spec, entry.make, seed).run();
    cr_assert_fail("no policy %s", policy.c_str());
    return {};
}

/* Four servers of 10 ms, of which one is down from 2 s to 4 s. */
Spec small()
{
    Spec spec;
    Fault down;

    down.down = true;
    spec.name = "small";
    spec.servers.resize(4);
    spec.clients = 5;
    spec.rates = {{0, 400}};
    spec.cost = [](Random &random, std::size_t) { return random.exponential(0.01); };
    spec.timeout = second;
    spec.retries = 1;
    spec.until = 8 * second;
    spec.watch = {{2}, 2 * second, 4 * second, never};
    fail_between(spec, 2, 2 * second, 4 * second, down);
    return spec;
}

std::string bytes_of(std::uint64_t seed)
{
    Table table{small(), {}};

    for (const auto &entry : policies())
        table.rows.push_back({entry.name, run(table.spec, entry.name, seed)});
    return text_of(table) + json_of({table}, seed);
}

} // namespace

/* ---- The machinery ------------------------------------------------------------------------ */

Test(world, is_the_same_to_the_byte_for_a_seed)
{
    const std::string once = bytes_of(1);

    cr_assert(once == bytes_of(1));
    cr_assert(once != bytes_of(2));
}

Test(world, happens_in_the_order_of_time_and_then_of_asking)
{
    struct Scribe : Actor {
        std::string text;
        void on_event(std::uint64_t what) override { text += static_cast<char>(what); }
    } scribe;
    Events events;

    events.at(2 * ms, scribe, 'c');
    events.at(ms, scribe, 'a');
    events.at(ms, scribe, 'b');
    events.at(3 * ms, scribe, 'd');
    events.run_until(2 * ms);
    cr_assert_str_eq(scribe.text.c_str(), "abc");
    cr_assert_eq(events.now(), 2 * ms);
}

Test(world, gives_every_policy_the_same_arrivals)
{
    const std::size_t requests = run(small(), "rr").requests;

    cr_assert_float_eq((double)requests, 3200, 5 * 57, "Poisson of 3,200");
    cr_assert_eq(run(small(), "ours").requests, requests);
    cr_assert_eq(run(small(), "c3").requests, requests);
}

Test(world, counts_what_round_robin_does_to_a_dead_server)
{
    const Result result = run(small(), "rr");

    cr_assert_eq(result.failed, 0, "a retry helps");
    cr_assert_float_eq((double)result.attempts_failed[(std::size_t)Outcome::refused], 200, 5 * 15,
                       "a quarter of 800");
    cr_assert_eq(result.to_shed, never);
    cr_assert_float_eq(result.first_second, 1, 0.3);
    cr_assert_gt(result.to_known_bad, 100);
}

Test(world, takes_a_failed_request_for_a_timeout)
{
    Spec spec = small();

    spec.retries = 0;
    const Result result = run(spec, "rr");

    cr_assert_gt(result.failed, 100);
    cr_assert_eq(result.latency[3], second);
}

Test(world, gives_up_after_the_timeout_and_tries_elsewhere)
{
    Spec spec = small();

    for (auto &change : spec.changes) {
        change.fault_now.frozen = change.fault_now.down;
        change.fault_now.down = false;
    }
    const Result result = run(spec, "random");

    cr_assert_eq(result.failed, 0);
    cr_assert_gt(result.attempts_failed[(std::size_t)Outcome::timeout], 50);
    cr_assert_geq(result.latency[3], second);
}

Test(world, sends_nothing_to_those_who_have_left)
{
    Spec spec = small();

    spec.changes.push_back({second, 3, Change::leave});
    spec.changes.push_back({6 * second, 3, Change::join});
    for (const auto &entry : policies()) {
        const Result result = run(spec, entry.name);

        cr_assert_eq(result.to_absent, 0, "%s", entry.name.c_str());
    }
}

Test(world, runs_a_closed_loop_to_its_end)
{
    Spec spec = small();

    spec.rates.clear();
    spec.concurrency = 20;
    spec.request_count = 5000;
    const Result result = run(spec, "random");

    cr_assert_eq(result.requests, 5000);
    cr_assert_float_eq(in_seconds(result.took), 5000 * 0.0102 / 20, 0.5);
}

Test(world, follows_the_steps_of_the_rate)
{
    Spec spec = small();

    spec.rates = {{0, 100}, {4 * second, 1000}};
    const Result result = run(spec, "rr");

    cr_assert_float_eq((double)result.requests, 4400, 5 * 67);
    cr_assert_lt(result.moments[3].begun, 160);
    cr_assert_gt(result.moments[4].begun, 840);
}

/* ---- The library on virtual time ---------------------------------------------------------- */

Test(world, drives_the_real_library_through_a_fault_and_a_ramp)
{
    Spec spec = small();
    spec.until = 60 * second;
    const Result result = run(spec, "ours");

    cr_assert_eq(result.failed, 0);
    cr_assert_leq(result.to_shed, second);
    cr_assert_leq(result.first_second, 0.2, "its ramp has begun: %g", result.first_second);
    cr_assert_gt(result.to_return, 10 * second);
    cr_assert_lt(result.to_return, 45 * second);
}

Test(world, wakes_the_runtime_while_nobody_picks)
{
    Stage stage(2);
    Library library(stage, 1, [](fo_config &) {});
    const auto policy = library.client(0);

    while (policy->pick(0, {}) != 0)
        Stage::finish(*policy, 1, Outcome::success, ms);
    Stage::finish(*policy, 0, Outcome::refused, ms);
    cr_assert_eq(policy->pick(0, {}), 1);
    Stage::finish(*policy, 1, Outcome::success, ms);
    stage.advance(2 * second);
    cr_assert_eq(policy->pick(0, {}), 0, "its trial was waiting");
    Stage::finish(*policy, 0, Outcome::success, ms);
}

Test(world, excludes_what_was_tried_also_when_it_has_left_and_come_back)
{
    Stage stage(3);
    Library library(stage, 1, [](fo_config &) {});
    const auto policy = library.client(0);

    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 50; i++) {
            const std::size_t server = policy->pick(0, {2});

            cr_assert_neq(server, 2);
            Stage::finish(*policy, server, Outcome::success, ms);
        }
        stage.list = {0, 1};
        policy->members_changed();
        stage.list = {0, 1, 2};
        policy->members_changed();
        stage.advance(40 * second);
    }
}

/* ---- What was published ------------------------------------------------------------------- */

/* 95, 99 and 99.9 %. */
Test(published, linkerd)
{
    const Spec spec = linkerd(1, false)[0];
    const double round_robin = run(spec, "rr").success();
    const double least = run(spec, "least").success();
    const double peak_ewma = run(spec, "ewma-p2c").success();

    cr_assert_float_eq(round_robin, 0.95, 0.01, "%g", round_robin);
    cr_assert_float_eq(least, 0.99, 0.003, "%g", least);
    cr_assert_float_eq(peak_ewma, 0.999, 0.0015, "%g", peak_ewma);
}

Test(published, the_order_of_Prequals_rules_at_90_percent, .timeout = 120)
{
    const Spec spec = prequal_rules(1, false)[1];
    const auto p99 = [&](const char *policy) { return run(spec, policy).latency[2]; };
    const Time wrr = p99("wrr"), least = p99("least"), yarp = p99("yarp");
    const Time c3 = p99("c3-probes"), prequal = p99("prequal");

    cr_assert_eq(p99("rr"), spec.timeout);
    cr_assert_gt(wrr, least);
    cr_assert_gt(least, yarp);
    cr_assert_gt(yarp, c3);
    cr_assert_geq(c3, prequal);
}
