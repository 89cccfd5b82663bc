/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks under fire: servers come and go, results come from everywhere, while two balancers of a group
 * are updated, picked from and told bad things. One round for each kind of check.
 *
 *     all the time   nothing breaks (sanitizers)
 *     at the end     with all servers well every host comes back; then the balancers go while checks
 *                    run, and the runtime has nothing left
 */
#include "counter.h"
#include "server.h"
#include "stress.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define HOSTS 8
#define BALANCERS 2
#define RING 64

static struct {
    struct fo_runtime *runtime;
    struct fo_group *group;
    struct fo_balancer *balancer[BALANCERS];
    struct server server[HOSTS];
    char name[HOSTS][16];
    pthread_mutex_t lock; /* of the servers, the ring and closed */
    pthread_cond_t closes;
    uint32_t closed;
    struct fo_check_handle ring[RING];
    uint64_t begun;
    _Atomic bool all_well;
    _Atomic bool stops;
    _Atomic bool driver_stops;
    _Atomic uint64_t checks;
} test;

static void nap_us(long us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

/* ---- Checks of our own -------------------------------------------------------------------- */

static bool look_at(const struct fo_check_target *target, void *arg)
{
    uint64_t random = (uint64_t)(uintptr_t)target ^ atomic_fetch_add(&test.checks, 1);

    (void)arg;
    nap_us(stress_random(&random, 2000));
    return atomic_load(&test.all_well) || stress_random(&random, 2) == 0;
}

static void begin_check(struct fo_check_handle handle, const struct fo_check_target *target,
                        void *arg)
{
    (void)arg;
    (void)target;
    atomic_fetch_add(&test.checks, 1);
    pthread_mutex_lock(&test.lock);
    test.ring[test.begun++ % RING] = handle;
    pthread_mutex_unlock(&test.lock);
}

/** Ends what was begun, or was over long ago, or ends twice; some checks it never sees. */
static void *complete(void *arg)
{
    uint64_t random = (uint64_t)(uintptr_t)arg;

    while (!atomic_load(&test.stops)) {
        struct fo_check_handle handle;

        pthread_mutex_lock(&test.lock);
        handle = test.ring[stress_random(&random, RING)];
        pthread_mutex_unlock(&test.lock);
        fo_check_done(handle, atomic_load(&test.all_well) || stress_random(&random, 2) == 0);
        nap_us(20);
    }
    return NULL;
}

/* ---- Servers, updates, requests ----------------------------------------------------------- */

static void *disturb(void *arg)
{
    uint64_t random = (uint64_t)(uintptr_t)arg;

    while (!atomic_load(&test.stops)) {
        struct server *server = &test.server[stress_random(&random, HOSTS)];

        pthread_mutex_lock(&test.lock);
        if (atomic_load(&test.all_well) || stress_random(&random, 2) == 0)
            server_listen(server);
        else
            server_refuse(server);
        pthread_mutex_unlock(&test.lock);
        nap_us(500);
    }
    return NULL;
}

static void put(struct fo_balancer *balancer, uint32_t i, double weight)
{
    struct fo_endpoint_config endpoint = fo_endpoint_config_init(test.name[i]);

    endpoint.address = test.server[i].address;
    endpoint.max_weight = weight;
    stress_check(fo_balancer_update(balancer, &endpoint, 1, NULL, 0, NULL) == FO_OK, "an update");
}

static void *update(void *arg)
{
    uint64_t random = (uint64_t)(uintptr_t)arg;

    while (!atomic_load(&test.stops)) {
        struct fo_balancer *balancer = test.balancer[stress_random(&random, BALANCERS)];
        uint32_t i = stress_random(&random, HOSTS);
        const char *name = test.name[i];

        if (!atomic_load(&test.all_well) && stress_random(&random, 2) == 0)
            (void)!fo_balancer_update(balancer, NULL, 0, &name, 1, NULL);
        else
            put(balancer, i, 1 + stress_random(&random, 100));
        nap_us(200);
    }
    return NULL;
}

static void *request(void *arg)
{
    uint64_t random = (uint64_t)(uintptr_t)arg;

    while (!atomic_load(&test.stops)) {
        struct fo_lease lease;

        if (fo_pick(test.balancer[stress_random(&random, BALANCERS)], &lease) == FO_OK)
            (void)fo_finish(&lease, atomic_load(&test.all_well) || stress_random(&random, 50) != 0
                                        ? FO_OUTCOME_SUCCESS
                                        : FO_OUTCOME_DOWN);
        nap_us(20);
    }
    return NULL;
}

/* ---- A round ------------------------------------------------------------------------------ */

static void *drive(void *arg)
{
    (void)arg;
    while (!atomic_load(&test.driver_stops)) {
        struct pollfd ready = {.fd = fo_runtime_fd(test.runtime), .events = POLLIN};
        int ms = fo_runtime_next_deadline_ms(test.runtime);

        (void)poll(&ready, 1, ms >= 0 && ms < 10 ? ms : 10);
        fo_runtime_dispatch(test.runtime);
    }
    return NULL;
}

static void hear_closed(const struct fo_event *event, void *arg)
{
    (void)event;
    (void)arg;
    pthread_mutex_lock(&test.lock);
    test.closed++;
    pthread_cond_broadcast(&test.closes);
    pthread_mutex_unlock(&test.lock);
}

static bool see_up(const struct fo_endpoint_info *info, void *arg)
{
    uint32_t *up = arg;

    *up += info->state == FO_STATE_UP;
    return true;
}

static void await_all_up(struct fo_balancer *balancer)
{
    for (int ms = 0;; ms++) {
        uint32_t up = 0;

        for (uint32_t i = 0; i < HOSTS; i++)
            put(balancer, i, 1);
        stress_check(fo_endpoint_list(balancer, see_up, &up) == FO_OK, "a list");
        if (up == HOSTS)
            return;
        stress_check(ms < 60000, "%u of %d are back only", up, HOSTS);
        nap_us(1000);
    }
}

static void make(struct fo_check_config check)
{
    struct fo_group_config of_group = fo_group_config_init();
    struct fo_config config = fo_config_init();

    check.when = FO_CHECK_ALWAYS;
    check.interval_ms = 4;
    check.timeout_ms = 3;
    check.fast_interval_ms = 1;
    stress_check(fo_runtime_create(NULL, &test.runtime) == FO_OK, "a runtime");
    of_group.runtime = test.runtime;
    of_group.check = check;
    stress_check(fo_group_create(&of_group, &test.group) == FO_OK, "a group");
    config.group = test.group;
    for (int i = 0; i < BALANCERS; i++) {
        stress_check(fo_balancer_create(&config, &test.balancer[i]) == FO_OK, "a balancer");
        stress_check(fo_subscribe(test.balancer[i], FO_EVENT_CLOSED, hear_closed, NULL, NULL) ==
                         FO_OK,
                     "a listener");
    }
    atomic_store(&test.all_well, false);
    atomic_store(&test.stops, false);
    atomic_store(&test.driver_stops, false);
    test.closed = 0;
}

static void run(struct fo_check_config check, double seconds)
{
    static void *(*const bodies[])(void *) = {complete, disturb, update, update, request};
    pthread_t thread[sizeof(bodies) / sizeof(bodies[0])];
    pthread_t driver;

    make(check);
    driver = stress_start(drive, NULL);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        thread[i] = stress_start(bodies[i], (void *)(uintptr_t)(i + 1));
    for (double at = 0; at < seconds; at += 0.01)
        nap_us(10000);
    atomic_store(&test.all_well, true);
    for (int i = 0; i < BALANCERS; i++)
        await_all_up(test.balancer[i]);
    atomic_store(&test.stops, true);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        stress_join(thread[i]);
    for (int i = 0; i < BALANCERS; i++)
        fo_balancer_destroy(test.balancer[i]);
    fo_group_destroy(test.group);
    stress_check(counter_await(&test.lock, &test.closes, &test.closed, BALANCERS),
                 "the end of %d balancers", BALANCERS);
    atomic_store(&test.driver_stops, true);
    stress_join(driver);
    while (fo_runtime_destroy(test.runtime) == FO_BUSY)
        fo_runtime_dispatch(test.runtime);
}

int main(int argc, char **argv)
{
    struct stress options = stress_begin(argc, argv);
    double seconds = options.seconds / 3.0;

    pthread_mutex_init(&test.lock, NULL);
    pthread_cond_init(&test.closes, NULL);
    for (int i = 0; i < HOSTS; i++) {
        snprintf(test.name[i], sizeof(test.name[i]), "h%d", i);
        server_open(&test.server[i]);
    }
    run(fo_check_tcp(), seconds);
    run(fo_check_sync(look_at, NULL), seconds);
    run(fo_check_async(begin_check, NULL), seconds);
    for (int i = 0; i < HOSTS; i++)
        server_close(&test.server[i]);
    printf("check_stress: %llu checks of our own\n", (unsigned long long)test.checks);
    return 0;
}
