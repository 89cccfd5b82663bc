/* SPDX-License-Identifier: Apache-2.0
 *
 * The judge: strikes, ejection and its share, the way back. All on virtual time.
 */
#include "fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define MOST 64

static struct fo_judge_config strikes_only(uint32_t strikes)
{
    struct fo_judge_config judge = fo_judge_none();

    judge.strikes = strikes;
    return judge;
}

/** A balancer of no endpoints yet, by that judge. */
static void begin(struct fixture *f, struct fo_judge_config judge, struct fo_weight_function weight)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.weight = weight;
    config.judge = judge;
    config.trial.ramp_ms = 0;
    fixture_balancer(f, &config);
}

static void begin_with(struct fixture *f, struct fo_judge_config judge,
                       struct fo_weight_function weight, size_t n)
{
    begin(f, judge, weight);
    fixture_add(f, n, NULL);
    fixture_dispatch(f);
    fixture_story(f);
}

static struct fo_endpoint_info info(struct fixture *f, size_t i)
{
    return fixture_info(f, fixture_name(i));
}

static struct fo_lease pick(struct fixture *f)
{
    struct fo_lease lease = fo_lease_init();

    cr_assert_eq(fo_pick(f->balancer, &lease), FO_OK);
    return lease;
}

static void finish(struct fo_lease *lease, fo_outcome outcome)
{
    cr_assert_eq(fo_finish(lease, outcome), FO_OK);
}

/** A pick that lands on endpoint i; what lands elsewhere is neutral. */
static struct fo_lease pick_of(struct fixture *f, size_t i)
{
    for (int tries = 0; tries < 100000; tries++) {
        struct fo_lease lease = pick(f);

        if (fixture_index(lease.endpoint) == i)
            return lease;
        finish(&lease, FO_OUTCOME_NEUTRAL);
    }
    cr_assert_fail("never picked");
    return fo_lease_init();
}

/** A failure for each strike, as it is reported by name. */
static void strike(struct fixture *f, size_t i, int strikes)
{
    while (strikes-- > 0)
        cr_assert_eq(fo_report(f->balancer, fixture_name(i), FO_OUTCOME_FAILURE), FO_OK);
    fixture_dispatch(f);
}

static size_t ejected(struct fixture *f, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += info(f, i).state == FO_STATE_EJECTED ? 1 : 0;
    return count;
}

/** Milliseconds until the host's state is so, at most `most`. */
static uint64_t ms_until(struct fixture *f, size_t i, fo_state wanted, uint64_t most)
{
    uint64_t ms = 0;

    for (; info(f, i).state != wanted; ms++) {
        cr_assert_lt(ms, most);
        fixture_advance_ms(f, 1);
    }
    return ms;
}

/* ---- Strikes ------------------------------------------------------------------------------- */

Test(judge, five_failures_in_a_row_eject)
{
    struct fixture f;

    begin_with(&f, strikes_only(0), fo_weight_ratio(), 3);
    for (uint32_t i = 0; i < 5; i++) {
        struct fo_lease lease = pick_of(&f, 1);

        cr_expect_eq(info(&f, 1).strikes, i);
        cr_expect_eq(info(&f, 1).state, FO_STATE_UP);
        finish(&lease, FO_OUTCOME_FAILURE);
    }
    fixture_dispatch(&f);
    cr_expect_eq(info(&f, 1).state, FO_STATE_EJECTED);
    cr_expect_eq(info(&f, 1).ejections, 1);
    cr_expect_eq(info(&f, 1).strikes, 0);
    cr_expect_eq(info(&f, 1).health, 0);
    cr_expect_str_eq(fixture_story(&f), "ejected e1 (ejected for failures)");
    fixture_destroy(&f);
}

Test(judge, a_success_takes_all_strikes_away)
{
    const fo_outcome good[] = {FO_OUTCOME_SUCCESS, FO_OUTCOME_DEGRADED};

    for (int i = 0; i < 2; i++) {
        struct fixture f;
        struct fo_lease lease;

        begin_with(&f, strikes_only(0), fo_weight_linear(), 2);
        strike(&f, 1, 4);
        cr_expect_eq(info(&f, 1).strikes, 4);
        lease = pick_of(&f, 1);
        finish(&lease, good[i]);
        cr_expect_eq(info(&f, 1).strikes, 0);
        strike(&f, 1, 4);
        cr_expect_eq(info(&f, 1).state, FO_STATE_UP);
        strike(&f, 1, 1);
        cr_expect_eq(info(&f, 1).state, FO_STATE_EJECTED);
        fixture_destroy(&f);
    }
}

