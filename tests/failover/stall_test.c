/* SPDX-License-Identifier: Apache-2.0
 *
 * Stalls: a host that hangs is found before the first timeout, and spared until it lives. The arithmetic
 * alone, then a simulated server on virtual time.
 */
#include "fixture.h"
#include "stall.h"

#include <criterion/criterion.h>
#include <string.h>

#define MS UINT64_C(1000000)
#define LIMIT_MS 100

/* ---- The arithmetic ------------------------------------------------------------------------ */

static bool look(struct fo__stall *stall, uint64_t ms, uint64_t started, uint64_t finished,
                 uint64_t succeeded)
{
    struct fo__stall_look at = {ms * MS, started, finished, succeeded};

    return fo__stall_look_at(stall, &at, LIMIT_MS * MS);
}

static struct fo__stall fresh(void)
{
    struct fo__stall stall;
    struct fo__stall_look at = {1000 * MS, 0, 0, 0};

    memset(&stall, 0, sizeof(stall));
    fo__stall_reset(&stall, &at);
    return stall;
}

Test(stall, takes_three_that_are_open_for_the_limit)
{
    struct fo__stall stall = fresh();

    cr_expect_not(look(&stall, 1025, 3, 0, 0));
    cr_expect_eq(fo__stall_due_ns(&stall, LIMIT_MS * MS) / MS, 1116);
    cr_expect_not(look(&stall, 1116, 3, 0, 0));
    cr_expect(look(&stall, 1117, 3, 0, 0));
    stall = fresh();
    cr_expect_not(look(&stall, 1025, 2, 0, 0));
    cr_expect_not(look(&stall, 9999, 2, 0, 0), "two are not enough");
    cr_expect_eq(fo__stall_due_ns(&stall, LIMIT_MS * MS), UINT64_MAX);
}

Test(stall, begins_with_the_third_of_those_that_came_between_two_looks)
{
    struct fo__stall stall = fresh();

    cr_expect_not(look(&stall, 1100, 12, 0, 0));
    /* Twelve came evenly in 100 ms: the third after two or three twelfths of it. */
    cr_expect_eq(fo__stall_due_ns(&stall, LIMIT_MS * MS) / MS, 1116);
}

Test(stall, a_success_begins_anew_and_a_failure_does_not)
{
    struct fo__stall stall = fresh();

    cr_expect_not(look(&stall, 1025, 5, 0, 0));
    cr_expect_not(look(&stall, 1100, 6, 1, 1));
    cr_expect_not(look(&stall, 1199, 6, 1, 1));
    cr_expect_not(look(&stall, 1200, 7, 2, 2));
    cr_expect_not(look(&stall, 1250, 7, 3, 2), "a failure");
    cr_expect(look(&stall, 1300, 7, 3, 2));
    cr_expect(look(&stall, 1400, 7, 7, 2), "failures end nothing");
    cr_expect_not(look(&stall, 1500, 8, 8, 3));
}

Test(stall, gives_a_slow_host_three_times_its_usual_time)
{
    struct fo__stall stall = fresh();
    uint64_t ms = 1000;

    /* Four at a time, each 400 ms. */
    for (uint64_t batch = 0; batch < 100; batch++) {
        bool hangs = false;

        for (int i = 0; i < 15; i++)
            hangs = look(&stall, ms += 25, 4 * batch + 4, 4 * batch, 4 * batch);
        cr_assert_eq(hangs, batch < 2, "until it is known");
        cr_assert_not(look(&stall, ms += 25, 4 * batch + 4, 4 * batch + 4, 4 * batch + 4));
    }
    cr_expect_geq(fo__stall_limit_ns(&stall, LIMIT_MS * MS), 3 * 350 * MS);
    cr_expect_leq(fo__stall_limit_ns(&stall, LIMIT_MS * MS), 3 * 450 * MS);
}

Test(stall, a_fast_host_has_the_limit_that_is_configured)
{
    struct fo__stall stall = fresh();

    for (uint64_t i = 1; i < 1000; i++)
        cr_assert_not(look(&stall, 1000 + 25 * i, 100 * i + 4, 100 * i, 100 * i));
    cr_expect_eq(fo__stall_limit_ns(&stall, LIMIT_MS * MS), LIMIT_MS * MS);
}

Test(stall, does_not_learn_patience_from_a_hang)
{
    struct fo__stall stall = fresh();

    for (uint64_t i = 1; i < 100; i++)
        look(&stall, 1000 + 25 * i, 100 * i + 4, 100 * i, 100 * i);
    cr_expect(look(&stall, 60000, 9910, 9900, 9900));
    cr_expect_not(look(&stall, 60025, 9910, 9910, 9910));
    look(&stall, 60050, 9911, 9911, 9911);
    cr_expect_eq(fo__stall_limit_ns(&stall, LIMIT_MS * MS), LIMIT_MS * MS);
}

/* ---- A server that freezes ------------------------------------------------------------------ */

