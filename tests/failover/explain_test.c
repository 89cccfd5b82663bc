/* SPDX-License-Identifier: Apache-2.0
 *
 * fo_balancer_explain(): in each situation the verdicts are the expected ones, and the probabilities are
 * what a quarter of a million real picks do.
 */
#include "crew.h"
#include "fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#define PICKS 250000u
#define ENDPOINTS_MAX 32

/* ---- Explaining and picking ----------------------------------------------------------------- */

/** What the visitor was shown, by the index of the endpoint (its data). */
struct shown {
    size_t count;
    size_t stop_at;
    double sum; /* of probabilities */
    double probability[ENDPOINTS_MAX];
    double level_share[ENDPOINTS_MAX];
    fo_verdict verdict[ENDPOINTS_MAX];
    struct fo_endpoint_info info[ENDPOINTS_MAX];
    char order[256]; /* the names, in the order in which they were shown */
};

static bool show(const struct fo_explanation *explanation, void *arg)
{
    struct shown *shown = arg;
    size_t index = (size_t)((uintptr_t)explanation->endpoint->data - 1);

    cr_assert_lt(index, ENDPOINTS_MAX);
    cr_assert_eq(explanation->size, sizeof(*explanation));
    cr_expect((explanation->verdict == FO_VERDICT_ELIGIBLE) == (explanation->probability > 0));
    shown->sum += explanation->probability;
    shown->probability[index] = explanation->probability;
    shown->level_share[index] = explanation->level_share;
    shown->verdict[index] = explanation->verdict;
    shown->info[index] = *explanation->endpoint;
    strcat(shown->order, shown->count > 0 ? " " : "");
    strcat(shown->order, explanation->endpoint->name);
    return ++shown->count != shown->stop_at;
}

static struct shown explain(struct fixture *f, const struct fo_pick_options *options)
{
    struct shown shown = {0};

    cr_assert_eq(fo_balancer_explain(f->balancer, options, show, &shown), FO_OK);
    return shown;
}

static fo_status pick_one(struct fixture *f, const struct fo_pick_options *options,
                          uint64_t *counts)
{
    struct fo_lease lease;
    fo_status status = fo_pick_with(f->balancer, options, &lease);

    if (status != FO_OK)
        return status;
    counts[fixture_index(lease.endpoint)]++;
    return fo_finish(&lease, FO_OUTCOME_NEUTRAL);
}

static void expect_picks(struct fixture *f, const struct fo_pick_options *options,
                         const struct shown *shown)
{
    uint64_t counts[ENDPOINTS_MAX] = {0};

    cr_expect_float_eq(shown->sum, 1, 1e-9, "the probabilities add up to %.12f", shown->sum);
    for (uint32_t i = 0; i < PICKS; i++)
        cr_assert_eq(pick_one(f, options, counts), FO_OK);
    for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
        double wanted = shown->probability[i] * PICKS;

        cr_expect_leq(fabs((double)counts[i] - wanted), 5 * sqrt(wanted), "e%zu: %zu picks, not %g",
                      i, (size_t)counts[i], wanted);
    }
}

static void expect_refusal(struct fixture *f, const struct fo_pick_options *options,
                           const struct shown *shown)
{
    uint64_t counts[ENDPOINTS_MAX] = {0};

    for (size_t i = 0; i < ENDPOINTS_MAX; i++)
        cr_expect_eq(shown->probability[i], 0);
    cr_expect_eq(pick_one(f, options, counts), FO_UNAVAILABLE);
}

/** The verdicts on e0, e1, …, and picks that agree. */
static struct shown expect(struct fixture *f, const struct fo_pick_options *options,
                           const char *verdicts)
{
    struct shown shown = explain(f, options);
    char text[512] = "";

    for (size_t i = 0; i < shown.count; i++) {
        strcat(text, i > 0 ? ", " : "");
        strcat(text, fo_verdict_name(shown.verdict[i]));
    }
    cr_expect_str_eq(text, verdicts);
    if (strstr(verdicts, "eligible") != NULL)
        expect_picks(f, options, &shown);
    else
        expect_refusal(f, options, &shown);
    return shown;
}

/* ---- Worlds --------------------------------------------------------------------------------- */

static void open_world(struct fixture *f, fo_last_resort last_resort, double panic_threshold)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.levels.last_resort = last_resort;
    config.levels.panic_threshold = panic_threshold;
    config.levels.local_zone = "near";
    fixture_balancer(f, &config);
}