Test(judge, other_outcomes_are_no_strikes_and_take_none_away)
{
    const fo_outcome others[] = {FO_OUTCOME_OVERLOADED, FO_OUTCOME_NEUTRAL, FO_OUTCOME_CANCELLED};
    struct fixture f;

    begin_with(&f, strikes_only(0), fo_weight_linear(), 2);
    strike(&f, 1, 3);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(fo_report(f.balancer, "e1", others[i]), FO_OK);
        cr_expect_eq(info(&f, 1).strikes, 3);
    }
    fixture_destroy(&f);
}

Test(judge, failures_that_were_in_flight_together_are_one_strike)
{
    struct fixture f;
    struct fo_lease leases[7];

    begin_with(&f, strikes_only(0), fo_weight_linear(), 2);
    for (uint32_t round = 1; round <= 5; round++) {
        double health = info(&f, 1).health;

        for (int i = 0; i < 7; i++)
            leases[i] = pick_of(&f, 1);
        for (int i = 0; i < 7; i++)
            finish(&leases[i], FO_OUTCOME_FAILURE);
        if (round < 5) {
            cr_expect_eq(info(&f, 1).strikes, round);
            cr_expect_float_eq(info(&f, 1).health, fmax(health - 7 * 0.05, 0), 1e-6,
                               "health counts each");
        }
        fixture_dispatch(&f);
        if (info(&f, 1).health < 0.4) /* linear: at 0 it is down by health alone */
            break;
    }
    fixture_destroy(&f);
}

Test(judge, a_blip_of_seven_in_flight_ejects_nobody_and_health_recovers)
{
    struct fo_weight_function weights[2] = {fo_weight_ratio(), fo_weight_linear()};

    for (int kind = 0; kind < 2; kind++) {
        struct fixture f;
        struct fo_lease leases[7];

        begin_with(&f, fo_judge_config_init(), weights[kind], 3);
        for (int i = 0; i < 7; i++)
            leases[i] = pick_of(&f, 1);
        for (int i = 0; i < 7; i++)
            finish(&leases[i], FO_OUTCOME_FAILURE);
        fixture_dispatch(&f);
        /* Half of half … is below 1 % after seven: down by health, and tried after a second. */
        cr_expect_eq(info(&f, 1).state, kind == 0 ? FO_STATE_DOWN : FO_STATE_UP);
        for (int ms = 0; ms < 60000; ms += 5) {
            fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
            fixture_advance_ms(&f, 5);
        }
        cr_expect_eq(info(&f, 1).health, 1);
        cr_expect_eq(fixture_heard(&f, FO_EVENT_EJECTED, NULL), 0);
        fixture_destroy(&f);
    }
}

Test(judge, a_weight_function_that_moves_nothing_still_has_strikes_and_comes_back_whole)
{
    struct fixture f;
    struct fo_lease lease;

    begin_with(&f, strikes_only(0), fixture_weights(&f), 2);
    strike(&f, 1, 1);
    cr_expect_eq(info(&f, 1).strikes, 1);
    cr_expect_eq(info(&f, 1).health, 1 - 0x1p-31);
    lease = pick_of(&f, 1);
    finish(&lease, FO_OUTCOME_SUCCESS);
    cr_expect_eq(info(&f, 1).strikes, 0);
    cr_expect_eq(info(&f, 1).health, 1);
    strike(&f, 1, 5);
    cr_expect_eq(info(&f, 1).state, FO_STATE_EJECTED);
    fixture_destroy(&f);
}

Test(judge, strikes_end_at_63_and_a_judge_that_is_off_counts_none)
{
    struct fixture f;

    begin_with(&f, strikes_only(63), fixture_weights(&f), 1);
    strike(&f, 0, 200);
    cr_expect_eq(info(&f, 0).strikes, 63);
    cr_expect_eq(info(&f, 0).state, FO_STATE_UP, "the last");
    fixture_destroy(&f);
    begin_with(&f, fo_judge_none(), fo_weight_linear(), 2);
    strike(&f, 0, 10);
    cr_expect_eq(info(&f, 0).strikes, 0);
    cr_expect_eq(info(&f, 0).state, FO_STATE_UP);
    fixture_destroy(&f);
}

/* ---- What ejection is worth ---------------------------------------------------------------- */

