/* SPDX-License-Identifier: Apache-2.0
 *
 * Picks limited to endpoints that have all of the required tags.
 */
#include "chi2.h"
#include "dice.h"
#include "fixture.h"
#include "model_pick.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define RED 1u
#define FAST 2u
#define TOP_BIT (UINT64_C(1) << 63)

static void open_tagged(struct fixture *f, size_t n, const double *weights, const uint64_t *tags)
{
    fixture_init(f);
    fixture_balancer(f, NULL);
    fixture_add_to(f->balancer, n, weights, tags);
}

static void expect_shares(struct fo_balancer *balancer, const struct fo_pick_options *options,
                          uint64_t picks, const char *what)
{
    struct model model = model_of(balancer);
    double *shares = calloc(model.count, sizeof(*shares));
    uint64_t *counts = calloc(model.count, sizeof(*counts));
    fo_status wanted = model_pick(&model, options, shares);

    cr_expect_eq(model_count(&model, balancer, options, picks, counts), wanted, "%s", what);
    if (wanted == FO_OK) {
        double p = chi2_p(counts, shares, model.count);
        double sigmas = largest_error_in_sigmas(counts, shares, model.count);

        cr_expect(p > 0.001 && sigmas <= 5, "%s: p %g, %g√E off", what, p, sigmas);
    }
    free(shares);
    free(counts);
    model_fini(&model);
}

static void expect_tagged(struct fixture *f, uint64_t tags, uint64_t picks, const char *what)
{
    struct fo_pick_options options = fo_pick_options_init();

    options.require_tags = tags;
    expect_shares(f->balancer, &options, picks, what);
}

Test(tags, limit_picks_to_those_that_have_all_of_them)
{
    const uint64_t tags[] = {RED, FAST, RED | FAST, 0, RED | TOP_BIT, TOP_BIT, FAST, ~UINT64_C(0)};
    const double weights[] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct fixture f;

    open_tagged(&f, 8, weights, tags);
    expect_tagged(&f, RED, 300000, "red");
    expect_tagged(&f, FAST, 300000, "fast");
    expect_tagged(&f, RED | FAST, 300000, "red and fast");
    expect_tagged(&f, TOP_BIT, 300000, "the top bit");
    expect_tagged(&f, 4, 1000, "only the one that has everything");
    fixture_destroy(&f);
}

Test(tags, of_nobody_are_unavailable)
{
    const uint64_t tags[] = {RED, FAST, 0};
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_lease before;
    struct fo_lease lease;
    struct fixture f;

    memset(&before, 0xa5, sizeof(before));
    lease = before;
    open_tagged(&f, 3, NULL, tags);
    options.require_tags = RED | FAST;
    for (int i = 0; i < 100; i++)
        cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_UNAVAILABLE);
    options.require_tags = RED;
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_UNAVAILABLE);
    cr_expect_arr_eq(&lease, &before, sizeof(lease));
    fixture_destroy(&f);
}

Test(tags, find_a_few_among_a_thousand)
{
    static uint64_t tags[1000];
    static double weights[1000];
    struct fixture f;

    for (size_t i = 0; i < 1000; i++) {
        tags[i] = i % 250 == 100 ? RED | FAST : i % 100 == 7 ? RED : i % 3 << 5;
        weights[i] = (double)(1 + i % 7);
    }
    open_tagged(&f, 1000, weights, tags);
    expect_tagged(&f, FAST, 100000, "four of a thousand");
    expect_tagged(&f, RED, 100000, "fourteen of a thousand");
    fixture_destroy(&f);
}

Test(tags, follow_health_inside_their_range)
{
    static uint64_t tags[60];
    struct fixture f;

    for (size_t i = 0; i < 60; i++)
        tags[i] = i % 4;
    open_tagged(&f, 60, NULL, tags);
    for (size_t i = 0; i < 60; i++)
        if (i % 5 != 0)
            fixture_set_weight(&f, fixture_name(i), i % 5 == 1 ? 0 : 100.0 / (double)(i % 5));
    expect_tagged(&f, RED, 300000, "red of mixed health");
    expect_tagged(&f, FAST, 300000, "fast of mixed health");
    fixture_destroy(&f);
}

Test(tags, hold_together_with_exclusions)
{
    const uint64_t tags[] = {RED, RED, RED, 0, 0, FAST};
    const double weights[] = {1, 2, 3, 50, 60, 70};
    struct fo_pick_options options = fo_pick_options_init();
    uint64_t ids[3];
    struct fixture f;

    open_tagged(&f, 6, weights, tags);
    for (size_t i = 0; i < 3; i++)
        ids[i] = fixture_id(&f, fixture_name(i));
    options.require_tags = RED;
    options.exclude = ids;
    for (size_t n = 1; n <= 3; n++) { /* at three, the exclusions are dropped and the tag is kept */
        options.exclude_count = n;
        expect_shares(f.balancer, &options, 200000, "red without some");
    }
    options.strict = true;
    expect_shares(f.balancer, &options, 100, "strictly nothing");
    fixture_destroy(&f);
}

Test(tags, change_with_an_update_and_keep_the_incarnation)
{
    const uint64_t tags[] = {RED, 0};
    struct fo_endpoint_config config = fo_endpoint_config_init("e1");
    struct fixture f;
    uint64_t id;

    open_tagged(&f, 2, NULL, tags);
    id = fixture_id(&f, "e1");
    config.data = fixture_data(1);
    config.tags = RED;
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    cr_expect_eq(fixture_id(&f, "e1"), id);
    cr_expect_eq(fixture_info(&f, "e1").tags, RED);
    expect_tagged(&f, RED, 50000, "both");
    config.tags = 0;
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    expect_tagged(&f, RED, 1000, "one again");
    fixture_destroy(&f);
}

static void limit_at_random(struct fixture *f, struct dice *dice, size_t n, uint64_t *ids,
                            struct fo_pick_options *options)
{
    *options = fo_pick_options_init();
    options->exclude = ids;
    options->exclude_count = dice_below(dice, n < 20 ? (uint32_t)n + 1 : 20);
    for (size_t i = 0; i < options->exclude_count; i++)
        ids[i] = fixture_id(f, fixture_name(dice_below(dice, (uint32_t)n)));
    options->strict = dice_below(dice, 2) == 1;
    options->require_tags = dice_next(dice) & dice_next(dice) & 15;
}

Test(tags, agree_with_the_model_in_random_worlds)
{
    struct dice dice = dice_of(71);

    for (int world = 0; world < 60; world++) {
        size_t n = 1 + dice_below(&dice, 150);
        double weights[150];
        uint64_t tags[150];
        struct fixture f;

        for (size_t i = 0; i < n; i++) {
            weights[i] = dice_below(&dice, 8) == 0 ? 0 : 1 + dice_fraction(&dice) * 50;
            tags[i] = dice_next(&dice) & (dice_below(&dice, 2) == 0 ? 15 : 5);
        }
        open_tagged(&f, n, weights, tags);
        for (size_t i = 0; i < n; i++)
            if (weights[i] > 0 && dice_below(&dice, 4) < (uint32_t)world % 4)
                fixture_set_weight(&f, fixture_name(i),
                                   dice_below(&dice, 2) * dice_fraction(&dice) * weights[i]);
        for (int limit = 0; limit < 4; limit++) {
            struct fo_pick_options options;
            uint64_t ids[20];

            limit_at_random(&f, &dice, n, ids, &options);
            expect_shares(f.balancer, &options, 15000, "random world");
        }
        fixture_destroy(&f);
    }
}