static void put(struct fixture *f, const struct fo_endpoint_config *endpoint)
{
    cr_assert_eq(fo_balancer_update(f->balancer, endpoint, 1, NULL, 0, NULL), FO_OK);
}

/** e0 and e1 of weight 100 and 300, near; e2 and e3 the same, far: so level 0 and 1. */
static void open_zones(struct fixture *f, fo_last_resort last_resort)
{
    open_world(f, last_resort, 0);
    for (size_t i = 0; i < 4; i++) {
        struct fo_endpoint_config endpoint =
            fixture_upsert(fixture_name(i), i % 2 == 0 ? 100 : 300, fixture_data(i));

        endpoint.zone = i < 2 ? "near" : "far";
        endpoint.tags = i + 1;
        put(f, &endpoint);
    }
}

static void take_down(struct fixture *f, const char *name)
{
    cr_assert_eq(fo_report(f->balancer, name, FO_OUTCOME_DOWN), FO_OK);
}

/** Excludes e(first) … e(end − 1); `ids` is as long. */
static struct fo_pick_options without(struct fixture *f, size_t first, size_t end, uint64_t *ids)
{
    struct fo_pick_options options = fo_pick_options_init();

    for (size_t i = first; i < end; i++)
        ids[i - first] = fixture_id(f, fixture_name(i));
    options.exclude = ids;
    options.exclude_count = end - first;
    return options;
}

/* ---- Without limits ------------------------------------------------------------------------- */

Test(explain, while_all_is_well_level_0_has_the_traffic_by_weight)
{
    struct shown shown;
    struct fixture f;

    open_zones(&f, FO_LAST_RESORT_NONE);
    shown = expect(&f, NULL, "eligible, eligible, level idle, level idle");
    cr_expect_float_eq(shown.probability[0], 0.25, 1e-9);
    cr_expect_float_eq(shown.probability[1], 0.75, 1e-9);
    cr_expect_eq(shown.level_share[0], 1);
    cr_expect_eq(shown.level_share[3], 0);
    fixture_destroy(&f);
}

Test(explain, an_overflow_is_shared_by_the_known_answer)
{
    struct shown shown;
    struct fixture f;

    open_zones(&f, FO_LAST_RESORT_NONE);
    fixture_set_weight(&f, "e0", 50);
    fixture_set_weight(&f, "e1", 150); /* 50 %: 70 % of the traffic */
    shown = expect(&f, NULL, "eligible, eligible, eligible, eligible");
    cr_expect_float_eq(shown.probability[0], 0.7 * 0.25, 1e-6);
    cr_expect_float_eq(shown.probability[3], 0.3 * 0.75, 1e-6);
    cr_expect_float_eq(shown.level_share[1], 0.7, 1e-6);
    cr_expect_float_eq(shown.level_share[2], 0.3, 1e-6);
    fixture_destroy(&f);
}

Test(explain, within_a_level_live_weights_decide)
{
    struct shown shown;
    struct fixture f;

    open_zones(&f, FO_LAST_RESORT_NONE);
    fixture_set_weight(&f, "e0", 30); /* 330 of 400 is enough */
    shown = expect(&f, NULL, "eligible, eligible, level idle, level idle");
    cr_expect_float_eq(shown.probability[0], 30.0 / 330, 1e-6);
    cr_expect_float_eq(shown.info[0].live_weight, 30, 1e-6);
    cr_expect_float_eq(shown.info[0].health, 0.3, 1e-6);
    fixture_destroy(&f);
}

Test(explain, degraded_endpoints_have_a_share_of_their_own)
{
    struct fo_endpoint_config degraded;
    struct shown shown;
    struct fixture f;

    open_world(&f, FO_LAST_RESORT_NONE, 0);
    fixture_add(&f, 4, NULL);
    degraded = fixture_upsert("e0", 100, fixture_data(0));
    degraded.degraded = true;
    put(&f, &degraded);
    shown = expect(&f, NULL, "level idle, eligible, eligible, eligible");
    cr_expect_eq(shown.level_share[0], 0);
    cr_expect_str_eq(shown.order, "e1 e2 e3 e0");
    fixture_set_weight(&f, "e3", 0); /* 50 % of the level: 70 % of the traffic */
    shown = expect(&f, NULL, "eligible, eligible, eligible, down");
    cr_expect_float_eq(shown.probability[0], 0.3, 1e-6);
    cr_expect(shown.info[0].degraded);
    cr_expect_eq(shown.info[0].level, shown.info[1].level);
    fixture_destroy(&f);
}

