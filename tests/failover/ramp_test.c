/* SPDX-License-Identifier: Apache-2.0
 *
 * Ramps: whoever comes back, or joins others, gets its share by and by. All on virtual time; shares are
 * held to 5 standard deviations of what the ramp says.
 */
#include "fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST 96
#define SECOND_MS 1000
#define RAMP_MS 30000

/** A balancer of n endpoints that ramp in the default time; trials come after a tenth of a second. */
static void begin(struct fixture *f, size_t n, uint64_t seed)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.weight = fo_weight_ratio();
    config.seed = seed;
    config.trial.backoff_ms = 100;
    config.trial.backoff_max_ms = 100;
    config.trial.ramp_ms = 0;
    fixture_balancer(f, &config);
    fixture_add(f, n, NULL);
    fixture_dispatch(f);
}

static struct fo_endpoint_info info(struct fixture *f, size_t i)
{
    return fixture_info(f, fixture_name(i));
}

static void take_down(struct fixture *f, size_t i)
{
    cr_assert_eq(fo_report(f->balancer, fixture_name(i), FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(f);
}

/** Takes an endpoint down and lifts it by one trial, of which the runtime has not heard yet. */
static void lift(struct fixture *f, size_t i)
{
    struct fo_lease lease;

    take_down(f, i);
    while (info(f, i).state != FO_STATE_TRIAL)
        fixture_advance_ms(f, 1);
    do { /* other trials, if any, are given back */
        cr_assert_eq(fo_pick(f->balancer, &lease), FO_OK);
        cr_assert_eq(fo_finish(&lease, fixture_index(lease.endpoint) == i ? FO_OUTCOME_SUCCESS
                                                                          : FO_OUTCOME_NEUTRAL),
                     FO_OK);
    } while (info(f, i).state != FO_STATE_UP);
}

/** The same, and its ramp begins. */
static void bring_back(struct fixture *f, size_t i)
{
    lift(f, i);
    fixture_dispatch(f);
}

/** Whether counts of that many picks have those probabilities. */
static void expect_probabilities(const uint64_t *counts, uint64_t picks, const double *probability,
                                 size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double wanted = probability[i] * (double)picks;

        cr_expect_leq(fabs((double)counts[i] - wanted), 5 * sqrt(wanted) + 1, "e%zu: %zu, not %g",
                      i, (size_t)counts[i], wanted);
    }
}

/** Whether picks go by weight × health × ramp. */
static void expect_claims(struct fixture *f, size_t n, uint64_t picks)
{
    uint64_t counts[MOST] = {0};
    double claim[MOST];
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        claim[i] = info(f, i).live_weight * info(f, i).ramp;
        sum += claim[i];
    }
    for (size_t i = 0; i < n; i++)
        claim[i] /= sum;
    fixture_count(f, picks, counts);
    expect_probabilities(counts, picks, claim, n);
}

/* ---- Its course ---------------------------------------------------------------------------- */

Test(ramp, begins_at_5_percent_with_full_health)
{
    struct fixture f;

    begin(&f, 3, 1);
    bring_back(&f, 1);
    cr_expect_eq(info(&f, 1).state, FO_STATE_UP);
    cr_expect_eq(info(&f, 1).health, 1);
    cr_expect_eq(info(&f, 1).live_weight, 100);
    cr_expect_float_eq(info(&f, 1).ramp, 0.05, 1e-6);
    cr_expect_eq(info(&f, 0).ramp, 1);
    fixture_destroy(&f);
}

Test(ramp, climbs_in_a_straight_line_and_ends_after_24_to_30_seconds)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct fixture f;
        uint64_t end_ms = 0;

        begin(&f, 3, seed);
        bring_back(&f, 1);
        for (uint64_t ms = 0; end_ms == 0 && ms <= RAMP_MS; ms += 100) {
            double ramp = info(&f, 1).ramp;

            /* A step behind at most, which is a 64th. */
            cr_expect_leq(ramp, 0.05 + 0.95 * (double)ms / 24000 + 1e-6);
            cr_expect_geq(ramp, 0.05 + 0.95 * ((double)ms / 30000 - 1.0 / 60));
            end_ms = ramp == 1 ? ms : 0;
            fixture_advance_ms(&f, 100);
        }
        cr_expect(end_ms >= 24000 && end_ms <= RAMP_MS, "%zu ms", (size_t)end_ms);
        fixture_destroy(&f);
    }
}

