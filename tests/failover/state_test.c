/* SPDX-License-Identifier: Apache-2.0
 *
 * Saved state: what comes back in another process, and what text is refused. All on virtual time.
 */
#include "dump.h"
#include "fixture.h"
#include "hash.h"
#include "server.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_MS 100
#define BACKOFF_MAX_MS 450
#define NOW_S UINT64_C(1764072000)
#define TEXT_BYTES 65536

static struct fo_config config_of(struct fixture *f)
{
    struct fo_config config = fixture_config(f);

    config.weight = fo_weight_ratio();
    config.trial.backoff_ms = BACKOFF_MS;
    config.trial.backoff_max_ms = BACKOFF_MAX_MS;
    config.trial.timeout_ms = 500;
    return config;
}

/** One process: its balancer has e0 … e(n−1). */
static void begin(struct fixture *f, size_t n)
{
    struct fo_config config;

    fixture_init(f);
    config = config_of(f);
    fixture_balancer(f, &config);
    if (n > 0)
        fixture_add(f, n, NULL);
    fixture_dispatch(f);
    fixture_story(f);
}

static struct fo_state_options at(uint64_t now_s)
{
    struct fo_state_options options = fo_state_options_init();

    options.now_s = now_s;
    return options;
}

/** Valid until the next but one call. */
static const char *saved(struct fixture *f)
{
    static char texts[2][TEXT_BYTES];
    static int turn;
    struct fo_state_options options = at(NOW_S);
    char *text = texts[turn = !turn];
    size_t length;

    cr_assert_eq(fo_state_save(f->balancer, &options, text, TEXT_BYTES, &length), FO_OK);
    cr_assert_eq(length, strlen(text));
    return text;
}

static struct fo_state_result restored_after(struct fixture *f, const char *text, uint64_t age_s,
                                             fo_status expected)
{
    struct fo_state_options options = at(NOW_S + age_s);
    struct fo_state_result result = fo_state_result_init();
    fo_status status = fo_state_restore(f->balancer, &options, text, strlen(text), &result);

    cr_assert_eq(status, expected, "%s, line %" PRIu64 " of\n%s", fo_status_name(status),
                 result.line, text);
    return result;
}

static struct fo_state_result restored(struct fixture *f, const char *text)
{
    return restored_after(f, text, 0, FO_OK);
}

/** These lines with a right header and a right end. Valid until the next call. */
static const char *sealed(size_t count, const char *lines)
{
    static char text[TEXT_BYTES];
    int length = snprintf(text, sizeof(text), "failover-state 1 %" PRIu64 "\n%s", NOW_S, lines);

    snprintf(&text[length], sizeof(text) - (size_t)length, "end %zu %016" PRIx64 "\n", count,
             fo__hash(text, (size_t)length));
    return text;
}

static uint64_t ms_until_trial(struct fixture *f, const char *name)
{
    uint64_t ms = 0;

    for (; fixture_info(f, name).state != FO_STATE_TRIAL; ms++) {
        cr_assert_lt(ms, 100000);
        fixture_advance_ms(f, 1);
    }
    return ms;
}

static void take_down(struct fixture *f, const char *name)
{
    cr_assert_eq(fo_report(f->balancer, name, FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(f);
}

/* ---- What comes back ------------------------------------------------------------------------ */

Test(state, is_written_as_the_manual_says)
{
    struct fixture f;

    begin(&f, 3);
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_FAILURE), FO_OK);
    take_down(&f, "e2");
    fixture_advance_ms(&f, ms_until_trial(&f, "e2"));
    cr_assert_str_eq(saved(&f), sealed(3, "up 1.0000000000 e0\nup 0.2500000000 e1\ndown 0 0 e2\n"));
    fixture_destroy(&f);
}

