/* SPDX-License-Identifier: Apache-2.0
 *
 * Finagle's simulation: ten servers, 1,250 requests a second, 45 s, and one server that is ill. Its latencies
 * were recorded; here they are log-normal, median 40 ms, p99 about 160 ms.
 */
#include "scenarios.hpp"

#include <cmath>

namespace sim {

namespace {

Spec ten_servers(const std::string &name, const std::string &title)
{
    Spec spec;

    spec.name = name;
    spec.title = "Finagle's simulation: " + title;
    spec.servers.resize(10);
    spec.clients = 5;
    spec.rates = {{0, 1250}};
    spec.cost = [](Random &random, std::size_t) { return 0.04 * std::exp(random.normal(0, 0.6)); };
    spec.timeout = second;
    spec.until = 45 * second;
    return spec;
}

Spec ill_between(Spec spec, Time from, Time until, const Fault &fault)
{
    spec.watch = {{0}, from, until, 300 * ms};
    fail_between(spec, 0, from, until, fault);
    return spec;
}

} // namespace

std::vector<Spec> finagle(std::uint64_t, bool)
{
    Fault slow, failing;
    Spec cold = ten_servers("finagle-cold", "cold for 10 s, and again from 19 s to 23 s");

    slow.slowdown = 10;
    failing.fast_fail = 1;
    fail_between(cold, 0, 0, 10 * second, slow);
    return {ill_between(cold, 19 * second, 23 * second, slow),
            ill_between(ten_servers("finagle-slow", "ten times as slow from 15 s on"), 15 * second,
                        45 * second, slow),
            ill_between(ten_servers("finagle-fail", "fails fast from 10 s to 25 s"), 10 * second,
                        25 * second, failing),
            ill_between(ten_servers("finagle-dead", "fails fast from 10 s on"), 10 * second,
                        45 * second, failing)};
}

} // namespace sim
