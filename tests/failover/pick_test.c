/* SPDX-License-Identifier: Apache-2.0
 *
 * What a pick answers, and that it repeats. Where picks land in the long run: distribution_test.c,
 * exclusion_test.c, tags_test.c.
 */
#include "core.h"
#include "fixture.h"
#include "lease.h"
#include "rng.h"

#include <criterion/criterion.h>
#include <string.h>

/** A lease full of rubbish, to see whether a refused pick leaves it alone. */
static struct fo_lease rubbish(void)
{
    struct fo_lease lease;

    memset(&lease, 0xa5, sizeof(lease));
    return lease;
}

static void expect_refused(struct fo_balancer *balancer, fo_status wanted)
{
    const struct fo_lease before = rubbish();
    struct fo_lease lease = rubbish();

    cr_expect_eq(fo_pick(balancer, &lease), wanted);
    cr_expect_arr_eq(&lease, &before, sizeof(lease), "a refused pick touches no lease");
}

static void expect_never(struct fixture *f, size_t index)
{
    for (int i = 0; i < 2000; i++)
        cr_assert_neq(fixture_pick_and_finish(f, FO_OUTCOME_NEUTRAL), index);
}

static void open_with(struct fixture *f, size_t n)
{
    fixture_init(f);
    fixture_balancer(f, NULL);
    if (n > 0)
        fixture_add(f, n, NULL);
}

/* ---- Answers ------------------------------------------------------------------------------ */

Test(pick, is_unavailable_without_endpoints)
{
    struct fixture f;

    open_with(&f, 0);
    expect_refused(f.balancer, FO_UNAVAILABLE);
    fixture_destroy(&f);
}

Test(pick, fills_the_lease_with_the_endpoint)
{
    struct fo_lease lease = rubbish();
    struct fixture f;

    open_with(&f, 1);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    cr_expect_str_eq(fo_endpoint_name(lease.endpoint), "e0");
    cr_expect_eq(fo_endpoint_data(lease.endpoint), fixture_data(0));
    cr_expect_eq(fo_endpoint_id(lease.endpoint), fixture_id(&f, "e0"));
    cr_expect_eq(fixture_info(&f, "e0").in_flight, 1);
    cr_expect_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_expect_null(lease.endpoint);
    cr_expect_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_EINVAL);
    cr_expect_eq(fixture_info(&f, "e0").in_flight, 0);
    cr_expect_eq(fixture_info(&f, "e0").finished, 1);
    fixture_destroy(&f);
}

Test(pick, skips_an_endpoint_that_is_down)
{
    struct fixture f;

    open_with(&f, 5);
    cr_assert_eq(fo_report(f.balancer, "e2", FO_OUTCOME_DOWN), FO_OK);
    expect_never(&f, 2);
    fixture_destroy(&f);
}

Test(pick, skips_an_endpoint_that_is_drained_until_it_is_not)
{
    uint64_t counts[3] = {0};
    struct fixture f;

    open_with(&f, 3);
    cr_assert_eq(fo_drain(f.balancer, "e1"), FO_OK);
    expect_never(&f, 1);
    cr_assert_eq(fo_undrain(f.balancer, "e1"), FO_OK);
    fixture_count(&f, 300, counts);
    cr_expect_gt(counts[1], 90);
    fixture_destroy(&f);
}

Test(pick, is_unavailable_when_everything_is_down)
{
    struct fixture f;

    open_with(&f, 3);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(fo_report(f.balancer, fixture_name(i), FO_OUTCOME_DOWN), FO_OK);
    expect_refused(f.balancer, FO_UNAVAILABLE);
    fixture_destroy(&f);
}

Test(pick, is_unavailable_when_everything_is_drained)
{
    struct fixture f;

    open_with(&f, 2);
    cr_assert_eq(fo_drain(f.balancer, "e0"), FO_OK);
    cr_assert_eq(fo_drain(f.balancer, "e1"), FO_OK);
    expect_refused(f.balancer, FO_UNAVAILABLE);
    fixture_destroy(&f);
}

Test(pick, is_unavailable_when_every_weight_is_zero)
{
    const double weights[] = {0, 0, 0};
    struct fixture f;

    fixture_open(&f, 3, weights);
    expect_refused(f.balancer, FO_UNAVAILABLE);
    fixture_destroy(&f);
}

