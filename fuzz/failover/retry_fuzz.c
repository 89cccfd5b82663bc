/* SPDX-License-Identifier: Apache-2.0
 *
 * Any policy, and any course of a few requests at once, on virtual time. What holds:
 *
 *   attempts    no more than the policy's, numbered one after another
 *   deadlines   no attempt begins at or behind the request's, none is given a later one; a wait ends
 *               after now and before it
 *   elsewhere   nobody is asked twice while somebody who is up and was not asked is there; nobody is
 *               asked before the end of the silence that he wanted
 *   budgets     with each payment, those of the last ttl against the lists of what happened when
 *   verdicts    DONE, BUDGET and DEADLINE stay, but for an answer that was still out
 *   leases      as many are open as attempts, and none at the end
 */
#include "fixture.h"
#include "input.h"

#define MS UINT64_C(1000000)
#define SERVERS_MAX 6u
#define REQUESTS 3u
#define STEPS 400

struct list {
    uint64_t at[STEPS];
    size_t count;
};

struct request {
    struct fo_retry retry;
    bool is_begun;
    uint64_t begun;
    uint32_t attempts;
    fo_status over;   /* FO_OK: it goes on */
    uint64_t paid_at; /* for the next attempt; 0: not yet */
    struct fo_lease lease[2];
    size_t where[2];
    bool is_asked[SERVERS_MAX];
    uint64_t silent_until[SERVERS_MAX];
};

struct stage {
    struct fixture f;
    struct fo_retry_policy policy; /* without zeros that mean a default */
    struct fo_retrier *retrier;
    size_t servers;
    struct request request[REQUESTS];
    struct list firsts;
    struct list retries;
    struct list hedges;
};

/* ---- The policy ------------------------------------------------------------------------------ */

static uint32_t ms_from(struct input *input)
{
    static const uint32_t values[] = {1, 5, 25, 100, 700, 1000, 5000, 60000};
    return values[input_below(input, 8)];
}

static void policy_from(struct input *input, struct stage *stage)
{
    struct fo_retry_policy *policy = &stage->policy;

    *policy = fo_retry_policy_init();
    policy->max_attempts = 1 + input_below(input, FO_RETRY_ATTEMPTS_MAX);
    policy->attempt_timeout_ms = ms_from(input);
    policy->total_timeout_ms = input_below(input, 8) == 0 ? FO_RETRY_NO_TIMEOUT : ms_from(input);
    policy->backoff_base_ms = input_bit(input) ? FO_RETRY_NO_BACKOFF : ms_from(input);
    policy->backoff_max_ms =
        policy->backoff_base_ms == FO_RETRY_NO_BACKOFF ? 1 : policy->backoff_base_ms;
    policy->backoff_max_ms += input_byte(input);
    policy->budget_ttl_ms = 1000 + 100 * (uint32_t)input_byte(input);
    policy->budget_share = input_below(input, 4) == 0 ? FO_RETRY_NONE : input_byte(input) / 64.0;
    policy->budget_floor_per_s =
        input_below(input, 4) == 0 ? FO_RETRY_NONE : 0.01 + input_byte(input) / 8.0;
    if (policy->budget_share == 0)
        policy->budget_share = 0.001;
    policy->throttle_k = input_below(input, 4) == 0 ? 1 + input_byte(input) / 64.0 : 0;
    policy->hedge_share = input_byte(input) / 2560.0;
    policy->seed = 1 + input_byte(input);
    MUST(fo_retrier_create(policy, &stage->retrier) == FO_OK);
}

static uint64_t deadline_of(const struct stage *stage, const struct request *request)
{
    if (stage->policy.total_timeout_ms == FO_RETRY_NO_TIMEOUT)
        return UINT64_MAX;
    return request->begun + stage->policy.total_timeout_ms * MS;
}

/* ---- Budgets ---------------------------------------------------------------------------------- */

static double last_ttl(const struct stage *stage, const struct list *list)
{
    uint64_t ttl_ns = stage->policy.budget_ttl_ms * MS;
    size_t i = list->count;

    while (i > 0 && list->at[i - 1] + ttl_ns > stage->f.now_ns)
        i--;
    return (double)(list->count - i);
}

static void note(struct stage *stage, struct list *list)
{
    MUST(list->count < STEPS);
    list->at[list->count++] = stage->f.now_ns;
}

/** One of that time is given back. */
static void strike(struct list *list, uint64_t at)
{
    size_t i = list->count;

    while (list->at[--i] != at)
        MUST(i > 0);
    memmove(&list->at[i], &list->at[i + 1], (list->count - i - 1) * sizeof(list->at[0]));
    list->count--;
}

