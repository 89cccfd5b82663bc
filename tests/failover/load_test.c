/* SPDX-License-Identifier: Apache-2.0
 *
 * Load policies: who gets the request because of what is in flight, and how it is counted.
 *
 * The known answers are those of MongoDB's drivers: of n endpoints the one of load rank r (1: least) gets
 * 2 (n − r) / (n (n − 1)), those of equal load share the mean of their ranks.
 */
#include "fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define PICKS 100000

static struct fo_config config_of(struct fixture *f, fo_load_policy policy)
{
    struct fo_config config = fixture_config(f);

    config.load.policy = policy;
    return config;
}

static void open_with(struct fixture *f, fo_load_policy policy, size_t n, const double *weights)
{
    struct fo_config config;

    fixture_init(f);
    config = config_of(f, policy);
    fixture_balancer(f, &config);
    fixture_add(f, n, weights);
}

static void put_in_flight(struct fixture *f, size_t n, const uint64_t *in_flight)
{
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(fo_in_flight_add(f->balancer, fixture_name(i), in_flight[i]), FO_OK);
}

static void expect_shares(const uint64_t *in_flight, const double *shares, size_t n)
{
    uint64_t counts[16] = {0};
    struct fixture f;

    open_with(&f, FO_LOAD_LEAST, n, NULL);
    put_in_flight(&f, n, in_flight);
    fixture_count(&f, PICKS, counts);
    for (size_t i = 0; i < n; i++) {
        if (shares[i] == 0)
            cr_expect_eq(counts[i], 0, "%zu: %lu", i, counts[i]);
        else
            cr_expect_float_eq((double)counts[i] / PICKS, shares[i], 0.005, "%zu: %lu", i,
                               counts[i]);
    }
    fixture_destroy(&f);
}

Test(load, least_gives_the_known_answers_for_three_different_loads)
{
    expect_shares((uint64_t[]){3, 6, 20}, (double[]){2.0 / 3, 1.0 / 3, 0}, 3);
}

Test(load, least_gives_the_known_answers_for_one_that_is_busier)
{
    expect_shares((uint64_t[]){110, 100, 100}, (double[]){0, 0.5, 0.5}, 3);
}

Test(load, least_gives_the_known_answers_for_ties)
{
    expect_shares((uint64_t[]){0, 5, 5, 10, 10, 20, 20, 50, 60},
                  (double[]){16 / 72.0, 13 / 72.0, 13 / 72.0, 9 / 72.0, 9 / 72.0, 5 / 72.0,
                             5 / 72.0, 2 / 72.0, 0},
                  9);
}

Test(load, least_gives_equals_equal_shares)
{
    expect_shares((uint64_t[]){7, 7, 7}, (double[]){1 / 3.0, 1 / 3.0, 1 / 3.0}, 3);
}

/* ---- Weights ------------------------------------------------------------------------------- */

static void expect_proportional(fo_load_policy policy)
{
    const double weights[] = {1, 2, 4};
    uint64_t counts[3] = {0};
    struct fixture f;

    open_with(&f, policy, 3, weights);
    fixture_count(&f, PICKS, counts);
    for (size_t i = 0; i < 3; i++) {
        double fair = weights[i] / 7 * PICKS;
        cr_expect_float_eq((double)counts[i], fair, 0.15 * fair, "policy %d, %zu: %lu", policy, i,
                           counts[i]);
    }
    fixture_destroy(&f);
}

Test(load, serial_callers_see_the_weights_under_every_policy)
{
    for (fo_load_policy policy = FO_LOAD_NONE; policy <= FO_LOAD_HOT_COLD; policy++)
        expect_proportional(policy);
}

