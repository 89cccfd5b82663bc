/* SPDX-License-Identifier: Apache-2.0
 *
 * Virtual time: nanoseconds since the simulation began. Nothing here ever reads a real clock.
 */
#ifndef SIM_TIME_HPP
#define SIM_TIME_HPP

#include <cmath>
#include <cstdint>

namespace sim {

using Time = std::int64_t;

constexpr Time us = 1000;
constexpr Time ms = 1000 * us;
constexpr Time second = 1000 * ms;
constexpr Time never = INT64_MAX;

constexpr double in_seconds(Time time)
{
    return static_cast<double>(time) * 1e-9;
}

/** Rounded up: what takes so long is over by then. */
inline Time from_seconds(double seconds)
{
    return static_cast<Time>(std::ceil(seconds * 1e9));
}

} // namespace sim

#endif
