/* SPDX-License-Identifier: Apache-2.0
 *
 * Several at once: distinct, weighted, without replacement, against the exact inclusion probabilities
 * of successive sampling; and chains of balancers.
 */
#include "fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define ROUNDS 20000u

/* ---- The oracle --------------------------------------------------------------------------- */

/** Adds to inclusion[i] the probability that i is among k that are drawn one by one from those left,
 * given that what was drawn so far had probability `p`. */
static void draw_rest(const double *weights, size_t n, size_t k, unsigned drawn, double p,
                      double *inclusion)
{
    double total = 0;

    if (k == 0) {
        for (size_t i = 0; i < n; i++)
            inclusion[i] += (drawn & 1u << i) != 0 ? p : 0;
        return;
    }
    for (size_t i = 0; i < n; i++)
        total += (drawn & 1u << i) != 0 ? 0 : weights[i];
    for (size_t i = 0; i < n; i++)
        if ((drawn & 1u << i) == 0)
            draw_rest(weights, n, k - 1, drawn | 1u << i, p * weights[i] / total, inclusion);
}

static void pick_and_count(struct fixture *f, size_t k, uint64_t *counts)
{
    struct fo_lease leases[8];
    size_t got;
    unsigned seen = 0;

    cr_assert_eq(fo_pick_many(f->balancer, NULL, k, leases, &got), FO_OK);
    cr_assert_eq(got, k);
    for (size_t i = 0; i < k; i++) {
        size_t index = fixture_index(leases[i].endpoint);

        cr_assert_eq(seen & 1u << index, 0, "e%zu twice", index);
        seen |= 1u << index;
        counts[index]++;
        cr_assert_eq(fo_finish(&leases[i], FO_OUTCOME_NEUTRAL), FO_OK);
    }
}

static void expect_inclusions(const double *weights, size_t n, size_t k)
{
    double inclusion[8] = {0};
    uint64_t counts[8] = {0};
    struct fixture f;

    draw_rest(weights, n, k, 0, 1, inclusion);
    fixture_open(&f, n, weights);
    for (uint32_t round = 0; round < ROUNDS; round++)
        pick_and_count(&f, k, counts);
    for (size_t i = 0; i < n; i++) {
        double wanted = inclusion[i] * ROUNDS;

        cr_expect_leq(fabs((double)counts[i] - wanted), 5 * sqrt(wanted) + 1e-9,
                      "%zu of %zu, e%zu: %zu instead of %g", k, n, i, (size_t)counts[i], wanted);
    }
    fixture_destroy(&f);
}

Test(pick_many, includes_each_as_often_as_successive_sampling_does)
{
    const double weights[] = {100, 20, 300, 50, 50, 7, 100, 400};

    for (size_t n = 1; n <= 8; n++)
        for (size_t k = 1; k <= n; k++)
            expect_inclusions(weights, n, k);
}

/* ---- Many of few -------------------------------------------------------------------------- */

/* Weights 1 and 3 in turn, 400 of each; `want` of them, one pass each. */
static void expect_reservoir(size_t want, double heavy_share)
{
    struct fixture f;
    struct fo_lease *leases = calloc(want, sizeof(*leases));
    double *weights = calloc(800, sizeof(*weights));
    size_t heavy = 0;
    size_t got;

    cr_assert(leases != NULL && weights != NULL);
    for (size_t i = 0; i < 800; i++)
        weights[i] = i % 2 == 0 ? 1 : 3;
    fixture_open(&f, 800, weights);
    for (int round = 0; round < 200; round++) {
        bool seen[800] = {false};

        cr_assert_eq(fo_pick_many(f.balancer, NULL, want, leases, &got), FO_OK);
        cr_assert_eq(got, want);
        for (size_t i = 0; i < want; i++) {
            size_t index = fixture_index(leases[i].endpoint);

            cr_assert_not(seen[index]);
            seen[index] = true;
            heavy += index % 2;
            cr_assert_eq(fo_finish(&leases[i], FO_OUTCOME_NEUTRAL), FO_OK);
        }
    }
    cr_expect_leq(fabs((double)heavy - heavy_share * 200 * (double)want),
                  5 * sqrt(heavy_share * 200 * (double)want), "%zu of %zu are heavy", heavy,
                  200 * want);
    free(leases);
    free(weights);
    fixture_destroy(&f);
}

/* In the limit of many: after a share s was drawn, 1 - x of the light and 1 - x³ of the heavy are, with
 * x the root of 1 - (x + x³) / 2 = s. */
