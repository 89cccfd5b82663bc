/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulated server, against what can be worked out: by hand for a few requests, by queueing theory for
 * many.
 *
 * Processor sharing with Poisson arrivals has the mean response time E[S] / (1 − ρ), whatever the distribution
 * of the work (Kleinrock 1967). Responses are correlated, so the error of a mean is estimated from batches:
 * 5 of those standard errors are allowed, and these must be small enough to mean something.
 */
#include "server.hpp"

#include <criterion/criterion.h>

#include <cmath>
#include <functional>
#include <map>
#include <vector>

using namespace sim;

namespace {

/* One server and a client that writes down what it is told. */
class Bench : public Client {
public:
    explicit Bench(const ServerSetup &setup) : server(events, *this, setup, Random(1)) {}

    struct Answer {
        Outcome outcome;
        Time at;
    };

    Events events;
    std::map<std::uint64_t, Answer> answers; /* by attempt */
    std::function<void(std::uint64_t)> on_answer;
    Server server;

    void answered(std::uint64_t attempt, Outcome outcome) override
    {
        answers[attempt] = {outcome, events.now()};
        if (on_answer)
            on_answer(attempt);
    }

    void expect_at(std::uint64_t attempt, double at_s, Outcome outcome = Outcome::success)
    {
        cr_assert_eq(answers.count(attempt), 1, "attempt %zu was answered", (std::size_t)attempt);
        cr_assert_eq((int)answers[attempt].outcome, (int)outcome);
        cr_assert_float_eq(in_seconds(answers[attempt].at), at_s, 1e-8);
    }
};

ServerSetup cores(double count)
{
    ServerSetup setup;

    setup.cores = count;
    return setup;
}

struct Estimate {
    double mean;
    double error; /* standard */
};

Estimate by_batches(const std::vector<double> &values, std::size_t batches)
{
    const std::size_t size = values.size() / batches;
    double sum = 0, squares = 0;

    for (std::size_t i = 0; i < batches; i++) {
        double mean = 0;

        for (std::size_t k = 0; k < size; k++)
            mean += values[i * size + k] / (double)size;
        sum += mean;
        squares += mean * mean;
    }
    const double mean = sum / (double)batches;
    const double variance = (squares / (double)batches - mean * mean) / (double)(batches - 1);

    return {mean, std::sqrt(variance)};
}

/* Poisson arrivals to one core, work of mean 1 s. */
class Queue : public Actor {
public:
    Queue(double load, std::function<double(Random &)> work, std::size_t count)
        : bench(cores(1)), work_(std::move(work)), gap_s_(1 / load), count_(count)
    {
        bench.on_answer = [this](std::uint64_t attempt) {
            responses[attempt] = in_seconds(bench.events.now() - came_[attempt]);
        };
        responses.resize(count);
        bench.events.at(0, *this, 0);
        bench.events.run_until(from_seconds(2 * gap_s_ * (double)count));
    }

    Bench bench;
    std::vector<double> responses;

    void on_event(std::uint64_t) override
    {
        came_.push_back(bench.events.now());
        (void)bench.server.take(came_.size() - 1, work_(random_));
        if (came_.size() < count_)
            bench.events.at(bench.events.now() + from_seconds(random_.exponential(gap_s_)), *this,
                            0);
    }

private:
    Random random_{7};
    std::function<double(Random &)> work_;
    double gap_s_;
    std::size_t count_;
    std::vector<Time> came_;
};

void expect_sharing(double load, const std::function<double(Random &)> &work)
{
    Queue queue(load, work, 400000);
    const Estimate found = by_batches(queue.responses, 100);
    const double expected = 1 / (1 - load);

    cr_assert_eq(queue.bench.answers.size(), queue.responses.size(), "all were answered");
    cr_assert_lt(5 * found.error, 0.1 * expected, "the bound means something: %g", found.error);
    cr_assert_float_eq(found.mean, expected, 5 * found.error, "%g, not %g ± %g", found.mean,
                       expected, 5 * found.error);
}

} // namespace

/* ---- By theory ---------------------------------------------------------------------------- */

Test(server, shares_a_core_as_M_M_1_PS_does)
{
    expect_sharing(0.5, [](Random &random) { return random.exponential(1); });
    expect_sharing(0.8, [](Random &random) { return random.exponential(1); });
}

Test(server, has_the_same_mean_for_any_distribution_of_the_work)
{
    expect_sharing(0.7, [](Random &) { return 1.0; });
    expect_sharing(0.7, [](Random &random) { return random.chance(0.1) ? 5.5 : 0.5; });
}

/* ---- By hand ------------------------------------------------------------------------------ */

Test(server, halves_its_pace_for_two)
{
    Bench bench(cores(1));

    (void)bench.server.take(1, 1);
    bench.events.run_until(500 * ms);
    (void)bench.server.take(2, 1);
    bench.events.run_until(10 * second);
    bench.expect_at(1, 1.5);
    bench.expect_at(2, 2.0);
}

