/* SPDX-License-Identifier: Apache-2.0 */
#include "settle.h"

#include "counting.h"
#include "judged.h"
#include "outcome.h"
#include "recent.h"

#include <failover/balancer.h>

/** What is known of the request. */
struct request {
    fo_outcome outcome;
    uint64_t counts;
    uint64_t latency_ns; /* 0: unknown */
    uint64_t now_ns;
    double load; /* that the server reported; below 0: none */
};

static uint64_t counts_of(const struct fo_lease *lease)
{
    return (fo__lease_taken_with(lease) & FO__LEASE_IS_COUNTED) != 0 ? fo__lease_counts(lease) : 0;
}

/** How long it is since the time that counts say. */
static uint64_t time_since(uint64_t counts, uint64_t now_ns)
{
    const uint64_t mask = UINT64_MAX >> FO__COUNTS_TIME_SHIFT;
    uint64_t now = now_ns >> FO__COUNTS_TIME_UNIT_SHIFT;
    uint64_t units = (now - (counts >> FO__COUNTS_TIME_SHIFT)) & mask;

    if (units > mask / 2)
        return 1; /* another thread's clock is behind */
    return (units << FO__COUNTS_TIME_UNIT_SHIFT) + 1;
}

/** Whether the outcome raises the penalty, where there are any. */
static bool is_penalised(const struct request *request)
{
    return (request->counts & FO__COUNTS_HOST) != 0 &&
           (request->outcome == FO_OUTCOME_FAILURE || request->outcome == FO_OUTCOME_OVERLOADED ||
            request->outcome == FO_OUTCOME_DOWN);
}

/** When a request of a reported latency came back: no clock is read for it. What is no latency any more
 * but a mistake must not take the signals' time far ahead. */
static uint64_t time_by_report(const struct fo_lease *lease, uint64_t latency_ns)
{
    const uint64_t most_ns = UINT64_C(60000000000);

    return lease->reserved_wide[FO__LEASE_NONCE] + (latency_ns < most_ns ? latency_ns : most_ns);
}

static bool is_dated(const struct fo_lease *lease, uint64_t counts)
{
    return (counts & FO__COUNTS_DATED) != 0 &&
           (fo__lease_taken_with(lease) & FO__LEASE_IS_CHECKED) == 0;
}

static struct request read_request(const struct fo_lease *lease, fo_outcome outcome,
                                   const struct fo_finish_report *report)
{
    const struct fo__core *core = fo__lease_core(lease);
    struct request request = {.outcome = outcome, .counts = counts_of(lease), .load = -1};

    if (report != NULL) {
        request.latency_ns = report->latency_ns;
        request.load = report->load;
    }
    if (request.latency_ns == 0 && (request.counts & FO__COUNTS_TIMED) != 0) {
        request.now_ns = fo__clock_now_ns(core->clock);
        request.latency_ns = time_since(request.counts, request.now_ns);
    } else if (request.latency_ns != 0 && is_dated(lease, request.counts)) {
        request.now_ns = time_by_report(lease, request.latency_ns);
    } else if (request.latency_ns != 0 || request.load >= 0 || is_penalised(&request) ||
               fo__load_relaxed(&core->time) != FO__TIME_NONE) {
        request.now_ns = fo__clock_coarse_ns(core->clock);
    }
    return request;
}

static void count_back(struct fo_lease *lease, const struct request *request)
{
    struct fo__core *core = fo__lease_core(lease);

    if ((request->counts & FO__COUNTS_RECENT) != 0)
        fo__recent_finish(core, lease->endpoint->id, request->outcome == FO_OUTCOME_SUCCESS);
    if ((request->counts & FO__COUNTS_BALANCER) != 0)
        fo__counting_take_back(&core->tally, request->counts, FO__COUNTS_BALANCER_AGES);
    if ((request->counts & FO__COUNTS_HOST) != 0)
        fo__counting_take_back(&lease->endpoint->host->load.tally, request->counts,
                               FO__COUNTS_HOST_AGES);
    lease->reserved_wide[FO__LEASE_TAKEN_WITH] &= ~FO__LEASE_IS_COUNTED;
}

/** What an answer tells of its server. */
static void note_answer(struct fo__core *core, struct fo__host *host,
                        const struct fo__load_rules *rules, const struct request *request)
{
    struct fo__load *load = &host->load;

    if (request->latency_ns != 0)
        fo__load_answered(load, request->latency_ns, request->now_ns, rules->decay_ns);
    if (request->latency_ns != 0 && host->judged != NULL)
        fo__judged_answer(host->judged, request->latency_ns);
    if (fo__load_forgive(load, request->now_ns, rules->decay_ns))
        fo__store_relaxed(&core->time, rules->time); /* who meets another, asks for it again */
    if (request->load >= 0)
        fo__store_relaxed(&load->reported, fo__signal_of((float)request->load, request->now_ns));
}

static void note_failure(struct fo__load *load, const struct fo__load_rules *rules,
                         const struct request *request)
{
    fo__load_failed(load, request->latency_ns, rules->failure_ns, rules->unknown_ns,
                    request->now_ns);
}

/** Whether it went wrong for too much load. */
static bool was_too_much(const struct request *request, const struct fo__load_rules *rules)
{
    return request->outcome == FO_OUTCOME_OVERLOADED ||
           (request->outcome == FO_OUTCOME_FAILURE && rules->failure_ns > 0 &&
            (float)request->latency_ns >= rules->failure_ns);
}

static void note(struct fo__core *core, struct fo__host *host, const struct fo__load_rules *rules,
                 const struct request *request, uint64_t in_flight)
{
    struct fo__load *load = &host->load;

    switch (request->outcome) {
    case FO_OUTCOME_NEUTRAL:
    case FO_OUTCOME_CANCELLED: return;
    case FO_OUTCOME_SUCCESS:
    case FO_OUTCOME_DEGRADED: note_answer(core, host, rules, request); break;
    case FO_OUTCOME_FAILURE:
    case FO_OUTCOME_OVERLOADED:
    case FO_OUTCOME_DOWN: note_failure(load, rules, request); break;
    }
    if (rules->limit.kind != FO_LIMIT_NONE && (request->counts & FO__COUNTS_HOST) != 0)
        fo__limit_sample(&load->limit, &rules->limit, request->now_ns, request->latency_ns,
                         was_too_much(request, rules), in_flight);
}

void fo__settle(struct fo_lease *lease, fo_outcome outcome, const struct fo_finish_report *report)
{
    struct request request = read_request(lease, outcome, report);
    struct fo__core *core = fo__lease_core(lease);
    struct fo__host *host = lease->endpoint->host;
    uint64_t in_flight = fo__load_relaxed(&host->load.tally.open);

    count_back(lease, &request);
    if (request.now_ns == 0)
        return; /* nobody asks for more */
    fo__rcu_read_lock();
    note(core, host, &fo__load_acquire(&core->settings)->load, &request, in_flight);
    fo__rcu_read_unlock();
}
