/* SPDX-License-Identifier: Apache-2.0
 *
 * All policies that can be simulated, by name.
 */
#ifndef SIM_CATALOG_HPP
#define SIM_CATALOG_HPP

#include "world.hpp"

#include <string>
#include <vector>

namespace sim {

struct PolicyEntry {
    std::string name; /* as an argument, in tables and in JSON */
    std::string what; /* one line */
    FamilyMaker make;
};

/** In the order of tables: ours first. */
const std::vector<PolicyEntry> &policies();

} // namespace sim

#endif
