/* SPDX-License-Identifier: Apache-2.0
 *
 * One request and its attempts.
 *
 *     begin ─► next ─► may it?      no: BUDGET, DEADLINE, for good            ┌─► success: DONE, for good
 *               ▲        │ paid                                               │
 *               │        ▼                                                    │
 *               │      is it time?  no: WAIT                                  │
 *               │        ▼                                                    │
 *               │      pick ─► silence: WAIT ─► lease ─► … ─► report ─────────┤
 *               │                                 hedge ─┘                    │
 *               └────────────── a pause is drawn ◄── failure, overloaded, down┘
 *
 * The request is the caller's memory and its one thread's; only the retrier is shared. The next attempt
 * is *admitted* once, by throttle or budget, and stays so through its pause and through picks that
 * find nothing; what was paid for an attempt that never comes goes back at the end.
 *
 * The retry keeps a copy of each open lease, to finish it at the end. Two open attempts are on
 * different endpoints: a hedge asks one that was not asked, so the endpoint tells them apart.
 */
#include "retry_pick.h"

#include "abi.h"
#include "core.h"
#include "retrier.h"
#include "retry_backoff.h"

_Static_assert(sizeof(void *) != 8 || sizeof(struct fo_retry) == 512, "never grows");

#define OPEN_MAX (sizeof(((struct fo_retry *)0)->open) / sizeof(struct fo_retry_open))

/* ---- Time ---------------------------------------------------------------------------------- */

/** While the balancer is there: in report, before the lease is finished. */
static uint64_t now_of(const struct fo_retry *retry)
{
    const struct fo_retry_policy *policy = &retry->retrier->policy;
    const struct fo__core *core = (const void *)retry->balancer;

    if (policy->clock != NULL)
        return policy->clock(policy->clock_arg);
    return fo__clock_now_ns(core->clock);
}

static uint64_t later(uint64_t now_ns, uint64_t ns)
{
    return ns < UINT64_MAX - now_ns ? now_ns + ns : UINT64_MAX;
}

static uint32_t ms_until(uint64_t then_ns, uint64_t now_ns)
{
    uint64_t ms;

    if (then_ns == UINT64_MAX)
        return FO_RETRY_NO_TIMEOUT;
    ms = then_ns > now_ns ? (then_ns - now_ns - 1) / FO__NS_PER_MS + 1 : 0;
    return ms < INT32_MAX ? (uint32_t)ms : INT32_MAX;
}

/* ---- Advice -------------------------------------------------------------------------------- */

static bool is_begun(const struct fo_retry *retry)
{
    return retry != NULL && retry->retrier != NULL;
}

static bool may_be_asked(const struct fo_retry *retry, const struct fo_lease *lease,
                         const struct fo_retry_advice *advice)
{
    return is_begun(retry) && lease != NULL && advice != NULL &&
           fo__abi_size_is_sane(advice->size, sizeof(*advice));
}

static fo_status advise_to_wait(uint64_t until_ns, uint64_t now_ns, struct fo_retry_advice *advice)
{
    struct fo_retry_advice ours = fo_retry_advice_init();

    ours.wait_until_ns = until_ns;
    ours.timeout_ms = ms_until(until_ns, now_ns);
    fo__abi_write(advice, &ours, sizeof(ours));
    return FO_WAIT;
}

/** How long the attempt may take before a hedge is worth it; 0: there will be none. */
static uint64_t hedge_after_ns(const struct fo_retry *retry, uint64_t now_ns)
{
    struct fo_retrier *retrier = retry->retrier;
    uint32_t tick = fo__retrier_tick(retrier, now_ns);
    uint64_t p95_ns;

    if (retrier->policy.hedge_share == 0 || retry->attempts >= retrier->policy.max_attempts)
        return 0;
    p95_ns = fo__retry_latency_p95_ns(&retrier->latency, tick);
    if (p95_ns == 0 || later(now_ns, p95_ns) >= retry->deadline_ns ||
        !fo__retry_budget_has_room(&retrier->hedges, &retrier->requests, tick))
        return 0;
    return p95_ns;
}

/* ---- Attempts ------------------------------------------------------------------------------ */

static size_t open_count(const struct fo_retry *retry)
{
    size_t count = 0;

    for (size_t i = 0; i < OPEN_MAX; i++)
        count += retry->open[i].lease.endpoint != NULL ? 1 : 0;
    return count;
}

/** The open attempt of an endpoint; NULL: none, with `endpoint` NULL the first that is not open. */
static struct fo_retry_open *open_of(struct fo_retry *retry, const struct fo_endpoint *endpoint)
{
    for (size_t i = 0; i < OPEN_MAX; i++)
        if (retry->open[i].lease.endpoint == endpoint)
            return &retry->open[i];
    return NULL;
}

/** Enters a lease as the next attempt. */
static fo_status start(struct fo_retry *retry, uint64_t now_ns, const struct fo_lease *lease,
                       struct fo_retry_advice *advice)
{
    struct fo_retry_open *open = open_of(retry, NULL);
    struct fo_retry_advice ours = fo_retry_advice_init();
    uint64_t deadline_ns = later(now_ns, retry->retrier->attempt_timeout_ns);

