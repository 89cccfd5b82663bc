/* SPDX-License-Identifier: Apache-2.0
 *
 * The original: weights that failures halve and successes mend, and a connection each second to those that
 * have none left.
 *
 *     success   +1 of 100                     a failure  half; below 1: 0
 *     at 0      no picks; each second all such servers are connected to, and one that accepts has 10
 *     pick      all weights equal: round robin; else at random by weight
 *     all at 0  none
 *
 * Source: simple-failover-java 0.1.32, PriorityFailover with RatioWeightFunction and SimplePortChecker. An
 * update by the full list keeps weights, as there (updates by differences lose them; those are not modelled).
 */
#ifndef SIM_SIMPLE_FAILOVER_HPP
#define SIM_SIMPLE_FAILOVER_HPP

#include "policy.hpp"

#include <algorithm>
#include <vector>

namespace sim {

class SimpleFailover : public Model, private Actor {
public:
    SimpleFailover(Environment &environment, Random random)
        : Model(environment, random), next_(random_.below(1u << 30)),
          weights_(environment.server_count(), full)
    {
        environment.events().at(check_interval, *this, 0);
    }

    std::size_t pick(std::uint64_t, const Tried &tried) override
    {
        const auto &from = candidates(tried);
        double sum = 0;
        bool equal = true;

        for (const auto server : from) {
            sum += weights_[server];
            equal = equal && weights_[server] >= full;
        }
        if (equal && !from.empty())
            return from[next_++ % from.size()];
        return by_weight(from, random_.uniform() * sum);
    }

    void finish(std::uint64_t, const Reply &reply) override
    {
        double &weight = weights_[reply.server];

        if (reply.outcome == Outcome::success)
            weight = weight <= 0 ? recovered : std::min(full, weight + 1);
        else
            weight = weight / 2 < 1 ? 0 : weight / 2;
    }

    double weight(std::size_t server) const { return weights_[server]; }

private:
    static constexpr double full = 100;
    static constexpr double recovered = 10;
    static constexpr Time check_interval = second;

    std::size_t next_;
    std::vector<double> weights_;

    std::size_t by_weight(const std::vector<std::size_t> &from, double at) const
    {
        std::size_t last = no_server;

        for (const auto server : from) {
            if (weights_[server] <= 0)
                continue;
            last = server;
            if (at < weights_[server])
                break;
            at -= weights_[server];
        }
        return last;
    }

    void on_event(std::uint64_t) override
    {
        for (const auto server : environment_.members())
            if (weights_[server] <= 0 && environment_.connects(server))
                weights_[server] = recovered;
        environment_.events().at(environment_.now() + check_interval, *this, 0);
    }
};

} // namespace sim

#endif