Test(ramp, is_not_the_same_for_all_clients)
{
    double least = 1, most = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct fixture f;
        double ramp;

        begin(&f, 3, seed);
        bring_back(&f, 1);
        fixture_advance_ms(&f, RAMP_MS / 2);
        ramp = info(&f, 1).ramp;
        least = ramp < least ? ramp : least;
        most = ramp > most ? ramp : most;
        fixture_destroy(&f);
    }
    cr_expect_gt(most - least, 0.05, "all are within %g", most - least);
}

Test(ramp, ends_with_a_failure_that_takes_the_host_down_and_begins_anew)
{
    struct fixture f;

    begin(&f, 3, 1);
    bring_back(&f, 1);
    fixture_advance_ms(&f, RAMP_MS / 2);
    cr_expect_gt(info(&f, 1).ramp, 0.4);
    lift(&f, 1);
    cr_expect_float_eq(info(&f, 1).ramp, 0.05, 1e-6, "also before the runtime knows of it");
    fixture_dispatch(&f);
    cr_expect_float_eq(info(&f, 1).ramp, 0.05, 1e-6);
    fixture_advance_ms(&f, RAMP_MS);
    cr_expect_eq(info(&f, 1).ramp, 1);
    fixture_destroy(&f);
}

Test(ramp, is_one_of_admission_and_not_of_health)
{
    struct fixture f;

    begin(&f, 3, 1);
    bring_back(&f, 1);
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_FAILURE), FO_OK);
    cr_expect_float_eq(info(&f, 1).health, 0.5, 1e-6);
    cr_expect_float_eq(info(&f, 1).ramp, 0.05, 1e-6);
    fixture_advance_ms(&f, RAMP_MS);
    cr_expect_float_eq(info(&f, 1).health, 0.5, 1e-6);
    cr_expect_eq(info(&f, 1).ramp, 1);
    fixture_destroy(&f);
}

Test(ramp, tells_nobody_when_it_ends)
{
    struct fixture f;

    begin(&f, 3, 1);
    (void)fixture_story(&f);
    bring_back(&f, 1);
    fixture_advance_ms(&f, 2 * RAMP_MS);
    cr_expect_str_eq(fixture_story(&f), "down e1 (outcome down), trial e1 (back-off over), "
                                        "recovered e1 (trial success)");
    cr_expect_eq(fo_runtime_next_deadline_ms(f.runtime), -1);
    fixture_destroy(&f);
}

/* ---- Who has one --------------------------------------------------------------------------- */

Test(ramp, is_had_by_whoever_joins_others)
{
    struct fixture f;
    struct fo_endpoint_config joins = fixture_upsert("joins", 100, NULL);

    begin(&f, 3, 1);
    for (size_t i = 0; i < 3; i++)
        cr_expect_eq(info(&f, i).ramp, 1, "the first of all have none");
    fixture_advance_ms(&f, RAMP_MS);
    cr_assert_eq(fo_balancer_update(f.balancer, &joins, 1, NULL, 0, NULL), FO_OK);
    cr_expect_float_eq(fixture_info(&f, "joins").ramp, 0.05, 1e-6);
    fixture_advance_ms(&f, RAMP_MS / 2);
    cr_expect_gt(fixture_info(&f, "joins").ramp, 0.4);
    joins.data = &joins; /* another incarnation on the same host, which goes on */
    cr_assert_eq(fo_balancer_update(f.balancer, &joins, 1, NULL, 0, NULL), FO_OK);
    fixture_dispatch(&f);
    cr_expect_gt(fixture_info(&f, "joins").ramp, 0.4);
    fixture_advance_ms(&f, RAMP_MS / 2);
    cr_expect_eq(fixture_info(&f, "joins").ramp, 1);
    fixture_destroy(&f);
}

