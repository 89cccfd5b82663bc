/* SPDX-License-Identifier: Apache-2.0
 *
 * Out of memory: every allocation of every function fails once, and once from there on for good.
 *
 *     for each scenario, for n = 1, 2, …, on a thread of its own:
 *         build a world, dump it
 *         act with the n-th allocation refused (or all from the n-th on)
 *         FO_NOMEM: the dump is as before, and the same act works when tried again
 *         FO_OK:    it went well without (a hash table that would have liked to grow), in full
 *         tear the world down; nothing that was allocated since the beginning is left
 *         until nothing was refused any more
 *
 * The linker sends every allocation of the library through the __wrap_ functions below. A thread of
 * its own, because a thread keeps its rows until it exits.
 */
#include "dump.h"
#include "fixture.h"
#include "wrap.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Refusing and counting ---------------------------------------------------------------- */

static __thread bool armed;  /* only what the act itself allocates may be refused */
static uint64_t countdown;   /* 1: the next allocation is refused */
static bool refuse_for_good; /* and all behind it */
static uint64_t refused;

static bool must_refuse(void)
{
    if (!armed)
        return false;
    if (countdown > 0 && --countdown == 0) {
        refused++;
        countdown = refuse_for_good ? 1 : 0;
        return true;
    }
    return false;
}

/* Live blocks: a set by address. Under a sanitizer, which brings its own free() and looks for leaks
 * itself, it is not kept. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS_BLOCKS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COUNTS_BLOCKS 0
#endif
#endif
#ifndef COUNTS_BLOCKS
#define COUNTS_BLOCKS 1
#endif

#define BLOCKS_MAX 65536u /* a power of two, never half full here */
static pthread_mutex_t blocks_lock = PTHREAD_MUTEX_INITIALIZER;
static const void *blocks[BLOCKS_MAX];
static const char a_grave; /* where a block was: the search goes on behind it */
static size_t block_count;