Test(state, a_server_that_was_down_gets_no_request_before_its_trial_is_due)
{
    struct fixture first, second;
    uint64_t counts[3] = {0};
    uint64_t left_ms;
    unsigned wait_ms;

    begin(&first, 3);
    take_down(&first, "e1");
    cr_assert_eq(sscanf(strstr(saved(&first), "down "), "down %u 0 e1", &wait_ms), 1);
    left_ms = wait_ms;
    cr_assert(left_ms >= BACKOFF_MS * 8 / 10 && left_ms <= BACKOFF_MS * 12 / 10);

    begin(&second, 3);
    cr_assert_eq(restored(&second, saved(&first)).restored, 3);
    fixture_dispatch(&second);
    cr_assert_str_eq(fixture_story(&second), "down e1 (restored)");
    for (uint64_t ms = 0; ms < left_ms; ms++) {
        fixture_count(&second, 10, counts);
        cr_assert_eq(counts[1], 0, "after %" PRIu64 " ms", ms);
        fixture_advance_ms(&second, 1);
    }
    cr_assert_eq(fixture_info(&second, "e1").state, FO_STATE_TRIAL);
    fixture_count(&second, 1, counts);
    cr_assert_eq(counts[1], 1, "and then the next one");
    fixture_destroy(&second);
    fixture_destroy(&first);
}

Test(state, the_time_between_two_processes_counts)
{
    struct fixture f;

    begin(&f, 2);
    restored_after(&f, sealed(2, "down 1300 5 e0\ndown 900 5 e1\n"), 1, FO_OK);
    fixture_dispatch(&f);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_info(&f, "e1").state, FO_STATE_TRIAL);
    cr_assert_eq(ms_until_trial(&f, "e0"), 300);
    fixture_destroy(&f);
}

Test(state, a_failed_trial_doubles_the_back_off_as_it_would_have)
{
    struct fixture f;
    uint64_t ms;

    begin(&f, 1);
    restored(&f, sealed(1, "down 10 1 e0\n"));
    cr_assert_eq(ms_until_trial(&f, "e0"), 10);
    fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
    ms = ms_until_trial(&f, "e0");
    cr_assert(ms >= 4 * BACKOFF_MS * 8 / 10 && ms <= 4 * BACKOFF_MS * 12 / 10, "%" PRIu64, ms);
    fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_UP);
    fixture_destroy(&f);
}

Test(state, a_wait_is_cut_to_the_longest_of_the_group)
{
    struct fixture f;

    begin(&f, 1);
    restored(&f, sealed(1, "down 6000000000 1000000 e0\n"));
    cr_assert_leq(ms_until_trial(&f, "e0"), BACKOFF_MAX_MS * 12 / 10 + 1);
    fixture_destroy(&f);
}

static void hurt_at_random(struct fixture *f, size_t n)
{
    for (int i = 0; i < 60; i++) {
        struct fo_lease lease;

        if (rand() % 4 == 0)
            fo_report(f->balancer, fixture_name((size_t)rand() % n), FO_OUTCOME_DOWN);
        if (rand() % 2 == 0)
            fo_report(f->balancer, fixture_name((size_t)rand() % n), FO_OUTCOME_FAILURE);
        if (fo_pick(f->balancer, &lease) == FO_OK)
            fo_finish(&lease, rand() % 3 == 0 ? FO_OUTCOME_FAILURE : FO_OUTCOME_SUCCESS);
        fixture_advance_ms(f, (uint64_t)rand() % 60);
    }
}

Test(state, of_any_world_makes_another_like_it)
{
    size_t down = 0;
    size_t hurt = 0;

    for (unsigned seed = 1; seed <= 300; seed++) {
        struct fixture first, second;
        size_t n;
        const char *text;

        srand(seed);
        n = 1 + (size_t)rand() % 12;
        begin(&first, n);
        hurt_at_random(&first, n);
        text = saved(&first);
        begin(&second, n);
        cr_assert_eq(restored(&second, text).restored, n);
        cr_assert_str_eq(saved(&second), text, "seed %u", seed);
        fixture_dispatch(&second);
        cr_assert_str_eq(saved(&second), text, "seed %u, when the runtime knows", seed);
        for (size_t i = 0; i < n; i++) {
            struct fo_endpoint_info a = fixture_info(&first, fixture_name(i));
            struct fo_endpoint_info b = fixture_info(&second, fixture_name(i));

            cr_assert_eq(a.health, b.health);
            cr_assert_eq(a.state == FO_STATE_UP, b.state == FO_STATE_UP);
            down += a.state != FO_STATE_UP ? 1 : 0;
            hurt += a.health > 0 && a.health < 1 ? 1 : 0;
        }
        fixture_destroy(&second);
        fixture_destroy(&first);
    }
    cr_assert(down > 100 && hurt > 100, "%zu down, %zu hurt", down, hurt);
}

