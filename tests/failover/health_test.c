/* SPDX-License-Identifier: Apache-2.0
 *
 * Weight functions: ratio, linear, the embedder's own, and the thresholds that go for all of them.
 */
#include "crew.h"
#include "fixture.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <math.h>

static double after(struct fixture *f, fo_outcome outcome)
{
    fixture_pick_and_finish(f, outcome);
    return fixture_info(f, "e0").live_weight;
}

#define LIVE_IS(f, outcome, expected)                                                              \
    do {                                                                                           \
        double live = after((f), (outcome));                                                       \
        cr_assert_float_eq(live, (expected), 1e-5, "%f, not %f", live, (double)(expected));        \
    } while (0)

/* ---- Built in ---------------------------------------------------------------------------- */

Test(health, ratio_keeps_its_share_and_steps_up)
{
    struct fo_weight_function weight = fo_weight_ratio();
    struct fixture f;

    weight.failure_keep = 0.25;
    weight.success_step = 0.3;
    fixture_open_one(&f, weight, 200, 0);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 50);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 110);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 170);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 200);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 200);
    fixture_destroy(&f);
}

Test(health, ratio_zero_takes_down_at_the_first_failure)
{
    struct fo_weight_function weight = fo_weight_ratio();
    struct fixture f;

    weight.failure_keep = 0;
    fixture_open_one(&f, weight, 100, 0);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 0);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    fixture_destroy(&f);
}

Test(health, linear_takes_and_gives_fixed_shares)
{
    struct fo_weight_function weight = fo_weight_linear();
    struct fixture f;

    fixture_open_one(&f, weight, 200, 0);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 190);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 180);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 182);
    LIVE_IS(&f, FO_OUTCOME_OVERLOADED, 181);
    for (int i = 0; i < 18; i++)
        after(&f, FO_OUTCOME_FAILURE);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 0);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    fixture_advance_ms(&f, 1300);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 2);
    fixture_destroy(&f);
}

Test(health, a_live_weight_below_the_threshold_falls_to_the_minimum)
{
    struct fo_weight_function weight = fo_weight_ratio();
    struct fixture f;

    weight.down_threshold = 0.3;
    fixture_open_one(&f, weight, 100, 2);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 50);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 2);
    fixture_destroy(&f);
    fixture_open_one(&f, weight, 100, 0);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 50);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 0);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    fixture_destroy(&f);
}

Test(health, a_mild_step_stops_at_the_threshold)
{
    struct fo_weight_function weight = fo_weight_ratio();
    struct fixture f;

    weight.down_threshold = 0.3;
    weight.mild_step = 1;
    fixture_open_one(&f, weight, 100, 0);
    LIVE_IS(&f, FO_OUTCOME_OVERLOADED, 50);
    LIVE_IS(&f, FO_OUTCOME_OVERLOADED, 30);
    LIVE_IS(&f, FO_OUTCOME_DEGRADED, 30);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_UP);
    fixture_destroy(&f);
}

Test(health, a_mild_step_of_zero_does_nothing)
{
    struct fo_weight_function weight = fo_weight_ratio();
    struct fixture f;

    weight.mild_step = 0;
    fixture_open_one(&f, weight, 100, 0);
    LIVE_IS(&f, FO_OUTCOME_OVERLOADED, 100);
    LIVE_IS(&f, FO_OUTCOME_DEGRADED, 100);
    fixture_destroy(&f);
}

Test(health, steps_of_a_2_to_the_20th_are_exact)
{
    struct fo_weight_function weight = fo_weight_linear();
    struct fixture f;

    weight.failure_step = 1 / 1048576.0;
    fixture_open_one(&f, weight, 1048576, 0);
    for (int i = 1; i <= 1000; i++) {
        fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
        cr_assert_eq(fixture_info(&f, "e0").live_weight, 1048576.0 - i);
    }
    fixture_destroy(&f);
}

/* ---- Recovering in a row ------------------------------------------------------------------ */

