/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything at once, as a busy process would do it.
 *
 *     permanent   two balancers in one health group on a runtime that two threads dispatch, one of
 *                 them with a weight function of its own; one balancer on the default runtime
 *     guests      balancers of the group that are created, used and destroyed with leases open
 *     workers     pick, pick within limits, by key, several at once, finish here or elsewhere,
 *                 report, look, subscribe; a worker lives a while and leaves its leases to the
 *                 others
 *     updaters    one per permanent balancer: update, replace, remove, add again, other data,
 *                 weights, levels, zones, drain, configure
 *
 * The ledger (stress.h) is told of everything and must agree at the end. ThreadSanitizer and
 * AddressSanitizer see the rest.
 */
#include "stress.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define NAMES 20 /* more than the fan-out of a sum */
#define PERMANENT 3
#define WORKER_LIFE 3000 /* steps */
#define WORKERS_MAX 100000
#define UPDATES_MAX 100000
#define STEPS_PER_UPDATE 10 /* or the workers would wait for update locks only */

struct member {
    struct stress_data *before;
    struct stress_data *after;
    bool is_member;
};

struct set {
    struct fo_balancer *balancer;
    struct member member[NAMES]; /* the updater's */
    _Atomic uint32_t closed;
};

static struct {
    struct fo_runtime *runtime;
    struct fo_group *group;
    struct set set[PERMANENT];
    struct stress_pool pool;
    pthread_mutex_t guest_lock;
    struct fo_balancer *guest;
    _Atomic uint32_t guest_closed;
    _Atomic uint64_t random;
    _Atomic uint64_t steps;
    _Atomic uint64_t updates;
    _Atomic uint64_t guests;
    _Atomic bool over;
} test;

static char names[NAMES][8];
static const char *const zones[] = {"z0", "z1", NULL};

static uint64_t random_of_thread(void)
{
    return atomic_fetch_add(&test.random, UINT64_C(0x9fb21c651e98df25));
}

/* ---- Workers ----------------------------------------------------------------------------- */

static fo_outcome some_outcome(uint64_t *random)
{
    uint32_t number = stress_random(random, 64);
    return number < 50 ? FO_OUTCOME_SUCCESS : (fo_outcome)(1 + number % 7);
}

static fo_status pick_within_limits(struct fo_balancer *balancer, uint64_t *random,
                                    struct stress_lease *lease)
{
    struct fo_pick_options options = fo_pick_options_init();
    uint64_t exclude[2] = {0, 0};

    options.require_tags = stress_random(random, 3);
    options.strict = stress_random(random, 2) == 0;
    options.level_limit = stress_random(random, 4);
    options.zone = stress_random(random, 4) == 0 ? zones[stress_random(random, 3)] : NULL;
    options.key = stress_random(random, 2) == 0 ? random : NULL;
    options.key_size = 2;
    if (stress_pool_take(&test.pool, lease)) {
        exclude[0] = fo_endpoint_id(lease->lease.endpoint);
        exclude[1] = exclude[0] + 1; /* nobody's */
        options.exclude = exclude;
        options.exclude_count = 2;
        stress_finish(lease, FO_OUTCOME_NEUTRAL);
    }
    return stress_pick(balancer, &options, lease);
}

/** More than a quarter of the endpoints, and fewer. */
static void pick_several(struct fo_balancer *balancer, uint64_t *random)
{
    struct stress_lease leases[STRESS_MANY];
    size_t got;
    fo_status status =
        stress_pick_many(balancer, 1 + stress_random(random, STRESS_MANY), leases, &got);

    stress_check(status == (got > 0 ? FO_OK : FO_UNAVAILABLE), "pick many: %s",
                 fo_status_name(status));
    for (size_t i = 0; i < got; i++)
        stress_finish(&leases[i], some_outcome(random));
}