#define THREADS 8
#define PERIOD_MS 20
#define MOST 4096

struct request {
    struct fo_lease lease;
    uint64_t due_ms; /* 0: free */
    fo_outcome outcome;
};

/** Two hosts. Each of the threads sends a request every 20 ms, whatever became of its last. */
struct scene {
    struct fixture f;
    struct request open[MOST];
    uint64_t ms;
    uint64_t latency_ms[2];
    bool is_frozen[2];
    uint64_t picks[2];
    uint64_t give_up_ms; /* a caller's timeout, a failure; 0: none */
};

static void begin(struct scene *scene, struct fo_judge_config judge)
{
    struct fo_config config;

    memset(scene, 0, sizeof(*scene));
    scene->latency_ms[0] = scene->latency_ms[1] = 5;
    fixture_init(&scene->f);
    config = fixture_config(&scene->f);
    config.weight = fo_weight_ratio();
    config.judge = judge;
    fixture_balancer(&scene->f, &config);
    fixture_add(&scene->f, 2, NULL);
    fixture_dispatch(&scene->f);
}

static void begin_stalls_only(struct scene *scene)
{
    struct fo_judge_config judge = fo_judge_none();

    judge.stall_ms = 0;
    begin(scene, judge);
}

static void send(struct scene *scene)
{
    struct request *request = scene->open;
    size_t at;

    while (request->due_ms != 0)
        cr_assert_lt(++request - scene->open, MOST);
    cr_assert_eq(fo_pick(scene->f.balancer, &request->lease), FO_OK);
    at = fixture_index(request->lease.endpoint);
    scene->picks[at]++;
    request->due_ms = scene->is_frozen[at] ? UINT64_MAX : scene->ms + scene->latency_ms[at];
    request->outcome = FO_OUTCOME_SUCCESS;
    if (scene->is_frozen[at] && scene->give_up_ms > 0) {
        request->due_ms = scene->ms + scene->give_up_ms;
        request->outcome = FO_OUTCOME_FAILURE;
    }
}

static void answer(struct scene *scene)
{
    for (size_t i = 0; i < MOST; i++) {
        if (scene->open[i].due_ms == 0 || scene->open[i].due_ms > scene->ms)
            continue;
        cr_assert_eq(fo_finish(&scene->open[i].lease, scene->open[i].outcome), FO_OK);
        scene->open[i].due_ms = 0;
    }
}

static void run_ms(struct scene *scene, uint64_t ms)
{
    for (uint64_t end = scene->ms + ms; scene->ms < end; scene->ms++) {
        answer(scene);
        for (uint64_t thread = 0; thread < THREADS; thread++)
            if (scene->ms % PERIOD_MS == thread * PERIOD_MS / THREADS)
                send(scene);
        fixture_advance_ms(&scene->f, 1);
    }
}

/** All that hangs goes on as if nothing had happened. */
static void thaw(struct scene *scene, size_t at)
{
    scene->is_frozen[at] = false;
    for (size_t i = 0; i < MOST; i++)
        if (scene->open[i].due_ms != 0 && fixture_index(scene->open[i].lease.endpoint) == at)
            scene->open[i].due_ms = scene->ms;
}

static void end(struct scene *scene)
{
    thaw(scene, 0);
    thaw(scene, 1);
    scene->ms += 1000;
    answer(scene);
    fixture_destroy(&scene->f);
}

static uint64_t waiting(struct scene *scene, size_t at)
{
    return fixture_info(&scene->f, fixture_name(at)).in_flight;
}

Test(stall, a_frozen_host_holds_three_requests_and_those_of_the_limit)
{
    static struct scene scene;
    const uint64_t rate_per_s = THREADS * 1000 / PERIOD_MS / 2; /* of one of two hosts */
    uint64_t before[2];

    begin_stalls_only(&scene);
    run_ms(&scene, 2000);
    cr_expect_not(fixture_info(&scene.f, "e1").suspect);
    scene.is_frozen[1] = true;
    run_ms(&scene, 3 * 1000 / rate_per_s + LIMIT_MS + 1);
    cr_expect(fixture_info(&scene.f, "e1").suspect);
    cr_expect_leq(waiting(&scene, 1), 3 + rate_per_s * LIMIT_MS / 1000, "%zu",
                  (size_t)waiting(&scene, 1));
    before[0] = scene.picks[0];
    before[1] = scene.picks[1];
    run_ms(&scene, 10000);
    cr_expect_leq((scene.picks[1] - before[1]) * 50,
                  scene.picks[0] - before[0] + scene.picks[1] - before[1], "more than 2 %%");
    cr_expect_leq(waiting(&scene, 1), 3 + rate_per_s * LIMIT_MS / 1000, "ever: %zu",
                  (size_t)waiting(&scene, 1));
    cr_expect_eq(fixture_info(&scene.f, "e1").state, FO_STATE_UP);
    end(&scene);
}

