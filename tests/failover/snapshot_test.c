/* SPDX-License-Identifier: Apache-2.0
 *
 * The index that picks read, looked at from inside: it must say what the membership and the hosts
 * say, after any changes to either.
 */
#include "core.h"
#include "dice.h"
#include "fixture.h"
#include "snapshot.h"

#include <criterion/criterion.h>
#include <math.h>

static const struct fo__without nothing;

/** Valid until the next update. */
static struct fo__snapshot *snapshot_of(struct fo_balancer *balancer)
{
    return ((struct fo__core *)(void *)balancer)->snapshot;
}

static void open_with(struct fixture *f, size_t n, const double *weights, const uint64_t *tags)
{
    fixture_init(f);
    fixture_balancer(f, NULL);
    fixture_add_to(f->balancer, n, weights, tags);
}

/** Every slot's contribution is f(host word), and every sum is the sum of what is below it. */
static void expect_whole(struct fo_balancer *balancer)
{
    const struct fo__snapshot *snapshot = snapshot_of(balancer);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < snapshot->count; i++) {
        const struct fo__slot *slot = &snapshot->slot[i];
        double health = (double)fo__word_health(*slot->word) / (double)FO__HEALTH_ONE;
        double floor = (double)snapshot->floors[i] / (double)FO__HEALTH_ONE;
        double wanted = (double)fo__slot_units(snapshot, i) * fmax(health, floor);

        cr_assert(fabs((double)snapshot->tree.node[0][i] - wanted) <= 1 + wanted * 1e-12,
                  "slot %u contributes %zu instead of %g", i, (size_t)snapshot->tree.node[0][i],
                  wanted);
        cr_assert_eq(fo__sumtree_before(&snapshot->tree, i, &nothing), sum);
        sum += snapshot->tree.node[0][i];
    }
    cr_assert_eq(fo__sumtree_total(&snapshot->tree), sum);
}

Test(snapshot, maps_every_endpoint_to_its_slot_and_back)
{
    static const char *const gone[] = {"e3", "e17", "e29"};
    struct fixture f;
    const struct fo__snapshot *snapshot;
    uint64_t id_of_3;

    open_with(&f, 30, NULL, NULL);
    id_of_3 = fixture_id(&f, "e3");
    cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, gone, 3, NULL), FO_OK);
    snapshot = snapshot_of(f.balancer);
    cr_expect_eq(snapshot->count, 27);
    cr_expect_eq(fo__snapshot_slot(snapshot, id_of_3), FO__NO_SLOT);
    for (uint32_t i = 0; i < snapshot->count; i++) {
        cr_expect_eq(snapshot->ids[i], fo_endpoint_id(snapshot->slot[i].endpoint));
        cr_expect_eq(fo__snapshot_slot(snapshot, snapshot->ids[i]), i);
    }
    fixture_destroy(&f);
}

Test(snapshot, knows_no_id_that_is_out_of_range)
{
    struct fixture f;

    open_with(&f, 3, NULL, NULL);
    cr_expect_eq(fo__snapshot_slot(snapshot_of(f.balancer), 0), FO__NO_SLOT);
    cr_expect_eq(fo__snapshot_slot(snapshot_of(f.balancer), FO__ID_INDEX_MASK), FO__NO_SLOT);
    cr_expect_eq(fo__snapshot_slot(snapshot_of(f.balancer), UINT64_MAX), FO__NO_SLOT);
    fixture_destroy(&f);
}

Test(snapshot, sorts_slots_into_one_range_for_each_combination_of_tags)
{
    uint64_t tags[40];
    const struct fo__snapshot *snapshot;
    uint32_t end = 0;
    struct fixture f;

    for (size_t i = 0; i < 40; i++)
        tags[i] = (i * 7) % 5;
    open_with(&f, 40, NULL, tags);
    snapshot = snapshot_of(f.balancer);
    cr_assert_eq(snapshot->range_count, 5);
    for (uint32_t r = 0; r < 5; r++) {
        const struct fo__range *range = &snapshot->ranges[r];

        cr_expect_eq(range->first, end);
        cr_expect_eq(range->end - range->first, 8);
        for (uint32_t i = range->first; i < range->end; i++)
            cr_expect_eq(tags[fixture_index(snapshot->slot[i].endpoint)], range->tags);
        end = range->end;
    }
    cr_expect_eq(end, 40);
    fixture_destroy(&f);
}

Test(snapshot, scales_weights_to_units_and_keeps_the_smallest)
{
    const double weights[] = {FO_WEIGHT_MAX, 1e-9, 1, 0, 5e11};
    const double sum = FO_WEIGHT_MAX + 5e11 + 1 + 1e-9;
    const struct fo__snapshot *snapshot;
    struct fixture f;

    open_with(&f, 5, weights, NULL);
    snapshot = snapshot_of(f.balancer);
    for (uint32_t i = 0; i < 5; i++) {
        double weight = weights[fixture_index(snapshot->slot[i].endpoint)];
        double wanted = weight / sum * 0x1p42;

        cr_expect_eq(fo__slot_units(snapshot, i) > 0, weight > 0);
        cr_expect(fabs((double)fo__slot_units(snapshot, i) - wanted) <= 1, "%g", weight);
    }
    fixture_destroy(&f);
}

