/* SPDX-License-Identifier: Apache-2.0
 *
 * Health groups: what is learned about a server is learned once, and it is tried once.
 */
#include "crew.h"
#include "dump.h"
#include "fixture.h"

#include <assert.h>
#include <criterion/criterion.h>

#define BALANCERS 6

struct shop {
    struct fixture f;
    struct fo_group *group;
    struct fo_balancer *balancer[BALANCERS];
};

static void begin(struct shop *shop, size_t balancers, size_t endpoints)
{
    struct fo_group_config config = fo_group_config_init();

    fixture_init(&shop->f);
    config.runtime = shop->f.runtime;
    config.trial.backoff_ms = 100;
    config.trial.timeout_ms = 500;
    cr_assert_eq(fo_group_create(&config, &shop->group), FO_OK);
    for (size_t i = 0; i < balancers; i++) {
        struct fo_config mine = fixture_config(&shop->f);

        mine.runtime = NULL; /* the group's */
        mine.group = shop->group;
        mine.weight = fo_weight_ratio();
        shop->balancer[i] = fixture_balancer(&shop->f, &mine);
        fixture_add_to(shop->balancer[i], endpoints, NULL, NULL);
    }
    fixture_dispatch(&shop->f);
    fixture_story(&shop->f);
}

static void end(struct shop *shop)
{
    fo_group_destroy(shop->group);
    fixture_destroy(&shop->f);
}

static struct fo_endpoint_info info_of(struct fo_balancer *balancer, const char *name)
{
    struct fo_endpoint_info info = fo_endpoint_info_init();

    cr_assert_eq(fo_endpoint_status(balancer, name, &info), FO_OK);
    return info;
}

static size_t pick_and_finish(struct fo_balancer *balancer, fo_outcome outcome)
{
    struct fo_lease lease;
    size_t index;

    cr_assert_eq(fo_pick(balancer, &lease), FO_OK);
    index = fixture_index(lease.endpoint);
    cr_assert_eq(fo_finish(&lease, outcome), FO_OK);
    return index;
}

Test(group, shares_health_between_endpoints_of_one_name)
{
    struct shop shop;

    begin(&shop, 3, 2);
    cr_assert_eq(fo_report(shop.balancer[0], "e1", FO_OUTCOME_FAILURE), FO_OK);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(info_of(shop.balancer[i], "e1").health, 0.5);
        cr_assert_eq(info_of(shop.balancer[i], "e0").health, 1);
    }
    cr_assert_eq(info_of(shop.balancer[1], "e1").started, 0, "counters are each balancer's own");
    cr_assert_eq(fo_report(shop.balancer[2], "e1", FO_OUTCOME_DOWN), FO_OK);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(info_of(shop.balancer[i], "e1").state, FO_STATE_DOWN);
        for (int n = 0; n < 300; n++) /* at once, before anything is dispatched */
            cr_assert_eq(pick_and_finish(shop.balancer[i], FO_OUTCOME_SUCCESS), 0);
    }
    end(&shop);
}

