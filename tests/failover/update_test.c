/* SPDX-License-Identifier: Apache-2.0
 *
 * fo_balancer_update(): what it lists, what it keeps, what it must not touch.
 */
#include "crew.h"
#include "dump.h"
#include "fixture.h"
#include "update.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The result -------------------------------------------------------------------------- */

Test(update, lists_what_was_added_updated_and_removed_in_the_order_given)
{
    const char *removals[] = {"e3", "e0"};
    struct fo_update_result result = fo_update_result_init();
    struct fo_endpoint_config upserts[5];
    uint64_t id[5];
    struct fixture f;

    fixture_open(&f, 5, NULL);
    for (size_t i = 0; i < 5; i++)
        id[i] = fixture_id(&f, fixture_name(i));
    upserts[0] = fixture_upsert("z", 7, NULL);
    upserts[1] = fixture_upsert("e4", 50, fixture_data(4));  /* another weight */
    upserts[2] = fixture_upsert("e2", 100, fixture_data(2)); /* nothing new */
    upserts[3] = fixture_upsert("e1", 100, &f);              /* other data */
    upserts[4] = fixture_upsert("y", 100, NULL);
    cr_assert_eq(fo_balancer_update(f.balancer, upserts, 5, removals, 2, &result), FO_OK);

    cr_assert_eq(result.added_count, 2);
    cr_assert_str_eq(result.added[0].name, "z");
    cr_assert_str_eq(result.added[1].name, "y");
    cr_assert_eq(result.added[0].id, fixture_id(&f, "z"));
    cr_assert_eq(result.added[1].id, fixture_id(&f, "y"));
    cr_assert_eq(result.added[0].previous_id, 0);
    cr_assert_eq(result.added[1].previous_id, 0);

    cr_assert_eq(result.updated_count, 2);
    cr_assert_str_eq(result.updated[0].name, "e4");
    cr_assert_eq(result.updated[0].id, id[4]);
    cr_assert_eq(result.updated[0].previous_id, id[4]);
    cr_assert_str_eq(result.updated[1].name, "e1");
    cr_assert_eq(result.updated[1].id, fixture_id(&f, "e1"));
    cr_assert_neq(result.updated[1].id, id[1]);
    cr_assert_eq(result.updated[1].previous_id, id[1]);

    cr_assert_eq(result.removed_count, 2);
    cr_assert_str_eq(result.removed[0].name, "e3");
    cr_assert_eq(result.removed[0].id, id[3]);
    cr_assert_str_eq(result.removed[1].name, "e0");
    cr_assert_eq(result.removed[1].id, id[0]);
    cr_assert_eq(result.removed[1].previous_id, 0);

    cr_assert_eq(result.offender, SIZE_MAX);
    cr_assert_str_eq(result.offence, "");
    cr_assert_str_eq(dump_names(f.balancer), "e2 e4 z e1 y", "other data goes to the end");
    fo_update_result_fini(&result);
    fixture_destroy(&f);
}

Test(update, lists_nothing_when_nothing_changes)
{
    struct fo_endpoint_config same = fixture_upsert("e0", 100, fixture_data(0));
    struct fo_update_result result = fo_update_result_init();
    struct fixture f;
    char *before;

    fixture_open(&f, 2, NULL);
    fixture_dispatch(&f);
    fixture_story(&f);
    before = dump(f.balancer);
    cr_assert_eq(fo_balancer_update(f.balancer, &same, 1, NULL, 0, &result), FO_OK);
    cr_assert_eq(result.added_count + result.updated_count + result.removed_count, 0);
    same.init_weight = 1; /* only for hosts seen for the first time */
    cr_assert_eq(fo_balancer_update(f.balancer, &same, 1, NULL, 0, &result), FO_OK);
    cr_assert_eq(result.updated_count, 0);
    cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, NULL, 0, &result), FO_OK);
    cr_assert(dump_is_still(f.balancer, before));
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "");
    fo_update_result_fini(&result);
    fixture_destroy(&f);
}

Test(update, result_may_be_left_out_and_freed_twice)
{
    struct fo_endpoint_config config = fixture_upsert("a", 1, NULL);
    struct fo_update_result result = fo_update_result_init();
    struct fixture f;

    fixture_open(&f, 1, NULL);
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    config.max_weight = 2;
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, &result), FO_OK);
    cr_assert_eq(result.updated_count, 1);
    fo_update_result_fini(&result);
    cr_assert_eq(result.updated_count, 0);
    cr_assert_null(result.updated);
    fo_update_result_fini(&result);
    fo_update_result_fini(NULL);
    fixture_destroy(&f);
}

