/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows under fire: threads come and go, more of them at a time than a balancer has rows for, some
 * finish a lease so late in their exit that their row is given back already, and balancers come and
 * go under them. At the end every lease is counted once, whosever row it is in.
 *
 *     wave of threads ─► pick, finish, leave leases to others ─► exit ─► a destructor finishes
 *     every thread also picks on a guest balancer, which is destroyed with leases open
 */
#include "stress.h"

#include <poll.h>
#include <stdio.h>

#define ROW_LIMIT 2
#define NAMES 40  /* two segments */
#define PICKS 200 /* of one thread */
#define WAVES_MAX 20000
#define GUESTS_OF_LIFE 2000 /* balancers that one thread meets one after the other */
#define TABLE_MAX 1024      /* and its table must not grow with them */

struct test {
    struct fo_runtime *runtime;
    struct fo_balancer *balancer;
    struct stress_pool pool;
    pthread_key_t late; /* made after the library's own key: its destructor runs later */
    pthread_mutex_t guest_lock;
    struct fo_balancer *guest;
    _Atomic uint32_t closed;
    _Atomic uint32_t guest_closed;
    _Atomic uint64_t random;
    _Atomic uint64_t picks;
    _Atomic bool over;
};

static struct test test;

static void finish_late(void *arg)
{
    struct stress_lease *lease = arg;
    stress_finish(lease, FO_OUTCOME_SUCCESS);
}

/** Picks on the guest, if there is one: it is not destroyed meanwhile, but before the finish. */
static bool pick_on_guest(struct stress_lease *lease)
{
    bool picked;

    pthread_mutex_lock(&test.guest_lock);
    picked = test.guest != NULL && stress_pick(test.guest, NULL, lease) == FO_OK;
    pthread_mutex_unlock(&test.guest_lock);
    return picked;
}

static void use(struct stress_lease *lease, uint64_t *random)
{
    fo_outcome outcome = stress_random(random, 16) == 0 ? FO_OUTCOME_FAILURE : FO_OUTCOME_SUCCESS;

    if (stress_random(random, 4) != 0 || stress_pool_swap(&test.pool, random, lease))
        stress_finish(lease, outcome);
}

static void *live_and_die(void *arg)
{
    static __thread struct stress_lease last;
    uint64_t random = atomic_fetch_add(&test.random, UINT64_C(0x9fb21c651e98df25));
    struct stress_lease lease;

    (void)arg;
    for (int i = 0; i < PICKS; i++) {
        if (stress_pick(test.balancer, NULL, &lease) == FO_OK)
            use(&lease, &random);
        if (i % 8 == 0 && pick_on_guest(&lease))
            use(&lease, &random);
    }
    atomic_fetch_add(&test.picks, PICKS);
    if (stress_pick(test.balancer, NULL, &last) == FO_OK)
        stress_check(pthread_setspecific(test.late, &last) == 0, "setspecific");
    return NULL;
}

static void *dispatch(void *arg)
{
    (void)arg;
    while (!atomic_load(&test.over)) {
        struct pollfd ready = {.fd = fo_runtime_fd(test.runtime), .events = POLLIN};

        (void)poll(&ready, 1, 1);
        fo_runtime_dispatch(test.runtime);
    }
    return NULL;
}

/* ---- Balancers --------------------------------------------------------------------------- */

static struct fo_balancer *make_balancer(unsigned names, _Atomic uint32_t *closed)
{
    struct fo_config config = fo_config_init();
    struct fo_endpoint_config endpoint[NAMES];
    struct fo_update_result result = fo_update_result_init();
    struct fo_balancer *balancer;
    char name[NAMES][16];

    config.runtime = test.runtime;
    config.row_limit = ROW_LIMIT;
    stress_check(fo_balancer_create(&config, &balancer) == FO_OK, "balancer");
    stress_check(fo_subscribe(balancer, FO_EVENT_ALL, stress_hear, closed, NULL) == FO_OK,
                 "subscribe");
    for (unsigned i = 0; i < names; i++) {
        snprintf(name[i], sizeof(name[i]), "n%u", i);
        endpoint[i] = fo_endpoint_config_init(name[i]);
        endpoint[i].data = stress_data_new(name[i]);
    }
    stress_check(fo_balancer_update(balancer, endpoint, names, NULL, 0, &result) == FO_OK,
                 "update");
    for (unsigned i = 0; i < names; i++)
        atomic_store(&stress_tenure_of(endpoint[i].data, result.added[i].id)->born, 1);
    fo_update_result_fini(&result);
    return balancer;
}

