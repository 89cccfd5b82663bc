/* SPDX-License-Identifier: Apache-2.0
 *
 * Contribution repair under fire: many threads move the health of few hosts, a further thread
 * replaces the snapshot all the time. In rounds; between two rounds nothing moves, and then
 *
 *     every contribution is what its host is worth, every sum is the sum of its parts,
 *     every health is what the outcomes make of it: begin + successes - failures, none lost.
 *
 * The last needs a weight function whose steps add up in any order: one unit up, one unit down. One
 * name in eight is taken down by its failures, and comes back by its next success; it cannot keep
 * such a count.
 *
 * A change that comes later mends what an earlier race left behind, so most mistakes would be gone
 * before anybody looks. Hence the duels: in every second round two threads change one host once, at
 * the same moment, and look at once.
 */
#include "stress.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#define NAMES 40  /* more than the fan-out of a sum: three levels */
#define STEPS 100 /* of one thread in one round */
#define DUELS 300 /* in one round */
#define ROUNDS_MAX 20000
#define UNITS 1048576.0

struct name {
    char name[16];
    bool falls;
    _Atomic int64_t steps; /* successes - failures */
};

struct test {
    struct fo_runtime *runtime;
    struct fo_balancer *balancer;
    struct name name[NAMES];
    _Atomic uint32_t closed;
    unsigned threads;
    bool over;
    bool duel; /* what this round is */
    uint64_t rounds;
    _Atomic uint32_t arrived; /* at the meetings of this round's duels */
    _Atomic uint32_t ranks;
    pthread_barrier_t begin;
    pthread_barrier_t end;
    _Atomic uint64_t random;
};

static double rise(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    return input->live_weight + 1;
}

static double fall(const struct fo_weight_input *input, void *arg)
{
    const struct stress_data *data = fo_endpoint_data(input->endpoint);

    (void)arg;
    return data->name[0] == 'f' ? 0 : input->live_weight - 1;
}

static void act(struct test *test, uint64_t *random)
{
    bool success = stress_random(random, 2) == 0;
    fo_outcome outcome = success ? FO_OUTCOME_SUCCESS : FO_OUTCOME_FAILURE;
    struct name *name = NULL;
    struct stress_lease lease;

    if (stress_random(random, 2) == 0) {
        name = &test->name[stress_random(random, NAMES)];
        stress_check(fo_report(test->balancer, name->name, outcome) == FO_OK, "report");
    } else if (stress_pick(test->balancer, NULL, &lease) == FO_OK) {
        unsigned at;

        stress_check(sscanf(fo_endpoint_name(lease.lease.endpoint) + 1, "%u", &at) == 1, "name");
        name = &test->name[at];
        stress_finish(&lease, outcome);
    }
    if (name != NULL)
        atomic_fetch_add_explicit(&name->steps, success ? 1 : -1, memory_order_relaxed);
}

/** The n-th meeting of the two. */
static void meet(struct test *test, uint32_t n)
{
    atomic_fetch_add(&test->arrived, 1);
    for (int spins = 1; atomic_load(&test->arrived) < 2 * n; spins++)
        if (spins % 256 == 0)
            sched_yield();
}

static void check_contribution(struct test *test, const char *name)
{
    struct fo__core *core = (struct fo__core *)(void *)test->balancer;
    struct fo__snapshot *snapshot = atomic_load(&core->snapshot);
    uint32_t slot = 0;

    while (strcmp(fo_endpoint_name(snapshot->slot[slot].endpoint), name) != 0)
        slot++;
    stress_check(atomic_load(&snapshot->tree.node[0][slot]) ==
                     fo__slot_worth(snapshot, slot, atomic_load(snapshot->slot[slot].word)),
                 "%s: a stale contribution", name);
}

static void fight(struct test *test, uint32_t rank, uint64_t *random)
{
    struct name *name = &test->name[NAMES - 1];

    for (uint32_t i = 0; i < DUELS; i++) {
        bool success = stress_random(random, 2) == 0;
        uint32_t delay = stress_random(random, 64);

        meet(test, 2 * i + 1);
        for (volatile uint32_t spins = 0; spins < delay; spins++)
            ;
        stress_check(fo_report(test->balancer, name->name,
                               success ? FO_OUTCOME_SUCCESS : FO_OUTCOME_FAILURE) == FO_OK,
                     "report");
        atomic_fetch_add_explicit(&name->steps, success ? 1 : -1, memory_order_relaxed);
        meet(test, 2 * i + 2);
        if (rank == 0)
            check_contribution(test, name->name);
    }
}

static void *change(void *arg)
{
    struct test *test = arg;
    uint64_t random = atomic_fetch_add(&test->random, UINT64_C(0x9fb21c651e98df25));
    uint32_t rank = atomic_fetch_add(&test->ranks, 1);

    for (;;) {
        pthread_barrier_wait(&test->begin);
        if (test->over)
            return NULL;
        if (test->duel && rank < 2 && test->threads > 1)
            fight(test, rank, &random);
        for (int i = 0; i < STEPS && !test->duel; i++)
            act(test, &random);
        pthread_barrier_wait(&test->end);
    }
}

