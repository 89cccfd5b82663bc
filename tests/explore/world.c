/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "stress.h"

#include <string.h>

struct world world;

static const char *const names[WORLD_NAMES] = {"a", "b", "c"};

static uint64_t world_now(void *arg)
{
    (void)arg;
    return world.now_ms * 1000000;
}

/* ---- Memory ------------------------------------------------------------------------------ */

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

/** What the library asks for memory for endpoints and snapshots: the linker has replaced it. */
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return world.out_of_memory ? NULL : __real_aligned_alloc(alignment, size);
}

/* ---- Listening --------------------------------------------------------------------------- */

static struct world_told *told_of(const struct fo_event *event, void *balancer)
{
    for (unsigned i = 0; i < WORLD_INCARNATIONS; i++) {
        struct world_told *told = &world.told[i];

        if (told->id == 0) {
            told->id = event->endpoint_id;
            told->balancer = balancer;
        }
        if (told->id == event->endpoint_id && told->balancer == balancer)
            return told;
    }
    explore_check(false, "too many incarnations");
    return NULL;
}

/** Whether that is why a host comes into that state. */
static bool reason_fits(fo_event_kind kind, fo_reason reason)
{
    switch (kind) {
    case FO_EVENT_TRIAL: return reason == FO_REASON_BACKOFF_OVER;
    case FO_EVENT_RECOVERED: return reason == FO_REASON_TRIAL_SUCCESS;
    case FO_EVENT_DOWN:
        return reason != FO_REASON_NONE && reason != FO_REASON_BACKOFF_OVER &&
               reason != FO_REASON_TRIAL_SUCCESS;
    default: return reason == FO_REASON_NONE;
    }
}

static void hear(const struct fo_event *event, void *balancer)
{
    struct world_told *told;

    explore_check(reason_fits(event->kind, event->reason), "%s with the reason %s",
                  fo_event_kind_name(event->kind), fo_reason_name(event->reason));
    if (event->kind == FO_EVENT_CLOSED) {
        world.closed++;
        return;
    }
    told = told_of(event, balancer);
    explore_check(told->released == 0, "%s after released", fo_event_kind_name(event->kind));
    if (event->kind == FO_EVENT_ADDED || event->kind == FO_EVENT_RELEASED)
        explore_check(told->added == told->removed, "%s out of order",
                      fo_event_kind_name(event->kind));
    else
        explore_check(told->added == told->removed + 1, "%s out of order",
                      fo_event_kind_name(event->kind));
    told->added += event->kind == FO_EVENT_ADDED ? 1 : 0;
    told->removed += event->kind == FO_EVENT_REMOVED ? 1 : 0;
    told->released += event->kind == FO_EVENT_RELEASED ? 1 : 0;
}

/* ---- Making ------------------------------------------------------------------------------ */

static void update(struct fo_balancer *balancer, unsigned name, void *data)
{
    struct fo_endpoint_config config = fo_endpoint_config_init(names[name]);

    config.data = data;
    config.max_weight = WORLD_WEIGHT;
    explore_check(fo_balancer_update(balancer, &config, 1, NULL, 0, NULL) == FO_OK, "update");
}

void world_put(unsigned name)
{
    update(world.balancer[0], name, &world.data[0][name]);
}

void world_put_other_data(unsigned name)
{
    update(world.balancer[0], name, &world.data[1][name]);
}

void world_put_in_vain(unsigned name)
{
    struct fo_endpoint_config config = fo_endpoint_config_init(names[name]);
    uint64_t before = world.balancer[0]->last_serial;

    config.data = &world.data[0][name];
    config.max_weight = WORLD_WEIGHT;
    world.out_of_memory = true;
    explore_check(fo_balancer_update(world.balancer[0], &config, 1, NULL, 0, NULL) == FO_NOMEM,
                  "an update without memory");
    world.out_of_memory = false;
    world.unborn += (unsigned)(world.balancer[0]->last_serial - before);
}

void world_remove(unsigned name)
{
    explore_check(fo_balancer_update(world.balancer[0], NULL, 0, &names[name], 1, NULL) == FO_OK,
                  "remove");
}

static void make_runtime(void)
{
    struct fo_runtime_config config = fo_runtime_config_init();

    config.clock = world_now;
    explore_check(fo_runtime_create(&config, &world.runtime) == FO_OK, "runtime");
}

static void make_group(const struct world_plan *plan)
{
    struct fo_group_config config = fo_group_config_init();

    config.runtime = world.runtime;
    config.trial.ramp_ms = plan->ramp_ms;
    config.judge = fo_judge_none(); /* health alone: judge_stress.c */
    explore_check(fo_group_create(&config, &world.group) == FO_OK, "group");
    atomic_store(&world.group->rng, 1); /* was the system's */
}