Test(update, names_in_the_result_are_its_own)
{
    char name[] = "short-lived";
    struct fo_endpoint_config config = fixture_upsert(name, 1, NULL);
    struct fo_update_result result = fo_update_result_init();
    struct fixture f;

    fixture_open(&f, 0, NULL);
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, &result), FO_OK);
    memset(name, 'x', sizeof(name) - 1);
    cr_assert_str_eq(result.added[0].name, "short-lived");
    cr_assert_str_eq(dump_names(f.balancer), "short-lived", "and so are the balancer's");
    fixture_close(&f, f.balancer);
    fixture_dispatch(&f);
    cr_assert_str_eq(result.added[0].name, "short-lived", "also after the balancer is gone");
    fo_update_result_fini(&result);
    fixture_destroy(&f);
}

Test(update, names_may_be_any_bytes_up_to_the_limit)
{
    char longest[FO_NAME_MAX + 1];
    struct fo_endpoint_config configs[3];
    struct fixture f;

    memset(longest, 0xff, FO_NAME_MAX);
    longest[FO_NAME_MAX] = '\0';
    configs[0] = fixture_upsert(longest, 1, NULL);
    configs[1] = fixture_upsert("\x01", 1, NULL);
    configs[2] = fixture_upsert("a b\n\t", 1, NULL);
    fixture_open(&f, 0, NULL);
    cr_assert_eq(fo_balancer_update(f.balancer, configs, 3, NULL, 0, NULL), FO_OK);
    for (int i = 0; i < 3; i++)
        cr_assert_str_eq(fixture_info(&f, configs[i].name).name, configs[i].name);
    fixture_destroy(&f);
}

/* ---- All or nothing ---------------------------------------------------------------------- */

Test(update, does_nothing_at_all_when_one_removal_is_unknown)
{
    const char *removals[] = {"e1", "ghost"};
    struct fo_endpoint_config upserts[] = {fixture_upsert("new", 1, NULL),
                                           fixture_upsert("e0", 5, fixture_data(0)),
                                           fixture_upsert("e2", 100, NULL)};
    struct fo_update_result result = fo_update_result_init();
    struct fixture f;
    char *before;

    fixture_open(&f, 3, NULL);
    fixture_dispatch(&f);
    fixture_story(&f);
    before = dump(f.balancer);
    cr_assert_eq(fo_balancer_update(f.balancer, upserts, 3, removals, 2, &result), FO_NOTFOUND);
    cr_assert_eq(result.offender, 1);
    cr_assert(result.offender_removal);
    cr_assert(strlen(result.offence) > 0);
    cr_assert_eq(result.added_count + result.updated_count + result.removed_count, 0);
    cr_assert(dump_is_still(f.balancer, before));
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "");
    fo_update_result_fini(&result);
    fixture_destroy(&f);
}

Test(update, a_refused_update_leaves_a_leaving_incarnation_alone)
{
    const char *removals[] = {"e0"};
    const char *unknown[] = {"ghost"};
    struct fo_endpoint_config back = fixture_upsert("e0", 100, fixture_data(0));
    struct fo_lease lease;
    struct fixture f;

    fixture_open(&f, 1, NULL);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, removals, 1, NULL), FO_OK);
    cr_assert_eq(fo_balancer_update(f.balancer, &back, 1, unknown, 1, NULL), FO_NOTFOUND);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "added e0, removed e0");
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "released e0");
    fixture_destroy(&f);
}

/* ---- Keeping ----------------------------------------------------------------------------- */

Test(update, keeps_health_state_epoch_and_counters)
{
    struct fo_endpoint_config configs[3];
    struct fo_endpoint_info before[3];
    struct fixture f;

    fixture_open(&f, 3, NULL);
    fixture_count(&f, 300, (uint64_t[3]){0});
    fixture_set_weight(&f, "e0", 30);
    fixture_set_weight(&f, "e1", 0);
    for (size_t i = 0; i < 3; i++) {
        before[i] = fixture_info(&f, fixture_name(i));
        configs[i] = fixture_upsert(before[i].name, 1000, fixture_data(i));
        configs[i].init_weight = 500;
        configs[i].tags = 5;
    }
    cr_assert_eq(fo_balancer_update(f.balancer, configs, 2, NULL, 0, NULL), FO_OK);
    for (size_t i = 0; i < 3; i++) {
        struct fo_endpoint_info now = fixture_info(&f, fixture_name(i));

        cr_assert_eq(now.id, before[i].id);
        cr_assert_eq(now.health, before[i].health);
        cr_assert_eq(now.state, before[i].state);
        cr_assert_eq(now.epoch, before[i].epoch);
        cr_assert_eq(now.started, before[i].started);
        cr_assert_eq(now.finished, before[i].finished);
        cr_assert_eq(now.failed, before[i].failed);
        cr_assert_eq(now.max_weight, i < 2 ? 1000 : 100);
        cr_assert_eq(now.tags, i < 2 ? 5 : 0);
        cr_assert_float_eq(now.live_weight, now.health * now.max_weight, 1e-9);
    }
    fixture_destroy(&f);
}

