/* SPDX-License-Identifier: Apache-2.0
 *
 * Repair, every interleaving: threads move the health of one host at the same moment, on one
 * snapshot or while it is replaced. When all is quiet, every contribution is what its host is
 * worth, every sum is right, and no outcome is lost: a failure takes 1 of the live weight, a
 * success adds 1. And none counts that belongs to the time before the host's last change to or
 * from down.
 */
#include "world.h"

#define LOW 10 /* failures in advance: room for successes */

static int steps; /* successes - failures that the threads had */

static double rise(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    return input->live_weight + 1;
}

static double fall(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    return input->live_weight - 1;
}

static void begin(unsigned balancers)
{
    const struct fo_weight_function weight = fo_weight_custom(rise, fall, NULL);
    const struct world_plan plan = {
        .balancers = balancers, .names = 2, .weight = &weight, .ramp_ms = FO_RAMP_NONE};

    world_begin(&plan);
    steps = 0;
    for (int i = 0; i < LOW; i++)
        explore_check(fo_report(world.balancer[0], "a", FO_OUTCOME_FAILURE) == FO_OK, "report");
}

static void one_balancer(void)
{
    begin(1);
}

static void two_balancers(void)
{
    begin(2);
}

/** One balancer, and a lease of "a". */
static void with_lease(void)
{
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_endpoint_info info = fo_endpoint_info_init();

    begin(1);
    explore_check(fo_endpoint_status(world.balancer[0], "b", &info) == FO_OK, "status");
    options.exclude = &info.id;
    options.exclude_count = 1;
    explore_check(fo_pick_with(world.balancer[0], &options, &world.lease[0]) == FO_OK, "pick");
}

/** The lease is from before "a" went down and came back, at a live weight of 1. */
static void with_old_lease(void)
{
    with_lease();
    explore_check(fo_report(world.balancer[0], "a", FO_OUTCOME_DOWN) == FO_OK, "report");
    world_dispatch();
    world_advance_ms(2000);
    world_dispatch();
    explore_check(world_pick_and_finish(0, FO_OUTCOME_SUCCESS), "no trial");
    for (int i = 0; i < LOW; i++)
        explore_check(fo_report(world.balancer[0], "a", FO_OUTCOME_SUCCESS) == FO_OK, "report");
}

/* ---- Threads ----------------------------------------------------------------------------- */

static void report(unsigned balancer, fo_outcome outcome)
{
    explore_check(fo_report(world.balancer[balancer], "a", outcome) == FO_OK, "report");
}

static void fail(void)
{
    steps--;
    report(0, FO_OUTCOME_FAILURE);
}

static void succeed(void)
{
    steps++;
    report(0, FO_OUTCOME_SUCCESS);
}

static void fail_elsewhere(void)
{
    steps--;
    report(1, FO_OUTCOME_FAILURE);
}

static void go_down(void)
{
    report(0, FO_OUTCOME_DOWN);
}

static void go_down_elsewhere(void)
{
    report(1, FO_OUTCOME_DOWN);
}

static void finish_badly(void)
{
    steps--;
    world_finish(0, FO_OUTCOME_FAILURE);
}

static void finish_late(void)
{
    world_finish(0, FO_OUTCOME_SUCCESS);
}

static void fail_late(void)
{
    world_finish(0, FO_OUTCOME_FAILURE);
}

static void put_other_data(void)
{
    world_put_other_data(0);
}

static void drain_and_undrain(void)
{
    explore_check(fo_drain(world.balancer[0], "a") == FO_OK, "drain");
    explore_check(fo_undrain(world.balancer[0], "a") == FO_OK, "undrain");
}

static void dispatch(void)
{
    fo_runtime_dispatch(world.runtime);
}

/* ---- Judging ----------------------------------------------------------------------------- */

static void check_sums(void)
{
    world_check_sums(); /* before the dispatcher may mend anything */
    world_dispatch();
    world_check_sums();
}

static void check_live_weight(double expected)
{
    uint32_t health = fo__word_health(atomic_load(world_host(0)->word));
    double live = health * (WORLD_WEIGHT / (double)FO__HEALTH_ONE);

    explore_check(live == expected, "live weight %.1f, the outcomes make it %.1f", live, expected);
}

static void check_health(void)
{
    check_live_weight(WORLD_WEIGHT - LOW + steps);
}

static void check(void)
{
    check_sums();
    check_health();
    world_end();
}

/** The dispatcher has a part in it: an incarnation that has left, or another balancer. */
static void check_later(void)
{
    world_dispatch();
    world_check_sums();
    check_health();
    world_end();
}

/** Events came in order, which world.c checks, and the new incarnation is no better off. */
static void check_told(void)
{
    world_dispatch();
    world_check_sums();
    world_end();
}

/** After with_old_lease(): what the threads did since is all. */
static void check_recovered(void)
{
    check_live_weight(1 + LOW + steps);
    check_sums();
    world_end();
}

static void check_down(void)
{
    uint64_t word = atomic_load(world_host(0)->word);

    world_dispatch();
    world_check_sums();
    explore_check((word & FO__FLAG_DOWN) != 0 && fo__word_health(word) == 0, "not down");
    explore_check(fo__word_epoch(word) == 1, "epoch %u", fo__word_epoch(word));
    world_end();
}

static const struct explore_scenario scenarios[] = {
    {"two-failures", 3, one_balancer, {fail, fail}, check},
    {"up-and-down", 3, one_balancer, {fail, succeed}, check},
    {"three-changers", 2, one_balancer, {fail, succeed, fail}, check},
    {"drained", 2, one_balancer, {fail, succeed, drain_and_undrain}, check},
    {"other-data", 2, with_lease, {finish_badly, succeed, put_other_data}, check_later},
    {"other-data-down", 2, one_balancer, {put_other_data, go_down, dispatch}, check_told},
    {"down-once", 2, one_balancer, {go_down, fail, go_down}, check_down},
    {"old-success", 3, with_lease, {finish_late, go_down}, check_down},
    {"old-failure", 2, with_old_lease, {fail_late, fail, succeed}, check_recovered},
    {"shared", 2, two_balancers, {fail, fail_elsewhere, dispatch}, check_later},
    {"shared-down", 2, two_balancers, {go_down, go_down_elsewhere, dispatch}, check_down},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
