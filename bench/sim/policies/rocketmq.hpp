/* SPDX-License-Identifier: Apache-2.0
 *
 * Round robin past brokers that were slow or failed, each for a time out of a table.
 *
 *     latency, at least     50   100   550  1,800  3,000  5,000  15,000 ms      a failure counts as 10,000 ms
 *     not available for      0     0 2,000  5,000  6,000 10,000  30,000 ms
 *
 * When all are out, round robin. A retry does not take the broker of the last attempt.
 *
 * Source: RocketMQ's MQFaultStrategy and LatencyFaultToleranceImpl with sendLatencyFaultEnable, without
 * its detector, which is off by default.
 */
#ifndef SIM_ROCKETMQ_HPP
#define SIM_ROCKETMQ_HPP

#include "policy.hpp"

#include <array>
#include <vector>

namespace sim {

class RocketMq : public Model {
public:
    RocketMq(Environment &environment, Random random)
        : Model(environment, random), next_(random_.below(1u << 30)),
          available_at_(environment.server_count())
    {
    }

    std::size_t pick(std::uint64_t, const Tried &tried) override
    {
        const auto &from = candidates(tried);

        if (from.empty())
            return no_server;
        for (std::size_t i = 0; i < from.size(); i++) {
            const std::size_t server = from[next_++ % from.size()];

            if (environment_.now() >= available_at_[server])
                return server;
        }
        return from[next_++ % from.size()];
    }

    void finish(std::uint64_t, const Reply &reply) override
    {
        const bool failed = reply.outcome != Outcome::success;

        available_at_[reply.server] =
            environment_.now() + out_for(failed ? 10 * second : reply.latency);
    }

    static Time out_for(Time latency)
    {
        constexpr std::array<Time, 7> limits = {50 * ms,   100 * ms,  550 * ms,  1800 * ms,
                                                3000 * ms, 5000 * ms, 15000 * ms};
        constexpr std::array<Time, 7> outs = {0,          0,           2 * second, 5 * second,
                                              6 * second, 10 * second, 30 * second};

        for (std::size_t i = limits.size(); i > 0; i--)
            if (latency >= limits[i - 1])
                return outs[i - 1];
        return 0;
    }

private:
    std::size_t next_;
    std::vector<Time> available_at_;
};

} // namespace sim

#endif
