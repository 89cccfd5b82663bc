/* SPDX-License-Identifier: Apache-2.0
 *
 * check_leases: finishes that come twice and leases that are forgotten are found and logged, also
 * when nothing is left of what the lease pointed at.
 */
#include "crew.h"
#include "dice.h"
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct log {
    char last[256];
    fo_log_level level;
    int lines;
};

static void write_line(fo_log_level level, const char *message, void *arg)
{
    struct log *lines = arg;

    lines->level = level;
    snprintf(lines->last, sizeof(lines->last), "%s", message);
    lines->lines++;
}

static void open_checked(struct fixture *f, struct log *lines, size_t n)
{
    struct fo_config config;

    memset(lines, 0, sizeof(*lines));
    fixture_init(f);
    config = fixture_config(f);
    config.check_leases = true;
    config.log = write_line;
    config.log_arg = lines;
    fixture_balancer(f, &config);
    fixture_add(f, n, NULL);
}

static struct fo_lease pick(struct fixture *f)
{
    struct fo_lease lease = fo_lease_init();

    cr_assert_eq(fo_pick(f->balancer, &lease), FO_OK);
    return lease;
}

static void expect_complaint(const struct log *lines, int count)
{
    cr_expect_eq(lines->lines, count);
    cr_expect_eq(lines->level, FO_LOG_ERROR);
    cr_expect(strstr(lines->last, "twice") != NULL, "\"%s\"", lines->last);
}

Test(lease_check, finds_nothing_wrong_with_proper_use)
{
    struct log lines;
    struct fixture f;

    open_checked(&f, &lines, 3);
    for (int i = 0; i < 1000; i++)
        fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    fixture_destroy(&f);
    cr_expect_eq(lines.lines, 0, "%s", lines.last);
}

Test(lease_check, catches_a_copy_that_was_finished)
{
    struct fo_lease lease;
    struct fo_lease copy;
    struct log lines;
    struct fixture f;

    open_checked(&f, &lines, 1);
    lease = pick(&f);
    copy = lease;
    cr_expect_eq(fo_finish(&lease, FO_OUTCOME_FAILURE), FO_OK);
    cr_expect_eq(fo_finish(&copy, FO_OUTCOME_FAILURE), FO_EINVAL);
    cr_expect_null(copy.endpoint);
    expect_complaint(&lines, 1);
    cr_expect_eq(fixture_info(&f, "e0").finished, 1);
    cr_expect_eq(fixture_info(&f, "e0").failed, 1);
    cr_expect_eq(fixture_info(&f, "e0").in_flight, 0);
    fixture_destroy(&f);
}

Test(lease_check, catches_a_copy_whose_endpoint_is_gone)
{
    const char *name = "e0";
    struct fo_lease lease;
    struct fo_lease copy;
    struct log lines;
    struct fixture f;

    open_checked(&f, &lines, 1);
    lease = pick(&f);
    copy = lease;
    cr_expect_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, &name, 1, NULL), FO_OK);
    fixture_dispatch(&f);
    cr_expect_eq(fixture_heard(&f, FO_EVENT_RELEASED, "e0"), 1);
    cr_expect_eq(fo_finish(&copy, FO_OUTCOME_SUCCESS), FO_EINVAL);
    expect_complaint(&lines, 1);
    fixture_destroy(&f);
}

Test(lease_check, refuses_a_copy_whose_balancer_is_gone)
{
    struct fo_lease lease;
    struct fo_lease copy;
    struct log lines;
    struct fixture f;

    open_checked(&f, &lines, 1);
    lease = pick(&f);
    copy = lease;
    cr_expect_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f);
    cr_expect_eq(fo_finish(&copy, FO_OUTCOME_SUCCESS), FO_EINVAL);
    cr_expect_eq(lines.lines, 0, "the log went with its balancer");
}

