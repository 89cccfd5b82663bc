/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits of what is in flight: of endpoints, of the balancer, by hand, and what becomes of lost leases.
 */
#include "fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static struct fo_endpoint_config capped(const char *name, uint64_t max_in_flight)
{
    struct fo_endpoint_config config = fixture_upsert(name, 100, NULL);

    config.max_in_flight = max_in_flight;
    return config;
}

/** e0 … e(n−1), of that limit each. */
static void open_capped(struct fixture *f, const struct fo_config *given, size_t n, uint64_t cap)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    if (given != NULL) {
        config.load = given->load;
        config.max_in_flight = given->max_in_flight;
        config.levels = given->levels;
    }
    fixture_balancer(f, &config);
    for (size_t i = 0; i < n; i++) {
        struct fo_endpoint_config endpoint = capped(fixture_name(i), cap);

        endpoint.data = fixture_data(i);
        cr_assert_eq(fo_balancer_update(f->balancer, &endpoint, 1, NULL, 0, NULL), FO_OK);
    }
    fixture_dispatch(f);
}

/** Picks until a pick is refused, at most `room` of them; returns how many, and the refusal. */
static size_t fill(struct fixture *f, struct fo_lease *leases, size_t room, fo_status *refusal)
{
    size_t got = 0;

    while (got < room) {
        *refusal = fo_pick(f->balancer, &leases[got]);
        if (*refusal != FO_OK)
            return got;
        got++;
    }
    *refusal = FO_OK;
    return got;
}

static void finish_all(struct fo_lease *leases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(fo_finish(&leases[i], FO_OUTCOME_NEUTRAL), FO_OK);
}

Test(load_limits, an_endpoint_takes_what_it_may_and_then_the_pick_is_refused_as_overloaded)
{
    struct fo_lease leases[64];
    fo_status refusal;
    struct fixture f;

    open_capped(&f, NULL, 3, 5);
    for (size_t round = 0; round < 3; round++) {
        cr_expect_eq(fill(&f, leases, 64, &refusal), 15);
        cr_expect_eq(refusal, FO_OVERLOADED);
        cr_assert_eq(fo_finish(&leases[7], FO_OUTCOME_NEUTRAL), FO_OK);
        cr_expect_eq(fo_pick(f.balancer, &leases[7]), FO_OK);
        cr_expect_eq(fo_pick(f.balancer, &leases[20]), FO_OVERLOADED);
        finish_all(leases, 15);
    }
    fixture_destroy(&f);
}

Test(load_limits, what_is_full_is_passed_over_and_the_rest_shares_by_weight)
{
    uint64_t counts[3] = {0};
    struct fixture f;

    open_capped(&f, NULL, 3, 5);
    cr_assert_eq(fo_in_flight_add(f.balancer, "e1", 5), FO_OK);
    fixture_count(&f, 10000, counts);
    cr_expect_eq(counts[1], 0);
    cr_expect_float_eq((double)counts[0], 5000, 250);
    cr_assert_eq(fo_in_flight_sub(f.balancer, "e1", 1), FO_OK);
    fixture_count(&f, 10000, counts);
    cr_expect_gt(counts[1], 3000);
    fixture_destroy(&f);
}

Test(load_limits, hold_for_every_way_to_pick)
{
    struct fo_pick_options keyed = fo_pick_options_init();
    struct fo_pick_options without = fo_pick_options_init();
    struct fo_lease leases[64];
    struct fo_lease more[8];
    fo_status refusal;
    uint64_t id;
    size_t got;
    struct fixture f;

    open_capped(&f, NULL, 4, 3);
    keyed.key = "k";
    keyed.key_size = 1;
    for (size_t i = 0; i < 12; i++)
        cr_assert_eq(fo_pick_with(f.balancer, &keyed, &leases[i]), FO_OK);
    cr_expect_eq(fo_pick_with(f.balancer, &keyed, &leases[12]), FO_OVERLOADED);
    cr_expect_eq(fo_pick_many(f.balancer, NULL, 2, more, &got), FO_OVERLOADED);
    cr_expect_eq(got, 0);
    finish_all(leases, 12);

    cr_expect_eq(fill(&f, leases, 11, &refusal), 11);
    cr_expect_eq(fo_pick_many(f.balancer, NULL, 3, more, &got), FO_OK);
    cr_expect_eq(got, 1);
    finish_all(more, 1);
    finish_all(leases, 11);

    id = fixture_id(&f, "e0");
    without.exclude = &id;
    without.exclude_count = 1;
    for (got = 0; fo_pick_with(f.balancer, &without, &leases[got]) == FO_OK; got++)
        cr_expect_neq(fixture_index(leases[got].endpoint), 0);
    cr_expect_eq(got, 9, "what is full is no reason to use what was tried already");
    finish_all(leases, got);
    fixture_destroy(&f);
}

