/* SPDX-License-Identifier: Apache-2.0
 *
 * Trials under fire: hosts that two balancers share go down all the time, many threads pick, and
 * the dispatcher offers trials on a clock of ours. In rounds.
 *
 *     meanwhile        a trial is taken only when no trial of the same host is out
 *     between rounds   nothing is lost: a host whose word says that a trial is due is on offer in
 *                      both balancers, with its bit; one whose trial is out has its lease open;
 *                      any other that is down has its timer armed
 *     at the end       every host comes back, also with more of them down than can be on offer
 */
#include "stress.h"

#include "lease.h"
#include "members.h"

#include <stdio.h>

#define NAMES 12
#define MORE_NAMES 12 /* together more than FO__OFFERS */
#define STEPS 400     /* of one thread in one round */
#define ROUNDS_MAX 20000
#define BALANCERS 2
#define NEVER_MS 1000000000u

struct test {
    struct fo_runtime *runtime;
    struct fo_group *group;
    struct fo_balancer *balancer[BALANCERS];
    struct stress_pool pool;
    _Atomic uint32_t out[NAMES + MORE_NAMES]; /* trial leases */
    _Atomic uint32_t closed[BALANCERS];
    _Atomic uint64_t now_ns;
    _Atomic uint64_t random;
    _Atomic uint64_t trials;
    _Atomic uint32_t done;
    unsigned threads;
    bool over;
    uint64_t rounds;
    pthread_barrier_t begin;
    pthread_barrier_t end;
};

static struct test test;

static uint64_t virtual_now(void *arg)
{
    (void)arg;
    return atomic_load(&test.now_ns);
}

static void advance_ms(uint64_t ms)
{
    atomic_fetch_add(&test.now_ns, ms * 1000000);
}

/* ---- Threads ----------------------------------------------------------------------------- */

static bool is_trial(const struct stress_lease *lease)
{
    return (lease->lease.reserved_wide[FO__LEASE_TAKEN_WITH] & FO__LEASE_IS_TRIAL) != 0;
}

static _Atomic uint32_t *trials_out(const struct stress_lease *lease)
{
    unsigned at;

    stress_check(sscanf(fo_endpoint_name(lease->lease.endpoint), "h%u", &at) == 1, "name");
    return &test.out[at];
}

static bool pick(unsigned balancer, struct stress_lease *lease)
{
    if (stress_pick(test.balancer[balancer], NULL, lease) != FO_OK)
        return false;
    if (is_trial(lease)) {
        stress_check(atomic_fetch_add(trials_out(lease), 1) == 0, "%s: a second trial",
                     fo_endpoint_name(lease->lease.endpoint));
        atomic_fetch_add_explicit(&test.trials, 1, memory_order_relaxed);
    }
    return true;
}

static void finish(struct stress_lease *lease, fo_outcome outcome)
{
    if (is_trial(lease))
        atomic_fetch_sub(trials_out(lease), 1);
    stress_finish(lease, outcome);
}

static void act(uint64_t *random)
{
    static const fo_outcome trial_outcomes[] = {FO_OUTCOME_SUCCESS, FO_OUTCOME_FAILURE,
                                                FO_OUTCOME_NEUTRAL, FO_OUTCOME_CANCELLED};
    struct stress_lease lease;

    if (!pick(stress_random(random, BALANCERS), &lease) && !stress_pool_take(&test.pool, &lease))
        return; /* everything is down, and nobody knows more */
    if (stress_random(random, 4) == 0 && !stress_pool_swap(&test.pool, random, &lease))
        return;
    if (is_trial(&lease))
        finish(&lease, trial_outcomes[stress_random(random, 4)]);
    else
        finish(&lease, stress_random(random, 4) == 0 ? FO_OUTCOME_DOWN : FO_OUTCOME_SUCCESS);
}

static void *pick_and_finish(void *arg)
{
    uint64_t random = atomic_fetch_add(&test.random, UINT64_C(0x9fb21c651e98df25));

    (void)arg;
    for (;;) {
        pthread_barrier_wait(&test.begin);
        if (test.over)
            return NULL;
        for (int i = 0; i < STEPS; i++)
            act(&random);
        atomic_fetch_add(&test.done, 1);
        pthread_barrier_wait(&test.end);
    }
}

/* ---- Between the rounds ------------------------------------------------------------------- */

static bool is_on_offer(struct fo_balancer *balancer, struct fo_endpoint *endpoint)
{
    for (uint32_t i = 0; i < FO__OFFERS; i++)
        if (atomic_load(&balancer->core.offer[i]) == endpoint)
            return (fo__attention(&balancer->core) & FO__ATTENTION_OFFER(i)) != 0;
    return false;
}

static void check_host(struct fo_endpoint *endpoint, uint32_t out)
{
    struct fo__host *host = endpoint->host;
    uint64_t word = atomic_load(host->word);

    if ((word & FO__FLAG_DOWN) == 0)
        return;
    if ((word & FO__FLAG_TRIAL) != 0)
        stress_check(out == 1 && (word & FO__FLAG_DUE) == 0, "%s: the trial is lost",
                     host->name->bytes);
    else if ((word & FO__FLAG_DUE) != 0)
        stress_check(is_on_offer(fo__balancer_of(endpoint->core), endpoint),
                     "%s: the offer is lost", host->name->bytes);
    else
        stress_check(host->timer.armed, "%s: nobody waits for its trial", host->name->bytes);
}

static void dispatch_all(void)
{
    while (fo_runtime_dispatch(test.runtime) > 0)
        ;
}

