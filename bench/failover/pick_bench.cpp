/* SPDX-License-Identifier: Apache-2.0
 *
 * A pick and its finish, in every condition and size, and the floor under the same loop. What the
 * cells mean and how to read them: ../README.md. Run it through ../run, one group of cells a process:
 * subjects are kept, and all of them at once take gigabytes.
 */
#include "floor.h"
#include "subject.hpp"

#include <benchmark/benchmark.h>

#include <map>
#include <mutex>
#include <thread>
#include <tuple>

using bench::Condition;
using bench::Subject;

namespace {

/** Makes each thing once; all threads of a benchmark ask for the same at the same time. */
template <typename Key, typename Thing>
class Kept {
public:
    template <typename Make>
    Thing &get(const Key &key, Make make)
    {
        std::lock_guard<std::mutex> guard(lock);
        auto &thing = things[key];

        if (!thing)
            thing.reset(make());
        return *thing;
    }

private:
    std::mutex lock;
    std::map<Key, std::unique_ptr<Thing>> things;
};

struct Arguments {
    std::size_t n;
    bool skewed;
    std::size_t balancers;

    explicit Arguments(const benchmark::State &state)
        : n(static_cast<std::size_t>(state.range(0))), skewed(state.range(1) > 1),
          balancers(static_cast<std::size_t>(state.range(2)))
    {
    }
};

Subject &subject_of(Condition condition, const Arguments &arguments)
{
    using Key = std::tuple<Condition, std::size_t, bool, std::size_t>;
    static auto &subjects = *new Kept<Key, Subject>;

    return subjects.get({condition, arguments.n, arguments.skewed, arguments.balancers}, [&] {
        return new Subject(condition, arguments.n, arguments.skewed, arguments.balancers);
    });
}

using Floors = std::vector<struct floor *>;

Floors &floors_of(const Arguments &arguments)
{
    using Key = std::tuple<std::size_t, bool, std::size_t>;
    static auto &all = *new Kept<Key, Floors>;

    return all.get({arguments.n, arguments.skewed, arguments.balancers}, [&] {
        const auto weights = bench::weights_of(arguments.n, arguments.skewed);
        auto *floors = new Floors;

        for (std::size_t i = 0; i < arguments.balancers; i++)
            floors->push_back(floor_create(weights.data(), static_cast<uint32_t>(weights.size())));
        return floors;
    });
}

/* Balancers, and floors, are taken in turn: `mask` is their number − 1. */

void floor_pair(benchmark::State &state)
{
    Floors &floors = floors_of(Arguments(state));
    struct floor *const *turn = floors.data();
    const std::size_t mask = floors.size() - 1;
    std::size_t i = 0;

    for (auto *each : floors)
        floor_prepare_thread(each);
    for (auto _ : state) {
        floor_lease lease;

        floor_pick(turn[i++ & mask], &lease);
        floor_finish(&lease);
    }
}

/** pick(i, lease) picks from the i-th balancer. */
template <typename Pick>
void pairs(benchmark::State &state, const Subject &subject, Pick pick)
{
    const std::size_t mask = subject.balancers.size() - 1;
    std::size_t i = 0;
    fo_status status = FO_OK;

    for (std::size_t first = 0; first <= mask; first++) { /* makes the thread's row */
        fo_lease lease;

        bench::expect(pick(first, &lease), "pick");
        fo_finish(&lease, FO_OUTCOME_SUCCESS);
    }
    for (auto _ : state) {
        fo_lease lease;

        status = pick(i++ & mask, &lease);
        if (status != FO_OK)
            break;
        fo_finish(&lease, FO_OUTCOME_SUCCESS);
    }
    if (status != FO_OK)
        state.SkipWithError(fo_status_name(status));
    else if (state.thread_index() == 0 && !subject.holds_still())
        state.SkipWithError("the subject did not hold still");
}

void pair(benchmark::State &state, Condition condition)
{
    const Subject &subject = subject_of(condition, Arguments(state));
    fo_balancer *const *balancer = subject.balancers.data();

    pairs(state, subject,
          [=](std::size_t i, fo_lease *lease) { return fo_pick(balancer[i], lease); });
}

void pair_without(benchmark::State &state, Condition condition)
{
    const Subject &subject = subject_of(condition, Arguments(state));
    fo_balancer *const *balancer = subject.balancers.data();
    const Subject::Exclusions *exclusion = subject.exclusions.data();

    pairs(state, subject, [=](std::size_t i, fo_lease *lease) {
        return fo_pick_with(balancer[i], &exclusion[i].options, lease);
    });
}

/** With two leases open all the time. finish(lease) finishes. */
template <typename Finish>
void pairs_loaded(benchmark::State &state, Condition condition, Finish finish)
{
    const Subject &subject = subject_of(condition, Arguments(state));
    const std::size_t mask = subject.balancers.size() - 1;
    std::vector<fo_lease> open(2 * subject.balancers.size());
    std::size_t i = 0;
    fo_status status = FO_OK;

    for (std::size_t at = 0; at < open.size(); at++)
        bench::expect(fo_pick(subject.balancers[at & mask], &open[at]), "pick");
    for (auto _ : state) {
        fo_lease &lease = open[i % open.size()];

        finish(&lease);
        status = fo_pick(subject.balancers[i++ & mask], &lease);
        if (status != FO_OK)
            break;
    }
    for (auto &lease : open)
        fo_finish(&lease, FO_OUTCOME_NEUTRAL);
    if (status != FO_OK)
        state.SkipWithError(fo_status_name(status));
    else if (state.thread_index() == 0 && !subject.holds_still())
        state.SkipWithError("the subject did not hold still");
}

void pair_loaded(benchmark::State &state, Condition condition)
{
    pairs_loaded(state, condition, [](fo_lease *lease) { fo_finish(lease, FO_OUTCOME_SUCCESS); });
}

void pair_reported(benchmark::State &state, Condition condition)
{
    fo_finish_report report = fo_finish_report_init(FO_OUTCOME_SUCCESS);

    report.latency_ns = 1000000;
    pairs_loaded(state, condition, [&](fo_lease *lease) { fo_finish_with(lease, &report); });
}

/** Keys of 16 bytes, a thousand different ones in turn. */
void pair_keyed(benchmark::State &state)
{
    const Subject &subject = subject_of(Condition::keyed, Arguments(state));
    fo_balancer *const *balancer = subject.balancers.data();
    fo_pick_options options = fo_pick_options_init();
    char keys[1024][17];
    std::size_t turn = 0;

    for (std::size_t i = 0; i < 1024; i++)
        std::snprintf(keys[i], sizeof(keys[i]), "key-%012zu", i * 7919);
    options.key_size = 16;
    pairs(state, subject, [&](std::size_t i, fo_lease *lease) {
        options.key = keys[turn++ & 1023];
        return fo_pick_with(balancer[i], &options, lease);
    });
}

void cells(benchmark::internal::Benchmark *benchmark)
{
    benchmark->ArgNames({"n", "skew", "balancers"})
        ->ArgsProduct({{5, 20, 100, 1000, 10000}, {1, 100}, {1, 64}})
        ->Threads(1)
        ->Threads(2);
}

void scaling(benchmark::internal::Benchmark *benchmark)
{
    const auto cpus = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));

    benchmark->ArgNames({"n", "skew", "balancers"})->Args({1000, 1, 1})->DenseThreadRange(1, cpus);
}