Test(load_limits, many_of_many_get_what_has_room)
{
    enum { N = 100 };
    struct fo_lease leases[N];
    struct fo_lease more[N];
    size_t got;
    size_t rest;
    struct fixture f;

    open_capped(&f, NULL, N, 1);
    cr_assert_eq(fo_pick_many(f.balancer, NULL, 70, leases, &got), FO_OK);
    cr_expect_eq(got, 70);
    cr_assert_eq(fo_pick_many(f.balancer, NULL, 70, more, &rest), FO_OK);
    cr_expect_eq(rest, 30);
    cr_expect_eq(fo_pick_many(f.balancer, NULL, 70, &more[30], &got), FO_OVERLOADED);
    finish_all(leases, 70);
    finish_all(more, 30);
    fixture_destroy(&f);
}

Test(load_limits, a_full_first_level_spills_into_the_second)
{
    struct fo_endpoint_config upserts[2] = {capped("near", 4), capped("far", 2)};
    struct fo_lease leases[8];
    fo_status refusal;
    struct fixture f;

    fixture_open(&f, 0, NULL);
    upserts[1].level = 1;
    cr_assert_eq(fo_balancer_update(f.balancer, upserts, 2, NULL, 0, NULL), FO_OK);
    cr_expect_eq(fill(&f, leases, 8, &refusal), 6);
    cr_expect_eq(refusal, FO_OVERLOADED);
    for (size_t i = 0; i < 6; i++)
        cr_expect_str_eq(fo_endpoint_name(leases[i].endpoint), i < 4 ? "near" : "far");
    finish_all(leases, 6);
    fixture_destroy(&f);
}

Test(load_limits, what_is_down_stands_not_in_for_what_is_full)
{
    struct fo_config config = fo_config_init(); /* with a last resort */
    struct fo_lease leases[8];
    fo_status refusal;
    struct fixture f;

    open_capped(&f, &config, 2, 3);
    fixture_set_weight(&f, "e1", 0);
    cr_expect_eq(fill(&f, leases, 8, &refusal), 3);
    cr_expect_eq(refusal, FO_OVERLOADED);
    finish_all(leases, 3);
    fixture_set_weight(&f, "e0", 0);
    cr_expect_eq(fill(&f, leases, 8, &refusal), 6, "the last resort is both, within their limits");
    cr_expect_eq(refusal, FO_OVERLOADED);
    finish_all(leases, 6);
    fixture_destroy(&f);
}

Test(load_limits, of_the_balancer_come_first_and_live)
{
    struct fo_config config;
    struct fo_lease leases[32];
    fo_status refusal;
    struct fixture f;

    fixture_init(&f);
    config = fixture_config(&f);
    config.max_in_flight = 10;
    fixture_balancer(&f, &config);
    fixture_add(&f, 3, NULL);
    cr_expect_eq(fill(&f, leases, 32, &refusal), 10);
    cr_expect_eq(refusal, FO_OVERLOADED);
    config.max_in_flight = 12;
    cr_assert_eq(fo_balancer_configure(f.balancer, &config), FO_OK);
    cr_expect_eq(fill(&f, &leases[10], 8, &refusal), 2);
    config.max_in_flight = 0;
    cr_assert_eq(fo_balancer_configure(f.balancer, &config), FO_OK);
    cr_expect_eq(fill(&f, &leases[12], 8, &refusal), 8);
    finish_all(leases, 20);
    config.max_in_flight = 5;
    cr_assert_eq(fo_balancer_configure(f.balancer, &config), FO_OK);
    cr_expect_eq(fill(&f, leases, 32, &refusal), 5, "nothing is left behind");
    finish_all(leases, 5);
    fixture_destroy(&f);
}

Test(load_limits, of_an_endpoint_change_with_an_update_and_end_with_it)
{
    struct fo_endpoint_config e0;
    struct fo_lease leases[32];
    fo_status refusal;
    struct fixture f;

    open_capped(&f, NULL, 1, 2);
    cr_expect_eq(fill(&f, leases, 32, &refusal), 2);
    e0 = capped("e0", 4);
    e0.data = fixture_data(0);
    cr_assert_eq(fo_balancer_update(f.balancer, &e0, 1, NULL, 0, NULL), FO_OK);
    cr_expect_eq(fill(&f, &leases[2], 30, &refusal), 2);
    e0.max_in_flight = 0;
    cr_assert_eq(fo_balancer_update(f.balancer, &e0, 1, NULL, 0, NULL), FO_OK);
    cr_expect_eq(fill(&f, &leases[4], 10, &refusal), 10);
    finish_all(leases, 14);
    fixture_destroy(&f);
}

