/* SPDX-License-Identifier: Apache-2.0
 *
 * Load and time: latency, what failures count for, and experiments on virtual time.
 *
 * A request is sent by a pick and comes back after as long as its server says. Nothing moves the weights
 * unless a test says so: what is seen is the policy's doing alone.
 */
#include "dice.h"
#include "fixture.h"
#include "timeline.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define SLOTS 20000

struct sent {
    struct fo_lease lease;
    uint64_t at_ns;
    fo_outcome outcome;
    size_t server;
};

/** A client, its servers, and what is on its way between them. */
struct lab {
    struct fixture f;
    struct timeline timeline;
    struct sent sent[SLOTS];
    size_t free[SLOTS];
    size_t free_count;
    bool reports_latency;
    uint64_t began_ns;
    struct dice dice;
    uint64_t counts[64]; /* requests that a server got */
    uint64_t succeeded;
    uint64_t failed;
};

static struct lab *lab_open(const struct fo_load_config *load,
                            const struct fo_weight_function *weight, size_t n)
{
    struct lab *lab = calloc(1, sizeof(*lab));
    struct fo_config config;

    fixture_init(&lab->f);
    config = fixture_config(&lab->f);
    config.load = *load;
    if (weight != NULL)
        config.weight = *weight;
    fixture_balancer(&lab->f, &config);
    fixture_add(&lab->f, n, NULL);
    for (size_t i = 0; i < SLOTS; i++)
        lab->free[lab->free_count++] = i;
    lab->reports_latency = load->reports_latency;
    lab->began_ns = lab->f.now_ns;
    lab->dice = dice_of(7);
    return lab;
}

static void lab_finish(struct lab *lab, size_t slot)
{
    struct sent *sent = &lab->sent[slot];
    struct fo_finish_report report = fo_finish_report_init(sent->outcome);

    report.latency_ns = lab->reports_latency ? lab->f.now_ns - sent->at_ns : 0;
    cr_assert_eq(lab->reports_latency ? fo_finish_with(&sent->lease, &report)
                                      : fo_finish(&sent->lease, sent->outcome),
                 FO_OK);
    *(sent->outcome == FO_OUTCOME_SUCCESS ? &lab->succeeded : &lab->failed) += 1;
    lab->free[lab->free_count++] = slot;
}

/** Lets everything come back that is due by then. */
static void lab_run_until(struct lab *lab, uint64_t now_ns)
{
    while (timeline_next_ns(&lab->timeline) <= now_ns) {
        lab->f.now_ns = timeline_next_ns(&lab->timeline);
        lab_finish(lab, timeline_take(&lab->timeline));
    }
    lab->f.now_ns = now_ns;
}

/** Picks now; the caller says what becomes of it, by lab_answer(). */
static struct sent *lab_send(struct lab *lab)
{
    struct sent *sent = &lab->sent[lab->free[lab->free_count - 1]];

    cr_assert_gt(lab->free_count, 0);
    if (fo_pick(lab->f.balancer, &sent->lease) != FO_OK)
        return NULL;
    lab->free_count--;
    sent->at_ns = lab->f.now_ns;
    sent->server = fixture_index(sent->lease.endpoint);
    lab->counts[sent->server]++;
    return sent;
}

static void lab_answer(struct lab *lab, struct sent *sent, uint64_t latency_ns, fo_outcome outcome)
{
    sent->outcome = outcome;
    timeline_add(&lab->timeline, lab->f.now_ns + latency_ns, (size_t)(sent - lab->sent));
}

static void lab_close(struct lab *lab)
{
    lab_run_until(lab, lab->f.now_ns + 100 * SECOND);
    timeline_fini(&lab->timeline);
    fixture_dispatch(&lab->f);
    fixture_destroy(&lab->f);
    free(lab);
}

/** Normal, by twelve dice. */
static double lab_normal(struct lab *lab, double mean, double deviation)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += dice_fraction(&lab->dice);
    return mean + deviation * sum;
}

static struct fo_load_config load_of(fo_load_policy policy)
{
    struct fo_load_config load = fo_load_config_init();

    load.policy = policy;
    return load;
}

/* ---- Linkerd's experiment (2016) --------------------------------------------------------------- */

/** 11 servers of 167 ± 5 ms, 1,000 requests a second for 60 s; from 15 s on one takes 2 s, for 30 s; the
 * client waits 1 s, and finishes with that outcome. Share of requests that succeed. */