Test(health, recovery_from_down_needs_successes_in_a_row)
{
    struct fo_weight_function weight = fo_weight_ratio();
    struct fixture f;

    weight.recover_threshold = 3;
    fixture_open_one(&f, weight, 100, 0);
    after(&f, FO_OUTCOME_DOWN);
    fixture_advance_ms(&f, 1300);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 0);
    fixture_dispatch(&f);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 0);
    fixture_dispatch(&f);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 0); /* and from the beginning */
    fixture_advance_ms(&f, 3000);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 0);
    fixture_dispatch(&f);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 0);
    fixture_dispatch(&f);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 10);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_UP);
    fixture_destroy(&f);
}

Test(health, rising_from_a_minimum_needs_successes_in_a_row_each_time)
{
    struct fo_weight_function weight = fo_weight_ratio();
    struct fixture f;

    weight.recover_threshold = 3;
    weight.failure_keep = 0;
    fixture_open_one(&f, weight, 100, 5);
    for (int i = 0; i < 3; i++) {
        LIVE_IS(&f, FO_OUTCOME_FAILURE, 5);
        LIVE_IS(&f, FO_OUTCOME_SUCCESS, 5);
        LIVE_IS(&f, FO_OUTCOME_SUCCESS, 5);
        LIVE_IS(&f, FO_OUTCOME_SUCCESS, 15);
        LIVE_IS(&f, FO_OUTCOME_SUCCESS, 16);
    }
    fixture_destroy(&f);
}

Test(health, a_failure_at_the_minimum_begins_the_row_again)
{
    struct fo_weight_function weight = fo_weight_ratio();
    struct fixture f;

    weight.recover_threshold = 2;
    weight.failure_keep = 0;
    fixture_open_one(&f, weight, 100, 5);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 5);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 5);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 5);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 5);
    LIVE_IS(&f, FO_OUTCOME_NEUTRAL, 5); /* says nothing, so it interrupts nothing */
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 15);
    fixture_destroy(&f);
}

Test(health, going_down_begins_the_row_again)
{
    struct fo_weight_function weight = fo_weight_ratio();
    struct fixture f;

    weight.recover_threshold = 2;
    weight.failure_keep = 0;
    fixture_open_one(&f, weight, 100, 5);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 5);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 5);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 15);
    LIVE_IS(&f, FO_OUTCOME_DOWN, 5);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 5);
    cr_assert_neq(fixture_info(&f, "e0").state, FO_STATE_UP);
    fixture_destroy(&f);
}

/* ---- The embedder's own ------------------------------------------------------------------- */

struct script {
    double answer;
    int successes, failures;
    struct fo_weight_input last;
    const char *name;
    void *data;
};

static double note(struct script *script, const struct fo_weight_input *input)
{
    script->last = *input;
    script->name = fo_endpoint_name(input->endpoint);
    script->data = fo_endpoint_data(input->endpoint);
    return script->answer;
}

static double note_success(const struct fo_weight_input *input, void *arg)
{
    struct script *script = arg;

    script->successes++;
    return note(script, input);
}

static double note_failure(const struct fo_weight_input *input, void *arg)
{
    struct script *script = arg;

    script->failures++;
    return note(script, input);
}

Test(health, own_functions_are_told_all_and_obeyed)
{
    struct script script = {.answer = 60};
    struct fo_weight_function weight = fo_weight_custom(note_success, note_failure, &script);
    struct fixture f;

    fixture_open_one(&f, weight, 100, 4);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 60);
    cr_assert_eq(script.failures, 1);
    cr_assert_eq(script.last.max_weight, 100);
    cr_assert_eq(script.last.min_weight, 4);
    cr_assert_eq(script.last.live_weight, 100);
    cr_assert_str_eq(script.name, "e0");
    cr_assert_eq(script.data, fixture_data(0));
    script.answer = 80;
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 80);
    cr_assert_eq(script.successes, 1);
    cr_assert_float_eq(script.last.live_weight, 60, 1e-6);
    script.answer = 70; /* what a failure would take is 10 */
    LIVE_IS(&f, FO_OUTCOME_DEGRADED, 79);
    fixture_destroy(&f);
}

Test(health, own_answers_are_clamped)
{
    struct script script = {.answer = 1e9};
    struct fo_weight_function weight = fo_weight_custom(note_success, note_failure, &script);
    struct fixture f;

    fixture_open_one(&f, weight, 100, 4);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 100);
    script.answer = -1e9;
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 4);
    script.answer = INFINITY;
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 100);
    script.answer = -INFINITY;
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 4);
    fixture_destroy(&f);
}

