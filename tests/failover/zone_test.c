/* SPDX-License-Identifier: Apache-2.0
 *
 * Zones: distance makes levels, a changed local zone re-orders them live, and picks may be limited to
 * one zone.
 */
#include "fixture.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *const order[] = {"b", "c"};

static struct fo_config config_in(struct fixture *f, const char *local)
{
    struct fo_config config = fixture_config(f);

    config.levels.local_zone = local;
    config.levels.zone_order = order;
    config.levels.zone_count = local != NULL && strcmp(local, "a") == 0 ? 2 : 0;
    return config;
}

/** e0 and e1 in zone a, e2 and e3 in b, e4 in c, e5 in d, e6 nowhere. */
static void open_zones(struct fixture *f, const char *local)
{
    static const char *const zones[] = {"a", "a", "b", "b", "c", "d", NULL};
    struct fo_config config;

    fixture_init(f);
    config = config_in(f, local);
    fixture_balancer(f, &config);
    for (size_t i = 0; i < 7; i++) {
        struct fo_endpoint_config endpoint = fixture_upsert(fixture_name(i), 100, fixture_data(i));

        endpoint.zone = zones[i];
        cr_assert_eq(fo_balancer_update(f->balancer, &endpoint, 1, NULL, 0, NULL), FO_OK);
    }
}

Test(zone, distance_makes_the_levels)
{
    static const uint32_t wanted[] = {0, 0, 1, 1, 2, 3, 3};
    struct fixture f;

    open_zones(&f, "a");
    for (size_t i = 0; i < 7; i++)
        cr_expect_eq(fixture_info(&f, fixture_name(i)).level, wanted[i], "%s", fixture_name(i));
    cr_expect_str_eq(fixture_info(&f, "e4").zone, "c");
    cr_expect_str_eq(fixture_info(&f, "e6").zone, "");
    fixture_destroy(&f);
}

Test(zone, without_a_local_zone_all_are_at_one_level)
{
    struct fixture f;

    open_zones(&f, NULL);
    for (size_t i = 0; i < 7; i++)
        cr_expect_eq(fixture_info(&f, fixture_name(i)).level, 0);
    fixture_destroy(&f);
}

Test(zone, configured_levels_come_before_distance)
{
    struct fixture f;
    struct fo_endpoint_config near;

    open_zones(&f, "a");
    near = fixture_upsert("e0", 100, fixture_data(0));
    near.zone = "a";
    near.level = 1;
    cr_assert_eq(fo_balancer_update(f.balancer, &near, 1, NULL, 0, NULL), FO_OK);
    cr_expect_eq(fixture_info(&f, "e1").level, 0);
    cr_expect_eq(fixture_info(&f, "e5").level, 3);
    cr_expect_eq(fixture_info(&f, "e0").level, 4);
    fixture_destroy(&f);
}

Test(zone, traffic_stays_local_and_goes_to_the_nearest_when_the_zone_is_lost)
{
    struct fixture f;
    uint64_t counts[7] = {0};

    open_zones(&f, "a");
    fixture_count(&f, 1000, counts);
    cr_expect_eq(counts[0] + counts[1], 1000);
    fixture_set_weight(&f, "e0", 0);
    fixture_set_weight(&f, "e1", 0);
    fixture_count(&f, 1000, counts);
    cr_expect_eq(counts[2] + counts[3], 1000);
    fixture_destroy(&f);
}

Test(zone, another_local_zone_re_orders_the_levels_live)
{
    struct fixture f;
    struct fo_config config;
    uint64_t counts[7] = {0};
    struct fo_lease lease;

    open_zones(&f, "a");
    fixture_set_weight(&f, "e5", 30);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    config = config_in(&f, "d");
    cr_assert_eq(fo_balancer_configure(f.balancer, &config), FO_OK);
    cr_expect_eq(fixture_info(&f, "e5").level, 0);
    cr_expect_eq(fixture_info(&f, "e0").level, 1);
    cr_expect_eq(fixture_info(&f, "e4").level, 1);
    cr_expect_float_eq(fixture_info(&f, "e5").live_weight, 30, 1e-6);
    fixture_count(&f, 10000, counts);
    cr_expect(counts[5] > 3900 && counts[5] < 4500, "%zu", (size_t)counts[5]); /* 1.4 × 30 % */
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f);
}

Test(zone, a_pick_may_be_limited_to_a_zone)
{
    struct fixture f;
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_lease lease;
    uint64_t counts[7] = {0};

    open_zones(&f, "a");
    options.zone = "b";
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
        cr_expect_str_eq(fo_endpoint_zone(lease.endpoint), "b");
        counts[fixture_index(lease.endpoint)]++;
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    }
    cr_expect(counts[2] > 400 && counts[3] > 400);
    options.zone = "nowhere";
    cr_expect_eq(fo_pick_with(f.balancer, &options, &lease), FO_UNAVAILABLE);
    fixture_destroy(&f);
}

Test(zone, a_bad_list_of_zones_is_refused)
{
    static const char *const twice[] = {"b", "c", "b"};
    static const char *const local[] = {"a"};
    static const char *const empty[] = {"b", ""};
    static char too_long[FO_NAME_MAX + 2];
    struct fixture f;
    struct fo_config config;

    open_zones(&f, "a");
    memset(too_long, 'z', FO_NAME_MAX + 1);
    config = config_in(&f, "a");
    config.levels.zone_order = twice;
    config.levels.zone_count = 3;
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    config.levels.zone_order = local;
    config.levels.zone_count = 1;
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    config.levels.zone_order = empty;
    config.levels.zone_count = 2;
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    config.levels.zone_order = NULL;
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    config.levels.zone_count = 0;
    config.levels.local_zone = too_long;
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    cr_expect_eq(fixture_info(&f, "e2").level, 1, "nothing was changed");
    fixture_destroy(&f);
}
