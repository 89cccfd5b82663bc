/* SPDX-License-Identifier: Apache-2.0
 *
 * fo_balancer_replace(): the full list as a diff.
 */
#include "dump.h"
#include "fixture.h"

#include <criterion/criterion.h>
#include <string.h>

Test(replace, is_a_diff_that_removes_what_is_missing)
{
    struct fo_endpoint_config all[] = {
        fixture_upsert("e1", 100, fixture_data(1)),                      /* as it is */
        fixture_upsert("e3", 9, fixture_data(3)),                        /* another weight */
        fixture_upsert("new", 1, NULL), fixture_upsert("e0", 100, &all), /* other data */
    };
    struct fo_update_result result = fo_update_result_init();
    uint64_t gone[2], e0;
    struct fixture f;

    fixture_open(&f, 5, NULL);
    gone[0] = fixture_id(&f, "e2");
    gone[1] = fixture_id(&f, "e4");
    e0 = fixture_id(&f, "e0");
    cr_assert_eq(fo_balancer_replace(f.balancer, all, 4, 0, &result), FO_OK);
    cr_assert_eq(result.added_count, 1);
    cr_assert_str_eq(result.added[0].name, "new");
    cr_assert_eq(result.updated_count, 2);
    cr_assert_str_eq(result.updated[0].name, "e3");
    cr_assert_str_eq(result.updated[1].name, "e0");
    cr_assert_eq(result.updated[1].previous_id, e0);
    cr_assert_eq(result.removed_count, 2);
    cr_assert_str_eq(result.removed[0].name, "e2");
    cr_assert_eq(result.removed[0].id, gone[0]);
    cr_assert_str_eq(result.removed[1].name, "e4");
    cr_assert_eq(result.removed[1].id, gone[1]);
    cr_assert_str_eq(dump_names(f.balancer), "e1 e3 new e0");
    fo_update_result_fini(&result);
    fixture_destroy(&f);
}

Test(replace, by_the_same_list_changes_nothing)
{
    struct fo_endpoint_config all[3];
    struct fo_update_result result = fo_update_result_init();
    struct fixture f;
    char *before;

    fixture_open(&f, 3, NULL);
    fixture_set_weight(&f, "e1", 10);
    for (size_t i = 0; i < 3; i++) /* in another order, which is nobody's business */
        all[i] = fixture_upsert(fixture_name(2 - i), 100, fixture_data(2 - i));
    fixture_dispatch(&f);
    fixture_story(&f);
    before = dump(f.balancer);
    cr_assert_eq(fo_balancer_replace(f.balancer, all, 3, 0, &result), FO_OK);
    cr_assert_eq(result.added_count + result.updated_count + result.removed_count, 0);
    cr_assert(dump_is_still(f.balancer, before));
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "");
    fo_update_result_fini(&result);
    fixture_destroy(&f);
}

Test(replace, keeps_what_was_learned)
{
    struct fo_endpoint_config all[2];
    struct fixture f;

    fixture_open(&f, 3, NULL);
    fixture_set_weight(&f, "e0", 30);
    fixture_set_weight(&f, "e1", 0);
    all[0] = fixture_upsert("e0", 10, fixture_data(0));
    all[1] = fixture_upsert("e1", 10, fixture_data(1));
    cr_assert_eq(fo_balancer_replace(f.balancer, all, 2, 0, NULL), FO_OK);
    cr_assert_float_eq(fixture_info(&f, "e0").live_weight, 3, 1e-8);
    cr_assert_eq(fixture_info(&f, "e1").state, FO_STATE_DOWN);
    fixture_destroy(&f);
}

Test(replace, refuses_an_empty_list_unless_it_is_meant)
{
    struct fo_update_result result = fo_update_result_init();
    struct fo_lease lease = fo_lease_init();
    struct fixture f;
    char *before;

    fixture_open(&f, 2, NULL);
    before = dump(f.balancer);
    cr_assert_eq(fo_balancer_replace(f.balancer, NULL, 0, 0, &result), FO_EINVAL);
    cr_assert(strlen(result.offence) > 0);
    cr_assert_eq(result.offender, SIZE_MAX);
    cr_assert(dump_is_still(f.balancer, before));
    cr_assert_eq(fo_balancer_replace(f.balancer, NULL, 0, FO_REPLACE_ALLOW_EMPTY, &result), FO_OK);
    cr_assert_eq(result.removed_count, 2);
    cr_assert_str_eq(dump_names(f.balancer), "");
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_UNAVAILABLE);
    fo_update_result_fini(&result);
    cr_assert_eq(fo_balancer_replace(f.balancer, NULL, 0, FO_REPLACE_ALLOW_EMPTY, &result), FO_OK);
    cr_assert_eq(result.removed_count, 0);
    fo_update_result_fini(&result);
    fixture_destroy(&f);
}

Test(replace, refuses_an_unknown_flag)
{
    struct fo_endpoint_config all = fixture_upsert("e0", 100, fixture_data(0));
    struct fo_update_result result = fo_update_result_init();
    struct fixture f;
    char *before;

    fixture_open(&f, 2, NULL);
    before = dump(f.balancer);
    cr_assert_eq(fo_balancer_replace(f.balancer, &all, 1, 2, &result), FO_EINVAL);
    cr_assert_eq(fo_balancer_replace(f.balancer, NULL, 0, FO_REPLACE_ALLOW_EMPTY | 4, NULL),
                 FO_EINVAL);
    cr_assert(strlen(result.offence) > 0);
    cr_assert(dump_is_still(f.balancer, before));
    fo_update_result_fini(&result);
    fixture_destroy(&f);
}

Test(replace, refuses_a_bad_entry_and_removes_nobody)
{
    struct fo_endpoint_config all[] = {fixture_upsert("e0", 100, fixture_data(0)),
                                       fixture_upsert("e0", 1, NULL)};
    struct fo_update_result result = fo_update_result_init();
    struct fixture f;
    char *before;

    fixture_open(&f, 3, NULL);
    before = dump(f.balancer);
    cr_assert_eq(fo_balancer_replace(f.balancer, all, 2, 0, &result), FO_DUPLICATE);
    cr_assert_eq(result.offender, 1);
    cr_assert_not(result.offender_removal);
    all[1] = fixture_upsert("x", -1, NULL);
    cr_assert_eq(fo_balancer_replace(f.balancer, all, 2, 0, &result), FO_EINVAL);
    cr_assert_eq(result.offender, 1);
    cr_assert(dump_is_still(f.balancer, before));
    fo_update_result_fini(&result);
    fixture_destroy(&f);
}

Test(replace, swaps_the_whole_membership_and_releases_the_old)
{
    struct fo_endpoint_config all[] = {fixture_upsert("x", 1, NULL), fixture_upsert("y", 1, NULL)};
    struct fo_lease lease;
    struct fixture f;

    fixture_open(&f, 2, NULL);
    fixture_dispatch(&f);
    fixture_story(&f);
    do { /* hold e0 */
        cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    } while (fixture_index(lease.endpoint) != 0 && fo_finish(&lease, FO_OUTCOME_NEUTRAL) == FO_OK);
    cr_assert_eq(fo_balancer_replace(f.balancer, all, 2, 0, NULL), FO_OK);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, "e1"), 1);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_REMOVED, "e0"), 1);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, "e0"), 0);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, "e0"), 1);
    fixture_destroy(&f);
}
