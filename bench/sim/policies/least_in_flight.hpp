/* SPDX-License-Identifier: Apache-2.0
 *
 * By what this client has in flight itself: the least of all, or the lesser of two at random.
 *
 * Sources: "least loaded" with round robin among ties as in Prequal's comparison; power of two choices
 * (Mitzenmacher 1996) as Finagle's and Envoy's, two different servers.
 */
#ifndef SIM_LEAST_IN_FLIGHT_HPP
#define SIM_LEAST_IN_FLIGHT_HPP

#include "policy.hpp"

#include <vector>

namespace sim {

class InFlight : public Model {
public:
    InFlight(Environment &environment, Random random)
        : Model(environment, random), open_(environment.server_count())
    {
    }

    void finish(std::uint64_t, const Reply &reply) override { open_[reply.server]--; }

protected:
    std::vector<std::size_t> open_; /* by server */

    std::size_t take(std::size_t server)
    {
        open_[server]++;
        return server;
    }
};

class LeastLoaded : public InFlight {
public:
    using InFlight::InFlight;

    std::size_t pick(std::uint64_t, const Tried &tried) override
    {
        const auto &from = candidates(tried);

        if (from.empty())
            return no_server;
        std::size_t best = next_ % from.size();

        for (std::size_t i = 1; i < from.size(); i++) {
            const std::size_t other = (next_ + i) % from.size();

            if (open_[from[other]] < open_[from[best]])
                best = other;
        }
        next_ = best + 1;
        return take(from[best]);
    }

private:
    std::size_t next_ = random_.below(1u << 30);
};

class LeastOfTwo : public InFlight {
public:
    using InFlight::InFlight;

    std::size_t pick(std::uint64_t, const Tried &tried) override
    {
        const auto &from = candidates(tried);

        if (from.empty())
            return no_server;
        const Two two = two_of(from);

        return take(open_[two.other] < open_[two.one] ? two.other : two.one);
    }
};

} // namespace sim

#endif
