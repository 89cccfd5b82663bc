/* SPDX-License-Identifier: Apache-2.0
 *
 * The tick of a group under fire: threads report on the balancers of one group, another thread makes
 * and destroys balancers in it, and one dispatches on a clock that it moves itself. In rounds; between
 * two rounds 10 ms pass without a change, and then
 *
 *     the sums of every balancer are those of the host words, and no tick is due any more.
 *
 * No pick is made, so nothing but the tick can have brought them there.
 *
 * A later change would make good for one that was missed as a tick ended. Hence short rounds, of one
 * change a thread, each at its own moment, while ticks begin and end all the time.
 */
#include "stress.h"

#include <stdio.h>

#define BALANCERS 6
#define HOSTS 8
#define STEPS 40 /* of one thread in a long round; in a short one it is 1 */
#define ROUNDS_MAX 4000
#define NS_PER_MS UINT64_C(1000000)

struct test {
    _Atomic uint64_t now_ns;
    struct fo_runtime *runtime;
    struct fo_group *group;
    struct fo_balancer *balancer[BALANCERS]; /* the last is replaced all the time */
    unsigned threads;
    bool over;
    bool is_short; /* this round */
    uint64_t rounds;
    pthread_barrier_t begin;
    pthread_barrier_t end;
    _Atomic uint64_t random;
    _Atomic uint32_t busy; /* reporters of this round that are not done */
};

static const char *const names[HOSTS] = {"h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7"};

static uint64_t read_clock(void *arg)
{
    return atomic_load((_Atomic uint64_t *)arg);
}

static struct fo_balancer *join(struct test *test)
{
    struct fo_endpoint_config servers[HOSTS];
    struct fo_config config = fo_config_init();
    struct fo_balancer *balancer;

    for (unsigned i = 0; i < HOSTS; i++) {
        servers[i] = fo_endpoint_config_init(names[i]);
        servers[i].level = i / 4;
    }
    config.group = test->group;
    stress_check(fo_balancer_create(&config, &balancer) == FO_OK, "create");
    stress_check(fo_balancer_update(balancer, servers, HOSTS, NULL, 0, NULL) == FO_OK, "update");
    return balancer;
}

static void *change(void *arg)
{
    struct test *test = arg;
    uint64_t random = atomic_fetch_add(&test->random, UINT64_C(0x9fb21c651e98df25));

    for (;;) {
        pthread_barrier_wait(&test->begin);
        if (test->over)
            return NULL;
        for (uint32_t spins = stress_random(&random, 4096); test->is_short && spins > 0; spins--)
            atomic_signal_fence(memory_order_seq_cst);
        for (int i = 0; i < (test->is_short ? 1 : STEPS); i++) {
            struct fo_balancer *balancer = test->balancer[stress_random(&random, BALANCERS - 1)];
            fo_outcome outcome =
                stress_random(&random, 4) == 0 ? FO_OUTCOME_OVERLOADED : FO_OUTCOME_SUCCESS;

            stress_check(fo_report(balancer, names[stress_random(&random, HOSTS)], outcome) ==
                             FO_OK,
                         "report");
        }
        atomic_fetch_sub(&test->busy, 1);
        pthread_barrier_wait(&test->end);
    }
}

static void *come_and_go(void *arg)
{
    struct test *test = arg;

    for (;;) {
        pthread_barrier_wait(&test->begin);
        if (test->over)
            return NULL;
        if (!test->is_short) {
            fo_balancer_destroy(test->balancer[BALANCERS - 1]);
            test->balancer[BALANCERS - 1] = join(test);
        }
        pthread_barrier_wait(&test->end);
    }
}

static void pass_ms(struct test *test, uint64_t ms)
{
    atomic_fetch_add(&test->now_ns, ms * NS_PER_MS);
    do
        fo_runtime_dispatch(test->runtime);
    while (fo_runtime_next_deadline_ms(test->runtime) == 0);
}

/** Exactly: stress_check_sums() forgives a shared group that it is behind. */
static void check_sums(struct fo_balancer *balancer)
{
    struct fo__core *core = (struct fo__core *)(void *)balancer;
    struct fo__snapshot *snapshot = atomic_load(&core->snapshot);

    stress_check_sums(balancer);
    for (uint32_t i = 0; i < HOSTS; i++)
        stress_check(atomic_load(&snapshot->tree.node[0][i]) ==
                         fo__slot_worth(snapshot, i, atomic_load(snapshot->slot[i].word)),
                     "a stale contribution");
}

static void one_round(struct test *test)
{
    test->is_short = test->rounds % 8 != 0;
    atomic_store(&test->busy, test->threads);
    pthread_barrier_wait(&test->begin);
    while (atomic_load(&test->busy) > 0)
        pass_ms(test, test->is_short ? 10 : 3);
    pthread_barrier_wait(&test->end);
    pass_ms(test, 10);
    for (unsigned i = 0; i < BALANCERS; i++)
        check_sums(test->balancer[i]);
    pass_ms(test, 10);
    stress_check(fo_runtime_next_deadline_ms(test->runtime) == -1, "it ticks for nothing");
    test->rounds++;
}

static void begin(struct test *test)
{
    struct fo_runtime_config runtime = fo_runtime_config_init();
    struct fo_group_config group = fo_group_config_init();

    atomic_init(&test->now_ns, 1);
    runtime.clock = read_clock;
    runtime.clock_arg = &test->now_ns;
    stress_check(fo_runtime_create(&runtime, &test->runtime) == FO_OK, "runtime");
    group.runtime = test->runtime;
    group.judge = fo_judge_none(); /* that nothing but the tick is due */
    stress_check(fo_group_create(&group, &test->group) == FO_OK, "group");
    for (unsigned i = 0; i < BALANCERS; i++)
        test->balancer[i] = join(test);
}

static void end(struct test *test)
{
    for (unsigned i = 0; i < BALANCERS; i++)
        fo_balancer_destroy(test->balancer[i]);
    fo_group_destroy(test->group);
    pass_ms(test, 0);
    stress_check(fo_runtime_destroy(test->runtime) == FO_OK, "the runtime is still in use");
}

int main(int argc, char **argv)
{
    struct stress run = stress_begin(argc, argv);
    static struct test test;
    pthread_t thread[65];

    atomic_init(&test.random, run.seed);
    test.threads = run.threads < 64 ? run.threads : 64;
    begin(&test);
    pthread_barrier_init(&test.begin, NULL, test.threads + 2);
    pthread_barrier_init(&test.end, NULL, test.threads + 2);
    for (unsigned i = 0; i < test.threads; i++)
        thread[i] = stress_start(change, &test);
    thread[test.threads] = stress_start(come_and_go, &test);
    do
        one_round(&test);
    while (!stress_is_over() && test.rounds < ROUNDS_MAX);
    test.over = true;
    pthread_barrier_wait(&test.begin);
    for (unsigned i = 0; i <= test.threads; i++)
        stress_join(thread[i]);
    end(&test);
    printf("tick_stress: %llu rounds, every eighth of %u outcomes\n",
           (unsigned long long)test.rounds, test.threads * STEPS);
    return 0;
}
