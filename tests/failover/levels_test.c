/* SPDX-License-Identifier: Apache-2.0
 *
 * Levels: the known answers of the overflow, first of the arithmetic, then of a million picks each;
 * degraded endpoints, panic, last resort; limits of a pick; levels that change while picks run.
 */
#include "chi2.h"
#include "core.h"
#include "fixture.h"
#include "levels.h"

#include <criterion/criterion.h>
#include <math.h>

#define PICKS 1000000u

/* ---- Arithmetic --------------------------------------------------------------------------- */

struct shared {
    fo_balancer_state state;
    uint32_t percent[4]; /* of each tier, rounded */
    bool panic[4];
};

/** Shares of up to four tiers; live[i] in per cent of the level's max. */
static struct shared share(const struct fo_level_config *config, const uint32_t *live, uint32_t n,
                           bool second_half_degraded)
{
    const struct fo__level_rule rule = fo__level_rule_of(config);
    struct fo__supply supply[4];
    struct fo__portion portion[4];
    struct shared shared = {0};
    uint64_t before = 0;

    for (uint32_t i = 0; i < n; i++) {
        supply[i].live = live[i] * UINT64_C(10000000);
        supply[i].max = UINT64_C(1000000000);
        supply[i].endpoints = 10;
        supply[i].level = second_half_degraded ? i % (n / 2) : i;
    }
    shared.state = fo__levels_share(&rule, supply, n, portion);
    for (uint32_t i = 0; i < n; i++) {
        shared.percent[i] =
            (uint32_t)llround((double)(portion[i].end - before) * 100 / (double)FO__SHARE_ONE);
        shared.panic[i] = portion[i].panic;
        before = portion[i].end;
    }
    return shared;
}

static void expect_shares(const struct fo_level_config *config, const uint32_t *live,
                          const uint32_t *percent, uint32_t n)
{
    struct shared shared = share(config, live, n, false);

    for (uint32_t i = 0; i < n; i++)
        cr_expect_eq(shared.percent[i], percent[i], "tier %u of %u/%u…: %u instead of %u", i,
                     live[0], live[1], shared.percent[i], percent[i]);
}

