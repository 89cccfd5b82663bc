/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits that are found out, against a simulated server on virtual time.
 *
 * The server has so many workers and a queue: what it can do at once, its knee, is the number of its
 * workers. Its client has as much to do as it is allowed to: whenever a pick is not refused, it sends.
 */
#include "dice.h"
#include "fixture.h"
#include "timeline.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define SLOTS 4096
#define WORKERS_MAX 512

struct server {
    size_t workers;
    uint64_t service_ns;
    bool refuses; /* what it has no worker for; otherwise it queues */
    uint64_t free_ns[WORKERS_MAX];
};

struct sent {
    struct fo_lease lease;
    fo_outcome outcome;
    bool open;
};

struct lab {
    struct fixture f;
    struct timeline timeline;
    struct server server;
    struct dice dice;
    size_t demand; /* requests that the client has at once; SLOTS: no end of them */
    size_t open;
    size_t first_free;
    uint64_t done;
    struct sent sent[SLOTS];
};

static struct lab *lab_open(fo_limit_kind kind, size_t workers, uint64_t service_ns)
{
    struct lab *lab = calloc(1, sizeof(*lab));
    struct fo_config config;

    fixture_init(&lab->f);
    config = fixture_config(&lab->f);
    config.load.limit = kind;
    fixture_balancer(&lab->f, &config);
    fixture_add(&lab->f, 1, NULL);
    lab->server.workers = workers;
    lab->server.service_ns = service_ns;
    lab->server.refuses = kind == FO_LIMIT_AIMD;
    lab->demand = SLOTS;
    lab->dice = dice_of(11);
    return lab;
}

/** The service takes ± 20 %, evenly. */
static uint64_t service_ns(struct lab *lab)
{
    return (uint64_t)((double)lab->server.service_ns * (0.8 + 0.4 * dice_fraction(&lab->dice)));
}

static size_t free_slot(struct lab *lab)
{
    while (lab->sent[lab->first_free % SLOTS].open)
        lab->first_free++;
    return lab->first_free % SLOTS;
}

/** When the server answers, and how. */
static uint64_t answer_ns(struct lab *lab, fo_outcome *outcome)
{
    struct server *server = &lab->server;
    size_t soonest = 0;
    uint64_t start_ns;

    for (size_t i = 1; i < server->workers; i++)
        if (server->free_ns[i] < server->free_ns[soonest])
            soonest = i;
    if (server->refuses && server->free_ns[soonest] > lab->f.now_ns) {
        *outcome = FO_OUTCOME_OVERLOADED;
        return lab->f.now_ns + MS;
    }
    *outcome = FO_OUTCOME_SUCCESS;
    start_ns = server->free_ns[soonest] > lab->f.now_ns ? server->free_ns[soonest] : lab->f.now_ns;
    server->free_ns[soonest] = start_ns + service_ns(lab);
    return server->free_ns[soonest];
}

static void send_what_may_be_sent(struct lab *lab)
{
    while (lab->open < lab->demand && lab->open < SLOTS) {
        size_t slot = free_slot(lab);
        struct sent *sent = &lab->sent[slot];

        if (fo_pick(lab->f.balancer, &sent->lease) != FO_OK)
            return;
        sent->open = true;
        lab->open++;
        timeline_add(&lab->timeline, answer_ns(lab, &sent->outcome), slot);
    }
}

static void run_for(struct lab *lab, uint64_t ns)
{
    uint64_t until_ns = lab->f.now_ns + ns;

    send_what_may_be_sent(lab);
    while (timeline_next_ns(&lab->timeline) <= until_ns) {
        struct sent *sent;

        lab->f.now_ns = timeline_next_ns(&lab->timeline);
        sent = &lab->sent[timeline_take(&lab->timeline)];
        cr_assert_eq(fo_finish(&sent->lease, sent->outcome), FO_OK);
        lab->done += sent->outcome == FO_OUTCOME_SUCCESS ? 1 : 0;
        sent->open = false;
        lab->open--;
        send_what_may_be_sent(lab);
    }
    lab->f.now_ns = until_ns;
}

static uint64_t limit_of(struct lab *lab)
{
    return fixture_info(&lab->f, "e0").limit;
}

