/* SPDX-License-Identifier: Apache-2.0
 *
 * The library against its oracle: random picks, finishes, reports, updates and milliseconds, both compared
 * after each step. A step that differs is told, with the few before it.
 */
#include "dice.h"
#include "fixture.h"
#include "oracle.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_MAX 40
#define TOLD 12 /* steps before the one that differs */

struct game {
    struct fixture f;
    struct oracle oracle;
    struct dice dice;
    struct fo_lease lease[OPEN_MAX];
    struct oracle_lease mine[OPEN_MAX];
    size_t open;
    uint32_t bad_percent[ORACLE_HOSTS]; /* how often a request to it fails */
    uint64_t step;
    char told[TOLD][96];
};

/* ---- Both ---------------------------------------------------------------------------------- */

static uint64_t now_ms(struct game *game)
{
    return fixture_clock(&game->f) / 1000000;
}

static void tell(struct game *game, const char *what, size_t at, int number)
{
    snprintf(game->told[game->step % TOLD], sizeof(game->told[0]), "%zu: %s %zu %d at %zu ms",
             (size_t)game->step, what, at, number, (size_t)now_ms(game));
}

static void see(struct game *game, struct fo_endpoint_info *infos)
{
    for (size_t i = 0; i < ORACLE_HOSTS; i++)
        if (game->oracle.host[i].is_member)
            infos[i] = fixture_info(&game->f, fixture_name(i));
}

static void compare(struct game *game)
{
    struct fo_endpoint_info infos[ORACLE_HOSTS];

    see(game, infos);
    oracle_compare(&game->oracle, infos);
    if (game->oracle.offence == NULL)
        return;
    for (uint64_t i = game->step < TOLD ? 0 : game->step - TOLD + 1; i <= game->step; i++)
        fprintf(stderr, "%s\n", game->told[i % TOLD]);
    if (game->oracle.offender < ORACLE_HOSTS) {
        const struct oracle_host *mine = &game->oracle.host[game->oracle.offender];
        const struct fo_endpoint_info *its = &infos[game->oracle.offender];

        fprintf(stderr, "oracle:  %s epoch %u health %.10f strikes %u ejections %u\n",
                fo_state_name(mine->state), mine->epoch, (double)mine->health / 0x1p31,
                mine->strikes, mine->ejections);
        fprintf(stderr, "library: %s epoch %u health %.10f strikes %u ejections %u ramp %f\n",
                fo_state_name(its->state), its->epoch, its->health, its->strikes, its->ejections,
                its->ramp);
    }
    cr_assert_fail("step %zu: e%zu: %s", (size_t)game->step, game->oracle.offender,
                   game->oracle.offence);
}

/* ---- Steps --------------------------------------------------------------------------------- */

static fo_outcome outcome_of(struct game *game, size_t at)
{
    static const fo_outcome odd[] = {FO_OUTCOME_DEGRADED, FO_OUTCOME_OVERLOADED, FO_OUTCOME_NEUTRAL,
                                     FO_OUTCOME_CANCELLED, FO_OUTCOME_DOWN};
    uint32_t chance = dice_below(&game->dice, 1000);

    if (chance < 40)
        return odd[chance % 4];
    if (chance < 42)
        return FO_OUTCOME_DOWN;
    return dice_below(&game->dice, 100) < game->bad_percent[at] ? FO_OUTCOME_FAILURE
                                                                : FO_OUTCOME_SUCCESS;
}

static void pick(struct game *game)
{
    struct fo_lease *lease = &game->lease[game->open];
    size_t at = ORACLE_HOSTS;
    fo_status status;

    if (game->open == OPEN_MAX)
        return;
    status = fo_pick(game->f.balancer, lease);
    cr_assert(status == FO_OK || status == FO_UNAVAILABLE);
    if (status == FO_OK)
        at = fixture_index(lease->endpoint);
    tell(game, "pick", at, 0);
    game->mine[game->open] = oracle_pick(&game->oracle, at);
    game->open += status == FO_OK ? 1 : 0;
}

static void finish_one(struct game *game, size_t i, fo_outcome outcome)
{
    struct oracle_lease mine = game->mine[i];

    tell(game, "finish", mine.host, outcome);
    cr_assert_eq(fo_finish(&game->lease[i], outcome), FO_OK);
    game->open--;
    game->lease[i] = game->lease[game->open];
    game->mine[i] = game->mine[game->open];
    oracle_finish(&game->oracle, mine.host, &mine, outcome);
}

static void finish(struct game *game)
{
    size_t i;

    if (game->open == 0)
        return;
    i = dice_below(&game->dice, (uint32_t)game->open);
    finish_one(game, i, outcome_of(game, game->mine[i].host));
}

static void report(struct game *game)
{
    size_t at = dice_below(&game->dice, ORACLE_HOSTS);
    fo_outcome outcome = outcome_of(game, at);

    if (!game->oracle.host[at].is_member)
        return;
    tell(game, "report", at, outcome);
    cr_assert_eq(fo_report(game->f.balancer, fixture_name(at), outcome), FO_OK);
    oracle_finish(&game->oracle, at, NULL, outcome);
}