static void make_balancer(unsigned at, const struct world_plan *plan)
{
    struct fo_config config = fo_config_init();

    config.runtime = world.runtime;
    config.group = world.group;
    config.judge = fo_judge_none();
    config.seed = 1;
    config.trial.ramp_ms = plan->ramp_ms;
    config.row_limit = plan->row_limit != 0 ? plan->row_limit : EXPLORE_THREADS + 1;
    if (plan->weight != NULL)
        config.weight = *plan->weight;
    explore_check(fo_balancer_create(&config, &world.balancer[at]) == FO_OK, "balancer");
    explore_check(fo_subscribe(world.balancer[at],
                               FO_EVENT_ALL & ~(FO_EVENT_EXHAUSTED | FO_EVENT_AVAILABLE), hear,
                               world.balancer[at], NULL) == FO_OK,
                  "subscribe");
    explore_prepare_rows(world.balancer[at]);
    for (unsigned name = 0; name < plan->names; name++)
        update(world.balancer[at], name, &world.data[0][name]);
}

void world_begin(const struct world_plan *plan)
{
    struct fo_runtime *runtime = world.runtime;

    stress_failed = explore_print_schedule;
    memset(&world, 0, sizeof(world));
    world.runtime = runtime;
    world.balancers = plan->balancers;
    if (runtime == NULL)
        make_runtime();
    if (plan->balancers > 1)
        make_group(plan);
    for (unsigned i = 0; i < plan->balancers; i++)
        make_balancer(i, plan);
    world_dispatch();
}

/* ---- Leases ------------------------------------------------------------------------------ */

static void pick_into(void *arg)
{
    explore_check(fo_pick(world.balancer[0], arg) == FO_OK, "pick");
}

void world_pick(unsigned thread, unsigned lease)
{
    explore_as(thread, pick_into, &world.lease[lease]);
}

void world_finish(unsigned lease, fo_outcome outcome)
{
    explore_check(fo_finish(&world.lease[lease], outcome) == FO_OK, "finish");
}

bool world_pick_and_finish(unsigned balancer, fo_outcome outcome)
{
    struct fo_lease lease = fo_lease_init();
    fo_status status = fo_pick(world.balancer[balancer], &lease);

    explore_check(status == FO_OK || status == FO_UNAVAILABLE, "pick: %s", fo_status_name(status));
    explore_check(status != FO_OK || fo_finish(&lease, outcome) == FO_OK, "finish");
    return status == FO_OK;
}

/* ---- Looking ----------------------------------------------------------------------------- */

void world_advance_ms(uint64_t ms)
{
    world.now_ms += ms;
}

void world_dispatch(void)
{
    while (fo_runtime_dispatch(world.runtime) > 0)
        ;
}

struct fo__host *world_host(unsigned name)
{
    struct fo__snapshot *snapshot = atomic_load(&world.balancer[0]->core.snapshot);

    for (uint32_t i = 0; i < snapshot->count; i++)
        if (strcmp(fo_endpoint_name(snapshot->slot[i].endpoint), names[name]) == 0)
            return snapshot->slot[i].endpoint->host;
    explore_check(false, "%s is no member", names[name]);
    return NULL;
}

void world_check_sums(void)
{
    for (unsigned i = 0; i < world.balancers; i++)
        stress_check_sums(world.balancer[i]);
}

/** Of all balancers, ever. */
static unsigned count_incarnations(void)
{
    unsigned made = 0;

    for (unsigned i = 0; i < world.balancers; i++)
        made += (unsigned)world.balancer[i]->last_serial;
    return made - world.unborn;
}

static unsigned count_releases(void)
{
    unsigned releases = 0;

    for (unsigned i = 0; i < WORLD_INCARNATIONS; i++)
        releases += world.told[i].released;
    return releases;
}

void world_check_released(void)
{
    unsigned living = 0;
    unsigned incarnations;

    world_dispatch();
    incarnations = count_incarnations();
    for (unsigned i = 0; i < world.balancers; i++)
        living += world.balancer[i]->count;
    explore_check(count_releases() == incarnations - living,
                  "%u incarnations, %u live, %u released", incarnations, living, count_releases());
}

void world_end(void)
{
    unsigned incarnations = count_incarnations();

    for (unsigned i = 0; i < WORLD_LEASES; i++)
        if (world.lease[i].endpoint != NULL)
            world_finish(i, FO_OUTCOME_SUCCESS);
    for (unsigned i = 0; i < world.balancers; i++)
        fo_balancer_destroy(world.balancer[i]);
    fo_group_destroy(world.group);
    world_dispatch();
    explore_check(count_releases() == incarnations, "%u incarnations, %u released", incarnations,
                  count_releases());
    explore_check(world.closed == world.balancers, "closed %u times", world.closed);
}
