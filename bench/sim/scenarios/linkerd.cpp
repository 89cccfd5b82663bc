/* SPDX-License-Identifier: Apache-2.0
 *
 * linkerd's comparison of 2016: 11 servers that take about 167 ms, 1,000 requests a second for a minute, and
 * from the 15th second on one of them takes 2 s for 30 s, beyond the client's timeout of 1 s.
 * Published: round robin 95 %, least loaded 99 %, peak EWMA 99.9 % of the requests succeed.
 */
#include "scenarios.hpp"

#include <algorithm>

namespace sim {

std::vector<Spec> linkerd(std::uint64_t, bool)
{
    Spec spec;
    Fault slow;

    slow.slow_by_s = 2 - 0.167;
    spec.name = "linkerd";
    spec.title = "linkerd 2016: one of 11 servers takes 2 s from 15 s to 45 s; timeout 1 s";
    spec.servers.resize(11);
    spec.rates = {{0, 1000}};
    spec.cost = [](Random &random, std::size_t) {
        return std::max(0.001, random.normal(0.167, 0.005));
    };
    spec.timeout = second;
    spec.until = 60 * second;
    spec.watch = {{0}, 15 * second, 45 * second, second};
    fail_between(spec, 0, spec.watch.from, spec.watch.until, slow);
    return {spec};
}

} // namespace sim
