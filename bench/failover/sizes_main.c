/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints what things cost in memory, as malloc sees it, one "key bytes" a line: a balancer by
 * itself, each endpoint of it with its host and all indices, and each thread that picks on it.
 */
#include <failover/failover.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const size_t sizes[] = {5, 100, 1000, 10000};

static size_t allocated(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void expect(fo_status status)
{
    if (status == FO_OK)
        return;
    fprintf(stderr, "sizes_main: %s\n", fo_status_name(status));
    exit(1);
}

static struct fo_balancer *create(struct fo_runtime *runtime)
{
    struct fo_config config = fo_config_init();
    struct fo_balancer *balancer;

    config.runtime = runtime;
    expect(fo_balancer_create(&config, &balancer));
    return balancer;
}

static void add_endpoints(struct fo_balancer *balancer, size_t n)
{
    struct fo_endpoint_config *endpoints = calloc(n, sizeof(*endpoints));
    char(*names)[48] = calloc(n, sizeof(*names));

    if (endpoints == NULL || names == NULL)
        exit(1);
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof(names[i]), "10.0.%zu.%zu:9092", i / 250, i % 250);
        endpoints[i] = fo_endpoint_config_init(names[i]);
    }
    expect(fo_balancer_update(balancer, endpoints, n, NULL, 0, NULL));
    free(names);
    free(endpoints);
}

/* A thread of its own, so that nothing which the first pick makes is there already. */
static void *pick_once(void *arg)
{
    struct fo_lease lease;
    size_t before = allocated();

    expect(fo_pick(arg, &lease));
    expect(fo_finish(&lease, FO_OUTCOME_SUCCESS));
    before = allocated() - before;
    printf("%zu\n", before);
    return NULL;
}

static void print_thread(struct fo_balancer *balancer, size_t n)
{
    pthread_t thread;

    printf("thread_at_%zu ", n);
    fflush(stdout);
    if (pthread_create(&thread, NULL, pick_once, balancer) != 0 || pthread_join(thread, NULL) != 0)
        exit(1);
}

int main(void)
{
    struct fo_runtime *runtime;
    struct fo_balancer *balancer;
    size_t before;

    mallopt(M_ARENA_MAX, 1); /* mallinfo2() sees the main arena only */
    setvbuf(stdout, NULL, _IOLBF, 256);
    expect(fo_runtime_create(NULL, &runtime));
    create(runtime); /* the first one also makes what the process needs once */
    before = allocated();
    create(runtime);
    printf("lease %zu\n", sizeof(struct fo_lease));
    printf("balancer %zu\n", allocated() - before);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        balancer = create(runtime);
        before = allocated();
        add_endpoints(balancer, sizes[i]);
        printf("endpoint_at_%zu %zu\n", sizes[i], (allocated() - before) / sizes[i]);
        print_thread(balancer, sizes[i]);
    }
    return 0;
}
