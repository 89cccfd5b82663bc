/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory budgets: what an endpoint, a thread and a balancer may cost, and that what is gone costs
 * nothing. Measured in the allocator, so padding and forgotten blocks count.
 */
#include "core.h"
#include "crew.h"
#include "fixture.h"
#include "retrier.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

/* The budgets. Balancer and endpoint are with everything that belongs to them: host, name,
 * settings, snapshot, a share of the hash tables; without the rows of threads. */
#define LEASE_BYTES 64
#define EMPTY_BALANCER_BYTES 4608
#define ENDPOINT_BYTES 1280
#define SNAPSHOT_ENDPOINT_BYTES 88
#define ROW_BYTES 512
#define ROW_CELL_BYTES 24 /* fo_config.row_limit: 16 hot and 8 cold for each endpoint */

/* Segments double: less than half of the cells of a row may be for endpoints yet to come. */
#define ROW_CELLS(n) (2 * (n) + 32)

#define N 10000u

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#endif

#ifdef ASAN
size_t __sanitizer_get_current_allocated_bytes(void);

static size_t bytes_in_use(void)
{
    return __sanitizer_get_current_allocated_bytes();
}
#else
static size_t bytes_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}
#endif

/** Bytes in use beyond those of before; 0 if there are fewer. */
static size_t bytes_since(size_t before)
{
    size_t now = bytes_in_use();
    return now > before ? now - before : 0;
}

/** A balancer that tells nobody, so that no recorder's memory is measured. */
static void open_silent(struct fixture *f)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.row_limit = 8;
    cr_assert_eq(fo_balancer_create(&config, &f->balancer), FO_OK);
}

static void close_silent(struct fixture *f)
{
    fo_balancer_destroy(f->balancer);
    fixture_destroy(f);
}

Test(memory, of_a_lease_is_one_cache_line)
{
    cr_expect_eq(sizeof(struct fo_lease), LEASE_BYTES);
}

Test(memory, of_a_retrier_and_a_request_is_as_told)
{
    cr_expect_leq(sizeof(struct fo_retrier), 5696);
    cr_expect_eq(sizeof(struct fo_retry), 512);
}

#define BALANCERS 100u

Test(memory, of_an_empty_balancer_is_within_budget)
{
    struct fo_balancer *balancers[BALANCERS];
    struct fo_config config;
    struct fixture f;
    size_t before;
    size_t each;

    open_silent(&f); /* pays for what the process has once */
    config = fixture_config(&f);
    before = bytes_in_use();
    for (uint32_t i = 0; i < BALANCERS; i++)
        cr_assert_eq(fo_balancer_create(&config, &balancers[i]), FO_OK);
    each = bytes_since(before) / BALANCERS;
    cr_expect_leq(each, EMPTY_BALANCER_BYTES, "%zu bytes", each);
    cr_expect_gt(each, sizeof(struct fo__core));
    for (uint32_t i = 0; i < BALANCERS; i++)
        fo_balancer_destroy(balancers[i]);
    fixture_dispatch(&f);
    cr_expect_lt(bytes_since(before), each * BALANCERS / 4, "they are gone, %zu bytes are not",
                 bytes_since(before));
    close_silent(&f);
}

Test(memory, of_an_endpoint_is_within_budget)
{
    struct fixture f;
    size_t before;
    size_t each;

    open_silent(&f);
    before = bytes_in_use();
    fixture_add(&f, N, NULL);
    each = bytes_since(before) / N;
    cr_expect_leq(each, ENDPOINT_BYTES, "%zu bytes", each);
    cr_expect_gt(each, SNAPSHOT_ENDPOINT_BYTES);
    close_silent(&f);
}

Test(memory, of_the_snapshot_is_within_budget)
{
    struct fixture f;
    size_t size;

    open_silent(&f);
    fixture_add(&f, N, NULL);
    size = malloc_usable_size(((struct fo__core *)(void *)f.balancer)->snapshot);
    cr_expect_leq(size, N * SNAPSHOT_ENDPOINT_BYTES, "%zu bytes each", size / N);
    close_silent(&f);
}

struct pickers {
    struct fixture f;
    pthread_barrier_t step;
};