static double linkerd(fo_load_policy policy, fo_outcome timeout, bool reports_latency)
{
    struct fo_load_config load = load_of(policy);
    struct lab *lab;
    double share;

    load.reports_latency = reports_latency;
    lab = lab_open(&load, NULL, 11);
    for (size_t i = 0; i < 60000; i++) {
        uint64_t age_ns = i * MS;
        bool slow = age_ns >= 15 * SECOND && age_ns < 45 * SECOND;
        struct sent *sent;

        lab_run_until(lab, lab->began_ns + age_ns);
        sent = lab_send(lab);
        if (slow && sent->server == 0)
            lab_answer(lab, sent, SECOND, timeout);
        else
            lab_answer(lab, sent, (uint64_t)(lab_normal(lab, 167, 5) * 1e6), FO_OUTCOME_SUCCESS);
    }
    lab_run_until(lab, lab->f.now_ns + 3 * SECOND);
    share = (double)lab->succeeded / 60000;
    lab_close(lab);
    return share;
}

/* Least as the experiment had it knows what is in flight and no failures: those are told it as neutral.
 * With what our policy makes of failures it comes close to peak EWMA. */
Test(load_latency, linkerds_experiment_is_won_by_peak_ewma)
{
    double none = linkerd(FO_LOAD_NONE, FO_OUTCOME_FAILURE, true);
    double plain = linkerd(FO_LOAD_LEAST, FO_OUTCOME_NEUTRAL, true);
    double least = linkerd(FO_LOAD_LEAST, FO_OUTCOME_FAILURE, true);
    double reported = linkerd(FO_LOAD_PEAK_EWMA, FO_OUTCOME_FAILURE, true);
    double measured = linkerd(FO_LOAD_PEAK_EWMA, FO_OUTCOME_FAILURE, false);

    cr_log_info(
        "none %.5f, least without failures %.5f and with them %.5f, peak EWMA %.5f and %.5f\n",
        none, plain, least, reported, measured);
    cr_expect_float_eq(none, 0.955, 0.005, "%f", none);
    cr_expect_float_eq(plain, 0.99, 0.005, "%f", plain);
    cr_expect_geq(least, 0.999, "%f", least);
    cr_expect_geq(reported, 0.999, "%f", reported);
    cr_expect_gt(reported, plain);
    cr_expect_gt(reported, none);
    cr_expect_float_eq(measured, reported, 0.0002, "%f, measured %f", reported, measured);
}

/* ---- The sinkhole ------------------------------------------------------------------------------- */

/** Of ten servers that take 20 ms, one fails in 2. Its share of what is picked after its 20th failure,
 * within half a minute, as a multiple of the fair one. */
static double sinkhole_share(fo_load_policy policy, const struct fo_weight_function *weight,
                             uint64_t interval_ns)
{
    struct fo_load_config load = load_of(policy);
    struct lab *lab = lab_open(&load, weight, 10);
    uint64_t picked = 0;
    uint64_t sunk = 0;

    for (uint64_t age_ns = 0; age_ns < 30 * SECOND || lab->failed < 20; age_ns += interval_ns) {
        struct sent *sent;

        cr_assert_lt(age_ns, 3600 * SECOND);
        lab_run_until(lab, lab->began_ns + age_ns);
        if (lab->failed >= 20)
            picked++;
        sent = lab_send(lab);
        if (lab->failed >= 20)
            sunk += sent->server == 0 ? 1 : 0;
        if (sent->server == 0)
            lab_answer(lab, sent, 2 * MS, FO_OUTCOME_FAILURE);
        else
            lab_answer(lab, sent, 20 * MS, FO_OUTCOME_SUCCESS);
    }
    lab_close(lab);
    return (double)sunk / ((double)picked / 10);
}

Test(load_latency, a_host_that_fails_fast_attracts_nothing_even_if_its_weight_is_forgiven)
{
    const fo_load_policy policies[] = {FO_LOAD_LEAST, FO_LOAD_PEAK_EWMA, FO_LOAD_INVERSE};
    const uint64_t intervals[] = {MS / 2, 5 * MS, 50 * MS};

    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++) {
            double share = sinkhole_share(policies[i], NULL, intervals[j]);
            cr_log_info("policy %d, every %.1f ms: %.4f\n", policies[i], (double)intervals[j] / 1e6,
                        share);
            if (policies[i] != FO_LOAD_INVERSE)
                cr_expect_lt(share, 0.05, "policy %d, every %.1f ms: %f", policies[i],
                             (double)intervals[j] / 1e6, share);
        }
}

