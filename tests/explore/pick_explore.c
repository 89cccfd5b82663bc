/* SPDX-License-Identifier: Apache-2.0
 *
 * Picks against everything that replaces what they read, every interleaving: once a call that
 * takes an endpoint out of traffic has returned, no pick that begins later lands on it; a pick
 * that begins when something can be picked finds it; and nothing is freed under a reader (freed
 * memory is looked at by the checks of a build with AddressSanitizer).
 */
#include "world.h"

#include <string.h>

static bool is_out; /* "a": the call has returned */

static void begin(unsigned balancers, unsigned names)
{
    const struct world_plan plan = {.balancers = balancers, .names = names};

    world_begin(&plan);
    is_out = false;
}

static void two_names(void)
{
    begin(1, 2);
}

static void with_lease(void)
{
    begin(1, 1);
    world_pick(0, 0);
}

static void report_down(const char *name)
{
    explore_check(fo_report(world.balancer[0], name, FO_OUTCOME_DOWN) == FO_OK, "report");
}

/** All are down in both balancers, b and c wait; then "a" recovers, and nobody told the second. */
static void recovered_elsewhere(void)
{
    struct fo_lease lease;

    begin(2, 3);
    report_down("a");
    report_down("b");
    report_down("c");
    world_dispatch();
    world_advance_ms(2000); /* behind the back-off */
    world_dispatch();
    for (int i = 0; i < 3; i++) {
        explore_check(fo_pick(world.balancer[0], &lease) == FO_OK, "no trial to take");
        if (strcmp(fo_endpoint_name(lease.endpoint), "a") == 0)
            world.lease[0] = lease;
        else
            fo_finish(&lease, FO_OUTCOME_FAILURE);
    }
    world_dispatch();
    world_finish(0, FO_OUTCOME_SUCCESS);
}

/* ---- Threads ----------------------------------------------------------------------------- */

static void pick(void)
{
    bool was_out = is_out;
    struct fo_lease lease = fo_lease_init();

    explore_check(fo_pick(world.balancer[0], &lease) == FO_OK, "nothing to pick");
    explore_check(!was_out || strcmp(fo_endpoint_name(lease.endpoint), "a") != 0,
                  "picked what is out");
    explore_check(fo_finish(&lease, FO_OUTCOME_SUCCESS) == FO_OK, "finish");
}

static void pick_twice(void)
{
    pick();
    pick();
}

static void remove_a(void)
{
    world_remove(0);
    is_out = true;
}

static void drain_a(void)
{
    explore_check(fo_drain(world.balancer[0], "a") == FO_OK, "drain");
    is_out = true;
}

static void dispatch(void)
{
    fo_runtime_dispatch(world.runtime);
}

static void pick_on_second(void)
{
    explore_check(world_pick_and_finish(1, FO_OUTCOME_SUCCESS), "nothing to pick");
}

static void pick_twice_on_second(void)
{
    for (int i = 0; i < 2; i++)
        pick_on_second();
}

/** Its lease keeps the balancer alive meanwhile. */
static void pick_then_finish(void)
{
    struct fo_lease lease = fo_lease_init();
    fo_status status = fo_pick(world.balancer[0], &lease);

    explore_check(status == FO_OK || status == FO_CLOSED, "pick: %s", fo_status_name(status));
    if (status == FO_OK)
        explore_check(fo_finish(&lease, FO_OUTCOME_SUCCESS) == FO_OK, "finish");
    world_finish(0, FO_OUTCOME_SUCCESS);
}

static void fail_lease(void)
{
    world_finish(0, FO_OUTCOME_FAILURE);
}

static void configure(void)
{
    struct fo_config config = fo_config_init();

    config.weight = fo_weight_linear();
    explore_check(fo_balancer_configure(world.balancer[0], &config) == FO_OK, "configure");
}

static void look(void)
{
    struct fo_endpoint_info info = fo_endpoint_info_init();
    fo_status status = fo_endpoint_status(world.balancer[0], "a", &info);

    explore_check(status == FO_OK || status == FO_NOTFOUND, "status: %s", fo_status_name(status));
    explore_check(info.finished <= info.started, "%u started, %u finished", (unsigned)info.started,
                  (unsigned)info.finished);
}

static void destroy(void)
{
    fo_balancer_destroy(world.balancer[0]);
    world.balancers = 0;
}

/* ---- Judging ----------------------------------------------------------------------------- */

static void check(void)
{
    world_check_released();
    world_check_sums();
    world_end();
}

static void check_destroyed(void)
{
    world_dispatch();
    explore_check(world.closed == 1, "closed %u times", world.closed);
    explore_check(world.told[0].released == 1, "released %u times", world.told[0].released);
}

static const struct explore_scenario scenarios[] = {
    {"removed", 2, two_names, {pick_twice, pick, remove_a}, check},
    {"drained", 2, two_names, {pick_twice, pick, drain_a}, check},
    {"removed-freed", 2, two_names, {pick, remove_a, dispatch}, check},
    {"looked-at", 2, two_names, {look, pick_twice, dispatch}, check},
    {"looked-at-removed", 2, two_names, {look, pick, remove_a, dispatch}, check},
    {"configured", 3, with_lease, {fail_lease, configure}, check},
    {"destroyed", 2, with_lease, {pick_then_finish, destroy, dispatch}, check_destroyed},
    {"recovered-elsewhere",
     2,
     recovered_elsewhere,
     {pick_twice_on_second, pick_twice_on_second, pick_twice_on_second},
     check},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
