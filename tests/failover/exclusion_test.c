/* SPDX-License-Identifier: Apache-2.0
 *
 * Retries exclude what they have tried: the others keep their exact shares of what is left, and
 * when nothing is left the caller chooses between reuse and FO_UNAVAILABLE.
 */
#include "chi2.h"
#include "dice.h"
#include "fixture.h"
#include "model_pick.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct excluded {
    uint64_t ids[FO_EXCLUDE_MAX + 1];
    struct fo_pick_options options;
};

/** Excludes endpoints of f by their numbers. */
static void exclude(struct fixture *f, struct excluded *excluded, const size_t *index, size_t n)
{
    excluded->options = fo_pick_options_init();
    excluded->options.exclude = excluded->ids;
    excluded->options.exclude_count = n;
    for (size_t i = 0; i < n; i++)
        excluded->ids[i] = fixture_id(f, fixture_name(index[i]));
}

/** Exclusions leave a random sequence: 5√E and χ². */
static void expect_shares(struct fo_balancer *balancer, const struct fo_pick_options *options,
                          uint64_t picks, const char *what)
{
    struct model model = model_of(balancer);
    double *shares = calloc(model.count, sizeof(*shares));
    uint64_t *counts = calloc(model.count, sizeof(*counts));
    fo_status wanted = model_pick(&model, options, shares);
    double p;
    double sigmas;

    cr_expect_eq(model_count(&model, balancer, options, picks, counts), wanted, "%s", what);
    if (wanted == FO_OK) {
        p = chi2_p(counts, shares, model.count);
        sigmas = largest_error_in_sigmas(counts, shares, model.count);
        cr_expect(p > 0.001 && sigmas <= 5, "%s: p %g, %g√E off", what, p, sigmas);
    }
    free(shares);
    free(counts);
    model_fini(&model);
}

/* ---- Shares ------------------------------------------------------------------------------- */