/** Replaces the guest as soon as the last one is closed. */
static void change_guest(void)
{
    struct fo_balancer *old;

    pthread_mutex_lock(&test.guest_lock);
    old = test.guest;
    test.guest = NULL;
    pthread_mutex_unlock(&test.guest_lock);
    if (old != NULL) {
        fo_balancer_destroy(old);
    } else if (atomic_load(&test.guest_closed) == 1) {
        atomic_store(&test.guest_closed, 0);
        old = make_balancer(3, &test.guest_closed);
        pthread_mutex_lock(&test.guest_lock);
        test.guest = old;
        pthread_mutex_unlock(&test.guest_lock);
    }
}

/** What a thread keeps of balancers that are gone is bounded, however many it has met. */
static void meet_many_balancers(void)
{
    _Atomic uint32_t closed;

    for (int i = 0; i < GUESTS_OF_LIFE; i++) {
        struct fo_balancer *balancer;
        struct stress_lease lease;

        atomic_init(&closed, 0);
        balancer = make_balancer(1, &closed);
        stress_check(stress_pick(balancer, NULL, &lease) == FO_OK, "pick");
        stress_finish(&lease, FO_OUTCOME_SUCCESS);
        fo_balancer_destroy(balancer);
        while (fo_runtime_dispatch(test.runtime) > 0)
            ;
        stress_check(atomic_load(&closed) == 1, "not closed");
    }
    stress_check(fo__thread_rows.reach / sizeof(struct fo__row_entry) < TABLE_MAX,
                 "the table has grown to %llu bytes", (unsigned long long)fo__thread_rows.reach);
}

/* ---- The whole --------------------------------------------------------------------------- */

static void begin(void)
{
    struct stress_lease lease;

    stress_check(fo_runtime_create(NULL, &test.runtime) == FO_OK, "runtime");
    stress_pool_init(&test.pool);
    pthread_mutex_init(&test.guest_lock, NULL);
    test.balancer = make_balancer(NAMES, &test.closed);
    atomic_init(&test.guest_closed, 1);
    stress_check(stress_pick(test.balancer, NULL, &lease) == FO_OK, "pick");
    stress_finish(&lease, FO_OUTCOME_SUCCESS);
    stress_check(pthread_key_create(&test.late, finish_late) == 0, "key");
}

static void end(void)
{
    if (test.guest != NULL)
        fo_balancer_destroy(test.guest);
    stress_pool_drain(&test.pool);
    while (fo_runtime_dispatch(test.runtime) > 0)
        ;
    stress_check(atomic_load(&test.guest_closed) == 1, "the guest is not closed");
    stress_check_counts(test.balancer, false);
    stress_check_sums(test.balancer);
    meet_many_balancers();
    fo_balancer_destroy(test.balancer);
    while (fo_runtime_dispatch(test.runtime) > 0)
        ;
    stress_check(atomic_load(&test.closed) == 1, "not closed");
    stress_check(fo_runtime_destroy(test.runtime) == FO_OK, "the runtime is still in use");
}

int main(int argc, char **argv)
{
    struct stress run = stress_begin(argc, argv);
    unsigned threads = run.threads * 3 < 64 ? run.threads * 3 : 64;
    pthread_t thread[64];
    pthread_t dispatcher;
    uint64_t waves = 0;

    atomic_init(&test.random, run.seed);
    begin();
    dispatcher = stress_start(dispatch, NULL);
    for (unsigned i = 0; i < threads; i++)
        thread[i] = stress_start(live_and_die, NULL);
    for (; !stress_is_over() && waves < WAVES_MAX; waves++) {
        unsigned i = (unsigned)(waves % threads);

        change_guest();
        stress_join(thread[i]);
        thread[i] = stress_start(live_and_die, NULL);
    }
    for (unsigned i = 0; i < threads; i++)
        stress_join(thread[i]);
    atomic_store(&test.over, true);
    stress_join(dispatcher);
    end();
    printf("row_stress: %llu picks by %llu threads, %llu incarnations\n",
           (unsigned long long)atomic_load(&test.picks), (unsigned long long)(waves + threads),
           (unsigned long long)stress_ledger_close());
    return 0;
}