Test(judge, a_host_that_refuses_gets_less_than_1_percent_after_its_fifth_failure)
{
    struct fixture f;
    uint64_t failures = 0, after = 0, to_it = 0;

    begin_with(&f, fo_judge_config_init(), fo_weight_ratio(), 4);
    while (fixture_heard(&f, FO_EVENT_TRIAL, NULL) == 0) {
        struct fo_lease leases[8]; /* so many are open at a time */

        for (int i = 0; i < 8; i++) {
            leases[i] = pick(&f);
            after += failures >= 5 ? 1 : 0;
            to_it += failures >= 5 && fixture_index(leases[i].endpoint) == 2 ? 1 : 0;
        }
        for (int i = 0; i < 8; i++) {
            bool refused = fixture_index(leases[i].endpoint) == 2;

            failures += refused ? 1 : 0;
            finish(&leases[i], refused ? FO_OUTCOME_FAILURE : FO_OUTCOME_SUCCESS);
        }
        fixture_advance_ms(&f, 4);
        cr_assert_lt(after, 1000000);
    }
    cr_expect_geq(after, 1000);
    cr_expect(to_it * 100 < after, "%zu of %zu", (size_t)to_it, (size_t)after);
    fixture_destroy(&f);
}

/* ---- The share ----------------------------------------------------------------------------- */

Test(judge, never_ejects_more_than_the_share_nor_the_last)
{
    static const struct {
        size_t n;
        uint32_t percent;
        size_t most;
    } cases[] = {{1, 100, 0}, {2, 10, 1}, {2, 100, 1}, {5, 50, 2},  {5, 100, 4},
                 {8, 0, 4},   {9, 10, 1}, {10, 34, 3}, {20, 50, 10}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fo_judge_config judge = strikes_only(0);
        struct fixture f;

        judge.share_percent = cases[i].percent;
        begin_with(&f, judge, fo_weight_linear(), cases[i].n);
        for (int round = 0; round < 9; round++)
            for (size_t at = 0; at < cases[i].n; at++)
                if (info(&f, at).state == FO_STATE_UP)
                    strike(&f, at, 1);
        cr_expect_eq(ejected(&f, cases[i].n), cases[i].most, "case %zu: %zu", i,
                     ejected(&f, cases[i].n));
        fixture_destroy(&f);
    }
}

Test(judge, tries_a_refused_ejection_again_and_counts_the_refusals)
{
    struct fixture f;

    begin_with(&f, strikes_only(0), fo_weight_linear(), 2);
    strike(&f, 0, 5);
    cr_expect_eq(info(&f, 0).state, FO_STATE_EJECTED);
    strike(&f, 1, 7);
    cr_expect_eq(info(&f, 1).state, FO_STATE_UP);
    cr_expect_geq(info(&f, 1).ejections_refused, 1);
    cr_expect_eq(info(&f, 0).ejections_refused, 0);
    fixture_add_to(f.balancer, 4, NULL, NULL);
    fixture_dispatch(&f);
    strike(&f, 1, 1);
    cr_expect_eq(info(&f, 1).state, FO_STATE_EJECTED, "now there are others");
    fixture_destroy(&f);
}

Test(judge, counts_each_level_on_its_own)
{
    struct fixture f;
    struct fo_endpoint_config upserts[4];

    begin(&f, strikes_only(0), fo_weight_linear());
    for (size_t i = 0; i < 4; i++) {
        upserts[i] = fixture_upsert(fixture_name(i), 100, fixture_data(i));
        upserts[i].level = i / 2 > 0 ? 1 : 0;
    }
    cr_assert_eq(fo_balancer_update(f.balancer, upserts, 4, NULL, 0, NULL), FO_OK);
    fixture_dispatch(&f);
    for (size_t i = 0; i < 4; i++)
        strike(&f, i, 5);
    cr_expect_eq(info(&f, 0).state, FO_STATE_EJECTED);
    cr_expect_eq(info(&f, 1).state, FO_STATE_UP);
    cr_expect_eq(info(&f, 2).state, FO_STATE_EJECTED);
    cr_expect_eq(info(&f, 3).state, FO_STATE_UP);
    fixture_destroy(&f);
}

Test(judge, of_shared_hosts_every_balancer_must_spare_it)
{
    struct fo_group_config of_group = fo_group_config_init();
    struct fo_balancer *balancer[2];
    struct fo_group *group;
    struct fixture f;

    fixture_init(&f);
    of_group.runtime = f.runtime;
    of_group.judge = strikes_only(0);
    cr_assert_eq(fo_group_create(&of_group, &group), FO_OK);
    for (size_t i = 0; i < 2; i++) {
        struct fo_config config = fixture_config(&f);

        config.runtime = NULL;
        config.group = group;
        config.weight = fo_weight_linear();
        balancer[i] = fixture_balancer(&f, &config);
        fixture_add_to(balancer[i], i == 0 ? 4 : 1, NULL, NULL);
    }
    fixture_dispatch(&f);
    strike(&f, 0, 6);
    cr_expect_eq(info(&f, 0).state, FO_STATE_UP, "the other has nothing else");
    strike(&f, 1, 5);
    cr_expect_eq(info(&f, 1).state, FO_STATE_EJECTED);
    fo_group_destroy(group);
    fixture_destroy(&f);
}

