/* SPDX-License-Identifier: Apache-2.0 */
#include "stress.h"

#include "members.h"

#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void (*stress_failed)(void);
static uint64_t end_ns;
static _Atomic uint64_t ledger_time = 1;
static struct stress_data *_Atomic all_data;

/* ---- A run ------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

struct stress stress_begin(int argc, char **argv)
{
    static const struct option known[] = {
        {"threads", required_argument, NULL, 't'},
        {"seconds", required_argument, NULL, 's'},
        {"seed", required_argument, NULL, 'x'},
        {NULL, 0, NULL, 0},
    };
    struct stress run = {4, 3, 1};
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 't': run.threads = (unsigned)strtoul(optarg, NULL, 10); break;
        case 's': run.seconds = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'x': run.seed = strtoull(optarg, NULL, 10); break;
        default: exit(2);
        }
    }
    if (run.threads == 0)
        run.threads = 1;
    end_ns = now_ns() + run.seconds * UINT64_C(1000000000);
    setvbuf(stdout, NULL, _IOLBF, 0);
    return run;
}

bool stress_is_over(void)
{
    static __thread unsigned calls;
    static __thread bool over;

    if (calls++ % 64 == 0)
        over = now_ns() >= end_ns;
    return over;
}

void stress_check(bool holds, const char *format, ...)
{
    va_list arguments;

    if (holds)
        return;
    va_start(arguments, format);
    flockfile(stderr);
    fputs("failed: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    if (stress_failed != NULL)
        stress_failed();
    fflush(stderr);
    _exit(1);
}

uint32_t stress_random(uint64_t *state, uint32_t bound)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = (*state ^ (*state >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(((z ^ (z >> 31)) >> 32) * bound >> 32);
}

pthread_t stress_start(void *(*body)(void *), void *arg)
{
    pthread_t thread;
    stress_check(pthread_create(&thread, NULL, body, arg) == 0, "no thread");
    return thread;
}

void stress_join(pthread_t thread)
{
    stress_check(pthread_join(thread, NULL) == 0, "join");
}

/* ---- The ledger -------------------------------------------------------------------------- */

#define LOAD(counter) atomic_load_explicit(&(counter), memory_order_relaxed)
#define STORE(counter, value) atomic_store_explicit(&(counter), (value), memory_order_relaxed)
#define ADD(counter, value) atomic_fetch_add_explicit(&(counter), (value), memory_order_relaxed)

struct stress_data *stress_data_new(const char *name)
{
    struct stress_data *data = calloc(1, sizeof(*data));

    stress_check(data != NULL, "out of memory");
    snprintf(data->name, sizeof(data->name), "%s", name);
    data->next = LOAD(all_data);
    while (!atomic_compare_exchange_weak(&all_data, &data->next, data))
        ;
    return data;
}

bool stress_data_is_fresh(struct stress_data *data)
{
    return LOAD(data->tenure[STRESS_TENURES - 2].id) == 0;
}

struct stress_tenure *stress_tenure_of(struct stress_data *data, uint64_t id)
{
    for (unsigned i = 0; i < STRESS_TENURES; i++) {
        struct stress_tenure *tenure = &data->tenure[i];
        uint64_t found = 0;

        if (LOAD(tenure->id) == id ||
            atomic_compare_exchange_strong_explicit(&tenure->id, &found, id, memory_order_relaxed,
                                                    memory_order_relaxed) ||
            found == id)
            return tenure;
    }
    stress_check(false, "%s: more incarnations than updates", data->name);
    return NULL;
}

void stress_joins(struct stress_data *data)
{
    for (unsigned i = 0; i < STRESS_TENURES; i++)
        STORE(data->tenure[i].gone, 0);
}

void stress_left(struct stress_data *data, uint64_t id)
{
    STORE(stress_tenure_of(data, id)->gone, ADD(ledger_time, 1) + 1);
}

static void born(struct stress_data *data, uint64_t id)
{
    struct stress_tenure *tenure = stress_tenure_of(data, id);

    /* An incarnation that was taken back is listed again, under its old id. */
    STORE(tenure->born, 1);
    stress_check(LOAD(tenure->released) == 0, "%s: a released id is a member", data->name);
}

void stress_updated(const struct fo_update_result *result, stress_data_of before,
                    stress_data_of after, void *arg)
{
    for (size_t i = 0; i < result->added_count; i++)
        born(after(result->added[i].name, arg), result->added[i].id);
    for (size_t i = 0; i < result->updated_count; i++) {
        const struct fo_update_entry *entry = &result->updated[i];

        if (entry->id != entry->previous_id) {
            born(after(entry->name, arg), entry->id);
            stress_left(before(entry->name, arg), entry->previous_id);
        }
    }
    for (size_t i = 0; i < result->removed_count; i++)
        stress_left(before(result->removed[i].name, arg), result->removed[i].id);
}