    retry->asked[retry->attempts].endpoint_id = fo_endpoint_id(lease->endpoint);
    retry->asked[retry->attempts].not_before_ns = 0;
    retry->attempts++;
    open->lease = *lease;
    open->started_ns = now_ns;
    open->number = retry->attempts;
    ours.deadline_ns = deadline_ns < retry->deadline_ns ? deadline_ns : retry->deadline_ns;
    ours.timeout_ms = ms_until(ours.deadline_ns, now_ns);
    ours.attempt = retry->attempts;
    ours.hedge_after_ns = open_count(retry) < OPEN_MAX ? hedge_after_ns(retry, now_ns) : 0;
    fo__abi_write(advice, &ours, sizeof(ours));
    return FO_OK;
}

/* ---- Next ---------------------------------------------------------------------------------- */

static fo_status end_with(struct fo_retry *retry, fo_status status)
{
    retry->over = (uint32_t)status;
    return status;
}

/** Asks the throttle for the first attempt, the budget for others. */
static bool is_granted(struct fo_retry *retry, uint64_t now_ns)
{
    struct fo_retrier *retrier = retry->retrier;
    uint32_t tick = fo__retrier_tick(retrier, now_ns);

    if (retry->attempts == 0)
        return retrier->throttle.k == 0 ||
               !fo__retry_throttle_sheds(&retrier->throttle, tick, fo__retrier_draw(retrier));
    retry->paid_tick = tick;
    return fo__retry_budget_pay(&retrier->retries, &retrier->requests, tick);
}

/** Whether there may be another attempt at all; what it costs is paid. */
static fo_status admit(struct fo_retry *retry, uint64_t now_ns)
{
    uint64_t earliest_ns = now_ns > retry->not_before_ns ? now_ns : retry->not_before_ns;

    if (retry->attempts >= retry->retrier->policy.max_attempts)
        return end_with(retry, FO_BUDGET);
    if (earliest_ns >= retry->deadline_ns)
        return end_with(retry, FO_DEADLINE);
    if (retry->admitted == 0 && !is_granted(retry, now_ns))
        return end_with(retry, FO_BUDGET);
    retry->admitted = 1;
    return FO_OK;
}

static fo_status pick_next(struct fo_retry *retry, uint64_t now_ns, struct fo_lease *lease,
                           struct fo_retry_advice *advice)
{
    struct fo_lease picked;
    uint64_t wait_until_ns = 0;
    fo_status status = fo__retry_pick(retry, now_ns, &picked, &wait_until_ns);

    if (status == FO_WAIT) {
        retry->not_before_ns = wait_until_ns;
        if (wait_until_ns >= retry->deadline_ns)
            return end_with(retry, FO_DEADLINE);
        return advise_to_wait(wait_until_ns, now_ns, advice);
    }
    if (status != FO_OK)
        return status;
    retry->admitted = 0;
    if (retry->attempts == 0)
        fo__retry_window_add(&retry->retrier->requests, fo__retrier_tick(retry->retrier, now_ns));
    *lease = picked;
    return start(retry, now_ns, lease, advice);
}

fo_status fo_retry_next(struct fo_retry *retry, struct fo_lease *lease,
                        struct fo_retry_advice *advice)
{
    uint64_t now_ns;
    fo_status status;

    if (!may_be_asked(retry, lease, advice))
        return FO_EINVAL;
    if (retry->over != FO_OK)
        return (fo_status)retry->over;
    if (open_count(retry) > 0)
        return FO_BUSY;
    now_ns = now_of(retry);
    status = admit(retry, now_ns);
    if (status != FO_OK)
        return status;
    if (now_ns < retry->not_before_ns)
        return advise_to_wait(retry->not_before_ns, now_ns, advice);
    return pick_next(retry, now_ns, lease, advice);
}

/* ---- Hedge --------------------------------------------------------------------------------- */

static const struct fo_retry_open *only_open(const struct fo_retry *retry)
{
    return retry->open[0].lease.endpoint != NULL ? &retry->open[0] : &retry->open[1];
}

static fo_status pick_hedge(struct fo_retry *retry, uint64_t now_ns, struct fo_lease *lease,
                            struct fo_retry_advice *advice)
{
    struct fo_retrier *retrier = retry->retrier;
    uint32_t tick = fo__retrier_tick(retrier, now_ns);
    fo_status status;

    if (!fo__retry_budget_pay(&retrier->hedges, &retrier->requests, tick))
        return FO_BUDGET;
    status = fo__retry_pick_another(retry, lease);
    if (status != FO_OK) {
        fo__retry_budget_repay(&retrier->hedges, tick);
        return status;
    }
    return start(retry, now_ns, lease, advice);
}

static fo_status hedge(struct fo_retry *retry, struct fo_lease *lease,
                       struct fo_retry_advice *advice)
{
    struct fo_retrier *retrier = retry->retrier;
    uint64_t now_ns = now_of(retry);
    uint64_t due_ns;
    uint64_t p95_ns;

