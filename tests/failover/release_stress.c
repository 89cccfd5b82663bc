/* SPDX-License-Identifier: Apache-2.0
 *
 * Release under fire: few names are removed, taken back, given other data and removed again as
 * fast as it goes, while threads pick, hand leases to each other and finish them. The ledger
 * (stress.h) sees a `released` that comes twice, too early, too late or with another's data, and
 * counts that do not add up.
 */
#include "stress.h"

#include <poll.h>
#include <stdio.h>

#define NAMES 3
#define UPDATES_MAX 200000
#define PICKS_MAX 5000000

static const char *const names[NAMES] = {"one", "two", "three"};

struct test {
    struct fo_runtime *runtime;
    struct fo_balancer *balancer;
    struct stress_pool pool;
    struct stress_data *before[NAMES]; /* what each name had last, member or not */
    struct stress_data *after[NAMES];
    bool member[NAMES];
    _Atomic uint64_t random; /* seeds for threads */
    _Atomic bool over;       /* for the dispatcher */
    _Atomic uint32_t closed;
    uint64_t updates;
    _Atomic uint64_t picks;
};

static uint64_t seed_of_thread(struct test *test)
{
    return atomic_fetch_add(&test->random, UINT64_C(0xdeadbeefcafe)) * UINT64_C(0x2545f4914f6cdd1d);
}

static void *dispatch(void *arg)
{
    struct test *test = arg;

    while (!atomic_load(&test->over)) {
        struct pollfd ready = {.fd = fo_runtime_fd(test->runtime), .events = POLLIN};

        (void)poll(&ready, 1, 1);
        fo_runtime_dispatch(test->runtime);
    }
    return NULL;
}

static void *pick_and_finish(void *arg)
{
    struct test *test = arg;
    uint64_t random = seed_of_thread(test);
    uint64_t picks = 0;

    while (!stress_is_over() && picks < PICKS_MAX) {
        struct stress_lease lease;

        if (stress_pick(test->balancer, NULL, &lease) != FO_OK)
            continue;
        picks++;
        if (stress_random(&random, 4) != 0 || stress_pool_swap(&test->pool, &random, &lease))
            stress_finish(&lease, FO_OUTCOME_SUCCESS);
        else if (stress_random(&random, 4) == 0)
            stress_pool_drain(&test->pool); /* now and then nothing is open */
    }
    atomic_fetch_add(&test->picks, picks);
    return NULL;
}

/* ---- Updating ---------------------------------------------------------------------------- */

static unsigned index_of(const char *name)
{
    unsigned i = 0;

    while (names[i][0] != name[0] || names[i][1] != name[1])
        i++;
    return i;
}

static struct stress_data *data_before(const char *name, void *arg)
{
    return ((struct test *)arg)->before[index_of(name)];
}

static struct stress_data *data_after(const char *name, void *arg)
{
    return ((struct test *)arg)->after[index_of(name)];
}

static void update(struct test *test, const struct fo_endpoint_config *upsert, const char *removal)
{
    struct fo_update_result result = fo_update_result_init();
    fo_status status = fo_balancer_update(test->balancer, upsert, upsert != NULL ? 1 : 0, &removal,
                                          removal != NULL ? 1 : 0, &result);

    stress_check(status == FO_OK, "update: %s", fo_status_name(status));
    stress_updated(&result, data_before, data_after, test);
    fo_update_result_fini(&result);
    test->updates++;
}

/** Adds a name, or gives it other data. */
static void put(struct test *test, unsigned name, bool other_data)
{
    struct fo_endpoint_config config = fo_endpoint_config_init(names[name]);

    if (other_data || test->before[name] == NULL || !stress_data_is_fresh(test->before[name]))
        test->after[name] = stress_data_new(names[name]);
    config.data = test->after[name];
    stress_joins(config.data);
    update(test, &config, NULL);
    test->before[name] = test->after[name];
    test->member[name] = true;
}

static void *keep_updating(void *arg)
{
    struct test *test = arg;
    uint64_t random = seed_of_thread(test);

    while (!stress_is_over() && test->updates < UPDATES_MAX) {
        unsigned name = stress_random(&random, NAMES);

        if (!test->member[name]) {
            put(test, name, stress_random(&random, 4) == 0);
        } else if (stress_random(&random, 4) == 0) {
            put(test, name, true);
        } else {
            update(test, NULL, names[name]);
            test->member[name] = false;
        }
    }
    return NULL;
}

/* ---- The whole --------------------------------------------------------------------------- */

static void begin(struct test *test)
{
    struct fo_config config = fo_config_init();

    stress_check(fo_runtime_create(NULL, &test->runtime) == FO_OK, "runtime");
    config.runtime = test->runtime;
    stress_check(fo_balancer_create(&config, &test->balancer) == FO_OK, "balancer");
    stress_check(fo_subscribe(test->balancer, FO_EVENT_ALL, stress_hear, &test->closed, NULL) ==
                     FO_OK,
                 "subscribe");
    stress_pool_init(&test->pool);
}

static void end(struct test *test)
{
    stress_pool_drain(&test->pool);
    while (fo_runtime_dispatch(test->runtime) > 0)
        ;
    stress_check_sums(test->balancer);
    stress_check_counts(test->balancer, false);
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
    pthread_t thread[64];
    pthread_t updater;
    pthread_t dispatcher;

    atomic_init(&test.random, run.seed);
    begin(&test);
    dispatcher = stress_start(dispatch, &test);
    updater = stress_start(keep_updating, &test);
    for (unsigned i = 0; i < run.threads && i < 64; i++)
        thread[i] = stress_start(pick_and_finish, &test);
    for (unsigned i = 0; i < run.threads && i < 64; i++)
        stress_join(thread[i]);
    stress_join(updater);
    atomic_store(&test.over, true);
    stress_join(dispatcher);
    end(&test);
    printf("release_stress: %llu picks, %llu updates, %llu incarnations\n",
           (unsigned long long)atomic_load(&test.picks), (unsigned long long)test.updates,
           (unsigned long long)stress_ledger_close());
    return 0;
}
