/* SPDX-License-Identifier: Apache-2.0 */
#include "server.hpp"

#include <algorithm>

namespace sim {

namespace {

/* A job by the slot that it is in, and how often that was used: never 0. */
std::uint64_t job_name(std::size_t slot, std::uint32_t generation)
{
    return (static_cast<std::uint64_t>(generation) << 32) | slot;
}

/* Less than any request costs, more than rounding can add up to. */
constexpr double tiny_s = 1e-9;

} // namespace

Server::Job *Server::job_of(std::uint64_t job)
{
    Job &found = jobs_[job & UINT32_MAX];

    return found.in_use && found.generation == job >> 32 ? &found : nullptr;
}

std::uint64_t Server::add(std::uint64_t attempt, double cost_s)
{
    std::size_t slot = jobs_.size();

    if (free_.empty()) {
        jobs_.push_back({});
    } else {
        slot = free_.back();
        free_.pop_back();
    }
    Job &job = jobs_[slot];

    job = {attempt, job.generation + 1, true, false, false, events_.now(), in_flight_, cost_s};
    in_flight_++;
    return job_name(slot, job.generation);
}

Server::Job Server::remove(std::uint64_t job)
{
    Job *found = job_of(job);

    found->in_use = false;
    free_.push_back(static_cast<std::uint32_t>(job & UINT32_MAX));
    in_flight_--;
    if (!found->hangs)
        working_--;
    return *found;
}

/* ---- Work --------------------------------------------------------------------------------- */

double Server::pace() const
{
    if (fault_.frozen || working_ == 0)
        return 0;
    return setup_.speed / fault_.slowdown *
           std::min(1.0, setup_.cores / static_cast<double>(working_));
}

void Server::advance()
{
    const double passed_s = in_seconds(events_.now() - at_);

    roll_over();
    got_ += passed_s * pace();
    if (!fault_.frozen)
        now_.cpu_s += passed_s * std::min(static_cast<double>(working_), setup_.cores);
    at_ = events_.now();
}

void Server::roll_over()
{
    while (events_.now() - second_ >= second) {
        last_ = events_.now() - second_ < 2 * second ? now_ : Second();
        now_ = Second();
        second_ += second;
    }
}

void Server::schedule()
{
    plan_++;
    while (!due_.empty() && job_of(due_.top().second) == nullptr)
        due_.pop();
    if (due_.empty() || pace() <= 0)
        return;
    const double left_s = std::max(0.0, due_.top().first - got_) / pace();

    events_.at(events_.now() + from_seconds(left_s), *this, plan_);
}

void Server::on_event(std::uint64_t what)
{
    std::vector<std::uint64_t> done;

    if (what != plan_)
        return;
    advance();
    while (!due_.empty() && due_.top().first <= got_ + tiny_s) {
        if (job_of(due_.top().second) != nullptr)
            done.push_back(due_.top().second);
        due_.pop();
    }
    for (const auto job : done)
        complete(job);
    schedule();
}

void Server::complete(std::uint64_t job)
{
    if (job_of(job) == nullptr) /* forgotten because of another one's answer */
        return;
    const Job done = remove(job);

    latencies_.add(done.in_flight, events_.now() - done.came);
    service_s_ += 0.1 * (done.cost_s / setup_.speed - service_s_);
    now_.rate++;
    now_.errors += done.fails ? 1 : 0;
    client_.answered(done.attempt, done.fails ? Outcome::error : Outcome::success);
}

/* ---- Requests ----------------------------------------------------------------------------- */

std::uint64_t Server::take(std::uint64_t attempt, double cost_s)
{
    if (fault_.down) {
        client_.answered(attempt, Outcome::refused);
        return 0;
    }
    const bool full = in_flight_ >= setup_.queue_limit;

    if (full || random_.chance(fault_.fast_fail)) {
        roll_over();
        now_.rate++;
        now_.errors++;
        client_.answered(attempt, full ? Outcome::overloaded : Outcome::error);
        return 0;
    }
    advance();
    const std::uint64_t job = add(attempt, cost_s + fault_.slow_by_s);
    Job *const added = job_of(job);

    added->hangs = random_.chance(fault_.hang);
    added->fails = random_.chance(fault_.errors);
    if (!added->hangs) {
        working_++;
        due_.emplace(got_ + added->cost_s, job);
    }
    schedule();
    return job;
}

void Server::forget(std::uint64_t job)
{
    if (job == 0 || job_of(job) == nullptr)
        return;
    advance();
    remove(job);
    schedule();
}

void Server::break_all()
{
    for (std::size_t slot = 0; slot < jobs_.size(); slot++)
        if (jobs_[slot].in_use)
            client_.answered(remove(job_name(slot, jobs_[slot].generation)).attempt,
                             Outcome::error);
}

void Server::set_fault(const Fault &fault)
{
    const bool breaks = fault.down && !fault_.down;

    advance();
    fault_ = fault;
    if (breaks)
        break_all();
    schedule();
}

void Server::set_cores(double cores)
{
    advance();
    setup_.cores = cores;
    schedule();
}

Report Server::report()
{
    Report report;

    advance();
    report.in_flight = in_flight_;
    report.service_time = from_seconds(service_s_);
    report.utilisation = last_.cpu_s / setup_.allocation;
    report.rate = last_.rate;
    report.error_rate = last_.errors;
    return report;
}

Report Server::probe()
{
    Report answer = report();

    answer.latency = latencies_.expected(in_flight_);
    return answer;
}

} // namespace sim