#define SHARES(config, live, ...)                                                                  \
    expect_shares(config, (const uint32_t[]){PARTS live}, (const uint32_t[]){__VA_ARGS__},         \
                  sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
#define PARTS(...) __VA_ARGS__

Test(levels, overflow_by_the_known_answers)
{
    const struct fo_level_config config = fo_level_config_init();

    SHARES(&config, (72, 100), 100, 0);
    SHARES(&config, (71, 100), 99, 1);
    SHARES(&config, (50, 100), 70, 30);
    SHARES(&config, (25, 100), 35, 65);
    SHARES(&config, (25, 25, 100), 35, 35, 30);
    SHARES(&config, (5, 65), 7, 93);
    SHARES(&config, (10, 10, 10), 34, 33, 33);
    SHARES(&config, (0, 100), 0, 100);
    SHARES(&config, (0, 0, 1), 0, 0, 100);
}

Test(levels, a_factor_of_one_keeps_nothing_in_reserve)
{
    struct fo_level_config config = fo_level_config_init();

    config.factor = 1;
    SHARES(&config, (72, 100), 72, 28);
    SHARES(&config, (100, 100), 100, 0);
}

Test(levels, an_infinite_factor_fails_over_only_when_a_level_is_dead)
{
    struct fo_level_config config = fo_level_config_init();

    config.factor = INFINITY;
    SHARES(&config, (1, 100), 100, 0);
    SHARES(&config, (0, 1, 100), 0, 100, 0);
}

/* Else it would have no traffic, and could not show that it is well again. */
Test(levels, what_is_alive_at_all_can_take_one_per_cent)
{
    const struct fo_level_config config = fo_level_config_init();
    const struct fo__level_rule rule = fo__level_rule_of(&config);
    struct fo__supply supply[2] = {{1, 1000000, 10, 0}, {1000000, 1000000, 10, 1}};
    struct fo__portion portion[2];

    cr_expect_eq(fo__levels_share(&rule, supply, 2, portion), FO_BALANCER_OVERFLOWING);
    cr_expect_eq(portion[0].end, (FO__SHARE_ONE + 99) / 100);
}

Test(levels, less_than_a_per_cent_everywhere_is_not_nothing)
{
    const struct fo_level_config config = fo_level_config_init();
    const struct fo__level_rule rule = fo__level_rule_of(&config);
    struct fo__supply supply[2] = {{1, 1000000, 10, 0}, {0, 1000000, 10, 1}};
    struct fo__portion portion[2];

    cr_expect_eq(fo__levels_share(&rule, supply, 2, portion), FO_BALANCER_NORMAL);
    cr_expect_eq(portion[0].end, FO__SHARE_ONE);
    cr_expect_not(portion[0].panic);
}

/* Healthy endpoints of all levels come before degraded ones of any; a level with both takes no more
 * than its whole. */
Test(levels, degraded_endpoints_take_what_the_others_cannot)
{
    const struct fo_level_config config = fo_level_config_init();
    const uint32_t live[] = {25, 25, 50, 50};
    struct shared shared = share(&config, live, 4, true);

    cr_expect_eq(shared.percent[0], 35);
    cr_expect_eq(shared.percent[1], 35);
    cr_expect_eq(shared.percent[2], 30); /* could take 65, gets what is left */
    cr_expect_eq(shared.percent[3], 0);
    cr_expect_eq(shared.state, FO_BALANCER_OVERFLOWING);
}

Test(levels, the_original_s_rule_leaves_the_rest_to_level_0)
{
    struct fo_level_config config = fo_level_config_init();

    config.overflow = FO_OVERFLOW_COMPAT;
    SHARES(&config, (50, 50), 79, 21);
    SHARES(&config, (10, 10, 10), 78, 12, 10);
    SHARES(&config, (100, 100), 100, 0);
}

Test(levels, nothing_healthy_is_shared_by_the_number_of_endpoints)
{
    const struct fo_level_config config = fo_level_config_init();
    const struct fo__level_rule rule = fo__level_rule_of(&config);
    struct fo__supply supply[3] = {{0, 100, 6, 0}, {0, 100, 3, 1}, {0, 100, 3, 2}};
    struct fo__portion portion[3];

    cr_expect_eq(fo__levels_share(&rule, supply, 3, portion), FO_BALANCER_LAST_RESORT);
    cr_expect_eq(portion[0].end, FO__SHARE_ONE / 2);
    cr_expect_eq(portion[1].end, FO__SHARE_ONE / 4 * 3);
    cr_expect_eq(portion[2].end, FO__SHARE_ONE);
    cr_expect(portion[0].panic && portion[1].panic && portion[2].panic);
}

Test(levels, without_last_resort_nothing_healthy_is_nothing)
{
    struct fo_level_config config = fo_level_config_init();
    const uint32_t live[] = {0, 0};
    struct shared shared;

    config.last_resort = FO_LAST_RESORT_NONE;
    shared = share(&config, live, 2, false);
    cr_expect_eq(shared.state, FO_BALANCER_UNAVAILABLE);
    cr_expect_eq(shared.percent[0] + shared.percent[1], 0);
}

Test(levels, a_level_below_the_threshold_panics_only_while_the_traffic_has_no_other_place)
{
    struct fo_level_config config = fo_level_config_init();
    struct shared shared;

    config.panic_threshold = 0.5;
    shared = share(&config, (const uint32_t[]){25, 100}, 2, false);
    cr_expect_not(shared.panic[0]);
    shared = share(&config, (const uint32_t[]){5, 60}, 2, false);
    cr_expect(shared.panic[0]);
    cr_expect_not(shared.panic[1]);
}

/* ---- Picks -------------------------------------------------------------------------------- */

struct level_of_hosts {
    size_t count;
    size_t healthy;
};

static struct fo_config config_of(struct fixture *f)
{
    struct fo_config config = fixture_config(f);

    config.levels.last_resort = FO_LAST_RESORT_ALL;
    return config;
}

/** Adds hosts e0, e1, … level after level, and takes those down that are not healthy. */
static void add_levels(struct fixture *f, const struct level_of_hosts *levels, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < levels[i].count; j++, at++) {
            struct fo_endpoint_config config =
                fixture_upsert(fixture_name(at), 100, fixture_data(at));

            config.level = (uint32_t)i;
            cr_assert_eq(fo_balancer_update(f->balancer, &config, 1, NULL, 0, NULL), FO_OK);
            if (j >= levels[i].healthy)
                cr_assert_eq(fo_report(f->balancer, config.name, FO_OUTCOME_DOWN), FO_OK);
        }
    }
}

