/* SPDX-License-Identifier: Apache-2.0
 *
 * Sized structs: what a caller built against older or newer headers passes.
 *
 * An older caller's struct ends earlier: here, the same bytes with a smaller size, behind which
 * memory must not be looked at. A newer caller's struct has a tail that this version does not know:
 * accepted while it is zero.
 */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define TAIL 32

/* A later field must not come to lie where an older caller left padding, whatever that holds. */
#define ENDS_IN(type, field)                                                                       \
    _Static_assert(offsetof(struct type, field) + sizeof(((struct type *)0)->field) ==             \
                       sizeof(struct type),                                                        \
                   "padding at the end of " #type)
ENDS_IN(fo_check_config, arg);
ENDS_IN(fo_check_target, reserved);
ENDS_IN(fo_config, max_in_flight);
ENDS_IN(fo_endpoint_config, max_in_flight);
ENDS_IN(fo_endpoint_info, reported_load);
ENDS_IN(fo_event, new_weight);
ENDS_IN(fo_explanation, probability);
ENDS_IN(fo_finish_report, load);
ENDS_IN(fo_group_config, judge);
ENDS_IN(fo_judge_config, reserved);
ENDS_IN(fo_lease, reserved_wide);
ENDS_IN(fo_level_config, reserved);
ENDS_IN(fo_level_info, share);
ENDS_IN(fo_load_config, reserved);
ENDS_IN(fo_key_info, needless);
ENDS_IN(fo_pick_options, key_size);
ENDS_IN(fo_attempt, reserved);
ENDS_IN(fo_retry, reserved);
ENDS_IN(fo_retry_advice, timeout_ms);
ENDS_IN(fo_retry_policy, seed);
ENDS_IN(fo_runtime_config, clock_arg);
ENDS_IN(fo_trial_config, reserved);
ENDS_IN(fo_update_entry, previous_id);
ENDS_IN(fo_update_result, memory);
ENDS_IN(fo_weight_function, reserved);
ENDS_IN(fo_weight_input, endpoint);

/** A copy of a struct in which only `size` bytes may be read (a sanitizer sees to that). */
static void *cut(const void *whole, size_t size)
{
    void *piece = malloc(size);

    memcpy(piece, whole, size);
    memcpy(piece, &size, sizeof(size));
    return piece;
}

/** A copy with a tail of zeros, but for the byte at `at` (none: SIZE_MAX). */
static void *lengthen(const void *whole, size_t size, size_t at)
{
    size_t longer = size + TAIL;
    unsigned char *piece = calloc(1, longer);

    memcpy(piece, whole, size);
    memcpy(piece, &longer, sizeof(longer));
    if (at != SIZE_MAX)
        piece[size + at] = 1;
    return piece;
}

/* ---- Endpoint configurations, in arrays of their own stride --------------------------------- */

Test(abi, older_endpoint_configs_get_defaults)
{
    struct older {
        size_t size;
        const char *name;
        double max_weight;
    } upserts[3] = {{sizeof(struct older), "a", 10},
                    {sizeof(struct older), "b", 20},
                    {sizeof(struct older), "c", 30}};
    struct fo_endpoint_info info;
    struct fixture f;

    fixture_open(&f, 0, NULL);
    cr_assert_eq(fo_balancer_update(f.balancer, (void *)upserts, 3, NULL, 0, NULL), FO_OK);
    info = fixture_info(&f, "c");
    cr_assert_eq(info.max_weight, 30);
    cr_assert_eq(info.min_weight, 0);
    cr_assert_eq(info.live_weight, 30);
    cr_assert_eq(info.tags, 0);
    cr_assert_null(info.data);
    cr_assert_eq(fixture_info(&f, "a").max_weight, 10);
    cr_assert_eq(fixture_info(&f, "b").max_weight, 20);
    fixture_destroy(&f);
}

struct newer_endpoint_config {
    struct fo_endpoint_config known;
    uint64_t tail[4];
};

static void fill_newer(struct newer_endpoint_config *upserts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        memset(&upserts[i], 0, sizeof(upserts[i]));
        upserts[i].known = fo_endpoint_config_init(fixture_name(i));
        upserts[i].known.size = sizeof(upserts[i]);
        upserts[i].known.max_weight = 10 + (double)i;
        upserts[i].known.data = fixture_data(i);
    }
}

Test(abi, newer_endpoint_configs_are_accepted_while_their_tail_is_zero)
{
    struct newer_endpoint_config upserts[3];
    struct fo_update_result result = fo_update_result_init();
    struct fixture f;

    fixture_open(&f, 0, NULL);
    fill_newer(upserts, 3);
    cr_assert_eq(fo_balancer_update(f.balancer, &upserts[0].known, 3, NULL, 0, NULL), FO_OK);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(fixture_info(&f, fixture_name(i)).max_weight, 10 + (double)i);
    upserts[2].tail[3] = UINT64_C(1) << 63;
    upserts[0].known.max_weight = 99;
    cr_assert_eq(fo_balancer_update(f.balancer, &upserts[0].known, 3, NULL, 0, &result), FO_EINVAL);
    cr_assert_eq(result.offender, 2);
    cr_assert_not_null(strstr(result.offence, "unknown"));
    cr_assert_eq(fixture_info(&f, "e0").max_weight, 10);
    fo_update_result_fini(&result);
    fixture_destroy(&f);
}

