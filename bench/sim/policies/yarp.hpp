/* SPDX-License-Identifier: Apache-2.0
 *
 * Of two at random, the one that had less in flight, all clients together, when it was last asked.
 *
 * Source: "YARP-Po2C" of Prequal's comparison: each client asks every server, again and again. How often is
 * not in our notes; every 500 ms here.
 */
#ifndef SIM_YARP_HPP
#define SIM_YARP_HPP

#include "policy.hpp"

#include <vector>

namespace sim {

class Yarp : public Model, private Actor {
public:
    Yarp(Environment &environment, Random random)
        : Model(environment, random), in_flight_(environment.server_count())
    {
        const auto first = static_cast<Time>(random_.below(static_cast<std::size_t>(interval)));

        environment.events().at(first, *this, 0);
    }

    std::size_t pick(std::uint64_t, const Tried &tried) override
    {
        const auto &from = candidates(tried);

        if (from.empty())
            return no_server;
        const Two two = two_of(from);

        return in_flight_[two.other] < in_flight_[two.one] ? two.other : two.one;
    }

    void probed(std::size_t server, const Report &report) override
    {
        in_flight_[server] = report.in_flight;
    }

private:
    static constexpr Time interval = 500 * ms;

    std::vector<std::size_t> in_flight_;

    void on_event(std::uint64_t) override
    {
        for (const auto server : environment_.members())
            environment_.probe(*this, server);
        environment_.events().at(environment_.now() + interval, *this, 0);
    }
};

} // namespace sim

#endif
