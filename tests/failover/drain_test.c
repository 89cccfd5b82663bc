/* SPDX-License-Identifier: Apache-2.0
 *
 * fo_drain(): no new picks, and everything else goes on.
 */
#include "crew.h"
#include "dump.h"
#include "fixture.h"

#include <assert.h>
#include <criterion/criterion.h>

static uint64_t picks_of(struct fixture *f, size_t index)
{
    uint64_t counts[16] = {0};

    fixture_count(f, 1000, counts);
    return counts[index];
}

Test(drain, takes_no_new_picks_and_keeps_everything_else)
{
    struct fo_endpoint_info before, now;
    struct fo_lease lease;
    struct fixture f;

    fixture_open(&f, 3, NULL);
    fixture_set_weight(&f, "e1", 50);
    do {
        cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    } while (fixture_index(lease.endpoint) != 1 && fo_finish(&lease, FO_OUTCOME_NEUTRAL) == FO_OK);
    before = fixture_info(&f, "e1");
    cr_assert_eq(fo_drain(f.balancer, "e1"), FO_OK);
    cr_assert_eq(picks_of(&f, 1), 0);
    now = fixture_info(&f, "e1");
    cr_assert(now.drained);
    cr_assert_eq(now.live_weight, 0);
    cr_assert_eq(now.health, before.health);
    cr_assert_eq(now.id, before.id);
    cr_assert_eq(now.in_flight, 1);
    cr_assert_eq(now.state, FO_STATE_UP);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(fixture_info(&f, "e1").in_flight, 0);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_REMOVED, NULL), 0);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, NULL), 0);
    cr_assert_eq(fo_undrain(f.balancer, "e1"), FO_OK);
    cr_assert_gt(picks_of(&f, 1), 100);
    cr_assert_not(fixture_info(&f, "e1").drained);
    cr_assert_float_eq(fixture_info(&f, "e1").live_weight, 50, 1e-6);
    fixture_destroy(&f);
}

Test(drain, is_told_as_updated_and_only_when_it_changes)
{
    struct fixture f;

    fixture_open(&f, 2, NULL);
    fixture_dispatch(&f);
    fixture_story(&f);
    cr_assert_eq(fo_undrain(f.balancer, "e0"), FO_OK);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "");
    cr_assert_eq(fo_drain(f.balancer, "e0"), FO_OK);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "updated e0");
    cr_assert_eq(fo_drain(f.balancer, "e0"), FO_OK);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "");
    cr_assert_eq(fo_undrain(f.balancer, "e0"), FO_OK);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "updated e0");
    fixture_destroy(&f);
}

Test(drain, of_everything_leaves_nothing_to_pick)
{
    struct fo_lease lease = fo_lease_init();
    struct fixture f;

    fixture_open(&f, 2, NULL);
    cr_assert_eq(fo_drain(f.balancer, "e0"), FO_OK);
    cr_assert_eq(fo_drain(f.balancer, "e1"), FO_OK);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_UNAVAILABLE);
    cr_assert_eq(fo_undrain(f.balancer, "e1"), FO_OK);
    cr_assert_eq(picks_of(&f, 1), 1000);
    fixture_destroy(&f);
}

Test(drain, beats_a_minimum_weight)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("e0");
    struct fixture f;

    fixture_open(&f, 2, NULL);
    config.data = fixture_data(0);
    config.min_weight = 50;
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(fo_drain(f.balancer, "e0"), FO_OK);
    cr_assert_eq(picks_of(&f, 0), 0);
    fixture_destroy(&f);
}

/* ---- What it survives --------------------------------------------------------------------- */

