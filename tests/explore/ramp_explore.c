/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a ramp, every interleaving: the dispatcher takes the flag out of the host word while
 * threads move its health, take it down and bring it back.
 *
 *     in the end   no outcome is lost; a host that is still in its epoch is admitted in full; one
 *                  that came back meanwhile has a ramp of its own, begun and with its timer armed;
 *                  and who listens to weights was told the last one
 */
#include "world.h"

#define LOW 10 /* failures in advance: room for successes */
#define MIN_WEIGHT 4.0
#define RAMP_MS 30000
#define BEHIND_RAMP_MS 31000
#define BEHIND_TICK_MS 20

static int steps; /* successes - failures that the threads had */
static uint32_t first_epoch;
static double told_weight;

static double rise(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    return input->live_weight + 1;
}

static double fall(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    return input->live_weight - 1;
}

static void report(fo_outcome outcome)
{
    explore_check(fo_report(world.balancer[0], "a", outcome) == FO_OK, "report");
}

static uint64_t word_now(void)
{
    return atomic_load(world_host(0)->word);
}

static void hear_weight(const struct fo_event *event, void *arg)
{
    (void)arg;
    explore_check(event->old_weight == told_weight, "a weight was left out");
    told_weight = event->new_weight;
}

/** A trickle lifts a host without the dispatcher's help. */
static void set_minimum(void)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("a");

    config.data = &world.data[0][0];
    config.max_weight = WORLD_WEIGHT;
    config.min_weight = MIN_WEIGHT;
    explore_check(fo_balancer_update(world.balancer[0], &config, 1, NULL, 0, NULL) == FO_OK,
                  "update");
}

/** "a" is back, not wholly healthy, and in its ramp. */
static void begin(void)
{
    const struct fo_weight_function weight = fo_weight_custom(rise, fall, NULL);
    const struct world_plan plan = {
        .balancers = 1, .names = 1, .weight = &weight, .ramp_ms = RAMP_MS};

    world_begin(&plan);
    set_minimum();
    world_dispatch();
    steps = 0;
    told_weight = WORLD_WEIGHT;
    explore_check(fo_subscribe(world.balancer[0], FO_EVENT_WEIGHT, hear_weight, NULL, NULL) ==
                      FO_OK,
                  "subscribe");
    report(FO_OUTCOME_DOWN);
    world_dispatch();
    explore_check(world_pick_and_finish(0, FO_OUTCOME_SUCCESS), "no trickle");
    world_dispatch();
    for (int i = 0; i < LOW; i++)
        report(FO_OUTCOME_FAILURE);
    explore_check((word_now() & FO__FLAG_RAMP) != 0, "no ramp");
    first_epoch = fo__word_epoch(word_now());
}

/* ---- Threads ----------------------------------------------------------------------------- */

static void end_ramp(void)
{
    world_advance_ms(BEHIND_RAMP_MS);
    fo_runtime_dispatch(world.runtime);
}

static void fail(void)
{
    steps--;
    report(FO_OUTCOME_FAILURE);
}

static void succeed(void)
{
    steps++;
    report(FO_OUTCOME_SUCCESS);
}

static void go_down(void)
{
    report(FO_OUTCOME_DOWN);
}

static void come_back(void)
{
    (void)world_pick_and_finish(0, FO_OUTCOME_SUCCESS);
}

static void go_down_and_come_back(void)
{
    go_down();
    come_back();
}

/* ---- Judging ----------------------------------------------------------------------------- */

static void check_up(struct fo__host *host, uint64_t word)
{
    double live = fo__word_health(word) * (WORLD_WEIGHT / (double)FO__HEALTH_ONE);

    if (fo__word_epoch(word) == first_epoch) {
        explore_check((word & FO__FLAG_RAMP) == 0, "the ramp has no end");
        explore_check(live == WORLD_WEIGHT - LOW + steps, "live weight %.1f after %d steps", live,
                      steps);
    } else {
        explore_check((word & FO__FLAG_RAMP) != 0, "the new ramp is lost");
        explore_check(fo__host_admission_begun(host, word) != 0 && host->timer.armed,
                      "the new ramp has not begun");
    }
}

static void check_told(void)
{
    struct fo_endpoint_info info = fo_endpoint_info_init();
    double weight;

    world_advance_ms(BEHIND_TICK_MS);
    world_dispatch();
    explore_check(fo_endpoint_status(world.balancer[0], "a", &info) == FO_OK, "status");
    weight = info.health * info.ramp * info.max_weight;
    if (weight < info.min_weight)
        weight = info.min_weight;
    explore_check(told_weight == weight, "told %f, it is %f", told_weight, weight);
}

static void check(void)
{
    struct fo__host *host = world_host(0);
    uint64_t word;

    world_check_sums(); /* before the dispatcher may mend anything */
    world_dispatch();
    world_check_sums();
    word = atomic_load(host->word);
    if ((word & FO__FLAG_DOWN) != 0) {
        explore_check((word & FO__FLAG_RAMP) == 0, "down, and in a ramp");
        explore_check(host->timer.armed, "nobody waits for the trial");
    } else {
        check_up(host, word);
    }
    check_told();
    world_end();
}

static const struct explore_scenario scenarios[] = {
    {"failure", 2, begin, {end_ramp, fail}, check},
    {"failure-success", 2, begin, {end_ramp, fail, succeed}, check},
    {"down", 2, begin, {end_ramp, go_down}, check},
    {"down-failure", 2, begin, {end_ramp, go_down, fail}, check},
    {"down-and-back", 2, begin, {end_ramp, go_down_and_come_back}, check},
    {"down-elsewhere-back", 2, begin, {end_ramp, go_down, come_back}, check},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