    if (retrier->policy.hedge_share == 0 || retry->attempts >= retrier->policy.max_attempts)
        return FO_BUDGET;
    p95_ns = fo__retry_latency_p95_ns(&retrier->latency, fo__retrier_tick(retrier, now_ns));
    if (p95_ns == 0)
        return FO_BUDGET;
    due_ns = later(only_open(retry)->started_ns, p95_ns);
    if ((due_ns > now_ns ? due_ns : now_ns) >= retry->deadline_ns)
        return FO_DEADLINE;
    if (now_ns < due_ns)
        return advise_to_wait(due_ns, now_ns, advice);
    return pick_hedge(retry, now_ns, lease, advice);
}

fo_status fo_retry_hedge(struct fo_retry *retry, struct fo_lease *lease,
                         struct fo_retry_advice *advice)
{
    if (!may_be_asked(retry, lease, advice))
        return FO_EINVAL;
    if (retry->over != FO_OK)
        return (fo_status)retry->over;
    if (open_count(retry) == 0)
        return FO_EINVAL;
    if (open_count(retry) == OPEN_MAX)
        return FO_BUSY;
    return hedge(retry, lease, advice);
}

/* ---- Report -------------------------------------------------------------------------------- */

static bool is_repeated(fo_outcome outcome)
{
    return outcome == FO_OUTCOME_FAILURE || outcome == FO_OUTCOME_OVERLOADED ||
           outcome == FO_OUTCOME_DOWN;
}

/** What all requests learn from the attempt. */
static void learn(struct fo_retrier *retrier, uint64_t now_ns, uint64_t took_ns, fo_outcome outcome)
{
    uint32_t tick = fo__retrier_tick(retrier, now_ns);
    bool is_answered = outcome == FO_OUTCOME_SUCCESS || outcome == FO_OUTCOME_DEGRADED;

    if (outcome == FO_OUTCOME_CANCELLED)
        return;
    fo__retry_throttle_count(&retrier->throttle, tick, !is_repeated(outcome));
    if (is_answered && retrier->policy.hedge_share > 0)
        fo__retry_latency_count(&retrier->latency, tick, took_ns);
}

/** What this request does next. */
static void go_on(struct fo_retry *retry, uint64_t now_ns, uint64_t number, fo_outcome outcome,
                  uint32_t retry_after_ms)
{
    struct fo_retrier *retrier = retry->retrier;

    if (is_repeated(outcome)) {
        retry->asked[number - 1].not_before_ns = later(now_ns, retry_after_ms * FO__NS_PER_MS);
        retry->not_before_ns =
            later(now_ns, fo__retry_backoff_ns(retrier->backoff_base_ns, retrier->backoff_max_ns,
                                               retry->attempts, fo__retrier_draw(retrier)));
    } else if (outcome != FO_OUTCOME_CANCELLED || open_count(retry) == 0) {
        (void)end_with(retry, FO_DONE);
    }
}

fo_status fo_retry_report(struct fo_retry *retry, struct fo_lease *lease, fo_outcome outcome,
                          uint32_t retry_after_ms)
{
    struct fo_retry_open *open;
    uint64_t number;
    uint64_t now_ns;
    fo_status status;

    if (!is_begun(retry) || lease == NULL || lease->endpoint == NULL)
        return FO_EINVAL;
    open = open_of(retry, lease->endpoint);
    if (open == NULL)
        return FO_EINVAL;
    now_ns = now_of(retry);
    status = fo_finish(lease, outcome);
    if (status != FO_OK)
        return status;
    open->lease.endpoint = NULL;
    number = open->number;
    learn(retry->retrier, now_ns, now_ns - open->started_ns, outcome);
    if (retry->over != FO_DONE)
        go_on(retry, now_ns, number, outcome, retry_after_ms);
    return FO_OK;
}

/* ---- Begin and end ------------------------------------------------------------------------- */

fo_status fo_retry_begin(struct fo_retrier *retrier, struct fo_balancer *balancer,
                         const struct fo_pick_options *options, struct fo_retry *retry)
{
    if (retrier == NULL || balancer == NULL || retry == NULL ||
        !fo__retry_options_are_valid(options, retrier->policy.max_attempts))
        return FO_EINVAL;
    *retry = fo_retry_init();
    retry->retrier = retrier;
    retry->balancer = balancer;
    retry->options = options;
    retry->deadline_ns = later(now_of(retry), retrier->total_timeout_ns);
    return FO_OK;
}

fo_status fo_retry_end(struct fo_retry *retry)
{
    if (!is_begun(retry))
        return FO_EINVAL;
    for (size_t i = 0; i < OPEN_MAX; i++)
        if (retry->open[i].lease.endpoint != NULL)
            (void)fo_finish(&retry->open[i].lease, FO_OUTCOME_CANCELLED);
    if (retry->admitted != 0 && retry->attempts > 0)
        fo__retry_budget_repay(&retry->retrier->retries, retry->paid_tick);
    retry->retrier = NULL;
    return FO_OK;
}