Test(ramp, is_not_had_by_those_who_are_found_one_by_one_when_a_process_starts)
{
    struct fixture f;

    begin(&f, 1, 1);
    for (size_t i = 1; i < 10; i++) {
        struct fo_endpoint_config next = fixture_upsert(fixture_name(i), 100, fixture_data(i));

        fixture_advance_ms(&f, SECOND_MS);
        cr_assert_eq(fo_balancer_update(f.balancer, &next, 1, NULL, 0, NULL), FO_OK);
        cr_expect_eq(info(&f, i).ramp, 1);
    }
    fixture_destroy(&f);
}

Test(ramp, is_not_had_by_those_who_replace_all)
{
    struct fixture f;
    struct fo_endpoint_config others[2] = {fixture_upsert("x", 100, NULL),
                                           fixture_upsert("y", 100, NULL)};

    begin(&f, 3, 1);
    fixture_advance_ms(&f, RAMP_MS);
    cr_assert_eq(fo_balancer_replace(f.balancer, others, 2, 0, NULL), FO_OK);
    cr_expect_eq(fixture_info(&f, "x").ramp, 1);
    cr_expect_eq(fixture_info(&f, "y").ramp, 1);
    fixture_destroy(&f);
}

Test(ramp, is_not_had_by_anybody_where_there_is_none)
{
    struct fixture f;
    struct fo_endpoint_config joins = fixture_upsert("joins", 100, NULL);
    struct fo_config config;

    fixture_init(&f);
    config = fixture_config(&f);
    config.weight = fo_weight_ratio();
    config.trial.backoff_ms = 100;
    config.trial.ramp_ms = FO_RAMP_NONE;
    fixture_balancer(&f, &config);
    fixture_add(&f, 3, NULL);
    bring_back(&f, 1);
    cr_expect_eq(info(&f, 1).ramp, 1);
    cr_expect_float_eq(info(&f, 1).health, 0.1, 1e-6, "that of the weight function");
    fixture_advance_ms(&f, RAMP_MS);
    cr_assert_eq(fo_balancer_update(f.balancer, &joins, 1, NULL, 0, NULL), FO_OK);
    cr_expect_eq(fixture_info(&f, "joins").ramp, 1);
    fixture_destroy(&f);
}

/* ---- What it does to picks ----------------------------------------------------------------- */

/* By time, so that neither few requests nor many make a difference. Few are those of many clients. */
Test(ramp, admits_less_than_a_tenth_in_the_first_second_and_all_after_30_at_any_rate)
{
    const uint64_t per_second[] = {1, 100, 100000};
    const uint64_t clients[] = {1000, 40, 1};

    for (size_t rate = 0; rate < 3; rate++) {
        uint64_t counts[10] = {0};
        double tenth = 0.1 * (double)(per_second[rate] * clients[rate]) / 10;

        for (uint64_t client = 1; client <= clients[rate]; client++) {
            uint64_t ticks = per_second[rate] < 10 ? 1 : 10;
            struct fixture f;

            begin(&f, 10, client);
            bring_back(&f, 1);
            for (uint64_t tick = 0; tick < ticks; tick++) {
                fixture_count(&f, per_second[rate] / ticks, counts);
                fixture_advance_ms(&f, SECOND_MS / ticks);
            }
            fixture_advance_ms(&f, RAMP_MS - SECOND_MS);
            cr_expect_eq(info(&f, 1).ramp, 1);
            fixture_destroy(&f);
        }
        cr_expect_leq((double)counts[1], tenth + 5 * sqrt(tenth), "%zu, not %g", (size_t)counts[1],
                      tenth);
        cr_expect_gt(counts[1], 0);
    }
}

