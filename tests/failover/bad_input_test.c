/* SPDX-License-Identifier: Apache-2.0
 *
 * Bad input: each has its own status, which names the entry, and nothing at all was changed.
 *
 * "Nothing" is a full dump of a balancer with a past: endpoints that are healthy, hurt, down,
 * drained, held, and one that is leaving. And no event is told.
 */
#include "dump.h"
#include "fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct past {
    struct fixture f;
    struct fo_lease held;    /* of e0 */
    struct fo_lease leaving; /* of e4, which was removed */
    char *before;
    struct fo_update_result result;
};

static struct fo_lease hold(struct fixture *f, size_t index)
{
    struct fo_lease lease;

    for (;;) {
        cr_assert_eq(fo_pick(f->balancer, &lease), FO_OK);
        if (fixture_index(lease.endpoint) == index)
            return lease;
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    }
}

static void begin(struct past *past)
{
    const char *removals[] = {"e4"};

    fixture_open(&past->f, 5, NULL);
    past->held = hold(&past->f, 0);
    past->leaving = hold(&past->f, 4);
    cr_assert_eq(fo_balancer_update(past->f.balancer, NULL, 0, removals, 1, NULL), FO_OK);
    fixture_set_weight(&past->f, "e1", 30);
    fixture_set_weight(&past->f, "e2", 0);
    cr_assert_eq(fo_drain(past->f.balancer, "e3"), FO_OK);
    fixture_dispatch(&past->f);
    fixture_story(&past->f);
    past->result = fo_update_result_init();
    past->before = dump(past->f.balancer);
}

