/* SPDX-License-Identifier: Apache-2.0
 *
 * What the benchmarks measure: balancers that were brought into a condition and stay in it.
 *
 * Endpoints get their condition by a fixed shuffle of their numbers, so that heavy and light ones are
 * hit alike. Health below 1 is given by init_weight, down by a report. It then holds still: a success
 * adds 10^-12 of max_weight, which is less than the smallest step of health, so that each finish does
 * all of its work and changes nothing; and the first trial is 49 days away. holds_still() looks.
 *
 * A runtime of our own: no thread runs beside the measured ones.
 */
#ifndef BENCH_SUBJECT_HPP
#define BENCH_SUBJECT_HPP

#include <failover/failover.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace bench {

enum class Condition {
    healthy,
    one99,
    third70,
    down50,
    down90,
    down99,
    without1,
    without3,
    levels,   /* the second half of the endpoints is at level 1 */
    overflow, /* the same, and of level 0 half is down */
    keyed,
    least, /* load policies */
    inverse,
    peak_ewma,
    peak_ewma_measured /* by the library's own clock */
};

/** Weights of n endpoints: all 100, or 100 and 1 in turn. */
inline std::vector<double> weights_of(std::size_t n, bool skewed)
{
    std::vector<double> weights(n, 100.0);

    for (std::size_t i = 1; skewed && i < n; i += 2)
        weights[i] = 1.0;
    return weights;
}

inline void expect(fo_status status, const char *what)
{
    if (status == FO_OK)
        return;
    std::fprintf(stderr, "%s: %s\n", what, fo_status_name(status));
    std::abort();
}

/** Balancers in one condition, for the rest of the process. */
class Subject {
public:
    Subject(Condition condition, std::size_t n, bool skewed, std::size_t count)
        : health(n, 1.0), excluded_count(excluded_in(condition)), second_level(n),
          policy(policy_in(condition)), reports_latency(condition == Condition::peak_ewma)
    {
        const auto weights = weights_of(n, skewed);
        const auto order = shuffled(n);

        for (std::size_t i = 0; i < ill_in(condition, n); i++)
            health[order[i]] = health_in(condition);
        if (condition == Condition::levels || condition == Condition::overflow)
            second_level = (n + 1) / 2;
        for (std::size_t i = 0; condition == Condition::overflow && i < second_level; i += 2)
            health[i] = 0;
        for (std::size_t i = 0; i < n; i++)
            names.push_back("endpoint-" + std::to_string(i));
        expect(fo_runtime_create(nullptr, &runtime), "fo_runtime_create");
        exclusions.resize(count);
        for (std::size_t i = 0; i < count; i++) {
            balancers.push_back(make(weights, i + 1));
            exclude(balancers[i], exclusions[i], order);
        }
        while (fo_runtime_next_deadline_ms(runtime) == 0)
            fo_runtime_dispatch(runtime);
    }

    Subject(const Subject &) = delete;
    Subject &operator=(const Subject &) = delete;

    struct Exclusions {
        std::array<std::uint64_t, 3> ids;
        fo_pick_options options; /* points to ids */
    };

    std::vector<fo_balancer *> balancers;
    std::vector<Exclusions> exclusions; /* of the balancer of the same number */

    /** Whether every endpoint of the first and the last balancer is as it was made. */
    bool holds_still() const
    {
        return is_as_made(balancers.front()) && is_as_made(balancers.back());
    }

private:
    std::vector<double> health;
    std::size_t excluded_count;
    std::size_t second_level; /* the first endpoint at level 1 */
    fo_load_policy policy;
    bool reports_latency;
    std::vector<std::string> names;
    fo_runtime *runtime = nullptr;

    static std::size_t excluded_in(Condition condition)
    {
        return condition == Condition::without1 ? 1 : condition == Condition::without3 ? 3 : 0;
    }

    static double health_in(Condition condition)
    {
        return condition == Condition::one99 ? 0.99 : condition == Condition::third70 ? 0.7 : 0.0;
    }