Test(exclusion, leaves_the_rest_their_exact_shares)
{
    static const size_t index[] = {3, 0, 7};
    const double weights[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    struct excluded excluded;
    struct fixture f;

    fixture_open(&f, 10, weights);
    exclude(&f, &excluded, index, 1);
    expect_shares(f.balancer, &excluded.options, 500000, "one of ten");
    exclude(&f, &excluded, index, 3);
    expect_shares(f.balancer, &excluded.options, 500000, "three of ten");
    fixture_destroy(&f);
}

Test(exclusion, leaves_exact_shares_when_the_excluded_has_nearly_all_the_weight)
{
    static const size_t index[] = {0};
    const double weights[] = {10000, 1, 2, 3};
    struct excluded excluded;
    struct fixture f;

    fixture_open(&f, 4, weights);
    exclude(&f, &excluded, index, 1);
    expect_shares(f.balancer, &excluded.options, 500000, "the giant");
    fixture_destroy(&f);
}

/* Nine tenths are down: the sum tree answers. */
Test(exclusion, leaves_exact_shares_when_most_are_down)
{
    static const size_t index[] = {5, 45, 95, 199, 6};
    double weights[200];
    struct excluded excluded;
    struct fixture f;

    for (size_t i = 0; i < 200; i++)
        weights[i] = (double)(1 + i % 17);
    fixture_open(&f, 200, weights);
    for (size_t i = 0; i < 200; i++)
        if (i % 10 != 5)
            fixture_set_weight(&f, fixture_name(i), 0);
        else if (i % 20 == 5)
            fixture_set_weight(&f, fixture_name(i), weights[i] / 3);
    for (size_t n = 1; n <= 5; n++) {
        exclude(&f, &excluded, index, n);
        expect_shares(f.balancer, &excluded.options, 200000, "most down");
    }
    fixture_destroy(&f);
}

Test(exclusion, leaves_exact_shares_with_the_most_exclusions)
{
    size_t index[FO_EXCLUDE_MAX];
    struct excluded excluded;
    struct fixture f;

    fixture_open(&f, 80, NULL);
    for (size_t i = 0; i < FO_EXCLUDE_MAX; i++)
        index[i] = (i * 7) % 80;
    exclude(&f, &excluded, index, FO_EXCLUDE_MAX);
    expect_shares(f.balancer, &excluded.options, 200000, "64 of 80");
    fixture_destroy(&f);
}

Test(exclusion, of_all_but_one_always_finds_that_one)
{
    size_t index[FO_EXCLUDE_MAX];
    struct excluded excluded;
    struct fixture f;

    fixture_open(&f, FO_EXCLUDE_MAX + 1, NULL);
    for (size_t i = 0; i < FO_EXCLUDE_MAX; i++)
        index[i] = i < 40 ? i : i + 1;
    exclude(&f, &excluded, index, FO_EXCLUDE_MAX);
    for (int i = 0; i < 5000; i++) {
        struct fo_lease lease = fo_lease_init();

        cr_assert_eq(fo_pick_with(f.balancer, &excluded.options, &lease), FO_OK);
        cr_assert_eq(fixture_index(lease.endpoint), 40);
        fo_finish(&lease, FO_OUTCOME_NEUTRAL);
    }
    fixture_destroy(&f);
}

/* ---- Nothing left ------------------------------------------------------------------------- */

static void expect_unavailable(struct fixture *f, const struct fo_pick_options *options)
{
    struct fo_lease before;
    struct fo_lease lease;

    memset(&before, 0xa5, sizeof(before));
    lease = before;
    for (int i = 0; i < 100; i++)
        cr_assert_eq(fo_pick_with(f->balancer, options, &lease), FO_UNAVAILABLE);
    cr_expect_arr_eq(&lease, &before, sizeof(lease));
}

Test(exclusion, of_everything_is_dropped_unless_strict)
{
    static const size_t index[] = {0, 1, 2};
    const double weights[] = {1, 2, 5};
    struct excluded excluded;
    struct fixture f;

    fixture_open(&f, 3, weights);
    exclude(&f, &excluded, index, 3);
    expect_shares(f.balancer, &excluded.options, 200000, "reuse");
    excluded.options.strict = true;
    expect_unavailable(&f, &excluded.options);
    fixture_destroy(&f);
}

Test(exclusion, of_the_only_one_lets_it_retry_on_itself)
{
    static const size_t index[] = {0};
    struct excluded excluded;
    struct fixture f;

    fixture_open(&f, 1, NULL);
    exclude(&f, &excluded, index, 1);
    expect_shares(f.balancer, &excluded.options, 100, "a cluster of one");
    excluded.options.strict = true;
    expect_unavailable(&f, &excluded.options);
    fixture_destroy(&f);
}

Test(exclusion, of_all_that_is_up_is_dropped_unless_strict)
{
    static const size_t index[] = {1, 3};
    struct excluded excluded;
    struct fixture f;

    fixture_open(&f, 4, NULL);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    cr_assert_eq(fo_drain(f.balancer, "e2"), FO_OK);
    exclude(&f, &excluded, index, 2);
    expect_shares(f.balancer, &excluded.options, 50000, "reuse what is up");
    excluded.options.strict = true;
    expect_unavailable(&f, &excluded.options);
    fixture_destroy(&f);
}

Test(exclusion, that_is_dropped_does_not_revive_the_dead)
{
    static const size_t index[] = {0, 1};
    struct excluded excluded;
    struct fixture f;

    fixture_open(&f, 2, NULL);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_DOWN), FO_OK);
    exclude(&f, &excluded, index, 2);
    expect_unavailable(&f, &excluded.options);
    fixture_destroy(&f);
}

/* ---- Ids ---------------------------------------------------------------------------------- */

Test(exclusion, ignores_unknown_ids)
{
    struct excluded excluded;
    struct fixture f;

    fixture_open(&f, 5, NULL);
    excluded.options = fo_pick_options_init();
    excluded.options.strict = true;
    excluded.options.exclude = excluded.ids;
    excluded.options.exclude_count = 4;
    excluded.ids[0] = 0;
    excluded.ids[1] = UINT64_MAX;
    excluded.ids[2] = fixture_id(&f, "e2") + (UINT64_C(1) << 40); /* another life of its number */
    excluded.ids[3] = 1000;
    for (int i = 0; i < 5; i++) {
        uint64_t counts[5] = {0};
        const double shares[5] = {0.2, 0.2, 0.2, 0.2, 0.2};
        struct model model = model_of(f.balancer);

        cr_assert_eq(model_count(&model, f.balancer, &excluded.options, 10000, counts), FO_OK);
        cr_expect(largest_error(counts, shares, 5) <= 20, "as if nothing were excluded");
        model_fini(&model);
    }
    fixture_destroy(&f);
}

