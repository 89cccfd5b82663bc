/* SPDX-License-Identifier: Apache-2.0
 *
 * What is written down of a run, and the figures made of it.
 *
 * A request that fails counts as having taken at least the timeout: failing fast is no way to a good
 * latency. Shares are of attempts, retries too.
 *
 *     sent to the bad one        │▒▒▒▒▒▒▒▒│▒▒▒▒▒▒▒▒▒│░ ░    ░     ░   │▁▂▃▄▅▆▇█│████
 *                                    fault ├ to shed ┤          until ├ to return ┤
 */
#ifndef SIM_RECORD_HPP
#define SIM_RECORD_HPP

#include "exchange.hpp"
#include "spec.hpp"
#include "time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sim {

/** One second of a run, for plots. */
struct Moment {
    std::size_t begun = 0;
    std::size_t failed = 0;
    Time p50 = 0;
    Time p99 = 0;
    double watched_share = 0; /* of the attempts, to the watched servers */
};

struct Result {
    std::size_t requests = 0;
    std::size_t failed = 0;
    std::array<std::size_t, 5> attempts_failed = {}; /* by Outcome */
    std::array<Time, 4> latency = {};                /* p50, p90, p99, p99.9 */
    std::size_t to_known_bad = 0; /* attempts on a bad server by a client that had found out */
    std::size_t to_absent = 0;    /* attempts on what was no member */
    Time to_shed = never; /* from the fault to the end of the first half second in which the watched
                               servers got at most 1 % of their fair share */
    Time to_return = never;  /* from the end of the fault to that of the first second with 95 % */
    double first_second = 0; /* of their fair share, in the first second after the fault */
    double spread = 0;       /* attempts of the busiest other server, by their mean */
    Time took = 0;           /* the closed loop, all of it */
    std::vector<Moment> moments;

    double success() const
    {
        return requests == 0 ? 0 : 1 - static_cast<double>(failed) / static_cast<double>(requests);
    }
};

class Record {
public:
    explicit Record(const Spec &spec);

    /** An attempt begins. */
    void sent(Time now, std::size_t client, std::size_t server, bool is_bad, bool is_member);
    /** A server turns bad or good: what clients know about it is old. */
    void turned(std::size_t server);
    /** A client learns how an attempt ended. */
    void learned(std::size_t client, const Reply &reply, bool is_bad);
    /** A request is over. */
    void ended(Time began, Time now, bool success);

    Result result() const;

private:
    static constexpr Time slice = 100 * ms;

    struct Share {
        std::size_t all = 0;
        std::size_t watched = 0;
    };

    struct Ended {
        Time began;
        Time latency;
        bool success;
    };

    const Spec &spec_;
    std::vector<bool> watched_;
    std::vector<bool> knows_; /* client × server: found out that it is bad */
    std::vector<Ended> ended_;
    std::vector<Share> shares_;     /* by slice of time */
    std::vector<std::size_t> sent_; /* by server, while requests are counted */
    std::size_t member_count_;      /* at the beginning */
    std::size_t to_known_bad_ = 0;
    std::size_t to_absent_ = 0;
    std::array<std::size_t, 5> attempts_failed_ = {};
    Time last_ = 0;

    std::vector<bool>::reference knows(std::size_t client, std::size_t server);
    double share_of_fair(Time from, Time length) const;
    Time first_window(Time from, Time length, double low, double high) const;
    double spread() const;
    void add_moments(Result &result) const;
};

/** The q-quantile, by nearest rank; 0 of nothing. Reorders its argument. */
Time quantile(std::vector<Time> &values, double q);

} // namespace sim

#endif
