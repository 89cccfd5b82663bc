/* SPDX-License-Identifier: Apache-2.0
 *
 * How outcomes move the live weight: the numbers of health.h, one by one.
 */
#include "fixture.h"
#include "weight.h"

#include <criterion/criterion.h>
#include <math.h>

static struct fo_weight_input input_of(double max, double min, double live)
{
    struct fo_weight_input input = {
        .size = 0, .max_weight = max, .min_weight = min, .live_weight = live, .endpoint = NULL};
    return input;
}

static void expect_near(double got, double wanted)
{
    cr_expect(fabs(got - wanted) <= 1e-9 * fabs(wanted), "%.12g instead of %.12g", got, wanted);
}

static double success(const struct fo_weight_function *function, double max, double min,
                      double live)
{
    struct fo_weight_input input = input_of(max, min, live);
    return fo__weight_after_success(function, &input);
}

static double failure(const struct fo_weight_function *function, double max, double min,
                      double live)
{
    struct fo_weight_input input = input_of(max, min, live);
    return fo__weight_after_failure(function, &input);
}

static double mild(const struct fo_weight_function *function, double max, double min, double live)
{
    struct fo_weight_input input = input_of(max, min, live);
    return fo__weight_after_mild_step(function, &input);
}

/* ---- The functions by themselves ---------------------------------------------------------- */

Test(weight, by_ratio_halves_at_a_failure_and_adds_a_hundredth_at_a_success)
{
    struct fo_weight_function ratio = fo_weight_ratio();

    expect_near(failure(&ratio, 200, 0, 200), 100);
    expect_near(failure(&ratio, 200, 0, 3), 0); /* 1.5 is below 1 % of 200 */
    expect_near(failure(&ratio, 200, 0, 4), 2); /* 2 is not */
    expect_near(failure(&ratio, 200, 50, 80), 50);
    expect_near(success(&ratio, 200, 0, 100), 102);
    expect_near(success(&ratio, 200, 0, 199), 200);
    expect_near(success(&ratio, 200, 50, 50), 70); /* a recovery adds a tenth of the maximum */
    expect_near(success(&ratio, 200, 0, 0), 20);
}

Test(weight, by_line_takes_a_twentieth_and_adds_a_hundredth)
{
    struct fo_weight_function linear = fo_weight_linear();

    expect_near(failure(&linear, 200, 0, 200), 190);
    expect_near(failure(&linear, 200, 0, 11), 1); /* no down threshold */
    expect_near(failure(&linear, 200, 0, 4), 0);
    expect_near(failure(&linear, 200, 50, 52), 50);
    expect_near(success(&linear, 200, 0, 100), 102);
    expect_near(success(&linear, 200, 0, 0), 2);
}

Test(weight, follows_its_own_numbers)
{
    struct fo_weight_function function = fo_weight_ratio();

    function.failure_keep = 0.9;
    function.success_step = 0.25;
    function.recover_step = 1;
    function.down_threshold = 0.5;
    expect_near(failure(&function, 10, 0, 10), 9);
    expect_near(failure(&function, 10, 0, 5.5), 0);
    expect_near(success(&function, 10, 0, 5), 7.5);
    expect_near(success(&function, 10, 0, 0), 10);
    function.failure_keep = 0;
    expect_near(failure(&function, 10, 0, 10), 0);
}

Test(weight, steps_mildly_by_a_tenth_of_a_failure_and_never_down)
{
    struct fo_weight_function ratio = fo_weight_ratio();
    struct fo_weight_function deadly = fo_weight_ratio();

    expect_near(mild(&ratio, 200, 0, 200), 190);
    expect_near(mild(&ratio, 200, 0, 2), 2);
    expect_near(mild(&ratio, 200, 0, 1), 1); /* already below the floor: stays */
    deadly.failure_keep = 0;
    deadly.mild_step = 1;
    expect_near(mild(&deadly, 200, 0, 200), 2); /* what would kill stops at 1 % */
    deadly.down_threshold = 0.25;
    expect_near(mild(&deadly, 200, 0, 200), 50);
    expect_near(mild(&deadly, 200, 60, 200), 60);
    ratio.mild_step = 0;
    expect_near(mild(&ratio, 200, 0, 200), 200);
}

static double answer;

static double answer_for_success(const struct fo_weight_input *input, void *arg)
{
    cr_expect_eq(input->size, sizeof(*input), "whoever asked left it open");
    cr_expect_eq(input->max_weight, 200);
    cr_expect_eq(input->min_weight, 50);
    cr_expect_eq(input->live_weight, 80);
    cr_expect_eq(arg, &answer);
    return answer;
}