Test(explain, what_is_down_is_called_so_and_gets_nothing)
{
    struct shown shown;
    struct fixture f;

    open_zones(&f, FO_LAST_RESORT_NONE);
    take_down(&f, "e0");
    shown = expect(&f, NULL, "down, eligible, level idle, level idle");
    cr_expect_eq(shown.info[0].state, FO_STATE_DOWN);
    cr_expect_eq(shown.info[0].live_weight, 0);
    fixture_destroy(&f);
}

Test(explain, a_minimum_weight_is_a_trickle_also_when_down)
{
    struct fo_endpoint_config endpoint;
    struct shown shown;
    struct fixture f;

    open_world(&f, FO_LAST_RESORT_NONE, 0);
    fixture_add(&f, 3, NULL);
    endpoint = fixture_upsert("e1", 100, fixture_data(1));
    endpoint.min_weight = 2;
    put(&f, &endpoint);
    take_down(&f, "e1");
    take_down(&f, "e2");
    shown = expect(&f, NULL, "eligible, eligible, down");
    cr_expect_float_eq(shown.probability[1], 2.0 / 102, 1e-6);
    cr_expect_eq(shown.info[1].state, FO_STATE_DOWN);
    fixture_destroy(&f);
}

Test(explain, drained_and_weightless_endpoints_have_their_verdicts)
{
    struct shown shown;
    struct fixture f;

    open_world(&f, FO_LAST_RESORT_ALL, 0);
    fixture_add(&f, 3, (const double[]){100, 0, 100});
    cr_assert_eq(fo_drain(f.balancer, "e2"), FO_OK);
    shown = expect(&f, NULL, "eligible, no weight, drained");
    cr_expect(shown.info[2].drained);
    take_down(&f, "e0"); /* the last resort leaves them out, too */
    expect(&f, NULL, "eligible, no weight, drained");
    cr_assert_eq(fo_drain(f.balancer, "e0"), FO_OK);
    shown = expect(&f, NULL, "drained, no weight, drained");
    cr_expect_eq(shown.info[0].state, FO_STATE_DOWN);
    cr_expect_eq(shown.info[2].state, FO_STATE_UP);
    fixture_destroy(&f);
}

Test(explain, in_the_last_resort_all_share_the_traffic)
{
    struct shown shown;
    struct fixture f;

    open_zones(&f, FO_LAST_RESORT_ALL);
    for (size_t i = 0; i < 4; i++)
        take_down(&f, fixture_name(i));
    shown = expect(&f, NULL, "eligible, eligible, eligible, eligible");
    cr_expect_float_eq(shown.probability[0], 0.5 * 0.25, 1e-6);
    cr_expect_eq(shown.info[0].state, FO_STATE_DOWN);
    fixture_destroy(&f);
}

Test(explain, without_last_resort_nobody_is_eligible_when_all_are_down)
{
    struct shown shown;
    struct fixture f;

    open_zones(&f, FO_LAST_RESORT_NONE);
    for (size_t i = 0; i < 4; i++)
        take_down(&f, fixture_name(i));
    shown = expect(&f, NULL, "down, down, down, down");
    cr_expect_eq(shown.level_share[0], 0);
    fixture_destroy(&f);
}

Test(explain, a_level_that_panics_uses_all_of_its_endpoints_by_max_weight)
{
    struct shown shown;
    struct fixture f;

    open_world(&f, FO_LAST_RESORT_ALL, 0.5);
    fixture_add(&f, 4, (const double[]){100, 200, 300, 400});
    fixture_set_weight(&f, "e0", 40);
    fixture_set_weight(&f, "e1", 20);
    take_down(&f, "e2");
    take_down(&f, "e3");
    shown = expect(&f, NULL, "eligible, eligible, eligible, eligible");
    cr_expect_float_eq(shown.probability[3], 0.4, 1e-6);
    fixture_destroy(&f);
}

/* ---- Within limits -------------------------------------------------------------------------- */