    /** How many endpoints are not healthy: the share rounded, and never all. */
    static std::size_t ill_in(Condition condition, std::size_t n)
    {
        double share = 0;

        switch (condition) {
        case Condition::one99: return 1;
        case Condition::third70: share = 1.0 / 3; break;
        case Condition::down50: share = 0.5; break;
        case Condition::down90: share = 0.9; break;
        case Condition::down99: share = 0.99; break;
        case Condition::healthy:
        case Condition::without1:
        case Condition::without3:
        case Condition::levels:
        case Condition::overflow:
        case Condition::keyed:
        case Condition::least:
        case Condition::inverse:
        case Condition::peak_ewma:
        case Condition::peak_ewma_measured: break;
        }
        return std::min(static_cast<std::size_t>(std::lround(share * static_cast<double>(n))),
                        n - 1);
    }

    static fo_load_policy policy_in(Condition condition)
    {
        switch (condition) {
        case Condition::least: return FO_LOAD_LEAST;
        case Condition::inverse: return FO_LOAD_INVERSE;
        case Condition::peak_ewma:
        case Condition::peak_ewma_measured: return FO_LOAD_PEAK_EWMA;
        default: return FO_LOAD_NONE;
        }
    }

    static std::vector<std::size_t> shuffled(std::size_t n)
    {
        std::vector<std::size_t> order(n);
        std::mt19937 random(1);

        std::iota(order.begin(), order.end(), std::size_t{0});
        for (std::size_t i = n; i > 1; i--)
            std::swap(order[i - 1], order[random() % i]);
        return order;
    }

    fo_balancer *make(const std::vector<double> &weights, std::uint64_t seed) const
    {
        std::vector<fo_endpoint_config> endpoints;
        fo_config config = fo_config_init();
        fo_balancer *balancer = nullptr;

        config.seed = seed;
        config.runtime = runtime;
        config.weight.success_step = 1e-12;
        config.weight.recover_step = 1e-12;
        config.load.policy = policy;
        config.load.reports_latency = reports_latency;
        config.trial.backoff_ms = UINT32_MAX;
        config.trial.backoff_max_ms = UINT32_MAX;
        expect(fo_balancer_create(&config, &balancer), "fo_balancer_create");
        for (std::size_t i = 0; i < weights.size(); i++) {
            endpoints.push_back(fo_endpoint_config_init(names[i].c_str()));
            endpoints[i].max_weight = weights[i];
            endpoints[i].level = i < second_level ? 0 : 1;
            if (health[i] > 0)
                endpoints[i].init_weight = weights[i] * health[i];
        }
        expect(
            fo_balancer_update(balancer, endpoints.data(), endpoints.size(), nullptr, 0, nullptr),
            "fo_balancer_update");
        for (std::size_t i = 0; i < weights.size(); i++)
            if (health[i] <= 0)
                expect(fo_report(balancer, names[i].c_str(), FO_OUTCOME_DOWN), "fo_report");
        return balancer;
    }

    void exclude(fo_balancer *balancer, Exclusions &exclusion,
                 const std::vector<std::size_t> &order) const
    {
        for (std::size_t i = 0; i < excluded_count; i++) {
            fo_endpoint_info info = fo_endpoint_info_init();

            expect(fo_endpoint_status(balancer, names[order[i]].c_str(), &info),
                   "fo_endpoint_status");
            exclusion.ids[i] = info.id;
        }
        exclusion.options = fo_pick_options_init();
        exclusion.options.exclude = exclusion.ids.data();
        exclusion.options.exclude_count = excluded_count;
    }

    struct Look {
        const Subject *subject;
        std::size_t seen;
        std::size_t moved;
    };

    static bool look(const fo_endpoint_info *info, void *arg)
    {
        auto *at = static_cast<Look *>(arg);
        const double expected = at->subject->health[at->seen++];
        const fo_state state = expected > 0 ? FO_STATE_UP : FO_STATE_DOWN;

        if (std::fabs(info->health - expected) > 1e-9 || info->state != state)
            at->moved++;
        return true;
    }

    bool is_as_made(fo_balancer *balancer) const
    {
        Look at{this, 0, 0};

        expect(fo_endpoint_list(balancer, look, &at), "fo_endpoint_list");
        return at.seen == health.size() && at.moved == 0;
    }
};

} // namespace bench

#endif