Test(judge, all_of_level_0_failing_never_takes_more_than_the_share)
{
    enum { N = 10 };
    struct fixture f;
    size_t most = 0;

    begin(&f, fo_judge_config_init(), fo_weight_linear());
    for (size_t i = 0; i < N + 2; i++) {
        struct fo_endpoint_config upsert = fixture_upsert(fixture_name(i), 100, fixture_data(i));

        upsert.level = i < N ? 0 : 1;
        upsert.min_weight = 1; /* health alone takes nobody down */
        cr_assert_eq(fo_balancer_update(f.balancer, &upsert, 1, NULL, 0, NULL), FO_OK);
    }
    fixture_dispatch(&f);
    for (int round = 0; round < 20000; round++) {
        struct fo_lease lease = pick(&f);
        size_t out = 0;

        finish(&lease, fixture_index(lease.endpoint) < N ? FO_OUTCOME_FAILURE : FO_OUTCOME_SUCCESS);
        fixture_advance_ms(&f, 3);
        for (size_t i = 0; i < N; i++)
            out += info(&f, i).state != FO_STATE_UP ? 1 : 0;
        most = out > most ? out : most;
    }
    cr_expect_eq(most, N / 2, "%zu", most);
    fixture_destroy(&f);
}

/* ---- Recalls ------------------------------------------------------------------------------- */

Test(judge, recalls_the_oldest_when_an_update_leaves_too_many)
{
    const char *names[] = {"e3", "e4", "e5"};
    struct fixture f;

    begin_with(&f, strikes_only(0), fo_weight_linear(), 6);
    for (size_t i = 0; i < 3; i++) {
        strike(&f, i, 5);
        fixture_advance_ms(&f, 10);
    }
    cr_expect_eq(ejected(&f, 6), 3);
    cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, &names[1], 1, NULL), FO_OK);
    fixture_dispatch(&f);
    cr_expect_eq(info(&f, 0).state, FO_STATE_TRIAL, "two of five may be out");
    cr_expect_eq(info(&f, 1).state, FO_STATE_EJECTED);
    cr_expect_eq(info(&f, 2).state, FO_STATE_EJECTED);
    cr_expect_eq(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS), 0, "the trial");
    fixture_dispatch(&f);
    cr_expect_eq(info(&f, 0).state, FO_STATE_UP);
    fixture_destroy(&f);
}

Test(judge, recalls_when_the_others_go_down_by_themselves)
{
    struct fixture f;

    begin_with(&f, strikes_only(0), fo_weight_linear(), 3);
    strike(&f, 0, 5);
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&f);
    cr_expect_eq(info(&f, 0).state, FO_STATE_EJECTED);
    cr_assert_eq(fo_report(f.balancer, "e2", FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&f);
    cr_expect_eq(info(&f, 0).state, FO_STATE_TRIAL);
    cr_expect_eq(fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE), 0);
    fixture_dispatch(&f);
    cr_expect_eq(info(&f, 0).state, FO_STATE_EJECTED, "the trial failed");
    cr_expect_leq(ms_until(&f, 0, FO_STATE_TRIAL, 5000), 2401,
                  "and comes again like that of one down");
    fixture_destroy(&f);
}

/* ---- The way back -------------------------------------------------------------------------- */

Test(judge, ejection_waits_longer_each_time_with_a_fifth_of_jitter)
{
    struct fo_judge_config judge = strikes_only(0);
    const uint64_t wait_ms[] = {1000, 2000, 3000, 3500, 3500};

    judge.ejection_ms = 1000;
    judge.ejection_max_ms = 3500;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct fixture f;

        begin_with(&f, judge, fo_weight_linear(), 3);
        fixture_advance_ms(&f, seed);
        strike(&f, 1, 5);
        for (int i = 0; i < 5; i++) {
            uint64_t ms = ms_until(&f, 1, FO_STATE_TRIAL, 10000);
            struct fo_lease lease;

            cr_expect(ms >= wait_ms[i] && ms <= wait_ms[i] * 6 / 5 + 1, "%d: %d ms", i, (int)ms);
            lease = pick_of(&f, 1);
            finish(&lease, FO_OUTCOME_FAILURE);
            fixture_dispatch(&f);
            cr_expect_eq(info(&f, 1).state, FO_STATE_EJECTED);
        }
        fixture_destroy(&f);
    }
}

