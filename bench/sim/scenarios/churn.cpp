/* SPDX-License-Identifier: Apache-2.0
 *
 * Discovery that never rests: 1,000 members, ten updates a second of which each takes 5 away and brings 5
 * new ones, while 10 servers that stay fail at once. What leaves is gone at the same moment: a request that is
 * still sent there is refused. A policy that forgets at an update what it had learned goes on sending to the ten.
 */
#include "scenarios.hpp"

namespace sim {

std::vector<Spec> churn(std::uint64_t, bool full)
{
    constexpr std::size_t members = 1000, failing = 10, each = 5;
    const std::size_t updates = full ? 190 : 60;
    Spec spec;
    Fault failing_fast, down;

    failing_fast.fast_fail = 1;
    down.down = true;
    spec.name = "churn";
    spec.title = "1,000 servers, 10 updates a second replace 5 each, 10 others fail from 1 s on";
    spec.servers.resize(members + updates * each);
    spec.absent.assign(spec.servers.size(), false);
    spec.clients = 2;
    spec.rates = {{0, 4000}};
    spec.cost = [](Random &random, std::size_t) { return random.exponential(0.02); };
    spec.timeout = second;
    spec.retries = 1;
    spec.until = second + static_cast<Time>(updates) * 100 * ms;
    for (std::size_t server = 0; server < failing; server++) {
        spec.watch.servers.push_back(server);
        spec.changes.push_back({second, server, Change::fault, 0, failing_fast});
    }
    spec.watch.from = second;
    for (std::size_t i = 0; i < updates * each; i++) {
        const Time at = second + static_cast<Time>(i / each) * 100 * ms;
        const std::size_t leaves = failing + i;

        spec.absent[members + i] = true;
        spec.changes.push_back({at, leaves, Change::leave});
        spec.changes.push_back({at, leaves, Change::fault, 0, down});
        spec.changes.push_back({at, members + i, Change::join});
    }
    return {spec};
}

} // namespace sim