Test(state, every_step_of_health_survives)
{
    struct fixture f;

    fixture_open(&f, 1, NULL); /* whose weights can be set exactly */
    srand(3);
    for (int i = 0; i < 2000; i++) {
        double units = i == 0 ? 1 : 1 + (double)(rand() % INT32_MAX);
        char *before;

        fixture_set_weight(&f, "e0", 100 * (units / 2147483648.0));
        before = dump(f.balancer);
        restored(&f, saved(&f));
        cr_assert(dump_is_still(f.balancer, before));
    }
    fixture_destroy(&f);
}

Test(state, of_names_of_any_bytes_comes_back)
{
    struct fixture first, second;
    struct fo_config config;
    char names[3][FO_NAME_MAX + 1];

    for (int i = 0; i < 255; i++)
        names[0][i] = (char)(i + 1);
    names[0][255] = '\0';
    memset(names[1], 0xff, 255);
    names[1][255] = '\0';
    strcpy(names[2], "end 0 %\n");
    fixture_init(&first);
    config = config_of(&first);
    fixture_balancer(&first, &config);
    fixture_init(&second);
    config = config_of(&second);
    fixture_balancer(&second, &config);
    for (size_t i = 0; i < 3; i++) {
        struct fo_endpoint_config server = fixture_upsert(names[i], 100, fixture_data(i));

        cr_assert_eq(fo_balancer_update(first.balancer, &server, 1, NULL, 0, NULL), FO_OK);
        cr_assert_eq(fo_balancer_update(second.balancer, &server, 1, NULL, 0, NULL), FO_OK);
        take_down(&first, names[i]);
    }
    cr_assert_eq(restored(&second, saved(&first)).restored, 3);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(fixture_info(&second, names[i]).state, FO_STATE_DOWN);
    fixture_destroy(&second);
    fixture_destroy(&first);
}

/* ---- What stays ------------------------------------------------------------------------------ */

Test(state, is_older_than_what_a_host_has_learned_since)
{
    struct fo_state_result result;
    struct fixture f;
    char *before;

    begin(&f, 3);
    take_down(&f, "e0");
    take_down(&f, "e1");
    fixture_advance_ms(&f, 130);
    for (int i = 0; i < 2; i++)
        fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS); /* both trials */
    take_down(&f, "e1");
    before = dump(f.balancer);
    result = restored(&f, sealed(3, "down 50 0 e0\nup 0.5000000000 e1\nup 1.0000000000 e2\n"));
    cr_assert_eq(result.kept, 2);
    cr_assert_eq(result.restored, 1);
    cr_assert(dump_is_still(f.balancer, before));
    fixture_destroy(&f);
}

Test(state, of_unknown_names_is_ignored)
{
    struct fo_state_result result;
    struct fixture f;

    begin(&f, 1);
    result = restored(&f, sealed(3, "down 1 0 a\nup 0.5000000000 e0\nup 0.5000000000 z\n"));
    cr_assert_eq(result.unknown, 2);
    cr_assert_eq(result.restored, 1);
    cr_assert_eq(fixture_info(&f, "e0").health, 0.5);
    fixture_destroy(&f);
}

Test(state, a_host_that_was_added_down_waits_as_long_as_the_text_says)
{
    struct fo_endpoint_config server = fixture_upsert("e0", 100, fixture_data(0));
    struct fixture f;

    server.init_weight = 0;
    begin(&f, 0);
    cr_assert_eq(fo_balancer_update(f.balancer, &server, 1, NULL, 0, NULL), FO_OK);
    fixture_dispatch(&f);
    cr_assert_eq(restored(&f, sealed(1, "up 1.0000000000 e0\n")).kept, 1);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    cr_assert_eq(restored(&f, sealed(1, "down 300 1 e0\n")).restored, 1);
    cr_assert_eq(ms_until_trial(&f, "e0"), 300);
    fixture_destroy(&f);
}

/** An hour's back-off, and servers that are there: it is the check that brings the host back. */
Test(state, a_host_that_has_a_check_waits_for_that_and_not_for_a_trial)
{
    const char *text;
    struct fixture f;
    struct server server;
    struct fo_config config;
    struct fo_endpoint_config endpoint = fixture_upsert("e0", 100, fixture_data(0));

    server_open(&server);
    fixture_init(&f);
    config = config_of(&f);
    config.trial.backoff_max_ms = 3600000;
    config.check = fo_check_tcp();
    config.check.rise = 1;
    fixture_balancer(&f, &config);
    endpoint.address = server.address;
    cr_assert_eq(fo_balancer_update(f.balancer, &endpoint, 1, NULL, 0, NULL), FO_OK);
    fixture_dispatch(&f);
    text = sealed(1, "down 3600000 9 e0\n");
    cr_assert_eq(restored(&f, text).restored, 1);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    fixture_advance_ms(&f, 10000);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_UP);
    cr_assert_str_eq(fixture_story(&f),
                     "added e0, down e0 (restored), recovered e0 (check passed)");
    fixture_destroy(&f);
    server_close(&server);
}

