/* SPDX-License-Identifier: Apache-2.0
 *
 * Reviews, every interleaving: threads move the health of endpoints of different levels at the same
 * moment, on one snapshot or while it is replaced by one that has the levels the other way round.
 * When all is quiet, every tier is worth what its hosts are, and shares, panic, state and attention
 * are what a fresh judgement gives.
 */
#include "world.h"

#include <inttypes.h>

#define PANIC 0.4 /* a level less healthy than this panics while there is not enough of all */

/* ---- Beginning --------------------------------------------------------------------------- */

static struct fo_endpoint_config at_level(const char *name, unsigned number, uint32_t level)
{
    struct fo_endpoint_config config = fo_endpoint_config_init(name);

    config.data = &world.data[0][number];
    config.max_weight = WORLD_WEIGHT;
    config.level = level;
    return config;
}

static void put(uint32_t level_of_a, uint32_t level_of_b)
{
    const struct fo_endpoint_config configs[] = {at_level("a", 0, level_of_a),
                                                 at_level("b", 1, level_of_b)};

    explore_check(fo_balancer_update(world.balancer[0], configs, 2, NULL, 0, NULL) == FO_OK,
                  "update");
}

static void report(const char *name, fo_outcome outcome)
{
    explore_check(fo_report(world.balancer[0], name, outcome) == FO_OK, "report");
}

/** "a" at level 0, "b" at level 1. */
static void two_levels(void)
{
    const struct world_plan plan = {.balancers = 1, .names = 2};
    struct fo_config config = fo_config_init();

    world_begin(&plan);
    config.levels.panic_threshold = PANIC;
    explore_check(fo_balancer_configure(world.balancer[0], &config) == FO_OK, "configure");
    put(0, 1);
    world_dispatch();
}

/** "a" is down, and a lease holds its trial. */
static void trial_is_out(void)
{
    two_levels();
    report("a", FO_OUTCOME_DOWN);
    world_dispatch();
    world_advance_ms(2000); /* behind the back-off */
    world_dispatch();
    world_pick(0, 0);
    explore_check((atomic_load(world_host(0)->word) & FO__FLAG_TRIAL) != 0, "no trial is out");
}

/** Both are down, and "a" is on trial. */
static void trial_is_the_last_hope(void)
{
    trial_is_out();
    report("b", FO_OUTCOME_DOWN);
}

/* ---- Threads ----------------------------------------------------------------------------- */

static void a_falls(void)
{
    report("a", FO_OUTCOME_DOWN);
}

static void a_weakens(void)
{
    report("a", FO_OUTCOME_FAILURE);
}

static void a_recovers(void)
{
    world_finish(0, FO_OUTCOME_SUCCESS);
}

static void b_falls(void)
{
    report("b", FO_OUTCOME_DOWN);
}

static void b_weakens(void)
{
    report("b", FO_OUTCOME_FAILURE);
}

static void swap_levels(void)
{
    put(1, 0);
}

static void dispatch(void)
{
    fo_runtime_dispatch(world.runtime);
}

/* ---- Judging ----------------------------------------------------------------------------- */

/** By the host words alone. */
static struct fo__supply supply_of(const struct fo__snapshot *snapshot, const struct fo__tier *tier)
{
    struct fo__supply supply = {0, tier->level_units, tier->endpoints, tier->level};

    for (uint32_t i = tier->first; i < tier->first + tier->n; i++)
        supply.live += fo__slot_worth(snapshot, i, atomic_load(snapshot->slot[i].word));
    explore_check(atomic_load(&tier->worth) == supply.live,
                  "level %u: worth %" PRIu64 ", by the hosts %" PRIu64, tier->level,
                  atomic_load(&tier->worth), supply.live);
    return supply;
}

static void check_verdict(void)
{
    const struct fo__core *core = &world.balancer[0]->core;
    const struct fo__snapshot *snapshot = atomic_load(&core->snapshot);
    bool attention = (atomic_load(&core->gate) & FO__ATTENTION_LEVELS) != 0;
    struct fo__supply supply[FO__TIERS_MAX];
    struct fo__portion portion[FO__TIERS_MAX];
    fo_balancer_state state;

    for (uint32_t i = 0; i < snapshot->tier_count; i++)
        supply[i] = supply_of(snapshot, &snapshot->tier[i]);
    state = fo__levels_share(&snapshot->rule, supply, snapshot->tier_count, portion);
    for (uint32_t i = 0; i < snapshot->tier_count; i++) {
        const struct fo__tier *tier = &snapshot->tier[i];

        explore_check(atomic_load(&tier->share_end) == portion[i].end,
                      "tier %u: share up to %" PRIx64 ", not %" PRIx64, i,
                      atomic_load(&tier->share_end), portion[i].end);
        explore_check(atomic_load(&tier->panic) == portion[i].panic, "tier %u: panic %d", i,
                      !portion[i].panic);
    }
    explore_check(atomic_load(&snapshot->state) == (uint32_t)state, "state %u, not %d",
                  atomic_load(&snapshot->state), (int)state);
    explore_check(attention == (state != FO_BALANCER_NORMAL), "attention %d in state %d", attention,
                  (int)state);
}

static void check(void)
{
    world_check_sums(); /* before the dispatcher may mend anything */
    check_verdict();
    world_dispatch();
    world_check_sums();
    check_verdict();
    world_end();
}

static const struct explore_scenario scenarios[] = {
    {"both-fall", 3, two_levels, {a_falls, b_falls}, check},
    {"both-weaken", 2, two_levels, {a_weakens, b_weakens, a_weakens}, check},
    {"fall-and-recover", 3, trial_is_out, {a_recovers, b_falls}, check},
    {"recover", 2, trial_is_the_last_hope, {a_recovers, b_falls, dispatch}, check},
    {"fall-in-update", 2, two_levels, {a_falls, b_falls, swap_levels}, check},
    {"weaken-in-update", 2, two_levels, {a_weakens, b_falls, swap_levels}, check},
    {"recover-in-update", 2, trial_is_out, {a_recovers, b_falls, swap_levels}, check},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