static double none_is_0(double number)
{
    return number == FO_RETRY_NONE ? 0 : number;
}

/** One more is in that list: was it paid for? */
static void check_budget(struct stage *stage, struct list *list)
{
    double firsts = last_ttl(stage, &stage->firsts);
    double floor = none_is_0(stage->policy.budget_floor_per_s) * stage->policy.budget_ttl_ms / 1000;

    note(stage, list);
    if (list == &stage->retries)
        MUST(last_ttl(stage, list) <=
             none_is_0(stage->policy.budget_share) * firsts + floor + 1e-6);
    if (list == &stage->hedges)
        MUST(last_ttl(stage, list) <= stage->policy.hedge_share * firsts + 1e-6);
}

/* ---- One request ------------------------------------------------------------------------------ */

static bool is_up(struct stage *stage, size_t i)
{
    struct fo_endpoint_info info = fixture_info(&stage->f, fixture_name(i));

    return info.state == FO_STATE_UP && !info.drained && info.live_weight > 0;
}

static void check_elsewhere(struct stage *stage, const struct request *request, size_t where)
{
    MUST(request->silent_until[where] <= stage->f.now_ns);
    for (size_t i = 0; i < stage->servers && request->is_asked[where]; i++)
        MUST(request->is_asked[i] || !is_up(stage, i));
}

static void check_advice(const struct stage *stage, const struct request *request, fo_status status,
                         const struct fo_retry_advice *advice)
{
    uint64_t deadline_ns = deadline_of(stage, request);
    uint64_t now_ns = stage->f.now_ns;

    if (status == FO_WAIT)
        MUST(now_ns < advice->wait_until_ns && advice->wait_until_ns < deadline_ns);
    if (status != FO_OK)
        return;
    MUST(now_ns < deadline_ns);
    MUST(advice->deadline_ns <= deadline_ns);
    MUST(advice->deadline_ns <= now_ns + stage->policy.attempt_timeout_ms * MS);
    MUST(advice->attempt == request->attempts);
    MUST(request->attempts <= stage->policy.max_attempts);
}

static size_t open_count(const struct request *request)
{
    return (request->lease[0].endpoint != NULL) + (request->lease[1].endpoint != NULL);
}

static void enter(struct stage *stage, struct request *request, const struct fo_lease *lease)
{
    size_t i = request->lease[0].endpoint == NULL ? 0 : 1;

    MUST(request->lease[i].endpoint == NULL);
    request->lease[i] = *lease;
    request->where[i] = fixture_index(lease->endpoint);
    check_elsewhere(stage, request, request->where[i]);
    request->is_asked[request->where[i]] = true;
    request->attempts++;
}

/** A retry is paid for when it is first asked for and not refused, before its pause. */
static void see_payment(struct stage *stage, struct request *request, fo_status status)
{
    if (status != FO_OK && status != FO_WAIT && status != FO_UNAVAILABLE)
        return;
    if (request->attempts > 0 && request->paid_at == 0) {
        check_budget(stage, &stage->retries);
        request->paid_at = stage->f.now_ns;
    }
    if (status == FO_OK && request->attempts == 0)
        note(stage, &stage->firsts);
    if (status == FO_OK)
        request->paid_at = 0;
}

static void ask(struct stage *stage, struct request *request)
{
    struct fo_retry_advice advice = fo_retry_advice_init();
    struct fo_lease lease = fo_lease_init();
    fo_status status = fo_retry_next(&request->retry, &lease, &advice);

    MUST((status == FO_OK) == (lease.endpoint != NULL));
    if (request->over != FO_OK)
        MUST(status == request->over);
    else if (open_count(request) > 0)
        MUST(status == FO_BUSY);
    if (status == FO_DONE || status == FO_BUDGET || status == FO_DEADLINE)
        request->over = status;
    see_payment(stage, request, status);
    if (status == FO_OK)
        enter(stage, request, &lease);
    check_advice(stage, request, status, &advice);
}

static void hedge(struct stage *stage, struct request *request)
{
    struct fo_retry_advice advice = fo_retry_advice_init();
    struct fo_lease lease = fo_lease_init();
    fo_status status = fo_retry_hedge(&request->retry, &lease, &advice);

    MUST((status == FO_OK) == (lease.endpoint != NULL));
    if (request->over != FO_OK)
        MUST(status == request->over);
    else if (open_count(request) != 1)
        MUST(status == (open_count(request) == 0 ? FO_EINVAL : FO_BUSY));
    if (status == FO_OK) {
        MUST(!request->is_asked[fixture_index(lease.endpoint)]);
        check_budget(stage, &stage->hedges);
        enter(stage, request, &lease);
    }
    check_advice(stage, request, status, &advice);
}

