/* SPDX-License-Identifier: Apache-2.0
 *
 * What a case of a scenario is made of: servers, clients, traffic, what goes wrong when, and what is
 * looked at. What comes when, from which client, and what goes wrong is decided by the seed alone, never by
 * a policy: all policies meet the same world. What requests cost is drawn attempt by attempt.
 */
#ifndef SIM_SPEC_HPP
#define SIM_SPEC_HPP

#include "random.hpp"
#include "server.hpp"
#include "time.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace sim {

/** From then on so many requests a second of all clients together, at random (Poisson). */
struct RateStep {
    Time from;
    double rate;
};

/** Something that changes at one moment. */
struct Change {
    enum Kind { cores, fault, join, leave };

    Time at;
    std::size_t server;
    Kind kind;
    double value = 0; /* cores */
    Fault fault_now = {};
};

/** Servers whose share of the traffic is looked at, while they are bad and when they are back. */
struct Watch {
    std::vector<std::size_t> servers;
    Time from = never;
    Time until = never;
    Time slow = never; /* a success that takes longer tells a client that something is wrong */
};

struct Spec {
    std::string name;  /* as an argument and in JSON */
    std::string title; /* over the table */

    std::vector<ServerSetup> servers;
    std::vector<bool> absent; /* not members at the beginning; empty: none */
    std::size_t clients = 1;

    std::vector<RateStep> rates;   /* open loop */
    std::size_t concurrency = 0;   /* closed loop: so many requests at any time */
    std::size_t request_count = 0; /* of the closed loop, all in all */

    /** Core-seconds of a request to that server. */
    std::function<double(Random &, std::size_t server)> cost;
    Time round_trip = 200 * us;
    Time timeout = 5 * second;       /* of an attempt */
    unsigned retries = 0;            /* further attempts, at once, each on a server not tried yet */
    bool works_on_abandoned = false; /* servers go on with what its client has given up */

    std::vector<Change> changes;
    Time from = 0;  /* requests that begin from here … */
    Time until = 0; /* … to here are counted; the run ends a timeout later */
    Watch watch;
};

/** Adds a fault that begins and one that ends. */
inline void fail_between(Spec &spec, std::size_t server, Time from, Time until, const Fault &fault)
{
    spec.changes.push_back({from, server, Change::fault, 0, fault});
    spec.changes.push_back({until, server, Change::fault, 0, Fault()});
}

} // namespace sim

#endif
