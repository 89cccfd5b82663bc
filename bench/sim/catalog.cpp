/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog.hpp"

#include "policies/c3.hpp"
#include "policies/least_in_flight.hpp"
#include "policies/ours.hpp"
#include "policies/peak_ewma.hpp"
#include "policies/prequal.hpp"
#include "policies/rocketmq.hpp"
#include "policies/simple.hpp"
#include "policies/simple_failover.hpp"
#include "policies/weighted_round_robin.hpp"
#include "policies/yarp.hpp"

#include <functional>
#include <utility>

namespace sim {

namespace {

/* A family whose clients have nothing in common. */
class Apart : public Family {
public:
    using Maker = std::function<std::unique_ptr<Policy>(Random)>;

    Apart(std::uint64_t seed, Maker maker) : seed_(seed), maker_(std::move(maker)) {}

    std::unique_ptr<Policy> client(std::size_t index) override
    {
        return maker_(Random(seed_, 1000 + index));
    }

private:
    std::uint64_t seed_;
    Maker maker_;
};

template <class Kind, class... Arguments>
FamilyMaker apart(Arguments... arguments)
{
    return [=](Environment &environment, std::uint64_t seed) {
        return std::make_unique<Apart>(seed, [&environment, arguments...](Random random) {
            return std::make_unique<Kind>(environment, random, arguments...);
        });
    };
}

FamilyMaker ours(Configure configure)
{
    return [=](Environment &environment, std::uint64_t seed) {
        return std::make_unique<Library>(environment, seed, configure);
    };
}

void as_it_is(fo_config &) {}

template <fo_load_policy policy>
void by_load(fo_config &config)
{
    config.load.policy = policy;
}

std::vector<PolicyEntry> make_policies()
{
    return {
        /* The one place for configurations of ours. */
        {"ours", "this library, default configuration", ours(as_it_is)},
        {"ours-least", "… by least in flight of two", ours(by_load<FO_LOAD_LEAST>)},
        {"ours-ewma", "… by peak EWMA of two", ours(by_load<FO_LOAD_PEAK_EWMA>)},
        {"ours-hot-cold", "… hot and cold, by what servers report",
         ours(by_load<FO_LOAD_HOT_COLD>)},

        {"random", "any server", apart<RandomPolicy>()},
        {"rr", "round robin", apart<RoundRobin>()},
        {"wrr", "weighted round robin by utilisation (gRPC A58)", apart<WeightedRoundRobin>()},
        {"least", "least in flight of all, the client's own", apart<LeastLoaded>()},
        {"least-p2c", "least in flight of two, the client's own", apart<LeastOfTwo>()},
        {"ewma-p2c", "peak EWMA of two (Finagle)", apart<PeakEwma>()},
        {"yarp", "least in flight of two, as polled from servers (YARP)", apart<Yarp>()},
        {"c3", "C3, by what replies bring", apart<C3>()},
        {"c3-probes", "C3's score over Prequal's probes", apart<Prequal>(Prequal::Rule::c3)},
        {"prequal", "Prequal: probes, hot and cold", apart<Prequal>(Prequal::Rule::hot_cold)},
        {"rocketmq", "RocketMQ's table of latencies", apart<RocketMq>()},
        {"simple-failover", "simple-failover-java", apart<SimpleFailover>()},
    };
}

} // namespace

const std::vector<PolicyEntry> &policies()
{
    static const std::vector<PolicyEntry> all = make_policies();

    return all;
}

} // namespace sim
