/* SPDX-License-Identifier: Apache-2.0
 *
 * Incarnations: `data` is fixed for one, and comes back exactly once.
 */
#include "dump.h"
#include "fixture.h"
#include "members.h"

#include <criterion/criterion.h>

static int first;
static int second;

static void begin(struct fixture *f)
{
    fixture_init(f);
    fixture_balancer(f, NULL);
}

static void put(struct fixture *f, void *data)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("a");

    config.data = data;
    cr_assert_eq(fo_balancer_update(f->balancer, &config, 1, NULL, 0, NULL), FO_OK);
}

static void take_out(struct fixture *f)
{
    const char *removals[] = {"a"};

    cr_assert_eq(fo_balancer_update(f->balancer, NULL, 0, removals, 1, NULL), FO_OK);
}

static struct fo_lease pick(struct fixture *f)
{
    struct fo_lease lease = fo_lease_init();

    cr_assert_eq(fo_pick(f->balancer, &lease), FO_OK);
    return lease;
}

static const char *story(struct fixture *f)
{
    fixture_dispatch(f);
    return fixture_story(f);
}

Test(incarnation, other_data_releases_the_old_one_after_its_last_lease)
{
    struct fo_lease leases[2];
    struct fixture f;
    uint64_t old_id;

    begin(&f);
    put(&f, &first);
    old_id = fixture_id(&f, "a");
    leases[0] = pick(&f);
    leases[1] = pick(&f);
    put(&f, &second);
    cr_assert_str_eq(story(&f), "added a, removed a, added a");
    cr_assert_neq(fixture_id(&f, "a"), old_id);
    cr_assert_eq(fixture_info(&f, "a").data, &second);
    cr_assert_eq(fixture_info(&f, "a").in_flight, 0, "counters belong to the incarnation");
    for (int i = 0; i < 100; i++) {
        struct fo_lease lease = pick(&f);

        cr_assert_eq(fo_endpoint_data(lease.endpoint), &second);
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    }
    cr_assert_eq(fo_endpoint_data(leases[0].endpoint), &first, "what is held stays as it was");
    cr_assert_eq(fo_endpoint_id(leases[0].endpoint), old_id);
    cr_assert_str_eq(fo_endpoint_name(leases[0].endpoint), "a");
    cr_assert_eq(fo_finish(&leases[0], FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_str_eq(story(&f), "");
    cr_assert_eq(fo_finish(&leases[1], FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_str_eq(story(&f), "released a");
    cr_assert_eq(fixture_last(&f, FO_EVENT_RELEASED, "a")->data, &first);
    cr_assert_eq(fixture_last(&f, FO_EVENT_RELEASED, "a")->endpoint_id, old_id);
    fixture_destroy(&f);
}

Test(incarnation, without_open_leases_is_released_at_once)
{
    struct fixture f;

    begin(&f);
    put(&f, &first);
    put(&f, &second);
    take_out(&f);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, "a"), 2);
    fixture_destroy(&f);
}

Test(incarnation, keeps_the_health_of_its_host)
{
    struct fixture f;

    begin(&f);
    put(&f, &first);
    fixture_set_weight(&f, "a", 40);
    put(&f, &second);
    cr_assert_float_eq(fixture_info(&f, "a").live_weight, 40, 1e-6);
    fixture_set_weight(&f, "a", 0);
    put(&f, &first);
    cr_assert_eq(fixture_info(&f, "a").state, FO_STATE_DOWN);
    cr_assert_eq(fixture_info(&f, "a").live_weight, 0);
    fixture_destroy(&f);
}

Test(incarnation, outcomes_of_the_old_one_still_move_the_host)
{
    struct fo_lease lease;
    struct fixture f;

    fixture_open_weighed(&f, fo_weight_ratio(), 0);
    put(&f, &first);
    lease = pick(&f);
    put(&f, &second);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(fixture_info(&f, "a").live_weight, 50);
    cr_assert_eq(fixture_info(&f, "a").failed, 0);
    fixture_destroy(&f);
}

Test(incarnation, adding_a_leaving_name_with_the_same_data_takes_it_back)
{
    struct fo_lease leases[3];
    struct fixture f;
    uint64_t id;

    begin(&f);
    put(&f, &first);
    id = fixture_id(&f, "a");
    for (int i = 0; i < 3; i++)
        leases[i] = pick(&f);
    take_out(&f);
    cr_assert_str_eq(story(&f), "added a, removed a");
    cr_assert_eq(fo_finish(&leases[0], FO_OUTCOME_SUCCESS), FO_OK);
    put(&f, &first);
    cr_assert_eq(fixture_id(&f, "a"), id);
    cr_assert_eq(fixture_info(&f, "a").started, 3, "its counters go on");
    cr_assert_eq(fixture_info(&f, "a").finished, 1, "with what was finished while it was leaving");
    cr_assert_eq(fixture_info(&f, "a").in_flight, 2);
    cr_assert_str_eq(story(&f), "added a");
    cr_assert_eq(fo_finish(&leases[1], FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(fo_finish(&leases[2], FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(fixture_info(&f, "a").in_flight, 0);
    cr_assert_str_eq(story(&f), "", "no released");
    take_out(&f);
    cr_assert_str_eq(story(&f), "removed a, released a");
    fixture_destroy(&f);
}

Test(incarnation, taken_back_before_the_removal_was_told_nothing_is_told)
{
    struct fo_lease lease;
    struct fixture f;

    begin(&f);
    put(&f, &first);
    lease = pick(&f);
    cr_assert_str_eq(story(&f), "added a");
    take_out(&f);
    put(&f, &first);
    cr_assert_str_eq(story(&f), "");
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_str_eq(story(&f), "");
    fixture_destroy(&f);
}

Test(incarnation, taken_back_with_other_weights_has_them)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("a");
    struct fo_lease lease;
    struct fixture f;

    begin(&f);
    put(&f, &first);
    lease = pick(&f);
    take_out(&f);
    config.data = &first;
    config.max_weight = 7;
    config.tags = 3;
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(fixture_info(&f, "a").max_weight, 7);
    cr_assert_eq(fixture_info(&f, "a").tags, 3);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f);
}

Test(incarnation, taken_back_changed_before_the_removal_was_told_is_told_as_updated)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("a");
    struct fo_lease lease;
    struct fixture f;

    begin(&f);
    put(&f, &first);
    lease = pick(&f);
    cr_assert_str_eq(story(&f), "added a");
    config.data = &first;
    for (int i = 0; i < 3; i++) {
        config.max_weight = i == 0 ? 50 : config.max_weight;
        config.min_weight = i == 1 ? 5 : config.min_weight;
        config.tags = i == 2 ? 1 : config.tags;
        take_out(&f);
        cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
        cr_assert_str_eq(story(&f), "updated a", "%d", i);
    }
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f);
}

Test(incarnation, adding_a_leaving_name_with_other_data_makes_a_new_one)
{
    struct fo_lease lease;
    struct fixture f;
    uint64_t id;

    begin(&f);
    put(&f, &first);
    id = fixture_id(&f, "a");
    lease = pick(&f);
    take_out(&f);
    put(&f, &second);
    cr_assert_neq(fixture_id(&f, "a"), id);
    cr_assert_eq(fixture_info(&f, "a").started, 0);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, "a"), 0);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, "a"), 1);
    cr_assert_eq(fixture_last(&f, FO_EVENT_RELEASED, "a")->data, &first);
    fixture_destroy(&f);
}