/* ---- Single configurations ---------------------------------------------------------------- */

Test(abi, an_older_balancer_config_gets_defaults)
{
    struct fo_balancer *balancer;
    struct fo_config config;
    struct fixture f;
    void *older;

    fixture_open(&f, 0, NULL);
    config = fixture_config(&f);
    older = cut(&config, offsetof(struct fo_config, trial));
    cr_assert_eq(fo_balancer_create(older, &balancer), FO_OK);
    fixture_add_to(balancer, 1, NULL, NULL);
    cr_assert_eq(fo_report(balancer, "e0", FO_OUTCOME_FAILURE), FO_OK);
    struct fo_endpoint_info info = fo_endpoint_info_init();
    cr_assert_eq(fo_endpoint_status(balancer, "e0", &info), FO_OK);
    cr_assert_eq(info.live_weight, 50, "the ratio, which is the default");
    fo_balancer_destroy(balancer);
    free(older);
    fixture_destroy(&f);
}

Test(abi, newer_configs_are_accepted_while_their_tail_is_zero)
{
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_group_config of_group = fo_group_config_init();
    struct fo_runtime_config of_runtime = fo_runtime_config_init();
    struct fo_config of_balancer;
    struct fo_lease lease;
    struct fixture f;

    fixture_open(&f, 1, NULL);
    of_balancer = fixture_config(&f);
    of_group.runtime = f.runtime;
    for (size_t at = 0; at <= TAIL; at++) {
        fo_status expected = at < TAIL ? FO_EINVAL : FO_OK;
        size_t set = at < TAIL ? at : SIZE_MAX;
        void *balancer_config = lengthen(&of_balancer, sizeof(of_balancer), set);
        void *group_config = lengthen(&of_group, sizeof(of_group), set);
        void *runtime_config = lengthen(&of_runtime, sizeof(of_runtime), set);
        void *pick_options = lengthen(&options, sizeof(options), set);
        struct fo_balancer *balancer = NULL;
        struct fo_group *group = NULL;
        struct fo_runtime *runtime = NULL;

        cr_assert_eq(fo_balancer_create(balancer_config, &balancer), expected, "%zu", at);
        cr_assert_eq(fo_balancer_configure(f.balancer, balancer_config), expected, "%zu", at);
        cr_assert_eq(fo_group_create(group_config, &group), expected, "%zu", at);
        cr_assert_eq(fo_runtime_create(runtime_config, &runtime), expected, "%zu", at);
        cr_assert_eq(fo_pick_with(f.balancer, pick_options, &lease), expected, "%zu", at);
        if (expected == FO_OK)
            cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
        fo_balancer_destroy(balancer);
        fo_group_destroy(group);
        cr_assert_eq(fo_runtime_destroy(runtime), FO_OK);
        free(balancer_config);
        free(group_config);
        free(runtime_config);
        free(pick_options);
    }
    fixture_destroy(&f);
}

Test(abi, older_group_runtime_and_pick_structs_get_defaults)
{
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_group_config of_group = fo_group_config_init();
    struct fo_runtime_config of_runtime = fo_runtime_config_init();
    struct fo_runtime *runtime;
    struct fo_group *group;
    struct fo_lease lease;
    struct fixture f;
    void *older;
    uint64_t id;

    fixture_open(&f, 1, NULL);
    of_group.runtime = f.runtime;
    older = cut(&of_group, offsetof(struct fo_group_config, trial));
    cr_assert_eq(fo_group_create(older, &group), FO_OK);
    fo_group_destroy(group);
    free(older);
    of_runtime.clock = fixture_clock;
    older = cut(&of_runtime, offsetof(struct fo_runtime_config, clock_arg));
    cr_assert_eq(fo_runtime_create(older, &runtime), FO_OK);
    cr_assert_eq(fo_runtime_destroy(runtime), FO_OK);
    free(older);
    id = fixture_id(&f, "e0");
    options.exclude = &id;
    options.exclude_count = 1;
    options.require_tags = 64; /* behind the cut, as the next */
    options.strict = true;
    older = cut(&options, offsetof(struct fo_pick_options, require_tags));
    cr_assert_eq(fo_pick_with(f.balancer, older, &lease), FO_OK, "no tags, not strict");
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    free(older);
    fixture_destroy(&f);
}

Test(abi, reserved_fields_of_a_weight_function_must_be_zero)
{
    struct fixture f;

    fixture_open(&f, 1, NULL);
    for (int i = 0; i < 2; i++) {
        struct fo_config config = fixture_config(&f);
        struct fo_balancer *balancer = NULL;

        config.weight.reserved[i] = 1;
        cr_assert_eq(fo_balancer_create(&config, &balancer), FO_EINVAL);
        cr_assert_null(balancer);
        cr_assert_eq(fo_balancer_configure(f.balancer, &config), FO_EINVAL);
    }
    fixture_destroy(&f);
}