BENCHMARK(floor_pair)->Name("pair/floor")->Apply(cells);
BENCHMARK_CAPTURE(pair, healthy, Condition::healthy)->Apply(cells);
BENCHMARK_CAPTURE(pair, one99, Condition::one99)->Apply(cells);
BENCHMARK_CAPTURE(pair, third70, Condition::third70)->Apply(cells);
BENCHMARK_CAPTURE(pair, down50, Condition::down50)->Apply(cells);
BENCHMARK_CAPTURE(pair, down90, Condition::down90)->Apply(cells);
BENCHMARK_CAPTURE(pair, down99, Condition::down99)->Apply(cells);
BENCHMARK_CAPTURE(pair_without, one, Condition::without1)->Name("pair/without1")->Apply(cells);
BENCHMARK_CAPTURE(pair_without, three, Condition::without3)->Name("pair/without3")->Apply(cells);

BENCHMARK_CAPTURE(pair, levels, Condition::levels)->Apply(cells);
BENCHMARK_CAPTURE(pair, overflow, Condition::overflow)->Apply(cells);
BENCHMARK(pair_keyed)->Name("pair/keyed")->Apply(cells);

BENCHMARK_CAPTURE(pair_loaded, least, Condition::least)->Name("pair/least")->Apply(cells);
BENCHMARK_CAPTURE(pair_loaded, inverse, Condition::inverse)->Name("pair/inverse")->Apply(cells);
BENCHMARK_CAPTURE(pair_reported, peak_ewma, Condition::peak_ewma)
    ->Name("pair/peak_ewma")
    ->Apply(cells);
BENCHMARK_CAPTURE(pair_loaded, peak_ewma_measured, Condition::peak_ewma_measured)
    ->Name("pair/peak_ewma_measured")
    ->Apply(cells);

BENCHMARK(floor_pair)->Name("scaling/floor")->Apply(scaling);
BENCHMARK_CAPTURE(pair, healthy, Condition::healthy)->Name("scaling/healthy")->Apply(scaling);

} // namespace
