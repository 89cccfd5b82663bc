/* SPDX-License-Identifier: Apache-2.0
 *
 * The models of what others do, against answers that follow from their published rules.
 */
#include "stage.hpp"

#include "policies/c3.hpp"
#include "policies/least_in_flight.hpp"
#include "policies/peak_ewma.hpp"
#include "policies/prequal.hpp"
#include "policies/rocketmq.hpp"
#include "policies/simple.hpp"
#include "policies/simple_failover.hpp"
#include "policies/weighted_round_robin.hpp"
#include "policies/yarp.hpp"

#include <criterion/criterion.h>

#include <cmath>
#include <set>
#include <vector>

using namespace sim;

namespace {

/* As many as expected, within 5 times the square root of it. */
void expect_count(std::size_t found, double expected)
{
    cr_assert_float_eq((double)found, expected, 5 * std::sqrt(expected), "%zu, not %g", found,
                       expected);
}

std::vector<std::size_t> counts_of(Policy &policy, std::size_t servers, std::size_t picks)
{
    std::vector<std::size_t> counts(servers);

    for (std::size_t i = 0; i < picks; i++) {
        const std::size_t server = policy.pick(0, {});

        counts[server]++;
        Stage::finish(policy, server, Outcome::success, 0);
    }
    return counts;
}

} // namespace

/* ---- Random and round robin --------------------------------------------------------------- */

Test(models, random_is_uniform_and_avoids_what_was_tried)
{
    Stage stage(5);
    RandomPolicy policy(stage, Random(1));

    for (const auto count : counts_of(policy, 5, 50000))
        expect_count(count, 10000);
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(policy.pick(0, {0, 1, 3, 4}), 2);
    cr_assert_lt(policy.pick(0, {0, 1, 2, 3, 4}), 5, "when all were tried, any");
}

Test(models, round_robin_goes_round)
{
    Stage stage(7);
    RoundRobin policy(stage, Random(3));
    std::size_t last = policy.pick(0, {});

    for (int i = 0; i < 50; i++) {
        const std::size_t next = policy.pick(0, {});

        cr_assert_eq(next, (last + 1) % 7);
        last = next;
    }
}

Test(models, nobody_picks_from_nothing)
{
    Stage stage(1);

    stage.list.clear();
    cr_assert_eq(RandomPolicy(stage, Random(1)).pick(0, {}), no_server);
    cr_assert_eq(RoundRobin(stage, Random(1)).pick(0, {}), no_server);
    cr_assert_eq(WeightedRoundRobin(stage, Random(1)).pick(0, {}), no_server);
    cr_assert_eq(LeastLoaded(stage, Random(1)).pick(0, {}), no_server);
    cr_assert_eq(LeastOfTwo(stage, Random(1)).pick(0, {}), no_server);
    cr_assert_eq(PeakEwma(stage, Random(1)).pick(0, {}), no_server);
    cr_assert_eq(Yarp(stage, Random(1)).pick(0, {}), no_server);
    cr_assert_eq(C3(stage, Random(1)).pick(0, {}), no_server);
    cr_assert_eq(RocketMq(stage, Random(1)).pick(0, {}), no_server);
    cr_assert_eq(SimpleFailover(stage, Random(1)).pick(0, {}), no_server);
    cr_assert_eq(Prequal(stage, Random(1), Prequal::Rule::hot_cold).pick(0, {}), no_server);
}

/* ---- Weighted round robin ----------------------------------------------------------------- */

Test(models, weighted_round_robin_shares_by_rate_over_utilisation)
{
    Stage stage(3);
    WeightedRoundRobin policy(stage, Random(1));
    const double utilisation[] = {0.2, 0.4, 0.8};
    std::size_t counts[3] = {};

    (void)policy.pick(0, {});
    for (std::size_t i = 0; i < 3; i++) {
        Report report;

        report.rate = 100;
        report.utilisation = utilisation[i];
        Stage::finish(policy, i, Outcome::success, ms, &report);
    }
    stage.advance(2 * second);
    for (int i = 0; i < 70000; i++)
        counts[policy.pick(0, {})]++;
    cr_assert_float_eq(policy.weight(0), 500, 1e-9);
    cr_assert_float_eq((double)counts[0], 40000, 10);
    cr_assert_float_eq((double)counts[1], 20000, 10);
    cr_assert_float_eq((double)counts[2], 10000, 10);
}

Test(models, weighted_round_robin_punishes_errors_and_smooths)
{
    Stage stage(2);
    WeightedRoundRobin policy(stage, Random(1));
    Report report;

    report.rate = 100;
    report.utilisation = 0.5;
    report.error_rate = 50;
    (void)policy.pick(0, {});
    Stage::finish(policy, 0, Outcome::success, ms, &report);
    stage.advance(second);
    (void)policy.pick(0, {});
    cr_assert_float_eq(policy.weight(0), 100, 1e-9, "100 / (0.5 + 50/100)");
    report.error_rate = 0;
    Stage::finish(policy, 0, Outcome::success, ms, &report);
    stage.advance(second);
    (void)policy.pick(0, {});
    cr_assert_float_eq(policy.weight(0), 130, 1e-9, "0.3 of the way to 200");
}

