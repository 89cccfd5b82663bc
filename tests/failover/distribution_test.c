/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights mean what they say: where the picks of one thread land, counted against the shares that
 * the model (model_pick.h) works out from the manual.
 *
 *     everything healthy   a low-discrepancy sequence: no count is ever more than 20 off in a
 *                          million picks, where random numbers would be off by 5√E = 5,000
 *     otherwise            random: |n − E| ≤ 5√E, and χ² finds nothing (p > 0.001)
 *     weight 0             never
 */
#include "chi2.h"
#include "dice.h"
#include "fixture.h"
#include "model_pick.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MILLION 1000000u

/* ---- What is compared --------------------------------------------------------------------- */

struct verdict {
    double off;    /* the largest |n − E| */
    double sigmas; /* the largest |n − E| / √E */
    double p;
    uint64_t strays; /* picks where the share is 0 */
};

static struct verdict judge(const struct model *model, const double *shares, const uint64_t *counts)
{
    struct verdict verdict = {largest_error(counts, shares, model->count),
                              largest_error_in_sigmas(counts, shares, model->count),
                              chi2_p(counts, shares, model->count), 0};

    for (size_t i = 0; i < model->count; i++)
        verdict.strays += shares[i] <= 0 ? counts[i] : 0;
    return verdict;
}

static struct verdict count(struct fixture *f, uint64_t picks)
{
    struct model model = model_of(f->balancer);
    double *shares = calloc(model.count, sizeof(*shares));
    uint64_t *counts = calloc(model.count, sizeof(*counts));
    struct verdict verdict;

    cr_assert_eq(model_pick(&model, NULL, shares), FO_OK);
    cr_assert_eq(model_count(&model, f->balancer, NULL, picks, counts), FO_OK);
    verdict = judge(&model, shares, counts);
    free(shares);
    free(counts);
    model_fini(&model);
    return verdict;
}

static void open_seeded(struct fixture *f, uint64_t seed, size_t n, const double *weights)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.seed = seed;
    fixture_balancer(f, &config);
    fixture_add(f, n, weights);
}

static double weight_list[1000];

static const double *weights_of(size_t n, double (*weight)(size_t))
{
    for (size_t i = 0; i < n; i++)
        weight_list[i] = weight(i);
    return weight_list;
}

static double equal(size_t i)
{
    return (double)(i - i + 100);
}
static double rising(size_t i)
{
    return (double)(i + 1);
}
static double one_to_a_hundred(size_t i)
{
    return i % 2 == 0 ? 1 : 100;
}
static double odd_numbers(size_t i)
{
    return 0.1 + (double)((i * 7919) % 1013) / 7;
}
static double one_giant(size_t i)
{
    return i == 0 ? 1e9 : 1 + (double)(i % 3);
}

/* ---- Healthy ------------------------------------------------------------------------------ */

static void expect_even(size_t n, double (*weight)(size_t), uint64_t seed)
{
    struct verdict verdict;
    struct fixture f;

    open_seeded(&f, seed, n, weights_of(n, weight));
    verdict = count(&f, MILLION);
    cr_expect(verdict.off <= 20, "n %zu seed %zu: %g off", n, (size_t)seed, verdict.off);
    cr_expect_eq(verdict.strays, 0);
    fixture_destroy(&f);
}

Test(distribution, is_within_20_of_equal_shares_in_a_million)
{
    static const size_t sizes[] = {1, 2, 3, 5, 8, 20, 64, 100, 1000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (uint64_t seed = 1; seed <= 2; seed++)
            expect_even(sizes[i], equal, seed * 1001 + i);
}

Test(distribution, is_within_20_of_weighted_shares_in_a_million)
{
    static const size_t sizes[] = {2, 3, 5, 20, 100};
    static double (*const kinds[])(size_t) = {rising, one_to_a_hundred, odd_numbers, one_giant};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (size_t kind = 0; kind < 4; kind++)
            expect_even(sizes[i], kinds[kind], 77 + i * 4 + kind);
}

/** The largest error of any window of that many picks, over so many windows in a row. */
static double worst_window(struct fixture *f, size_t n, uint64_t picks, int windows)
{
    double *shares = calloc(n, sizeof(*shares));
    uint64_t *counts = calloc(n, sizeof(*counts));
    double worst = 0;

    for (size_t i = 0; i < n; i++)
        shares[i] = 1 / (double)n;
    for (int window = 0; window < windows; window++) {
        double off;

        memset(counts, 0, n * sizeof(*counts));
        fixture_count(f, picks, counts);
        off = largest_error(counts, shares, n);
        worst = off > worst ? off : worst;
    }
    free(shares);
    free(counts);
    return worst;
}

Test(distribution, gives_each_its_share_of_every_window)
{
    static const size_t sizes[] = {2, 3, 5, 7, 20, 100};
    static const uint64_t turns[] = {1, 2, 10, 100, 1000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t k = 0; k < sizeof(turns) / sizeof(turns[0]); k++) {
            uint64_t picks = turns[k] * sizes[i];
            struct fixture f;
            double off;

            open_seeded(&f, 5 + i, sizes[i], NULL);
            off = worst_window(&f, sizes[i], picks, (int)(200000 / picks) + 1);
            cr_expect(off <= 5, "%g off in windows of %zu × %zu", off, (size_t)turns[k], sizes[i]);
            fixture_destroy(&f);
        }
    }
}