static void hear_released(const struct fo_event *event, struct stress_tenure *tenure)
{
    stress_check(ADD(tenure->released, 1) == 0, "%s: released twice", event->endpoint);
    stress_check(LOAD(tenure->open) == 0, "%s: released with %" PRId64 " leases open",
                 event->endpoint, LOAD(tenure->open));
    stress_check(!LOAD(tenure->told), "%s: released before removed", event->endpoint);
}

void stress_hear(const struct fo_event *event, void *arg)
{
    struct stress_data *data = event->data;
    _Atomic uint32_t *closed = arg;
    struct stress_tenure *tenure;

    if (event->kind == FO_EVENT_CLOSED) {
        stress_check(ADD(*closed, 1) == 0, "%s: closed twice", event->balancer);
        return;
    }
    stress_check(LOAD(*closed) == 0, "%s: an event after closed", event->balancer);
    if (event->endpoint_id == 0) /* of the balancer as a whole */
        return;
    stress_check(strcmp(data->name, event->endpoint) == 0, "%s: told with the data of %s",
                 event->endpoint, data->name);
    tenure = stress_tenure_of(data, event->endpoint_id);
    if (event->kind == FO_EVENT_RELEASED) {
        hear_released(event, tenure);
        return;
    }
    stress_check(LOAD(tenure->released) == 0, "%s: %s after released", event->endpoint,
                 fo_event_kind_name(event->kind));
    stress_check(LOAD(tenure->told) == (event->kind != FO_EVENT_ADDED), "%s: %s out of order",
                 event->endpoint, fo_event_kind_name(event->kind));
    if (event->kind == FO_EVENT_ADDED || event->kind == FO_EVENT_REMOVED)
        STORE(tenure->told, event->kind == FO_EVENT_ADDED);
}

static void check_tenure(const struct stress_data *data, struct stress_tenure *tenure)
{
    stress_check(LOAD(tenure->born) == 1, "%s: an id that no update told of", data->name);
    stress_check(LOAD(tenure->open) == 0, "%s: a lease is open", data->name);
    stress_check(LOAD(tenure->released) == 1, "%s (%" PRIx64 "): released %u times", data->name,
                 LOAD(tenure->id), LOAD(tenure->released));
}

uint64_t stress_ledger_close(void)
{
    struct stress_data *data = atomic_exchange(&all_data, NULL);
    uint64_t incarnations = 0;

    while (data != NULL) {
        struct stress_data *next = data->next;

        for (unsigned i = 0; i < STRESS_TENURES && LOAD(data->tenure[i].id) != 0; i++) {
            check_tenure(data, &data->tenure[i]);
            incarnations++;
        }
        free(data);
        data = next;
    }
    return incarnations;
}

/* ---- Leases ------------------------------------------------------------------------------ */

/** Enters a lease, picked after `before`, in the ledger. */
static void note_pick(struct stress_lease *lease, uint64_t before)
{
    uint64_t gone;

    lease->tenure = stress_tenure_of(fo_endpoint_data(lease->lease.endpoint),
                                     fo_endpoint_id(lease->lease.endpoint));
    gone = LOAD(lease->tenure->gone);
    stress_check(gone == 0 || gone > before, "%s: picked after its removal had returned",
                 fo_endpoint_name(lease->lease.endpoint));
    stress_check(LOAD(lease->tenure->released) == 0, "%s: picked after released",
                 fo_endpoint_name(lease->lease.endpoint));
    ADD(lease->tenure->open, 1);
    ADD(lease->tenure->picked, 1);
}

fo_status stress_pick(struct fo_balancer *balancer, const struct fo_pick_options *options,
                      struct stress_lease *lease)
{
    uint64_t before = LOAD(ledger_time);
    fo_status status;

    lease->lease = fo_lease_init();
    status = fo_pick_with(balancer, options, &lease->lease);
    if (status == FO_OK)
        note_pick(lease, before);
    return status;
}

fo_status stress_pick_many(struct fo_balancer *balancer, size_t n, struct stress_lease *leases,
                           size_t *got)
{
    struct fo_lease picked[STRESS_MANY];
    uint64_t before = LOAD(ledger_time);
    fo_status status;

    assert(n <= STRESS_MANY);
    status = fo_pick_many(balancer, NULL, n, picked, got);
    for (size_t i = 0; i < *got; i++) {
        leases[i].lease = picked[i];
        note_pick(&leases[i], before);
    }
    return status;
}