/* ---- In flight ---------------------------------------------------------------------------- */

Test(models, least_loaded_takes_the_least_and_goes_round_among_equals)
{
    Stage stage(4);
    LeastLoaded policy(stage, Random(1));
    std::set<std::size_t> seen;

    for (int i = 0; i < 4; i++)
        seen.insert(policy.pick(0, {}));
    cr_assert_eq(seen.size(), 4, "each once, while none was finished");
    Stage::finish(policy, 2, Outcome::success, ms);
    cr_assert_eq(policy.pick(0, {}), 2);
    for (std::size_t server = 0; server < 4; server++)
        Stage::finish(policy, server, Outcome::success, ms);
    for (const auto count : counts_of(policy, 4, 40))
        cr_assert_eq(count, 10, "nor when each is finished at once");
}

/* The server of rank r by load, of n, is the lesser of two in 2(n − r) of n(n − 1) pairs. */
Test(models, least_of_two_has_the_shares_of_its_ranks)
{
    Stage stage(5);
    LeastOfTwo policy(stage, Random(5));
    constexpr double picks = 100000;

    for (std::size_t server = 0; server < 5; server++)
        stage.pick_only(policy, server, 1 + 2 * server);
    const auto counts = counts_of(policy, 5, (std::size_t)picks);

    for (std::size_t rank = 1; rank < 5; rank++)
        expect_count(counts[rank - 1], picks * 2 * (5 - (double)rank) / (5 * 4));
    cr_assert_eq(counts[4], 0, "the busiest never");
}

/* ---- Peak EWMA ---------------------------------------------------------------------------- */

Test(models, peak_ewma_rises_at_once_and_decays_by_e_in_ten_seconds)
{
    Stage stage(2);
    PeakEwma policy(stage, Random(1));

    stage.pick_only(policy, 0, 3);
    Stage::finish(policy, 0, Outcome::success, 100 * ms);
    cr_assert_float_eq(policy.cost(0), 100e6, 1);
    stage.advance(10 * second);
    cr_assert_float_eq(policy.cost(0), 100e6 * std::exp(-1), 1);
    stage.advance(5 * second);
    Stage::finish(policy, 0, Outcome::success, 10 * ms);
    const double kept = std::exp(-0.5);

    cr_assert_float_eq(policy.cost(0), 100e6 * std::exp(-1) * kept + 10e6 * (1 - kept), 1);
    Stage::finish(policy, 0, Outcome::success, 400 * ms);
    cr_assert_float_eq(policy.cost(0), 400e6, 1, "a peak counts whole");
}

Test(models, peak_ewma_weighs_a_sample_by_the_time_since_the_last)
{
    Stage stage(1);
    PeakEwma policy(stage, Random(1));

    stage.pick_only(policy, 0, 2);
    Stage::finish(policy, 0, Outcome::success, 100 * ms);
    stage.advance(5 * second);
    Stage::finish(policy, 0, Outcome::success, 10 * ms);
    cr_assert_float_eq(policy.cost(0), 100e6 * std::exp(-0.5) + 10e6 * (1 - std::exp(-0.5)), 1);
}

Test(models, peak_ewma_avoids_the_slow_and_what_has_not_answered_yet)
{
    Stage stage(3);
    PeakEwma policy(stage, Random(1));

    stage.pick_only(policy, 0, 1);
    stage.pick_only(policy, 1, 1);
    stage.pick_only(policy, 2, 1);
    Stage::finish(policy, 0, Outcome::success, 10 * ms);
    Stage::finish(policy, 1, Outcome::success, 20 * ms);
    for (int i = 0; i < 100; i++) {
        const std::size_t server = policy.pick(0, {});

        cr_assert_neq(server, 2, "it has something in flight and no sample");
        Stage::finish(policy, server, Outcome::success, server == 0 ? 10 * ms : 20 * ms);
    }
}

/* ---- Asked servers ------------------------------------------------------------------------ */

Test(models, yarp_believes_the_last_poll)
{
    Stage stage(2);
    Yarp policy(stage, Random(1));

    stage.reports[0].in_flight = 10;
    stage.advance(second);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(policy.pick(0, {}), 1);
    stage.reports[1].in_flight = 20;
    cr_assert_eq(policy.pick(0, {}), 1, "it has not asked again");
    stage.advance(second);
    cr_assert_eq(policy.pick(0, {}), 0);
}

Test(models, c3_counts_the_queue_cubed)
{
    cr_assert_float_eq(C3::score_of(0.1, 0.02, 3), 0.1 - 0.02 + 27 * 0.02, 1e-12);

    Stage stage(2);
    C3 policy(stage, Random(1));
    Report report;

    stage.clients = 10;
    report.service_time = 10 * ms;
    for (std::size_t server = 0; server < 2; server++) {
        report.in_flight = server == 0 ? 1 : 4;
        stage.pick_only(policy, server, 1);
        Stage::finish(policy, server, Outcome::success, 20 * ms, &report);
    }
    cr_assert_eq(policy.pick(0, {}), 0, "a queue of 2 before one of 5");
    cr_assert_eq(policy.pick(0, {}), 1,
                 "one of 5 before one of 12: each client has sent there, too");
}

