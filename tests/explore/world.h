/* SPDX-License-Identifier: Apache-2.0
 *
 * The small world that scenarios play in: one runtime, a group of one or two balancers, a few
 * endpoints, a few leases, and listeners that count.
 *
 * Every schedule makes a new one and takes it down, so it is made of as little as possible. Time is
 * ours, and every random number comes from a fixed seed: a schedule repeats to the last step.
 */
#ifndef WORLD_H
#define WORLD_H

#include "explore.h"
#include "members.h"

#include <failover/failover.h>

#define WORLD_BALANCERS 2
#define WORLD_NAMES 3
#define WORLD_LEASES 4
#define WORLD_WEIGHT 128.0 /* of every endpoint: steps of 1 are exact */
#define WORLD_INCARNATIONS 16

/** What was told about one incarnation. */
struct world_told {
    uint64_t id; /* 0: unused */
    void *balancer;
    unsigned added;
    unsigned removed;
    unsigned released;
};

struct world {
    struct fo_runtime *runtime;
    struct fo_group *group; /* NULL: each balancer has its own */
    struct fo_balancer *balancer[WORLD_BALANCERS];
    unsigned balancers;
    struct fo_lease lease[WORLD_LEASES];
    struct world_told told[WORLD_INCARNATIONS];
    char data[2][WORLD_NAMES]; /* addresses for the names: their usual data, and other data */
    unsigned closed;
    unsigned unborn; /* incarnations that an update made and took back */
    bool out_of_memory;
    uint64_t now_ms;
};

extern struct world world;

struct world_plan {
    unsigned balancers; /* more than one share a group */
    unsigned names;     /* endpoints in each: "a", "b" … */
    unsigned row_limit; /* threads above it count in shared cells; 0: none does */
    const struct fo_weight_function *weight; /* NULL: the default */
    uint32_t ramp_ms;                        /* as in fo_trial_config */
};

void world_begin(const struct world_plan *plan);

/** Picks into a lease on behalf of a thread, in setup. */
void world_pick(unsigned thread, unsigned lease);

/** Picks and finishes at once, in a thread; false if there was nothing to pick. */
bool world_pick_and_finish(unsigned balancer, fo_outcome outcome);

/** Finishes a lease, in a thread or in check. */
void world_finish(unsigned lease, fo_outcome outcome);

/** Updates of one name of the first balancer: put with its usual or with other data, or remove. */
void world_put(unsigned name);
void world_put_other_data(unsigned name);
void world_remove(unsigned name);

/** As world_put(), but there is no memory for it. No other thread needs any meanwhile. */
void world_put_in_vain(unsigned name);

void world_advance_ms(uint64_t ms);

/** Dispatches until nothing is left, on the time as it is. */
void world_dispatch(void);

/** The host of a name, as the first balancer's snapshot has it. */
struct fo__host *world_host(unsigned name);

/** Checks that every sum and contribution of every balancer is what it must be. */
void world_check_sums(void);

/** Dispatches, and checks that what is no member and has no lease was released, and no other. */
void world_check_released(void);

/** Finishes the leases that are left, takes everything down, and checks that each incarnation was
 * released once. */
void world_end(void);

#endif