Test(explain, exclusions_leave_the_rest_of_the_level)
{
    struct fo_pick_options options;
    struct fixture f;
    uint64_t ids[2];

    open_zones(&f, FO_LAST_RESORT_NONE);
    options = without(&f, 0, 1, ids);
    expect(&f, &options, "excluded, eligible, level idle, level idle");
    options = without(&f, 0, 2, ids);
    expect(&f, &options, "excluded, excluded, eligible, eligible");
    fixture_destroy(&f);
}

Test(explain, an_overflow_with_its_next_level_excluded_falls_back_to_the_first)
{
    struct fo_pick_options options;
    struct shown shown;
    struct fixture f;
    uint64_t ids[2];

    open_zones(&f, FO_LAST_RESORT_NONE);
    fixture_set_weight(&f, "e1", 0); /* 25 % */
    options = without(&f, 2, 4, ids);
    shown = expect(&f, &options, "eligible, down, excluded, excluded");
    cr_expect_float_eq(shown.level_share[0], 0.35, 1e-6, "shares are those without limits");
    fixture_destroy(&f);
}

Test(explain, when_everything_is_excluded_it_is_used_again_unless_strict)
{
    struct fo_pick_options options;
    struct fixture f;
    uint64_t ids[4];

    open_zones(&f, FO_LAST_RESORT_ALL);
    options = without(&f, 0, 4, ids);
    expect(&f, &options, "eligible, eligible, excluded, excluded");
    options.strict = true;
    expect(&f, &options, "excluded, excluded, excluded, excluded");
    fixture_destroy(&f);
}

Test(explain, a_healthy_excluded_endpoint_comes_before_one_that_is_down)
{
    struct fo_pick_options options;
    struct fixture f;
    uint64_t ids[2];

    open_zones(&f, FO_LAST_RESORT_ALL);
    take_down(&f, "e2");
    take_down(&f, "e3");
    options = without(&f, 0, 2, ids);
    expect(&f, &options, "eligible, eligible, down, down");
    options.strict = true;
    expect(&f, &options, "excluded, excluded, down, down");
    fixture_destroy(&f);
}

Test(explain, in_the_last_resort_a_retry_avoids_what_it_has_tried)
{
    struct fo_pick_options options;
    struct fixture f;
    uint64_t ids[4];

    open_zones(&f, FO_LAST_RESORT_ALL);
    for (size_t i = 0; i < 4; i++)
        take_down(&f, fixture_name(i));
    options = without(&f, 0, 3, ids);
    expect(&f, &options, "excluded, excluded, excluded, eligible");
    options = without(&f, 0, 4, ids);
    expect(&f, &options, "eligible, eligible, excluded, excluded");
    options.strict = true;
    expect(&f, &options, "excluded, excluded, excluded, excluded");
    fixture_destroy(&f);
}

Test(explain, required_tags_leave_those_that_have_all_of_them)
{
    struct fo_pick_options options = fo_pick_options_init();
    struct fixture f;

    open_zones(&f, FO_LAST_RESORT_NONE); /* tags 1, 2, 3, 4 */
    options.require_tags = 2;
    expect(&f, &options, "lacks tags, eligible, level idle, lacks tags");
    options.require_tags = 3;
    expect(&f, &options, "lacks tags, lacks tags, eligible, lacks tags");
    options.require_tags = 8;
    expect(&f, &options, "lacks tags, lacks tags, lacks tags, lacks tags");
    fixture_destroy(&f);
}

Test(explain, a_zone_leaves_those_that_are_in_it)
{
    struct fo_pick_options options = fo_pick_options_init();
    struct shown shown;
    struct fixture f;

    open_zones(&f, FO_LAST_RESORT_NONE);
    options.zone = "far";
    shown = expect(&f, &options, "other zone, other zone, eligible, eligible");
    cr_expect_str_eq(shown.info[0].zone, "near");
    cr_expect_str_eq(shown.info[2].zone, "far");
    options.zone = "nowhere";
    expect(&f, &options, "other zone, other zone, other zone, other zone");
    options.zone = "";
    expect(&f, &options, "eligible, eligible, level idle, level idle");
    fixture_destroy(&f);
}

Test(explain, a_level_limit_leaves_those_below_it)
{
    struct fo_pick_options options = fo_pick_options_init();
    struct fixture f;

    open_zones(&f, FO_LAST_RESORT_NONE);
    options.level_limit = 1;
    fixture_set_weight(&f, "e1", 0); /* overflows, but not beyond the limit */
    expect(&f, &options, "eligible, down, level limit, level limit");
    take_down(&f, "e0");
    expect(&f, &options, "down, down, level limit, level limit");
    fixture_destroy(&f);
}

