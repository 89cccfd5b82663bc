/* SPDX-License-Identifier: Apache-2.0
 *
 * Weighted round robin by utilisation: a server's weight is what it does for the CPU that it uses.
 *
 *     weight = rate / (utilisation + penalty × error rate / rate)          penalty 1, anew each second
 *
 * from what servers report beside their replies; a server that has not reported has the mean weight.
 * Picks follow a static stride: in generation g of a common sequence, server i of weight w (of 65,535, at
 * most 10 times and at least 1/100 of the mean) is taken if (w·g + 32,767·i) mod 65,535 ≥ 65,535 − w.
 *
 * Source: gRPC A58 and its static stride scheduler. Simplified: weights count from the first report on
 * (A58 waits 10 s), and are smoothed by 0.3 an update, as Prequal's authors did with theirs.
 */
#ifndef SIM_WEIGHTED_ROUND_ROBIN_HPP
#define SIM_WEIGHTED_ROUND_ROBIN_HPP

#include "policy.hpp"

#include <vector>

namespace sim {

class WeightedRoundRobin : public Model {
public:
    WeightedRoundRobin(Environment &environment, Random random);
    std::size_t pick(std::uint64_t attempt, const Tried &tried) override;
    void finish(std::uint64_t attempt, const Reply &reply) override;

    double weight(std::size_t server) const { return weights_[server]; }

private:
    static constexpr std::uint64_t full = 65535;

    std::vector<double> reported_; /* 0: not since the last update */
    std::vector<double> weights_;  /* 0: not known */
    std::vector<std::uint64_t> strides_;
    std::uint64_t sequence_;
    Time update_at_ = 0;

    void update();
    void scale();
};

} // namespace sim

#endif