Test(load_limits, refuse_what_is_out_of_range)
{
    struct fo_endpoint_config e0 = capped("e0", FO_IN_FLIGHT_MAX + UINT64_C(1));
    struct fo_balancer *balancer = NULL;
    struct fo_config config;
    struct fixture f;

    fixture_open(&f, 0, NULL);
    cr_expect_eq(fo_balancer_update(f.balancer, &e0, 1, NULL, 0, NULL), FO_EINVAL);
    config = fixture_config(&f);
    config.max_in_flight = FO_IN_FLIGHT_MAX + UINT64_C(1);
    cr_expect_eq(fo_balancer_create(&config, &balancer), FO_EINVAL);
    config = fixture_config(&f);
    config.load.policy = (fo_load_policy)5;
    cr_expect_eq(fo_balancer_create(&config, &balancer), FO_EINVAL);
    config = fixture_config(&f);
    config.load.limit = (fo_limit_kind)3;
    cr_expect_eq(fo_balancer_create(&config, &balancer), FO_EINVAL);
    config = fixture_config(&f);
    config.load.hot_quantile = 1.01;
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    config = fixture_config(&f);
    config.load.limit_min = 50;
    config.load.limit_max = 40;
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    config = fixture_config(&f);
    config.load.reserved[1] = 1;
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    config = fixture_config(&f);
    config.load.reserved_flags[6] = true;
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    fixture_destroy(&f);
}

/* ---- Lost leases ---------------------------------------------------------------------------- */

static struct fo_config forgetful(uint64_t max_in_flight)
{
    struct fo_config config = fo_config_init();

    config.load.lease_timeout_ms = 1000;
    config.max_in_flight = max_in_flight;
    return config;
}

static void expect_aging(uint64_t of_balancer, uint64_t of_endpoint)
{
    struct fo_config config = forgetful(of_balancer);
    struct fo_lease lost[4];
    struct fo_lease leases[8];
    fo_status refusal;
    struct fixture f;

    open_capped(&f, &config, 1, of_endpoint);
    cr_expect_eq(fill(&f, lost, 4, &refusal), 4);
    fixture_advance_ms(&f, 1000);
    cr_expect_eq(fill(&f, leases, 8, &refusal), 0, "not before its time");
    cr_expect_eq(refusal, FO_OVERLOADED);
    fixture_advance_ms(&f, 500);
    cr_expect_eq(fill(&f, leases, 8, &refusal), 4, "lost after half as long again at the latest");
    cr_expect_eq(refusal, FO_OVERLOADED);
    finish_all(lost, 4);
    cr_expect_eq(fo_pick(f.balancer, &leases[7]), FO_OVERLOADED,
                 "what was lost is not counted back again");
    cr_expect_eq(fixture_info(&f, "e0").in_flight, 4);
    finish_all(leases, 4);
    cr_expect_eq(fill(&f, leases, 8, &refusal), 4);
    finish_all(leases, 4);
    fixture_destroy(&f);
}

Test(load_limits, lost_leases_age_out_of_an_endpoints_limit)
{
    expect_aging(0, 4);
}

Test(load_limits, lost_leases_age_out_of_the_balancers_limit)
{
    expect_aging(4, 0);
}

Test(load_limits, a_lost_lease_does_not_count_back_what_took_its_bucket)
{
    struct fo_config config = forgetful(0);
    struct fo_lease lost[4];
    struct fo_lease leases[8];
    fo_status refusal;
    struct fixture f;

    open_capped(&f, &config, 1, 4);
    cr_expect_eq(fill(&f, lost, 4, &refusal), 4);
    fixture_advance_ms(&f, 2000); /* four slices: the same bucket */
    cr_expect_eq(fill(&f, leases, 8, &refusal), 4);
    finish_all(lost, 4);
    cr_expect_eq(fo_pick(f.balancer, &leases[7]), FO_OVERLOADED);
    finish_all(leases, 4);
    fixture_destroy(&f);
}