Test(group, all_hear_of_a_crash_and_of_the_return)
{
    struct shop shop;

    begin(&shop, 2, 1);
    cr_assert_eq(fo_report(shop.balancer[1], "e0", FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&shop.f);
    cr_assert_str_eq(fixture_story(&shop.f), "down e0 (outcome down), down e0 (outcome down)");
    fixture_advance_ms(&shop.f, 121);
    cr_assert_str_eq(fixture_story(&shop.f), "trial e0 (back-off over), trial e0 (back-off over)");
    pick_and_finish(shop.balancer[0], FO_OUTCOME_SUCCESS);
    fixture_dispatch(&shop.f);
    cr_assert_str_eq(fixture_story(&shop.f),
                     "recovered e0 (trial success), recovered e0 (trial success)");
    cr_assert_neq(shop.f.events[shop.f.event_count - 1].opened,
                  shop.f.events[shop.f.event_count - 2].opened);
    end(&shop);
}

Test(group, keeps_weights_tags_and_drains_apart)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("e0");
    struct shop shop;

    begin(&shop, 2, 2);
    config.data = fixture_data(0);
    config.max_weight = 7;
    config.tags = 1;
    cr_assert_eq(fo_balancer_update(shop.balancer[0], &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(info_of(shop.balancer[1], "e0").max_weight, 100);
    cr_assert_eq(info_of(shop.balancer[1], "e0").tags, 0);
    cr_assert_eq(fo_drain(shop.balancer[0], "e1"), FO_OK);
    cr_assert_not(info_of(shop.balancer[1], "e1").drained);
    cr_assert_eq(fo_report(shop.balancer[1], "e0", FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(info_of(shop.balancer[0], "e0").live_weight, 3.5, "half of its own weight");
    cr_assert_eq(info_of(shop.balancer[1], "e0").live_weight, 50);
    end(&shop);
}

Test(group, a_newcomer_begins_with_what_is_known)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("e0");
    struct shop shop;

    begin(&shop, 2, 1);
    fixture_add_to(shop.balancer[0], 3, NULL, NULL);
    cr_assert_eq(fo_report(shop.balancer[0], "e1", FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(fo_report(shop.balancer[0], "e2", FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&shop.f);
    fixture_story(&shop.f);
    config.name = "e1";
    config.init_weight = 90;
    cr_assert_eq(fo_balancer_update(shop.balancer[1], &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(info_of(shop.balancer[1], "e1").live_weight, 50, "init_weight is for the unknown");
    config.name = "e2";
    cr_assert_eq(fo_balancer_update(shop.balancer[1], &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(info_of(shop.balancer[1], "e2").state, FO_STATE_DOWN);
    fixture_dispatch(&shop.f);
    cr_assert_str_eq(fixture_story(&shop.f), "added e1, added e2, down e2 (outcome down)");
    end(&shop);
}

Test(group, forgets_a_name_that_nobody_has_any_more)
{
    const char *removals[] = {"e0"};
    struct shop shop;

    begin(&shop, 2, 1);
    cr_assert_eq(fo_report(shop.balancer[0], "e0", FO_OUTCOME_DOWN), FO_OK);
    cr_assert_eq(fo_balancer_update(shop.balancer[0], NULL, 0, removals, 1, NULL), FO_OK);
    fixture_dispatch(&shop.f);
    fixture_add_to(shop.balancer[0], 1, NULL, NULL);
    cr_assert_eq(info_of(shop.balancer[0], "e0").state, FO_STATE_DOWN, "the other still has it");
    for (int i = 0; i < 2; i++)
        cr_assert_eq(fo_balancer_update(shop.balancer[i], NULL, 0, removals, 1, NULL), FO_OK);
    fixture_dispatch(&shop.f);
    fixture_add_to(shop.balancer[0], 1, NULL, NULL);
    cr_assert_eq(info_of(shop.balancer[0], "e0").state, FO_STATE_UP);
    end(&shop);
}

/* ---- Trials ------------------------------------------------------------------------------ */

struct rush {
    struct shop shop;
    struct fo_lease trial; /* of whoever got it */
    _Atomic int trials;
};

/* Every balancer has e0 only, which is down: a pick gets its trial or nothing. */
static void pick_twenty(size_t member, void *arg)
{
    struct rush *rush = arg;

    for (int i = 0; i < 20; i++) {
        struct fo_lease lease;
        fo_status status = fo_pick(rush->shop.balancer[member], &lease);

        assert(status == FO_OK || status == FO_UNAVAILABLE);
        if (status == FO_OK && atomic_fetch_add(&rush->trials, 1) == 0)
            rush->trial = lease;
    }
}

Test(group, only_one_balancer_of_many_takes_the_trial)
{
    struct rush rush;

    begin(&rush.shop, BALANCERS, 1);
    cr_assert_eq(fo_report(rush.shop.balancer[0], "e0", FO_OUTCOME_DOWN), FO_OK);
    for (int round = 0; round < 50; round++) {
        fo_outcome outcome = round % 5 == 4 ? FO_OUTCOME_SUCCESS : FO_OUTCOME_FAILURE;

        fixture_advance_ms(&rush.shop.f, 36001);
        atomic_store(&rush.trials, 0);
        crew_run(BALANCERS, pick_twenty, &rush);
        cr_assert_eq(atomic_load(&rush.trials), 1, "round %d: %d", round,
                     atomic_load(&rush.trials));
        cr_assert_eq(fo_finish(&rush.trial, outcome), FO_OK);
        for (int i = 0; i < BALANCERS; i++)
            cr_assert_eq(info_of(rush.shop.balancer[i], "e0").state,
                         outcome == FO_OUTCOME_SUCCESS ? FO_STATE_UP : FO_STATE_DOWN);
        if (outcome == FO_OUTCOME_SUCCESS)
            for (int i = 0; i < BALANCERS; i++) /* at once, before anything is dispatched */
                cr_assert_eq(pick_and_finish(rush.shop.balancer[i], FO_OUTCOME_NEUTRAL), 0);
        fixture_dispatch(&rush.shop.f);
        if (outcome == FO_OUTCOME_SUCCESS)
            cr_assert_eq(fo_report(rush.shop.balancer[3], "e0", FO_OUTCOME_DOWN), FO_OK);
    }
    end(&rush.shop);
}

Test(group, a_trial_may_be_taken_by_a_balancer_that_came_later)
{
    struct fo_config late = fo_config_init();
    struct fo_balancer *balancer;
    struct shop shop;

    begin(&shop, 1, 1);
    cr_assert_eq(fo_report(shop.balancer[0], "e0", FO_OUTCOME_DOWN), FO_OK);
    fixture_advance_ms(&shop.f, 121);
    late.group = shop.group;
    late.name = "late";
    balancer = fixture_balancer(&shop.f, &late);
    fixture_add_to(balancer, 1, NULL, NULL);
    fixture_dispatch(&shop.f);
    cr_assert_eq(pick_and_finish(balancer, FO_OUTCOME_SUCCESS), 0);
    cr_assert_eq(info_of(shop.balancer[0], "e0").state, FO_STATE_UP);
    end(&shop);
}

Test(group, a_trial_goes_to_a_balancer_that_gives_it_traffic)
{
    struct fo_lease lease;
    struct shop shop;

    begin(&shop, 2, 1);
    cr_assert_eq(fo_drain(shop.balancer[0], "e0"), FO_OK);
    cr_assert_eq(fo_report(shop.balancer[0], "e0", FO_OUTCOME_DOWN), FO_OK);
    fixture_advance_ms(&shop.f, 121);
    cr_assert_eq(fo_pick(shop.balancer[0], &lease), FO_UNAVAILABLE);
    cr_assert_eq(pick_and_finish(shop.balancer[1], FO_OUTCOME_SUCCESS), 0);
    cr_assert_eq(info_of(shop.balancer[0], "e0").state, FO_STATE_UP);
    end(&shop);
}

/* ---- Life -------------------------------------------------------------------------------- */

Test(group, lives_as_long_as_its_balancers)
{
    struct shop shop;

    begin(&shop, 2, 1);
    fo_group_destroy(shop.group);
    fo_group_destroy(NULL);
    cr_assert_eq(fo_report(shop.balancer[0], "e0", FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(info_of(shop.balancer[1], "e0").health, 0.5);
    fixture_close(&shop.f, shop.balancer[0]);
    fixture_dispatch(&shop.f);
    cr_assert_eq(info_of(shop.balancer[1], "e0").health, 0.5);
    cr_assert_eq(fo_runtime_destroy(shop.f.runtime), FO_BUSY);
    fixture_destroy(&shop.f);
}

Test(group, keeps_the_runtime_busy_by_itself)
{
    struct shop shop;

    begin(&shop, 0, 0);
    cr_assert_eq(fo_runtime_destroy(shop.f.runtime), FO_BUSY);
    end(&shop);
}

Test(group, one_balancer_may_go_while_another_is_told)
{
    struct fo_lease lease;
    struct shop shop;

    begin(&shop, 2, 1);
    cr_assert_eq(fo_pick(shop.balancer[0], &lease), FO_OK);
    fixture_close(&shop.f, shop.balancer[0]);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_DOWN), FO_OK); /* by what has left */
    fixture_dispatch(&shop.f);
    cr_assert_eq(info_of(shop.balancer[1], "e0").state, FO_STATE_DOWN);
    cr_assert_eq(fixture_last(&shop.f, FO_EVENT_DOWN, "e0")->new_state, FO_STATE_DOWN);
    cr_assert_eq(fixture_heard(&shop.f, FO_EVENT_CLOSED, NULL), 1);
    fixture_advance_ms(&shop.f, 121);
    cr_assert_eq(pick_and_finish(shop.balancer[1], FO_OUTCOME_SUCCESS), 0);
    end(&shop);
}

/* ---- Many balancers, many threads --------------------------------------------------------- */

static double minus_one(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    return input->live_weight - 1;
}

static void report_own(size_t member, void *arg)
{
    struct shop *shop = arg;

    for (int i = 0; i < 20000; i++) {
        fo_status status = fo_report(shop->balancer[member], "e0", FO_OUTCOME_FAILURE);
        assert(status == FO_OK);
    }
}

Test(group, counts_every_failure_of_every_balancer)
{
    const double weights[] = {1048576};
    struct shop shop;

    begin(&shop, 4, 0);
    for (int i = 0; i < 4; i++) {
        struct fo_config config = fo_config_init();

        config.weight = fo_weight_custom(minus_one, minus_one, NULL);
        cr_assert_eq(fo_balancer_configure(shop.balancer[i], &config), FO_OK);
        fixture_add_to(shop.balancer[i], 1, weights, NULL);
    }
    crew_run(4, report_own, &shop);
    cr_assert_eq(info_of(shop.balancer[0], "e0").live_weight, 1048576.0 - 80000);
    end(&shop);
}

Test(group, a_balancer_of_another_runtime_is_refused)
{
    struct fo_config config = fo_config_init();
    struct fo_runtime *other;
    struct fo_balancer *balancer = NULL;
    struct shop shop;

    begin(&shop, 0, 0);
    cr_assert_eq(fo_runtime_create(NULL, &other), FO_OK);
    config.group = shop.group;
    config.runtime = other;
    cr_assert_eq(fo_balancer_create(&config, &balancer), FO_EINVAL);
    cr_assert_null(balancer);
    config.runtime = shop.f.runtime;
    cr_assert_eq(fo_balancer_create(&config, &balancer), FO_OK, "its own may be named");
    fo_balancer_destroy(balancer);
    cr_assert_eq(fo_runtime_destroy(other), FO_OK);
    end(&shop);
}