Test(update, a_raised_minimum_lifts_the_live_weight_and_a_lowered_one_lets_it_go)
{
    struct fo_endpoint_config config = fixture_upsert("e0", 100, fixture_data(0));
    struct fixture f;

    fixture_open(&f, 1, NULL);
    fixture_set_weight(&f, "e0", 10);
    config.min_weight = 25;
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(fixture_info(&f, "e0").live_weight, 25);
    config.min_weight = 0;
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert_float_eq(fixture_info(&f, "e0").live_weight, 10, 1e-6);
    fixture_destroy(&f);
}

/* Each failure takes a 2^20th of whatever the maximum is, so the sum must not depend on it. */
#define RACERS 3
#define RACE_FAILURES 30000

static double minus_a_millionth(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    return input->live_weight - input->max_weight / 1048576;
}

static void fail_and_count(size_t member, void *arg)
{
    struct fixture *f = arg;

    (void)member;
    for (int i = 0; i < RACE_FAILURES; i++) {
        struct fo_lease lease;
        fo_status status = fo_pick(f->balancer, &lease);

        assert(status == FO_OK);
        status = fo_finish(&lease, FO_OUTCOME_FAILURE);
        assert(status == FO_OK);
    }
}

Test(update, a_changed_max_weight_keeps_health_while_finishers_race)
{
    struct crew *crew;
    struct fixture f;

    fixture_open_weighed(&f, fo_weight_custom(minus_a_millionth, minus_a_millionth, NULL), 1);
    crew = crew_start(RACERS, fail_and_count, &f);
    for (int i = 0; i < 2000; i++) {
        struct fo_endpoint_config change =
            fixture_upsert("e0", i % 2 == 0 ? 1 : 1e6, fixture_data(0));
        cr_assert_eq(fo_balancer_update(f.balancer, &change, 1, NULL, 0, NULL), FO_OK);
    }
    crew_join(crew);
    cr_assert_eq(fixture_info(&f, "e0").health, 1 - RACERS * RACE_FAILURES / 1048576.0);
    fixture_destroy(&f);
}

/* ---- No pick lands on what was removed ---------------------------------------------------- */

struct hunt {
    struct fixture f;
    _Atomic bool gone;
    _Atomic bool done;
};

static void pick_and_look(size_t member, void *arg)
{
    struct hunt *hunt = arg;

    (void)member;
    while (!atomic_load(&hunt->done)) {
        bool was_gone = atomic_load(&hunt->gone);
        struct fo_lease lease;
        fo_status status = fo_pick(hunt->f.balancer, &lease);

        assert(status == FO_OK);
        assert(!was_gone || fixture_index(lease.endpoint) != 0 || !atomic_load(&hunt->gone));
        fo_finish(&lease, FO_OUTCOME_SUCCESS);
    }
}

Test(update, when_it_returns_no_new_pick_lands_on_what_was_removed)
{
    const char *removals[] = {"e0"};
    struct fo_endpoint_config back = fixture_upsert("e0", 100, fixture_data(0));
    struct hunt hunt;
    struct crew *crew;

    fixture_open(&hunt.f, 2, NULL);
    atomic_init(&hunt.gone, false);
    atomic_init(&hunt.done, false);
    crew = crew_start(2, pick_and_look, &hunt);
    for (int i = 0; i < 1500; i++) {
        cr_assert_eq(fo_balancer_update(hunt.f.balancer, NULL, 0, removals, 1, NULL), FO_OK);
        atomic_store(&hunt.gone, true);
        fixture_dispatch(&hunt.f);
        atomic_store(&hunt.gone, false);
        cr_assert_eq(fo_balancer_update(hunt.f.balancer, &back, 1, NULL, 0, NULL), FO_OK);
    }
    atomic_store(&hunt.done, true);
    crew_join(crew);
    fixture_destroy(&hunt.f);
}

