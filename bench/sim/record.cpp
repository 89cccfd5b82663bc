/* SPDX-License-Identifier: Apache-2.0 */
#include "record.hpp"

#include <algorithm>
#include <cmath>

namespace sim {

Time quantile(std::vector<Time> &values, double q)
{
    if (values.empty())
        return 0;
    const auto rank =
        static_cast<std::ptrdiff_t>(std::ceil(q * static_cast<double>(values.size())));
    const auto place = values.begin() + std::max<std::ptrdiff_t>(rank - 1, 0);

    std::nth_element(values.begin(), place, values.end());
    return *place;
}

Record::Record(const Spec &spec)
    : spec_(spec), watched_(spec.servers.size()), knows_(spec.clients * spec.servers.size()),
      sent_(spec.servers.size()),
      member_count_(spec.servers.size() - static_cast<std::size_t>(std::count(
                                              spec.absent.begin(), spec.absent.end(), true)))
{
    for (const auto server : spec.watch.servers)
        watched_[server] = true;
}

std::vector<bool>::reference Record::knows(std::size_t client, std::size_t server)
{
    return knows_[client * spec_.servers.size() + server];
}

/* ---- Writing down ------------------------------------------------------------------------- */

void Record::sent(Time now, std::size_t client, std::size_t server, bool is_bad, bool is_member)
{
    const auto place = static_cast<std::size_t>(now / slice);

    if (place >= shares_.size())
        shares_.resize(place + 1);
    shares_[place].all++;
    if (watched_[server])
        shares_[place].watched++;
    if (now >= spec_.from && now < spec_.until)
        sent_[server]++;
    if (is_bad && knows(client, server))
        to_known_bad_++;
    if (!is_member)
        to_absent_++;
}

void Record::turned(std::size_t server)
{
    for (std::size_t client = 0; client < spec_.clients; client++)
        knows(client, server) = false;
}

void Record::learned(std::size_t client, const Reply &reply, bool is_bad)
{
    if (is_bad && (reply.outcome != Outcome::success || reply.latency > spec_.watch.slow))
        knows(client, reply.server) = true;
    if (reply.outcome != Outcome::success)
        attempts_failed_[static_cast<std::size_t>(reply.outcome)]++;
}

void Record::ended(Time began, Time now, bool success)
{
    last_ = now;
    if (began < spec_.from || began >= spec_.until)
        return;
    ended_.push_back(
        {began, success ? now - began : std::max(now - began, spec_.timeout), success});
}

/* ---- Figures ------------------------------------------------------------------------------ */

double Record::share_of_fair(Time from, Time length) const
{
    const auto first = static_cast<std::size_t>(from / slice);
    const auto last = static_cast<std::size_t>((from + length) / slice);
    Share sum;

    for (std::size_t i = first; i < last && i < shares_.size(); i++) {
        sum.all += shares_[i].all;
        sum.watched += shares_[i].watched;
    }
    const double fair = static_cast<double>(sum.all) *
                        static_cast<double>(spec_.watch.servers.size()) /
                        static_cast<double>(member_count_);

    return fair > 0 ? static_cast<double>(sum.watched) / fair : 0;
}

/* How long after `from` the first window of that length ends in which the share is low … high; never: there
 * is none before the end of the fault or of the run. */
Time Record::first_window(Time from, Time length, double low, double high) const
{
    const Time end =
        from < spec_.watch.until ? std::min(spec_.watch.until, spec_.until) : spec_.until;

    for (Time at = from; at + length <= end; at += slice) {
        const double share = share_of_fair(at, length);

        if (share >= low && share <= high)
            return at + length - from;
    }
    return never;
}

double Record::spread() const
{
    std::size_t sum = 0, most = 0, count = 0;

    for (std::size_t server = 0; server < sent_.size(); server++) {
        if (watched_[server])
            continue;
        sum += sent_[server];
        most = std::max(most, sent_[server]);
        count++;
    }
    return sum == 0
               ? 0
               : static_cast<double>(most) * static_cast<double>(count) / static_cast<double>(sum);
}

void Record::add_moments(Result &result) const
{
    std::vector<std::vector<Time>> latencies(
        static_cast<std::size_t>((spec_.until - spec_.from) / second + 1));

    result.moments.resize(latencies.size());
    for (const auto &request : ended_) {
        const auto place = static_cast<std::size_t>((request.began - spec_.from) / second);

        latencies[place].push_back(request.latency);
        result.moments[place].failed += request.success ? 0 : 1;
    }
    while (!latencies.empty() && latencies.back().empty())
        latencies.pop_back();
    result.moments.resize(latencies.size());
    for (std::size_t i = 0; i < latencies.size(); i++) {
        Moment &moment = result.moments[i];
        const Time from = spec_.from + static_cast<Time>(i) * second;

        moment.begun = latencies[i].size();
        moment.p50 = quantile(latencies[i], 0.5);
        moment.p99 = quantile(latencies[i], 0.99);
        moment.watched_share = share_of_fair(from, second);
    }
}

Result Record::result() const
{
    Result result;
    std::vector<Time> latencies;

    for (const auto &request : ended_) {
        latencies.push_back(request.latency);
        result.failed += request.success ? 0 : 1;
    }
    result.requests = ended_.size();
    result.attempts_failed = attempts_failed_;
    result.latency = {quantile(latencies, 0.5), quantile(latencies, 0.9), quantile(latencies, 0.99),
                      quantile(latencies, 0.999)};
    result.to_known_bad = to_known_bad_;
    result.to_absent = to_absent_;
    if (!spec_.watch.servers.empty()) {
        result.to_shed = first_window(spec_.watch.from, 500 * ms, 0, 0.01);
        if (spec_.watch.until < spec_.until) {
            result.to_return = first_window(spec_.watch.until, second, 0.95, 1e9);
            result.first_second = share_of_fair(spec_.watch.until, second);
        }
    }
    result.spread = spread();
    result.took = last_;
    add_moments(result);
    return result;
}

} // namespace sim
