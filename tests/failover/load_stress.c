/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits under race.
 *
 * First: threads pick, hold some leases and finish them, while each endpoint and the balancer have limits.
 * A count of the test's own is raised after each pick and lowered before its finish, so it is never above
 * what the library has admitted: it must never be above a limit.
 *
 * Then the same while time flies and leases age out under those who hold them. No count can be held
 * against that, but in the end, when all is finished or lost, exactly the limits are to be had again:
 * every lease was counted back once, by its finish or by its bucket.
 */
#include "fixture.h"
#include "stress.h"

#include <stdio.h>
#include <string.h>

#define ENDPOINTS 3
#define CAP 5
#define TOTAL_CAP 12
#define HELD 6

#if defined(FO__TSAN) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PICKS 200000u
#else
#define PICKS 10000000u
#endif

struct test {
    struct fixture f;
    bool flies;
    unsigned threads;
    _Atomic uint64_t random;
    _Atomic int open_at[ENDPOINTS];
    _Atomic int open_in_all;
    _Atomic uint64_t tries;
    _Atomic uint64_t refused;
};

static struct fo_endpoint_config endpoint_of(size_t i)
{
    struct fo_endpoint_config config =
        fixture_upsert(fixture_name(i), 100 + (double)i, fixture_data(i));

    config.max_in_flight = CAP;
    return config;
}

static void begin(struct test *test, const struct stress *run, bool flies)
{
    struct fo_endpoint_config endpoints[ENDPOINTS];
    struct fo_config config;

    memset(test, 0, sizeof(*test));
    test->flies = flies;
    test->threads = run->threads;
    test->random = run->seed;
    fixture_init(&test->f);
    config = fixture_config(&test->f);
    config.max_in_flight = TOTAL_CAP;
    config.load.policy = FO_LOAD_LEAST;
    config.load.lease_timeout_ms = flies ? 20 : 0;
    fixture_balancer(&test->f, &config);
    for (size_t i = 0; i < ENDPOINTS; i++)
        endpoints[i] = endpoint_of(i);
    stress_check(fo_balancer_update(test->f.balancer, endpoints, ENDPOINTS, NULL, 0, NULL) == FO_OK,
                 "update");
}

static void check_raised(struct test *test, _Atomic int *count, int limit)
{
    int open = atomic_fetch_add_explicit(count, 1, memory_order_relaxed) + 1;

    stress_check(test->flies || open <= limit, "%d are open where %d may be", open, limit);
}

static void note_pick(struct test *test, const struct fo_lease *lease)
{
    check_raised(test, &test->open_at[fixture_index(lease->endpoint)], CAP);
    check_raised(test, &test->open_in_all, TOTAL_CAP);
}

static void finish(struct test *test, struct fo_lease *lease)
{
    size_t index = fixture_index(lease->endpoint);

    atomic_fetch_sub_explicit(&test->open_at[index], 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&test->open_in_all, 1, memory_order_relaxed);
    stress_check(fo_finish(lease, FO_OUTCOME_SUCCESS) == FO_OK, "finish");
}

static void *pick_and_finish(void *arg)
{
    struct test *test = arg;
    uint64_t random = atomic_fetch_add(&test->random, 0x9e3779b97f4a7c15);
    struct fo_lease held[HELD];
    uint64_t mine = PICKS / test->threads;

    for (size_t i = 0; i < HELD; i++)
        held[i] = fo_lease_init();
    for (uint64_t tries = 0; tries < mine; tries++) {
        struct fo_lease *lease = &held[stress_random(&random, HELD)];
        fo_status status;

        if (lease->endpoint != NULL)
            finish(test, lease);
        status = fo_pick(test->f.balancer, lease);
        stress_check(status == FO_OK || status == FO_OVERLOADED, "pick: %d", status);
        if (status == FO_OK)
            note_pick(test, lease);
        else
            atomic_fetch_add_explicit(&test->refused, 1, memory_order_relaxed);
        if (test->flies && tries % 32 == 0)
            atomic_fetch_add_explicit(&test->f.now_ns, 500000, memory_order_relaxed);
    }
    for (size_t i = 0; i < HELD; i++)
        if (held[i].endpoint != NULL)
            finish(test, &held[i]);
    atomic_fetch_add(&test->tries, mine);
    return NULL;
}

/** What is to be had now: each endpoint alone has CAP, all together TOTAL_CAP. */
static void check_capacity(struct test *test)
{
    struct fo_lease leases[TOTAL_CAP + 1];
    size_t got = 0;

    while (got <= TOTAL_CAP && fo_pick(test->f.balancer, &leases[got]) == FO_OK)
        got++;
    stress_check(got == TOTAL_CAP, "%zu are to be had, not %d", got, TOTAL_CAP);
    for (size_t i = 0; i < got; i++)
        stress_check(fo_finish(&leases[i], FO_OUTCOME_SUCCESS) == FO_OK, "finish");
    for (size_t i = 0; i < ENDPOINTS; i++) {
        struct fo_endpoint_info info = fixture_info(&test->f, fixture_name(i));

        stress_check(info.load_in_flight == 0, "%lu are left at %zu",
                     (unsigned long)info.load_in_flight, i);
    }
}

static void run_one(const struct stress *run, bool flies)
{
    static struct test test;
    pthread_t thread[64];
    unsigned threads = run->threads < 64 ? run->threads : 64;

    begin(&test, run, flies);
    for (unsigned i = 0; i < threads; i++)
        thread[i] = stress_start(pick_and_finish, &test);
    for (unsigned i = 0; i < threads; i++)
        stress_join(thread[i]);
    test.f.now_ns += UINT64_C(60000000000);
    check_capacity(&test);
    printf("load_stress: %s, %lu picks, %lu of them refused\n",
           flies ? "leases age out" : "never over a limit", (unsigned long)test.tries,
           (unsigned long)test.refused);
    fixture_destroy(&test.f);
}

int main(int argc, char **argv)
{
    struct stress run = stress_begin(argc, argv);

    run_one(&run, false);
    run_one(&run, true);
    return 0;
}