/* As when it is down, which must not be better. */
Test(ramp, leaves_a_minimum_what_it_is)
{
    struct fo_endpoint_config minimum = fixture_upsert("e1", 100, fixture_data(1));
    uint64_t counts[2] = {0};
    struct fixture f;

    begin(&f, 2, 1);
    minimum.min_weight = 50;
    cr_assert_eq(fo_balancer_update(f.balancer, &minimum, 1, NULL, 0, NULL), FO_OK);
    take_down(&f, 1);
    fixture_count(&f, 90000, counts);
    expect_probabilities(counts, 90000, (double[]){2.0 / 3, 1.0 / 3}, 2);
    bring_back(&f, 1);
    cr_assert_lt(info(&f, 1).ramp, 0.1);
    counts[0] = counts[1] = 0;
    fixture_count(&f, 90000, counts);
    expect_probabilities(counts, 90000, (double[]){2.0 / 3, 1.0 / 3}, 2);
    fixture_destroy(&f);
}

static double fall(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    return input->live_weight / 2;
}

/* A weight function is not asked about successes at full health, by whatever way they come. */
Test(ramp, adds_nothing_to_full_health)
{
    struct fixture f;
    struct fo_config config;

    begin(&f, 3, 1);
    config = fixture_config(&f);
    bring_back(&f, 1);
    config.weight = fo_weight_custom(fall, fall, NULL);
    cr_assert_eq(fo_balancer_configure(f.balancer, &config), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_SUCCESS), FO_OK);
    cr_expect_eq(info(&f, 1).health, 1);
    fixture_destroy(&f);
}

Test(ramp, of_fifty_clients_does_not_overrun_the_server_that_is_back)
{
    enum { CLIENTS = 50, SERVERS = 20, PER_TICK = 20 };
    uint64_t counts[SERVERS] = {0};
    uint64_t sent = 0;

    for (uint64_t client = 1; client <= CLIENTS; client++) {
        struct fixture f;

        begin(&f, SERVERS, client);
        bring_back(&f, 1);
        for (int tick = 0; tick < 100; tick++) {
            fixture_count(&f, PER_TICK, counts);
            sent += PER_TICK;
            fixture_advance_ms(&f, SECOND_MS / 100);
        }
        fixture_destroy(&f);
    }
    cr_expect_leq((double)counts[1], 0.15 * (double)sent / SERVERS, "%zu of %zu", (size_t)counts[1],
                  (size_t)sent);
}

/* Few endpoints are a single node of the sum tree, many are several, with 8 redraws before. */
Test(ramp, goes_into_the_shares_exactly)
{
    const size_t sizes[] = {4, 10, 40};

    for (size_t i = 0; i < 3; i++) {
        struct fixture f;

        begin(&f, sizes[i], 1);
        bring_back(&f, 1);
        expect_claims(&f, sizes[i], 200000);
        fixture_advance_ms(&f, RAMP_MS / 3);
        bring_back(&f, 0);
        expect_claims(&f, sizes[i], 200000);
        for (size_t down = sizes[i] / 2; down < sizes[i] - sizes[i] / 8; down++)
            take_down(&f, down);
        cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_FAILURE), FO_OK);
        expect_claims(&f, sizes[i], 200000);
        fixture_destroy(&f);
    }
}

Test(ramp, shares_as_ever_when_all_have_one)
{
    const size_t sizes[] = {5, 40};

    for (size_t i = 0; i < 2; i++) {
        struct fixture f;

        begin(&f, sizes[i], 1);
        for (size_t back = 0; back < sizes[i]; back++)
            bring_back(&f, back); /* a tenth of a second between them */
        expect_claims(&f, sizes[i], 100000);
        fixture_destroy(&f);
    }
}

Test(ramp, does_not_keep_the_only_one_from_taking_it_all)
{
    struct fixture f;
    uint64_t counts[20] = {0};

    begin(&f, 20, 1);
    bring_back(&f, 7);
    for (size_t i = 0; i < 20; i++)
        if (i != 7)
            take_down(&f, i);
    fixture_count(&f, 1000, counts);
    cr_expect_eq(counts[7], 1000);
    fixture_destroy(&f);
}