static void open_levels(struct fixture *f, const struct fo_config *config,
                        const struct level_of_hosts *levels, size_t n)
{
    fixture_init(f);
    fixture_balancer(f, config);
    add_levels(f, levels, n);
}

/** Counts PICKS picks by level. */
static void count_by_level(struct fixture *f, uint64_t *counts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        counts[i] = 0;
    for (uint32_t i = 0; i < PICKS; i++) {
        struct fo_lease lease;
        uint32_t level;

        cr_assert_eq(fo_pick(f->balancer, &lease), FO_OK);
        level = fo_endpoint_level(lease.endpoint);
        cr_assert_lt(level, n);
        counts[level]++;
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    }
}

static void expect_percent(const uint64_t *counts, const double *percent, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double wanted = percent[i] / 100 * PICKS;

        cr_expect_leq(fabs((double)counts[i] - wanted), 5 * sqrt(wanted),
                      "level %zu: %zu instead of %g", i, (size_t)counts[i], wanted);
    }
}

static void expect_picks(const struct level_of_hosts *levels, const double *percent, size_t n)
{
    struct fixture f;
    struct fo_config config;
    uint64_t counts[4];

    fixture_init(&f);
    config = config_of(&f);
    fixture_balancer(&f, &config);
    add_levels(&f, levels, n);
    count_by_level(&f, counts, n);
    expect_percent(counts, percent, n);
    fixture_destroy(&f);
}

#define PICKED(n, levels, ...)                                                                     \
    expect_picks((const struct level_of_hosts[]){PARTS levels}, (const double[]){__VA_ARGS__}, n)

Test(levels, picks_overflow_by_the_known_answers)
{
    PICKED(2, ({25, 18}, {5, 5}), 100, 0);
    PICKED(2, ({100, 71}, {5, 5}), 99, 1);
    PICKED(2, ({10, 5}, {5, 5}), 70, 30);
    PICKED(2, ({4, 1}, {5, 5}), 35, 65);
    PICKED(2, ({20, 1}, {20, 13}), 7, 93);
    PICKED(3, ({10, 1}, {10, 1}, {10, 1}), 34, 33, 33);
    PICKED(2, ({30, 0}, {10, 0}), 75, 25);
}

Test(levels, e9_the_overflow_is_the_standard_one_and_the_original_s_on_request)
{
    const struct level_of_hosts levels[] = {{10, 5}, {10, 5}};
    struct fixture f;
    struct fo_config config;
    uint64_t counts[2];

    fixture_init(&f);
    config = config_of(&f);
    config.levels = fo_config_compat().levels;
    fixture_balancer(&f, &config);
    add_levels(&f, levels, 2);
    count_by_level(&f, counts, 2);
    expect_percent(counts, (const double[]){79, 21}, 2);
    config.levels.overflow = FO_OVERFLOW_STANDARD;
    cr_assert_eq(fo_balancer_configure(f.balancer, &config), FO_OK);
    count_by_level(&f, counts, 2);
    expect_percent(counts, (const double[]){70, 30}, 2);
    fixture_destroy(&f);
}

Test(levels, within_a_level_weights_and_health_hold_while_it_overflows)
{
    struct fixture f;
    struct fo_config config;
    uint64_t counts[6] = {0};

    fixture_init(&f);
    config = config_of(&f);
    fixture_balancer(&f, &config);
    for (size_t i = 0; i < 6; i++) {
        struct fo_endpoint_config endpoint =
            fixture_upsert(fixture_name(i), i % 2 == 0 ? 300 : 100, fixture_data(i));

        endpoint.level = i < 4 ? 0 : 1;
        cr_assert_eq(fo_balancer_update(f.balancer, &endpoint, 1, NULL, 0, NULL), FO_OK);
    }
    fixture_set_weight(&f, "e0", 150); /* 50 % of 300 */
    fixture_set_weight(&f, "e3", 0);
    fixture_set_weight(&f, "e1", 50); /* level 0: 500 of 800: 62.5 %, takes 87 % */
    fixture_count(&f, PICKS, counts);
    for (size_t i = 0; i < 6; i++) {
        const double live[] = {150, 50, 300, 0, 300, 100};
        double wanted = (i < 4 ? 0.87 * live[i] / 500 : 0.13 * live[i] / 400) * PICKS;

        cr_expect_leq(fabs((double)counts[i] - wanted), 5 * sqrt(wanted) + 1, "e%zu: %zu", i,
                      (size_t)counts[i]);
    }
    fixture_destroy(&f);
}

