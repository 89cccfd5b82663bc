/* SPDX-License-Identifier: Apache-2.0
 *
 * Two threads report the last failures of the last two hosts in the same moment, while a third dispatches:
 * one host is ejected, and never both. In rounds of many pairs of hosts, a million pairs at most.
 *
 *     reporter 0    strikes the first host of each pair ───┐
 *     reporter 1    strikes the second host of each pair ──┤ done
 *     dispatcher    dispatches, looks, dispatches, looks ──┴─► one of each pair is ejected: bring it back
 *
 * Nobody but the dispatcher ejects, so a look after each dispatch misses nothing.
 */
#include "fixture.h"
#include "members.h"
#include "stress.h"

#include <sched.h>
#include <stdio.h>

#define PAIRS 200
#define STRIKES 5
#define ROUNDS_MAX (UINT64_C(1000000) / PAIRS)

struct test {
    _Atomic uint64_t now_ns;
    struct fo_runtime *runtime;
    struct fo_balancer *balancer[PAIRS];
    struct fo__host *host[PAIRS][2];
    _Atomic uint64_t round; /* that reporters may begin; UINT64_MAX: the end */
    _Atomic uint32_t done;
    uint64_t ejected[2];
};

static struct test test;

static uint64_t virtual_now(void *arg)
{
    (void)arg;
    return atomic_load(&test.now_ns);
}

/** Outcomes do not move the weight: nobody goes down. */
static double all(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    return input->max_weight;
}

static bool is_ejected(size_t pair, size_t at)
{
    return fo__word_is_ejected(atomic_load(test.host[pair][at]->word));
}

/* ---- Reporters ----------------------------------------------------------------------------- */

static void *report(void *arg)
{
    const char *name = arg;

    for (uint64_t round = 1;; round++) {
        uint64_t now;

        while ((now = atomic_load(&test.round)) < round)
            sched_yield();
        if (now == UINT64_MAX)
            return NULL;
        for (size_t pair = 0; pair < PAIRS; pair++)
            for (int i = 0; i < STRIKES; i++)
                stress_check(fo_report(test.balancer[pair], name, FO_OUTCOME_FAILURE) == FO_OK,
                             "report");
        atomic_fetch_add(&test.done, 1);
    }
}

/* ---- Rounds -------------------------------------------------------------------------------- */

static void dispatch(void)
{
    do {
        fo_runtime_dispatch(test.runtime);
        for (size_t pair = 0; pair < PAIRS; pair++)
            stress_check(!is_ejected(pair, 0) || !is_ejected(pair, 1), "both are ejected");
    } while (fo_runtime_next_deadline_ms(test.runtime) == 0);
}

static void note(size_t pair)
{
    struct fo_endpoint_info info = fo_endpoint_info_init();
    size_t out = is_ejected(pair, 0) ? 0 : 1;
    const char *left = fixture_name(1 - out);

    stress_check(is_ejected(pair, out), "nobody is ejected");
    test.ejected[out]++;
    stress_check(fo_endpoint_status(test.balancer[pair], left, &info) == FO_OK, "status");
    stress_check(info.state == FO_STATE_UP && info.strikes >= STRIKES, "the other is no better");
    stress_check(fo_report(test.balancer[pair], left, FO_OUTCOME_SUCCESS) == FO_OK, "report");
}

static void bring_all_back(void)
{
    atomic_fetch_add(&test.now_ns, 2000000);
    dispatch();
    for (size_t pair = 0; pair < PAIRS; pair++) {
        struct fo_lease lease;

        stress_check(fo_pick(test.balancer[pair], &lease) == FO_OK, "no pick");
        stress_check(fo_finish(&lease, FO_OUTCOME_SUCCESS) == FO_OK, "finish");
        stress_check(!is_ejected(pair, 0) && !is_ejected(pair, 1), "it does not come back");
    }
    dispatch();
}

static void run_round(uint64_t round)
{
    atomic_store(&test.done, 0);
    atomic_store(&test.round, round);
    while (atomic_load(&test.done) < 2)
        dispatch();
    dispatch();
    for (size_t pair = 0; pair < PAIRS; pair++)
        note(pair);
    bring_all_back();
}

static void begin_pair(size_t pair)
{
    struct fo_config config = fo_config_init();

    config.runtime = test.runtime;
    config.weight = fo_weight_custom(all, all, NULL);
    config.judge = fo_judge_none();
    config.judge.strikes = STRIKES;
    config.judge.share_percent = 100;
    config.judge.ejection_ms = config.judge.ejection_max_ms = 1;
    stress_check(fo_balancer_create(&config, &test.balancer[pair]) == FO_OK, "create");
    fixture_add_to(test.balancer[pair], 2, NULL, NULL);
    for (size_t i = 0; i < 2; i++)
        test.host[pair][i] = test.balancer[pair]->members[i]->host;
}

static void begin(void)
{
    struct fo_runtime_config config = fo_runtime_config_init();

    atomic_store(&test.now_ns, 1000000000);
    config.clock = virtual_now;
    stress_check(fo_runtime_create(&config, &test.runtime) == FO_OK, "runtime");
    for (size_t pair = 0; pair < PAIRS; pair++)
        begin_pair(pair);
    dispatch();
}

static void end(void)
{
    for (size_t pair = 0; pair < PAIRS; pair++)
        fo_balancer_destroy(test.balancer[pair]);
    fo_runtime_dispatch(test.runtime);
    while (fo_runtime_destroy(test.runtime) == FO_BUSY)
        fo_runtime_dispatch(test.runtime);
}

int main(int argc, char **argv)
{
    static char names[2][3] = {"e0", "e1"};
    pthread_t threads[2];
    uint64_t round = 0;

    (void)stress_begin(argc, argv);
    begin();
    for (size_t i = 0; i < 2; i++)
        threads[i] = stress_start(report, names[i]);
    while (round < ROUNDS_MAX && !stress_is_over())
        run_round(++round);
    atomic_store(&test.round, UINT64_MAX);
    for (size_t i = 0; i < 2; i++)
        stress_join(threads[i]);
    printf("%zu pairs; ejected %zu first and %zu second hosts\n", (size_t)(round * PAIRS),
           (size_t)test.ejected[0], (size_t)test.ejected[1]);
    stress_check(round < 50 || (test.ejected[0] > 0 && test.ejected[1] > 0), "always the same");
    end();
    return 0;
}