Test(load_latency, a_host_that_fails_fast_attracts_nothing_while_its_health_falls)
{
    const fo_load_policy policies[] = {FO_LOAD_LEAST, FO_LOAD_PEAK_EWMA};
    struct fo_weight_function weight = fo_weight_linear();

    for (size_t i = 0; i < 2; i++)
        cr_expect_lt(sinkhole_share(policies[i], &weight, MS), 0.05, "policy %d", policies[i]);
}

/* ---- What a finish tells --------------------------------------------------------------------- */

static struct fo_lease pick(struct lab *lab)
{
    struct fo_lease lease;

    cr_assert_eq(fo_pick(lab->f.balancer, &lease), FO_OK);
    return lease;
}

static void report(struct lab *lab, fo_outcome outcome, uint64_t latency_ns, double load)
{
    struct fo_finish_report report = fo_finish_report_init(outcome);
    struct fo_lease lease = pick(lab);

    report.latency_ns = latency_ns;
    report.load = load;
    cr_assert_eq(fo_finish_with(&lease, &report), FO_OK);
    cr_assert_null(lease.endpoint);
}

static struct fo_endpoint_info info_of(struct lab *lab)
{
    return fixture_info(&lab->f, "e0");
}

Test(load_latency, rises_at_once_falls_by_its_average_and_fades)
{
    struct fo_load_config load = load_of(FO_LOAD_PEAK_EWMA);
    struct lab *lab;

    load.reports_latency = true;
    lab = lab_open(&load, NULL, 1);
    cr_expect_eq(info_of(lab).latency_ms, 0);
    report(lab, FO_OUTCOME_SUCCESS, 10 * MS, -1);
    cr_expect_float_eq(info_of(lab).latency_ms, 10, 0.01);
    report(lab, FO_OUTCOME_SUCCESS, 80 * MS, -1);
    cr_expect_float_eq(info_of(lab).latency_ms, 80, 0.01);
    fixture_advance_ms(&lab->f, 10000);
    cr_expect_float_eq(info_of(lab).latency_ms, 80 * exp(-1), 2, "it fades");
    report(lab, FO_OUTCOME_SUCCESS, 10 * MS, -1);
    cr_expect_float_eq(info_of(lab).latency_ms, 10 + 70 * exp(-1), 2, "its average falls");
    report(lab, FO_OUTCOME_NEUTRAL, 500 * MS, -1);
    report(lab, FO_OUTCOME_CANCELLED, 500 * MS, -1);
    cr_expect_float_eq(info_of(lab).latency_ms, 10 + 70 * exp(-1), 2, "those say nothing");
    lab_close(lab);
}

Test(load_latency, of_a_failure_is_the_largest_of_three)
{
    struct fo_load_config load = load_of(FO_LOAD_PEAK_EWMA);
    struct lab *lab;

    load.reports_latency = true;
    load.failure_ms = 50;
    lab = lab_open(&load, NULL, 1);
    report(lab, FO_OUTCOME_FAILURE, 1 * MS, -1);
    cr_expect_float_eq(info_of(lab).latency_ms, 60, 0.01, "twice the default");
    report(lab, FO_OUTCOME_FAILURE, 500 * MS, -1);
    cr_expect_float_eq(info_of(lab).latency_ms, 500, 0.01, "its own");
    for (int i = 0; i < 20; i++)
        report(lab, FO_OUTCOME_FAILURE, 1 * MS, -1);
    cr_expect_float_eq(info_of(lab).latency_ms, 30000, 1, "no more than half a minute");
    cr_expect_eq(info_of(lab).penalty, 1024);
    lab_close(lab);
}

Test(load_latency, is_kept_without_a_policy_and_measured_only_with_one)
{
    struct fo_load_config load = load_of(FO_LOAD_NONE);
    struct lab *lab = lab_open(&load, NULL, 1);
    struct fo_lease lease;

    report(lab, FO_OUTCOME_SUCCESS, 7 * MS, -1);
    cr_expect_float_eq(info_of(lab).latency_ms, 7, 0.01);
    cr_expect_eq(info_of(lab).load_in_flight, 0);
    lease = pick(lab);
    fixture_advance_ms(&lab->f, 100);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_expect_float_eq(info_of(lab).latency_ms, 7, 0.1);
    lab_close(lab);
    load = load_of(FO_LOAD_PEAK_EWMA);
    lab = lab_open(&load, NULL, 1);
    lease = pick(lab);
    fixture_advance_ms(&lab->f, 100);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_expect_float_eq(info_of(lab).latency_ms, 100, 0.1);
    lab_close(lab);
}