Test(load_limits, without_a_timeout_nothing_is_ever_lost)
{
    struct fo_lease leases[2];
    fo_status refusal;
    struct fixture f;

    open_capped(&f, NULL, 1, 1);
    cr_expect_eq(fill(&f, leases, 2, &refusal), 1);
    fixture_advance_ms(&f, 1000000);
    cr_expect_eq(fo_pick(f.balancer, &leases[1]), FO_OVERLOADED);
    finish_all(leases, 1);
    fixture_destroy(&f);
}

/* ---- Explained ------------------------------------------------------------------------------- */

struct look {
    fo_verdict verdict[4];
    double probability[4];
    double sum;
    size_t seen;
};

static bool look(const struct fo_explanation *explanation, void *arg)
{
    struct look *at = arg;

    at->verdict[at->seen] = explanation->verdict;
    at->probability[at->seen++] = explanation->probability;
    at->sum += explanation->probability;
    return true;
}

static struct look explain(struct fixture *f)
{
    struct look seen = {.seen = 0};

    cr_assert_eq(fo_balancer_explain(f->balancer, NULL, look, &seen), FO_OK);
    return seen;
}

Test(load_limits, are_explained)
{
    struct fo_lease leases[8];
    fo_status refusal;
    struct look seen;
    struct fixture f;

    open_capped(&f, NULL, 2, 2);
    cr_assert_eq(fo_in_flight_add(f.balancer, "e0", 2), FO_OK);
    seen = explain(&f);
    cr_expect_eq(seen.verdict[0], FO_VERDICT_FULL);
    cr_expect_eq(seen.probability[0], 0);
    cr_expect_eq(seen.probability[1], 1);
    cr_expect_str_eq(fo_verdict_name(FO_VERDICT_FULL), "full");
    cr_expect_eq(fill(&f, leases, 8, &refusal), 2);
    cr_expect_eq(explain(&f).sum, 0, "as the pick is refused");
    cr_expect_eq(fixture_info(&f, "e1").load_in_flight, 2);
    cr_expect_eq(fixture_info(&f, "e1").limit, 2);
    finish_all(leases, 2);
    fixture_destroy(&f);
}

Test(load_limits, of_the_balancer_are_explained)
{
    struct fo_config config = fo_config_init();
    struct fo_lease lease;
    struct fixture f;

    config.max_in_flight = 1;
    open_capped(&f, &config, 2, 0);
    cr_expect_eq(explain(&f).sum, 1);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    cr_expect_eq(explain(&f).sum, 0);
    finish_all(&lease, 1);
    fixture_destroy(&f);
}

Test(load_limits, the_inverse_is_explained)
{
    struct fo_config config = fo_config_init();
    struct look seen;
    struct fixture f;

    config.load.policy = FO_LOAD_INVERSE;
    open_capped(&f, &config, 2, 0);
    cr_assert_eq(fo_in_flight_add(f.balancer, "e0", 3), FO_OK);
    seen = explain(&f);
    cr_expect_float_eq(seen.probability[0] + seen.probability[1], 1, 1e-9);
    cr_expect_float_eq(fmin(seen.probability[0], seen.probability[1]), 0.2, 1e-9);
    fixture_destroy(&f);
}

/* ---- In a group ------------------------------------------------------------------------------ */

Test(load_limits, see_what_all_balancers_of_a_group_have_in_flight)
{
    struct fo_group_config group_config = fo_group_config_init();
    struct fo_endpoint_config e0 = capped("e0", 3);
    struct fo_balancer *balancer[2];
    struct fo_group *group = NULL;
    struct fo_lease leases[4];
    struct fo_config config;
    struct fixture f;

    fixture_init(&f);
    group_config.runtime = f.runtime;
    cr_assert_eq(fo_group_create(&group_config, &group), FO_OK);
    config = fixture_config(&f);
    config.runtime = NULL;
    config.group = group;
    for (size_t i = 0; i < 2; i++) {
        balancer[i] = fixture_balancer(&f, &config);
        cr_assert_eq(fo_balancer_update(balancer[i], &e0, 1, NULL, 0, NULL), FO_OK);
    }
    cr_assert_eq(fo_pick(balancer[0], &leases[0]), FO_OK);
    cr_assert_eq(fo_pick(balancer[0], &leases[1]), FO_OK);
    cr_assert_eq(fo_pick(balancer[1], &leases[2]), FO_OK);
    cr_expect_eq(fo_pick(balancer[0], &leases[3]), FO_OVERLOADED);
    cr_expect_eq(fo_pick(balancer[1], &leases[3]), FO_OVERLOADED);
    finish_all(leases, 3);
    fo_group_destroy(group);
    fixture_destroy(&f);
}
