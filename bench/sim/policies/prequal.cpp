/* SPDX-License-Identifier: Apache-2.0 */
#include "policies/prequal.hpp"

#include "policies/c3.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

namespace sim {

namespace {

constexpr std::size_t pool_size = 16;
constexpr std::size_t probes_per_query = 3;
constexpr std::size_t removed_per_query = 1;
constexpr double delta = 1;
constexpr double hot_quantile = 0.84;
constexpr Time age_limit = second;

using Rank = std::tuple<bool, double>; /* the smaller the better */

Rank rank_of(const Prequal::Entry &entry, Prequal::Rule rule, std::size_t hot)
{
    if (rule == Prequal::Rule::c3)
        return {false, C3::score_of(in_seconds(entry.latency), in_seconds(entry.service_time),
                                    1 + static_cast<double>(entry.in_flight))};
    const bool is_hot = entry.in_flight >= hot;

    return {is_hot,
            static_cast<double>(is_hot ? static_cast<Time>(entry.in_flight) : entry.latency)};
}

} // namespace

Prequal::Prequal(Environment &environment, Random random, Rule rule)
    : Model(environment, random), rule_(rule)
{
}

std::size_t Prequal::best_of(const std::vector<Entry> &pool, Rule rule, std::size_t hot)
{
    const auto best =
        std::min_element(pool.begin(), pool.end(), [&](const Entry &a, const Entry &b) {
            return rank_of(a, rule, hot) < rank_of(b, rule, hot);
        });

    return static_cast<std::size_t>(best - pool.begin());
}

std::size_t Prequal::worst_of(const std::vector<Entry> &pool, Rule rule, std::size_t hot)
{
    const auto worst =
        std::max_element(pool.begin(), pool.end(), [&](const Entry &a, const Entry &b) {
            return rank_of(a, rule, hot) < rank_of(b, rule, hot);
        });

    return static_cast<std::size_t>(worst - pool.begin());
}

double Prequal::reuse(std::size_t server_count)
{
    const double share = static_cast<double>(pool_size) / static_cast<double>(server_count);
    const double per_query = (1 - share) * static_cast<double>(probes_per_query) -
                             static_cast<double>(removed_per_query);

    if (per_query <= 0)
        return std::numeric_limits<double>::infinity();
    return std::max(1.0, (1 + delta) / per_query);
}

/* ---- The pool ----------------------------------------------------------------------------- */

void Prequal::send_probes()
{
    const auto &members = environment_.members();
    std::vector<std::size_t> asked;

    while (asked.size() < std::min(probes_per_query, members.size())) {
        const std::size_t server = members[random_.below(members.size())];

        if (std::find(asked.begin(), asked.end(), server) == asked.end()) {
            asked.push_back(server);
            environment_.probe(*this, server);
        }
    }
}

void Prequal::probed(std::size_t server, const Report &report)
{
    const double uses = reuse(environment_.members().size());
    const double whole = std::floor(uses);

    recent_[recent_count_++ % recent_.size()] = report.in_flight;
    pool_.erase(std::remove_if(pool_.begin(), pool_.end(),
                               [&](const Entry &entry) { return entry.server == server; }),
                pool_.end());
    if (pool_.size() == pool_size)
        pool_.erase(pool_.begin());
    pool_.push_back({server, report.in_flight, report.latency, report.service_time,
                     environment_.now(),
                     std::isinf(uses) ? uses : whole + (random_.chance(uses - whole) ? 1 : 0)});
}

void Prequal::drop_old()
{
    const Time oldest = environment_.now() - age_limit;

    pool_.erase(std::remove_if(pool_.begin(), pool_.end(),
                               [&](const Entry &entry) {
                                   const auto &members = environment_.members();

                                   return entry.at < oldest ||
                                          !std::binary_search(members.begin(), members.end(),
                                                              entry.server);
                               }),
                pool_.end());
}

void Prequal::drop_one()
{
    if (pool_.size() < pool_size) /* while it fills, there is nothing too much */
        return;
    const std::size_t dropped = remove_worst_ ? worst_of(pool_, rule_, hot()) : 0;

    pool_.erase(pool_.begin() + static_cast<std::ptrdiff_t>(dropped));
    remove_worst_ = !remove_worst_;
}

std::size_t Prequal::hot() const
{
    auto recent = recent_;
    const std::size_t count = std::min(recent_count_, recent.size());
    const auto rank = static_cast<std::ptrdiff_t>(hot_quantile * static_cast<double>(count));

    std::nth_element(recent.begin(), recent.begin() + rank,
                     recent.begin() + static_cast<std::ptrdiff_t>(count));
    return std::max<std::size_t>(recent[static_cast<std::size_t>(rank)], 1);
}

/* ---- A query ------------------------------------------------------------------------------ */

std::size_t Prequal::use_best(const Tried &tried)
{
    std::vector<Entry> untried;

    for (const Entry &entry : pool_)
        if (std::find(tried.begin(), tried.end(), entry.server) == tried.end())
            untried.push_back(entry);
    if (untried.size() < 2)
        return no_server;
    const std::size_t server = untried[best_of(untried, rule_, hot())].server;
    const auto used = std::find_if(pool_.begin(), pool_.end(),
                                   [&](const Entry &entry) { return entry.server == server; });

    used->in_flight++;
    used->uses--;
    if (used->uses <= 0)
        pool_.erase(used);
    return server;
}

std::size_t Prequal::pick(std::uint64_t, const Tried &tried)
{
    const auto &from = candidates(tried);

    if (from.empty())
        return no_server;
    drop_old();
    send_probes();
    drop_one();
    const std::size_t best = use_best(tried);

    return best != no_server ? best : from[random_.below(from.size())];
}

} // namespace sim
