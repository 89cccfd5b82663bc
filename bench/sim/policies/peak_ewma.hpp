/* SPDX-License-Identifier: Apache-2.0
 *
 * Of two at random, the one with the smaller latency × (in flight + 1).
 *
 *     a sample above the cost    cost = sample: a peak counts at once
 *     a sample below it          cost = cost·w + sample·(1 − w), w = e^(−time since the last / 10 s)
 *     no sample yet              a huge cost while something is in flight, else 0
 *
 * Source: Finagle's PeakEwma (linkerd 1.x has the same). A failure is a sample like any other, so what
 * fails fast looks good; Finagle puts failure accrual in front of it, which is not modelled.
 */
#ifndef SIM_PEAK_EWMA_HPP
#define SIM_PEAK_EWMA_HPP

#include "policies/least_in_flight.hpp"

#include <cmath>
#include <vector>

namespace sim {

class PeakEwma : public InFlight {
public:
    PeakEwma(Environment &environment, Random random)
        : InFlight(environment, random), costs_(environment.server_count())
    {
    }

    std::size_t pick(std::uint64_t, const Tried &tried) override
    {
        const auto &from = candidates(tried);

        if (from.empty())
            return no_server;
        const Two two = two_of(from);

        return take(load(two.other) < load(two.one) ? two.other : two.one);
    }

    void finish(std::uint64_t attempt, const Reply &reply) override
    {
        InFlight::finish(attempt, reply);
        observe(reply.server, static_cast<double>(reply.latency));
    }

    /** In nanoseconds, as it is now. */
    double cost(std::size_t server)
    {
        observe(server, 0);
        return costs_[server].cost;
    }

private:
    static constexpr double decay_ns = 10e9;
    static constexpr double penalty = 0x1p47; /* the greatest 64-bit number, shifted by 16 */

    struct Cost {
        double cost = 0;
        Time at = 0;
    };

    std::vector<Cost> costs_;

    void observe(std::size_t server, double sample)
    {
        Cost &cost = costs_[server];
        const auto passed = static_cast<double>(environment_.now() - cost.at);
        const double kept = std::exp(-passed / decay_ns);

        cost.cost = sample > cost.cost ? sample : cost.cost * kept + sample * (1 - kept);
        cost.at = environment_.now();
    }

    /* The decay goes on while nothing is sent: to read a cost is to observe a sample of 0. */
    double load(std::size_t server)
    {
        const double cost_now = cost(server);
        const auto pending = static_cast<double>(open_[server]);

        return cost_now <= 0 && pending > 0 ? penalty + pending : cost_now * (pending + 1);
    }
};

} // namespace sim

#endif