Test(pick_many, of_most_endpoints_is_weighted_too)
{
    expect_reservoir(400, (1 - pow(0.6823278, 3)) / 2 / 0.5);
    expect_reservoir(800, 0.5);
}

Test(pick_many, gives_fewer_when_there_are_no_more)
{
    struct fixture f;
    struct fo_lease leases[6];
    size_t got = 77;

    fixture_open(&f, 4, (const double[]){100, 100, 0, 100});
    fixture_set_weight(&f, "e3", 0);
    cr_assert_eq(fo_pick_many(f.balancer, NULL, 6, leases, &got), FO_OK);
    cr_expect_eq(got, 2);
    cr_expect_null(leases[2].endpoint);
    cr_expect_null(leases[5].endpoint);
    for (size_t i = 0; i < got; i++)
        cr_assert_eq(fo_finish(&leases[i], FO_OUTCOME_SUCCESS), FO_OK);
    fixture_set_weight(&f, "e0", 0);
    fixture_set_weight(&f, "e1", 0);
    cr_expect_eq(fo_pick_many(f.balancer, NULL, 6, leases, &got), FO_UNAVAILABLE);
    cr_expect_eq(got, 0);
    fixture_destroy(&f);
}

static struct fo_config with_last_resort(struct fixture *f)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.levels.last_resort = FO_LAST_RESORT_ALL;
    return config;
}

Test(pick_many, takes_the_dead_only_when_all_are)
{
    struct fixture f;
    struct fo_config config = with_last_resort(&f);
    struct fo_lease leases[100];
    size_t got;

    fixture_balancer(&f, &config);
    fixture_add(&f, 100, NULL);
    for (size_t i = 1; i < 100; i++)
        fixture_set_weight(&f, fixture_name(i), 0);
    cr_assert_eq(fo_pick_many(f.balancer, NULL, 100, leases, &got), FO_OK);
    cr_expect_eq(got, 1);
    cr_assert_eq(fo_finish(&leases[0], FO_OUTCOME_NEUTRAL), FO_OK);
    fixture_set_weight(&f, "e0", 0);
    cr_assert_eq(fo_pick_many(f.balancer, NULL, 100, leases, &got), FO_OK);
    cr_expect_eq(got, 100);
    for (size_t i = 0; i < got; i++)
        cr_assert_eq(fo_finish(&leases[i], FO_OUTCOME_NEUTRAL), FO_OK);
    fixture_destroy(&f);
}

static void add_to_level(struct fixture *f, size_t first, size_t end, uint32_t level)
{
    for (size_t i = first; i < end; i++) {
        struct fo_endpoint_config config = fixture_upsert(fixture_name(i), 100, fixture_data(i));

        config.level = level;
        cr_assert_eq(fo_balancer_update(f->balancer, &config, 1, NULL, 0, NULL), FO_OK);
    }
}

Test(pick_many, takes_the_next_level_when_the_first_is_used_up)
{
    struct fixture f;
    struct fo_lease leases[90];

    fixture_init(&f);
    fixture_balancer(&f, NULL);
    add_to_level(&f, 0, 60, 0);
    add_to_level(&f, 60, 120, 1);
    for (size_t want = 50; want <= 90; want += 20) {
        size_t first_level = 0;
        size_t got;

        cr_assert_eq(fo_pick_many(f.balancer, NULL, want, leases, &got), FO_OK);
        cr_assert_eq(got, want);
        for (size_t i = 0; i < got; i++) {
            first_level += fo_endpoint_level(leases[i].endpoint) == 0 ? 1 : 0;
            cr_assert_eq(fo_finish(&leases[i], FO_OUTCOME_SUCCESS), FO_OK);
        }
        cr_expect_eq(first_level, want < 60 ? want : 60);
    }
    fixture_destroy(&f);
}

Test(pick_many, keeps_within_the_limits)
{
    struct fixture f;
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_lease leases[100];
    uint64_t tried[2];
    size_t got;

    fixture_open(&f, 100, NULL);
    tried[0] = fixture_id(&f, "e5");
    tried[1] = fixture_id(&f, "e50");
    options.exclude = tried;
    options.exclude_count = 2;
    for (size_t want = 20; want <= 100; want += 80) { /* both ways */
        cr_assert_eq(fo_pick_many(f.balancer, &options, want, leases, &got), FO_OK);
        cr_expect_eq(got, want < 98 ? want : 98);
        for (size_t i = 0; i < got; i++) {
            cr_expect(fo_endpoint_id(leases[i].endpoint) != tried[0] &&
                      fo_endpoint_id(leases[i].endpoint) != tried[1]);
            cr_assert_eq(fo_finish(&leases[i], FO_OUTCOME_SUCCESS), FO_OK);
        }
    }
    fixture_destroy(&f);
}