Test(server, gives_no_request_more_than_one_core)
{
    Bench bench(cores(2));

    (void)bench.server.take(1, 1);
    bench.events.run_until(10 * second);
    bench.expect_at(1, 1);
    for (std::uint64_t attempt = 2; attempt <= 4; attempt++)
        (void)bench.server.take(attempt, 1);
    bench.events.run_until(20 * second);
    bench.expect_at(4, 11.5);
}

Test(server, follows_the_cores_that_antagonists_leave)
{
    Bench bench(cores(1));

    (void)bench.server.take(1, 1);
    bench.events.run_until(500 * ms);
    bench.server.set_cores(0.25);
    bench.events.run_until(10 * second);
    bench.expect_at(1, 2.5);
}

Test(server, goes_on_where_it_froze)
{
    Bench bench(cores(1));
    Fault frozen;

    frozen.frozen = true;
    (void)bench.server.take(1, 1);
    bench.events.run_until(250 * ms);
    bench.server.set_fault(frozen);
    cr_assert(bench.server.accepts() && !bench.server.answers());
    bench.events.run_until(5 * second);
    cr_assert(bench.answers.empty());
    bench.server.set_fault(Fault());
    bench.events.run_until(10 * second);
    bench.expect_at(1, 5.75);
}

Test(server, breaks_what_is_in_flight_when_it_goes_down_and_refuses_the_rest)
{
    Bench bench(cores(1));
    Fault down;

    down.down = true;
    (void)bench.server.take(1, 1);
    bench.events.run_until(250 * ms);
    bench.server.set_fault(down);
    bench.expect_at(1, 0.25, Outcome::error);
    cr_assert_eq(bench.server.take(2, 1), 0);
    bench.expect_at(2, 0.25, Outcome::refused);
    cr_assert_eq(bench.server.in_flight(), 0);
}

Test(server, refuses_beyond_its_queue_limit)
{
    ServerSetup setup = cores(1);

    setup.queue_limit = 2;
    Bench bench(setup);

    for (std::uint64_t attempt = 1; attempt <= 3; attempt++)
        (void)bench.server.take(attempt, 1);
    bench.expect_at(3, 0, Outcome::overloaded);
    cr_assert_eq(bench.server.in_flight(), 2);
}

Test(server, works_less_for_who_has_given_up)
{
    Bench bench(cores(1));
    const std::uint64_t first = bench.server.take(1, 1);

    (void)bench.server.take(2, 1);
    bench.events.run_until(second);
    bench.server.forget(first);
    bench.server.forget(first);
    bench.events.run_until(10 * second);
    cr_assert_eq(bench.answers.count(1), 0);
    bench.expect_at(2, 1.5);
}

Test(server, fails_hangs_and_slows_down_as_told)
{
    Bench bench(cores(unlimited));
    Fault fault;

    fault.fast_fail = 1;
    bench.server.set_fault(fault);
    cr_assert_eq(bench.server.take(1, 1), 0);
    bench.expect_at(1, 0, Outcome::error);

    fault = Fault();
    fault.errors = 1;
    fault.slow_by_s = 1;
    fault.slowdown = 3;
    bench.server.set_fault(fault);
    (void)bench.server.take(2, 1);
    bench.events.run_until(20 * second);
    bench.expect_at(2, 6, Outcome::error);

    fault = Fault();
    fault.hang = 1;
    bench.server.set_fault(fault);
    (void)bench.server.take(3, 1);
    bench.events.run_until(100 * second);
    cr_assert_eq(bench.answers.count(3), 0);
    cr_assert_eq(bench.server.in_flight(), 1, "it is in flight all the same");
}

Test(server, reports_utilisation_rate_and_errors_of_the_last_second)
{
    ServerSetup setup = cores(4);

    setup.allocation = 2;
    Bench bench(setup);

    for (std::uint64_t attempt = 1; attempt <= 3; attempt++)
        (void)bench.server.take(attempt, 0.5);
    bench.events.run_until(1500 * ms);
    const Report report = bench.server.report();

    cr_assert_float_eq(report.utilisation, 0.75, 1e-6, "1.5 core-seconds of 2");
    cr_assert_eq(report.rate, 3);
    cr_assert_eq(report.error_rate, 0);
    cr_assert_eq(bench.server.probe().latency, 500 * ms);
}

Test(server, expects_the_median_of_what_came_among_as_many)
{
    LatencyMemory memory;

    cr_assert_eq(memory.expected(3), 0);
    for (Time latency = 1; latency <= 5; latency++)
        memory.add(2, latency * ms);
    memory.add(9, 90 * ms);
    cr_assert_eq(memory.expected(2), 3 * ms);
    cr_assert_eq(memory.expected(0), 3 * ms, "the nearest");
    cr_assert_eq(memory.expected(6), 90 * ms);
    cr_assert_eq(memory.expected(1000), 90 * ms);
}
