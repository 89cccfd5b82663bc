/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes wrong in a service of ten servers or so: a herd on return, grey failure, a zone that is lost, a
 * retry storm, a bad deploy. Each server has 8 cores, a request costs 20 ms of one, clients wait 1 s.
 */
#include "scenarios.hpp"

namespace sim {

namespace {

constexpr double cores = 8;
constexpr double mean_s = 0.02;

/* So many servers, loaded to that share of what they can do. */
Spec service(const std::string &name, const std::string &title, std::size_t count, double load)
{
    Spec spec;
    ServerSetup setup;

    setup.cores = cores;
    setup.allocation = cores;
    setup.queue_limit = 400;
    spec.name = name;
    spec.title = title;
    spec.servers.assign(count, setup);
    spec.clients = 20;
    spec.rates = {{0, load * static_cast<double>(count) * cores / mean_s}};
    spec.cost = [](Random &random, std::size_t) {
        return 0.005 + random.exponential(mean_s - 0.005);
    };
    spec.timeout = second;
    spec.retries = 1;
    return spec;
}

} // namespace

/* It is gone from 4 s to 8 s, and five times as slow for the first 6 s after. */
std::vector<Spec> herd(std::uint64_t, bool)
{
    Spec spec = service("herd",
                        "one of ten servers is away from 4 s to 8 s and comes back cold, "
                        "5 times as slow for 6 s; 100 clients, load 60 %",
                        10, 0.6);
    Fault down, cold;

    down.down = true;
    cold.slowdown = 5;
    spec.clients = 100;
    spec.until = 20 * second;
    spec.watch = {{0}, 4 * second, 8 * second, never};
    spec.changes = {{4 * second, 0, Change::fault, 0, down},
                    {8 * second, 0, Change::fault, 0, cold},
                    {14 * second, 0, Change::fault, 0, Fault()}};
    return {spec};
}

std::vector<Spec> grey(std::uint64_t, bool)
{
    Spec spec = service(
        "grey", "one of ten servers never answers 10 % from 5 s to 20 s; load 30 %, no retries", 10,
        0.3);
    Fault grey;

    grey.hang = 0.1;
    spec.retries = 0;
    spec.until = 30 * second;
    spec.watch = {{0}, 5 * second, 20 * second, never};
    fail_between(spec, 0, spec.watch.from, spec.watch.until, grey);
    return {spec};
}

std::vector<Spec> zone_loss(std::uint64_t, bool)
{
    Spec spec = service("zone", "4 of 12 servers are away from 4 s to 10 s; load 55 %", 12, 0.55);
    Fault down;

    down.down = true;
    spec.until = 20 * second;
    spec.watch = {{0, 1, 2, 3}, 4 * second, 10 * second, never};
    for (const auto server : spec.watch.servers)
        fail_between(spec, server, spec.watch.from, spec.watch.until, down);
    return {spec};
}

std::vector<Spec> retry_storm(std::uint64_t, bool)
{
    Spec spec = service("storm",
                        "all servers are 2.5 times as slow from 4 s to 7 s; load 70 %, timeout "
                        "200 ms, 3 retries, abandoned work goes on",
                        10, 0.7);
    Fault slow;

    slow.slowdown = 2.5;
    spec.timeout = 200 * ms;
    spec.retries = 3;
    spec.works_on_abandoned = true;
    spec.until = 16 * second;
    for (std::size_t server = 0; server < spec.servers.size(); server++)
        fail_between(spec, server, 4 * second, 7 * second, slow);
    return {spec};
}

std::vector<Spec> bad_deploy(std::uint64_t, bool)
{
    Spec spec = service("deploy",
                        "a version that fails at once reaches 5 of 10 servers, one each 2 s from "
                        "4 s on; rolled back at 16 s; load 40 %",
                        10, 0.4);
    Fault bad;

    bad.fast_fail = 1;
    spec.until = 26 * second;
    spec.watch = {{0, 1, 2, 3, 4}, 12 * second, 16 * second, never};
    for (const auto server : spec.watch.servers)
        fail_between(spec, server, 4 * second + static_cast<Time>(server) * 2 * second, 16 * second,
                     bad);
    return {spec};
}

} // namespace sim
