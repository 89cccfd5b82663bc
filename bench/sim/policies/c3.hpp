/* SPDX-License-Identifier: Apache-2.0
 *
 * The server with the least score, where the expected queue counts cubed:
 *
 *     score = R − 1/μ + q³ / μ        q = 1 + own in flight × clients + queue
 *
 * R, 1/μ and the queue are moving averages, a new value counts 0.3, of the latency seen, and of the service time
 * and the requests in flight that the server reports beside its replies. A server without a score comes first.
 *
 * Source: C3 (NSDI 2015), as in Elasticsearch's ResponseCollectorService. Its rate control is left out.
 */
#ifndef SIM_C3_HPP
#define SIM_C3_HPP

#include "policies/least_in_flight.hpp"

#include <vector>

namespace sim {

class C3 : public InFlight {
public:
    C3(Environment &environment, Random random)
        : InFlight(environment, random), seen_(environment.server_count())
    {
    }

    std::size_t pick(std::uint64_t, const Tried &tried) override
    {
        const auto &from = candidates(tried);

        if (from.empty())
            return no_server;
        const std::size_t start = random_.below(from.size()); /* ties are broken at random */
        std::size_t best = from[start];
        double best_score = score(best);

        for (std::size_t i = 1; i < from.size(); i++) {
            const std::size_t other = from[(start + i) % from.size()];
            const double other_score = score(other);

            if (other_score < best_score) {
                best = other;
                best_score = other_score;
            }
        }
        return take(best);
    }

    void finish(std::uint64_t attempt, const Reply &reply) override
    {
        InFlight::finish(attempt, reply);
        Seen &seen = seen_[reply.server];
        const double latency_s = in_seconds(reply.latency);

        if (reply.report == nullptr) {
            blend(seen, seen.response_s, latency_s);
            return;
        }
        blend(seen, seen.response_s, latency_s);
        blend(seen, seen.service_s, in_seconds(reply.report->service_time));
        blend(seen, seen.queue, static_cast<double>(reply.report->in_flight));
        seen.any = true;
    }

    static double score_of(double response_s, double service_s, double queue)
    {
        return response_s - service_s + queue * queue * queue * service_s;
    }

private:
    struct Seen {
        bool any = false;
        double response_s = 0;
        double service_s = 0;
        double queue = 0;
    };

    std::vector<Seen> seen_;

    static void blend(const Seen &seen, double &average, double value)
    {
        average = seen.any ? average + 0.3 * (value - average) : value;
    }

    double score(std::size_t server) const
    {
        const Seen &seen = seen_[server];
        const auto own = static_cast<double>(open_[server]);
        const double queue =
            1 + own * static_cast<double>(environment_.client_count()) + seen.queue;

        return score_of(seen.response_s, seen.service_s, queue);
    }
};

} // namespace sim

#endif
