/* SPDX-License-Identifier: Apache-2.0
 *
 * Results for people and for programs: a table for each case, and all figures as JSON.
 */
#ifndef SIM_REPORT_HPP
#define SIM_REPORT_HPP

#include "record.hpp"
#include "spec.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sim {

struct Row {
    std::string policy;
    Result result;
};

/** A case and what came of it for each policy. */
struct Table {
    Spec spec;
    std::vector<Row> rows;
};

std::string text_of(const Table &table);
std::string json_of(const std::vector<Table> &tables, std::uint64_t seed);

} // namespace sim

#endif
