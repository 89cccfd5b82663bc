/* SPDX-License-Identifier: Apache-2.0
 *
 * All scenarios, by name. Each makes its cases; a case is a table.
 */
#ifndef SIM_SCENARIOS_HPP
#define SIM_SCENARIOS_HPP

#include "spec.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sim {

/** `full`: longer, and with all of the cases. */
using MakeCases = std::vector<Spec> (*)(std::uint64_t seed, bool full);

struct Scenario {
    std::string name;
    std::string what; /* one line */
    MakeCases cases;
};

const std::vector<Scenario> &scenarios();

/* Each in scenarios/ in the file of its name. */
std::vector<Spec> linkerd(std::uint64_t seed, bool full);
std::vector<Spec> prequal_rules(std::uint64_t seed, bool full);
std::vector<Spec> prequal_ramp(std::uint64_t seed, bool full);
std::vector<Spec> tower(std::uint64_t seed, bool full);
std::vector<Spec> finagle(std::uint64_t seed, bool full);
std::vector<Spec> brokers(std::uint64_t seed, bool full);
std::vector<Spec> churn(std::uint64_t seed, bool full);
std::vector<Spec> herd(std::uint64_t seed, bool full);
std::vector<Spec> grey(std::uint64_t seed, bool full);
std::vector<Spec> zone_loss(std::uint64_t seed, bool full);
std::vector<Spec> retry_storm(std::uint64_t seed, bool full);
std::vector<Spec> bad_deploy(std::uint64_t seed, bool full);

} // namespace sim

#endif
