/* SPDX-License-Identifier: Apache-2.0
 *
 * Trials, every interleaving: offers are put up, taken by picks on one or two balancers, given
 * back, given up and withdrawn.
 *
 *     meanwhile    a trial is taken only when no other trial of the host is out
 *     in the end   nothing is lost: no trial is out; a host whose word says that a trial is due
 *                  is on offer wherever it takes traffic; any other that is down has its
 *                  timer armed
 */
#include "world.h"

#include "lease.h"

#define LONG_MS 60000 /* behind every timer */

static unsigned out; /* trials, but for one that the dispatcher may give up */

static bool is_trial(const struct fo_lease *lease)
{
    return (lease->reserved_wide[FO__LEASE_TAKEN_WITH] & FO__LEASE_IS_TRIAL) != 0;
}

/* ---- Beginning --------------------------------------------------------------------------- */

/** "a" is down, and its trial is on offer. */
static void begin(unsigned balancers, unsigned names)
{
    const struct world_plan plan = {.balancers = balancers, .names = names};

    world_begin(&plan);
    out = 0;
    explore_check(fo_report(world.balancer[0], "a", FO_OUTCOME_DOWN) == FO_OK, "report");
    world_dispatch();
    world_advance_ms(2000); /* behind the back-off */
    world_dispatch();
    explore_check((atomic_load(world_host(0)->word) & FO__FLAG_DUE) != 0, "no trial is due");
}

static void one_balancer(void)
{
    begin(1, 1);
}

static void two_names(void)
{
    begin(1, 2);
}

static void two_balancers(void)
{
    begin(2, 1);
}

/** "a" is up, and not so well that a pick takes it without a second look. */
static void half_well(void)
{
    const struct world_plan plan = {.balancers = 1, .names = 1};

    world_begin(&plan);
    out = 0;
    explore_check(fo_report(world.balancer[0], "a", FO_OUTCOME_FAILURE) == FO_OK, "report");
}

/** The second balancer's offer is left from the last round; the next one is due. */
static void old_offer(void)
{
    begin(2, 1);
    explore_check(world_pick_and_finish(0, FO_OUTCOME_FAILURE), "no trial to take");
    world_dispatch();
    world_advance_ms(4000);
}

static void trial_is_out(void)
{
    begin(1, 1);
    world_pick(0, 0);
}

/* ---- Threads ----------------------------------------------------------------------------- */

static void try_once(unsigned balancer, fo_outcome outcome)
{
    struct fo_lease lease = fo_lease_init();
    bool trial;

    if (fo_pick(world.balancer[balancer], &lease) != FO_OK)
        return;
    trial = is_trial(&lease);
    explore_check(!trial || out++ == 0, "a second trial");
    fo__explore_step();   /* the request */
    out -= trial ? 1 : 0; /* from here on another one is right: ours is over in an instant */
    explore_check(fo_finish(&lease, outcome) == FO_OK, "finish");
}

static void succeed(void)
{
    try_once(0, FO_OUTCOME_SUCCESS);
}

static void fail(void)
{
    try_once(0, FO_OUTCOME_FAILURE);
}

static void give_back(void)
{
    try_once(0, FO_OUTCOME_NEUTRAL);
}

static void fail_on_second(void)
{
    try_once(1, FO_OUTCOME_FAILURE);
}

static void give_back_on_second(void)
{
    try_once(1, FO_OUTCOME_CANCELLED);
}

static void fail_late(void)
{
    world_finish(0, FO_OUTCOME_FAILURE);
}

static void succeed_late(void)
{
    world_finish(0, FO_OUTCOME_SUCCESS);
}

static void report_failure(void)
{
    fo_status status = fo_report(world.balancer[0], "a", FO_OUTCOME_FAILURE);
    explore_check(status == FO_OK, "report: %s", fo_status_name(status));
}

static void dispatch(void)
{
    fo_runtime_dispatch(world.runtime);
}

/** Time enough for giving up the trial that is out, and for the next offer. */
static void dispatch_later(void)
{
    for (int i = 0; i < 3; i++) {
        world_advance_ms(LONG_MS);
        fo_runtime_dispatch(world.runtime);
    }
}

static void dispatch_and_try(void)
{
    fo_runtime_dispatch(world.runtime);
    world_advance_ms(LONG_MS);
    fo_runtime_dispatch(world.runtime);
    try_once(0, FO_OUTCOME_FAILURE);
}

/** All the way from up to a trial that is out. */
static void go_down_and_try(void)
{
    explore_check(fo_report(world.balancer[0], "a", FO_OUTCOME_DOWN) == FO_OK, "report");
    dispatch_and_try();
}

static void drain_and_undrain(void)
{
    explore_check(fo_drain(world.balancer[0], "a") == FO_OK, "drain");
    explore_check(fo_undrain(world.balancer[0], "a") == FO_OK, "undrain");
}

static void remove_it(void)
{
    world_remove(0);
}

/* ---- Judging ----------------------------------------------------------------------------- */

static bool is_on_offer(struct fo_balancer *balancer, struct fo_endpoint *endpoint)
{
    for (uint32_t i = 0; i < FO__OFFERS; i++)
        if (atomic_load(&balancer->core.offer[i]) == endpoint)
            return (fo__attention(&balancer->core) & FO__ATTENTION_OFFER(i)) != 0;
    return false;
}

static void check_host(struct fo_balancer *balancer)
{
    struct fo_endpoint *endpoint = balancer->members[0];
    uint64_t word = atomic_load(endpoint->host->word);

    if ((word & FO__FLAG_DOWN) == 0)
        return;
    if ((word & FO__FLAG_TRIAL) != 0)
        explore_check(false, "the trial is lost"); /* all threads have finished theirs */
    else if ((word & FO__FLAG_DUE) != 0)
        explore_check(is_on_offer(balancer, endpoint), "the offer is lost");
    else
        explore_check(endpoint->host->timer.armed, "nobody waits for the trial");
}

static void check(void)
{
    world_dispatch();
    for (unsigned i = 0; i < world.balancers; i++)
        if (world.balancer[i]->count > 0)
            check_host(world.balancer[i]);
    world_check_sums();
    world_end();
}

/** An offer that was withdrawn comes again with the next look at the host. */
static void check_later(void)
{
    world_advance_ms(LONG_MS);
    check();
}

static const struct explore_scenario scenarios[] = {
    {"one-taker", 2, one_balancer, {succeed, fail, give_back}, check},
    {"given-back", 2, one_balancer, {give_back, give_back, dispatch}, check},
    {"two-balancers", 2, two_balancers, {fail, fail_on_second, dispatch}, check},
    {"given-back-to-two", 2, two_balancers, {give_back, give_back_on_second, dispatch}, check},
    {"old-offer", 2, old_offer, {dispatch, fail_on_second, fail}, check},
    {"given-up", 2, trial_is_out, {fail_late, dispatch_later}, check_later},
    {"given-up-success", 2, trial_is_out, {succeed_late, dispatch_later, fail}, check_later},
    {"late-pick", 2, half_well, {fail, go_down_and_try, dispatch_and_try}, check_later},
    {"reported", 2, one_balancer, {fail, report_failure, dispatch_and_try}, check_later},
    {"drained", 2, one_balancer, {fail, drain_and_undrain, dispatch}, check_later},
    {"removed", 2, two_balancers, {fail, remove_it, dispatch}, check_later},
    {"removed-freed", 2, two_names, {fail, remove_it, dispatch}, check_later},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