Test(distribution, of_two_clients_does_not_march_in_step)
{
    struct fixture f;
    struct fo_balancer *twin;
    struct fo_config config;
    int same = 0;

    open_seeded(&f, 8, 10, NULL);
    config = fixture_config(&f);
    config.seed = 9;
    twin = fixture_balancer(&f, &config); /* another client with the same list */
    fixture_add_to(twin, 10, NULL, NULL);
    for (int i = 0; i < 10000; i++) {
        struct fo_lease a = fo_lease_init();
        struct fo_lease b = fo_lease_init();

        cr_assert_eq(fo_pick(f.balancer, &a), FO_OK);
        cr_assert_eq(fo_pick(twin, &b), FO_OK);
        same += fixture_index(a.endpoint) == fixture_index(b.endpoint) ? 1 : 0;
        fo_finish(&a, FO_OUTCOME_NEUTRAL);
        fo_finish(&b, FO_OUTCOME_NEUTRAL);
    }
    cr_expect_lt(same, 6000);
    fixture_destroy(&f);
}

/* ---- Degraded ----------------------------------------------------------------------------- */

static void expect_random(struct fixture *f, const char *what)
{
    struct verdict verdict = count(f, MILLION);

    cr_expect(verdict.sigmas <= 5, "%s: %g√E off", what, verdict.sigmas);
    cr_expect(verdict.p > 0.001, "%s: p %g", what, verdict.p);
    cr_expect_eq(verdict.strays, 0, "%s: %zu strays", what, (size_t)verdict.strays);
}

static double degrade_none(size_t i)
{
    return (double)(i - i + 1);
}
static double degrade_one(size_t i)
{
    return i == 0 ? 0.99 : 1;
}
static double degrade_a_third(size_t i)
{
    return i % 3 == 0 ? 0.7 : 1;
}
static double degrade_all(size_t i)
{
    return 0.05 + (double)(i % 10) / 11;
}
static double degrade_to_a_trickle(size_t i)
{
    return i % 2 == 0 ? 0.001 : 0.002;
}
static double kill_half(size_t i)
{
    return i % 2 == 0 ? 0 : 1;
}
static double kill_nine_in_ten(size_t i)
{
    return i % 10 != 3 ? 0 : 1;
}
static double kill_all_but_one_in_50(size_t i)
{
    return i % 50 != 1 ? 0 : 0.4;
}

static void degrade(struct fixture *f, size_t n, double (*health)(size_t))
{
    for (size_t i = 0; i < n; i++) {
        double max = fixture_info(f, fixture_name(i)).max_weight;

        if (health(i) < 1)
            fixture_set_weight(f, fixture_name(i), health(i) * max);
    }
}

static void expect_random_when(size_t n, double (*weight)(size_t), double (*health)(size_t),
                               uint64_t seed, const char *what)
{
    struct fixture f;

    open_seeded(&f, seed, n, weights_of(n, weight));
    degrade(&f, n, health);
    expect_random(&f, what);
    fixture_destroy(&f);
}

Test(distribution, follows_health_when_one_is_degraded)
{
    expect_random_when(5, equal, degrade_one, 1, "5 equal");
    expect_random_when(20, equal, degrade_one, 2, "20 equal");
    expect_random_when(100, rising, degrade_one, 3, "100 rising");
}

Test(distribution, follows_health_when_a_third_is_degraded)
{
    expect_random_when(3, equal, degrade_a_third, 4, "3 equal");
    expect_random_when(20, one_to_a_hundred, degrade_a_third, 5, "20, 1 to 100");
    expect_random_when(100, equal, degrade_a_third, 6, "100 equal");
}

