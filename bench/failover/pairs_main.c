/* SPDX-License-Identifier: Apache-2.0
 *
 * pairs floor|healthy COUNT: does that many pairs of pick and finish at N = 1000 on one thread, and
 * nothing else. Under callgrind the difference of two runs is the number of instructions of a pair:
 * the same to the last one on every run, so it can be held to a limit where times cannot.
 */
#include "floor.h"

#include <failover/failover.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 1000

static void run_floor(long pairs)
{
    double weights[N];
    struct floor_lease lease;
    struct floor *floor;

    for (int i = 0; i < N; i++)
        weights[i] = 100;
    floor = floor_create(weights, N);
    floor_prepare_thread(floor);
    for (long i = 0; i < pairs; i++) {
        floor_pick(floor, &lease);
        floor_finish(&lease);
    }
}

static fo_status make_balancer(struct fo_runtime *runtime, struct fo_balancer **balancer)
{
    static char names[N][8];
    struct fo_config config = fo_config_init();
    struct fo_endpoint_config endpoints[N];
    fo_status status;

    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "e%d", i);
        endpoints[i] = fo_endpoint_config_init(names[i]);
    }
    config.seed = 1;
    config.runtime = runtime;
    status = fo_balancer_create(&config, balancer);
    return status != FO_OK ? status : fo_balancer_update(*balancer, endpoints, N, NULL, 0, NULL);
}

static fo_status run_healthy(long pairs)
{
    struct fo_runtime *runtime;
    struct fo_balancer *balancer;
    fo_status status = fo_runtime_create(NULL, &runtime);

    if (status == FO_OK)
        status = make_balancer(runtime, &balancer);
    for (long i = 0; i < pairs && status == FO_OK; i++) {
        struct fo_lease lease;

        status = fo_pick(balancer, &lease);
        if (status == FO_OK)
            status = fo_finish(&lease, FO_OUTCOME_SUCCESS);
    }
    return status;
}

int main(int argc, char **argv)
{
    long pairs = argc == 3 ? strtol(argv[2], NULL, 10) : 0;

    if (pairs > 0 && strcmp(argv[1], "floor") == 0) {
        run_floor(pairs);
        return 0;
    }
    if (pairs > 0 && strcmp(argv[1], "healthy") == 0)
        return run_healthy(pairs) == FO_OK ? 0 : 1;
    fputs("usage: pairs_main floor|healthy COUNT\n", stderr);
    return 2;
}