Test(explain, limits_hold_together_in_an_overflow)
{
    struct fo_pick_options options;
    struct fixture f;
    uint64_t ids[1];

    open_zones(&f, FO_LAST_RESORT_ALL);
    fixture_set_weight(&f, "e1", 100); /* 50 % */
    options = without(&f, 1, 2, ids);
    options.require_tags = 2;
    expect(&f, &options, "lacks tags, excluded, eligible, lacks tags");
    options.zone = "near";
    expect(&f, &options, "lacks tags, eligible, other zone, lacks tags");
    fixture_destroy(&f);
}

/* ---- Groups --------------------------------------------------------------------------------- */

struct pair {
    struct fixture f; /* of the first balancer, without last resort */
    struct fo_group *group;
    struct fo_balancer *other; /* with it */
};

/** Two balancers of one group with the same e0 and e1. */
static void open_pair(struct pair *pair)
{
    struct fo_group_config of_group = fo_group_config_init();
    struct fo_config config;

    fixture_init(&pair->f);
    of_group.runtime = pair->f.runtime;
    cr_assert_eq(fo_group_create(&of_group, &pair->group), FO_OK);
    config = fixture_config(&pair->f);
    config.group = pair->group;
    config.weight = fo_weight_ratio();
    fixture_balancer(&pair->f, &config);
    config.levels.last_resort = FO_LAST_RESORT_ALL;
    pair->other = fixture_balancer(&pair->f, &config);
    fixture_add(&pair->f, 2, NULL);
    fixture_add_to(pair->other, 2, NULL, NULL);
}

static void close_pair(struct pair *pair)
{
    fo_group_destroy(pair->group);
    fixture_destroy(&pair->f);
}

/* What another balancer of the group learned counts before a pick brings the own sums up to date. */
Test(explain, a_death_that_another_balancer_noticed_shows_at_once)
{
    struct pair pair;

    open_pair(&pair);
    cr_assert_eq(fo_report(pair.other, "e0", FO_OUTCOME_DOWN), FO_OK);
    expect(&pair.f, NULL, "down, eligible");
    close_pair(&pair);
}

Test(explain, a_recovery_that_another_balancer_noticed_shows_at_once)
{
    struct fo_lease lease;
    struct pair pair;

    open_pair(&pair);
    take_down(&pair.f, "e0");
    take_down(&pair.f, "e1");
    expect(&pair.f, NULL, "down, down");
    cr_assert_eq(fo_balancer_update(pair.other, NULL, 0, (const char *[]){"e1"}, 1, NULL), FO_OK);
    cr_assert_eq(fo_pick(pair.other, &lease), FO_OK);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    expect(&pair.f, NULL, "eligible, down");
    close_pair(&pair);
}

/* ---- Visitors and bad input ----------------------------------------------------------------- */

Test(explain, endpoints_are_shown_in_the_order_of_preference)
{
    struct fo_endpoint_config endpoint;
    struct fixture f;

    open_zones(&f, FO_LAST_RESORT_NONE);
    endpoint = fixture_upsert("e4", 100, fixture_data(4));
    endpoint.zone = "near";
    put(&f, &endpoint);
    cr_expect_str_eq(explain(&f, NULL).order, "e4 e0 e1 e2 e3"); /* of a level, by tags */
    fixture_destroy(&f);
}

Test(explain, an_empty_balancer_shows_nothing)
{
    struct fixture f;

    open_world(&f, FO_LAST_RESORT_ALL, 0);
    cr_expect_eq(explain(&f, NULL).count, 0);
    fixture_destroy(&f);
}

Test(explain, a_visitor_may_stop)
{
    struct shown shown = {.stop_at = 2};
    struct fixture f;

    open_zones(&f, FO_LAST_RESORT_NONE);
    cr_assert_eq(fo_balancer_explain(f.balancer, NULL, show, &shown), FO_OK);
    cr_expect_eq(shown.count, 2);
    fixture_destroy(&f);
}

static bool remove_shown(const struct fo_explanation *explanation, void *arg)
{
    const char *name = explanation->endpoint->name;
    struct fixture *f = arg;

    cr_assert_eq(fo_balancer_update(f->balancer, NULL, 0, &name, 1, NULL), FO_OK);
    return true;
}