Test(distribution, follows_health_when_all_are_degraded)
{
    expect_random_when(2, equal, degrade_all, 7, "2 equal");
    expect_random_when(10, odd_numbers, degrade_all, 8, "10 odd");
    expect_random_when(60, rising, degrade_all, 9, "60 rising");
    expect_random_when(30, equal, degrade_to_a_trickle, 10, "a trickle");
}

Test(distribution, follows_health_when_half_are_down)
{
    expect_random_when(4, equal, kill_half, 11, "4 equal");
    expect_random_when(40, rising, kill_half, 12, "40 rising");
}

Test(distribution, follows_health_when_nearly_all_are_down)
{
    expect_random_when(20, equal, kill_nine_in_ten, 13, "20 equal");
    expect_random_when(100, odd_numbers, kill_nine_in_ten, 14, "100 odd");
    expect_random_when(200, rising, kill_all_but_one_in_50, 15, "200 rising");
}

Test(distribution, follows_weights_that_are_not_equal_and_healthy)
{
    expect_random_when(100, odd_numbers, degrade_none, 16, "100 odd");
}

/* ---- Zero and floors ---------------------------------------------------------------------- */

Test(distribution, never_picks_weight_zero)
{
    const double weights[] = {0, 5, 0, 1, 0, 1e6, 0};
    struct fixture f;

    open_seeded(&f, 21, 7, weights);
    cr_expect_eq(count(&f, MILLION).strays, 0);
    fixture_set_weight(&f, "e5", 1000); /* nearly everything is refused: through the tree, too */
    cr_expect_eq(count(&f, MILLION).strays, 0);
    fixture_destroy(&f);
}

Test(distribution, keeps_the_trickle_of_min_weight_when_down)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("e0");
    struct verdict verdict;
    struct fixture f;

    open_seeded(&f, 22, 4, NULL);
    config.data = fixture_data(0);
    config.min_weight = 2;
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    cr_expect_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    verdict = count(&f, MILLION);
    cr_expect(verdict.p > 0.001 && verdict.sigmas <= 5, "2 : 100 : 100 : 100: p %g", verdict.p);
    fixture_destroy(&f);
}

Test(distribution, is_that_of_min_weights_alone_when_all_are_down)
{
    struct fo_endpoint_config configs[4];
    struct verdict verdict;
    struct fixture f;

    fixture_init(&f);
    fixture_balancer(&f, NULL);
    for (size_t i = 0; i < 4; i++) {
        configs[i] = fo_endpoint_config_init(fixture_name(i));
        configs[i].data = fixture_data(i);
        configs[i].min_weight = (double)i; /* e0 has none */
    }
    cr_assert_eq(fo_balancer_update(f.balancer, configs, 4, NULL, 0, NULL), FO_OK);
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(fo_report(f.balancer, fixture_name(i), FO_OUTCOME_DOWN), FO_OK);
    verdict = count(&f, MILLION);
    cr_expect(verdict.p > 0.001 && verdict.strays == 0, "0 : 1 : 2 : 3: p %g", verdict.p);
    fixture_destroy(&f);
}

/* ---- Random worlds ------------------------------------------------------------------------ */

static void make_random_world(struct fixture *f, struct dice *dice)
{
    size_t n = 1 + dice_below(dice, 60);
    double most = 1 + dice_fraction(dice) * 1000;

    for (size_t i = 0; i < n; i++)
        weight_list[i] = dice_below(dice, 6) == 0 ? 0 : dice_fraction(dice) * most + 0.01;
    weight_list[dice_below(dice, (uint32_t)n)] = most;
    open_seeded(f, dice_next(dice), n, weight_list);
    for (size_t i = 0; i < n; i++) {
        double health = dice_below(dice, 3) == 0 ? 0 : dice_fraction(dice);

        if (dice_below(dice, 3) != 0 && weight_list[i] < most)
            fixture_set_weight(f, fixture_name(i), health * weight_list[i]);
        if (dice_below(dice, 12) == 0 && weight_list[i] < most)
            cr_assert_eq(fo_drain(f->balancer, fixture_name(i)), FO_OK);
    }
}

Test(distribution, agrees_with_the_model_in_random_worlds)
{
    struct dice dice = dice_of(51);

    for (int world = 0; world < 60; world++) {
        struct verdict verdict;
        struct fixture f;

        make_random_world(&f, &dice);
        verdict = count(&f, 100000);
        cr_expect(verdict.p > 0.001 && verdict.sigmas <= 5, "world %d: p %g, %g√E off", world,
                  verdict.p, verdict.sigmas);
        cr_expect_eq(verdict.strays, 0);
        fixture_destroy(&f);
    }
}
