/* SPDX-License-Identifier: Apache-2.0
 *
 * tower-balance's demonstration: 100,000 requests, 500 at a time, to ten servers whose latencies are uniform
 * from 0 to 1, 5, 10, 10, 10, 100, 100, 100, 500 and 1,000 ms.
 */
#include "scenarios.hpp"

#include <array>

namespace sim {

std::vector<Spec> tower(std::uint64_t, bool full)
{
    static constexpr std::array<double, 10> most_s = {0.001, 0.005, 0.01, 0.01, 0.01,
                                                      0.1,   0.1,   0.1,  0.5,  1};
    Spec spec;

    spec.name = "tower";
    spec.title = "tower-balance: ten servers from 1 ms to 1 s, 500 requests at a time";
    spec.servers.resize(most_s.size());
    spec.concurrency = 500;
    spec.request_count = full ? 100000 : 50000;
    spec.cost = [](Random &random, std::size_t server) {
        return 1e-6 + random.uniform() * most_s[server];
    };
    spec.until = 60 * second;
    return {spec};
}

} // namespace sim
