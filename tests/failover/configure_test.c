/* SPDX-License-Identifier: Apache-2.0
 *
 * fo_balancer_configure(): another weight function on a living balancer.
 */
#include "crew.h"
#include "dump.h"
#include "fixture.h"

#include <assert.h>
#include <criterion/criterion.h>

static void begin(struct fixture *f)
{
    fixture_open_weighed(f, fo_weight_ratio(), 1);
}

Test(configure, changes_the_weight_function_and_keeps_health)
{
    struct fo_config config = fo_config_init();
    struct fixture f;
    char *before;

    begin(&f);
    fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
    before = dump(f.balancer);
    config.weight = fo_weight_linear();
    cr_assert_eq(fo_balancer_configure(f.balancer, &config), FO_OK);
    cr_assert(dump_is_still(f.balancer, before));
    fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
    cr_assert_float_eq(fixture_info(&f, "e0").live_weight, 45, 1e-6);
    fixture_destroy(&f);
}

Test(configure, does_not_look_at_what_is_fixed)
{
    struct fo_config config = fo_config_init();
    struct fixture f;

    begin(&f);
    config.name = "another";
    config.row_limit = 1000000;
    config.trial.backoff_ms = 10;
    config.trial.backoff_max_ms = 1; /* would be refused at creation */
    config.runtime = f.runtime;
    config.weight.failure_keep = 0.1;
    cr_assert_eq(fo_balancer_configure(f.balancer, &config), FO_OK);
    fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
    cr_assert_float_eq(fixture_info(&f, "e0").live_weight, 10, 1e-6);
    fixture_dispatch(&f);
    cr_assert_str_eq(f.events[0].balancer, "b");
    fixture_destroy(&f);
}

Test(configure, refuses_a_bad_weight_function_and_keeps_the_old)
{
    struct fo_config config = fo_config_init();
    struct fixture f;

    begin(&f);
    config.weight.failure_keep = 1;
    cr_assert_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    config = fo_config_init();
    config.size = 3;
    cr_assert_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    cr_assert_eq(fo_balancer_configure(f.balancer, NULL), FO_EINVAL);
    config = fo_config_init();
    cr_assert_eq(fo_balancer_configure(NULL, &config), FO_EINVAL);
    fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
    cr_assert_eq(fixture_info(&f, "e0").live_weight, 50);
    fixture_destroy(&f);
}

struct switching {
    struct fixture f;
    _Atomic bool done;
};

static double one_or_the_other(const struct fo_weight_input *input, void *arg)
{
    (void)input;
    return *(const double *)arg;
}

static void fail_all_the_time(size_t member, void *arg)
{
    struct switching *switching = arg;

    (void)member;
    while (!atomic_load(&switching->done)) {
        double live;
        struct fo_endpoint_info info = fo_endpoint_info_init();
        fo_status status = fo_report(switching->f.balancer, "e0", FO_OUTCOME_FAILURE);

        assert(status == FO_OK);
        status = fo_endpoint_status(switching->f.balancer, "e0", &info);
        assert(status == FO_OK);
        live = info.live_weight;
        assert((live > 29.99 && live < 30.01) || (live > 69.99 && live < 70.01));
    }
}

Test(configure, under_fire_gives_each_outcome_the_one_or_the_other)
{
    static double answers[] = {30, 70};
    struct switching switching;
    struct fo_config config;
    struct crew *crew;

    fixture_init(&switching.f);
    config = fixture_config(&switching.f);
    config.weight = fo_weight_custom(one_or_the_other, one_or_the_other, &answers[0]);
    fixture_balancer(&switching.f, &config);
    fixture_add(&switching.f, 1, NULL);
    atomic_init(&switching.done, false);
    crew = crew_start(2, fail_all_the_time, &switching);
    for (int i = 0; i < 1000; i++) {
        config.weight.arg = &answers[i % 2];
        cr_assert_eq(fo_balancer_configure(switching.f.balancer, &config), FO_OK);
    }
    atomic_store(&switching.done, true);
    crew_join(crew);
    fixture_destroy(&switching.f);
}