Test(drain, survives_updates_and_replaces)
{
    struct fo_endpoint_config all[3];
    struct fixture f;

    fixture_open(&f, 2, NULL);
    cr_assert_eq(fo_drain(f.balancer, "e0"), FO_OK);
    for (size_t i = 0; i < 3; i++) {
        all[i] = fo_endpoint_config_init(fixture_name(i));
        all[i].data = fixture_data(i);
        all[i].max_weight = 70;
        all[i].tags = 1;
    }
    cr_assert_eq(fo_balancer_update(f.balancer, &all[2], 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(picks_of(&f, 0), 0, "an update of another");
    cr_assert_eq(fo_balancer_update(f.balancer, &all[0], 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(picks_of(&f, 0), 0, "an update of itself");
    cr_assert_eq(fo_balancer_replace(f.balancer, all, 3, 0, NULL), FO_OK);
    cr_assert_eq(picks_of(&f, 0), 0, "a replace");
    cr_assert(fixture_info(&f, "e0").drained);
    fixture_destroy(&f);
}

Test(drain, survives_an_update_to_other_data)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("e0");
    struct fixture f;

    fixture_open(&f, 2, NULL);
    cr_assert_eq(fo_drain(f.balancer, "e0"), FO_OK);
    config.data = fixture_data(2); /* what discovery hands out for the same name */
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert(fixture_info(&f, "e0").drained);
    cr_assert_eq(picks_of(&f, 2), 0);
    fixture_destroy(&f);
}

Test(drain, ends_with_removal)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("e0");
    const char *removals[] = {"e0"};
    struct fo_lease lease;
    struct fixture f;

    fixture_open(&f, 1, NULL);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK); /* so that it can be taken back */
    cr_assert_eq(fo_drain(f.balancer, "e0"), FO_OK);
    cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, removals, 1, NULL), FO_OK);
    config.data = fixture_data(0);
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert_not(fixture_info(&f, "e0").drained);
    cr_assert_eq(picks_of(&f, 0), 1000);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    fixture_destroy(&f);
}

Test(drain, that_ended_with_a_removal_nobody_was_told_of_is_told_as_updated)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("e0");
    const char *removals[] = {"e0"};
    struct fo_lease lease;
    struct fixture f;

    fixture_open(&f, 1, NULL);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    cr_assert_eq(fo_drain(f.balancer, "e0"), FO_OK);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "added e0, updated e0");
    cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, removals, 1, NULL), FO_OK);
    config.data = fixture_data(0);
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "updated e0");
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    fixture_destroy(&f);
}

/* ---- With threads ------------------------------------------------------------------------ */

struct watch {
    struct fixture f;
    _Atomic bool drained;
    _Atomic bool done;
};

static void pick_and_look(size_t member, void *arg)
{
    struct watch *watch = arg;

    (void)member;
    while (!atomic_load(&watch->done)) {
        bool was_drained = atomic_load(&watch->drained);
        struct fo_lease lease;
        fo_status status = fo_pick(watch->f.balancer, &lease);

        assert(status == FO_OK);
        assert(!was_drained || fixture_index(lease.endpoint) != 0 || !atomic_load(&watch->drained));
        fo_finish(&lease, FO_OUTCOME_SUCCESS);
    }
}

Test(drain, when_it_returns_no_new_pick_lands_there)
{
    struct watch watch;
    struct crew *crew;

    fixture_open(&watch.f, 2, NULL);
    atomic_init(&watch.drained, false);
    atomic_init(&watch.done, false);
    crew = crew_start(2, pick_and_look, &watch);
    for (int i = 0; i < 1500; i++) {
        cr_assert_eq(fo_drain(watch.f.balancer, "e0"), FO_OK);
        atomic_store(&watch.drained, true);
        fixture_dispatch(&watch.f);
        atomic_store(&watch.drained, false);
        cr_assert_eq(fo_undrain(watch.f.balancer, "e0"), FO_OK);
    }
    atomic_store(&watch.done, true);
    crew_join(crew);
    fixture_destroy(&watch.f);
}

/* ---- Refused ----------------------------------------------------------------------------- */

Test(drain, refuses_what_it_does_not_know)
{
    char longer[FO_NAME_MAX + 2];
    struct fixture f;
    char *before;

    for (size_t i = 0; i <= FO_NAME_MAX; i++)
        longer[i] = 'x';
    longer[FO_NAME_MAX + 1] = '\0';
    fixture_open(&f, 1, NULL);
    before = dump(f.balancer);
    cr_assert_eq(fo_drain(f.balancer, "nobody"), FO_NOTFOUND);
    cr_assert_eq(fo_undrain(f.balancer, "nobody"), FO_NOTFOUND);
    cr_assert_eq(fo_drain(f.balancer, ""), FO_NOTFOUND);
    cr_assert_eq(fo_drain(f.balancer, longer), FO_NOTFOUND);
    cr_assert_eq(fo_drain(f.balancer, NULL), FO_EINVAL);
    cr_assert_eq(fo_drain(NULL, "e0"), FO_EINVAL);
    cr_assert_eq(fo_undrain(f.balancer, NULL), FO_EINVAL);
    cr_assert_eq(fo_undrain(NULL, "e0"), FO_EINVAL);
    cr_assert(dump_is_still(f.balancer, before));
    fixture_destroy(&f);
}