Test(pick, finds_the_only_one_that_is_up_among_many)
{
    struct fixture f;

    open_with(&f, 300);
    for (size_t i = 0; i < 300; i++)
        if (i != 211)
            cr_assert_eq(fo_report(f.balancer, fixture_name(i), FO_OUTCOME_DOWN), FO_OK);
    for (int i = 0; i < 2000; i++)
        cr_assert_eq(fixture_pick_and_finish(&f, FO_OUTCOME_NEUTRAL), 211);
    fixture_destroy(&f);
}

/* A sick one among the dead gets everything, however sick: shares are of what there is. */
Test(pick, finds_the_last_trickle_of_health)
{
    struct fixture f;

    open_with(&f, 50);
    for (size_t i = 1; i < 50; i++)
        cr_assert_eq(fo_report(f.balancer, fixture_name(i), FO_OUTCOME_DOWN), FO_OK);
    fixture_set_weight(&f, "e0", 1e-7);
    for (int i = 0; i < 2000; i++)
        cr_assert_eq(fixture_pick_and_finish(&f, FO_OUTCOME_NEUTRAL), 0);
    fixture_destroy(&f);
}

Test(pick, is_closed_while_the_balancer_waits_for_its_last_lease)
{
    struct fo_lease lease = fo_lease_init();
    struct fo_balancer *balancer;
    struct fixture f;

    open_with(&f, 2);
    balancer = f.balancer;
    cr_assert_eq(fo_pick(balancer, &lease), FO_OK);
    fixture_close(&f, balancer);
    expect_refused(balancer, FO_CLOSED);
    cr_expect_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f);
}

/* ---- Options ------------------------------------------------------------------------------ */

Test(pick, with_no_options_is_a_plain_pick)
{
    struct fixture plain;
    struct fixture with;

    open_with(&plain, 7);
    open_with(&with, 7);
    for (int i = 0; i < 2000; i++) {
        struct fo_pick_options options = fo_pick_options_init();
        struct fo_lease a = fo_lease_init();
        struct fo_lease b = fo_lease_init();

        cr_assert_eq(fo_pick(plain.balancer, &a), FO_OK);
        cr_assert_eq(fo_pick_with(with.balancer, i % 2 == 0 ? NULL : &options, &b), FO_OK);
        cr_assert_eq(fixture_index(a.endpoint), fixture_index(b.endpoint), "pick %d", i);
        fo_finish(&a, FO_OUTCOME_NEUTRAL);
        fo_finish(&b, FO_OUTCOME_NEUTRAL);
    }
    fixture_destroy(&plain);
    fixture_destroy(&with);
}

/** What a caller of some later version hands over. */
struct newer_options {
    struct fo_pick_options known;
    uint64_t unknown;
};

static fo_status pick_sized(struct fixture *f, struct newer_options *options, size_t size)
{
    const struct fo_lease before = rubbish();
    struct fo_lease lease = rubbish();
    fo_status status;

    options->known.size = size;
    status = fo_pick_with(f->balancer, &options->known, &lease);
    if (status == FO_OK)
        fo_finish(&lease, FO_OUTCOME_NEUTRAL);
    else
        cr_expect_arr_eq(&lease, &before, sizeof(lease));
    return status;
}

Test(pick, takes_options_of_other_versions)
{
    struct newer_options options = {fo_pick_options_init(), 0};
    struct fixture f;

    open_with(&f, 3);
    cr_expect_eq(pick_sized(&f, &options, sizeof(options)), FO_OK, "a newer one, nothing set");
    options.unknown = 1;
    cr_expect_eq(pick_sized(&f, &options, sizeof(options)), FO_EINVAL,
                 "a newer one, something set");
    options.known.require_tags = 1;
    cr_expect_eq(pick_sized(&f, &options, offsetof(struct fo_pick_options, require_tags)), FO_OK,
                 "an older one, without tags");
    cr_expect_eq(pick_sized(&f, &options, sizeof(options.known)), FO_UNAVAILABLE);
    cr_expect_eq(pick_sized(&f, &options, 0), FO_EINVAL);
    cr_expect_eq(pick_sized(&f, &options, 3), FO_EINVAL);
    cr_expect_eq(pick_sized(&f, &options, SIZE_MAX), FO_EINVAL);
    fixture_destroy(&f);
}