static void pick_and_finish(struct fo_balancer *balancer, uint64_t *random)
{
    struct stress_lease lease;
    fo_status status = stress_random(random, 8) == 0 ? pick_within_limits(balancer, random, &lease)
                                                     : stress_pick(balancer, NULL, &lease);

    if (stress_random(random, 64) == 0)
        pick_several(balancer, random);
    stress_check(status == FO_OK || status == FO_UNAVAILABLE, "pick: %s", fo_status_name(status));
    if (status == FO_OK &&
        (stress_random(random, 3) != 0 || stress_pool_swap(&test.pool, random, &lease)))
        stress_finish(&lease, some_outcome(random));
}

static void pick_on_guest(uint64_t *random)
{
    pthread_mutex_lock(&test.guest_lock);
    if (test.guest != NULL)
        pick_and_finish(test.guest, random);
    pthread_mutex_unlock(&test.guest_lock);
}

static void look(struct fo_balancer *balancer, const char *name)
{
    struct fo_endpoint_info info = fo_endpoint_info_init();
    fo_status status = fo_endpoint_status(balancer, name, &info);

    stress_check(status == FO_OK || status == FO_NOTFOUND, "status: %s", fo_status_name(status));
    stress_check(
        status != FO_OK || (info.started >= info.finished && info.finished >= info.failed &&
                            info.health <= 1 && strcmp(info.name, name) == 0),
        "%s: started %llu, finished %llu, failed %llu", name, (unsigned long long)info.started,
        (unsigned long long)info.finished, (unsigned long long)info.failed);
}

static bool see(const struct fo_endpoint_info *info, void *arg)
{
    unsigned *seen = arg;
    stress_check(((struct stress_data *)info->data)->name[0] == 'n', "list: not our data");
    return ++*seen < NAMES;
}

static bool see_explained(const struct fo_explanation *explanation, void *arg)
{
    double *sum = arg;
    *sum += explanation->probability;
    return true;
}

static void explain(struct fo_balancer *balancer)
{
    double sum = 0;

    stress_check(fo_balancer_explain(balancer, NULL, see_explained, &sum) == FO_OK, "explain");
    stress_check(sum == 0 || (sum > 0.999 && sum < 1.001), "the probabilities add up to %f", sum);
}

static void hear_for_a_while(const struct fo_event *event, void *arg)
{
    _Atomic uint32_t *heard = arg; /* gone when the subscription has ended */
    (void)event;
    atomic_fetch_add_explicit(heard, 1, memory_order_relaxed);
}

static void subscribe_for_a_while(struct fo_balancer *balancer, uint64_t *random)
{
    struct fo_subscription *subscription;
    _Atomic uint32_t heard;

    atomic_init(&heard, 0);
    stress_check(fo_subscribe(balancer, FO_EVENT_ALL | FO_EVENT_WEIGHT, hear_for_a_while, &heard,
                              &subscription) == FO_OK,
                 "subscribe");
    pick_and_finish(balancer, random);
    fo_unsubscribe(balancer, subscription);
}

static void look_around(struct fo_balancer *balancer, const char *name, uint64_t *random)
{
    unsigned seen = 0;

    switch (stress_random(random, 8)) {
    case 0: subscribe_for_a_while(balancer, random); break;
    case 1: stress_check(fo_endpoint_list(balancer, see, &seen) == FO_OK, "list"); break;
    case 2: explain(balancer); break;
    case 3: (void)fo_report(balancer, name, some_outcome(random)); break;
    default: look(balancer, name); break;
    }
}

static void *work(void *arg)
{
    uint64_t random = random_of_thread();
    int steps = 0;

    (void)arg;
    for (; steps < WORKER_LIFE && !stress_is_over(); steps++) {
        struct fo_balancer *balancer = test.set[stress_random(&random, PERMANENT)].balancer;

        if (steps % 8 == 0)
            look_around(balancer, names[stress_random(&random, NAMES)], &random);
        else if (steps % 8 == 1)
            pick_on_guest(&random);
        else
            pick_and_finish(balancer, &random);
        atomic_fetch_add_explicit(&test.steps, 1, memory_order_relaxed);
    }
    return NULL;
}

