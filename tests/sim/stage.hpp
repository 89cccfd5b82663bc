/* SPDX-License-Identifier: Apache-2.0
 *
 * A stage for one policy: its environment without a world behind it. Time moves when the test says so; probes
 * are answered by what the test has put into `reports`, at once.
 */
#ifndef STAGE_HPP
#define STAGE_HPP

#include "policy.hpp"

#include <numeric>
#include <vector>

class Stage : public sim::Environment {
public:
    explicit Stage(std::size_t count) : reports(count), accepts(count, true), list(count)
    {
        std::iota(list.begin(), list.end(), std::size_t{0});
    }

    std::vector<sim::Report> reports;
    std::vector<bool> accepts;
    std::vector<std::size_t> list; /* the members */
    std::size_t clients = 1;
    bool mute = false; /* probes get no answer */

    sim::Events &events() override { return events_; }
    std::size_t server_count() const override { return reports.size(); }
    const std::vector<std::size_t> &members() const override { return list; }
    std::size_t client_count() const override { return clients; }
    void probe(sim::Policy &policy, std::size_t server) override
    {
        if (!mute)
            policy.probed(server, reports[server]);
    }
    bool connects(std::size_t server) const override { return accepts[server]; }

    void advance(sim::Time time) { events_.run_until(events_.now() + time); }

    /** Has the policy pick from one server only. */
    void pick_only(sim::Policy &policy, std::size_t server, std::size_t times)
    {
        const auto all = list;

        list = {server};
        for (std::size_t i = 0; i < times; i++)
            (void)policy.pick(0, {});
        list = all;
    }

    /** Tells the policy how an attempt went. */
    static void finish(sim::Policy &policy, std::size_t server, sim::Outcome outcome,
                       sim::Time latency, const sim::Report *report = nullptr)
    {
        policy.finish(0, {server, outcome, latency, report});
    }

private:
    sim::Events events_;
};

#endif