Test(judge, a_new_ejection_soon_after_the_return_is_longer_and_a_late_one_is_not)
{
    for (int late = 0; late < 2; late++) {
        struct fo_judge_config judge = strikes_only(0);
        struct fixture f;
        struct fo_lease lease;

        judge.ejection_ms = 1000;
        begin_with(&f, judge, fo_weight_linear(), 3);
        strike(&f, 1, 5);
        ms_until(&f, 1, FO_STATE_TRIAL, 1300);
        lease = pick_of(&f, 1);
        finish(&lease, FO_OUTCOME_SUCCESS);
        fixture_dispatch(&f);
        cr_expect_eq(info(&f, 1).state, FO_STATE_UP);
        cr_expect_lt(info(&f, 1).ramp, 0.1, "and ramps");
        fixture_advance_ms(&f, late ? 1000 : 900);
        strike(&f, 1, 5);
        cr_expect_eq(info(&f, 1).ejections, late ? 1 : 2);
        cr_expect_geq(ms_until(&f, 1, FO_STATE_TRIAL, 3000), late ? 1000 : 2000);
        fixture_destroy(&f);
    }
}

Test(judge, a_success_of_the_trickle_does_not_end_an_ejection)
{
    struct fixture f;
    struct fo_endpoint_config upsert = fixture_upsert("e1", 100, fixture_data(1));
    struct fo_lease lease;

    begin_with(&f, strikes_only(0), fo_weight_linear(), 3);
    upsert.min_weight = 20;
    cr_assert_eq(fo_balancer_update(f.balancer, &upsert, 1, NULL, 0, NULL), FO_OK);
    strike(&f, 1, 5);
    lease = pick_of(&f, 1);
    finish(&lease, FO_OUTCOME_SUCCESS);
    cr_expect_eq(info(&f, 1).state, FO_STATE_EJECTED);
    ms_until(&f, 1, FO_STATE_TRIAL, 7000);
    for (int i = 0; i < 100 && info(&f, 1).state != FO_STATE_UP; i++) {
        lease = pick_of(&f, 1);
        finish(&lease, FO_OUTCOME_SUCCESS);
    }
    cr_expect_eq(info(&f, 1).state, FO_STATE_UP);
    fixture_destroy(&f);
}

/* ---- With checks --------------------------------------------------------------------------- */

static bool check_by_flag(const struct fo_check_target *target, bool *flag)
{
    (void)target;
    return *flag;
}

static void check_now(struct fo_check_handle handle, const struct fo_check_target *target,
                      void *arg)
{
    fo_check_done(handle, check_by_flag(target, arg));
}

Test(judge, a_passed_check_does_not_end_an_ejection_and_failed_ones_turn_it_into_down)
{
    static bool passes;
    struct fixture f;
    struct fo_config config;

    passes = true;
    fixture_init(&f);
    config = fixture_config(&f);
    config.weight = fo_weight_linear();
    config.judge = strikes_only(0);
    config.check = fo_check_async(check_now, &passes);
    config.check.when = FO_CHECK_ALWAYS;
    config.check.interval_ms = 100;
    config.check.fall = 2;
    fixture_balancer(&f, &config);
    fixture_add(&f, 3, NULL);
    fixture_dispatch(&f);
    strike(&f, 1, 5);
    fixture_advance_ms(&f, 2000);
    cr_expect_eq(info(&f, 1).state, FO_STATE_EJECTED);
    cr_expect_geq(ms_until(&f, 1, FO_STATE_TRIAL, 5000), 2990, "it has its trial all the same");
    cr_expect_eq(fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE), 1);
    fixture_dispatch(&f);
    cr_expect_eq(info(&f, 1).state, FO_STATE_EJECTED);
    passes = false;
    fixture_advance_ms(&f, 1000);
    cr_expect_eq(info(&f, 1).state, FO_STATE_DOWN);
    cr_expect_eq(fixture_last(&f, FO_EVENT_DOWN, "e1")->old_state, FO_STATE_EJECTED);
    cr_expect_eq(fixture_last(&f, FO_EVENT_DOWN, "e1")->reason, FO_REASON_CHECK_FAILED);
    passes = true;
    fixture_advance_ms(&f, 1000);
    cr_expect_eq(info(&f, 1).state, FO_STATE_UP, "now the check brings it back");
    fixture_destroy(&f);
}