Test(pick_many, refuses_what_makes_no_sense)
{
    struct fixture f;
    struct fo_lease lease;
    size_t got;

    fixture_open(&f, 1, NULL);
    cr_expect_eq(fo_pick_many(f.balancer, NULL, 0, &lease, &got), FO_EINVAL);
    cr_expect_eq(fo_pick_many(f.balancer, NULL, 1, NULL, &got), FO_EINVAL);
    cr_expect_eq(fo_pick_many(f.balancer, NULL, 1, &lease, NULL), FO_EINVAL);
    cr_expect_eq(fo_pick_many(NULL, NULL, 1, &lease, &got), FO_EINVAL);
    fixture_destroy(&f);
}

/* ---- Chains ------------------------------------------------------------------------------- */

Test(pick_many, a_chain_goes_on_to_the_next_balancer_when_one_has_nothing_healthy)
{
    struct fixture f;
    struct fo_config config = with_last_resort(&f);
    struct fo_balancer *chain[2];
    struct fo_lease lease;

    chain[0] = fixture_balancer(&f, &config);
    config.levels.last_resort = FO_LAST_RESORT_NONE;
    chain[1] = fixture_balancer(&f, &config);
    fixture_add_to(chain[0], 2, NULL, NULL);
    fixture_add_to(chain[1], 3, NULL, NULL);
    cr_assert_eq(fo_pick_chain(chain, 2, NULL, &lease), FO_OK);
    cr_expect_lt(fixture_index(lease.endpoint), 2);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    cr_assert_eq(fo_report(chain[0], "e0", FO_OUTCOME_DOWN), FO_OK);
    cr_assert_eq(fo_report(chain[0], "e1", FO_OUTCOME_DOWN), FO_OK);
    cr_assert_eq(fo_drain(chain[1], "e0"), FO_OK);
    cr_assert_eq(fo_drain(chain[1], "e1"), FO_OK);
    cr_assert_eq(fo_pick_chain(chain, 2, NULL, &lease), FO_OK);
    cr_expect_eq(fixture_index(lease.endpoint), 2, "the healthy one of the second");
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    cr_assert_eq(fo_report(chain[1], "e2", FO_OUTCOME_DOWN), FO_OK);
    cr_assert_eq(fo_pick_chain(chain, 2, NULL, &lease), FO_OK);
    cr_expect_lt(fixture_index(lease.endpoint), 2, "the last resort of the first");
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    cr_expect_eq(fo_pick_chain(chain, 0, NULL, &lease), FO_EINVAL);
    fixture_destroy(&f);
}

Test(pick_many, a_chain_tries_another_balancer_rather_than_what_was_tried)
{
    struct fixture f;
    struct fo_config config = with_last_resort(&f);
    struct fo_balancer *chain[2];
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_lease lease;
    uint64_t tried;

    chain[0] = fixture_balancer(&f, &config);
    chain[1] = fixture_balancer(&f, &config);
    fixture_add_to(chain[0], 1, NULL, NULL);
    fixture_add_to(chain[1], 3, NULL, NULL);
    tried = fixture_id(&f, "e0");
    options.exclude = &tried;
    options.exclude_count = 1;
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(fo_pick_chain(chain, 2, &options, &lease), FO_OK);
        cr_expect_gt(fixture_index(lease.endpoint), 0);
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    }
    fixture_destroy(&f);
}

/* Both ways of picking must agree on what the last resort is for. */
Test(pick_many, falls_back_to_the_dead_among_those_with_the_tags)
{
    struct fixture f;
    struct fo_config config = with_last_resort(&f);
    struct fo_pick_options options = fo_pick_options_init();
    static uint64_t tags[100];
    struct fo_lease leases[80];

    for (size_t i = 0; i < 80; i++)
        tags[i] = 1;
    fixture_balancer(&f, &config);
    fixture_add_to(f.balancer, 100, NULL, tags);
    for (size_t i = 0; i < 80; i++)
        fixture_set_weight(&f, fixture_name(i), 0);
    options.require_tags = 1;
    for (size_t want = 20; want <= 80; want += 60) {
        size_t got;

        cr_assert_eq(fo_pick_many(f.balancer, &options, want, leases, &got), FO_OK);
        cr_expect_eq(got, want);
        for (size_t i = 0; i < got; i++)
            cr_assert_eq(fo_finish(&leases[i], FO_OUTCOME_NEUTRAL), FO_OK);
    }
    fixture_destroy(&f);
}
