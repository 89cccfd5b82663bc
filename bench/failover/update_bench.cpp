/* SPDX-License-Identifier: Apache-2.0
 *
 * An update of one endpoint: what it costs by itself, and what picks notice of updates that another
 * thread makes one after the other without a pause. And a change of health in a group: what it costs
 * whoever reports it, with few and with many balancers on the same servers. And what picks notice of a
 * listener that does not return.
 */
#include "subject.hpp"

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

using bench::Condition;
using bench::Subject;

namespace {

/** Changes the weight of one endpoint: between 100 and 101, to and fro. */
void update_one(fo_balancer *balancer, bool heavier)
{
    fo_endpoint_config config = fo_endpoint_config_init("endpoint-0");

    config.max_weight = heavier ? 101 : 100;
    bench::expect(fo_balancer_update(balancer, &config, 1, nullptr, 0, nullptr),
                  "fo_balancer_update");
}

void update_alone(benchmark::State &state)
{
    Subject subject(Condition::healthy, static_cast<std::size_t>(state.range(0)), false, 1);
    bool heavier = false;

    for (auto _ : state)
        update_one(subject.balancers.front(), heavier = !heavier);
}

void pair_meanwhile(benchmark::State &state)
{
    Subject subject(Condition::healthy, static_cast<std::size_t>(state.range(0)), false, 1);
    fo_balancer *balancer = subject.balancers.front();
    std::atomic<bool> over(false);
    std::atomic<long> updates(0);
    fo_status status = FO_OK;
    std::thread updater([&] {
        for (; !over; updates++)
            update_one(balancer, updates % 2 == 0);
    });

    while (updates == 0)
        std::this_thread::yield();
    updates = 0;
    for (auto _ : state) {
        fo_lease lease;

        status = fo_pick(balancer, &lease);
        if (status != FO_OK)
            break;
        fo_finish(&lease, FO_OUTCOME_SUCCESS);
    }
    over = true;
    updater.join();
    if (status != FO_OK)
        state.SkipWithError(fo_status_name(status));
    state.counters["updates"] =
        benchmark::Counter(static_cast<double>(updates), benchmark::Counter::kIsRate);
}

/** A server comes or goes, of which each client has cores of 5 and of 20. */
void update_cores(benchmark::State &state)
{
    static const std::uint32_t sizes[] = {5, 20};
    Subject subject(Condition::healthy, static_cast<std::size_t>(state.range(0)), false, 1);
    fo_balancer *balancer = subject.balancers.front();
    fo_config config = fo_config_init();
    const char *name = "one-more";
    bool add = false;

    config.levels.core_sizes = sizes;
    config.levels.core_count = 2;
    config.levels.client_id = "client";
    bench::expect(fo_balancer_configure(balancer, &config), "fo_balancer_configure");
    for (auto _ : state) {
        const fo_endpoint_config endpoint = fo_endpoint_config_init(name);

        add = !add;
        bench::expect(add ? fo_balancer_update(balancer, &endpoint, 1, nullptr, 0, nullptr)
                          : fo_balancer_update(balancer, nullptr, 0, &name, 1, nullptr),
                      "fo_balancer_update");
    }
}

/** A pair of which every finish changes the health of one of 8 servers, seen by all balancers. The
 * default runtime's thread brings the others up to date meanwhile, on another CPU if there is one. */
void change_in_group(benchmark::State &state)
{
    static const fo_outcome outcomes[] = {FO_OUTCOME_OVERLOADED, FO_OUTCOME_SUCCESS};
    std::vector<fo_balancer *> balancers(static_cast<std::size_t>(state.range(0)));
    fo_endpoint_config servers[8];
    fo_config config = fo_config_init();
    fo_group *group;
    std::size_t changes = 0;

    bench::expect(fo_group_create(nullptr, &group), "fo_group_create");
    config.group = group;
    config.seed = 1;
    for (std::size_t i = 0; i < 8; i++) {
        static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

        servers[i] = fo_endpoint_config_init(names[i]);
        servers[i].init_weight = 50; /* success and overloaded both have room */
    }
    for (fo_balancer *&balancer : balancers) {
        bench::expect(fo_balancer_create(&config, &balancer), "fo_balancer_create");
        bench::expect(fo_balancer_update(balancer, servers, 8, nullptr, 0, nullptr),
                      "fo_balancer_update");
    }
    for (auto _ : state) {
        fo_lease lease;

        if (fo_pick(balancers.front(), &lease) != FO_OK)
            break;
        fo_finish(&lease, outcomes[changes++ % 2]);
    }
    for (fo_balancer *balancer : balancers)
        fo_balancer_destroy(balancer);
    fo_group_destroy(group);
}

struct Listener {
    std::atomic<bool> entered{false};
    std::atomic<bool> may_return{false};
};

void listen(const fo_event *, void *arg)
{
    auto *listener = static_cast<Listener *>(arg);

    listener->entered = true;
    while (!listener->may_return)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

/** A pair while a listener keeps the default runtime's thread, or has let it go. */
void pair_beside_listener(benchmark::State &state, bool blocks)
{
    static const char *const names[] = {"a", "b", "c", "d", "dead"};
    Listener listener;
    fo_config config = fo_config_init();
    fo_balancer *balancer;
    fo_subscription *subscription;
    fo_status status = FO_OK;

    config.seed = 1;
    config.trial.backoff_ms = UINT32_MAX;
    bench::expect(fo_balancer_create(&config, &balancer), "fo_balancer_create");
    for (const char *name : names) {
        const fo_endpoint_config server = fo_endpoint_config_init(name);

        bench::expect(fo_balancer_update(balancer, &server, 1, nullptr, 0, nullptr),
                      "fo_balancer_update");
    }
    bench::expect(fo_subscribe(balancer, FO_EVENT_DOWN, listen, &listener, &subscription),
                  "fo_subscribe");
    listener.may_return = !blocks;
    bench::expect(fo_report(balancer, "dead", FO_OUTCOME_DOWN), "fo_report");
    while (!listener.entered)
        std::this_thread::yield();
    for (auto _ : state) {
        fo_lease lease;

        status = fo_pick(balancer, &lease);
        if (status != FO_OK)
            break;
        fo_finish(&lease, FO_OUTCOME_SUCCESS);
    }
    if (status != FO_OK)
        state.SkipWithError(fo_status_name(status));
    listener.may_return = true;
    fo_unsubscribe(balancer, subscription);
    fo_balancer_destroy(balancer);
}

BENCHMARK_CAPTURE(pair_beside_listener, returned, false)->Name("listener/returned");
BENCHMARK_CAPTURE(pair_beside_listener, blocks, true)->Name("listener/blocks");
BENCHMARK(change_in_group)->Name("change/group")->ArgName("balancers")->Arg(2)->Arg(1000);
BENCHMARK(update_cores)->Name("update/cores")->ArgName("n")->Arg(1000)->Arg(10000);
BENCHMARK(update_alone)->Name("update/alone")->ArgName("n")->Arg(1000)->Arg(10000);
BENCHMARK(pair_meanwhile)->Name("update/meanwhile")->ArgName("n")->Arg(1000);

} // namespace
