/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: however threads come and go, nothing that was counted is lost or counted twice, and no
 * memory is kept for what is gone.
 */
#include "core.h"
#include "crew.h"
#include "fixture.h"
#include "rcu.h"
#include "row.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

static struct fo__row_set *rows_of(struct fo_balancer *balancer)
{
    return &((struct fo__core *)(void *)balancer)->rows;
}

/** How many rows a set has, and how many of them count. */
static uint32_t count_rows(struct fo__row_set *set, uint32_t *counting)
{
    uint32_t count = 0;

    *counting = 0;
    for (struct fo__row *row = set->rows; row != NULL; row = row->next) {
        count++;
        *counting += row->counts ? 1 : 0;
    }
    return count;
}

static void open_limited(struct fixture *f, uint32_t row_limit, size_t n)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.row_limit = row_limit;
    fixture_balancer(f, &config);
    fixture_add(f, n, NULL);
}

struct totals {
    uint64_t started, finished, failed, in_flight;
};

static struct totals totals_of(struct fixture *f, size_t n)
{
    struct totals totals = {0, 0, 0, 0};

    for (size_t i = 0; i < n; i++) {
        struct fo_endpoint_info info = fixture_info(f, fixture_name(i));

        totals.started += info.started;
        totals.finished += info.finished;
        totals.failed += info.failed;
        totals.in_flight += info.in_flight;
    }
    return totals;
}

static void expect_totals(struct fixture *f, size_t n, uint64_t started, uint64_t finished,
                          uint64_t failed)
{
    struct totals totals = totals_of(f, n);

    cr_expect_eq(totals.started, started, "%zu started", (size_t)totals.started);
    cr_expect_eq(totals.finished, finished, "%zu finished", (size_t)totals.finished);
    cr_expect_eq(totals.failed, failed, "%zu failed", (size_t)totals.failed);
    cr_expect_eq(totals.in_flight, started - finished);
}

/* ---- Cells -------------------------------------------------------------------------------- */

Test(row, keeps_its_counts_where_they_are_while_it_grows)
{
    struct fo__row_set set;
    struct fo__row *row;
    struct fo__cell *first;

    fo__row_set_init(&set, 77, 1, 1);
    cr_assert(fo__row_set_grow(&set, 1));
    row = fo__row_of(&set);
    first = fo__row_cell(row, fo__cell_ref_of(0));
    cr_assert_not_null(first);
    fo__count(&first->started);
    cr_expect_null(fo__row_cell(row, fo__cell_ref_of(5000)));
    cr_assert(fo__row_set_grow(&set, 5001));
    cr_expect_eq(fo__row_cell(row, fo__cell_ref_of(0)), first);
    cr_expect_not_null(fo__row_cell(row, fo__cell_ref_of(5000)));
    cr_expect_eq(fo__row_set_sum(&set, fo__cell_ref_of(0)).started, 1);
    cr_expect_eq(fo__row_of(&set), row);
    fo__row_set_fini(&set);
}

/* A different number in every counter of as many endpoints as there can be. */
Test(row, has_no_two_counters_in_one_place)
{
    struct fo__row_set set;
    struct fo__row *row;

    fo__row_set_init(&set, 78, 1, 1);
    cr_assert(fo__row_set_grow(&set, FO_ENDPOINTS_MAX + 1));
    row = fo__row_of(&set);
    for (uint32_t i = 0; i <= FO_ENDPOINTS_MAX; i++) {
        struct fo__cell *cell = fo__row_cell(row, fo__cell_ref_of(i));

        cell->started = 3 * i;
        cell->finished = 3 * i + 1;
        *fo__row_failed(row, fo__cell_ref_of(i)) = 3 * i + 2;
    }
    for (uint32_t i = 0; i <= FO_ENDPOINTS_MAX; i++) {
        struct fo__counts sum = fo__row_set_sum(&set, fo__cell_ref_of(i));

        cr_assert(sum.started == 3 * i && sum.finished == 3 * i + 1 && sum.failed == 3 * i + 2,
                  "endpoint number %u", i);
    }
    fo__row_set_fini(&set);
}

/* ---- Threads ------------------------------------------------------------------------------ */

#define PICKS 20000u

struct pickers {
    struct fixture f;
    pthread_barrier_t all_have_rows;
};

/** Every tenth is a failure; outcomes move nothing here (fixture_weights). */
static void pick_many(size_t member, void *arg)
{
    struct pickers *pickers = arg;

    for (uint32_t i = 0; i < PICKS; i++) {
        fixture_pick_and_finish(&pickers->f,
                                (i + member) % 10 == 0 ? FO_OUTCOME_FAILURE : FO_OUTCOME_SUCCESS);
        if (i == 0)
            pthread_barrier_wait(&pickers->all_have_rows);
    }
}

