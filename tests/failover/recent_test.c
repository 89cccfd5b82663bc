/* SPDX-License-Identifier: Apache-2.0
 *
 * Reuse of the endpoint of the last request, while little happens. On virtual time.
 */
#include "fixture.h"

#include <criterion/criterion.h>

#define N 5
#define REUSE_MS 1000

static struct fo_config config_of(struct fixture *f, uint32_t reuse_ms)
{
    struct fo_config config = fixture_config(f);

    config.weight = fo_weight_ratio();
    config.reuse_recent_ms = reuse_ms;
    return config;
}

static void begin(struct fixture *f)
{
    struct fo_config config;

    fixture_init(f);
    config = config_of(f, REUSE_MS);
    fixture_balancer(f, &config);
    fixture_add(f, N, NULL);
    fixture_dispatch(f);
}

/** How many different endpoints a number of requests go to, one after the other, each a millisecond
 * after the last. */
static size_t endpoints_used(struct fixture *f, int requests)
{
    bool used[N] = {false};
    size_t count = 0;

    for (int i = 0; i < requests; i++) {
        used[fixture_pick_and_finish(f, FO_OUTCOME_SUCCESS)] = true;
        fixture_advance_ms(f, 1);
    }
    for (size_t i = 0; i < N; i++)
        count += used[i] ? 1 : 0;
    return count;
}

Test(recent, is_used_again_while_nothing_is_in_flight)
{
    struct fixture f;

    begin(&f);
    cr_expect_eq(endpoints_used(&f, 1000), 1);
    fixture_destroy(&f);
}

Test(recent, is_not_used_again_unless_it_is_wanted)
{
    struct fixture f;

    fixture_open(&f, N, NULL);
    cr_expect_eq(endpoints_used(&f, 1000), N);
    fixture_destroy(&f);
}

Test(recent, is_not_used_again_while_something_is_in_flight)
{
    struct fixture f;
    struct fo_lease lease;

    begin(&f);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    cr_expect_eq(endpoints_used(&f, 1000), N);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_expect_eq(endpoints_used(&f, 1000), 1);
    fixture_destroy(&f);
}

Test(recent, is_forgotten_after_its_time)
{
    struct fixture f;
    bool used[N] = {false};
    size_t first;

    begin(&f);
    first = fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    for (int i = 0; i < 20; i++) {
        fixture_advance_ms(&f, REUSE_MS - 1);
        cr_expect_eq(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS), first);
    }
    for (int i = 0; i < 100; i++) {
        fixture_advance_ms(&f, REUSE_MS);
        used[fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS)] = true;
    }
    for (size_t i = 0; i < N; i++)
        cr_expect(used[i], "%zu", i);
    fixture_destroy(&f);
}

Test(recent, is_not_used_again_while_anything_is_ill)
{
    struct fixture f;
    size_t recent;

    begin(&f);
    recent = fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    cr_assert_eq(fo_report(f.balancer, fixture_name((recent + 1) % N), FO_OUTCOME_FAILURE), FO_OK);
    cr_expect_geq(endpoints_used(&f, 40), N - 1);
    fixture_destroy(&f);
}

Test(recent, is_the_last_that_succeeded)
{
    struct fixture f;
    size_t recent;

    begin(&f);
    recent = fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    for (int i = 0; i < 100; i++) {
        struct fo_pick_options options = fo_pick_options_init();
        uint64_t excluded = fixture_id(&f, fixture_name(recent));
        struct fo_lease lease;
        size_t other;

        options.exclude = &excluded;
        options.exclude_count = 1;
        cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
        other = fixture_index(lease.endpoint);
        cr_assert_neq(other, recent);
        cr_assert_eq(fo_finish(&lease, i % 2 == 0 ? FO_OUTCOME_SUCCESS : FO_OUTCOME_NEUTRAL),
                     FO_OK);
        recent = i % 2 == 0 ? other : recent;
        cr_assert_eq(fixture_pick_and_finish(&f, FO_OUTCOME_NEUTRAL), recent);
    }
    fixture_destroy(&f);
}