/** Two levels: e0, e1 … at level 0 and l1 at level 1. */
static void begin_levels(struct fixture *f, size_t n)
{
    struct fo_endpoint_config far = fixture_upsert("far", 100, fixture_data(MOST - 1));

    begin(f, n, 1);
    far.level = 1;
    cr_assert_eq(fo_balancer_update(f->balancer, &far, 1, NULL, 0, NULL), FO_OK);
    fixture_dispatch(f);
}

Test(ramp, does_not_spill)
{
    uint64_t counts[MOST] = {0};
    struct fixture f;

    begin_levels(&f, 4);
    for (size_t i = 0; i < 4; i++)
        bring_back(&f, i);
    for (size_t i = 0; i < 4; i++)
        cr_assert_lt(info(&f, i).ramp, 0.1);
    fixture_count(&f, 1000000, counts);
    cr_expect_eq(counts[MOST - 1], 0, "%zu went to the next level", (size_t)counts[MOST - 1]);
    fixture_destroy(&f);
}

/* The first level's endpoints join a balancer that had only the second: all is theirs at once. */
Test(ramp, of_a_level_that_is_new_does_not_spill_either)
{
    uint64_t counts[MOST] = {0};
    struct fo_config config;
    struct fo_endpoint_config far = fixture_upsert("far", 100, fixture_data(MOST - 1));
    struct fixture f;

    fixture_init(&f);
    config = fixture_config(&f);
    config.trial.ramp_ms = 0;
    fixture_balancer(&f, &config);
    far.level = 1;
    cr_assert_eq(fo_balancer_update(f.balancer, &far, 1, NULL, 0, NULL), FO_OK);
    fixture_advance_ms(&f, RAMP_MS);
    fixture_add(&f, 4, NULL);
    fixture_dispatch(&f);
    cr_assert_float_eq(info(&f, 0).ramp, 0.05, 1e-6);
    fixture_count(&f, 1000000, counts);
    cr_expect_eq(counts[MOST - 1], 0, "%zu went to the next level", (size_t)counts[MOST - 1]);
    fixture_destroy(&f);
}

Test(ramp, counts_in_full_for_the_overflow)
{
    uint64_t counts[MOST] = {0};
    double wanted;
    struct fixture f;

    begin_levels(&f, 4);
    bring_back(&f, 0); /* at first, so that it ramps while two of four are down: 70 % stay */
    take_down(&f, 2);
    take_down(&f, 3);
    fixture_count(&f, 1000000, counts);
    wanted = 0.3 * 1000000;
    cr_expect_leq(fabs((double)counts[MOST - 1] - wanted), 5 * sqrt(wanted));
    wanted = 0.7 * 1000000 * info(&f, 0).ramp / (1 + info(&f, 0).ramp);
    cr_expect_leq(fabs((double)counts[0] - wanted), 5 * sqrt(wanted), "%zu, not %g",
                  (size_t)counts[0], wanted);
    fixture_destroy(&f);
}

/* ---- Other picks, and the explanation ------------------------------------------------------ */

struct explained {
    double probability[MOST];
};

static bool note(const struct fo_explanation *explanation, void *arg)
{
    struct explained *explained = arg;

    explained->probability[(uintptr_t)explanation->endpoint->data - 1] = explanation->probability;
    return true;
}

Test(ramp, is_in_the_probabilities_that_are_explained)
{
    struct explained explained = {{0}};
    uint64_t counts[MOST] = {0};
    struct fixture f;

    begin(&f, 6, 1);
    bring_back(&f, 1);
    fixture_advance_ms(&f, RAMP_MS / 4);
    bring_back(&f, 4);
    cr_assert_eq(fo_balancer_explain(f.balancer, NULL, note, &explained), FO_OK);
    fixture_count(&f, 200000, counts);
    expect_probabilities(counts, 200000, explained.probability, 6);
    fixture_destroy(&f);
}