void stress_finish(struct stress_lease *lease, fo_outcome outcome)
{
    struct stress_tenure *tenure = lease->tenure;

    stress_check(LOAD(tenure->released) == 0, "%s: released while this lease was open",
                 fo_endpoint_name(lease->lease.endpoint));
    ADD(tenure->finished, 1);
    if (outcome == FO_OUTCOME_FAILURE || outcome == FO_OUTCOME_DOWN)
        ADD(tenure->failed, 1);
    ADD(tenure->open, -1);
    stress_check(fo_finish(&lease->lease, outcome) == FO_OK, "finish");
}

void stress_pool_init(struct stress_pool *pool)
{
    pthread_mutex_init(&pool->lock, NULL);
    pool->count = 0;
}

bool stress_pool_swap(struct stress_pool *pool, uint64_t *random, struct stress_lease *lease)
{
    bool swapped;

    pthread_mutex_lock(&pool->lock);
    swapped = pool->count == STRESS_POOL;
    if (swapped) {
        struct stress_lease *other = &pool->lease[stress_random(random, STRESS_POOL)];
        struct stress_lease mine = *lease;

        *lease = *other;
        *other = mine;
    } else {
        pool->lease[pool->count++] = *lease;
    }
    pthread_mutex_unlock(&pool->lock);
    return swapped;
}

bool stress_pool_take(struct stress_pool *pool, struct stress_lease *lease)
{
    bool taken;

    pthread_mutex_lock(&pool->lock);
    taken = pool->count > 0;
    if (taken)
        *lease = pool->lease[--pool->count];
    pthread_mutex_unlock(&pool->lock);
    return taken;
}

void stress_pool_drain(struct stress_pool *pool)
{
    struct stress_lease lease;

    while (stress_pool_take(pool, &lease))
        stress_finish(&lease, FO_OUTCOME_SUCCESS);
}

/* ---- A look inside ------------------------------------------------------------------------ */

static void check_nodes(const struct fo__sumtree *tree)
{
    for (uint32_t level = 0; level < tree->depth; level++) {
        for (uint32_t i = 0; i < tree->width[level + 1]; i++) {
            uint32_t end = (i + 1) * FO__SUMTREE_FANOUT;
            uint64_t sum = 0;

            for (uint32_t child = i * FO__SUMTREE_FANOUT; child < end; child++)
                sum += child < tree->width[level] ? atomic_load(&tree->node[level][child]) : 0;
            stress_check(sum == atomic_load(&tree->node[level + 1][i]),
                         "a sum of level %u is off by %" PRId64, level + 1,
                         (int64_t)(atomic_load(&tree->node[level + 1][i]) - sum));
        }
    }
}

void stress_wait_until_idle(struct fo_balancer *balancer)
{
    struct fo_runtime *runtime = balancer->group->runtime;

    while (atomic_load(&runtime->queue.head) != NULL || atomic_load(&runtime->dispatching) != 0)
        (void)poll(NULL, 0, 1);
}

void stress_check_sums(struct fo_balancer *balancer)
{
    struct fo__core *core = &balancer->core;
    struct fo__snapshot *snapshot = atomic_load(&core->snapshot);

    check_nodes(&snapshot->tree);
    for (uint32_t i = 0; i < snapshot->count; i++) {
        uint64_t worth = fo__slot_worth(snapshot, i, atomic_load(snapshot->slot[i].word));
        uint64_t leaf = atomic_load(&snapshot->tree.node[0][i]);

        if (core->group_is_shared)
            stress_check((worth == 0) == (leaf == 0), "slot %u: worth %" PRIu64 ", leaf %" PRIu64,
                         i, worth, leaf);
        else
            stress_check(worth == leaf, "slot %u: worth %" PRIu64 ", leaf %" PRIu64, i, worth,
                         leaf);
    }
}

static bool check_member(const struct fo_endpoint_info *info, void *arg)
{
    const bool *reports = arg;
    struct stress_tenure *tenure = stress_tenure_of(info->data, info->id);

    stress_check(info->in_flight == 0 && info->started == info->finished,
                 "%s: started %" PRIu64 ", finished %" PRIu64, info->name, info->started,
                 info->finished);
    stress_check(LOAD(tenure->picked) == LOAD(tenure->finished), "%s: the ledger is wrong",
                 info->name);
    stress_check(*reports ? info->finished >= LOAD(tenure->finished)
                          : info->finished == LOAD(tenure->finished),
                 "%s: finished %" PRIu64 ", the threads counted %" PRIu64, info->name,
                 info->finished, LOAD(tenure->finished));
    stress_check(*reports ? info->failed >= LOAD(tenure->failed)
                          : info->failed == LOAD(tenure->failed),
                 "%s: failed %" PRIu64 ", the threads counted %" PRIu64, info->name, info->failed,
                 LOAD(tenure->failed));
    return true;
}

void stress_check_counts(struct fo_balancer *balancer, bool reports)
{
    fo_status status = fo_endpoint_list(balancer, check_member, &reports);
    stress_check(status == FO_OK, "list: %s", fo_status_name(status));
}