static void lab_close(struct lab *lab)
{
    lab->demand = 0;
    run_for(lab, 1000 * SECOND);
    timeline_fini(&lab->timeline);
    fixture_dispatch(&lab->f);
    fixture_destroy(&lab->f);
    free(lab);
}

/** For three seconds, at every tenth of one, within 20 % of the knee. */
static void expect_knee(struct lab *lab, const char *when, size_t knee)
{
    for (size_t i = 0; i < 30; i++) {
        uint64_t limit = limit_of(lab);

        cr_expect(limit * 10 >= knee * 8 && limit * 10 <= knee * 12,
                  "%s, a knee of %zu: %zu.%zu s later the limit is %lu", when, knee, i / 10, i % 10,
                  limit);
        run_for(lab, 100 * MS);
    }
}

/* ---- Gradient ------------------------------------------------------------------------------ */

static void follow_gradient(size_t workers, uint64_t ns)
{
    struct lab *lab = lab_open(FO_LIMIT_GRADIENT, workers, ns);

    run_for(lab, 10 * SECOND);
    expect_knee(lab, "at first", workers);
    lab->server.workers = workers / 2;
    run_for(lab, 3 * SECOND);
    expect_knee(lab, "with half the workers", workers / 2);
    lab->server.workers = workers;
    run_for(lab, 10 * SECOND);
    expect_knee(lab, "with all again", workers);
    lab->server.service_ns *= 2;
    run_for(lab, 3 * SECOND);
    expect_knee(lab, "at half the speed", workers);
    lab_close(lab);
}

Test(load_adaptive, the_gradient_finds_the_knee_and_follows_it)
{
    follow_gradient(10, 20 * MS);
    follow_gradient(40, 20 * MS);
    follow_gradient(200, 5 * MS);
}

Test(load_adaptive, the_gradient_costs_little_of_what_the_server_can_do)
{
    struct lab *lab = lab_open(FO_LIMIT_GRADIENT, 40, 20 * MS);
    uint64_t before;

    run_for(lab, 10 * SECOND);
    before = lab->done;
    run_for(lab, 20 * SECOND);
    cr_expect_geq(lab->done - before, 0.95 * 40 * 1000 / 20 * 20);
    lab_close(lab);
}

Test(load_adaptive, a_limit_that_is_not_in_use_stays_as_it_is)
{
    struct lab *lab = lab_open(FO_LIMIT_GRADIENT, 40, 20 * MS);

    lab->demand = 5;
    run_for(lab, 20 * SECOND);
    cr_expect_eq(limit_of(lab), 20);
    lab->server.service_ns *= 4;
    run_for(lab, 20 * SECOND);
    cr_expect_eq(limit_of(lab), 20, "it is not what we have sent that makes it slow");
    lab_close(lab);
}

/* ---- AIMD ---------------------------------------------------------------------------------- */

Test(load_adaptive, aimd_finds_the_knee_and_follows_it)
{
    struct lab *lab = lab_open(FO_LIMIT_AIMD, 40, 20 * MS);

    run_for(lab, 10 * SECOND);
    expect_knee(lab, "at first", 40);
    lab->server.workers = 20;
    run_for(lab, 3 * SECOND);
    expect_knee(lab, "with half the workers", 20);
    lab_close(lab);
}

Test(load_adaptive, limits_stay_in_their_range_and_start_where_they_are_told)
{
    struct fo_config config;
    struct lab *lab = lab_open(FO_LIMIT_AIMD, 40, 20 * MS);

    config = fixture_config(&lab->f);
    config.load.limit = FO_LIMIT_AIMD;
    config.load.limit_first = 25;
    config.load.limit_max = 30;
    config.load.limit_min = 8;
    cr_assert_eq(fo_balancer_configure(lab->f.balancer, &config), FO_OK);
    cr_expect_eq(limit_of(lab), 25);
    run_for(lab, 10 * SECOND);
    cr_expect_eq(limit_of(lab), 30);
    lab->server.workers = 1;
    run_for(lab, 10 * SECOND);
    cr_expect_eq(limit_of(lab), 8);
    lab_close(lab);
}