/* ---- Against a model ---------------------------------------------------------------------- */

#define NAMES 24
#define ROUNDS 3000

struct model {
    size_t order[NAMES]; /* members, by joining */
    size_t count;
    double weight[NAMES];
    uintptr_t data[NAMES];
    uint64_t random;
};

static uint64_t below(struct model *model, uint64_t end)
{
    model->random ^= model->random << 13;
    model->random ^= model->random >> 7;
    model->random ^= model->random << 17;
    return model->random % end;
}

static size_t place_of(const struct model *model, size_t name)
{
    size_t at = 0;

    while (at < model->count && model->order[at] != name)
        at++;
    return at;
}

static void model_remove(struct model *model, size_t name)
{
    size_t at = place_of(model, name);

    model->count--;
    memmove(&model->order[at], &model->order[at + 1], (model->count - at) * sizeof(size_t));
}

static void check_member(struct fixture *f, const struct model *model, size_t name)
{
    struct fo_endpoint_info info = fixture_info(f, fixture_name(name));

    cr_assert_eq(info.max_weight, model->weight[name]);
    cr_assert_eq((uintptr_t)info.data, model->data[name]);
}

/** One random update: each name is left alone, upserted or removed. */
static void step(struct fixture *f, struct model *model)
{
    struct fo_update_result result = fo_update_result_init();
    struct fo_endpoint_config upserts[NAMES];
    const char *removals[NAMES];
    char text[NAMES][8];
    bool was_member[NAMES];
    char expected[NAMES * 8] = "";
    size_t added = 0, updated = 0, n = 0, m = 0;

    for (size_t i = 0; i < NAMES; i++) {
        was_member[i] = place_of(model, i) < model->count;
        strcpy(text[i], fixture_name(i));
    }
    for (size_t i = 0; i < NAMES; i++) { /* removals come first in the new order */
        if (was_member[i] && below(model, 6) == 0) {
            removals[m++] = text[i];
            model_remove(model, i);
            was_member[i] = false;
            model->weight[i] = -1; /* not again in this update */
        }
    }
    for (size_t i = 0; i < NAMES; i++) {
        double weight = (double)below(model, 3);
        uintptr_t data = 1 + below(model, 2);

        if (model->weight[i] < 0 || below(model, 3) != 0) {
            model->weight[i] = was_member[i] ? model->weight[i] : 0;
            continue;
        }
        upserts[n++] = fixture_upsert(text[i], weight, (void *)data);
        added += was_member[i] ? 0 : 1;
        updated += was_member[i] && (weight != model->weight[i] || data != model->data[i]) ? 1 : 0;
        if (was_member[i] && data != model->data[i])
            model_remove(model, i);
        if (!was_member[i] || data != model->data[i])
            model->order[model->count++] = i;
        model->weight[i] = weight;
        model->data[i] = data;
    }
    cr_assert_eq(fo_balancer_update(f->balancer, upserts, n, removals, m, &result), FO_OK);
    cr_assert_eq(result.added_count, added);
    cr_assert_eq(result.updated_count, updated);
    cr_assert_eq(result.removed_count, m);
    fo_update_result_fini(&result);
    for (size_t i = 0; i < model->count; i++) {
        check_member(f, model, model->order[i]);
        sprintf(expected + strlen(expected), "%s%s", i > 0 ? " " : "", text[model->order[i]]);
    }
    cr_assert_str_eq(dump_names(f->balancer), expected);
}

Test(update, agrees_with_a_model_over_thousands_of_random_updates)
{
    struct model model = {.random = 88172645463325252u};
    struct fo_lease leases[32] = {{0}};
    struct fixture f;

    fixture_open(&f, 0, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        struct fo_lease *lease = &leases[below(&model, 32)];

        step(&f, &model);
        if (lease->endpoint != NULL)
            cr_assert_eq(fo_finish(lease, FO_OUTCOME_NEUTRAL), FO_OK);
        else
            (void)!fo_pick(f.balancer, lease);
        if (below(&model, 4) == 0)
            fixture_dispatch(&f);
    }
    for (size_t i = 0; i < 32; i++)
        fo_finish(&leases[i], FO_OUTCOME_NEUTRAL);
    fixture_destroy(&f); /* each incarnation was released once, with its own data */
}