static void end(struct past *past)
{
    cr_assert(dump_is_still(past->f.balancer, past->before));
    fixture_dispatch(&past->f);
    cr_assert_str_eq(fixture_story(&past->f), "");
    cr_assert_eq(fo_finish(&past->held, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(fo_finish(&past->leaving, FO_OUTCOME_SUCCESS), FO_OK);
    fo_update_result_fini(&past->result);
    fixture_destroy(&past->f);
}

static void check_offender(const struct past *past, size_t offender, bool is_removal,
                           const char *about)
{
    const struct fo_update_result *result = &past->result;

    cr_assert_eq(result->offender, offender, "%zu: %s", result->offender, result->offence);
    cr_assert_eq(result->offender_removal, is_removal, "%s", result->offence);
    cr_assert_not_null(strstr(result->offence, about), "\"%s\" says nothing of %s", result->offence,
                       about);
    cr_assert_eq(result->added_count + result->updated_count + result->removed_count, 0);
}

/* ---- One bad upsert among good ones -------------------------------------------------------- */

struct bad_upsert {
    const char *about; /* what the offence must mention */
    double max_weight, min_weight, init_weight;
};

#define AT_MAX FO_INIT_WEIGHT_MAX

static const struct bad_upsert bad_weights[] = {
    {"max_weight", NAN, 0, AT_MAX},        {"max_weight", INFINITY, 0, AT_MAX},
    {"max_weight", -INFINITY, 0, AT_MAX},  {"max_weight", -1, 0, AT_MAX},
    {"max_weight", -1e-300, 0, AT_MAX},    {"max_weight", 1.0000001e12, 0, AT_MAX},
    {"min_weight", 100, NAN, AT_MAX},      {"min_weight", 100, -1, AT_MAX},
    {"min_weight", 100, INFINITY, AT_MAX}, {"min_weight", 100, 100.001, AT_MAX},
    {"min_weight", 0, 1, AT_MAX},          {"init_weight", 100, 0, 100.001},
    {"init_weight", 100, 10, 9.99},        {"init_weight", 100, 0, -0.5},
    {"init_weight", 100, 0, -2},           {"init_weight", 100, 0, NAN},
    {"init_weight", 100, 0, INFINITY},     {"init_weight", 100, 0, -INFINITY},
    {"init_weight", 100, 10, 0},
};

/** Three upserts, of which the one at `at` is bad, by update and by replace. */
static void refuse(struct past *past, size_t at, const struct fo_endpoint_config *bad,
                   fo_status status, const char *about)
{
    struct fo_endpoint_config upserts[3];

    upserts[0] = fo_endpoint_config_init("new");
    upserts[1] = fo_endpoint_config_init("e0"); /* other weight and data */
    upserts[1].max_weight = 1;
    upserts[2] = fo_endpoint_config_init("e4"); /* would take it back */
    upserts[2].data = fixture_data(4);
    upserts[at] = *bad;
    cr_assert_eq(fo_balancer_update(past->f.balancer, upserts, 3, NULL, 0, &past->result), status,
                 "%s", about);
    check_offender(past, at, false, about);
    cr_assert_eq(fo_balancer_replace(past->f.balancer, upserts, 3, 0, &past->result), status);
    check_offender(past, at, false, about);
    cr_assert_eq(fo_balancer_update(past->f.balancer, upserts, 3, NULL, 0, NULL), status);
}

Test(bad_input, weights_out_of_range_are_refused)
{
    struct past past;

    begin(&past);
    for (size_t i = 0; i < sizeof(bad_weights) / sizeof(bad_weights[0]); i++) {
        struct fo_endpoint_config bad = fo_endpoint_config_init("bad");

        bad.max_weight = bad_weights[i].max_weight;
        bad.min_weight = bad_weights[i].min_weight;
        bad.init_weight = bad_weights[i].init_weight;
        refuse(&past, i % 3, &bad, FO_EINVAL, bad_weights[i].about);
    }
    end(&past);
}

Test(bad_input, bad_names_are_refused)
{
    char longer[FO_NAME_MAX + 2];
    struct fo_endpoint_config bad;
    struct past past;

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    begin(&past);
    for (size_t at = 0; at < 3; at++) {
        bad = fo_endpoint_config_init("");
        refuse(&past, at, &bad, FO_EINVAL, "name is empty");
        bad = fo_endpoint_config_init(NULL);
        refuse(&past, at, &bad, FO_EINVAL, "name is NULL");
        bad = fo_endpoint_config_init(longer);
        refuse(&past, at, &bad, FO_EINVAL, "name is longer");
    }
    end(&past);
}

Test(bad_input, wrong_sizes_are_refused)
{
    const size_t wrong[] = {0, 1, 7, sizeof(size_t), SIZE_MAX, (size_t)1 << 32};
    struct fo_endpoint_config bad = fo_endpoint_config_init("bad");
    struct past past;

    begin(&past);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        for (size_t at = 0; at < 3; at++) {
            bad.size = wrong[i];
            refuse(&past, at, &bad, FO_EINVAL, "size");
        }
    bad.size = sizeof(bad) - sizeof(double); /* not the others' */
    refuse(&past, 1, &bad, FO_EINVAL, "size");
    end(&past);
}

Test(bad_input, a_size_that_ends_inside_a_field_is_refused)
{
    struct fo_endpoint_config bad = fo_endpoint_config_init("bad");
    struct past past;

    begin(&past);
    for (size_t size = sizeof(size_t) + 1; size < sizeof(bad); size++) {
        if (size % sizeof(size_t) == 0)
            continue;
        bad.size = size;
        cr_assert_eq(fo_balancer_update(past.f.balancer, &bad, 1, NULL, 0, &past.result), FO_EINVAL,
                     "%zu", size);
        check_offender(&past, 0, false, "size");
    }
    end(&past);
}

/* ---- Duplicates, removals, lists ---------------------------------------------------------- */

Test(bad_input, names_that_stand_twice_are_refused_at_the_second)
{
    struct fo_endpoint_config upserts[4];
    const char *removals[] = {"e0", "e1", "e0"};
    struct past past;

    begin(&past);
    upserts[0] = fo_endpoint_config_init("x");
    upserts[1] = fo_endpoint_config_init("e3");
    upserts[2] = fo_endpoint_config_init("y");
    upserts[3] = fo_endpoint_config_init("x");
    cr_assert_eq(fo_balancer_update(past.f.balancer, upserts, 4, NULL, 0, &past.result),
                 FO_DUPLICATE);
    check_offender(&past, 3, false, "twice");
    cr_assert_eq(fo_balancer_replace(past.f.balancer, upserts, 4, 0, &past.result), FO_DUPLICATE);
    check_offender(&past, 3, false, "twice");
    cr_assert_eq(fo_balancer_update(past.f.balancer, NULL, 0, removals, 3, &past.result),
                 FO_DUPLICATE);
    check_offender(&past, 2, true, "twice");
    removals[0] = "e3";
    cr_assert_eq(fo_balancer_update(past.f.balancer, upserts, 3, removals, 2, &past.result),
                 FO_DUPLICATE);
    check_offender(&past, 0, true, "twice");
    removals[0] =
        "y"; /* unknown and twice: twice comes first, as it needs no look at the members */
    cr_assert_eq(fo_balancer_update(past.f.balancer, upserts, 3, removals, 2, &past.result),
                 FO_DUPLICATE);
    check_offender(&past, 0, true, "twice");
    end(&past);
}

Test(bad_input, one_duplicate_among_thousands_is_found)
{
    enum { N = 3000 };
    struct fo_endpoint_config *upserts = malloc(N * sizeof(*upserts));
    char(*names)[8] = malloc(N * sizeof(*names));
    struct past past;

    begin(&past);
    for (size_t i = 0; i < N; i++) {
        strcpy(names[i], fixture_name(i == 2345 ? 17 : i));
        upserts[i] = fo_endpoint_config_init(names[i]);
    }
    cr_assert_eq(fo_balancer_update(past.f.balancer, upserts, N, NULL, 0, &past.result),
                 FO_DUPLICATE);
    check_offender(&past, 2345, false, "twice");
    free(upserts);
    free(names);
    end(&past);
}

Test(bad_input, bad_removals_are_refused)
{
    char longer[FO_NAME_MAX + 2];
    const struct {
        const char *name;
        fo_status status;
        const char *about;
    } bad[] = {
        {NULL, FO_EINVAL, "NULL"},      {"", FO_EINVAL, "empty"},
        {longer, FO_EINVAL, "longer"},  {"nobody", FO_NOTFOUND, "no such"},
        {"e4", FO_NOTFOUND, "no such"}, /* it is leaving: no member any more */
        {"E0", FO_NOTFOUND, "no such"},
    };
    struct fo_endpoint_config upsert = fo_endpoint_config_init("new");
    struct past past;

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    begin(&past);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *removals[] = {"e0", bad[i].name, "e2"};

        cr_assert_eq(fo_balancer_update(past.f.balancer, &upsert, 1, removals, 3, &past.result),
                     bad[i].status, "%zu", i);
        check_offender(&past, 1, true, bad[i].about);
    }
    end(&past);
}

Test(bad_input, missing_lists_are_refused)
{
    struct fo_endpoint_config upsert = fo_endpoint_config_init("new");
    const char *removals[] = {"e0"};
    struct past past;

    begin(&past);
    cr_assert_eq(fo_balancer_update(past.f.balancer, NULL, 1, removals, 1, &past.result),
                 FO_EINVAL);
    check_offender(&past, SIZE_MAX, false, "NULL");
    cr_assert_eq(fo_balancer_update(past.f.balancer, &upsert, 1, NULL, 1, &past.result), FO_EINVAL);
    check_offender(&past, SIZE_MAX, false, "NULL");
    cr_assert_eq(fo_balancer_replace(past.f.balancer, NULL, 3, 0, &past.result), FO_EINVAL);
    check_offender(&past, SIZE_MAX, false, "NULL");
    cr_assert_eq(fo_balancer_update(past.f.balancer, &upsert, SIZE_MAX, NULL, 0, &past.result),
                 FO_EINVAL, "more than there can be");
    check_offender(&past, SIZE_MAX, false, "longer");
    cr_assert_eq(
        fo_balancer_update(past.f.balancer, NULL, 0, removals, FO_ENDPOINTS_MAX + 1, &past.result),
        FO_EINVAL);
    check_offender(&past, SIZE_MAX, false, "longer");
    cr_assert_eq(fo_balancer_update(NULL, &upsert, 1, NULL, 0, &past.result), FO_EINVAL);
    cr_assert_eq(fo_balancer_replace(NULL, &upsert, 1, 0, &past.result), FO_EINVAL);
    end(&past);
}

Test(bad_input, a_result_of_a_wrong_size_is_refused_before_anything)
{
    struct fo_endpoint_config upsert = fo_endpoint_config_init("new");
    struct past past;

    begin(&past);
    past.result.size = 0;
    cr_assert_eq(fo_balancer_update(past.f.balancer, &upsert, 1, NULL, 0, &past.result), FO_EINVAL);
    cr_assert_eq(fo_balancer_replace(past.f.balancer, &upsert, 1, 0, &past.result), FO_EINVAL);
    past.result.size = sizeof(past.result);
    end(&past);
}

/* ---- Configurations ----------------------------------------------------------------------- */

static double keep(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    return input->live_weight;
}

/** Refused by create and by configure. */
static void refuse_weight(struct past *past, const struct fo_weight_function *weight, int which)
{
    struct fo_config config = fixture_config(&past->f);
    struct fo_balancer *balancer = NULL;

    config.weight = *weight;
    cr_assert_eq(fo_balancer_create(&config, &balancer), FO_EINVAL, "case %d", which);
    cr_assert_null(balancer);
    cr_assert_eq(fo_balancer_configure(past->f.balancer, &config), FO_EINVAL, "case %d", which);
}

Test(bad_input, bad_weight_functions_are_refused)
{
    /* member, and values that are not for it */
    const double not_for[6][6] = {
        {1, 1.5, -0.1, NAN, INFINITY, -INFINITY},   /* failure_keep [0, 1) */
        {0, 1.001, -0.1, NAN, INFINITY, -INFINITY}, /* failure_step (0, 1] */
        {0, 1.001, -0.1, NAN, INFINITY, -INFINITY}, /* success_step (0, 1] */
        {0, 1.001, -0.1, NAN, INFINITY, -INFINITY}, /* recover_step (0, 1] */
        {1, 1.001, -0.1, NAN, INFINITY, -INFINITY}, /* down_threshold [0, 1) */
        {-1, 1.001, -0.1, NAN, INFINITY, -INFINITY} /* mild_step [0, 1] */
    };
    struct fo_weight_function weight;
    struct past past;

    begin(&past);
    for (int member = 0; member < 6; member++) {
        for (int i = 0; i < 6; i++) {
            double *const members[] = {&weight.failure_keep,   &weight.failure_step,
                                       &weight.success_step,   &weight.recover_step,
                                       &weight.down_threshold, &weight.mild_step};
            weight = i % 2 == 0 ? fo_weight_ratio() : fo_weight_linear();
            *members[member] = not_for[member][i];
            refuse_weight(&past, &weight, member * 10 + i);
        }
    }
    weight = fo_weight_ratio();
    weight.recover_threshold = 0;
    refuse_weight(&past, &weight, 100);
    weight = fo_weight_ratio();
    weight.kind = (fo_weight_kind)3;
    refuse_weight(&past, &weight, 101);
    weight = fo_weight_custom(NULL, keep, NULL);
    refuse_weight(&past, &weight, 102);
    weight = fo_weight_custom(keep, NULL, NULL);
    refuse_weight(&past, &weight, 103);
    end(&past);
}

Test(bad_input, the_ends_of_the_ranges_are_accepted)
{
    struct fo_endpoint_config edge[] = {
        fo_endpoint_config_init("zero"), fo_endpoint_config_init("top"),
        fo_endpoint_config_init("same"), fo_endpoint_config_init("low")};
    struct fo_config config = fo_config_init();
    struct past past;

    begin(&past);
    config.weight.failure_keep = 0;
    config.weight.failure_step = 1;
    config.weight.success_step = 1;
    config.weight.recover_step = 1;
    config.weight.down_threshold = 0;
    config.weight.mild_step = 1;
    cr_assert_eq(fo_balancer_configure(past.f.balancer, &config), FO_OK);
    edge[0].max_weight = 0;
    edge[0].init_weight = 0;
    edge[1].max_weight = FO_WEIGHT_MAX;
    edge[2].min_weight = edge[2].init_weight = edge[2].max_weight;
    edge[3].max_weight = 5e-324; /* the smallest there is */
    cr_assert_eq(fo_balancer_update(past.f.balancer, edge, 4, NULL, 0, NULL), FO_OK);
    for (size_t i = 0; i < 4; i++)
        edge[i].data = NULL;
    const char *names[] = {"zero", "top", "same", "low"};
    cr_assert_eq(fo_balancer_update(past.f.balancer, NULL, 0, names, 4, NULL), FO_OK);
    fixture_dispatch(&past.f);
    fixture_story(&past.f);
    end(&past);
}

Test(bad_input, bad_trials_are_refused)
{
    const struct fo_trial_config bad[] = {{2, 1, 0, 0, {0}},
                                          {0, 999, 0, 0, {0}},
                                          {30001, 30000, 0, 0, {0}},
                                          {0, 0, 0, 0, {1}},
                                          {0, 0, 0, 0, {0, 1}}};
    struct past past;

    begin(&past);
    for (int i = 0; i < 5; i++) {
        struct fo_group_config of_group = fo_group_config_init();
        struct fo_config of_balancer = fixture_config(&past.f);
        struct fo_balancer *balancer = NULL;
        struct fo_group *group = NULL;

        of_group.runtime = past.f.runtime;
        of_group.trial = bad[i];
        cr_assert_eq(fo_group_create(&of_group, &group), FO_EINVAL);
        cr_assert_null(group);
        of_balancer.trial = bad[i];
        cr_assert_eq(fo_balancer_create(&of_balancer, &balancer), FO_EINVAL);
        cr_assert_null(balancer);
    }
    end(&past);
}

/** A judge with one number out of range. */
static struct fo_judge_config bad_judge(int i)
{
    struct fo_judge_config judge = fo_judge_config_init();

    switch (i) {
    case 0: judge.strikes = FO_STRIKES_MAX + 1; break;
    case 1: judge.failure_percent = 101; break;
    case 2: judge.outlier_permille = 10001; break;
    case 3: judge.latency_percent = 100; break;
    case 4: judge.latency_percent = 100001; break;
    case 5: judge.window_ms = 99; break;
    case 6: judge.window_ms = 3600001; break;
    case 7: judge.share_percent = 101; break;
    case 8: judge.share_percent = FO_JUDGE_OFF; break;
    case 9: judge.ejection_max_ms = 4999; break;
    default: judge.reserved[i - 10] = 1; break;
    }
    return judge;
}

Test(bad_input, bad_judges_are_refused)
{
    struct past past;

    begin(&past);
    for (int i = 0; i < 16; i++) {
        struct fo_group_config of_group = fo_group_config_init();
        struct fo_config of_balancer = fixture_config(&past.f);
        struct fo_balancer *balancer = NULL;
        struct fo_group *group = NULL;

        of_group.runtime = past.f.runtime;
        of_group.judge = bad_judge(i);
        cr_assert_eq(fo_group_create(&of_group, &group), FO_EINVAL, "%d", i);
        cr_assert_null(group);
        of_balancer.judge = bad_judge(i);
        cr_assert_eq(fo_balancer_create(&of_balancer, &balancer), FO_EINVAL, "%d", i);
        cr_assert_null(balancer);
    }
    end(&past);
}

Test(bad_input, a_group_and_what_only_a_group_has_are_refused_together)
{
    struct fo_group_config of_group = fo_group_config_init();
    struct fo_balancer *balancer = NULL;
    struct fo_runtime *other;
    struct fo_group *group;
    struct past past;

    begin(&past);
    of_group.runtime = past.f.runtime;
    cr_assert_eq(fo_group_create(&of_group, &group), FO_OK);
    cr_assert_eq(fo_runtime_create(NULL, &other), FO_OK);
    for (int i = 0; i < 9; i++) {
        struct fo_config config = fixture_config(&past.f);

        config.group = group;
        config.judge = i == 8 ? fo_judge_none() : fo_judge_config_init();
        config.judge.stall_ms = i == 5 ? 100 : config.judge.stall_ms;
        config.judge.share_percent = i == 6 ? 50 : 0;
        config.judge.strikes = i == 7 ? FO_JUDGE_OFF : i == 8 ? 5 : 0;
        config.trial.reserved[1] = i == 4 ? 1 : 0;
        config.trial.backoff_ms = i == 0 ? 1 : 0;
        config.trial.backoff_max_ms = i == 1 ? 1 : 0;
        config.trial.timeout_ms = i == 2 ? 1 : 0;
        config.runtime = i == 3 ? other : NULL;
        cr_assert_eq(fo_balancer_create(&config, &balancer), FO_EINVAL, "%d", i);
        cr_assert_null(balancer);
    }
    cr_assert_eq(fo_runtime_destroy(other), FO_OK, "it has no user");
    fo_group_destroy(group);
    end(&past);
}

Test(bad_input, other_bad_configurations_are_refused)
{
    struct fo_balancer *balancer = NULL;
    struct fo_config config;
    struct past past;

    begin(&past);
    config = fixture_config(&past.f);
    config.row_limit = 65536;
    cr_assert_eq(fo_balancer_create(&config, &balancer), FO_EINVAL);
    cr_assert_null(balancer);
    cr_assert_eq(fo_balancer_create(NULL, NULL), FO_EINVAL);
    cr_assert_eq(fo_group_create(NULL, NULL), FO_EINVAL);
    cr_assert_eq(fo_runtime_create(NULL, NULL), FO_EINVAL);
    end(&past);
}

Test(bad_input, bad_pick_options_are_refused)
{
    uint64_t ids[FO_EXCLUDE_MAX + 1] = {0};
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_lease lease, untouched;
    struct past past;

    begin(&past);
    memset(&lease, 0x5a, sizeof(lease));
    untouched = lease;
    options.exclude_count = 1;
    cr_assert_eq(fo_pick_with(past.f.balancer, &options, &lease), FO_EINVAL);
    options.exclude = ids;
    options.exclude_count = FO_EXCLUDE_MAX + 1;
    cr_assert_eq(fo_pick_with(past.f.balancer, &options, &lease), FO_EINVAL);
    options.exclude_count = 0;
    options.size = 0;
    cr_assert_eq(fo_pick_with(past.f.balancer, &options, &lease), FO_EINVAL);
    options.size = sizeof(options) + 5000;
    cr_assert_eq(fo_pick_with(past.f.balancer, &options, &lease), FO_EINVAL);
    cr_assert_eq(memcmp(&lease, &untouched, sizeof(lease)), 0);
    end(&past);
}
