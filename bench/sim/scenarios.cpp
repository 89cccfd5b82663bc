/* SPDX-License-Identifier: Apache-2.0 */
#include "scenarios.hpp"

namespace sim {

const std::vector<Scenario> &scenarios()
{
    static const std::vector<Scenario> all = {
        {"linkerd", "one of 11 servers takes 2 s for 30 s (linkerd 2016)", linkerd},
        {"rules", "Prequal's rules: 100 servers among antagonists, 70 % and 90 %", prequal_rules},
        {"ramp", "Prequal's ramp: beyond the allocation", prequal_ramp},
        {"brokers", "one of 4 brokers refuses, hangs, is slow, flaps (RocketMQ)", brokers},
        {"herd", "one of 10 servers comes back cold, 100 clients wait for it", herd},
        {"grey", "one of 10 servers never answers a tenth of its requests", grey},
        {"tower", "10 servers from 1 ms to 1 s, 500 requests at a time (tower-balance)", tower},
        {"finagle", "cold start, slow middle, failures (Finagle's simulation)", finagle},
        {"churn", "1,000 servers, 10 updates a second change 1 % each, 1 % fail", churn},
        {"zone", "a third of 12 servers is lost at once", zone_loss},
        {"storm", "3 s of slowness, and clients that try 4 times", retry_storm},
        {"deploy", "a bad version takes one server after the other", bad_deploy},
    };

    return all;
}

} // namespace sim