/* ---- Updaters ---------------------------------------------------------------------------- */

static unsigned index_of(const char *name)
{
    unsigned at;
    stress_check(sscanf(name, "n%u", &at) == 1, "name");
    return at;
}

static struct stress_data *data_before(const char *name, void *arg)
{
    return ((struct set *)arg)->member[index_of(name)].before;
}

static struct stress_data *data_after(const char *name, void *arg)
{
    return ((struct set *)arg)->member[index_of(name)].after;
}

/** A configuration of the name with the data it had, or with other data. */
static struct fo_endpoint_config config_of(struct set *set, unsigned name, uint64_t *random)
{
    struct fo_endpoint_config config = fo_endpoint_config_init(names[name]);
    struct member *member = &set->member[name];

    if (member->before == NULL || !stress_data_is_fresh(member->before) ||
        stress_random(random, 4) == 0)
        member->after = stress_data_new(names[name]);
    config.data = member->after;
    config.max_weight = 100 + stress_random(random, 3) * 100;
    config.min_weight = stress_random(random, 4) == 0 ? 1 : 0;
    config.init_weight = stress_random(random, 16) == 0 ? config.min_weight : FO_INIT_WEIGHT_MAX;
    config.tags = name % 3;
    config.level = stress_random(random, 4) == 0 ? 1 : 0;
    config.zone = zones[stress_random(random, 3)];
    config.degraded = stress_random(random, 8) == 0;
    stress_joins(config.data);
    return config;
}

/** Upserts some names; the others are left alone, removed, or, in a replace, not mentioned. */
static void update(struct set *set, uint64_t *random)
{
    struct fo_update_result result = fo_update_result_init();
    struct fo_endpoint_config upserts[NAMES];
    const char *removals[NAMES];
    bool replace = stress_random(random, 8) == 0;
    bool upserted[NAMES] = {false};
    bool removed[NAMES] = {false};
    size_t n = 0;
    size_t m = 0;
    fo_status status;

    for (unsigned name = 0; name < NAMES; name++) {
        struct member *member = &set->member[name];

        upserted[name] = stress_random(random, replace ? 2 : 6) == 0 || (replace && name == 0);
        removed[name] =
            member->is_member && !upserted[name] && (replace || stress_random(random, 8) == 0);
        if (upserted[name])
            upserts[n++] = config_of(set, name, random);
        else if (removed[name])
            removals[m++] = names[name];
    }
    status = replace ? fo_balancer_replace(set->balancer, upserts, n, 0, &result)
                     : fo_balancer_update(set->balancer, upserts, n, removals, m, &result);
    stress_check(status == FO_OK, "update: %s", fo_status_name(status));
    stress_updated(&result, data_before, data_after, set);
    fo_update_result_fini(&result);
    for (unsigned name = 0; name < NAMES; name++) {
        set->member[name].before = set->member[name].after;
        set->member[name].is_member =
            (set->member[name].is_member || upserted[name]) && !removed[name];
    }
}

static void drain_or_not(struct fo_balancer *balancer, const char *name, bool drain)
{
    fo_status status = drain ? fo_drain(balancer, name) : fo_undrain(balancer, name);
    stress_check(status == FO_OK || status == FO_NOTFOUND, "drain: %s", fo_status_name(status));
}

static double rise(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    stress_check(strcmp(fo_endpoint_name(input->endpoint),
                        ((struct stress_data *)fo_endpoint_data(input->endpoint))->name) == 0,
                 "a weight function sees an endpoint that is gone");
    return input->live_weight + input->max_weight / 4;
}

static double fall(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    return input->live_weight < input->max_weight / 8 ? 0 : input->live_weight / 2;
}