Test(health, nan_leaves_the_weight_as_it_is)
{
    struct script script = {.answer = 50};
    struct fo_weight_function weight = fo_weight_custom(note_success, note_failure, &script);
    struct fixture f;

    fixture_open_one(&f, weight, 100, 0);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 50);
    script.answer = NAN;
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 50);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 50);
    LIVE_IS(&f, FO_OUTCOME_DEGRADED, 50);
    LIVE_IS(&f, FO_OUTCOME_OVERLOADED, 50);
    LIVE_IS(&f, FO_OUTCOME_DOWN, 0);
    fixture_advance_ms(&f, 1300);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 0); /* it recovers when the function says so */
    script.answer = 20;
    fixture_advance_ms(&f, 60000);
    LIVE_IS(&f, FO_OUTCOME_SUCCESS, 20);
    fixture_destroy(&f);
}

Test(health, an_own_answer_of_zero_takes_the_host_down)
{
    struct script script = {.answer = 0};
    struct fo_weight_function weight = fo_weight_custom(note_success, note_failure, &script);
    struct fixture f;

    fixture_open_one(&f, weight, 100, 0);
    LIVE_IS(&f, FO_OUTCOME_FAILURE, 0);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "added e0, down e0 (no health)");
    fixture_destroy(&f);
}

/* Inside a read section or under a lock these calls would wait for themselves. */
static double update_from_inside(const struct fo_weight_input *input, void *arg)
{
    static int n;
    struct fixture *f = arg;
    const char *removals[] = {"e0"};
    struct fo_endpoint_config config = fo_endpoint_config_init("e0");
    struct fo_endpoint_info info = fo_endpoint_info_init();
    struct fo_lease lease = fo_lease_init();
    fo_status status;

    config.data = fixture_data(0);
    config.tags = (uint64_t)++n;
    status = fo_balancer_update(f->balancer, &config, 1, NULL, 0, NULL);
    assert(status == FO_OK);
    status = fo_drain(f->balancer, "e0");
    assert(status == FO_OK);
    status = fo_undrain(f->balancer, "e0");
    assert(status == FO_OK);
    status = fo_pick(f->balancer, &lease);
    assert(status == FO_OK);
    fo_finish(&lease, FO_OUTCOME_NEUTRAL);
    status = fo_balancer_update(f->balancer, NULL, 0, removals, 1, NULL);
    assert(status == FO_OK); /* even the endpoint that it is about: the lease holds it */
    status = fo_balancer_update(f->balancer, &config, 1, NULL, 0, NULL);
    assert(status == FO_OK);
    status = fo_endpoint_status(f->balancer, "e0", &info);
    assert(status == FO_OK);
    fo_runtime_dispatch(f->runtime);
    return input->live_weight - 1;
}

Test(health, own_functions_may_call_the_library, .timeout = 20)
{
    struct fo_weight_function weight;
    struct fixture f;

    weight = fo_weight_custom(update_from_inside, update_from_inside, &f);
    fixture_open_one(&f, weight, 100, 0);
    for (int i = 1; i <= 20; i++)
        LIVE_IS(&f, FO_OUTCOME_FAILURE, 100 - i);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_float_eq(fixture_info(&f, "e0").live_weight, 79, 1e-6);
    fixture_destroy(&f);
}

static double count_calls(const struct fo_weight_input *input, void *arg)
{
    _Atomic uint64_t *calls = arg;

    atomic_fetch_add(calls, 1);
    return input->live_weight - 1;
}

static void fail(size_t member, void *arg)
{
    struct fixture *f = arg;

    (void)member;
    for (int i = 0; i < 20000; i++)
        fo_report(f->balancer, "e0", FO_OUTCOME_FAILURE);
}

Test(health, own_functions_are_called_again_when_another_thread_was_faster)
{
    _Atomic uint64_t calls = 0;
    struct fo_weight_function weight = fo_weight_custom(count_calls, count_calls, &calls);
    struct fixture f;

    fixture_open_one(&f, weight, 1048576, 0);
    crew_run(3, fail, &f);
    cr_assert_eq(fixture_info(&f, "e0").live_weight, 1048576.0 - 60000);
    cr_assert_geq(atomic_load(&calls), 60000);
    fixture_destroy(&f);
}
