/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads that share a retrier. In rounds; what the threads counted themselves is the oracle.
 *
 *   while the clock stands    pay, give back, and count requests, as fast as may be. At the end of the
 *                             round what is left can be paid for, one after another, up to exactly
 *                                 share × requests + floor        over the last ticks
 *                             so nobody has overspent, and no payment was lost or counted twice.
 *   while it moves            the same, with payments that end meanwhile. When all of them have, exactly
 *                             the floor can be paid for: what ended was subtracted once.
 *   whole requests            with throttle and hedges, on a balancer: all leases are finished, the
 *                             retries are within the budget.
 */
#include "retrier.h"
#include "stress.h"

#include <stdio.h>
#include <string.h>

#define SHARE 0.25
#define FLOOR 16
#define STEPS 400 /* of one thread in a round */
#define TICKS 4096
#define SERVERS 4
#define NS_PER_TTL UINT64_C(1000000000)

enum phase { STANDING, MOVING, REQUESTS, PHASES };

struct test {
    unsigned threads;
    enum phase phase;
    bool over;
    uint64_t rounds;
    _Atomic uint64_t random;
    _Atomic uint32_t tick;
    pthread_barrier_t begin;
    pthread_barrier_t end;

    struct fo__retry_window requests;
    struct fo__retry_budget budget;
    _Atomic uint64_t asked[TICKS]; /* by tick, since the last round that moved the clock */
    _Atomic uint64_t paid[TICKS];

    struct fo_balancer *balancer;
    struct fo_retrier *retrier;
    _Atomic uint64_t now_ns;
    _Atomic uint64_t begun;
    _Atomic uint64_t repeated;
    _Atomic uint64_t hedged;
};

/* ---- The budget ------------------------------------------------------------------------------ */

static uint64_t last_ticks(_Atomic uint64_t *counts, uint32_t tick, uint32_t ticks)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < ticks; i++)
        sum += atomic_load(&counts[(tick - i) % TICKS]);
    return sum;
}

/** A request counts here before it does there, a payment after: so the ledger never accuses wrongly. */
static void check_payment(struct test *test, uint32_t tick)
{
    uint64_t paid = last_ticks(test->paid, tick, FO__RETRY_WINDOW_TICKS + 1);
    uint64_t asked = last_ticks(test->asked, tick, FO__RETRY_WINDOW_TICKS);

    stress_check((double)paid <= SHARE * (double)asked + FLOOR, "overspent: %llu for %llu requests",
                 (unsigned long long)paid, (unsigned long long)asked);
}

static void pay_or_ask(struct test *test, uint64_t *random)
{
    uint32_t tick = atomic_load_explicit(&test->tick, memory_order_relaxed);

    if (stress_random(random, 2) == 0) {
        atomic_fetch_add(&test->asked[tick % TICKS], 1);
        fo__retry_window_add(&test->requests, tick);
    } else if (fo__retry_budget_pay(&test->budget, &test->requests, tick)) {
        atomic_fetch_add(&test->paid[tick % TICKS], 1);
        if (test->phase == STANDING)
            check_payment(test, tick);
        if (stress_random(random, 4) == 0) {
            atomic_fetch_sub(&test->paid[tick % TICKS], 1);
            fo__retry_budget_repay(&test->budget, tick);
        }
    }
}

/** Pays as long as it may. */
static void use_up(struct test *test, uint32_t tick)
{
    while (fo__retry_budget_pay(&test->budget, &test->requests, tick))
        atomic_fetch_add(&test->paid[tick % TICKS], 1);
}

static void judge_standing(struct test *test)
{
    uint32_t tick = test->tick;
    uint64_t asked = last_ticks(test->asked, tick, FO__RETRY_WINDOW_TICKS);
    uint64_t before = last_ticks(test->paid, tick, FO__RETRY_WINDOW_TICKS + 1);
    uint64_t allowed = (uint64_t)(SHARE * (double)asked + FLOOR);
    uint64_t after;

    use_up(test, tick);
    after = last_ticks(test->paid, tick, FO__RETRY_WINDOW_TICKS + 1);
    stress_check(before <= allowed, "overspent: %llu of %llu", (unsigned long long)before,
                 (unsigned long long)allowed);
    stress_check(after == allowed, "%llu could be paid for, not %llu", (unsigned long long)after,
                 (unsigned long long)allowed);
    atomic_store(&test->tick, tick + (uint32_t)(test->rounds / PHASES % 7));
    for (uint32_t i = tick + 1; i <= test->tick; i++) {
        atomic_store(&test->asked[i % TICKS], 0);
        atomic_store(&test->paid[i % TICKS], 0);
    }
}

static void judge_moving(struct test *test)
{
    uint32_t tick = test->tick + 2 * FO__RETRY_WINDOW_WORDS;

    memset((void *)test->asked, 0, sizeof(test->asked));
    memset((void *)test->paid, 0, sizeof(test->paid));
    atomic_store(&test->tick, tick);
    use_up(test, tick);
    stress_check(test->paid[tick % TICKS] == FLOOR, "%llu are left of a budget of %d",
                 (unsigned long long)test->paid[tick % TICKS], FLOOR);
}

/* ---- Requests -------------------------------------------------------------------------------- */

/** Virtual: each look takes a microsecond. */
static uint64_t read_clock(void *arg)
{
    return atomic_fetch_add_explicit((_Atomic uint64_t *)arg, 1000, memory_order_relaxed);
}

static fo_outcome some_outcome(uint64_t *random)
{
    return stress_random(random, 2) == 0 ? FO_OUTCOME_FAILURE : FO_OUTCOME_SUCCESS;
}