Test(exclusion, ignores_the_id_of_an_earlier_incarnation)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("e1");
    static const size_t index[] = {1};
    struct excluded excluded;
    uint64_t old_id;
    struct fixture f;

    fixture_open(&f, 2, NULL);
    exclude(&f, &excluded, index, 1);
    old_id = excluded.ids[0];
    config.data = fixture_data(17);
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    cr_expect_neq(fixture_id(&f, "e1"), old_id);
    expect_shares(f.balancer, &excluded.options, 10000, "the old one");
    exclude(&f, &excluded, index, 1);
    expect_shares(f.balancer, &excluded.options, 10000, "the new one");
    fixture_destroy(&f);
}

Test(exclusion, counts_a_repeated_id_once)
{
    static const size_t index[] = {2, 2, 1, 2, 1};
    const double weights[] = {1, 2, 3, 4, 5, 6};
    struct excluded excluded;
    struct fixture f;

    fixture_open(&f, 6, weights);
    for (size_t i = 3; i < 6; i++)
        fixture_set_weight(&f, fixture_name(i), i == 3 ? 0.1 : 0); /* through the tree */
    exclude(&f, &excluded, index, 5);
    expect_shares(f.balancer, &excluded.options, 200000, "repeated");
    fixture_destroy(&f);
}

Test(exclusion, refuses_too_many_and_none_where_some_are_announced)
{
    struct excluded excluded;
    struct fo_lease before;
    struct fo_lease lease;
    struct fixture f;

    fixture_open(&f, 2, NULL);
    memset(&before, 0xa5, sizeof(before));
    lease = before;
    memset(&excluded.ids, 0, sizeof(excluded.ids));
    excluded.options = fo_pick_options_init();
    excluded.options.exclude = excluded.ids;
    excluded.options.exclude_count = FO_EXCLUDE_MAX + 1;
    cr_expect_eq(fo_pick_with(f.balancer, &excluded.options, &lease), FO_EINVAL);
    excluded.options.exclude_count = SIZE_MAX;
    cr_expect_eq(fo_pick_with(f.balancer, &excluded.options, &lease), FO_EINVAL);
    excluded.options.exclude = NULL;
    excluded.options.exclude_count = 1;
    cr_expect_eq(fo_pick_with(f.balancer, &excluded.options, &lease), FO_EINVAL);
    cr_expect_arr_eq(&lease, &before, sizeof(lease));
    cr_expect_eq(fixture_info(&f, "e0").started + fixture_info(&f, "e1").started, 0);
    excluded.options.exclude_count = 0;
    cr_expect_eq(fo_pick_with(f.balancer, &excluded.options, &lease), FO_OK);
    fo_finish(&lease, FO_OUTCOME_NEUTRAL);
    fixture_destroy(&f);
}

/* ---- Random worlds ------------------------------------------------------------------------ */

Test(exclusion, agrees_with_the_model_in_random_worlds)
{
    struct dice dice = dice_of(61);

    for (int world = 0; world < 80; world++) {
        size_t n = 1 + dice_below(&dice, 90);
        double weights[90];
        size_t index[FO_EXCLUDE_MAX];
        struct excluded excluded;
        struct fixture f;
        size_t most;

        for (size_t i = 0; i < n; i++)
            weights[i] = dice_below(&dice, 8) == 0 ? 0 : 1 + dice_fraction(&dice) * 50;
        fixture_open(&f, n, weights);
        for (size_t i = 0; i < n; i++)
            if (weights[i] > 0 && dice_below(&dice, 4) < (uint32_t)world % 4)
                fixture_set_weight(&f, fixture_name(i),
                                   dice_below(&dice, 2) * dice_fraction(&dice) * weights[i]);
        most = n < FO_EXCLUDE_MAX ? n : FO_EXCLUDE_MAX;
        for (size_t i = 0; i < most; i++)
            index[i] = dice_below(&dice, (uint32_t)n);
        exclude(&f, &excluded, index, dice_below(&dice, (uint32_t)most + 1));
        excluded.options.strict = dice_below(&dice, 2) == 1;
        expect_shares(f.balancer, &excluded.options, 40000, "random world");
        fixture_destroy(&f);
    }
}