Test(state, in_a_group_is_restored_for_all_its_balancers)
{
    struct fo_group_config group_config = fo_group_config_init();
    struct fo_group *group;
    struct fo_balancer *other;
    struct fo_lease lease;
    struct fixture f;
    struct fo_config config;

    fixture_init(&f);
    group_config.runtime = f.runtime;
    cr_assert_eq(fo_group_create(&group_config, &group), FO_OK);
    config = fixture_config(&f);
    config.group = group;
    fixture_balancer(&f, &config);
    other = fixture_balancer(&f, &config);
    fixture_add(&f, 1, NULL);
    fixture_add_to(other, 1, NULL, NULL);
    cr_assert_eq(restored(&f, sealed(1, "down 300 1 e0\n")).restored, 1);
    cr_assert_eq(fo_pick(other, &lease), FO_UNAVAILABLE);
    fo_group_destroy(group);
    fixture_destroy(&f);
}

/* ---- What is refused ------------------------------------------------------------------------ */

Test(state, that_is_too_old_is_not_restored)
{
    const char *text = sealed(1, "down 1000 0 e0\n");
    struct fo_state_options options = at(NOW_S + 3);
    struct fixture f;
    char *before;

    begin(&f, 1);
    before = dump(f.balancer);
    cr_assert_eq(restored_after(&f, text, 601, FO_STALE).age_s, 601);
    options.max_age_s = 2;
    cr_assert_eq(fo_state_restore(f.balancer, &options, text, strlen(text), NULL), FO_STALE);
    options.now_s = NOW_S - 3;
    cr_assert_eq(fo_state_restore(f.balancer, &options, text, strlen(text), NULL), FO_STALE,
                 "written by a clock that is far ahead");
    cr_assert_eq(fo_state_restore(f.balancer, NULL, text, strlen(text), NULL), FO_STALE,
                 "by the real clock");
    cr_assert(dump_is_still(f.balancer, before));
    options.now_s = NOW_S - 2;
    cr_assert_eq(fo_state_restore(f.balancer, &options, text, strlen(text), NULL), FO_OK);
    fixture_destroy(&f);
}

static void refuse(struct fixture *f, const char *text, uint64_t line)
{
    char *before = dump(f->balancer);

    cr_assert_eq(restored_after(f, text, 0, FO_EINVAL).line, line, "of\n%s", text);
    cr_assert(dump_is_still(f->balancer, before), "after\n%s", text);
}

Test(state, with_a_wrong_line_is_refused_with_its_number)
{
    static const char *const lines[] = {
        "",
        "up 0.5000000000 ",
        "up 0.5000000000",
        "up 0.500000000 e1",
        "up 0.50000000000 e1",
        "up .5000000000 e1",
        "up 00.5000000000 e1",
        "up 0.0000000000 e1",
        "up 1.0000000001 e1",
        "up 2.0000000000 e1",
        "up -0.500000000 e1",
        "up nan e1",
        "up 0.50000e-10 e1",
        "up  0.5000000000 e1",
        "up 0.5000000000  e1",
        "up 0.5000000000 e1 ",
        "up 0,5000000000 e1",
        "UP 0.5000000000 e1",
        "down 1 e1",
        "down 1 1",
        "down -1 0 e1",
        "down 01 0 e1",
        "down 1 01 e1",
        "down 6000000001 0 e1",
        "down 1 1000001 e1",
        "down 1.5 0 e1",
        "down 99999999999999999999999999 0 e1",
        "down +1 0 e1",
        "down 1 0 e\r",
        "down 1 0 e%",
        "down 1 0 e%0",
        "down 1 0 e%00",
        "down 1 0 e%65",
        "down 1 0 e%0a",
        "down 1 0 e%0G",
        "down 1 0 \xc3\xa4",
        "down 1 0 e\t",
        "ejected 1 0 e1",
        "end 1 0000000000000000",
        "failover-state 1 5",
    };
    struct fixture f;
    char text[600];

    begin(&f, 2);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        snprintf(text, sizeof(text), "down 1 0 e0\n%s\n", lines[i]);
        refuse(&f, sealed(2, text), 3);
    }
    fixture_destroy(&f);
}