/** Waits for its time, at a microsecond a look. Half of the hedges are left to the end. */
static void hedge_it(struct test *test, struct fo_retry *retry, uint64_t *random)
{
    struct fo_retry_advice advice = fo_retry_advice_init();
    struct fo_lease hedge;
    fo_status status;

    do
        status = fo_retry_hedge(retry, &hedge, &advice);
    while (status == FO_WAIT);
    if (status != FO_OK)
        return;
    atomic_fetch_add_explicit(&test->hedged, 1, memory_order_relaxed);
    if (stress_random(random, 2) == 0)
        stress_check(fo_retry_report(retry, &hedge, some_outcome(random), 0) == FO_OK,
                     "report of a hedge");
}

static void run_request(struct test *test, uint64_t *random)
{
    struct fo_retry_advice advice = fo_retry_advice_init();
    struct fo_lease lease = fo_lease_init();
    struct fo_retry retry;

    stress_check(fo_retry_begin(test->retrier, test->balancer, NULL, &retry) == FO_OK, "begin");
    while (fo_retry_next(&retry, &lease, &advice) == FO_OK) {
        atomic_fetch_add_explicit(advice.attempt == 1 ? &test->begun : &test->repeated, 1,
                                  memory_order_relaxed);
        hedge_it(test, &retry, random);
        stress_check(fo_retry_report(&retry, &lease, some_outcome(random), 0) == FO_OK, "report");
    }
    stress_check(fo_retry_end(&retry) == FO_OK, "end");
}

static bool is_idle(const struct fo_endpoint_info *info, void *arg)
{
    (void)arg;
    stress_check(info->in_flight == 0, "a lease of %s is open", info->name);
    return true;
}

static void judge_requests(struct test *test)
{
    double ttls = (double)(test->now_ns / NS_PER_TTL + 1);

    stress_check((double)test->repeated <= SHARE * (double)test->begun + FLOOR * ttls,
                 "%llu retries of %llu requests", (unsigned long long)test->repeated,
                 (unsigned long long)test->begun);
    stress_check(test->hedged <= test->begun / 10, "%llu hedges of %llu requests",
                 (unsigned long long)test->hedged, (unsigned long long)test->begun);
    stress_check(fo_endpoint_list(test->balancer, is_idle, NULL) == FO_OK, "list");
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

static void *work(void *arg)
{
    struct test *test = arg;
    uint64_t random = atomic_fetch_add(&test->random, UINT64_C(0x9fb21c651e98df25));

    for (;;) {
        pthread_barrier_wait(&test->begin);
        if (test->over)
            return NULL;
        for (int i = 0; i < (test->phase == REQUESTS ? STEPS / 16 : STEPS); i++) {
            if (test->phase == MOVING && stress_random(&random, 64) == 0)
                atomic_fetch_add_explicit(&test->tick, 1, memory_order_relaxed);
            if (test->phase == REQUESTS)
                run_request(test, &random);
            else
                pay_or_ask(test, &random);
        }
        pthread_barrier_wait(&test->end);
    }
}

static void judge(struct test *test)
{
    switch (test->phase) {
    case STANDING: judge_standing(test); break;
    case MOVING: judge_moving(test); break;
    default: judge_requests(test); break;
    }
    test->rounds++;
    test->phase = (enum phase)(test->rounds % PHASES);
}

static void open_test(struct test *test)
{
    struct fo_endpoint_config server[SERVERS];
    struct fo_retry_policy policy = fo_retry_policy_init();
    static const char *const names[SERVERS] = {"a", "b", "c", "d"};

    for (size_t i = 0; i < SERVERS; i++)
        server[i] = fo_endpoint_config_init(names[i]);
    policy.budget_ttl_ms = 1000;
    policy.budget_share = SHARE;
    policy.budget_floor_per_s = FLOOR;
    policy.backoff_base_ms = FO_RETRY_NO_BACKOFF;
    policy.throttle_k = 2;
    policy.hedge_share = 0.1;
    policy.clock = read_clock;
    policy.clock_arg = &test->now_ns;
    fo__retry_budget_init(&test->budget, SHARE, FLOOR);
    stress_check(fo_balancer_create(NULL, &test->balancer) == FO_OK, "create");
    stress_check(fo_balancer_update(test->balancer, server, SERVERS, NULL, 0, NULL) == FO_OK,
                 "update");
    stress_check(fo_retrier_create(&policy, &test->retrier) == FO_OK, "create");
    pthread_barrier_init(&test->begin, NULL, test->threads + 1);
    pthread_barrier_init(&test->end, NULL, test->threads + 1);
}

int main(int argc, char **argv)
{
    struct stress stress = stress_begin(argc, argv);
    static struct test test;
    pthread_t thread[64];

    test.threads = stress.threads;
    test.random = stress.seed;
    stress_check(test.threads <= 64, "at most 64 threads");
    open_test(&test);
    for (unsigned i = 0; i < test.threads; i++)
        thread[i] = stress_start(work, &test);
    while (!stress_is_over()) {
        pthread_barrier_wait(&test.begin);
        pthread_barrier_wait(&test.end);
        judge(&test);
    }
    test.over = true;
    pthread_barrier_wait(&test.begin);
    for (unsigned i = 0; i < test.threads; i++)
        stress_join(thread[i]);
    fo_retrier_destroy(test.retrier);
    fo_balancer_destroy(test.balancer);
    printf("%llu rounds, %llu requests, %llu retries, %llu hedges\n",
           (unsigned long long)test.rounds, (unsigned long long)test.begun,
           (unsigned long long)test.repeated, (unsigned long long)test.hedged);
    return 0;
}
