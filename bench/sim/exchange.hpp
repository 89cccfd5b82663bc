/* SPDX-License-Identifier: Apache-2.0
 *
 * What clients and servers tell each other.
 */
#ifndef SIM_EXCHANGE_HPP
#define SIM_EXCHANGE_HPP

#include "time.hpp"

#include <cstddef>
#include <cstdint>

namespace sim {

/** How one attempt ended, as its client saw it. */
enum class Outcome {
    success,
    error,      /* an answer that says that it did not work, or a connection that broke */
    refused,    /* no connection: the server is certainly not there */
    overloaded, /* refused for load */
    timeout     /* no answer in time */
};

/** What a server says about itself, in a probe's answer or beside a reply. */
struct Report {
    std::size_t in_flight = 0;
    Time latency = 0;       /* what a request that comes now may expect; 0: nothing is known */
    Time service_time = 0;  /* mean of recent requests, without queueing */
    double utilisation = 0; /* CPU used in the last whole second, by its allocation */
    double rate = 0;        /* requests completed in that second */
    double error_rate = 0;  /* of those, errors */
};

/** What a policy learns about an attempt. */
struct Reply {
    std::size_t server;
    Outcome outcome;
    Time latency;         /* since the attempt began */
    const Report *report; /* nullptr: the server said nothing */
};

} // namespace sim

#endif
