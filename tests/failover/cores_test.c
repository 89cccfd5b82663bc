/* SPDX-License-Identifier: Apache-2.0
 *
 * Cores: a client keeps to a few of many servers; who fails is replaced and comes back. The orders
 * themselves are tested in subset_test.c.
 */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t sizes[] = {2, 3};

static struct fo_config config_for(struct fixture *f, const char *client)
{
    struct fo_config config = fixture_config(f);

    config.weight = fo_weight_ratio();
    config.levels.core_sizes = sizes;
    config.levels.core_count = 2;
    config.levels.client_id = client;
    return config;
}

static void open_cores(struct fixture *f, const char *client, size_t n)
{
    struct fo_config config;

    fixture_init(f);
    config = config_for(f, client);
    fixture_balancer(f, &config);
    fixture_add(f, n, NULL);
}

/** How many of e0 … e(n−1) are at a level; `which`: room for the name of the first, or NULL. */
static size_t count_at(struct fixture *f, size_t n, uint32_t level, char *which)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        if (fixture_info(f, fixture_name(i)).level != level)
            continue;
        if (count++ == 0 && which != NULL)
            strcpy(which, fixture_name(i));
    }
    return count;
}

/** The levels of e0 … e(n−1), as digits. Valid until the caller frees it. */
static char *levels_of(struct fixture *f, size_t n)
{
    char *levels = calloc(n + 1, 1);

    cr_assert_not_null(levels);
    for (size_t i = 0; i < n; i++)
        levels[i] = (char)('0' + fixture_info(f, fixture_name(i)).level);
    return levels;
}

Test(cores, cut_a_level_up_and_picks_keep_to_the_first)
{
    struct fixture f;
    uint64_t counts[10] = {0};
    size_t used = 0;

    open_cores(&f, "client", 10);
    cr_expect_eq(count_at(&f, 10, 0, NULL), 2);
    cr_expect_eq(count_at(&f, 10, 1, NULL), 3);
    cr_expect_eq(count_at(&f, 10, 2, NULL), 5);
    fixture_count(&f, 1000, counts);
    for (size_t i = 0; i < 10; i++) {
        bool core = fixture_info(&f, fixture_name(i)).level == 0;

        used += counts[i] > 0 ? 1 : 0;
        cr_expect_eq(counts[i] > 0, core, "%s: %zu picks", fixture_name(i), (size_t)counts[i]);
    }
    cr_expect_eq(used, 2);
    fixture_destroy(&f);
}

Test(cores, of_another_client_are_others_and_of_the_same_the_same)
{
    struct fixture f;
    struct fixture same;
    struct fixture other;
    char *levels;
    char *same_levels;
    char *other_levels;

    open_cores(&f, "client", 30);
    open_cores(&same, "client", 30);
    open_cores(&other, "client 2", 30);
    levels = levels_of(&f, 30);
    same_levels = levels_of(&same, 30);
    other_levels = levels_of(&other, 30);
    cr_expect_str_eq(levels, same_levels);
    cr_expect_str_neq(levels, other_levels);
    free(levels);
    free(same_levels);
    free(other_levels);
    fixture_destroy(&f);
    fixture_destroy(&same);
    fixture_destroy(&other);
}

Test(cores, replace_who_fails_and_take_it_back_when_it_is_well)
{
    struct fixture f;
    char failed[16] = "";
    char *before;
    char *meanwhile;
    char *after;
    size_t moved = 0;

    open_cores(&f, "client", 10);
    fixture_dispatch(&f);
    before = levels_of(&f, 10);
    cr_assert_eq(count_at(&f, 10, 0, failed), 2);
    cr_assert_eq(fo_report(f.balancer, failed, FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&f);
    meanwhile = levels_of(&f, 10);
    cr_expect_eq(fixture_info(&f, failed).level, 2);
    cr_expect_eq(count_at(&f, 10, 0, NULL), 2);
    cr_expect_eq(count_at(&f, 10, 1, NULL), 3);
    for (size_t i = 0; i < 10; i++)
        moved += before[i] != meanwhile[i] ? 1 : 0;
    cr_expect_eq(moved, 3, "itself, and one at each border");
    fixture_advance_ms(&f, 1300);
    for (int i = 0; i < 10; i++) /* the first takes the trial */
        fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    fixture_dispatch(&f);
    after = levels_of(&f, 10);
    cr_expect_str_eq(after, before);
    free(before);
    free(meanwhile);
    free(after);
    fixture_destroy(&f);
}

Test(cores, e6_stay_full_however_members_come_and_go)
{
    struct fixture f;

    open_cores(&f, "client", 8);
    for (size_t left = 8; left > 2; left--) {
        char name[16] = "";
        const char *core = name;

        cr_assert_eq(count_at(&f, 8, 0, name), 2, "%zu are left", left);
        cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, &core, 1, NULL), FO_OK);
        fixture_add(&f, 8, NULL);
        cr_assert_eq(count_at(&f, 8, 0, name), 2);
        cr_assert_eq(count_at(&f, 8, 1, NULL), 3);
        cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, &core, 1, NULL), FO_OK);
        fixture_add(&f, 8, NULL);
    }
    fixture_destroy(&f);
}

Test(cores, are_cut_from_each_level_by_itself)
{
    struct fixture f;

    open_cores(&f, "client", 6);
    for (size_t i = 0; i < 6; i++) {
        struct fo_endpoint_config config = fixture_upsert(fixture_name(i), 100, fixture_data(i));

        config.level = i < 3 ? 0 : 1;
        cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    }
    cr_expect_eq(count_at(&f, 3, 0, NULL), 2);
    cr_expect_eq(count_at(&f, 3, 1, NULL), 1);
    cr_expect_eq(count_at(&f, 6, 2, NULL), 2);
    cr_expect_eq(count_at(&f, 6, 3, NULL), 1);
    fixture_destroy(&f);
}

Test(cores, are_balanced_when_every_client_knows_its_number)
{
    size_t clients[12] = {0};

    for (uint32_t client = 0; client < 12; client++) {
        struct fixture f;
        struct fo_config config;

        fixture_init(&f);
        config = config_for(&f, NULL);
        config.levels.client_index = client;
        config.levels.client_count = 12;
        fixture_balancer(&f, &config);
        fixture_add(&f, 12, NULL);
        for (size_t i = 0; i < 12; i++)
            clients[i] += fixture_info(&f, fixture_name(i)).level == 0 ? 1 : 0;
        fixture_destroy(&f);
    }
    for (size_t i = 0; i < 12; i++)
        cr_expect_eq(clients[i], 2, "%s has %zu clients", fixture_name(i), clients[i]);
}

Test(cores, of_a_client_that_nobody_knows_are_refused)
{
    struct fixture f;
    struct fo_config config;

    open_cores(&f, "client", 3);
    config = config_for(&f, NULL);
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    config.levels.client_index = 3;
    config.levels.client_count = 3;
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    config.levels.client_index = 2;
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_OK);
    config.levels.core_count = FO_CORES_MAX + 1;
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    config.levels.core_count = 1;
    config.levels.core_sizes = NULL;
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    fixture_destroy(&f);
}
