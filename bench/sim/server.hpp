/* SPDX-License-Identifier: Apache-2.0
 *
 * A server: requests share its cores, and everything that may go wrong with it.
 *
 * Processor sharing. Each of the n requests that are being worked on proceeds at
 *
 *     speed × min(1, cores / n)      core-seconds a second: none ever has more than one core
 *
 * so one number, how much each has got so far, tells how far all of them are. A request that comes is
 * done when that number has risen by what it costs:
 *
 *     got by each so far ─────●─────────●──────●──────► the heap: the least of these is done next
 *                           done at   done at
 *
 * With one core this is the queue M/M/1-PS; with cores beyond number each request takes its cost, which is how
 * servers with a given distribution of latency are made. Antagonists change the cores as time goes by.
 *
 * Invariants: `got_` is up to date before anything that its speed depends on changes (advance() before,
 * schedule() after). A request in the slots is in the heap, or hangs.
 */
#ifndef SIM_SERVER_HPP
#define SIM_SERVER_HPP

#include "events.hpp"
#include "exchange.hpp"
#include "latency_memory.hpp"
#include "random.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <queue>
#include <utility>
#include <vector>

namespace sim {

constexpr double unlimited = std::numeric_limits<double>::infinity();

struct ServerSetup {
    double cores = unlimited;           /* what it has now; antagonists change it */
    double allocation = 1;              /* cores that utilisation is measured by */
    double speed = 1;                   /* of one core */
    std::size_t queue_limit = SIZE_MAX; /* requests in flight beyond which it refuses */
};

/** What is wrong with a server. All of it at once is allowed. */
struct Fault {
    bool down = false;    /* connections are refused; what was in flight breaks */
    bool frozen = false;  /* connections are accepted, nothing proceeds */
    double slow_by_s = 0; /* more core-seconds for each request */
    double slowdown = 1;  /* everything takes so many times as long */
    double errors = 0;    /* share of the requests that end in an error when their work is done */
    double fast_fail = 0; /* share that ends in an error at once */
    double hang = 0;      /* share that is never answered */
};

/** Who is told of answers. */
class Client {
public:
    virtual ~Client() = default;
    virtual void answered(std::uint64_t attempt, Outcome outcome) = 0;
};

class Server : public Actor {
public:
    Server(Events &events, Client &client, const ServerSetup &setup, Random random)
        : events_(events), client_(client), setup_(setup), random_(random)
    {
    }

    /** Takes a request of so many core-seconds. client.answered() comes later, from inside, or never.
     * @return what identifies it in forget(); never 0. 0: it is answered already. */
    std::uint64_t take(std::uint64_t attempt, double cost_s);

    /** The client does not want it any more: no answer, no more work. */
    void forget(std::uint64_t job);

    const Fault &fault() const { return fault_; }
    void set_fault(const Fault &fault);
    void set_cores(double cores);

    std::size_t in_flight() const { return in_flight_; }
    /** Whether it would answer a probe now; a frozen server does not. */
    bool answers() const { return !fault_.down && !fault_.frozen; }
    /** Whether a connection would be accepted now; the kernel does so for a frozen server. */
    bool accepts() const { return !fault_.down; }
    /** Without what only a probe asks for: the latency to expect. */
    Report report();
    Report probe();

    void on_event(std::uint64_t what) override;

private:
    struct Job {
        std::uint64_t attempt;
        std::uint32_t generation; /* of the slot: tells a job from the one that had it before */
        bool in_use;
        bool hangs;
        bool fails;
        Time came;
        std::size_t in_flight; /* when it came */
        double cost_s;
    };

    struct Second { /* what report() counts, in one whole second */
        double cpu_s = 0;
        double rate = 0;
        double errors = 0;
    };

    using Due = std::pair<double, std::uint64_t>; /* got_ when it is done, job */

    Events &events_;
    Client &client_;
    ServerSetup setup_;
    Fault fault_;
    Random random_;
    std::vector<Job> jobs_;
    std::vector<std::uint32_t> free_;
    std::priority_queue<Due, std::vector<Due>, std::greater<Due>> due_;
    std::size_t in_flight_ = 0; /* of these, some hang */
    std::size_t working_ = 0;
    double got_ = 0;         /* core-seconds that each has got since the beginning */
    Time at_ = 0;            /* when got_ was right */
    std::uint64_t plan_ = 0; /* the number of the last event asked for */
    LatencyMemory latencies_;
    double service_s_ = 0;
    Second now_, last_;
    Time second_ = 0; /* when now_ began */

    Job *job_of(std::uint64_t job);
    std::uint64_t add(std::uint64_t attempt, double cost_s);
    Job remove(std::uint64_t job);
    double pace() const;
    void advance();
    void roll_over();
    void schedule();
    void complete(std::uint64_t job);
    void break_all();
};

} // namespace sim

#endif