Test(levels, degraded_endpoints_are_picked_only_when_the_others_cannot_take_it_all)
{
    struct fixture f;
    uint64_t counts[4] = {0};
    struct fo_endpoint_config degraded;

    fixture_open(&f, 4, NULL);
    degraded = fixture_upsert("e3", 100, fixture_data(3));
    degraded.degraded = true;
    cr_assert_eq(fo_balancer_update(f.balancer, &degraded, 1, NULL, 0, NULL), FO_OK);
    fixture_count(&f, 3000, counts); /* 75 % are enough */
    cr_expect_eq(counts[3], 0);
    fixture_set_weight(&f, "e0", 0); /* 50 %: 70 % of the traffic */
    counts[1] = counts[2] = 0;
    fixture_count(&f, PICKS, counts);
    cr_expect_leq(fabs((double)counts[3] - 0.3 * PICKS), 5 * sqrt(0.3 * PICKS));
    fixture_destroy(&f);
}

/* ---- Last resort ---------------------------------------------------------------------------- */

Test(levels, e13_when_everything_is_down_all_share_the_traffic)
{
    const struct level_of_hosts levels[] = {{3, 0}};
    struct fixture f;
    struct fo_config config;
    fo_balancer_state state;
    uint64_t counts[3] = {0};

    fixture_init(&f);
    config = config_of(&f);
    fixture_balancer(&f, &config);
    add_levels(&f, levels, 1);
    cr_assert_eq(fo_level_list(f.balancer, &state, NULL, NULL), FO_OK);
    cr_expect_eq(state, FO_BALANCER_LAST_RESORT);
    fixture_count(&f, 30000, counts);
    for (size_t i = 0; i < 3; i++)
        cr_expect_leq(fabs((double)counts[i] - 10000), 5 * 100);
    fixture_destroy(&f);
}

Test(levels, one_success_ends_the_last_resort)
{
    struct fixture f;
    struct fo_config config;
    fo_balancer_state state;
    size_t first;

    fixture_init(&f);
    config = config_of(&f);
    config.weight = fo_weight_ratio();
    fixture_balancer(&f, &config);
    fixture_add(&f, 3, NULL);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(fo_report(f.balancer, fixture_name(i), FO_OUTCOME_DOWN), FO_OK);
    first = fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    cr_assert_eq(fo_level_list(f.balancer, &state, NULL, NULL), FO_OK);
    cr_expect_eq(state, FO_BALANCER_NORMAL);
    for (int i = 0; i < 100; i++)
        cr_expect_eq(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS), first);
    fixture_destroy(&f);
}

Test(levels, the_last_resort_leaves_out_what_is_drained_or_weightless)
{
    struct fixture f;
    struct fo_config config;
    uint64_t counts[4] = {0};

    fixture_init(&f);
    config = config_of(&f);
    fixture_balancer(&f, &config);
    fixture_add(&f, 4, (const double[]){100, 100, 0, 100});
    cr_assert_eq(fo_drain(f.balancer, "e1"), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e3", FO_OUTCOME_DOWN), FO_OK);
    fixture_count(&f, 1000, counts);
    cr_expect_eq(counts[1], 0);
    cr_expect_eq(counts[2], 0);
    cr_expect(counts[0] > 300 && counts[3] > 300);
    fixture_destroy(&f);
}

Test(levels, a_retry_in_the_last_resort_avoids_what_it_has_tried)
{
    struct fixture f;
    struct fo_config config;
    struct fo_pick_options options = fo_pick_options_init();
    uint64_t tried[2];

    fixture_init(&f);
    config = config_of(&f);
    fixture_balancer(&f, &config);
    fixture_add(&f, 3, NULL);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(fo_report(f.balancer, fixture_name(i), FO_OUTCOME_DOWN), FO_OK);
    tried[0] = fixture_id(&f, "e0");
    tried[1] = fixture_id(&f, "e2");
    options.exclude = tried;
    options.exclude_count = 2;
    for (int i = 0; i < 100; i++) {
        struct fo_lease lease;

        cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
        cr_expect_eq(fixture_index(lease.endpoint), 1);
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_FAILURE), FO_OK);
    }
    fixture_destroy(&f);
}