/* ---- Repeating ---------------------------------------------------------------------------- */

#define REPLAYED 20000u

/** A life with everything in it: failures, deaths, trials, limits, updates. */
static void play(uint64_t seed, uint8_t *picked)
{
    struct fo_config config;
    struct fixture f;

    fixture_init(&f);
    config = fixture_config(&f);
    config.seed = seed;
    config.weight = fo_weight_ratio();
    fixture_balancer(&f, &config);
    fixture_add(&f, 12, NULL);
    for (uint32_t i = 0; i < REPLAYED; i++) {
        struct fo_pick_options options = fo_pick_options_init();
        struct fo_lease lease = fo_lease_init();
        uint64_t excluded = fixture_id(&f, fixture_name(i % 12));

        options.exclude = &excluded;
        options.exclude_count = i % 5 == 0 ? 1 : 0;
        cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
        picked[i] = (uint8_t)fixture_index(lease.endpoint);
        fo_finish(&lease, i % 7 == 0     ? FO_OUTCOME_FAILURE
                          : i % 901 == 0 ? FO_OUTCOME_DOWN
                                         : FO_OUTCOME_SUCCESS);
        if (i % 100 == 0)
            fixture_advance_ms(&f, 70);
        if (i == REPLAYED / 2)
            cr_assert_eq(fo_drain(f.balancer, "e7"), FO_OK);
    }
    fixture_destroy(&f);
}

Test(pick, repeats_to_the_last_one_with_the_same_seed_and_clock)
{
    static uint8_t first[REPLAYED];
    static uint8_t second[REPLAYED];

    play(4711, first);
    play(4711, second);
    cr_expect_arr_eq(first, second, sizeof(first));
}

Test(pick, differs_with_another_seed)
{
    static uint8_t first[REPLAYED];
    static uint8_t second[REPLAYED];
    uint32_t same = 0;

    play(1, first);
    play(2, second);
    for (uint32_t i = 0; i < REPLAYED; i++)
        same += first[i] == second[i] ? 1 : 0;
    cr_expect_lt(same, REPLAYED / 2);
}

Test(pick, is_seeded_by_the_system_unless_told)
{
    static uint8_t first[64];
    static uint8_t second[64];

    for (int round = 0; round < 2; round++) {
        struct fo_config config;
        struct fixture f;

        fixture_init(&f);
        config = fixture_config(&f);
        config.seed = 0;
        fixture_balancer(&f, &config);
        fixture_add(&f, 50, NULL);
        for (size_t i = 0; i < sizeof(first); i++)
            (round == 0 ? first : second)[i] =
                (uint8_t)fixture_pick_and_finish(&f, FO_OUTCOME_NEUTRAL);
        fixture_destroy(&f);
    }
    cr_expect_arr_neq(first, second, sizeof(first));
}

/* ---- The sequence of first samples -------------------------------------------------------- */

/* A caller of the right period would see one stretch of the circle only, were the phase never
 * changed; were it changed often, the errors at each change would add up. */
Test(pick, begins_a_new_phase_now_and_then_and_not_often)
{
    struct fo__row *row;
    uint32_t phases = 0;
    struct fixture f;

    open_with(&f, 3);
    fixture_pick_and_finish(&f, FO_OUTCOME_NEUTRAL);
    row = fo__row_of(&((struct fo__core *)(void *)f.balancer)->rows);
    for (uint32_t i = 0; i < 8u << 20; i++) {
        struct fo_lease lease;
        uint64_t before = row->weyl;

        cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
        fo_finish(&lease, FO_OUTCOME_NEUTRAL);
        phases += row->weyl != before + FO__GOLDEN ? 1 : 0;
    }
    cr_expect(phases >= 1 && phases <= 40, "%u new phases in 8 × 2^20 picks", phases);
    fixture_destroy(&f);
}

Test(pick, begins_every_thread_row_at_a_phase_of_its_own)
{
    struct fo__row_set set;
    struct fo__row *row;

    fo__row_set_init(&set, 1, 4, 99);
    row = fo__row_of(&set);
    cr_expect_neq(row, &set.fallback);
    cr_expect_neq(row->weyl, set.fallback.weyl);
    cr_expect_neq(row->rng, set.fallback.rng);
    cr_expect_neq(row->rng, row->weyl);
    fo__row_set_fini(&set);
}