Test(stall, a_host_that_thaws_has_all_of_its_share_at_once)
{
    static struct scene scene;
    uint64_t before[2];

    begin_stalls_only(&scene);
    run_ms(&scene, 1000);
    scene.is_frozen[1] = true;
    run_ms(&scene, 1000);
    thaw(&scene, 1);
    run_ms(&scene, 30);
    cr_expect_not(fixture_info(&scene.f, "e1").suspect);
    cr_expect_eq(fixture_info(&scene.f, "e1").ramp, 1);
    before[0] = scene.picks[0];
    before[1] = scene.picks[1];
    run_ms(&scene, 2000);
    cr_expect_float_eq((double)(scene.picks[1] - before[1]) / (double)(scene.picks[0] - before[0]),
                       1, 0.05);
    end(&scene);
}

Test(stall, when_the_callers_give_up_a_trickle_goes_on_asking)
{
    static struct scene scene;
    uint64_t before[2];

    begin_stalls_only(&scene);
    scene.give_up_ms = 300;
    run_ms(&scene, 1000);
    scene.is_frozen[1] = true;
    run_ms(&scene, 2000);
    before[0] = scene.picks[0];
    before[1] = scene.picks[1];
    run_ms(&scene, 10000);
    cr_expect_leq((scene.picks[1] - before[1]) * 50, scene.picks[0] - before[0], "more than 2 %%");
    scene.is_frozen[1] = false;
    run_ms(&scene, 20000);
    cr_expect_not(fixture_info(&scene.f, "e1").suspect);
    cr_expect_eq(fixture_info(&scene.f, "e1").state, FO_STATE_UP);
    end(&scene);
}

Test(stall, when_all_of_a_level_hang_they_share_as_ever)
{
    static struct scene scene;
    uint64_t before[2];

    begin_stalls_only(&scene);
    run_ms(&scene, 1000);
    scene.is_frozen[0] = scene.is_frozen[1] = true;
    run_ms(&scene, 500);
    cr_expect(fixture_info(&scene.f, "e0").suspect);
    cr_expect(fixture_info(&scene.f, "e1").suspect);
    before[0] = scene.picks[0];
    before[1] = scene.picks[1];
    run_ms(&scene, 5000);
    cr_expect_float_eq((double)(scene.picks[1] - before[1]) / (double)(scene.picks[0] - before[0]),
                       1, 0.2);
    end(&scene);
}

Test(stall, a_slow_host_is_no_suspect)
{
    static struct scene scene;

    begin_stalls_only(&scene);
    scene.latency_ms[1] = 90;
    run_ms(&scene, 3000);
    cr_expect_not(fixture_info(&scene.f, "e1").suspect);
    for (uint64_t ms = 100; ms <= 1000; ms += 100) { /* it gets slower, never stalls */
        scene.latency_ms[1] = ms;
        for (int i = 0; i < 300; i++) {
            run_ms(&scene, 10);
            if (i * 10 > (int)ms) /* the step itself is a gap */
                cr_assert_not(fixture_info(&scene.f, "e1").suspect, "at %d ms", (int)ms);
        }
    }
    end(&scene);
}

Test(stall, a_judge_that_is_off_suspects_nobody_and_sets_no_timer)
{
    static struct scene scene;

    begin(&scene, fo_judge_none());
    cr_expect_eq(fo_runtime_next_deadline_ms(scene.f.runtime), -1);
    run_ms(&scene, 1000);
    scene.is_frozen[1] = true;
    run_ms(&scene, 1000);
    cr_expect_not(fixture_info(&scene.f, "e1").suspect);
    end(&scene);
}

Test(stall, an_idle_group_is_looked_at_once_a_second)
{
    static struct scene scene;
    int looks = 0;

    begin_stalls_only(&scene);
    fixture_advance_ms(&scene.f, 5000);
    for (int ms = 0; ms < 10000; looks++) {
        int wait_ms = fo_runtime_next_deadline_ms(scene.f.runtime);

        fixture_advance_ms(&scene.f, (uint64_t)wait_ms);
        ms += wait_ms;
    }
    cr_expect(looks == 10 || looks == 11, "%d", looks);
    end(&scene);
}

Test(stall, a_suspect_that_goes_down_and_comes_back_is_a_suspect_no_more)
{
    static struct scene scene;

    begin_stalls_only(&scene);
    run_ms(&scene, 1000);
    scene.is_frozen[1] = true;
    run_ms(&scene, 500);
    cr_expect(fixture_info(&scene.f, "e1").suspect);
    cr_assert_eq(fo_report(scene.f.balancer, "e1", FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&scene.f);
    cr_expect_not(fixture_info(&scene.f, "e1").suspect);
    scene.is_frozen[1] = false;
    run_ms(&scene, 2000);
    cr_expect_eq(fixture_info(&scene.f, "e1").state, FO_STATE_UP);
    cr_expect_eq(fixture_info(&scene.f, "e1").ramp, 1);
    end(&scene);
}