Test(row, is_private_to_each_thread_up_to_the_limit_and_shared_beyond)
{
    struct pickers pickers;
    uint32_t counting;

    pthread_barrier_init(&pickers.all_have_rows, NULL, 6);
    open_limited(&pickers.f, 2, 5);
    crew_run(6, pick_many, &pickers);
    expect_totals(&pickers.f, 5, 6 * PICKS, 6 * PICKS, 6 * PICKS / 10);
    cr_expect_eq(count_rows(rows_of(pickers.f.balancer), &counting), 6);
    cr_expect_eq(counting, 2);
    fixture_destroy(&pickers.f);
}

static void pick_few(size_t member, void *arg)
{
    (void)member;
    for (int i = 0; i < 100; i++)
        fixture_pick_and_finish(arg, FO_OUTCOME_FAILURE);
}

Test(row, is_given_back_at_thread_exit_and_continued_by_the_next)
{
    uint32_t counting;
    struct fixture f;

    open_limited(&f, 3, 4);
    for (uint32_t i = 1; i <= 50; i++) {
        crew_run(1, pick_few, &f);
        expect_totals(&f, 4, i * 100, i * 100, i * 100);
    }
    cr_expect_eq(count_rows(rows_of(f.balancer), &counting), 1, "one after the other, one row");
    cr_expect_eq(counting, 1);
    crew_run(8, pick_few, &f);
    expect_totals(&f, 4, 5800, 5800, 5800);
    cr_expect_leq(count_rows(rows_of(f.balancer), &counting), 8);
    cr_expect_leq(counting, 3);
    fixture_destroy(&f);
}

struct handover {
    struct fixture *f;
    struct fo_lease leases[4][100];
};

static void pick_and_leave(size_t member, void *arg)
{
    struct handover *handover = arg;

    for (int i = 0; i < 100; i++)
        cr_assert_eq(fo_pick(handover->f->balancer, &handover->leases[member][i]), FO_OK);
}

static void finish_of_neighbour(size_t member, void *arg)
{
    struct handover *handover = arg;

    for (int i = 0; i < 100; i++)
        cr_assert_eq(fo_finish(&handover->leases[(member + 1) % 4][i], FO_OUTCOME_SUCCESS), FO_OK);
}

Test(row, of_an_exited_thread_keeps_counting_its_open_leases)
{
    static struct handover handover;
    struct fixture f;

    open_limited(&f, 2, 3);
    handover.f = &f;
    crew_run(4, pick_and_leave, &handover);
    expect_totals(&f, 3, 400, 0, 0);
    crew_run(4, finish_of_neighbour, &handover);
    expect_totals(&f, 3, 400, 400, 0);
    fixture_destroy(&f);
}

/* An endpoint's number is used again: the next one begins at zero. */
Test(row, counts_from_zero_for_whoever_takes_a_number_over)
{
    const char *name = "e0";
    struct fixture f;

    open_limited(&f, 2, 1);
    crew_run(3, pick_few, &f); /* in rows and in the shared cell */
    for (int round = 0; round < 3; round++) {
        cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, &name, 1, NULL), FO_OK);
        fixture_dispatch(&f);
        fixture_add(&f, 1, NULL);
        expect_totals(&f, 1, 0, 0, 0);
        crew_run(3, pick_few, &f);
        expect_totals(&f, 1, 300, 300, 300);
    }
    fixture_destroy(&f);
}

/* ---- Many balancers ----------------------------------------------------------------------- */

#define BALANCERS 150u

Test(row, is_found_again_among_those_of_many_balancers)
{
    static struct fo_balancer *balancers[BALANCERS];
    struct fo_config config;
    struct fixture f;

    fixture_init(&f);
    config = fixture_config(&f);
    for (uint32_t i = 0; i < BALANCERS; i++) {
        cr_assert_eq(fo_balancer_create(&config, &balancers[i]), FO_OK);
        fixture_add_to(balancers[i], 2, NULL, NULL);
    }
    for (uint32_t round = 1; round <= 20; round++) {
        for (uint32_t i = 0; i < BALANCERS; i++) {
            struct fo_lease lease = fo_lease_init();

            cr_assert_eq(fo_pick(balancers[(i * 37) % BALANCERS], &lease), FO_OK);
            cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
        }
    }
    for (uint32_t i = 0; i < BALANCERS; i++) {
        uint32_t counting;

        f.balancer = balancers[i];
        expect_totals(&f, 2, 20, 20, 0);
        cr_expect_eq(count_rows(rows_of(balancers[i]), &counting), 1);
        cr_expect_eq(counting, 1);
        fo_balancer_destroy(balancers[i]);
    }
    fixture_destroy(&f);
}

