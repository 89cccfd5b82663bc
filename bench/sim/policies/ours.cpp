/* SPDX-License-Identifier: Apache-2.0 */
#include "policies/ours.hpp"

#include <cstdio>
#include <cstdlib>

namespace sim {

namespace {

void expect(fo_status status, const char *what)
{
    if (status == FO_OK)
        return;
    std::fprintf(stderr, "%s: %s\n", what, fo_status_name(status));
    std::abort();
}

fo_outcome outcome_of(Outcome outcome)
{
    switch (outcome) {
    case Outcome::success: return FO_OUTCOME_SUCCESS;
    case Outcome::refused: return FO_OUTCOME_DOWN;
    case Outcome::overloaded: return FO_OUTCOME_OVERLOADED;
    case Outcome::error:
    case Outcome::timeout: break;
    }
    return FO_OUTCOME_FAILURE;
}

/* The servers are numbered by their data, from 1 on: NULL would be none. */
void *data_of(std::size_t server)
{
    return reinterpret_cast<void *>(server + 1);
}

std::size_t server_of(const fo_endpoint *endpoint)
{
    return reinterpret_cast<std::size_t>(fo_endpoint_data(endpoint)) - 1;
}

} // namespace

/* ---- The runtime -------------------------------------------------------------------------- */

Library::Library(Environment &environment, std::uint64_t seed, Configure configure)
    : environment_(environment), seed_(seed), configure_(configure)
{
    fo_runtime_config config = fo_runtime_config_init();

    config.clock = clock;
    config.clock_arg = this;
    expect(fo_runtime_create(&config, &runtime_), "fo_runtime_create");
    for (std::size_t server = 0; server < environment.server_count(); server++)
        names_.push_back("server-" + std::to_string(server));
}

Library::~Library()
{
    for (auto &lease : leases_)
        if (lease.endpoint != nullptr)
            (void)fo_finish(&lease, FO_OUTCOME_CANCELLED);
    while (fo_runtime_destroy(runtime_) == FO_BUSY)
        fo_runtime_dispatch(runtime_);
}

/* Not from 0: a monotonic clock never is there. */
std::uint64_t Library::clock(void *arg)
{
    return static_cast<std::uint64_t>(second + static_cast<Library *>(arg)->environment_.now());
}

void Library::look_after()
{
    int wait_ms = fo_runtime_next_deadline_ms(runtime_);

    while (wait_ms == 0) {
        fo_runtime_dispatch(runtime_);
        wait_ms = fo_runtime_next_deadline_ms(runtime_);
    }
    const Time due = wait_ms < 0 ? never : environment_.now() + wait_ms * ms;

    if (due < woken_at_) {
        woken_at_ = due;
        environment_.events().at(due, *this, 0);
    }
}

void Library::on_event(std::uint64_t)
{
    if (environment_.now() >= woken_at_)
        woken_at_ = never;
    look_after();
}

fo_lease &Library::lease(std::uint64_t attempt)
{
    if (attempt >= leases_.size())
        leases_.resize(attempt + 1, fo_lease_init());
    return leases_[attempt];
}

/* ---- A client ----------------------------------------------------------------------------- */

std::unique_ptr<Policy> Library::client(std::size_t index)
{
    fo_config config = fo_config_init();
    fo_balancer *balancer = nullptr;

    config.runtime = runtime_;
    config.seed = Random(seed_, 1000 + index).next() | 1;
    configure_(config);
    expect(fo_balancer_create(&config, &balancer), "fo_balancer_create");
    auto ours = std::make_unique<Ours>(environment_, *this, balancer);

    look_after();
    return ours;
}

Ours::Ours(Environment &environment, Library &library, fo_balancer *balancer)
    : environment_(environment), library_(library), balancer_(balancer),
      ids_(environment.server_count())
{
    members_changed();
}

Ours::~Ours()
{
    fo_balancer_destroy(balancer_);
}

void Ours::members_changed()
{
    std::vector<fo_endpoint_config> endpoints;

    for (const auto server : environment_.members()) {
        endpoints.push_back(fo_endpoint_config_init(library_.name(server).c_str()));
        endpoints.back().data = data_of(server);
    }
    expect(fo_balancer_replace(balancer_, endpoints.data(), endpoints.size(),
                               FO_REPLACE_ALLOW_EMPTY, nullptr),
           "fo_balancer_replace");
    ids_.assign(ids_.size(), 0);
    library_.look_after();
}

std::uint64_t Ours::id(std::size_t server)
{
    fo_endpoint_info info = fo_endpoint_info_init();

    if (ids_[server] == 0 &&
        fo_endpoint_status(balancer_, library_.name(server).c_str(), &info) == FO_OK)
        ids_[server] = info.id;
    return ids_[server];
}

std::size_t Ours::pick(std::uint64_t attempt, const Tried &tried)
{
    fo_pick_options options = fo_pick_options_init();
    std::vector<std::uint64_t> exclude;
    fo_lease &lease = library_.lease(attempt);

    for (const auto server : tried)
        exclude.push_back(id(server));
    options.exclude = exclude.data();
    options.exclude_count = exclude.size();
    const fo_status status =
        tried.empty() ? fo_pick(balancer_, &lease) : fo_pick_with(balancer_, &options, &lease);

    library_.look_after();
    if (status == FO_UNAVAILABLE)
        return no_server;
    expect(status, "fo_pick");
    return server_of(lease.endpoint);
}

void Ours::finish(std::uint64_t attempt, const Reply &reply)
{
    fo_finish_report report = fo_finish_report_init(outcome_of(reply.outcome));

    if (reply.report != nullptr)
        report.load = static_cast<double>(reply.report->in_flight);
    expect(fo_finish_with(&library_.lease(attempt), &report), "fo_finish_with");
    library_.look_after();
}

} // namespace sim