/** Share of the light half of 20, with so many leases open at once. */
static double light_share(fo_load_policy policy, size_t open)
{
    double weights[20];
    uint64_t counts[20] = {0};
    struct fo_lease *leases = calloc(open, sizeof(*leases));
    uint64_t light = 0;
    struct fixture f;

    for (size_t i = 0; i < 20; i++)
        weights[i] = i < 10 ? 1 : 10;
    open_with(&f, policy, 20, weights);
    for (size_t i = 0; i < PICKS; i++) {
        struct fo_lease *lease = &leases[i % open];

        if (lease->endpoint != NULL)
            cr_assert_eq(fo_finish(lease, FO_OUTCOME_SUCCESS), FO_OK);
        cr_assert_eq(fo_pick(f.balancer, lease), FO_OK);
        counts[fixture_index(lease->endpoint)]++;
    }
    for (size_t i = 0; i < open; i++)
        if (leases[i].endpoint != NULL)
            cr_assert_eq(fo_finish(&leases[i], FO_OUTCOME_SUCCESS), FO_OK);
    for (size_t i = 0; i < 10; i++)
        light += counts[i];
    free(leases);
    fixture_destroy(&f);
    return (double)light / PICKS;
}

Test(load, the_light_half_gets_its_share_whatever_is_in_flight)
{
    const size_t open[] = {1, 20, 110, 1100};

    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
        double share = light_share(FO_LOAD_LEAST, open[i]);
        cr_expect(share >= 0.06 && share <= 0.12, "%zu open: %f", open[i], share);
    }
}

/* ---- Exactness of the inverse ---------------------------------------------------------------- */

static void expect_inverse(const uint64_t *in_flight, const double *weights, size_t n)
{
    uint64_t counts[16] = {0};
    double sum = 0;
    struct fixture f;

    open_with(&f, FO_LOAD_INVERSE, n, weights);
    put_in_flight(&f, n, in_flight);
    fixture_count(&f, PICKS, counts);
    for (size_t i = 0; i < n; i++)
        sum += weights[i] / (1 + (double)in_flight[i]);
    for (size_t i = 0; i < n; i++) {
        double expected = PICKS * weights[i] / (1 + (double)in_flight[i]) / sum;
        cr_expect_float_eq((double)counts[i], expected, 5 * sqrt(expected) + 5, "%zu: %lu not %.0f",
                           i, counts[i], expected);
    }
    fixture_destroy(&f);
}

Test(load, inverse_is_exact_by_rejection_and_by_the_pass)
{
    expect_inverse((uint64_t[]){0, 1, 3}, (double[]){100, 100, 100}, 3);
    expect_inverse((uint64_t[]){0, 9, 4, 1}, (double[]){1, 10, 5, 2}, 4);
    expect_inverse((uint64_t[]){50, 99, 200, 400}, (double[]){10, 20, 30, 40}, 4);
}

/* ---- Counting ------------------------------------------------------------------------------- */

static void configure(struct fixture *f, fo_load_policy policy)
{
    struct fo_config config = config_of(f, policy);

    cr_assert_eq(fo_balancer_configure(f->balancer, &config), FO_OK);
}

/** The share of e0 of two, with nothing else in flight: half if nothing is counted at either. */
static double share_of_first(struct fixture *f)
{
    uint64_t counts[2] = {0};

    fixture_count(f, 10000, counts);
    return (double)counts[0] / 10000;
}

Test(load, leases_are_counted_back_where_they_were_counted_whatever_is_configured_by_then)
{
    struct fo_lease before[8];
    struct fo_lease during[8];
    struct fixture f;

    fixture_open(&f, 2, NULL);
    for (size_t i = 0; i < 8; i++)
        cr_assert_eq(fo_pick(f.balancer, &before[i]), FO_OK);
    configure(&f, FO_LOAD_LEAST);
    cr_expect_float_eq(share_of_first(&f), 0.5, 0.02);
    for (size_t i = 0; i < 8; i++)
        cr_assert_eq(fo_finish(&before[i], FO_OUTCOME_SUCCESS), FO_OK);
    cr_expect_float_eq(share_of_first(&f), 0.5, 0.02,
                       "finishes that were not counted count nothing");
    for (size_t i = 0; i < 8; i++)
        cr_assert_eq(fo_pick(f.balancer, &during[i]), FO_OK);
    configure(&f, FO_LOAD_NONE);
    for (size_t i = 0; i < 8; i++)
        cr_assert_eq(fo_finish(&during[i], FO_OUTCOME_NEUTRAL), FO_OK);
    configure(&f, FO_LOAD_LEAST);
    cr_expect_float_eq(share_of_first(&f), 0.5, 0.02, "nothing is left behind");
    fixture_destroy(&f);
}