/* Ids that meet in tables of 8, of 16, …, of 256 places. */
Test(row, is_found_at_the_first_look_also_when_ids_meet)
{
    const uint64_t number[] = {1, 9, 17, 33, 65, 129, 257};
    struct fo__row_set set[sizeof(number) / sizeof(number[0])];
    struct fo__row *row[sizeof(number) / sizeof(number[0])];

    if (!fo__rcu_is_cheap())
        cr_skip_test("no row is at home here");
    for (size_t i = 0; i < sizeof(number) / sizeof(number[0]); i++) {
        fo__row_set_init(&set[i], number[i] * FO__BALANCER_ID_STEP, 4, i);
        cr_assert(fo__row_set_grow(&set[i], 1));
        row[i] = fo__row_of(&set[i]);
        for (size_t j = 0; j <= i; j++)
            cr_expect_eq(fo__row_at_home(set[j].balancer_id), row[j], "%zu of %zu", j, i);
    }
    for (size_t i = 0; i < sizeof(number) / sizeof(number[0]); i++)
        fo__row_set_fini(&set[i]);
}

/* A worker that outlives many short-lived balancers must not remember them all. */
Test(row, table_of_a_thread_does_not_grow_with_balancers_that_are_gone)
{
    struct fo_config config;
    struct fixture f;

    fixture_init(&f);
    config = fixture_config(&f);
    for (int i = 0; i < 3000; i++) {
        struct fo_lease lease = fo_lease_init();
        struct fo_balancer *balancer;

        cr_assert_eq(fo_balancer_create(&config, &balancer), FO_OK);
        fixture_add_to(balancer, 1, NULL, NULL);
        cr_assert_eq(fo_pick(balancer, &lease), FO_OK);
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
        fo_balancer_destroy(balancer);
        fixture_dispatch(&f);
    }
    cr_expect_leq(fo__thread_rows.reach / sizeof(struct fo__row_entry), 63);
    fixture_destroy(&f);
}

struct orphans {
    struct fixture f;
    pthread_barrier_t step;
};

/** Picks, waits until the balancer is gone, picks on another, and exits. */
static void outlive(size_t member, void *arg)
{
    struct orphans *orphans = arg;

    pick_few(member, &orphans->f);
    pthread_barrier_wait(&orphans->step);
    pthread_barrier_wait(&orphans->step);
    pick_few(member, &orphans->f);
}

Test(row, of_a_balancer_that_is_gone_is_freed_by_its_thread)
{
    struct orphans orphans;
    struct crew *crew;

    pthread_barrier_init(&orphans.step, NULL, 4);
    fixture_open(&orphans.f, 3, NULL);
    crew = crew_start(3, outlive, &orphans);
    pthread_barrier_wait(&orphans.step);
    fixture_close(&orphans.f, orphans.f.balancer);
    fixture_dispatch(&orphans.f);
    fixture_balancer(&orphans.f, NULL);
    fixture_add(&orphans.f, 3, NULL);
    pthread_barrier_wait(&orphans.step);
    crew_join(crew);
    expect_totals(&orphans.f, 3, 300, 300, 300);
    fixture_destroy(&orphans.f);
}

/* ---- The end of a thread ------------------------------------------------------------------ */

struct last_words {
    struct fixture f;
    struct fo_lease lease;
    pthread_key_t key;
    int rounds;
};

/** Runs behind the library's destructor: its key was made later, and it asks for more rounds. */
static void finish_late(void *arg)
{
    struct fo_lease another = fo_lease_init();
    struct last_words *words = arg;

    if (words->rounds++ < 2) {
        pthread_setspecific(words->key, words);
        return;
    }
    cr_assert(fo__thread_rows.exiting, "the library's rows are given back by now");
    cr_assert_eq(fo_finish(&words->lease, FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(fo_pick(words->f.balancer, &another), FO_OK);
    cr_assert_eq(fo_finish(&another, FO_OUTCOME_SUCCESS), FO_OK);
}

static void pick_and_exit(size_t member, void *arg)
{
    struct last_words *words = arg;

    (void)member;
    cr_assert_eq(fo_pick(words->f.balancer, &words->lease), FO_OK);
    cr_assert_eq(pthread_key_create(&words->key, finish_late), 0);
    pthread_setspecific(words->key, words);
}

Test(row, is_not_needed_for_a_finish_late_in_the_exit_of_a_thread)
{
    struct last_words words = {.rounds = 0};

    open_limited(&words.f, 4, 2);
    crew_run(1, pick_and_exit, &words);
    cr_expect_eq(words.rounds, 3);
    expect_totals(&words.f, 2, 2, 2, 1);
    fixture_destroy(&words.f);
}

/* The row is given back exactly once, also when the thread still uses the library afterwards. */
Test(row, of_late_finishers_goes_to_one_thread_at_a_time)
{
    struct last_words words;
    uint32_t counting;
    struct fixture *f = &words.f;

    open_limited(f, 4, 2);
    for (uint32_t i = 1; i <= 10; i++) {
        words.rounds = 0;
        crew_run(1, pick_and_exit, &words);
        pthread_key_delete(words.key);
        expect_totals(f, 2, 2 * i, 2 * i, i);
    }
    cr_expect_eq(count_rows(rows_of(f->balancer), &counting), 1);
    fixture_destroy(f);
}