Test(explain, a_visitor_may_change_the_membership, .timeout = 20)
{
    struct fixture f;

    open_zones(&f, FO_LAST_RESORT_NONE);
    cr_assert_eq(fo_balancer_explain(f.balancer, NULL, remove_shown, &f), FO_OK);
    cr_expect_eq(explain(&f, NULL).count, 0);
    fixture_destroy(&f);
}

static void refuse(struct fixture *f, const struct fo_pick_options *options)
{
    struct shown shown = {0};

    cr_expect_eq(fo_balancer_explain(f->balancer, options, show, &shown), FO_EINVAL);
    cr_expect_eq(shown.count, 0);
}

Test(explain, refuses_what_a_pick_refuses)
{
    const struct fo_pick_options good = fo_pick_options_init();
    const uint64_t ids[FO_EXCLUDE_MAX + 1] = {0};
    struct fo_pick_options options = good;
    struct shown shown = {0};
    struct fixture f;

    open_zones(&f, FO_LAST_RESORT_NONE);
    cr_expect_eq(fo_balancer_explain(NULL, &good, show, &shown), FO_EINVAL);
    cr_expect_eq(fo_balancer_explain(f.balancer, &good, NULL, NULL), FO_EINVAL);
    options.size = sizeof(options) - 1;
    refuse(&f, &options);
    options = good;
    options.exclude_count = 1;
    refuse(&f, &options);
    options.exclude = ids;
    options.exclude_count = FO_EXCLUDE_MAX + 1;
    refuse(&f, &options);
    options = good;
    options.reserved[2] = true;
    refuse(&f, &options);
    options = good;
    options.key = "k";
    options.key_size = 1;
    refuse(&f, &options);
    fixture_destroy(&f);
}

Test(explain, older_options_get_defaults)
{
    struct fo_pick_options options = fo_pick_options_init();
    struct fixture f;

    open_zones(&f, FO_LAST_RESORT_NONE);
    options.zone = "far"; /* behind the end of an older caller's struct */
    options.size = offsetof(struct fo_pick_options, zone);
    expect(&f, &options, "eligible, eligible, level idle, level idle");
    fixture_destroy(&f);
}

Test(explain, is_closed_behind_destroy)
{
    struct shown shown = {0};
    struct fo_balancer *balancer;
    struct fo_lease lease;
    struct fixture f;

    open_zones(&f, FO_LAST_RESORT_NONE);
    balancer = f.balancer;
    cr_assert_eq(fo_pick(balancer, &lease), FO_OK);
    fixture_close(&f, balancer);
    cr_expect_eq(fo_balancer_explain(balancer, NULL, show, &shown), FO_CLOSED);
    cr_expect_eq(shown.count, 0);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f);
}

/* ---- While health moves --------------------------------------------------------------------- */

struct traffic {
    struct fixture f;
    _Atomic bool done;
};

static void pick_and_finish(size_t member, void *arg)
{
    struct traffic *traffic = arg;

    while (!atomic_load(&traffic->done)) {
        fo_outcome outcome = member == 0 ? FO_OUTCOME_FAILURE : FO_OUTCOME_SUCCESS;
        struct fo_lease lease;

        if (fo_pick(traffic->f.balancer, &lease) == FO_OK)
            (void)fo_finish(&lease, outcome);
    }
}

Test(explain, probabilities_add_up_while_health_moves)
{
    struct traffic traffic;
    struct fo_config config;
    struct crew *crew;

    fixture_init(&traffic.f);
    config = fixture_config(&traffic.f);
    config.weight = fo_weight_linear();
    config.levels.last_resort = FO_LAST_RESORT_ALL;
    fixture_balancer(&traffic.f, &config);
    for (size_t i = 0; i < 8; i++) {
        struct fo_endpoint_config endpoint = fixture_upsert(fixture_name(i), 100, fixture_data(i));

        endpoint.level = (uint32_t)i / 2;
        put(&traffic.f, &endpoint);
    }
    atomic_init(&traffic.done, false);
    crew = crew_start(2, pick_and_finish, &traffic);
    for (int i = 0; i < 20000; i++)
        cr_assert_float_eq(explain(&traffic.f, NULL).sum, 1, 1e-9);
    atomic_store(&traffic.done, true);
    crew_join(crew);
    fixture_destroy(&traffic.f);
}
