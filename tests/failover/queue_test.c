/* SPDX-License-Identifier: Apache-2.0 */
#include "queue.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>

#define NODES 100

struct world {
    struct fo__queue queue;
    struct fo__node node[NODES];
};

static void init(struct world *world)
{
    cr_assert(fo__queue_init(&world->queue));
    for (int i = 0; i < NODES; i++)
        fo__node_init(&world->node[i], FO__NODE_ENDPOINT);
}

static bool is_awake(const struct world *world)
{
    struct pollfd ready = {.fd = world->queue.wake_fd, .events = POLLIN};
    return poll(&ready, 1, 0) == 1;
}

/** The number of nodes in a taken list. */
static int take_all(struct world *world)
{
    int count = 0;

    for (struct fo__node *node = fo__queue_take(&world->queue); node != NULL; count++) {
        struct fo__node *next = node->next;

        fo__node_taken(node);
        node = next;
    }
    return count;
}

Test(queue, hands_out_the_oldest_first)
{
    struct world world;
    struct fo__node *node;

    init(&world);
    for (int i = 0; i < NODES; i++)
        fo__queue_push(&world.queue, &world.node[(i * 37) % NODES]);
    node = fo__queue_take(&world.queue);
    for (int i = 0; i < NODES; i++, node = node->next)
        cr_assert_eq(node, &world.node[(i * 37) % NODES]);
    cr_expect_null(node);
    cr_expect(fo__queue_is_empty(&world.queue));
    fo__queue_fini(&world.queue);
}

Test(queue, holds_a_node_at_most_once)
{
    struct world world;

    init(&world);
    for (int i = 0; i < 10; i++)
        fo__queue_push(&world.queue, &world.node[i % 2]);
    cr_expect_eq(take_all(&world), 2);
    cr_expect_eq(take_all(&world), 0);
    fo__queue_fini(&world.queue);
}

Test(queue, takes_a_node_again_once_it_was_taken)
{
    struct world world;

    init(&world);
    for (int i = 0; i < 5; i++) {
        fo__queue_push(&world.queue, &world.node[0]);
        cr_expect_eq(take_all(&world), 1);
    }
    fo__queue_fini(&world.queue);
}

/* A change behind the look of the consumer must bring the node back. */
Test(queue, takes_a_node_again_between_taken_and_look)
{
    struct world world;
    struct fo__node *node;

    init(&world);
    fo__queue_push(&world.queue, &world.node[0]);
    node = fo__queue_take(&world.queue);
    fo__queue_push(&world.queue, node); /* still marked as queued: merged */
    cr_expect(fo__queue_is_empty(&world.queue));
    fo__node_taken(node);
    fo__queue_push(&world.queue, node);
    cr_expect_eq(take_all(&world), 1);
    fo__queue_fini(&world.queue);
}

Test(queue, wakes_for_the_first_node_and_sleeps_when_told)
{
    struct world world;

    init(&world);
    cr_expect_not(is_awake(&world));
    fo__queue_push(&world.queue, &world.node[0]);
    cr_expect(is_awake(&world));
    fo__queue_clear_wake(&world.queue);
    cr_expect_not(is_awake(&world));
    fo__queue_push(&world.queue, &world.node[1]);
    cr_expect_not(is_awake(&world), "the first one has woken already");
    cr_expect_eq(take_all(&world), 2);
    fo__queue_push(&world.queue, &world.node[2]);
    cr_expect(is_awake(&world));
    fo__queue_fini(&world.queue);
}

Test(queue, stays_awake_until_told_whatever_was_taken)
{
    struct world world;

    init(&world);
    fo__queue_wake(&world.queue);
    fo__queue_wake(&world.queue);
    cr_expect_eq(take_all(&world), 0);
    cr_expect(is_awake(&world));
    fo__queue_clear_wake(&world.queue);
    fo__queue_clear_wake(&world.queue);
    cr_expect_not(is_awake(&world));
    fo__queue_fini(&world.queue);
}

Test(queue, is_awake_again_on_a_descriptor_of_its_own_after_reopening)
{
    struct world world;
    int number;

    init(&world);
    number = world.queue.wake_fd;
    cr_expect(fo__queue_reopen(&world.queue));
    cr_expect_eq(world.queue.wake_fd, number);
    cr_expect(is_awake(&world));
    fo__queue_clear_wake(&world.queue);
    cr_expect_not(is_awake(&world));
    fo__queue_fini(&world.queue);
}

/* What a lost thread had marked and not linked can be queued again; what was linked is so once. */
Test(queue, renewed_has_what_was_taken_and_what_was_linked_and_nothing_else)
{
    struct world world;
    struct fo__node *taken;

    init(&world);
    fo__queue_push(&world.queue, &world.node[0]);
    fo__queue_push(&world.queue, &world.node[1]);
    taken = fo__queue_take(&world.queue);
    fo__queue_push(&world.queue, &world.node[2]);
    atomic_store(&world.node[3].queued, 1);
    for (int i = 0; i < 4; i++)
        fo__node_taken(&world.node[i]);
    fo__queue_renew(&world.queue, taken);
    for (int i = 0; i < 3; i++)
        fo__queue_push(&world.queue, &world.node[i]);
    cr_expect_eq(take_all(&world), 3);
    fo__queue_push(&world.queue, &world.node[3]);
    cr_expect_eq(take_all(&world), 1);
    fo__queue_fini(&world.queue);
}

struct counted {
    struct fo__node node;
    _Atomic uint32_t changes; /* by producers */
    uint32_t seen;            /* by the consumer */
};

struct producers {
    struct fo__queue queue;
    struct counted counted[8];
    _Atomic int running;
};

static void *produce(void *arg)
{
    struct producers *producers = arg;

    for (uint32_t i = 0; i < 20000; i++) {
        struct counted *counted = &producers->counted[i % 8];

        atomic_fetch_add(&counted->changes, 1);
        fo__queue_push(&producers->queue, &counted->node);
    }
    atomic_fetch_sub(&producers->running, 1);
    return NULL;
}

static void consume(struct producers *producers)
{
    struct fo__node *node = fo__queue_take(&producers->queue);

    while (node != NULL) {
        struct counted *counted = (struct counted *)(void *)node;

        node = node->next;
        fo__node_taken(&counted->node);
        counted->seen = atomic_load(&counted->changes);
    }
}

Test(queue, loses_no_change_of_two_producers)
{
    struct producers producers = {.running = 2};
    pthread_t thread[2];

    cr_assert(fo__queue_init(&producers.queue));
    for (int i = 0; i < 8; i++)
        fo__node_init(&producers.counted[i].node, FO__NODE_ENDPOINT);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, produce, &producers), 0);
    while (atomic_load(&producers.running) > 0)
        consume(&producers);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    consume(&producers);
    for (int i = 0; i < 8; i++)
        cr_expect_eq(producers.counted[i].seen, 5000);
    fo__queue_fini(&producers.queue);
}