static double answer_for_failure(const struct fo_weight_input *input, void *arg)
{
    return answer_for_success(input, arg) + 1;
}

Test(weight, of_your_own_is_asked_and_clamped)
{
    struct fo_weight_function custom =
        fo_weight_custom(answer_for_success, answer_for_failure, &answer);

    answer = 120;
    expect_near(success(&custom, 200, 50, 80), 120);
    expect_near(failure(&custom, 200, 50, 80), 121);
    answer = 1e300;
    expect_near(success(&custom, 200, 50, 80), 200);
    answer = -1;
    expect_near(success(&custom, 200, 50, 80), 50);
    answer = NAN;
    expect_near(success(&custom, 200, 50, 80), 80);
    expect_near(failure(&custom, 200, 50, 80), 80);
    answer = INFINITY;
    expect_near(failure(&custom, 200, 50, 80), 200);
}

/* ---- Which functions are accepted --------------------------------------------------------- */

static void expect_range(double *number, const struct fo_weight_function *function, double low,
                         bool low_is_in, bool one_is_in)
{
    const double saved = *number;
    const struct {
        double value;
        bool valid;
    } cases[] = {{low, low_is_in},  {1, one_is_in},     {0.5, true},
                 {-0.001, false},   {1.001, false},     {NAN, false},
                 {INFINITY, false}, {-INFINITY, false}, {1e-300, true}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        *number = cases[i].value;
        cr_expect_eq(fo__weight_function_is_valid(function), cases[i].valid, "%g of number %zu",
                     cases[i].value, (size_t)(number - &function->failure_keep));
    }
    *number = saved;
}

Test(weight, is_accepted_within_the_documented_ranges_only)
{
    struct fo_weight_function function = fo_weight_ratio();

    expect_range(&function.failure_keep, &function, 0, true, false);
    expect_range(&function.failure_step, &function, 0, false, true);
    expect_range(&function.success_step, &function, 0, false, true);
    expect_range(&function.recover_step, &function, 0, false, true);
    expect_range(&function.down_threshold, &function, 0, true, false);
    expect_range(&function.mild_step, &function, 0, true, true);
    cr_expect(fo__weight_function_is_valid(&function));
    function.recover_threshold = 0;
    cr_expect_not(fo__weight_function_is_valid(&function));
    function = fo_weight_ratio();
    function.kind = (fo_weight_kind)3;
    cr_expect_not(fo__weight_function_is_valid(&function));
}

Test(weight, of_your_own_needs_both_functions)
{
    struct fo_weight_function both = fo_weight_custom(answer_for_success, answer_for_failure, NULL);
    struct fo_weight_function one = fo_weight_custom(answer_for_success, NULL, NULL);
    struct fo_weight_function other = fo_weight_custom(NULL, answer_for_failure, NULL);

    cr_expect(fo__weight_function_is_valid(&both));
    cr_expect_not(fo__weight_function_is_valid(&one));
    cr_expect_not(fo__weight_function_is_valid(&other));
}

/* ---- Through a balancer ------------------------------------------------------------------- */

static double live_after(struct fixture *f, fo_outcome outcome)
{
    fixture_pick_and_finish(f, outcome);
    return fixture_info(f, "e0").live_weight;
}

static void expect_live(double got, double wanted)
{
    cr_expect(fabs(got - wanted) <= 1e-6, "%.9g instead of %.9g", got, wanted);
}

Test(weight, moves_with_each_outcome_as_documented)
{
    struct fo_weight_function ratio = fo_weight_ratio();
    struct fixture f;

    fixture_open_one(&f, ratio, 100, 0);
    expect_live(live_after(&f, FO_OUTCOME_SUCCESS), 100);
    expect_live(live_after(&f, FO_OUTCOME_FAILURE), 50);
    expect_live(live_after(&f, FO_OUTCOME_SUCCESS), 51);
    expect_live(live_after(&f, FO_OUTCOME_DEGRADED), 48.45);
    expect_live(live_after(&f, FO_OUTCOME_OVERLOADED), 46.0275);
    expect_live(live_after(&f, FO_OUTCOME_NEUTRAL), 46.0275);
    expect_live(live_after(&f, FO_OUTCOME_CANCELLED), 46.0275);
    cr_expect_eq(fixture_info(&f, "e0").failed, 1);
    expect_live(live_after(&f, FO_OUTCOME_DOWN), 0);
    cr_expect_eq(fixture_info(&f, "e0").failed, 2);
    cr_expect_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    fixture_destroy(&f);
}