/** Picks k of n many times while e1 ramps. */
static void check_many(size_t n, size_t k)
{
    enum { ROUNDS = 20000 };
    uint64_t counts[MOST] = {0};
    double probability[MOST];
    double missed = 1; /* that it is none of those drawn one by one, of the others that are left */
    struct fixture f;

    begin(&f, n, 1);
    bring_back(&f, 1);
    fixture_advance_ms(&f, RAMP_MS / 2);
    for (size_t drawn = 0; drawn < k; drawn++) {
        double others = (double)(n - 1 - drawn);

        missed *= others / (others + info(&f, 1).ramp);
    }
    for (int round = 0; round < ROUNDS; round++) {
        struct fo_lease lease[MOST];
        size_t got;

        cr_assert_eq(fo_pick_many(f.balancer, NULL, k, lease, &got), FO_OK);
        cr_assert_eq(got, k);
        for (size_t i = 0; i < got; i++) {
            counts[fixture_index(lease[i].endpoint)]++;
            (void)fo_finish(&lease[i], FO_OUTCOME_NEUTRAL);
        }
    }
    for (size_t i = 0; i < n; i++)
        probability[i] = i == 1 ? 1 - missed : ((double)k - (1 - missed)) / (double)(n - 1);
    expect_probabilities(counts, ROUNDS, probability, n);
    fixture_destroy(&f);
}

Test(ramp, holds_for_many_at_once)
{
    check_many(4, 2);
    check_many(80, 40); /* by keys, not one pick after another */
}

/* Of its keys a growing part: who has come back to it stays. */
Test(ramp, brings_keys_back_one_by_one)
{
    enum { KEYS = 20000 };
    static bool is_there[KEYS];
    uint64_t own = 0;
    struct fixture f;

    begin(&f, 5, 1);
    bring_back(&f, 1);
    for (int step = 0; step <= 4; step++) {
        uint64_t there = 0;
        double wanted;

        for (uint32_t key = 0; key < KEYS; key++) {
            struct fo_pick_options options = fo_pick_options_init();
            struct fo_lease lease;
            bool is_now_there;

            options.key = &key;
            options.key_size = sizeof(key);
            cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
            is_now_there = fixture_index(lease.endpoint) == 1;
            cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
            cr_assert(is_now_there || !is_there[key], "key %u was there", key);
            is_there[key] = is_now_there;
            there += is_now_there ? 1 : 0;
        }
        own = there;
        wanted = KEYS * info(&f, 1).ramp / (4 + info(&f, 1).ramp);
        cr_expect_leq(fabs((double)there - wanted), 5 * sqrt(wanted), "%zu, not %g", (size_t)there,
                      wanted);
        fixture_advance_ms(&f, RAMP_MS / 4);
    }
    cr_expect_eq(info(&f, 1).ramp, 1);
    cr_expect_gt(own, KEYS / 6);
    fixture_destroy(&f);
}

/* When little is up, keys are spread by sums, which do not know of ramps. */
Test(ramp, holds_for_keys_also_when_nearly_all_are_down)
{
    enum { SERVERS = 80, KEYS = 20000 };
    uint64_t there = 0;
    struct fixture f;
    double wanted;

    begin(&f, SERVERS, 1);
    bring_back(&f, 1);
    for (size_t i = 2; i < SERVERS; i++)
        cr_assert_eq(fo_report(f.balancer, fixture_name(i), FO_OUTCOME_DOWN), FO_OK);
    for (uint32_t key = 0; key < KEYS; key++) {
        struct fo_pick_options options = fo_pick_options_init();
        struct fo_lease lease;

        options.key = &key;
        options.key_size = sizeof(key);
        cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
        there += fixture_index(lease.endpoint) == 1 ? 1 : 0;
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    }
    wanted = KEYS * info(&f, 1).ramp;
    cr_expect_leq((double)there, wanted + 5 * sqrt(wanted), "%zu, not %g", (size_t)there, wanted);
    fixture_destroy(&f);
}