Test(update, ten_thousand_come_and_half_of_them_go)
{
    enum { N = 10000 };
    char(*names)[8] = malloc(N * sizeof(*names));
    const char **removals = malloc(N * sizeof(*removals));
    struct fo_endpoint_config *upserts = malloc(N * sizeof(*upserts));
    struct fo_update_result result = fo_update_result_init();
    struct fixture f;

    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < N; i++) {
        strcpy(names[i], fixture_name(i));
        upserts[i] = fixture_upsert(names[i], 1, fixture_data(i));
        if (i % 2 == 0)
            removals[i / 2] = names[i];
    }
    cr_assert_eq(fo_balancer_update(f.balancer, upserts, N, NULL, 0, &result), FO_OK);
    cr_assert_eq(result.added_count, N);
    fo_update_result_fini(&result);
    cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, removals, N / 2, &result), FO_OK);
    cr_assert_eq(result.removed_count, N / 2);
    fo_update_result_fini(&result);
    for (int i = 0; i < 20000; i++)
        cr_assert_eq(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS) % 2, 1);
    free(names);
    free(removals);
    free(upserts);
    fixture_destroy(&f);
}

/** Nearly all have open leases when they go. Looking for each in a list of all took 14 s for 20,000. */
Test(update, names_with_open_leases_come_back_as_fast_as_others, .timeout = 10)
{
    enum { N = 40000 };
    char(*names)[8] = malloc(N * sizeof(*names));
    struct fo_endpoint_config *upserts = malloc(N * sizeof(*upserts));
    struct fo_lease *leases = malloc(N * sizeof(*leases));
    struct fo_balancer *balancer;
    struct fo_config config;
    struct fixture f;

    fixture_init(&f);
    config = fixture_config(&f);
    cr_assert_eq(fo_balancer_create(&config, &balancer), FO_OK);
    for (size_t i = 0; i < N; i++) {
        strcpy(names[i], fixture_name(i));
        upserts[i] = fixture_upsert(names[i], 1, NULL);
    }
    cr_assert_eq(fo_balancer_replace(balancer, upserts, N, 0, NULL), FO_OK);
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(fo_pick(balancer, &leases[i]), FO_OK);
    cr_assert_eq(fo_balancer_replace(balancer, NULL, 0, FO_REPLACE_ALLOW_EMPTY, NULL), FO_OK);
    cr_assert_eq(fo_balancer_replace(balancer, upserts, N, 0, NULL), FO_OK);
    cr_assert_eq(fo_balancer_replace(balancer, NULL, 0, FO_REPLACE_ALLOW_EMPTY, NULL), FO_OK);
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(fo_finish(&leases[i], FO_OUTCOME_SUCCESS), FO_OK);
    free(names);
    free(upserts);
    free(leases);
    fo_balancer_destroy(balancer);
    fixture_destroy(&f);
}

/* ---- Too many ---------------------------------------------------------------------------- */

/** Prepares, with so many of the entries new and the others known and unchanged. The largest lists cost
 * nearly a gigabyte as real endpoints. */
static fo_status prepare_many(struct fixture *f, size_t known, size_t added, uint32_t *members)
{
    struct fo_update_result result = fo_update_result_init();
    struct fo__update update = {.balancer = f->balancer, .result = &result};
    fo_status status;

    update.change_count = known + added;
    update.changes = calloc(update.change_count + 1, sizeof(*update.changes));
    assert(update.changes != NULL);
    for (size_t i = known; i < known + added; i++)
        update.changes[i].kind = FO__CHANGE_ADD;
    status = fo__update_prepare(&update);
    *members = update.member_count;
    for (size_t i = known; i < known + added; i++)
        update.changes[i].kind = FO__CHANGE_NONE;
    fo__update_undo(&update);
    free(update.changes);
    return status;
}

Test(update, does_not_count_known_names_twice)
{
    uint32_t members;
    struct fixture f;

    fixture_open(&f, 3, NULL);
    cr_assert_eq(prepare_many(&f, FO_ENDPOINTS_MAX, 0, &members), FO_OK);
    cr_assert_eq(members, 3);
    fixture_destroy(&f);
}

Test(update, refuses_more_than_the_most_endpoints_before_it_makes_any)
{
    uint32_t members;
    struct fixture f;

    fixture_open(&f, 3, NULL);
    cr_assert_eq(prepare_many(&f, 3, FO_ENDPOINTS_MAX - 2, &members), FO_EINVAL);
    fixture_destroy(&f);
}