Test(state, with_a_name_that_is_too_long_or_there_twice_is_refused)
{
    struct fixture f;
    char text[2048];

    begin(&f, 2);
    snprintf(text, sizeof(text), "down 1 0 %0255d\n", 7);
    cr_assert_eq(restored(&f, sealed(1, text)).unknown, 1);
    snprintf(text, sizeof(text), "down 1 0 %0256d\n", 7);
    refuse(&f, sealed(1, text), 2);
    snprintf(text, sizeof(text), "down 1 0 %01000d\n", 7);
    refuse(&f, sealed(1, text), 2);
    refuse(&f, sealed(4, "down 1 0 e1\ndown 1 0 e0\nup 0.5000000000 e2\ndown 1 0 e1\n"), 5);
    refuse(&f, sealed(4, "down 1 0 a\ndown 1 0 b\ndown 1 0 b\ndown 1 0 a\n"), 4);
    fixture_destroy(&f);
}

Test(state, with_a_wrong_header_or_end_is_refused)
{
    struct fixture f;
    char text[256];

    begin(&f, 1);
    refuse(&f, "", 1);
    refuse(&f, "\n", 1);
    refuse(&f, "failover-state 2 1764072000\nend 0 0000000000000000\n", 1);
    refuse(&f, "failover-state 1 1000000000000001\n", 1);
    refuse(&f, "failover-state 1 1764072000", 1);
    refuse(&f, "failover-state 1 1764072000\n", 2);
    refuse(&f, "failover-state 1 1764072000\nend 0 0000000000000000\n", 2);
    snprintf(text, sizeof(text), "%.200s\n", sealed(1, "down 1 0 e0\n"));
    refuse(&f, text, 3);
    refuse(&f, sealed(2, "down 1 0 e0\n"), 3);
    refuse(&f, sealed(0, "down 1 0 e0\n"), 3);
    fixture_destroy(&f);
}

Test(state, is_refused_when_any_byte_is_changed_or_the_end_is_missing)
{
    const char *right = sealed(2, "down 70 1 e0\nup 0.2500000000 e1\n");
    size_t length = strlen(right);
    struct fo_state_options options = at(NOW_S);
    struct fixture f;
    char *before;

    begin(&f, 2);
    before = dump(f.balancer);
    for (size_t i = 0; i < length; i++) {
        cr_assert_eq(fo_state_restore(f.balancer, &options, right, i, NULL), FO_EINVAL);
        for (int bit = 0; bit < 8; bit++) {
            char *wrong = malloc(length); /* without a NUL, so that no byte behind it is read */

            memcpy(wrong, right, length);
            wrong[i] = (char)(wrong[i] ^ 1 << bit);
            cr_assert_eq(fo_state_restore(f.balancer, &options, wrong, length, NULL), FO_EINVAL,
                         "byte %zu, bit %d", i, bit);
            free(wrong);
        }
    }
    cr_assert(dump_is_still(f.balancer, before));
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "");
    fixture_destroy(&f);
}

/* ---- Calling -------------------------------------------------------------------------------- */

Test(state, fits_into_a_buffer_of_its_length_and_a_NUL)
{
    struct fo_state_options options = at(NOW_S);
    struct fixture f;
    char text[256];
    size_t length = 0;
    size_t again = 0;

    begin(&f, 2);
    cr_assert_eq(fo_state_save(f.balancer, &options, NULL, 0, &length), FO_NOSPACE);
    memset(text, 'x', sizeof(text));
    cr_assert_eq(fo_state_save(f.balancer, &options, text, length, &again), FO_NOSPACE);
    cr_assert_eq(again, length);
    cr_assert_eq(text[0], 'x');
    cr_assert_eq(fo_state_save(f.balancer, &options, text, length + 1, &again), FO_OK);
    cr_assert_eq(again, length);
    cr_assert_eq(strlen(text), length);
    cr_assert_eq(text[length + 1], 'x');
    fixture_destroy(&f);
}

struct heard {
    struct fixture *f;
    char text[256];
    int calls;
};