Test(levels, a_healthy_excluded_endpoint_comes_before_one_that_is_down)
{
    struct fixture f;
    struct fo_config config;
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_lease lease;
    uint64_t tried;

    fixture_init(&f);
    config = config_of(&f);
    fixture_balancer(&f, &config);
    fixture_add(&f, 2, NULL);
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_DOWN), FO_OK);
    tried = fixture_id(&f, "e0");
    options.exclude = &tried;
    options.exclude_count = 1;
    cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
    cr_expect_eq(fixture_index(lease.endpoint), 0);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    options.strict = true;
    cr_expect_eq(fo_pick_with(f.balancer, &options, &lease), FO_UNAVAILABLE);
    fixture_destroy(&f);
}

Test(levels, listeners_hear_when_nothing_is_healthy_and_when_something_is_again)
{
    struct fixture f;
    struct fo_config config;

    fixture_init(&f);
    config = config_of(&f);
    config.weight = fo_weight_ratio();
    fixture_balancer(&f, &config);
    cr_assert_eq(
        fo_subscribe(f.balancer, FO_EVENT_EXHAUSTED | FO_EVENT_AVAILABLE, fixture_record, &f, NULL),
        FO_OK);
    fixture_add(&f, 2, NULL);
    fixture_dispatch(&f);
    cr_expect_str_eq(fixture_story(&f), "added e0, available, added e1");
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&f);
    cr_expect_str_eq(fixture_story(&f), "down e0 (outcome down)");
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&f);
    cr_expect_str_eq(fixture_story(&f), "down e1 (outcome down), exhausted");
    fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    fixture_dispatch(&f);
    cr_expect_eq(fixture_heard(&f, FO_EVENT_AVAILABLE, NULL), 2);
    fixture_destroy(&f);
}

/* ---- Limits of a pick ----------------------------------------------------------------------- */

Test(levels, a_pick_with_a_level_limit_stays_below_it)
{
    const struct level_of_hosts levels[] = {{2, 1}, {2, 2}, {2, 2}};
    struct fixture f;
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_lease lease;

    open_levels(&f, NULL, levels, 3);
    options.level_limit = 1;
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
        cr_expect_eq(fo_endpoint_level(lease.endpoint), 0);
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    }
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    cr_expect_eq(fo_pick_with(f.balancer, &options, &lease), FO_UNAVAILABLE);
    options.level_limit = 2;
    cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
    cr_expect_eq(fo_endpoint_level(lease.endpoint), 1);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    fixture_destroy(&f);
}

/* Then the first tier is not of level 0. */
Test(levels, a_level_limit_holds_when_level_0_is_all_degraded)
{
    struct fixture f;
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_lease lease;

    fixture_open(&f, 4, NULL);
    for (size_t i = 0; i < 4; i++) {
        struct fo_endpoint_config config = fixture_upsert(fixture_name(i), 100, fixture_data(i));

        config.level = i < 2 ? 0 : 1;
        config.degraded = i < 2;
        cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    }
    options.level_limit = 1;
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
        cr_expect_lt(fixture_index(lease.endpoint), 2);
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    }
    fixture_destroy(&f);
}

Test(levels, when_a_level_is_excluded_the_next_one_is_picked)
{
    const struct level_of_hosts levels[] = {{2, 2}, {2, 2}};
    struct fixture f;
    struct fo_pick_options options = fo_pick_options_init();
    uint64_t tried[2];

    open_levels(&f, NULL, levels, 2);
    tried[0] = fixture_id(&f, "e0");
    tried[1] = fixture_id(&f, "e1");
    options.exclude = tried;
    options.exclude_count = 2;
    for (int i = 0; i < 100; i++) {
        struct fo_lease lease;

        cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
        cr_expect_eq(fo_endpoint_level(lease.endpoint), 1);
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    }
    fixture_destroy(&f);
}

/* ---- Levels that change --------------------------------------------------------------------- */

static size_t levels_seen;

static bool see_level(const struct fo_level_info *info, void *arg)
{
    double *share = arg;

    cr_expect_eq(info->size, sizeof(*info));
    share[info->level] = info->share;
    levels_seen++;
    return true;
}