static void one_round(void)
{
    atomic_store(&test.done, 0);
    pthread_barrier_wait(&test.begin);
    while (atomic_load(&test.done) < test.threads) {
        advance_ms(1);
        fo_runtime_dispatch(test.runtime);
    }
    pthread_barrier_wait(&test.end);
    dispatch_all();
    for (unsigned b = 0; b < BALANCERS; b++) {
        stress_check_sums(test.balancer[b]);
        for (unsigned i = 0; i < NAMES; i++)
            check_host(test.balancer[b]->members[i], atomic_load(&test.out[i]));
    }
    test.rounds++;
}

/* ---- The whole --------------------------------------------------------------------------- */

static void add(unsigned balancer, unsigned first, unsigned count)
{
    struct fo_update_result result = fo_update_result_init();
    struct fo_endpoint_config config[NAMES + MORE_NAMES];
    char name[NAMES + MORE_NAMES][8];

    for (unsigned i = 0; i < count; i++) {
        snprintf(name[i], sizeof(name[i]), "h%u", first + i);
        config[i] = fo_endpoint_config_init(name[i]);
        config[i].data = stress_data_new(name[i]);
    }
    stress_check(fo_balancer_update(test.balancer[balancer], config, count, NULL, 0, &result) ==
                     FO_OK,
                 "update");
    for (unsigned i = 0; i < count; i++)
        atomic_store(&stress_tenure_of(config[i].data, result.added[i].id)->born, 1);
    fo_update_result_fini(&result);
}

static void begin(void)
{
    struct fo_runtime_config runtime = fo_runtime_config_init();
    struct fo_group_config group = fo_group_config_init();
    struct fo_config config = fo_config_init();

    runtime.clock = virtual_now;
    stress_check(fo_runtime_create(&runtime, &test.runtime) == FO_OK, "runtime");
    group.runtime = test.runtime;
    group.trial.backoff_ms = 1;
    group.trial.backoff_max_ms = 2;
    group.trial.timeout_ms = NEVER_MS; /* or a second trial would be right */
    stress_check(fo_group_create(&group, &test.group) == FO_OK, "group");
    config.group = test.group;
    config.levels.last_resort = FO_LAST_RESORT_NONE; /* hosts that are down are for trials only */
    stress_pool_init(&test.pool);
    for (unsigned b = 0; b < BALANCERS; b++) {
        stress_check(fo_balancer_create(&config, &test.balancer[b]) == FO_OK, "balancer");
        stress_check(fo_subscribe(test.balancer[b], FO_EVENT_ALL, stress_hear, &test.closed[b],
                                  NULL) == FO_OK,
                     "subscribe");
        add(b, 0, NAMES);
    }
}

/** Finishes what is out well; then everything that is down must come back by trials. */
static void revive_all(void)
{
    struct stress_lease lease;
    unsigned up = 0;

    while (stress_pool_take(&test.pool, &lease))
        finish(&lease, FO_OUTCOME_SUCCESS);
    for (int i = 0; i < 200 && up < NAMES + MORE_NAMES; i++) {
        advance_ms(100);
        dispatch_all();
        for (int picks = 0; picks < 64; picks++)
            if (pick((unsigned)i % BALANCERS, &lease))
                finish(&lease, FO_OUTCOME_SUCCESS);
        up = 0;
        for (unsigned at = 0; at < NAMES + MORE_NAMES; at++)
            up += (atomic_load(test.balancer[0]->members[at]->host->word) & FO__FLAG_DOWN) == 0;
    }
    stress_check(up == NAMES + MORE_NAMES, "only %u hosts came back", up);
}

static void end(void)
{
    for (unsigned b = 0; b < BALANCERS; b++)
        add(b, NAMES, MORE_NAMES);
    for (unsigned at = 0; at < NAMES + MORE_NAMES; at++)
        stress_check(fo_report(test.balancer[0], test.balancer[0]->members[at]->host->name->bytes,
                               FO_OUTCOME_DOWN) == FO_OK,
                     "report");
    revive_all();
    fo_group_destroy(test.group);
    for (unsigned b = 0; b < BALANCERS; b++) {
        stress_check_counts(test.balancer[b], true);
        fo_balancer_destroy(test.balancer[b]);
    }
    dispatch_all();
    stress_check(atomic_load(&test.closed[0]) == 1 && atomic_load(&test.closed[1]) == 1,
                 "not closed");
    stress_check(fo_runtime_destroy(test.runtime) == FO_OK, "the runtime is still in use");
}

int main(int argc, char **argv)
{
    struct stress run = stress_begin(argc, argv);
    pthread_t thread[64];

    test.threads = run.threads < 64 ? run.threads : 64;
    atomic_init(&test.random, run.seed);
    begin();
    pthread_barrier_init(&test.begin, NULL, test.threads + 1);
    pthread_barrier_init(&test.end, NULL, test.threads + 1);
    for (unsigned i = 0; i < test.threads; i++)
        thread[i] = stress_start(pick_and_finish, NULL);
    do
        one_round();
    while (!stress_is_over() && test.rounds < ROUNDS_MAX);
    test.over = true;
    pthread_barrier_wait(&test.begin);
    for (unsigned i = 0; i < test.threads; i++)
        stress_join(thread[i]);
    end();
    stress_ledger_close();
    printf("offer_stress: %llu rounds, %llu trials\n", (unsigned long long)test.rounds,
           (unsigned long long)atomic_load(&test.trials));
    return 0;
}