static void *switch_snapshots(void *arg)
{
    struct test *test = arg;
    uint64_t random = atomic_fetch_add(&test->random, UINT64_C(0x9fb21c651e98df25));

    for (;;) {
        pthread_barrier_wait(&test->begin);
        if (test->over)
            return NULL;
        for (int i = 0; i < 4 && !test->duel; i++) {
            const char *name = test->name[stress_random(&random, NAMES)].name;

            stress_check(fo_drain(test->balancer, name) == FO_OK, "drain");
            stress_check(fo_undrain(test->balancer, name) == FO_OK, "undrain");
        }
        pthread_barrier_wait(&test->end);
    }
}

/* ---- Between the rounds ------------------------------------------------------------------- */

static void check_health(struct test *test)
{
    for (unsigned i = 0; i < NAMES; i++) {
        struct fo_endpoint_info info = fo_endpoint_info_init();
        struct name *name = &test->name[i];
        double expected = UNITS / 2 + (double)atomic_load(&name->steps);

        stress_check(fo_endpoint_status(test->balancer, name->name, &info) == FO_OK, "status");
        stress_check(name->falls || info.live_weight == expected,
                     "%s: live weight %.0f, the outcomes make it %.0f", name->name,
                     info.live_weight, expected);
    }
}

static void one_round(struct test *test)
{
    test->duel = test->rounds % 2 == 1;
    atomic_store(&test->arrived, 0);
    pthread_barrier_wait(&test->begin);
    pthread_barrier_wait(&test->end);
    check_health(test);
    stress_check_sums(test->balancer);
    fo_runtime_dispatch(test->runtime); /* trials for those that fell */
    test->rounds++;
}

static void begin(struct test *test)
{
    struct fo_endpoint_config config[NAMES];
    struct fo_config balancer = fo_config_init();
    struct fo_update_result result = fo_update_result_init();

    stress_check(fo_runtime_create(NULL, &test->runtime) == FO_OK, "runtime");
    balancer.runtime = test->runtime;
    balancer.judge = fo_judge_none(); /* a strike would cost a unit of health */
    balancer.trial.backoff_ms = 1;
    balancer.trial.backoff_max_ms = 1;
    balancer.weight = fo_weight_custom(rise, fall, NULL);
    stress_check(fo_balancer_create(&balancer, &test->balancer) == FO_OK, "balancer");
    stress_check(fo_subscribe(test->balancer, FO_EVENT_ALL, stress_hear, &test->closed, NULL) ==
                     FO_OK,
                 "subscribe");
    for (unsigned i = 0; i < NAMES; i++) {
        test->name[i].falls = i % 8 == 0;
        snprintf(test->name[i].name, sizeof(test->name[i].name), "%c%u",
                 test->name[i].falls ? 'f' : 'n', i);
        config[i] = fo_endpoint_config_init(test->name[i].name);
        config[i].max_weight = UNITS;
        config[i].init_weight = UNITS / 2;
        config[i].data = stress_data_new(test->name[i].name);
    }
    stress_check(fo_balancer_update(test->balancer, config, NAMES, NULL, 0, &result) == FO_OK,
                 "update");
    for (unsigned i = 0; i < NAMES; i++) /* `added` is in the order given */
        atomic_store(&stress_tenure_of(config[i].data, result.added[i].id)->born, 1);
    fo_update_result_fini(&result);
}

static void end(struct test *test)
{
    stress_check_counts(test->balancer, true);
    fo_balancer_destroy(test->balancer);
    while (fo_runtime_dispatch(test->runtime) > 0)
        ;
    stress_check(atomic_load(&test->closed) == 1, "not closed");
    stress_check(fo_runtime_destroy(test->runtime) == FO_OK, "the runtime is still in use");
}

int main(int argc, char **argv)
{
    struct stress run = stress_begin(argc, argv);
    static struct test test;
    pthread_t thread[65];
    unsigned threads = run.threads < 64 ? run.threads : 64;

    atomic_init(&test.random, run.seed);
    test.threads = threads;
    begin(&test);
    pthread_barrier_init(&test.begin, NULL, threads + 2);
    pthread_barrier_init(&test.end, NULL, threads + 2);
    for (unsigned i = 0; i < threads; i++)
        thread[i] = stress_start(change, &test);
    thread[threads] = stress_start(switch_snapshots, &test);
    do
        one_round(&test);
    while (!stress_is_over() && test.rounds < ROUNDS_MAX);
    test.over = true;
    pthread_barrier_wait(&test.begin);
    for (unsigned i = 0; i <= threads; i++)
        stress_join(thread[i]);
    end(&test);
    stress_ledger_close();
    printf("repair_stress: %llu rounds of %u outcomes and of %u duels in turn\n",
           (unsigned long long)test.rounds, threads * STEPS, DUELS);
    return 0;
}
