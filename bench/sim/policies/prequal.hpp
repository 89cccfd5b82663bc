/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking a few servers ahead of time, and choosing among the answers.
 *
 *     each query ─► 3 probes to different servers at random ─► answers ─► pool of 16, none older than 1 s
 *                └► removes one from the pool: in turn the oldest and the worst
 *                └► takes the best; its entry counts one more in flight, and is used up after b uses
 *
 *     b = (1 + δ) / ((1 − m/n)·probes − removed), δ = 1, at least 1, a fraction at random
 *
 * Best, by Prequal: *hot* is what has as much in flight as the 0.84-quantile of recent answers, or more. Of the
 * cold ones that with the least latency; if all are hot, that with the least in flight. Worst: the reverse.
 * Best, by C3: the least score (c3.hpp) of what the answer says; this is the C3 of Prequal's comparison, as far
 * as our notes tell.
 *
 * With fewer than two answers, a server at random. For 16 servers or fewer b has no value; an answer is then used
 * until it is too old, and a newer one of the same server takes its place.
 *
 * Source: Prequal (NSDI 2024). Its guard against servers that fail fast is not described there, and not modelled.
 */
#ifndef SIM_PREQUAL_HPP
#define SIM_PREQUAL_HPP

#include "policy.hpp"

#include <array>
#include <vector>

namespace sim {

class Prequal : public Model {
public:
    enum class Rule { hot_cold, c3 };

    Prequal(Environment &environment, Random random, Rule rule);
    std::size_t pick(std::uint64_t attempt, const Tried &tried) override;
    void probed(std::size_t server, const Report &report) override;

    struct Entry {
        std::size_t server;
        std::size_t in_flight;
        Time latency;
        Time service_time;
        Time at;
        double uses; /* left */
    };

    /** The number of the best, or of the worst, by the rule. Not of nothing. */
    static std::size_t best_of(const std::vector<Entry> &pool, Rule rule, std::size_t hot);
    static std::size_t worst_of(const std::vector<Entry> &pool, Rule rule, std::size_t hot);
    /** b, before the fraction is decided. */
    static double reuse(std::size_t server_count);

private:
    Rule rule_;
    std::vector<Entry> pool_;                 /* the oldest first */
    std::array<std::size_t, 64> recent_ = {}; /* in flight, of the last answers */
    std::size_t recent_count_ = 0;
    bool remove_worst_ = false;

    void send_probes();
    void drop_old();
    void drop_one();
    std::size_t hot() const;
    std::size_t use_best(const Tried &tried);
};

} // namespace sim

#endif
