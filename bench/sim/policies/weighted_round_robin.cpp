/* SPDX-License-Identifier: Apache-2.0 */
#include "policies/weighted_round_robin.hpp"

#include <algorithm>
#include <cmath>

namespace sim {

namespace {

constexpr Time update_period = second;
constexpr double smoothing = 0.3;

} // namespace

WeightedRoundRobin::WeightedRoundRobin(Environment &environment, Random random)
    : Model(environment, random), reported_(environment.server_count()),
      weights_(environment.server_count()), strides_(environment.server_count(), full),
      sequence_(random_.below(1u << 20))
{
}

void WeightedRoundRobin::finish(std::uint64_t, const Reply &reply)
{
    if (reply.report == nullptr || reply.report->rate <= 0 || reply.report->utilisation <= 0)
        return;
    reported_[reply.server] = reply.report->rate / (reply.report->utilisation +
                                                    reply.report->error_rate / reply.report->rate);
}

void WeightedRoundRobin::update()
{
    for (std::size_t server = 0; server < weights_.size(); server++) {
        if (reported_[server] <= 0)
            continue;
        weights_[server] =
            weights_[server] <= 0
                ? reported_[server]
                : weights_[server] + smoothing * (reported_[server] - weights_[server]);
        reported_[server] = 0;
    }
    scale();
}

void WeightedRoundRobin::scale()
{
    double sum = 0, most = 0;
    std::size_t known = 0;

    for (const double weight : weights_) {
        sum += weight;
        most = std::max(most, weight);
        known += weight > 0 ? 1 : 0;
    }
    if (known < 2) {
        std::fill(strides_.begin(), strides_.end(), full);
        return;
    }
    const double mean = sum / static_cast<double>(known);

    most = std::min(most, 10 * mean);
    for (std::size_t server = 0; server < weights_.size(); server++) {
        const double weight = weights_[server] > 0 ? weights_[server] : mean;
        const double clamped = std::clamp(weight, 0.01 * mean, most);

        strides_[server] =
            static_cast<std::uint64_t>(std::lround(clamped / most * static_cast<double>(full)));
    }
}

std::size_t WeightedRoundRobin::pick(std::uint64_t, const Tried &tried)
{
    const auto &from = candidates(tried);

    if (from.empty())
        return no_server;
    if (environment_.now() >= update_at_) {
        update();
        update_at_ = environment_.now() + update_period;
    }
    for (;;) {
        const std::uint64_t index = sequence_ % from.size();
        const std::uint64_t generation = sequence_ / from.size();
        const std::uint64_t stride = strides_[from[index]];

        sequence_++;
        if ((stride * generation + index * (full / 2)) % full >= full - stride)
            return from[index];
    }
}

} // namespace sim