Test(load_latency, a_report_that_makes_no_sense_leaves_the_lease_open)
{
    struct fo_load_config load = load_of(FO_LOAD_LEAST);
    struct lab *lab = lab_open(&load, NULL, 1);
    struct fo_finish_report good = fo_finish_report_init(FO_OUTCOME_SUCCESS);
    struct fo_finish_report bad[5] = {good, good, good, good, good};
    struct fo_lease lease = pick(lab);

    bad[0].outcome = (fo_outcome)0;
    bad[1].load = NAN;
    bad[2].load = INFINITY;
    bad[3].reserved = 1;
    bad[4].size = 3;
    for (size_t i = 0; i < 5; i++) {
        cr_expect_eq(fo_finish_with(&lease, &bad[i]), FO_EINVAL, "%zu", i);
        cr_assert_not_null(lease.endpoint);
    }
    cr_expect_eq(fo_finish_with(&lease, NULL), FO_EINVAL);
    cr_expect_eq(fo_finish_with(NULL, &good), FO_EINVAL);
    cr_expect_eq(info_of(lab).load_in_flight, 1);
    cr_expect_eq(fo_finish_with(&lease, &good), FO_OK);
    cr_expect_eq(fo_finish_with(&lease, &good), FO_EINVAL);
    cr_expect_eq(info_of(lab).load_in_flight, 0);
    lab_close(lab);
}

/* ---- Hot and cold ---------------------------------------------------------------------------- */

Test(load_latency, a_reported_load_holds_until_it_expires)
{
    struct fo_load_config load = load_of(FO_LOAD_HOT_COLD);
    struct lab *lab = lab_open(&load, NULL, 1);

    report(lab, FO_OUTCOME_SUCCESS, 10 * MS, 17);
    cr_expect_eq(info_of(lab).reported_load, 17);
    fixture_advance_ms(&lab->f, 9990);
    cr_expect_eq(info_of(lab).reported_load, 17);
    fixture_advance_ms(&lab->f, 20);
    cr_expect_lt(info_of(lab).reported_load, 0);
    lab_close(lab);
}

/** Shares of ten servers under hot-cold, of which e0 has that latency and that load of its own. */
static double hot_cold_share(uint64_t latency_ns, double own_load)
{
    struct fo_load_config load = load_of(FO_LOAD_HOT_COLD);
    struct lab *lab;
    double share;

    load.reports_latency = true;
    lab = lab_open(&load, NULL, 10);
    for (size_t i = 0; i < 20000; i++) {
        struct fo_lease lease = pick(lab);
        bool odd = fixture_index(lease.endpoint) == 0;
        struct fo_finish_report told = fo_finish_report_init(FO_OUTCOME_SUCCESS);

        lab->counts[fixture_index(lease.endpoint)]++;
        told.latency_ns = odd ? latency_ns : 10 * MS;
        told.load = odd ? own_load : 5;
        cr_assert_eq(fo_finish_with(&lease, &told), FO_OK);
        lab->f.now_ns += MS;
    }
    share = (double)lab->counts[0] / 20000;
    lab_close(lab);
    return share;
}

Test(load_latency, hot_cold_prefers_less_latency_among_the_cold_and_shuns_the_hot)
{
    double fast = hot_cold_share(5 * MS, 5);
    double slow = hot_cold_share(20 * MS, 5);
    double hot = hot_cold_share(5 * MS, 50);

    cr_expect_gt(fast, 0.15, "twice as fast: %f", fast);
    cr_expect_lt(slow, 0.05, "half as fast: %f", slow);
    cr_expect_lt(hot, 0.03, "fast and hot: %f", hot);
}

Test(load_latency, linkerds_experiment_under_hot_cold)
{
    double share = linkerd(FO_LOAD_HOT_COLD, FO_OUTCOME_FAILURE, true);

    cr_log_info("hot-cold %.5f\n", share);
    cr_expect_geq(share, 0.999, "%f", share);
}