Test(snapshot, follows_every_outcome)
{
    static const fo_outcome outcomes[8] = {
        FO_OUTCOME_SUCCESS, FO_OUTCOME_SUCCESS, FO_OUTCOME_SUCCESS,    FO_OUTCOME_DEGRADED,
        FO_OUTCOME_FAILURE, FO_OUTCOME_FAILURE, FO_OUTCOME_OVERLOADED, FO_OUTCOME_NEUTRAL};
    struct dice dice = dice_of(81);
    struct fixture f;

    fixture_open_weighed(&f, fo_weight_ratio(), 70);
    for (int round = 0; round < 400; round++) {
        for (int i = 0; i < 10; i++) {
            struct fo_lease lease = fo_lease_init();

            if (fo_pick(f.balancer, &lease) == FO_OK)
                cr_assert_eq(fo_finish(&lease, outcomes[dice_below(&dice, 8)]), FO_OK);
        }
        if (round % 10 == 0)
            cr_assert_eq(
                fo_report(f.balancer, fixture_name(dice_below(&dice, 70)), FO_OUTCOME_DOWN), FO_OK);
        if (round % 7 == 0)
            fixture_advance_ms(&f, 400);
        expect_whole(f.balancer);
    }
    fixture_destroy(&f);
}

Test(snapshot, is_whole_after_every_update)
{
    struct dice dice = dice_of(82);
    struct fixture f;

    open_with(&f, 40, NULL, NULL);
    for (int round = 0; round < 200; round++) {
        const char *name = fixture_name(dice_below(&dice, 40));
        struct fo_endpoint_config config = fo_endpoint_config_init(name);
        struct fo_endpoint_info info = fo_endpoint_info_init();

        config.max_weight = 1 + dice_below(&dice, 100);
        config.min_weight = dice_below(&dice, 2) == 0 ? 0 : config.max_weight / 5;
        config.tags = dice_below(&dice, 3);
        config.data = fixture_data(dice_below(&dice, 40));
        if (dice_below(&dice, 3) == 0 && fo_endpoint_status(f.balancer, name, &info) == FO_OK)
            cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, &name, 1, NULL), FO_OK);
        else
            cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
        expect_whole(f.balancer);
        (void)fo_report(f.balancer, fixture_name(dice_below(&dice, 40)), FO_OUTCOME_DOWN);
        expect_whole(f.balancer);
    }
    fixture_destroy(&f);
}

Test(snapshot, of_a_drained_endpoint_is_worth_nothing_and_keeps_its_slot)
{
    const struct fo__snapshot *snapshot;
    struct fixture f;
    uint32_t slot;

    open_with(&f, 4, NULL, NULL);
    cr_assert_eq(fo_drain(f.balancer, "e1"), FO_OK);
    snapshot = snapshot_of(f.balancer);
    slot = fo__snapshot_slot(snapshot, fixture_id(&f, "e1"));
    cr_assert_neq(slot, FO__NO_SLOT);
    cr_expect_eq(fo__slot_units(snapshot, slot), 0);
    cr_expect_eq(snapshot->tree.node[0][slot], 0);
    expect_whole(f.balancer);
    fixture_destroy(&f);
}

/* In a group, whoever reports mends its own sums; the others are mended by the dispatcher. Until
 * then they may be stale, but a pick looks at the host itself. */
Test(snapshot, of_another_balancer_in_the_group_follows_at_the_next_dispatch)
{
    struct fo_group_config group_config = fo_group_config_init();
    struct fo_group *group;
    struct fo_balancer *other;
    struct fo_config config;
    struct fixture f;

    fixture_init(&f);
    group_config.runtime = f.runtime;
    cr_assert_eq(fo_group_create(&group_config, &group), FO_OK);
    config = fixture_config(&f);
    config.group = group;
    fixture_balancer(&f, &config);
    other = fixture_balancer(&f, &config);
    fo_group_destroy(group);
    fixture_add(&f, 20, NULL);
    fixture_add_to(other, 20, NULL, NULL);
    for (size_t i = 0; i < 20; i++)
        if (i != 4)
            cr_assert_eq(fo_report(f.balancer, fixture_name(i), FO_OUTCOME_DOWN), FO_OK);
    expect_whole(f.balancer);
    for (int i = 0; i < 1000; i++) {
        struct fo_lease lease = fo_lease_init();

        cr_assert_eq(fo_pick(other, &lease), FO_OK);
        cr_assert_eq(fixture_index(lease.endpoint), 4);
        fo_finish(&lease, FO_OUTCOME_NEUTRAL);
    }
    fixture_dispatch(&f);
    expect_whole(other);
    fixture_destroy(&f);
}

Test(snapshot, without_endpoints_has_a_slot_that_is_always_refused)
{
    const struct fo__snapshot *snapshot;
    struct fixture f;

    fixture_init(&f);
    fixture_balancer(&f, NULL);
    snapshot = snapshot_of(f.balancer);
    cr_expect_eq(snapshot->count, 0);
    cr_expect_eq(snapshot->n, 1);
    cr_expect_eq(fo__word_health(*snapshot->slot[0].word), 0);
    cr_expect_eq(fo__sumtree_total(&snapshot->tree), 0);
    fixture_destroy(&f);
}

/* A contribution that is stale by a lost race is right again after one call. */
Test(snapshot, is_mended_from_any_contribution)
{
    struct dice dice = dice_of(83);
    struct fixture f;

    open_with(&f, 33, NULL, NULL);
    for (int round = 0; round < 500; round++) {
        struct fo__snapshot *snapshot = snapshot_of(f.balancer);
        uint32_t slot = dice_below(&dice, 33);

        fo__sumtree_set(&snapshot->tree, slot, dice_next(&dice) >> 22);
        fo__snapshot_mend(snapshot, slot);
        expect_whole(f.balancer);
    }
    fixture_destroy(&f);
}
