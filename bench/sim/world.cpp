/* SPDX-License-Identifier: Apache-2.0 */
#include "world.hpp"

#include <algorithm>

namespace sim {

namespace {

/* What an event of the world is about: the kind in the lowest bits, the rest behind. */
enum : std::uint64_t { arrival, new_rate, closed_arrival, delivery, deadline, changing, probing };
constexpr unsigned kind_bits = 4;
constexpr unsigned slot_bits = 28;

/* Streams of the seed. Policies have those from 1000 on. */
enum : std::uint64_t { arrivals_stream, costs_stream, servers_stream = 1u << 20 };

/* How long a client of the closed loop waits after a failure. */
constexpr Time pause_after_failure = ms;

constexpr std::uint64_t event(std::uint64_t kind, std::uint64_t value = 0)
{
    return value << kind_bits | kind;
}

} // namespace

World::World(const Spec &spec, const FamilyMaker &maker, std::uint64_t seed)
    : spec_(spec), record_(spec), arrivals_(seed, arrivals_stream), costs_(seed, costs_stream)
{
    Client &client = *this;

    servers_.reserve(spec.servers.size());
    for (std::size_t i = 0; i < spec.servers.size(); i++) {
        servers_.emplace_back(events_, client, spec.servers[i], Random(seed, servers_stream + i));
        if (spec.absent.empty() || !spec.absent[i])
            members_.push_back(i);
    }
    family_ = maker(*this, seed);
    for (std::size_t i = 0; i < spec.clients; i++)
        policies_.push_back(family_->client(i));
}

World::~World() = default;

Result World::run()
{
    for (std::size_t i = 0; i < spec_.changes.size(); i++)
        events_.at(spec_.changes[i].at, *this, event(changing, i));
    if (spec_.concurrency == 0)
        plan_arrival();
    for (std::size_t i = 0; i < spec_.concurrency; i++)
        events_.at(0, *this, event(closed_arrival, i % spec_.clients));
    events_.run_until(spec_.until + spec_.timeout * (1 + spec_.retries));
    return record_.result();
}

void World::on_event(std::uint64_t what)
{
    const std::uint64_t value = what >> kind_bits;

    switch (what & ((1u << kind_bits) - 1)) {
    case arrival: arrive(); break;
    case new_rate: plan_arrival(); break;
    case closed_arrival: begin(value); break;
    case delivery: deliver(value); break;
    case deadline: expire(); break;
    case changing: change(spec_.changes[value]); break;
    case probing: deliver_probe(value); break;
    default: break;
    }
}

/* ---- Requests ----------------------------------------------------------------------------- */

void World::plan_arrival()
{
    const Time next =
        events_.now() + from_seconds(arrivals_.exponential(1 / spec_.rates[rate_].rate));
    const bool has_step = rate_ + 1 < spec_.rates.size();

    /* Without memory: a gap that reaches into the next step begins anew there. */
    if (has_step && next >= spec_.rates[rate_ + 1].from)
        events_.at(spec_.rates[++rate_].from, *this, event(new_rate));
    else if (next < spec_.until)
        events_.at(next, *this, event(arrival));
}

void World::arrive()
{
    begin(arrivals_.below(spec_.clients));
    plan_arrival();
}

void World::begin(std::size_t client)
{
    std::size_t slot = requests_.size();

    if (spec_.concurrency > 0 && begun_ == spec_.request_count)
        return;
    begun_++;
    if (free_.empty()) {
        requests_.emplace_back();
    } else {
        slot = free_.back();
        free_.pop_back();
    }
    requests_[slot].client = client;
    requests_[slot].began = events_.now();
    requests_[slot].tried.clear();
    try_once(slot);
}

void World::try_once(std::size_t slot)
{
    Request *request = &requests_[slot];
    const std::size_t server = policies_[request->client]->pick(slot, request->tried);

    if (server == no_server) {
        end(slot, false);
        return;
    }
    request->attempt++;
    request->open = true;
    request->sent = events_.now();
    request->server = server;
    request->has_report = false;
    request->job = 0;
    record_.sent(events_.now(), request->client, server, is_bad(server), is_member(server));

    const std::uint64_t attempt = static_cast<std::uint64_t>(request->attempt) << slot_bits | slot;

    if (deadlines_.empty())
        events_.at(events_.now() + spec_.timeout, *this, event(deadline));
    deadlines_.push_back({events_.now() + spec_.timeout, attempt});
    request->job = servers_[server].take(attempt, spec_.cost(costs_, server));
}

World::Request *World::open_attempt(std::uint64_t attempt)
{
    Request &request = requests_[attempt & ((1u << slot_bits) - 1)];
    const auto number = static_cast<std::uint32_t>(attempt >> slot_bits);

    return request.open && request.attempt == number ? &request : nullptr;
}

void World::answered(std::uint64_t attempt, Outcome outcome)
{
    Request *const request = open_attempt(attempt);

    if (request == nullptr)
        return;
    request->job = 0;
    request->outcome = outcome;
    if (servers_[request->server].answers()) {
        request->report = servers_[request->server].report();
        request->has_report = true;
    }
    events_.at(events_.now() + spec_.round_trip, *this, event(delivery, attempt));
}

void World::deliver(std::uint64_t attempt)
{
    Request *const request = open_attempt(attempt);

    if (request != nullptr)
        finish(static_cast<std::size_t>(request - requests_.data()), request->outcome);
}

void World::expire()
{
    while (!deadlines_.empty() && deadlines_.front().at <= events_.now()) {
        Request *const request = open_attempt(deadlines_.front().attempt);

        deadlines_.pop_front();
        if (request == nullptr)
            continue;
        if (!spec_.works_on_abandoned)
            servers_[request->server].forget(request->job);
        request->has_report = false;
        finish(static_cast<std::size_t>(request - requests_.data()), Outcome::timeout);
    }
    while (!deadlines_.empty() && open_attempt(deadlines_.front().attempt) == nullptr)
        deadlines_.pop_front();
    if (!deadlines_.empty())
        events_.at(deadlines_.front().at, *this, event(deadline));
}

void World::finish(std::size_t slot, Outcome outcome)
{
    Request &request = requests_[slot];
    const Reply reply = {request.server, outcome, events_.now() - request.sent,
                         request.has_report ? &request.report : nullptr};

    request.open = false;
    record_.learned(request.client, reply, is_bad(request.server));
    policies_[request.client]->finish(slot, reply);
    if (outcome == Outcome::success || request.tried.size() >= spec_.retries) {
        end(slot, outcome == Outcome::success);
        return;
    }
    request.tried.push_back(request.server);
    try_once(slot);
}

void World::end(std::size_t slot, bool success)
{
    const std::size_t client = requests_[slot].client;

    record_.ended(requests_[slot].began, events_.now(), success);
    free_.push_back(slot);
    if (spec_.concurrency > 0)
        events_.at(events_.now() + (success ? 0 : pause_after_failure), *this,
                   event(closed_arrival, client));
}

/* ---- Changes and probes ------------------------------------------------------------------- */

bool World::is_member(std::size_t server) const
{
    return std::binary_search(members_.begin(), members_.end(), server);
}

bool World::is_bad(std::size_t server) const
{
    const Fault &fault = servers_[server].fault();

    return fault.down || fault.frozen || fault.slow_by_s > 0 || fault.slowdown > 1 ||
           fault.errors > 0 || fault.fast_fail > 0 || fault.hang > 0;
}

void World::change(const Change &change)
{
    const auto place = std::lower_bound(members_.begin(), members_.end(), change.server);

    switch (change.kind) {
    case Change::cores: servers_[change.server].set_cores(change.value); return;
    case Change::fault:
        servers_[change.server].set_fault(change.fault_now);
        record_.turned(change.server);
        return;
    case Change::join: members_.insert(place, change.server); break;
    case Change::leave: members_.erase(place); break;
    }
    for (const auto &policy : policies_)
        policy->members_changed();
}

void World::probe(Policy &policy, std::size_t server)
{
    std::size_t probe = probes_.size();

    if (free_probes_.empty()) {
        probes_.push_back({&policy, server});
    } else {
        probe = free_probes_.back();
        free_probes_.pop_back();
        probes_[probe] = {&policy, server};
    }
    events_.at(events_.now() + spec_.round_trip, *this, event(probing, probe));
}

void World::deliver_probe(std::size_t probe)
{
    const Probe done = probes_[probe];

    free_probes_.push_back(probe);
    if (servers_[done.server].answers())
        done.policy->probed(done.server, servers_[done.server].probe());
}

} // namespace sim