Test(models, prequal_takes_the_fastest_of_the_cold_else_the_least_busy)
{
    const auto hot_cold = Prequal::Rule::hot_cold;
    const std::vector<Prequal::Entry> mixed = {{0, 9, 10 * ms, 0, 0, 1},
                                               {1, 2, 50 * ms, 0, 0, 1},
                                               {2, 3, 30 * ms, 0, 0, 1},
                                               {3, 7, 90 * ms, 0, 0, 1}};

    cr_assert_eq(Prequal::best_of(mixed, hot_cold, 5), 2);
    cr_assert_eq(Prequal::worst_of(mixed, hot_cold, 5), 0, "the busiest of the hot");
    cr_assert_eq(Prequal::worst_of(mixed, hot_cold, 100), 3, "the slowest, when none is hot");
    cr_assert_eq(Prequal::best_of(mixed, hot_cold, 1), 1, "the least busy, when all are");
}

Test(models, prequal_uses_a_probe_as_often_as_published)
{
    cr_assert_float_eq(Prequal::reuse(100), 2 / (0.84 * 3 - 1), 1e-12);
    cr_assert_float_eq(Prequal::reuse(100), 1.32, 0.005);
    cr_assert_float_eq(Prequal::reuse(1000000), 1, 1e-4);
    cr_assert(std::isinf(Prequal::reuse(16)));
}

Test(models, prequal_keeps_away_from_the_busy_and_forgets_after_a_second)
{
    std::size_t busy = 0, busy_later = 0;

    for (std::uint64_t seed = 1; seed <= 400; seed++) {
        Stage stage(40);
        Prequal policy(stage, Random(seed), Prequal::Rule::hot_cold);

        for (std::size_t server = 0; server < 40; server++) {
            stage.reports[server].in_flight = server < 10 ? 50 : 1;
            stage.reports[server].latency = 10 * ms;
        }
        for (int i = 0; i < 20; i++)
            busy += policy.pick(0, {}) < 10 ? 1 : 0;
        stage.mute = true;
        stage.advance(second + 1);
        busy_later += policy.pick(0, {}) < 10 ? 1 : 0;
    }
    cr_assert_lt(busy, 400 * 20 / 50, "%zu", busy);
    expect_count(busy_later, 100);
}

/* ---- Those that look at failures ---------------------------------------------------------- */

Test(models, rocketmq_has_its_table)
{
    const Time table[][2] = {{49, 0},       {50, 0},        {100, 0},      {549, 0},
                             {550, 2000},   {1799, 2000},   {1800, 5000},  {3000, 6000},
                             {5000, 10000}, {14999, 10000}, {15000, 30000}};

    for (const auto &line : table)
        cr_assert_eq(RocketMq::out_for(line[0] * ms), line[1] * ms, "%ld ms", (long)line[0]);
}

Test(models, rocketmq_leaves_a_failed_broker_alone_for_ten_seconds)
{
    Stage stage(2);
    RocketMq policy(stage, Random(1));

    Stage::finish(policy, 0, Outcome::timeout, 3 * second);
    stage.advance(10 * second - 1);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(policy.pick(0, {}), 1);
    stage.advance(1);
    cr_assert_neq(policy.pick(0, {}), policy.pick(0, {}), "then it has its turn again");
    Stage::finish(policy, 0, Outcome::error, ms);
    Stage::finish(policy, 1, Outcome::error, ms);
    cr_assert_neq(policy.pick(0, {}), policy.pick(0, {}), "when all are out, all have");
}

Test(models, simple_failover_takes_seven_failures_and_comes_back_with_ten)
{
    Stage stage(2);
    SimpleFailover policy(stage, Random(1));

    for (int i = 0; i < 6; i++)
        Stage::finish(policy, 0, Outcome::error, ms);
    cr_assert_float_eq(policy.weight(0), 100.0 / 64, 1e-12);
    Stage::finish(policy, 0, Outcome::error, ms);
    cr_assert_eq(policy.weight(0), 0);
    stage.accepts[0] = false;
    stage.advance(5 * second);
    cr_assert_eq(policy.weight(0), 0);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(policy.pick(0, {}), 1);
    stage.accepts[0] = true;
    stage.advance(second);
    cr_assert_eq(policy.weight(0), 10);
    Stage::finish(policy, 0, Outcome::success, ms);
    cr_assert_eq(policy.weight(0), 11);
}

Test(models, simple_failover_shares_by_weight_and_gives_none_when_all_are_out)
{
    Stage stage(2);
    SimpleFailover policy(stage, Random(1));
    std::size_t halved = 0;

    Stage::finish(policy, 0, Outcome::error, ms);
    for (int i = 0; i < 30000; i++)
        halved += policy.pick(0, {}) == 0 ? 1 : 0;
    expect_count(halved, 10000);
    for (int i = 0; i < 7; i++)
        for (std::size_t server = 0; server < 2; server++)
            Stage::finish(policy, server, Outcome::error, ms);
    cr_assert_eq(policy.pick(0, {}), no_server);
}