static size_t home_of(const void *block)
{
    return (size_t)((uintptr_t)block >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 48;
}

static void *born(void *block)
{
    size_t at = home_of(block);

    if (!COUNTS_BLOCKS || block == NULL)
        return block;
    pthread_mutex_lock(&blocks_lock);
    while (blocks[at] != NULL && blocks[at] != &a_grave)
        at = (at + 1) % BLOCKS_MAX;
    blocks[at] = block;
    block_count++;
    assert(block_count < BLOCKS_MAX / 2);
    pthread_mutex_unlock(&blocks_lock);
    return block;
}

static void died(const void *block)
{
    size_t searched = 0;

    if (!COUNTS_BLOCKS || block == NULL)
        return;
    pthread_mutex_lock(&blocks_lock);
    for (size_t at = home_of(block); blocks[at] != NULL && searched < BLOCKS_MAX;
         at = (at + 1) % BLOCKS_MAX, searched++) {
        if (blocks[at] == block) {
            blocks[at] = &a_grave;
            block_count--;
            break;
        }
    }
    pthread_mutex_unlock(&blocks_lock);
}

/** With no block left the graves go, too: otherwise they fill the table in the long run. */
static void clear_graves(void)
{
    if (block_count == 0)
        memset((void *)blocks, 0, sizeof(blocks));
}

#if COUNTS_BLOCKS
void __libc_free(void *block);

void free(void *block)
{
    died(block);
    __libc_free(block);
}
#endif

void *__wrap_malloc(size_t size)
{
    return must_refuse() ? NULL : born(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return must_refuse() ? NULL : born(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (must_refuse())
        return NULL;
    died(old);
    return born(__real_realloc(old, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return must_refuse() ? NULL : born(__real_aligned_alloc(alignment, size));
}

int __wrap_posix_memalign(void **block, size_t alignment, size_t size)
{
    int error = must_refuse() ? 12 /* ENOMEM */ : __real_posix_memalign(block, alignment, size);

    if (error == 0)
        born(*block);
    return error;
}

char *__wrap_strdup(const char *text)
{
    return must_refuse() ? NULL : born(__real_strdup(text));
}

/* ---- The world --------------------------------------------------------------------------- */

#define MEMBERS 6
#define HELD 3

struct world {
    struct fixture f;
    struct fo_group *group;
    struct fo_lease held[HELD];    /* of members */
    struct fo_lease leaving[HELD]; /* of l0 … l2, which were removed and may be taken back */
    struct fo_runtime *made_runtime;
    struct fo_group *made_group;
    struct fo_balancer *made_balancer;
    struct fo_lease made_lease;
    struct fo_retrier *made_retrier;
    size_t seen;
};

static const char *current; /* what is being tried, for complaints */
static uint64_t current_n;

static void must(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "alloc_fail: %s, allocation %d: %s\n", current, (int)current_n, what);
    abort();
}

static void add_leaver(struct world *world, size_t i)
{
    char name[8];
    struct fo_endpoint_config config;
    const char *removals[] = {name};
    fo_status status;

    snprintf(name, sizeof(name), "l%zu", i);
    config = fo_endpoint_config_init(name);
    config.max_weight = 1e9; /* so the next pick hits it */
    config.data = &world->leaving[i];
    status = fo_balancer_update(world->f.balancer, &config, 1, NULL, 0, NULL);
    must(status == FO_OK, "the world cannot be built");
    do {
        if (world->leaving[i].endpoint != NULL)
            fo_finish(&world->leaving[i], FO_OUTCOME_NEUTRAL);
        status = fo_pick(world->f.balancer, &world->leaving[i]);
        must(status == FO_OK, "the world cannot be built");
    } while (fo_endpoint_data(world->leaving[i].endpoint) != &world->leaving[i]);
    status = fo_balancer_update(world->f.balancer, NULL, 0, removals, 1, NULL);
    must(status == FO_OK, "the world cannot be built");
}

static void build(struct world *world)
{
    struct fo_group_config of_group = fo_group_config_init();
    fo_status status;

    memset(world, 0, sizeof(*world));
    fixture_init(&world->f);
    fixture_balancer(&world->f, NULL);
    of_group.runtime = world->f.runtime;
    status = fo_group_create(&of_group, &world->group);
    must(status == FO_OK, "the world cannot be built");
    fixture_add(&world->f, MEMBERS, NULL);
    for (size_t i = 0; i < HELD; i++)
        add_leaver(world, i);
    for (size_t i = 0; i < HELD; i++) {
        status = fo_pick(world->f.balancer, &world->held[i]);
        must(status == FO_OK, "the world cannot be built");
    }
    fixture_set_weight(&world->f, "e1", 30);
    fixture_set_weight(&world->f, "e2", 0);
    status = fo_drain(world->f.balancer, "e3");
    must(status == FO_OK, "the world cannot be built");
    fixture_dispatch(&world->f);
}

static void tear_down(struct world *world)
{
    for (size_t i = 0; i < HELD; i++) {
        must(fo_finish(&world->held[i], FO_OUTCOME_SUCCESS) == FO_OK, "a lease was lost");
        must(fo_finish(&world->leaving[i], FO_OUTCOME_SUCCESS) == FO_OK, "a lease was lost");
    }
    fo_balancer_destroy(world->made_balancer);
    fo_group_destroy(world->made_group);
    fo_retrier_destroy(world->made_retrier);
    fo_group_destroy(world->group);
    must(fo_runtime_destroy(world->made_runtime) == FO_OK, "a runtime is still in use");
    fixture_destroy(&world->f);
}

/* ---- Acts -------------------------------------------------------------------------------- */

static fo_status create_runtime(struct world *world)
{
    return fo_runtime_create(NULL, &world->made_runtime);
}

static fo_status create_group(struct world *world)
{
    struct fo_group_config config = fo_group_config_init();

    config.runtime = world->f.runtime;
    return fo_group_create(&config, &world->made_group);
}

static fo_status create_balancer(struct world *world)
{
    struct fo_config config = fixture_config(&world->f);

    return fo_balancer_create(&config, &world->made_balancer);
}

static fo_status create_in_group(struct world *world)
{
    struct fo_config config = fixture_config(&world->f);

    config.group = world->group;
    config.check_leases = true;
    return fo_balancer_create(&config, &world->made_balancer);
}

static struct fo_endpoint_config upsert(const char *name, double max_weight, void *data)
{
    struct fo_endpoint_config config = fo_endpoint_config_init(name);

    config.max_weight = max_weight;
    config.data = data;
    return config;
}

static fo_status with_result(fo_status status, struct fo_update_result *result)
{
    if (status == FO_NOMEM) {
        must(result->added_count + result->updated_count + result->removed_count == 0,
             "a refused update lists something");
        must(result->offender == SIZE_MAX, "nobody is to blame for no memory");
    }
    fo_update_result_fini(result);
    return status;
}

/** Enough new names to grow every table on the way. */
static fo_status add_many(struct world *world)
{
    enum { N = 120 };
    static char names[N][8];
    struct fo_endpoint_config upserts[N];
    struct fo_update_result result = fo_update_result_init();

    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "n%zu", i);
        upserts[i] = upsert(names[i], 1 + (double)i, NULL);
        upserts[i].tags = i % 3;
    }
    return with_result(fo_balancer_update(world->f.balancer, upserts, N, NULL, 0, &result),
                       &result);
}

static fo_status change_everything(struct world *world)
{
    const char *removals[] = {"e4", "e5"};
    struct fo_update_result result = fo_update_result_init();
    struct fo_endpoint_config upserts[] = {
        upsert("new0", 3, NULL),
        upsert("l1", 5, &world->leaving[1]),   /* taken back */
        upsert("e0", 7, fixture_data(0)),      /* another weight */
        upsert("e1", 100, NULL),               /* other data */
        upsert("l0", 5, NULL),                 /* another incarnation of one that leaves */
        upsert("l2", 1e9, &world->leaving[2]), /* taken back as it was */
        upsert("new1", 0, NULL),
    };
    size_t n = sizeof(upserts) / sizeof(upserts[0]);

    return with_result(fo_balancer_update(world->f.balancer, upserts, n, removals, 2, &result),
                       &result);
}

static fo_status take_back(struct world *world)
{
    struct fo_endpoint_config upserts[] = {upsert("l0", 1, &world->leaving[0]),
                                           upsert("l1", 1, &world->leaving[1])};

    return fo_balancer_update(world->f.balancer, upserts, 2, NULL, 0, NULL);
}

static fo_status remove_some(struct world *world)
{
    const char *removals[] = {"e0", "e1", "e2", "e3"};

    return fo_balancer_update(world->f.balancer, NULL, 0, removals, 4, NULL);
}

static fo_status replace(struct world *world)
{
    struct fo_update_result result = fo_update_result_init();
    struct fo_endpoint_config all[] = {upsert("x", 1, NULL), upsert("e0", 2, fixture_data(0)),
                                       upsert("l0", 1, &world->leaving[0]), upsert("e1", 2, NULL)};

    return with_result(fo_balancer_replace(world->f.balancer, all, 4, 0, &result), &result);
}

static fo_status replace_by_nothing(struct world *world)
{
    return fo_balancer_replace(world->f.balancer, NULL, 0, FO_REPLACE_ALLOW_EMPTY, NULL);
}

static fo_status drain(struct world *world)
{
    return fo_drain(world->f.balancer, "e0");
}

static fo_status undrain(struct world *world)
{
    return fo_undrain(world->f.balancer, "e3");
}

static fo_status configure(struct world *world)
{
    struct fo_config config = fixture_config(&world->f);

    return fo_balancer_configure(world->f.balancer, &config);
}

static fo_status configure_levels(struct world *world)
{
    static const char *const order[] = {"near", "far"};
    static const uint32_t sizes[] = {1, 2};
    struct fo_config config = fixture_config(&world->f);

    config.levels.local_zone = "here";
    config.levels.zone_order = order;
    config.levels.zone_count = 2;
    config.levels.core_sizes = sizes;
    config.levels.core_count = 2;
    config.levels.client_id = "client";
    return fo_balancer_configure(world->f.balancer, &config);
}

static fo_status add_in_zones(struct world *world)
{
    struct fo_endpoint_config configs[2] = {fo_endpoint_config_init("z0"),
                                            fo_endpoint_config_init("z1")};

    configs[0].zone = "there";
    configs[1].zone = "elsewhere";
    configs[1].level = 3;
    configs[1].degraded = true;
    return fo_balancer_update(world->f.balancer, configs, 2, NULL, 0, NULL);
}

/** The first pick by key builds the table. */
static fo_status pick_by_key(struct world *world)
{
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_lease lease;
    fo_status status;

    options.key = "key";
    options.key_size = 3;
    status = fo_pick_with(world->f.balancer, &options, &lease);
    if (status == FO_OK)
        must(fo_finish(&lease, FO_OUTCOME_NEUTRAL) == FO_OK, "finish");
    return status;
}

static bool see_level(const struct fo_level_info *info, void *arg)
{
    (void)info;
    (void)arg;
    return true;
}

static fo_status list_levels(struct world *world)
{
    return fo_level_list(world->f.balancer, NULL, see_level, NULL);
}

static void ignore(const struct fo_event *event, void *arg)
{
    (void)event;
    (void)arg;
}

static fo_status subscribe(struct world *world)
{
    return fo_subscribe(world->f.balancer, FO_EVENT_ALL, ignore, NULL, NULL);
}

static bool see(const struct fo_endpoint_info *info, void *arg)
{
    struct world *world = arg;

    (void)info;
    world->seen++;
    return true;
}

static fo_status list(struct world *world)
{
    fo_status status;

    world->seen = 0;
    status = fo_endpoint_list(world->f.balancer, see, world);
    must(world->seen == (status == FO_OK ? MEMBERS : 0), "a refused list showed something");
    return status;
}

static bool see_explained(const struct fo_explanation *explanation, void *arg)
{
    return see(explanation->endpoint, arg);
}

static fo_status explain(struct world *world)
{
    fo_status status;

    world->seen = 0;
    status = fo_balancer_explain(world->f.balancer, NULL, see_explained, world);
    must(world->seen == (status == FO_OK ? MEMBERS : 0), "a refused explanation showed something");
    return status;
}

static fo_status save_and_restore(struct world *world)
{
    static char text[4096];
    size_t length;
    fo_status status = fo_state_save(world->f.balancer, NULL, text, sizeof(text), &length);

    if (status == FO_OK)
        status = fo_state_restore(world->f.balancer, NULL, text, length, NULL);
    return status;
}

static fo_status create_retrier(struct world *world)
{
    return fo_retrier_create(NULL, &world->made_retrier);
}

struct scenario {
    const char *name;
    fo_status (*act)(struct world *world);
};

/** A balancer whose hosts are checked, and two of those. */
static fo_status create_checked(struct world *world)
{
    struct fo_config config = fixture_config(&world->f);
    struct fo_endpoint_config upserts[] = {upsert("127.0.0.1:1", 1, NULL),
                                           upsert("named", 1, NULL)};
    fo_status status;

    config.check = fo_check_http("/health");
    config.check.host = "a.example";
    upserts[1].address = "a.example:80";
    status = fo_balancer_create(&config, &world->made_balancer);
    if (status != FO_OK)
        return status;
    status = fo_balancer_update(world->made_balancer, upserts, 2, NULL, 0, NULL);
    if (status != FO_OK) {
        fo_balancer_destroy(world->made_balancer);
        world->made_balancer = NULL;
    }
    return status;
}

static fo_status add_addresses(struct world *world)
{
    struct fo_endpoint_config upserts[] = {upsert("new", 1, NULL),
                                           upsert("e0", 7, fixture_data(0))};

    upserts[0].address = "here";
    upserts[1].address = "there";
    return fo_balancer_update(world->f.balancer, upserts, 2, NULL, 0, NULL);
}

static const struct scenario scenarios[] = {
    {"runtime create", create_runtime},
    {"group create", create_group},
    {"balancer create", create_balancer},
    {"balancer create in a group", create_in_group},
    {"balancer create with checks", create_checked},
    {"update with addresses", add_addresses},
    {"update that adds many", add_many},
    {"update of every kind", change_everything},
    {"update that takes back", take_back},
    {"update that removes", remove_some},
    {"replace", replace},
    {"replace by nothing", replace_by_nothing},
    {"drain", drain},
    {"undrain", undrain},
    {"configure", configure},
    {"configure zones and cores", configure_levels},
    {"update with zones and levels", add_in_zones},
    {"pick by key", pick_by_key},
    {"list of levels", list_levels},
    {"subscribe", subscribe},
    {"list", list},
    {"explain", explain},
    {"save and restore of state", save_and_restore},
    {"retrier create", create_retrier},
};

/* ---- One failure ------------------------------------------------------------------------- */

struct trial {
    const struct scenario *scenario;
    uint64_t n;
    bool for_good;
    bool was_refused;
    uint64_t survived;   /* refusals that were none of its business */
    char expected[4096]; /* the names behind the act */
};

static fo_status act_refused(struct trial *trial, struct world *world)
{
    fo_status status;

    countdown = trial->n;
    refuse_for_good = trial->for_good;
    refused = 0;
    armed = true;
    status = trial->scenario->act(world);
    armed = false;
    trial->was_refused = refused > 0;
    return status;
}

static void *run(void *arg)
{
    struct trial *trial = arg;
    struct world *world = calloc(1, sizeof(*world));
    fo_status status;
    char *before;

    build(world);
    before = dump(world->f.balancer);
    status = act_refused(trial, world);
    if (status == FO_NOMEM) {
        must(trial->was_refused, "it fails with all the memory it wants");
        must(dump_is_still(world->f.balancer, before), "the old state is not intact");
        fixture_dispatch(&world->f);
        status = trial->scenario->act(world);
    } else {
        trial->survived += trial->was_refused ? 1 : 0;
        free(before);
    }
    must(status == FO_OK, "it fails otherwise than with FO_NOMEM, or also when tried again");
    if (trial->n == 0)
        strcpy(trial->expected, dump_names(world->f.balancer));
    must(strcmp(trial->expected, dump_names(world->f.balancer)) == 0, "it is done by half");
    tear_down(world);
    free(world);
    return NULL;
}

static void on_its_own_thread(void *(*work)(void *), void *arg)
{
    size_t before = block_count;
    pthread_t thread;

    must(pthread_create(&thread, NULL, work, arg) == 0, "no thread");
    pthread_join(thread, NULL);
    if (block_count != before)
        fprintf(stderr, "alloc_fail: %zu blocks more than before\n", block_count - before);
    must(block_count == before, "memory is lost");
    clear_graves();
}

static uint64_t fail_each(const struct scenario *scenario, bool for_good)
{
    static struct trial trial;

    trial = (struct trial){.scenario = scenario, .for_good = for_good};
    current = scenario->name;
    do {
        current_n = trial.n;
        on_its_own_thread(run, &trial); /* the first time, for n = 0, nothing is refused */
    } while (trial.n++ == 0 || trial.was_refused);
    must(trial.survived * 4 <= trial.n, "most failures are survived in silence");
    return trial.n - 2;
}

/* ---- First calls of a thread --------------------------------------------------------------- */

struct first_pick {
    struct fo_balancer *balancer;
    uint64_t n;
    bool was_refused;
    bool reports;
};

/* A first pick without memory falls back to counters that are shared; it never fails. */
static void *pick_first(void *arg)
{
    struct first_pick *first = arg;
    struct fo_lease leases[50];

    countdown = first->n;
    refuse_for_good = true;
    refused = 0;
    armed = true;
    for (int i = 0; i < 50; i++) {
        fo_status status = first->reports ? fo_report(first->balancer, "e0", FO_OUTCOME_NEUTRAL)
                                          : fo_pick(first->balancer, &leases[i]);
        must(status == FO_OK, "a pick without memory fails");
    }
    for (int i = 0; i < 50 && !first->reports; i++)
        must(fo_finish(&leases[i], FO_OUTCOME_SUCCESS) == FO_OK, "nor can it be finished");
    armed = false;
    first->was_refused = refused > 0;
    return NULL;
}

static bool add_counters(const struct fo_endpoint_info *info, void *arg)
{
    uint64_t *sum = arg;

    must(info->in_flight == 0, "leases are left in flight");
    *sum += info->started;
    return true;
}

static uint64_t fail_first_picks(bool reports, bool check_leases)
{
    struct first_pick first = {.n = 0, .reports = reports};

    do {
        struct fo_config config;
        struct fixture f;
        uint64_t sum = 0;
        pthread_t thread;

        fixture_init(&f);
        config = fixture_config(&f);
        config.check_leases = check_leases;
        fixture_balancer(&f, &config);
        fixture_add(&f, 40, NULL);
        first.balancer = f.balancer;
        first.n++;
        must(pthread_create(&thread, NULL, pick_first, &first) == 0, "no thread");
        pthread_join(thread, NULL);
        must(fo_endpoint_list(f.balancer, add_counters, &sum) == FO_OK, "no list");
        must(sum == 50, "picks without memory are not all counted");
        fixture_destroy(&f);
    } while (first.was_refused);
    return first.n - 1;
}

/** The table of checked leases is the process's and stays: made once before blocks are counted. */
static void *check_one_lease(void *arg)
{
    struct fo_config config;
    struct fixture f;

    (void)arg;
    fixture_init(&f);
    config = fixture_config(&f);
    config.check_leases = true;
    fixture_balancer(&f, &config);
    fixture_add(&f, 1, NULL);
    fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    fixture_destroy(&f);
    return NULL;
}

static uint64_t first_points;

static void *fail_all_first_calls(void *arg)
{
    (void)arg;
    current = "first calls";
    first_points = fail_first_picks(false, false) + fail_first_picks(true, false) +
                   fail_first_picks(false, true);
    return NULL;
}

int main(void)
{
    uint64_t points = 0;
    pthread_t thread;

    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        uint64_t once = fail_each(&scenarios[i], false);
        uint64_t for_good = fail_each(&scenarios[i], true);

        must(once > 0, "a scenario allocates nothing: it shows nothing");
        must(for_good > 0 && for_good <= once, "it allocates more when it cannot");
        printf("%-28s %3d allocations\n", scenarios[i].name, (int)once);
        points += once;
    }
    must(pthread_create(&thread, NULL, check_one_lease, NULL) == 0, "no thread");
    pthread_join(thread, NULL);
    on_its_own_thread(fail_all_first_calls, NULL);
    must(first_points > 0, "first calls allocate nothing: that shows nothing");
    printf("%-28s %3d allocations\n", "first pick and report", (int)first_points);
    printf("alloc_fail: %d allocations refused, each alone and with all behind it\n",
           (int)(points + first_points));
    return 0;
}