static void let_them_work(void)
{
    uint64_t enough = atomic_load_explicit(&test.steps, memory_order_relaxed) + STEPS_PER_UPDATE;

    while (atomic_load_explicit(&test.steps, memory_order_relaxed) < enough && !stress_is_over())
        sched_yield();
}

static struct fo_level_config some_levels(uint64_t *random)
{
    static const uint32_t sizes[] = {3, 5};
    struct fo_level_config levels = fo_level_config_init();

    if (stress_random(random, 2) == 0)
        levels.local_zone = zones[stress_random(random, 2)];
    if (stress_random(random, 2) == 0) {
        levels.core_sizes = sizes;
        levels.core_count = 1 + stress_random(random, 2);
        levels.client_id = "client";
    }
    levels.last_resort = stress_random(random, 2) == 0 ? FO_LAST_RESORT_NONE : FO_LAST_RESORT_ALL;
    return levels;
}

static void *keep_updating(void *arg)
{
    struct set *set = arg;
    uint64_t random = random_of_thread();

    for (uint64_t i = 0; i < UPDATES_MAX && !stress_is_over(); i++) {
        struct fo_config config = fo_config_init();
        const char *name = names[stress_random(&random, NAMES)];

        switch (stress_random(&random, 8)) {
        case 0: drain_or_not(set->balancer, name, true); break;
        case 1:
        case 2: drain_or_not(set->balancer, name, false); break;
        case 3:
            if (set != &test.set[0])
                config.weight = fo_weight_custom(rise, fall, NULL);
            config.levels = some_levels(&random);
            config.key_load_factor = stress_random(&random, 2) == 0 ? 1.25 : 0;
            stress_check(fo_balancer_configure(set->balancer, &config) == FO_OK, "configure");
            break;
        default: update(set, &random); break;
        }
        atomic_fetch_add(&test.updates, 1);
        let_them_work();
    }
    return NULL;
}

/* ---- Balancers --------------------------------------------------------------------------- */

static struct fo_balancer *make_balancer(struct fo_group *group, _Atomic uint32_t *closed)
{
    struct fo_config config = fo_config_init();
    struct fo_balancer *balancer;

    config.group = group;
    config.row_limit = 3; /* fewer than there are threads */
    if (group == NULL) {
        config.trial.backoff_ms = 1;
        config.trial.backoff_max_ms = 4;
        config.trial.timeout_ms = 3;
    }
    stress_check(fo_balancer_create(&config, &balancer) == FO_OK, "balancer");
    stress_check(fo_subscribe(balancer, FO_EVENT_ALL, stress_hear, closed, NULL) == FO_OK,
                 "subscribe");
    return balancer;
}

/** Replaces the guest as soon as the last one is closed. Its names are the others' names. */
static void change_guest(uint64_t *random)
{
    static struct set set;
    struct fo_balancer *old;

    pthread_mutex_lock(&test.guest_lock);
    old = test.guest;
    test.guest = NULL;
    pthread_mutex_unlock(&test.guest_lock);
    if (old != NULL) {
        fo_balancer_destroy(old);
    } else if (atomic_load(&test.guest_closed) == 1) {
        atomic_store(&test.guest_closed, 0);
        memset(&set, 0, sizeof(set));
        set.balancer = make_balancer(test.group, &test.guest_closed);
        update(&set, random);
        pthread_mutex_lock(&test.guest_lock);
        test.guest = set.balancer;
        pthread_mutex_unlock(&test.guest_lock);
        atomic_fetch_add(&test.guests, 1);
    }
}

static void *dispatch(void *arg)
{
    (void)arg;
    while (!atomic_load(&test.over)) {
        struct pollfd ready = {.fd = fo_runtime_fd(test.runtime), .events = POLLIN};
        int wait_ms = fo_runtime_next_deadline_ms(test.runtime);

        (void)poll(&ready, 1, wait_ms < 0 || wait_ms > 5 ? 5 : wait_ms);
        fo_runtime_dispatch(test.runtime);
    }
    return NULL;
}