Test(recent, is_not_used_again_when_it_has_left_or_takes_no_traffic)
{
    struct fixture f;
    const char *name;
    size_t recent;

    begin(&f);
    recent = fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    cr_assert_eq(fo_drain(f.balancer, fixture_name(recent)), FO_OK);
    cr_expect_neq(fixture_pick_and_finish(&f, FO_OUTCOME_NEUTRAL), recent);
    cr_assert_eq(fo_undrain(f.balancer, fixture_name(recent)), FO_OK);
    cr_expect_eq(fixture_pick_and_finish(&f, FO_OUTCOME_NEUTRAL), recent);
    name = fixture_name(recent);
    cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, &name, 1, NULL), FO_OK);
    cr_expect_neq(fixture_pick_and_finish(&f, FO_OUTCOME_NEUTRAL), recent);
    fixture_destroy(&f);
}

Test(recent, is_switched_while_leases_are_open)
{
    struct fixture f;
    struct fo_config off, on;
    struct fo_lease counted, uncounted;

    begin(&f);
    off = config_of(&f, 0);
    on = config_of(&f, REUSE_MS);
    cr_assert_eq(fo_pick(f.balancer, &counted), FO_OK);
    cr_assert_eq(fo_balancer_configure(f.balancer, &off), FO_OK);
    cr_expect_eq(endpoints_used(&f, 1000), N);
    cr_assert_eq(fo_pick(f.balancer, &uncounted), FO_OK);
    cr_assert_eq(fo_balancer_configure(f.balancer, &on), FO_OK);
    cr_expect_eq(endpoints_used(&f, 1000), N, "one from before is still counted");
    cr_assert_eq(fo_finish(&counted, FO_OUTCOME_SUCCESS), FO_OK);
    cr_expect_eq(endpoints_used(&f, 1000), 1);
    cr_assert_eq(fo_finish(&uncounted, FO_OUTCOME_SUCCESS), FO_OK);
    cr_expect_eq(endpoints_used(&f, 1000), 1, "and the other never was");
    fixture_destroy(&f);
}

Test(recent, counts_leases_of_every_kind)
{
    struct fixture f;
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_lease keyed, many[3];
    size_t got;

    begin(&f);
    options.key = "key";
    options.key_size = 3;
    for (int i = 0; i < 2; i++) { /* the first pick by key builds the table, and is another way */
        cr_assert_eq(fo_pick_with(f.balancer, &options, &keyed), FO_OK);
        cr_expect_eq(endpoints_used(&f, 1000), N);
        cr_assert_eq(fo_finish(&keyed, FO_OUTCOME_SUCCESS), FO_OK);
        cr_expect_eq(endpoints_used(&f, 1000), 1);
    }
    cr_assert_eq(fo_pick_many(f.balancer, NULL, 3, many, &got), FO_OK);
    for (size_t i = 0; i < got; i++) {
        cr_expect_eq(endpoints_used(&f, 1000), N);
        cr_assert_eq(fo_finish(&many[i], FO_OUTCOME_SUCCESS), FO_OK);
    }
    cr_expect_eq(endpoints_used(&f, 1000), 1);
    fixture_destroy(&f);
}

static bool find_certain(const struct fo_explanation *explanation, void *arg)
{
    if (explanation->probability == 1)
        *(uintptr_t *)arg = (uintptr_t)explanation->endpoint->data - 1;
    return true;
}

Test(recent, is_explained)
{
    struct fixture f;
    struct fo_lease lease;
    uintptr_t certain = N;
    size_t recent;

    begin(&f);
    recent = fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    cr_assert_eq(fo_balancer_explain(f.balancer, NULL, find_certain, &certain), FO_OK);
    cr_expect_eq(certain, recent);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    certain = N;
    cr_assert_eq(fo_balancer_explain(f.balancer, NULL, find_certain, &certain), FO_OK);
    cr_expect_eq(certain, N, "nothing is, while a lease is open");
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f);
}