static void wait(struct game *game)
{
    uint32_t ms = 1 + dice_below(&game->dice, dice_below(&game->dice, 20) == 0 ? 400 : 20);

    tell(game, "wait", ms, 0);
    for (; ms > 0; ms--) {
        struct fo_endpoint_info infos[ORACLE_HOSTS];

        fixture_advance_ms(&game->f, 1);
        see(game, infos);
        oracle_tick(&game->oracle, now_ms(game), infos);
        compare(game);
    }
}

static void update(struct game *game)
{
    size_t at = dice_below(&game->dice, ORACLE_HOSTS);
    struct fo_endpoint_config upsert = fixture_upsert(fixture_name(at), 100, fixture_data(at));
    const char *name = fixture_name(at);
    bool joins = !game->oracle.host[at].is_member;

    tell(game, joins ? "add" : "remove", at, 0);
    for (size_t i = game->open; i-- > 0 && !joins;)
        if (game->mine[i].host == at) {
            finish_one(game, i, FO_OUTCOME_CANCELLED);
            fixture_dispatch(&game->f);
        }
    if (joins)
        cr_assert_eq(fo_balancer_update(game->f.balancer, &upsert, 1, NULL, 0, NULL), FO_OK);
    else
        cr_assert_eq(fo_balancer_update(game->f.balancer, NULL, 0, &name, 1, NULL), FO_OK);
    fixture_dispatch(&game->f);
    if (joins)
        oracle_add(&game->oracle, at);
    else
        oracle_remove(&game->oracle, at);
}

static void change_quality(struct game *game)
{
    static const uint32_t percents[] = {0, 0, 2, 30, 50, 70, 100};

    game->bad_percent[dice_below(&game->dice, ORACLE_HOSTS)] = percents[dice_below(&game->dice, 7)];
}

static void step(struct game *game)
{
    uint32_t chance = dice_below(&game->dice, 1000);

    if (chance < 420)
        pick(game);
    else if (chance < 860)
        finish(game);
    else if (chance < 910)
        report(game);
    else if (chance < 990)
        wait(game);
    else if (chance < 997)
        change_quality(game);
    else
        update(game);
    fixture_dispatch(&game->f);
    compare(game);
    game->step++;
}

/* ---- Games --------------------------------------------------------------------------------- */

static struct oracle_rules rules_of(struct dice *dice)
{
    struct oracle_rules rules = {fo_weight_linear(), fo_trial_config_init(), fo_judge_none()};
    static const uint32_t shares[] = {10, 34, 50, 100};

    rules.trial.backoff_ms = 50;
    rules.trial.backoff_max_ms = 300;
    rules.trial.timeout_ms = 60;
    rules.trial.ramp_ms = 2000;
    rules.judge.strikes = dice_below(dice, 2) == 0 ? 40 : 2 + dice_below(dice, 6);
    rules.judge.failure_percent = 30 + dice_below(dice, 40);
    rules.weight.failure_step = 0.02;
    rules.weight.success_step = 0.1;
    rules.judge.window_ms = 200;
    rules.judge.window_requests = 10 + dice_below(dice, 20);
    rules.judge.share_percent = shares[dice_below(dice, 4)];
    rules.judge.ejection_ms = 100;
    rules.judge.ejection_max_ms = 350;
    return rules;
}

static void play(struct game *game, uint64_t seed, uint64_t steps)
{
    struct oracle_rules rules;
    struct fo_config config;

    memset(game, 0, sizeof(*game));
    game->dice = dice_of(seed);
    rules = rules_of(&game->dice);
    fixture_init(&game->f);
    config = fixture_config(&game->f);
    config.weight = rules.weight;
    config.trial = rules.trial;
    config.judge = rules.judge;
    config.seed = seed;
    fixture_balancer(&game->f, &config);
    game->oracle = oracle_of(&rules, now_ms(game));
    for (size_t i = 0; i < ORACLE_HOSTS / 2; i++)
        oracle_add(&game->oracle, i);
    fixture_add(&game->f, ORACLE_HOSTS / 2, NULL);
    fixture_dispatch(&game->f);
    while (game->step < steps)
        step(game);
}

static void end(struct game *game)
{
    while (game->open > 0)
        cr_assert_eq(fo_finish(&game->lease[--game->open], FO_OUTCOME_NEUTRAL), FO_OK);
    fixture_destroy(&game->f);
}

Test(oracle, agrees_at_each_of_a_hundred_thousand_steps, .timeout = 250)
{
    enum { GAMES = 20, STEPS = 6000 };
    size_t ejected = 0, by_rate = 0, trials = 0, downs = 0;

    for (uint64_t seed = 1; seed <= GAMES; seed++) {
        static struct game game;

        play(&game, seed, STEPS);
        ejected += fixture_heard(&game.f, FO_EVENT_EJECTED, NULL);
        trials += fixture_heard(&game.f, FO_EVENT_TRIAL, NULL);
        downs += fixture_heard(&game.f, FO_EVENT_DOWN, NULL);
        for (size_t i = 0; i < game.f.event_count; i++)
            by_rate += game.f.events[i].reason == FO_REASON_EJECTED_RATE ? 1 : 0;
        end(&game);
    }
    fprintf(stderr, "%zu ejected, %zu of them by rate, %zu down, %zu trials\n", ejected, by_rate,
            downs, trials);
    cr_expect(ejected > 100 && by_rate > 20 && downs > 100 && trials > 500);
}