static void report(struct input *input, struct stage *stage, struct request *request)
{
    static const fo_outcome outcomes[] = {
        FO_OUTCOME_FAILURE, FO_OUTCOME_FAILURE,  FO_OUTCOME_OVERLOADED, FO_OUTCOME_DOWN,
        FO_OUTCOME_SUCCESS, FO_OUTCOME_DEGRADED, FO_OUTCOME_NEUTRAL,    FO_OUTCOME_CANCELLED};
    unsigned kind = input_below(input, 8);
    uint32_t after_ms = input_bit(input) ? ms_from(input) : 0;
    size_t i = request->lease[0].endpoint != NULL && input_bit(input) ? 0 : 1;
    bool is_open = request->lease[i].endpoint != NULL;

    MUST(fo_retry_report(&request->retry, &request->lease[i], outcomes[kind], after_ms) ==
         (is_open ? FO_OK : FO_EINVAL));
    MUST(request->lease[i].endpoint == NULL);
    if (!is_open || request->over == FO_DONE)
        return;
    if (kind < 4)
        request->silent_until[request->where[i]] = stage->f.now_ns + after_ms * MS;
    else if (outcomes[kind] != FO_OUTCOME_CANCELLED || open_count(request) == 0)
        request->over = FO_DONE;
}

static void begin(struct stage *stage, struct request *request)
{
    *request = (struct request){.is_begun = true, .begun = stage->f.now_ns};
    request->lease[0] = request->lease[1] = fo_lease_init();
    MUST(fo_retry_begin(stage->retrier, stage->f.balancer, NULL, &request->retry) == FO_OK);
}

/** Many answers at once, so that there is a percentile for hedges. */
static void answer_many(struct stage *stage, struct request *request)
{
    for (int i = 0; i < 120 && stage->firsts.count < STEPS / 2; i++) {
        begin(stage, request);
        ask(stage, request);
        for (size_t k = 0; k < 2; k++)
            if (request->lease[k].endpoint != NULL)
                MUST(fo_retry_report(&request->retry, &request->lease[k], FO_OUTCOME_SUCCESS, 0) ==
                     FO_OK);
        MUST(fo_retry_end(&request->retry) == FO_OK);
        request->is_begun = false;
    }
}

/* ---- A run ------------------------------------------------------------------------------------ */

static void step(struct input *input, struct stage *stage)
{
    struct request *request = &stage->request[input_below(input, REQUESTS)];
    unsigned what = input_below(input, 16);

    if (what == 0) {
        fixture_advance_ms(&stage->f, ms_from(input));
    } else if (what == 1) {
        const char *name = fixture_name(input_below(input, (unsigned)stage->servers));

        MUST((input_bit(input) ? fo_drain : fo_undrain)(stage->f.balancer, name) == FO_OK);
    } else if (!request->is_begun) {
        MUST(fo_retry_end(&request->retry) == FO_EINVAL);
        if (what == 2)
            answer_many(stage, request);
        else
            begin(stage, request);
    } else if (what == 3) {
        MUST(fo_retry_end(&request->retry) == FO_OK);
        request->is_begun = false;
        if (request->paid_at != 0)
            strike(&stage->retries, request->paid_at);
    } else if (what < 5) {
        hedge(stage, request);
    } else if (what < 11) {
        ask(stage, request);
    } else {
        report(input, stage, request);
    }
}

static void run(struct input *input)
{
    struct stage *stage = calloc(1, sizeof(*stage));

    MUST(stage != NULL);
    stage->servers = 1 + input_below(input, SERVERS_MAX);
    fixture_open(&stage->f, stage->servers, NULL);
    policy_from(input, stage);
    for (size_t i = 0; i < REQUESTS; i++)
        stage->request[i].retry = fo_retry_init();
    for (int i = 0; i < STEPS / 2 && input->left > 0; i++)
        step(input, stage);
    for (size_t i = 0; i < REQUESTS; i++)
        (void)fo_retry_end(&stage->request[i].retry);
    for (size_t i = 0; i < stage->servers; i++)
        MUST(fixture_info(&stage->f, fixture_name(i)).in_flight == 0);
    fo_retrier_destroy(stage->retrier);
    fixture_destroy(&stage->f);
    free(stage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input_run(data, size, run);
    return 0;
}