static void hear(const char *text, size_t length, void *arg)
{
    struct heard *heard = arg;

    snprintf(heard->text, sizeof(heard->text), "%.*s", (int)length, text);
    heard->calls++;
    take_down(heard->f, "e0"); /* takes locks: so none is held */
    fixture_add(heard->f, 3, NULL);
}

Test(state, goes_to_a_writer_in_one_call_outside_of_all_locks, .timeout = 20)
{
    struct fo_state_options options = at(NOW_S);
    struct heard heard = {.calls = 0};
    struct fixture f;
    const char *text;

    begin(&f, 2);
    heard.f = &f;
    text = saved(&f);
    cr_assert_eq(fo_state_write(f.balancer, &options, hear, &heard), FO_OK);
    cr_assert_eq(heard.calls, 1);
    cr_assert_str_eq(heard.text, text);
    fixture_destroy(&f);
}

Test(state, by_the_wall_clock_is_fresh)
{
    struct fo_state_result result = fo_state_result_init();
    struct fixture f;
    char text[256];
    size_t length;

    begin(&f, 2);
    cr_assert_eq(fo_state_save(f.balancer, NULL, text, sizeof(text), &length), FO_OK);
    cr_assert_eq(fo_state_restore(f.balancer, NULL, text, length, &result), FO_OK);
    cr_assert_eq(result.restored, 2);
    fixture_destroy(&f);
}

Test(state, calls_with_bad_arguments_are_refused)
{
    const char *right = sealed(0, "");
    struct fo_state_options options = at(NOW_S);
    struct fo_state_result result = fo_state_result_init();
    struct fixture f;
    char text[256];
    size_t length;

    begin(&f, 1);
    cr_assert_eq(fo_state_save(NULL, NULL, text, sizeof(text), &length), FO_EINVAL);
    cr_assert_eq(fo_state_save(f.balancer, NULL, NULL, 1, &length), FO_EINVAL);
    cr_assert_eq(fo_state_save(f.balancer, NULL, text, sizeof(text), NULL), FO_EINVAL);
    cr_assert_eq(fo_state_write(NULL, NULL, hear, NULL), FO_EINVAL);
    cr_assert_eq(fo_state_write(f.balancer, NULL, NULL, NULL), FO_EINVAL);
    cr_assert_eq(fo_state_restore(NULL, &options, right, strlen(right), NULL), FO_EINVAL);
    cr_assert_eq(fo_state_restore(f.balancer, &options, NULL, 0, NULL), FO_EINVAL);
    result.size = 3;
    cr_assert_eq(fo_state_restore(f.balancer, &options, right, strlen(right), &result), FO_EINVAL);
    options.reserved = 1;
    cr_assert_eq(fo_state_restore(f.balancer, &options, right, strlen(right), NULL), FO_EINVAL);
    cr_assert_eq(fo_state_save(f.balancer, &options, text, sizeof(text), &length), FO_EINVAL);
    options.reserved = 0;
    options.now_s = UINT64_MAX;
    cr_assert_eq(fo_state_save(f.balancer, &options, text, sizeof(text), &length), FO_EINVAL);
    options.now_s = 0;
    options.size = 5;
    cr_assert_eq(fo_state_save(f.balancer, &options, text, sizeof(text), &length), FO_EINVAL);
    fixture_destroy(&f);
}

static void call_when_closed(const struct fo_event *event, void *arg)
{
    struct fixture *f = arg;
    struct fo_state_options options = at(NOW_S);
    const char *right = sealed(0, "");
    struct fo_balancer *balancer = f->balancers[0];
    char text[256];
    size_t length;

    if (event->kind != FO_EVENT_DOWN)
        return;
    f->balancer = balancer;
    fixture_close(f, balancer);
    cr_assert_eq(fo_state_save(balancer, NULL, text, sizeof(text), &length), FO_CLOSED);
    cr_assert_eq(fo_state_restore(balancer, &options, right, strlen(right), NULL), FO_CLOSED);
}

Test(state, of_a_balancer_that_is_being_destroyed_is_neither_saved_nor_restored)
{
    struct fixture f;

    begin(&f, 1);
    cr_assert_eq(fo_subscribe(f.balancer, FO_EVENT_DOWN, call_when_closed, &f, NULL), FO_OK);
    take_down(&f, "e0");
    fixture_destroy(&f);
}