/* ---- What the library fills in ------------------------------------------------------------- */

Test(abi, an_info_is_filled_as_far_as_its_size_goes)
{
    struct fo_endpoint_info info = fo_endpoint_info_init();
    struct {
        struct fo_endpoint_info known;
        unsigned char tail[TAIL];
    } newer;
    struct fixture f;

    fixture_open(&f, 1, NULL);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_SUCCESS), FO_OK);
    info.size = offsetof(struct fo_endpoint_info, finished);
    info.finished = 12345;
    cr_assert_eq(fo_endpoint_status(f.balancer, "e0", &info), FO_OK);
    cr_assert_eq(info.started, 3);
    cr_assert_eq(info.finished, 12345, "not its memory");
    cr_assert_eq(info.size, offsetof(struct fo_endpoint_info, finished));
    memset(&newer, 0x5a, sizeof(newer));
    newer.known.size = sizeof(newer);
    cr_assert_eq(fo_endpoint_status(f.balancer, "e0", &newer.known), FO_OK);
    cr_assert_eq(newer.known.finished, 3);
    cr_assert_eq(newer.known.size, sizeof(newer));
    for (int i = 0; i < TAIL; i++)
        cr_assert_eq(newer.tail[i], 0x5a, "what is not known stays as its init made it");
    fixture_destroy(&f);
}

Test(abi, a_newer_result_is_filled_and_freed)
{
    struct {
        struct fo_update_result known;
        unsigned char tail[TAIL];
    } newer;
    struct fo_endpoint_config upsert = fo_endpoint_config_init("a");
    struct fixture f;

    fixture_open(&f, 0, NULL);
    memset(&newer, 0x5a, sizeof(newer));
    newer.known = fo_update_result_init();
    newer.known.size = sizeof(newer);
    cr_assert_eq(fo_balancer_update(f.balancer, &upsert, 1, NULL, 0, &newer.known), FO_OK);
    cr_assert_eq(newer.known.added_count, 1);
    cr_assert_str_eq(newer.known.added[0].name, "a");
    fo_update_result_fini(&newer.known);
    cr_assert_null(newer.known.memory);
    cr_assert_eq(newer.tail[0], 0x5a);
    fixture_destroy(&f);
}

struct newer_entry {
    struct fo_update_entry known;
    uint64_t tail[2];
};

static void expect_entry(const struct fo_update_entry *list, size_t i, const char *name)
{
    const struct newer_entry *entries = (const void *)list;

    cr_assert_str_eq(entries[i].known.name, name);
    cr_assert_neq(entries[i].known.id, 0);
    cr_assert_eq(entries[i].tail[0], 0);
    cr_assert_eq(entries[i].tail[1], 0);
}

Test(abi, entries_of_a_result_are_as_long_as_the_caller_knows_them)
{
    const char *removals[] = {"e2", "e0"};
    struct fo_endpoint_config upserts[2];
    struct fo_update_result result = fo_update_result_init();
    struct fixture f;

    fixture_open(&f, 4, NULL);
    upserts[0] = fixture_upsert("new", 100, NULL);
    upserts[1] = fixture_upsert("e1", 50, fixture_data(1));
    result.entry_size = sizeof(struct newer_entry);
    cr_assert_eq(fo_balancer_update(f.balancer, upserts, 2, removals, 2, &result), FO_OK);
    cr_assert_eq(result.added_count, 1);
    cr_assert_eq(result.updated_count, 1);
    cr_assert_eq(result.removed_count, 2);
    expect_entry(result.added, 0, "new");
    expect_entry(result.updated, 0, "e1");
    expect_entry(result.removed, 0, "e2");
    expect_entry(result.removed, 1, "e0");
    fo_update_result_fini(&result);
    cr_assert_eq(result.entry_size, sizeof(struct newer_entry), "the result may be used again");
    cr_assert_eq(fo_balancer_replace(f.balancer, NULL, 0, 0, &result), FO_EINVAL);
    cr_assert_eq(result.entry_size, sizeof(struct newer_entry));
    fo_update_result_fini(&result);
    fixture_destroy(&f);
}

Test(abi, an_entry_size_of_no_version_is_refused)
{
    const size_t sizes[] = {0, 16, sizeof(struct fo_update_entry) + 1, SIZE_MAX};
    struct fo_endpoint_config upsert = fo_endpoint_config_init("a");
    struct fixture f;

    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct fo_update_result result = fo_update_result_init();

        result.entry_size = sizes[i];
        cr_assert_eq(fo_balancer_update(f.balancer, &upsert, 1, NULL, 0, &result), FO_EINVAL);
        fo_update_result_fini(&result);
    }
    fixture_destroy(&f);
}

Test(abi, of_an_event_has_its_size)
{
    struct fixture f;

    fixture_open(&f, 1, NULL);
    fixture_dispatch(&f); /* the fixture's recorder looks at event->size */
    cr_assert_eq(f.event_count, 1);
    fixture_destroy(&f);
}