Test(incarnation, released_but_not_yet_told_is_too_late_to_take_back)
{
    struct fo_lease lease;
    struct fixture f;
    uint64_t id;

    begin(&f);
    put(&f, &first);
    id = fixture_id(&f, "a");
    lease = pick(&f);
    take_out(&f);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK); /* queued, not dispatched */
    put(&f, &first);
    cr_assert_neq(fixture_id(&f, "a"), id);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, "a"), 1);
    cr_assert_eq(fixture_last(&f, FO_EVENT_RELEASED, "a")->endpoint_id, id);
    fixture_destroy(&f);
}

Test(incarnation, data_may_change_to_and_fro_while_all_are_held)
{
    struct fo_update_result result = fo_update_result_init();
    struct fo_endpoint_config config = fo_endpoint_config_init("a");
    struct fo_lease of_first, of_second;
    uint64_t first_id, second_id;
    struct fixture f;

    begin(&f);
    put(&f, &first);
    first_id = fixture_id(&f, "a");
    of_first = pick(&f);
    put(&f, &second);
    second_id = fixture_id(&f, "a");
    of_second = pick(&f);
    config.data = &first;
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, &result), FO_OK);
    cr_assert_eq(result.updated_count, 1, "taken back, in the place of the other");
    cr_assert_eq(result.updated[0].id, first_id);
    cr_assert_eq(result.updated[0].previous_id, second_id);
    cr_assert_eq(fixture_id(&f, "a"), first_id);
    cr_assert_eq(fo_finish(&of_second, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, "a"), 1);
    cr_assert_eq(fixture_last(&f, FO_EVENT_RELEASED, "a")->data, &second);
    cr_assert_eq(fo_finish(&of_first, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, "a"), 1);
    fo_update_result_fini(&result);
    fixture_destroy(&f);
}

Test(incarnation, ids_are_never_used_twice_though_their_numbers_are)
{
    enum { ROUNDS = 2000 };
    static uint64_t ids[ROUNDS];
    struct fixture f;

    begin(&f);
    for (int i = 0; i < ROUNDS; i++) {
        struct fo_lease lease;

        put(&f, i % 3 == 0 ? &first : &second);
        ids[i] = fixture_id(&f, "a");
        cr_assert_neq(ids[i], 0);
        cr_assert_eq(fixture_info(&f, "a").started, 0, "a number used again starts from nothing");
        lease = pick(&f);
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_FAILURE), FO_OK);
        cr_assert_eq(fixture_info(&f, "a").failed, 1);
        take_out(&f);
        fixture_dispatch(&f);
        for (int j = 0; j < i; j++)
            cr_assert_neq(ids[j], ids[i]);
    }
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, "a"), ROUNDS);
    fixture_destroy(&f);
}

Test(incarnation, a_name_is_forgotten_after_the_last_of_many_has_left)
{
    enum { N = 50 };
    struct fo_lease leases[N];
    static int data[N];
    struct fixture f;

    begin(&f);
    for (int i = 0; i < N; i++) {
        put(&f, &data[i]);
        leases[i] = pick(&f);
    }
    take_out(&f);
    for (int i = 0; i < N; i++) {
        int at = i * 17 % N; /* in no order */

        put(&f, &data[at]);
        cr_assert_eq(fixture_id(&f, "a"), fo_endpoint_id(leases[at].endpoint), "taken back");
        take_out(&f);
        cr_assert_eq(fo_finish(&leases[at], FO_OUTCOME_SUCCESS), FO_OK);
        fixture_dispatch(&f);
    }
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, "a"), N);
    cr_assert_null(fo__names_find(&f.balancer->names, "a"));
    fixture_destroy(&f);
}

Test(incarnation, null_is_data_like_any_other)
{
    struct fo_lease lease;
    struct fixture f;

    begin(&f);
    put(&f, NULL);
    lease = pick(&f);
    put(&f, &first);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_dispatch(&f);
    cr_assert_null(fixture_last(&f, FO_EVENT_RELEASED, "a")->data);
    fixture_destroy(&f);
}
