/* SPDX-License-Identifier: Apache-2.0
 *
 * A messaging client's day: four brokers, 20 producers, 1,000 sends a second of about 3 ms, timeout 3 s, two
 * retries on other brokers. From 10 s to 40 s one broker refuses connections, or hangs, or is 600 ms slow, or
 * is away for 10 s of every 20 s.
 */
#include "scenarios.hpp"

namespace sim {

namespace {

Spec four_brokers(const std::string &name, const std::string &title)
{
    Spec spec;

    spec.name = "brokers-" + name;
    spec.title = "four brokers, one " + title + " from 10 s to 40 s; timeout 3 s, 2 retries";
    spec.servers.resize(4);
    spec.clients = 20;
    spec.rates = {{0, 1000}};
    spec.cost = [](Random &random, std::size_t) { return 0.001 + random.exponential(0.002); };
    spec.timeout = 3 * second;
    spec.retries = 2;
    spec.until = 80 * second;
    spec.watch = {{0}, 10 * second, 40 * second, 300 * ms};
    return spec;
}

} // namespace

std::vector<Spec> brokers(std::uint64_t, bool)
{
    std::vector<Spec> specs = {four_brokers("refuse", "refuses"), four_brokers("hang", "hangs"),
                               four_brokers("slow", "takes 600 ms more"),
                               four_brokers("flap", "goes and comes")};
    Fault down, frozen, slow;

    down.down = true;
    frozen.frozen = true;
    slow.slow_by_s = 0.6;
    fail_between(specs[0], 0, 10 * second, 40 * second, down);
    fail_between(specs[1], 0, 10 * second, 40 * second, frozen);
    fail_between(specs[2], 0, 10 * second, 40 * second, slow);
    fail_between(specs[3], 0, 10 * second, 20 * second, down);
    fail_between(specs[3], 0, 30 * second, 40 * second, down);
    return specs;
}

} // namespace sim