/* ---- The whole --------------------------------------------------------------------------- */

static void begin(void)
{
    struct fo_group_config group = fo_group_config_init();

    for (unsigned i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof(names[i]), "n%u", i);
    stress_pool_init(&test.pool);
    pthread_mutex_init(&test.guest_lock, NULL);
    atomic_init(&test.guest_closed, 1);
    stress_check(fo_runtime_create(NULL, &test.runtime) == FO_OK, "runtime");
    group.runtime = test.runtime;
    group.trial.backoff_ms = 1;
    group.trial.backoff_max_ms = 4;
    group.trial.timeout_ms = 3;
    stress_check(fo_group_create(&group, &test.group) == FO_OK, "group");
    for (unsigned i = 0; i < PERMANENT; i++)
        test.set[i].balancer = make_balancer(i < 2 ? test.group : NULL, &test.set[i].closed);
}

/** The default runtime has a thread of its own: what it owes comes soon. */
static void wait_for_default_runtime(struct set *set)
{
    for (int ms = 0; ms < 20000 && atomic_load(&set->closed) == 0; ms++)
        (void)poll(NULL, 0, 1);
}

static void end(void)
{
    if (test.guest != NULL)
        fo_balancer_destroy(test.guest);
    stress_pool_drain(&test.pool);
    while (fo_runtime_dispatch(test.runtime) > 0)
        ;
    stress_check(atomic_load(&test.guest_closed) == 1, "the guest is not closed");
    for (unsigned i = 0; i < PERMANENT; i++) {
        stress_check_counts(test.set[i].balancer, true);
        stress_wait_until_idle(test.set[i].balancer);
        stress_check_sums(test.set[i].balancer);
    }
    for (unsigned i = 0; i < PERMANENT; i++)
        fo_balancer_destroy(test.set[i].balancer);
    fo_group_destroy(test.group);
    while (fo_runtime_dispatch(test.runtime) > 0)
        ;
    wait_for_default_runtime(&test.set[PERMANENT - 1]);
    for (unsigned i = 0; i < PERMANENT; i++)
        stress_check(atomic_load(&test.set[i].closed) == 1, "balancer %u is not closed", i);
    stress_check(fo_runtime_destroy(test.runtime) == FO_OK, "the runtime is still in use");
}

int main(int argc, char **argv)
{
    struct stress run = stress_begin(argc, argv);
    unsigned threads = run.threads < 64 ? run.threads : 64;
    uint64_t random;
    uint64_t lives = 0;
    pthread_t worker[64];
    pthread_t other[PERMANENT + 2];

    atomic_init(&test.random, run.seed);
    random = random_of_thread();
    begin();
    for (unsigned i = 0; i < PERMANENT; i++)
        other[i] = stress_start(keep_updating, &test.set[i]);
    other[PERMANENT] = stress_start(dispatch, NULL);
    other[PERMANENT + 1] = stress_start(dispatch, NULL);
    for (unsigned i = 0; i < threads; i++)
        worker[i] = stress_start(work, NULL);
    for (; !stress_is_over() && lives < WORKERS_MAX; lives++) {
        change_guest(&random);
        stress_join(worker[lives % threads]);
        worker[lives % threads] = stress_start(work, NULL);
    }
    for (unsigned i = 0; i < threads; i++)
        stress_join(worker[i]);
    for (unsigned i = 0; i < PERMANENT; i++)
        stress_join(other[i]);
    atomic_store(&test.over, true);
    stress_join(other[PERMANENT]);
    stress_join(other[PERMANENT + 1]);
    end();
    printf("mixed_stress: %llu steps, %llu updates, %llu guests, %llu incarnations\n",
           (unsigned long long)atomic_load(&test.steps),
           (unsigned long long)atomic_load(&test.updates),
           (unsigned long long)atomic_load(&test.guests),
           (unsigned long long)stress_ledger_close());
    return 0;
}
