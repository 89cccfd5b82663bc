/* SPDX-License-Identifier: Apache-2.0
 *
 * Prequal's testbed: 100 clients, 100 servers of one allocation each, machines shared with antagonists.
 *
 *     cores │  ▁▂▃█▅▂▁▁▃▅█▆▃   above the allocation what antagonists leave, a new level every second or so;
 *           │──▔▔▔▔▔▔▔▔▔▔▔▔▔── the allocation; on a few machines some of it is missing
 *
 * A query costs max(0, normal(60, 60)) ms of a core of normal speed. A fifth of the machines is of an old
 * kind at 0.6 of that speed, which the published text calls heterogeneous and does not quantify: neither that
 * nor the antagonists are published in numbers, so both are chosen here (README.md says what came of it). Load is
 * in units of the allocation, of cores at their own speed.
 *
 * Published, p90 / p99 in ms, TO for the timeout of 5 s:
 *   70 %: round robin 4984/TO, WRR 173/314, least loaded 343/1804, YARP 210/2642, C3 161/299, Prequal 149/281
 *   90 %: TO/TO, 1667/TO, 940/2654, 213/1169, 164/304, 152/286
 *   Ramp 0.75 … 1.74: WRR's p99.9 is at the timeout from 1.03 on, more than 25 % errors at 1.74; Prequal none.
 */
#include "scenarios.hpp"

#include <algorithm>
#include <cstdio>

namespace sim {

namespace {

constexpr std::size_t count = 100;
constexpr double allocation = 4; /* cores */
constexpr double mean_s = 0.06;

/* max(0, normal(m, m)) is m · (Φ(1) + φ(1)) in the mean. */
constexpr double mean_cost_s = mean_s * (0.841344746 + 0.241970725);

/* A kind of machine. What it can spare is in allocations beyond the own one; below 0, it withholds. */
struct Machine {
    double speed;
    double spare_least, spare_most; /* the usual of such a machine is between these */
    double deviation;               /* of a moment from the usual */
};

constexpr Machine old_one = {0.55, 0.0, 0.4, 0.15};
constexpr Machine busy_one = {1.08, -0.24, -0.2, 0.05};
constexpr Machine other_one = {1.08, 0.2, 2.4, 0.4};

const Machine &machine_of(std::size_t server)
{
    return server % 20 < 3 ? old_one : server % 20 < 5 ? busy_one : other_one;
}

void add_server(Spec &spec, std::size_t server, Random &random)
{
    const Machine &machine = machine_of(server);
    const double usual =
        machine.spare_least + random.uniform() * (machine.spare_most - machine.spare_least);
    const auto cores = [&] {
        return allocation * std::clamp(1 + random.normal(usual, machine.deviation), 0.5, 4.0);
    };
    ServerSetup setup;

    setup.allocation = allocation;
    setup.speed = machine.speed;
    setup.cores = cores();
    spec.servers.push_back(setup);
    for (Time at = 0; at < spec.until; at += from_seconds(random.exponential(1)))
        spec.changes.push_back({at, server, Change::cores, cores()});
}

Spec testbed(std::uint64_t seed, double load, Time length)
{
    Spec spec;

    spec.clients = 100;
    spec.timeout = 5 * second;
    spec.from = 10 * second;
    spec.until = spec.from + length;
    spec.rates = {{0, load * static_cast<double>(count) * allocation / mean_cost_s}};
    spec.cost = [](Random &random, std::size_t) {
        return std::max(1e-6, random.normal(mean_s, mean_s));
    };
    Random random(seed, 77);

    for (std::size_t server = 0; server < count; server++)
        add_server(spec, server, random);
    return spec;
}

std::string percent(double share)
{
    char text[16];

    std::snprintf(text, sizeof(text), "%.0f", share * 100);
    return text;
}

} // namespace

std::vector<Spec> prequal_rules(std::uint64_t seed, bool full)
{
    std::vector<Spec> specs;

    for (const double load : {0.7, 0.9}) {
        specs.push_back(testbed(seed, load, (full ? 60 : 15) * second));
        specs.back().name = "rules-" + percent(load);
        specs.back().title = "Prequal's rules, " + percent(load) + " % of the allocation";
    }
    return specs;
}

std::vector<Spec> prequal_ramp(std::uint64_t seed, bool full)
{
    const std::vector<double> few = {0.93, 1.27, 1.74};
    const std::vector<double> all = {0.75, 0.83, 0.93, 1.03, 1.14, 1.27, 1.41, 1.57, 1.74};
    std::vector<Spec> specs;

    for (const double load : full ? all : few) {
        specs.push_back(testbed(seed, load, (full ? 30 : 7) * second));
        specs.back().name = "ramp-" + percent(load);
        specs.back().title = "Prequal's ramp, " + percent(load) + " % of the allocation";
    }
    return specs;
}

} // namespace sim