static void pick_once_and_wait(size_t member, void *arg)
{
    struct pickers *pickers = arg;
    void *volatile first = malloc(1); /* what the allocator keeps for a thread is not measured */

    (void)member;
    free(first);
    pthread_barrier_wait(&pickers->step);
    pthread_barrier_wait(&pickers->step);
    fixture_pick_and_finish(&pickers->f, FO_OUTCOME_NEUTRAL);
    pthread_barrier_wait(&pickers->step);
    pthread_barrier_wait(&pickers->step);
}

static void expect_rows_within_budget(size_t n)
{
    const size_t budget = ROW_BYTES + ROW_CELLS(n) * ROW_CELL_BYTES;
    struct pickers pickers;
    struct crew *crew;
    size_t before;
    size_t each;

    open_silent(&pickers.f);
    fixture_add(&pickers.f, n, NULL);
    fixture_pick_and_finish(&pickers.f, FO_OUTCOME_NEUTRAL);
    pthread_barrier_init(&pickers.step, NULL, 5);
    crew = crew_start(4, pick_once_and_wait, &pickers);
    pthread_barrier_wait(&pickers.step);
    before = bytes_in_use();
    pthread_barrier_wait(&pickers.step);
    pthread_barrier_wait(&pickers.step);
    each = bytes_since(before) / 4;
    cr_expect_leq(each, budget, "%zu endpoints: %zu bytes a thread", n, each);
    cr_expect_gt(each, n * ROW_CELL_BYTES);
    pthread_barrier_wait(&pickers.step);
    crew_join(crew);
    close_silent(&pickers.f);
}

Test(memory, of_a_thread_is_within_budget)
{
    expect_rows_within_budget(5);
    expect_rows_within_budget(100);
    expect_rows_within_budget(N);
}

static void change_everything(struct fixture *f, uintptr_t round)
{
    const char *gone[] = {"e3", "e4"};
    struct fo_endpoint_config config = fo_endpoint_config_init("e5");

    config.data = fixture_data(round % 7);
    config.max_weight = 50;
    config.tags = round % 3;
    cr_assert_eq(fo_balancer_update(f->balancer, &config, 1, gone, 2, NULL), FO_OK);
    cr_assert_eq(fo_report(f->balancer, "e1", FO_OUTCOME_DOWN), FO_OK);
    fixture_pick_and_finish(f, FO_OUTCOME_SUCCESS);
    fixture_add(f, 10, NULL);
    fixture_advance_ms(f, 500);
}

/* Data and tags repeat every 21 rounds: memory is compared at the same point of them. */
Test(memory, does_not_grow_with_updates)
{
    struct fixture f;
    size_t before;

    open_silent(&f);
    fixture_add(&f, 10, NULL);
    for (uintptr_t round = 0; round < 210; round++)
        change_everything(&f, round);
    before = bytes_in_use();
    for (uintptr_t round = 0; round < 1050; round++)
        change_everything(&f, round);
    cr_expect_leq(bytes_since(before), 4096, "%zu bytes more", bytes_since(before));
    close_silent(&f);
}

/* A thousand rows would be more than a megabyte; a few may wait for their thread to look. */
Test(memory, does_not_grow_with_balancers_that_come_and_go)
{
    size_t before = 0;

    for (int round = 0; round < 1100; round++) {
        struct fixture f;

        if (round == 100)
            before = bytes_in_use();
        open_silent(&f);
        fixture_add(&f, 5, NULL);
        for (int i = 0; i < 20; i++)
            fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
        close_silent(&f);
    }
    cr_expect_leq(bytes_since(before), 65536, "%zu bytes more", bytes_since(before));
}

static void pick_on_and_exit(size_t member, void *arg)
{
    (void)member;
    fixture_pick_and_finish(arg, FO_OUTCOME_SUCCESS);
}

Test(memory, does_not_grow_with_threads_that_come_and_go)
{
    struct fixture f;
    size_t before = 0;

    open_silent(&f);
    fixture_add(&f, 100, NULL);
    for (int round = 0; round < 600; round++) {
        if (round == 100)
            before = bytes_in_use();
        crew_run(2, pick_on_and_exit, &f);
    }
    cr_expect_leq(bytes_since(before), 16384, "%zu bytes more", bytes_since(before));
    close_silent(&f);
}