Test(load, in_flight_by_hand_is_added_subtracted_and_reset_but_never_below_nothing)
{
    struct fixture f;

    open_with(&f, FO_LOAD_LEAST, 2, NULL);
    cr_assert_eq(fo_in_flight_add(f.balancer, "e0", 5), FO_OK);
    cr_expect_eq(share_of_first(&f), 0);
    cr_assert_eq(fo_in_flight_sub(f.balancer, "e0", 3), FO_OK);
    cr_expect_eq(share_of_first(&f), 0);
    cr_assert_eq(fo_in_flight_sub(f.balancer, "e0", 1000), FO_OK);
    cr_expect_float_eq(share_of_first(&f), 0.5, 0.02);
    cr_assert_eq(fo_in_flight_add(f.balancer, "e0", 5), FO_OK);
    cr_assert_eq(fo_in_flight_reset(f.balancer, "e0"), FO_OK);
    cr_expect_float_eq(share_of_first(&f), 0.5, 0.02);
    cr_expect_eq(fo_in_flight_add(f.balancer, "nobody", 1), FO_NOTFOUND);
    cr_expect_eq(fo_in_flight_add(f.balancer, "e0", FO_IN_FLIGHT_MAX + UINT64_C(1)), FO_EINVAL);
    cr_expect_eq(fo_in_flight_add(NULL, "e0", 1), FO_EINVAL);
    cr_expect_eq(fo_in_flight_sub(f.balancer, NULL, 1), FO_EINVAL);
    fixture_destroy(&f);
}

/* ---- What holds under every policy ------------------------------------------------------------ */

Test(load, exclusions_tags_and_health_hold_under_every_policy)
{
    const uint64_t tags[] = {1, 1, 1, 2};

    for (fo_load_policy policy = FO_LOAD_NONE; policy <= FO_LOAD_HOT_COLD; policy++) {
        struct fo_pick_options options = fo_pick_options_init();
        uint64_t counts[4] = {0};
        uint64_t id;
        struct fixture f;

        open_with(&f, policy, 0, NULL);
        fixture_add_to(f.balancer, 4, NULL, tags);
        fixture_set_weight(&f, "e1", 25);
        fixture_advance_ms(&f, 1000);
        id = fixture_id(&f, "e0");
        options.require_tags = 1;
        options.exclude = &id;
        options.exclude_count = 1;
        for (size_t i = 0; i < PICKS / 10; i++) {
            struct fo_lease lease;

            cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
            counts[fixture_index(lease.endpoint)]++;
            cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
        }
        cr_expect_eq(counts[0] + counts[3], 0, "policy %d", policy);
        if (policy != FO_LOAD_HOT_COLD)
            cr_expect_float_eq((double)counts[1] / (PICKS / 10), 0.2, 0.03, "policy %d: %lu",
                               policy, counts[1]);
        fixture_destroy(&f);
    }
}

Test(load, switching_policies_live_keeps_what_is_in_flight)
{
    struct fixture f;

    open_with(&f, FO_LOAD_INVERSE, 2, NULL);
    cr_assert_eq(fo_in_flight_add(f.balancer, "e0", 9), FO_OK);
    cr_expect_float_eq(share_of_first(&f), 1 / 11.0, 0.02);
    configure(&f, FO_LOAD_LEAST);
    cr_expect_eq(share_of_first(&f), 0);
    configure(&f, FO_LOAD_PEAK_EWMA);
    cr_expect_eq(share_of_first(&f), 0);
    configure(&f, FO_LOAD_NONE);
    cr_expect_float_eq(share_of_first(&f), 0.5, 0.02);
    configure(&f, FO_LOAD_INVERSE);
    cr_expect_float_eq(share_of_first(&f), 1 / 11.0, 0.02);
    fixture_destroy(&f);
}
