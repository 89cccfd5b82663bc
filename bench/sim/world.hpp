/* SPDX-License-Identifier: Apache-2.0
 *
 * One run: clients send requests to servers, by one policy, in virtual time.
 *
 *     arrival ─► a client ─► its policy's pick() ─► server ─► answer ─► a round trip ─► finish()
 *                   ▲                                 └─ no answer ─► the timeout ────────┤
 *                   └──────────── a retry, on servers not tried yet ◄───────── a failure ─┘
 *
 * A request is in one slot from its arrival to its end; its attempts follow one another, so the slot
 * identifies the open attempt for the policy. Who works on the slot's earlier attempts is told apart by a
 * number of the attempt: answers to those are dropped.
 */
#ifndef SIM_WORLD_HPP
#define SIM_WORLD_HPP

#include "events.hpp"
#include "exchange.hpp"
#include "policy.hpp"
#include "record.hpp"
#include "server.hpp"
#include "spec.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace sim {

/** Makes a policy for one run. */
using FamilyMaker = std::function<std::unique_ptr<Family>(Environment &, std::uint64_t seed)>;

class World : public Environment, private Actor, private Client {
public:
    World(const Spec &spec, const FamilyMaker &maker, std::uint64_t seed);
    ~World() override;
    World(const World &) = delete;
    World &operator=(const World &) = delete;

    /** Once. */
    Result run();

    Events &events() override { return events_; }
    std::size_t server_count() const override { return servers_.size(); }
    const std::vector<std::size_t> &members() const override { return members_; }
    std::size_t client_count() const override { return spec_.clients; }
    void probe(Policy &policy, std::size_t server) override;
    bool connects(std::size_t server) const override { return servers_[server].accepts(); }

private:
    struct Request {
        std::uint32_t attempt = 0; /* rises with each; tells the open one from those before */
        bool open = false;         /* an attempt is */
        std::size_t client = 0;
        Time began = 0;
        Time sent = 0; /* the attempt */
        std::size_t server = 0;
        std::uint64_t job = 0;
        Tried tried;
        Outcome outcome = Outcome::success; /* of an answer that is on its way */
        bool has_report = false;
        Report report;
    };

    struct Probe {
        Policy *policy;
        std::size_t server;
    };

    struct Deadline {
        Time at;
        std::uint64_t attempt;
    };

    const Spec &spec_;
    Events events_;
    std::vector<Server> servers_;
    std::vector<std::size_t> members_;
    std::unique_ptr<Family> family_;
    std::vector<std::unique_ptr<Policy>> policies_;
    Record record_;
    Random arrivals_, costs_;
    std::vector<Request> requests_;
    std::vector<std::size_t> free_;
    std::vector<Probe> probes_;
    std::vector<std::size_t> free_probes_;
    std::deque<Deadline> deadlines_; /* all attempts have the same timeout, so they end in order */
    std::size_t begun_ = 0;
    std::size_t rate_ = 0; /* the step that holds now */

    void on_event(std::uint64_t what) override;
    void answered(std::uint64_t attempt, Outcome outcome) override;

    void arrive();
    void plan_arrival();
    void begin(std::size_t client);
    void try_once(std::size_t slot);
    void deliver(std::uint64_t attempt);
    void expire();
    void finish(std::size_t slot, Outcome outcome);
    void end(std::size_t slot, bool success);
    void change(const Change &change);
    void deliver_probe(std::size_t probe);
    Request *open_attempt(std::uint64_t attempt);
    bool is_member(std::size_t server) const;
    bool is_bad(std::size_t server) const;
};

} // namespace sim

#endif