Test(weight, of_a_server_that_is_only_busy_never_reaches_down)
{
    struct fo_weight_function ratio = fo_weight_ratio();
    struct fixture f;

    fixture_open_one(&f, ratio, 100, 0);
    for (int i = 0; i < 2000; i++)
        fixture_pick_and_finish(&f, i % 2 == 0 ? FO_OUTCOME_OVERLOADED : FO_OUTCOME_DEGRADED);
    expect_live(fixture_info(&f, "e0").live_weight, 1);
    cr_expect_eq(fixture_info(&f, "e0").state, FO_STATE_UP);
    fixture_destroy(&f);
}

Test(weight, falls_below_the_threshold_to_down)
{
    struct fo_weight_function ratio = fo_weight_ratio();
    struct fixture f;

    fixture_open_one(&f, ratio, 100, 0);
    for (int i = 0; i < 6; i++)
        fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
    expect_live(fixture_info(&f, "e0").live_weight, 1.5625);
    expect_live(live_after(&f, FO_OUTCOME_FAILURE), 0);
    cr_expect_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    fixture_destroy(&f);
}

Test(weight, with_a_minimum_stays_there_and_up)
{
    struct fo_weight_function ratio = fo_weight_ratio();
    struct fixture f;

    fixture_open_one(&f, ratio, 100, 20);
    for (int i = 0; i < 50; i++)
        fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
    expect_live(fixture_info(&f, "e0").live_weight, 20);
    cr_expect_eq(fixture_info(&f, "e0").state, FO_STATE_UP);
    expect_live(live_after(&f, FO_OUTCOME_SUCCESS), 30);
    fixture_destroy(&f);
}

Test(weight, rises_from_the_minimum_after_enough_successes_in_a_row)
{
    struct fo_weight_function ratio = fo_weight_ratio();
    struct fixture f;

    ratio.recover_threshold = 3;
    fixture_open_one(&f, ratio, 100, 20);
    for (int i = 0; i < 10; i++)
        fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
    expect_live(live_after(&f, FO_OUTCOME_SUCCESS), 20);
    expect_live(live_after(&f, FO_OUTCOME_SUCCESS), 20);
    expect_live(live_after(&f, FO_OUTCOME_FAILURE), 20); /* breaks the row */
    expect_live(live_after(&f, FO_OUTCOME_SUCCESS), 20);
    expect_live(live_after(&f, FO_OUTCOME_NEUTRAL), 20); /* does not */
    expect_live(live_after(&f, FO_OUTCOME_SUCCESS), 20);
    expect_live(live_after(&f, FO_OUTCOME_SUCCESS), 30);
    expect_live(live_after(&f, FO_OUTCOME_SUCCESS), 31);
    fixture_destroy(&f);
}

static double of_endpoint(const struct fo_weight_input *input, void *arg)
{
    cr_expect_str_eq(fo_endpoint_name(input->endpoint), "e0");
    cr_expect_eq(fo_endpoint_data(input->endpoint), fixture_data(0));
    cr_expect_eq(arg, &answer);
    return input->live_weight - 10;
}

Test(weight, of_your_own_is_told_the_endpoint)
{
    struct fo_weight_function custom = fo_weight_custom(of_endpoint, of_endpoint, &answer);
    struct fixture f;

    fixture_open_one(&f, custom, 100, 0);
    expect_live(live_after(&f, FO_OUTCOME_FAILURE), 90);
    expect_live(live_after(&f, FO_OUTCOME_SUCCESS), 80);
    expect_live(live_after(&f, FO_OUTCOME_OVERLOADED), 79); /* a tenth of the failure's step */
    fixture_destroy(&f);
}

Test(weight, function_is_changed_live_and_health_stays)
{
    struct fo_weight_function ratio = fo_weight_ratio();
    struct fo_config config;
    struct fixture f;

    fixture_open_one(&f, ratio, 100, 0);
    expect_live(live_after(&f, FO_OUTCOME_FAILURE), 50);
    config = fixture_config(&f);
    config.weight = fo_weight_linear();
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_OK);
    expect_live(fixture_info(&f, "e0").live_weight, 50);
    expect_live(live_after(&f, FO_OUTCOME_FAILURE), 45);
    config.weight.failure_step = 0;
    cr_expect_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    expect_live(live_after(&f, FO_OUTCOME_FAILURE), 40);
    fixture_destroy(&f);
}

/* Steps of max / 2^20 are exact: the unit of health is 2^-31. */
Test(weight, loses_no_step_of_a_millionth)
{
    struct fo_weight_function linear = fo_weight_linear();
    struct fixture f;

    linear.failure_step = 0x1p-20;
    fixture_open_one(&f, linear, 0x1p20, 0);
    for (int i = 0; i < 100000; i++)
        fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
    cr_expect_eq(fixture_info(&f, "e0").live_weight, 0x1p20 - 100000);
    fixture_destroy(&f);
}
