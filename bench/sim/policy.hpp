/* SPDX-License-Identifier: Apache-2.0
 *
 * The small interface behind which every way of choosing a server stands: ours, and the models of what
 * others do.
 *
 *     Family        one policy in one run; what its clients have in common (a runtime, a table)
 *       └─ Policy   one client's: pick() ─► the attempt ─► finish(), once for each pick
 *            └─► Environment: the time, a probe, a connection tried, timers
 */
#ifndef SIM_POLICY_HPP
#define SIM_POLICY_HPP

#include "events.hpp"
#include "exchange.hpp"
#include "random.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace sim {

/** Servers that a request has tried before. */
using Tried = std::vector<std::size_t>;

/** For Policy::pick(): there is none. */
constexpr std::size_t no_server = SIZE_MAX;

class Policy {
public:
    virtual ~Policy() = default;

    /**
     * Chooses a server for one attempt.
     *
     * @param attempt  identifies it until its finish(): below the most that are ever open at once
     * @param tried    not again, if there is any other; servers of earlier attempts of this request
     */
    virtual std::size_t pick(std::uint64_t attempt, const Tried &tried) = 0;

    /** Learns how an attempt ended. Never called from inside pick(). */
    virtual void finish(std::uint64_t attempt, const Reply &reply) = 0;

    /** The answer to Environment::probe(); a probe may get none. */
    virtual void probed(std::size_t server, const Report &report)
    {
        (void)server;
        (void)report;
    }

    /** Environment::members() has changed. */
    virtual void members_changed() {}
};

/** What a policy may know and do besides. */
class Environment {
public:
    virtual ~Environment() = default;

    virtual Events &events() = 0;
    /** All that may ever be members: their numbers are below this. */
    virtual std::size_t server_count() const = 0;
    /** In ascending order. */
    virtual const std::vector<std::size_t> &members() const = 0;
    virtual std::size_t client_count() const = 0;
    /** Asks a server about itself; policy.probed() comes a round trip later, or never. */
    virtual void probe(Policy &policy, std::size_t server) = 0;
    /** Whether a connection to it would be accepted now. */
    virtual bool connects(std::size_t server) const = 0;

    Time now() { return events().now(); }
};

class Family {
public:
    virtual ~Family() = default;
    virtual std::unique_ptr<Policy> client(std::size_t index) = 0;
};

/** What the models have in common. */
class Model : public Policy {
public:
    Model(Environment &environment, Random random) : environment_(environment), random_(random) {}

    void finish(std::uint64_t attempt, const Reply &reply) override
    {
        (void)attempt;
        (void)reply;
    }

protected:
    Environment &environment_;
    Random random_;

    /** The members without those that were tried, unless nothing is left then. Valid until the next
     * call. */
    const std::vector<std::size_t> &candidates(const Tried &tried)
    {
        const auto &members = environment_.members();

        if (tried.empty())
            return members;
        left_.clear();
        for (const auto server : members)
            if (std::find(tried.begin(), tried.end(), server) == tried.end())
                left_.push_back(server);
        return left_.empty() ? members : left_;
    }

    struct Two {
        std::size_t one, other; /* the same only if there is but one */
    };

    /** Two different ones, uniformly. `from` is not empty. */
    Two two_of(const std::vector<std::size_t> &from)
    {
        const std::size_t first = random_.below(from.size());

        if (from.size() == 1)
            return {from[0], from[0]};
        const std::size_t next = random_.below(from.size() - 1);

        return {from[first], from[next >= first ? next + 1 : next]};
    }

private:
    std::vector<std::size_t> left_;
};

} // namespace sim

#endif
