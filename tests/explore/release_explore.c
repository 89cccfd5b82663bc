/* SPDX-License-Identifier: Apache-2.0
 *
 * Release, every interleaving: leases are finished while their endpoint is removed, taken back,
 * given other data. Whatever the order,
 *
 *     it is released once if it is no member and nothing is open, and otherwise not;
 *     `owed` then rests at exactly 0 (a lease that was not waited for would take it below);
 *     the counts are exact.
 *
 * In scenarios without a dispatcher nothing is freed before check(), which looks inside. With one,
 * what was released is freed under the finishers.
 */
#include "world.h"

static struct fo_endpoint *first; /* name "a", as it was in the beginning */
static unsigned started;          /* leases of it */

static void begin(unsigned leases, unsigned row_limit)
{
    const struct world_plan plan = {.balancers = 1, .names = 1, .row_limit = row_limit};

    world_begin(&plan);
    first = atomic_load(&world.balancer[0]->core.snapshot)->slot[0].endpoint;
    started = leases;
    for (unsigned i = 0; i < leases; i++)
        world_pick(i, i);
}

static void one_lease(void)
{
    begin(1, 0);
}

static void two_leases(void)
{
    begin(2, 0);
}

static void two_leases_one_row(void)
{
    begin(2, 1);
}

/* ---- Threads ----------------------------------------------------------------------------- */

static void finish_first(void)
{
    world_finish(0, FO_OUTCOME_SUCCESS);
}

static void finish_second(void)
{
    world_finish(1, FO_OUTCOME_SUCCESS);
}

static void fail_second(void)
{
    world_finish(1, FO_OUTCOME_FAILURE);
}

static void pick_and_finish(void)
{
    struct fo_lease lease = fo_lease_init();

    if (fo_pick(world.balancer[0], &lease) != FO_OK)
        return;
    started += lease.endpoint == first ? 1 : 0;
    explore_check(fo_finish(&lease, FO_OUTCOME_SUCCESS) == FO_OK, "finish");
}

static void report(void)
{
    fo_status status = fo_report(world.balancer[0], "a", FO_OUTCOME_SUCCESS);

    explore_check(status == FO_OK || status == FO_NOTFOUND, "report: %s", fo_status_name(status));
    started += status == FO_OK ? 1 : 0;
}

static void remove_it(void)
{
    world_remove(0);
}

static void remove_and_put(void)
{
    world_remove(0);
    world_put(0);
}

static void remove_put_remove(void)
{
    world_remove(0);
    world_put(0);
    world_remove(0);
}

/** While leases are open, the update takes it back and then undoes that. */
static void put_back_in_vain(void)
{
    world_remove(0);
    world_put_in_vain(0);
}

static void put_other_data_and_back(void)
{
    world_put_other_data(0);
    world_put(0);
}

static void dispatch(void)
{
    fo_runtime_dispatch(world.runtime);
}

/* ---- Judging ----------------------------------------------------------------------------- */

/** Nothing was dispatched: `first` is still there, and so is what it has to tell. */
static void check_first(bool is_member)
{
    struct fo__counts counts = fo__endpoint_counts(first, &world.balancer[0]->core.rows);
    bool released = atomic_load(&first->release.life) == FO__RELEASED;
    bool queued = (atomic_load(&first->pending) & FO__PENDING_RELEASED) != 0;

    explore_check(queued == released, "%squeued and %sreleased", queued ? "" : "not ",
                  released ? "" : "not ");
    explore_check(released != is_member, "%s", released ? "a member is released" : "not released");
    explore_check(counts.started == started, "%u leases, counted %u", started,
                  (unsigned)counts.started);
    if (is_member)
        explore_check(counts.finished == started, "%u leases, %u finished", started,
                      (unsigned)counts.finished);
    else
        explore_check(atomic_load(&first->release.owed) == 0, "released with %d leases open",
                      -(int)atomic_load(&first->release.owed));
}

static bool first_is_member(void)
{
    const struct fo__snapshot *snapshot = atomic_load(&world.balancer[0]->core.snapshot);
    return snapshot->count > 0 && snapshot->slot[0].endpoint == first;
}

static void check(void)
{
    check_first(first_is_member());
    world_check_released();
    world_end();
}

static void check_dispatched(void)
{
    world_check_released();
    world_end();
}

/* A second dispatcher would return at once. One that runs before there is anything to do is no use,
 * but the schedules in which it begins later are walked as well. */
static const struct explore_scenario scenarios[] = {
    {"remove", 3, two_leases, {finish_first, finish_second, remove_it}, check},
    {"remove-shared", 3, two_leases_one_row, {finish_first, finish_second, remove_it}, check},
    {"remove-picked", 2, one_lease, {finish_first, pick_and_finish, remove_it}, check},
    {"remove-reported", 2, one_lease, {finish_first, report, remove_it}, check},
    {"put-back", 2, two_leases, {finish_first, finish_second, remove_and_put}, check},
    {"put-back-picked", 2, one_lease, {finish_first, pick_and_finish, remove_and_put}, check},
    {"put-back-removed", 2, two_leases, {finish_first, finish_second, remove_put_remove}, check},
    {"in-vain", 3, one_lease, {finish_first, put_back_in_vain}, check},
    {"in-vain-two", 2, two_leases, {finish_first, finish_second, put_back_in_vain}, check},
    {"other-data", 2, two_leases, {finish_first, fail_second, put_other_data_and_back}, check},
    {"freed", 2, two_leases, {finish_first, finish_second, remove_it, dispatch}, check_dispatched},
    {"put-back-freed", 2, one_lease, {finish_first, remove_put_remove, dispatch}, check_dispatched},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