Test(lease_check, tells_at_destroy_how_many_were_forgotten)
{
    struct fo_lease lease[3];
    struct log lines;
    struct fixture f;

    open_checked(&f, &lines, 2);
    for (int i = 0; i < 3; i++)
        lease[i] = pick(&f);
    cr_expect_eq(fo_finish(&lease[1], FO_OUTCOME_SUCCESS), FO_OK);
    fixture_close(&f, f.balancer);
    cr_expect_eq(lines.lines, 1);
    cr_expect_eq(lines.level, FO_LOG_WARNING);
    cr_expect(strncmp(lines.last, "2 leases", 8) == 0, "\"%s\"", lines.last);
    cr_expect_eq(fo_finish(&lease[0], FO_OUTCOME_SUCCESS), FO_OK, "they are late, not wrong");
    cr_expect_eq(fo_finish(&lease[2], FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f);
    cr_expect_eq(lines.lines, 1);
}

Test(lease_check, counts_the_leases_of_its_own_balancer_only)
{
    struct fo_lease lease[2];
    struct log lines[2];
    struct fixture f[2];

    for (int i = 0; i < 2; i++) {
        open_checked(&f[i], &lines[i], 1);
        lease[i] = pick(&f[i]);
    }
    cr_expect_eq(fo_finish(&lease[0], FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f[0]);
    cr_expect_eq(lines[0].lines, 0);
    cr_expect_eq(fo_finish(&lease[1], FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f[1]);
    cr_expect_eq(lines[1].lines, 0);
}

Test(lease_check, leaves_a_lease_open_when_the_outcome_is_none)
{
    struct fo_lease lease;
    struct log lines;
    struct fixture f;

    open_checked(&f, &lines, 1);
    lease = pick(&f);
    cr_expect_eq(fo_finish(&lease, (fo_outcome)0), FO_EINVAL);
    cr_expect_eq(fo_finish(&lease, (fo_outcome)8), FO_EINVAL);
    cr_expect_not_null(lease.endpoint);
    cr_expect_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f);
    cr_expect_eq(lines.lines, 0);
}

Test(lease_check, works_without_a_log)
{
    struct fo_config config;
    struct fo_lease lease;
    struct fo_lease copy;
    struct fo_lease forgotten;
    struct fixture f;

    fixture_init(&f);
    config = fixture_config(&f);
    config.check_leases = true;
    fixture_balancer(&f, &config);
    fixture_add(&f, 1, NULL);
    lease = pick(&f);
    forgotten = pick(&f);
    copy = lease;
    cr_expect_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_expect_eq(fo_finish(&copy, FO_OUTCOME_SUCCESS), FO_EINVAL);
    fixture_close(&f, f.balancer);
    cr_expect_eq(fo_finish(&forgotten, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f);
}

#define OPEN 500u

Test(lease_check, keeps_track_of_many_leases_in_any_order)
{
    static struct fo_lease open[OPEN];
    struct dice dice = dice_of(91);
    struct log lines;
    struct fixture f;
    int wrong = 0;

    open_checked(&f, &lines, 4);
    for (int i = 0; i < 40000; i++) {
        struct fo_lease *lease = &open[dice_below(&dice, OPEN)];

        if (lease->endpoint == NULL) {
            *lease = pick(&f);
        } else {
            struct fo_lease copy = *lease;

            cr_assert_eq(fo_finish(lease, FO_OUTCOME_NEUTRAL), FO_OK);
            if (dice_below(&dice, 10) == 0) {
                cr_assert_eq(fo_finish(&copy, FO_OUTCOME_NEUTRAL), FO_EINVAL);
                wrong++;
            }
        }
        cr_assert_eq(lines.lines, wrong);
    }
    for (uint32_t i = 0; i < OPEN; i++)
        if (open[i].endpoint != NULL)
            cr_assert_eq(fo_finish(&open[i], FO_OUTCOME_NEUTRAL), FO_OK);
    fixture_destroy(&f);
    cr_expect_eq(lines.lines, wrong);
}

static void finish_elsewhere(size_t member, void *arg)
{
    struct fo_lease *leases = arg;
    cr_expect_eq(fo_finish(&leases[member], FO_OUTCOME_SUCCESS), FO_OK);
}

Test(lease_check, lets_another_thread_finish)
{
    struct fo_lease leases[4];
    struct log lines;
    struct fixture f;

    open_checked(&f, &lines, 2);
    for (int i = 0; i < 4; i++)
        leases[i] = pick(&f);
    crew_run(4, finish_elsewhere, leases);
    fixture_destroy(&f);
    cr_expect_eq(lines.lines, 0);
}

Test(lease_check, changes_nothing_about_where_picks_land)
{
    struct log lines;
    struct fixture checked;
    struct fixture plain;

    open_checked(&checked, &lines, 9);
    fixture_open(&plain, 9, NULL);
    for (int i = 0; i < 3000; i++) {
        if (i == 1000) {
            fixture_set_weight(&checked, "e3", 25);
            fixture_set_weight(&plain, "e3", 25);
        }
        cr_assert_eq(fixture_pick_and_finish(&checked, FO_OUTCOME_NEUTRAL),
                     fixture_pick_and_finish(&plain, FO_OUTCOME_NEUTRAL), "pick %d", i);
    }
    fixture_destroy(&checked);
    fixture_destroy(&plain);
}
