/* SPDX-License-Identifier: Apache-2.0
 *
 * Policies that know nothing but the list: random, and round robin.
 */
#ifndef SIM_SIMPLE_HPP
#define SIM_SIMPLE_HPP

#include "policy.hpp"

namespace sim {

class RandomPolicy : public Model {
public:
    using Model::Model;

    std::size_t pick(std::uint64_t, const Tried &tried) override
    {
        const auto &from = candidates(tried);

        return from.empty() ? no_server : from[random_.below(from.size())];
    }
};

/** One after the other, from a random start. A retry takes the next one. */
class RoundRobin : public Model {
public:
    RoundRobin(Environment &environment, Random random)
        : Model(environment, random), next_(random_.below(1u << 30))
    {
    }

    std::size_t pick(std::uint64_t, const Tried &tried) override
    {
        const auto &from = candidates(tried);

        return from.empty() ? no_server : from[next_++ % from.size()];
    }

private:
    std::size_t next_;
};

} // namespace sim

#endif