Test(levels, an_update_moves_an_endpoint_to_another_level_and_keeps_its_health)
{
    const struct level_of_hosts levels[] = {{2, 2}, {2, 2}};
    struct fixture f;
    struct fo_endpoint_config moved;
    double share[2];

    open_levels(&f, NULL, levels, 2);
    fixture_set_weight(&f, "e0", 40);
    moved = fixture_upsert("e0", 100, fixture_data(0));
    moved.level = 1;
    cr_assert_eq(fo_balancer_update(f.balancer, &moved, 1, NULL, 0, NULL), FO_OK);
    cr_expect_eq(fixture_info(&f, "e0").level, 1);
    cr_expect_float_eq(fixture_info(&f, "e0").live_weight, 40, 1e-6);
    cr_expect_eq(fixture_info(&f, "e1").level, 0);
    levels_seen = 0;
    cr_assert_eq(fo_level_list(f.balancer, NULL, see_level, share), FO_OK);
    cr_expect_eq(levels_seen, 2);
    cr_expect_float_eq(share[0], 1, 1e-9);
    fixture_set_weight(&f, "e1", 0);
    cr_assert_eq(fo_level_list(f.balancer, NULL, see_level, share), FO_OK);
    cr_expect_float_eq(share[0], 0, 1e-9);
    cr_expect_float_eq(share[1], 1, 1e-9);
    fixture_destroy(&f);
}

Test(levels, traffic_returns_to_level_0_with_its_health)
{
    const struct level_of_hosts levels[] = {{2, 0}, {2, 2}};
    struct fixture f;
    struct fo_config config;

    fixture_init(&f);
    config = config_of(&f);
    config.weight = fo_weight_ratio();
    fixture_balancer(&f, &config);
    add_levels(&f, levels, 2);
    for (int i = 0; i < 100; i++)
        cr_expect_geq(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS), 2);
    fixture_advance_ms(&f, 1300); /* trials are due: two picks take them, others bring health */
    for (int i = 0; i < 20000; i++)
        fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    for (int i = 0; i < 1000; i++)
        cr_expect_lt(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS), 2);
    fixture_destroy(&f);
}

Test(levels, a_level_above_the_highest_is_refused_and_named)
{
    struct fixture f;
    struct fo_endpoint_config config = fo_endpoint_config_init("x");
    struct fo_update_result result = fo_update_result_init();

    fixture_open(&f, 1, NULL);
    config.level = FO_LEVEL_MAX + 1;
    cr_expect_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, &result), FO_EINVAL);
    cr_expect_eq(result.offender, 0);
    cr_expect_str_eq(result.offence, "level is above FO_LEVEL_MAX");
    fo_update_result_fini(&result);
    fixture_destroy(&f);
}

/* ---- Levels beside other things ------------------------------------------------------------- */

Test(levels, a_trial_is_taken_only_below_the_level_limit)
{
    const struct level_of_hosts levels[] = {{1, 1}, {1, 0}};
    struct fixture f;
    struct fo_config config;
    struct fo_pick_options options = fo_pick_options_init();

    fixture_init(&f);
    config = config_of(&f);
    config.weight = fo_weight_ratio();
    fixture_balancer(&f, &config);
    add_levels(&f, levels, 2);
    fixture_advance_ms(&f, 1300);
    cr_assert_eq(fixture_info(&f, "e1").state, FO_STATE_TRIAL);
    options.level_limit = 1;
    for (int i = 0; i < 5; i++) {
        struct fo_lease lease;

        cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
        cr_expect_eq(fixture_index(lease.endpoint), 0);
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    }
    cr_expect_eq(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS), 1, "anybody else's trial");
    fixture_destroy(&f);
}

Test(levels, a_level_that_panics_gets_its_share_and_no_other)
{
    const struct level_of_hosts levels[] = {{10, 1}, {10, 4}};
    struct fixture f;
    struct fo_config config;
    uint64_t counts[2];

    fixture_init(&f);
    config = config_of(&f);
    config.levels.panic_threshold = 0.3;
    fixture_balancer(&f, &config);
    add_levels(&f, levels, 2);
    count_by_level(&f, counts, 2);
    expect_percent(counts, (const double[]){20, 80}, 2);
    fixture_destroy(&f);
}

Test(levels, by_the_original_s_rule_a_drained_level_takes_nothing)
{
    const struct level_of_hosts levels[] = {{1, 1}, {10, 5}, {2, 2}};
    struct fixture f;
    struct fo_config config;
    uint64_t counts[3];

    fixture_init(&f);
    config = config_of(&f);
    config.levels = fo_config_compat().levels;
    fixture_balancer(&f, &config);
    add_levels(&f, levels, 3);
    cr_assert_eq(fo_drain(f.balancer, "e0"), FO_OK);
    count_by_level(&f, counts, 3);
    expect_percent(counts, (const double[]){0, 70, 30}, 3);
    fixture_destroy(&f);
}
