/* SPDX-License-Identifier: Apache-2.0
 *
 * Group: owns the hosts and knows which endpoints are on each.
 *
 * Hosts are found, made and counted under the group lock. They are freed by the dispatcher only,
 * when it meets a queued host without references: whoever drops the last reference queues it.
 */
#ifndef FO_GROUP_H
#define FO_GROUP_H

#include "endpoint.h"
#include "names.h"
#include "runtime.h"
#include "tick_call.h"
#include "words.h"

#include <failover/group.h>
#include <pthread.h>

struct fo_group {
    /* Read-only. */
    struct fo_runtime *runtime;
    struct fo_trial_config trial;  /* defaults filled in */
    struct fo_check_config *check; /* likewise; NULL: none */
    struct fo_judge_config judge;  /* defaults filled in */
    bool shared;                   /* made by fo_group_create() */

    _Atomic uint64_t changes; /* of host words that not every balancer's sums have seen */
    struct fo__tick_call tick_call;
    _Atomic uint32_t weight_listeners; /* balancers that have some (weighing.h) */
    _Atomic uint64_t rng;              /* jitter; the dispatcher's */

    pthread_mutex_t lock;
    struct fo__names hosts;        /* under the lock */
    struct fo__words words;        /* of the hosts; under the lock */
    uint32_t references;           /* the creator, balancers and hosts; under the lock */
    struct fo_balancer *balancers; /* of a shared group; under the lock */
    struct fo__judged *judged;     /* hosts, newest first; under the lock */

    /* The dispatcher's (judge.c, watch.c). */
    uint32_t ejected; /* hosts */
    struct fo__timer watch_timer;
    uint64_t look_ns;       /* from one look to the next */
    uint64_t bucket_due_ns; /* the next bucket of the windows begins; FO__NEVER: there are none */

    /* The dispatcher's (tick.c). */
    bool ticks;
    uint64_t tick_due_ns;
    uint64_t ticked_changes;     /* `changes` as the last round began */
    struct fo_balancer *tick_at; /* the next to be mended in this round; NULL: it is over */
    struct fo_group *tick_next;  /* of the runtime's that tick */
};

/** Whether the numbers are in range. */
bool fo__trial_config_is_valid(const struct fo_trial_config *trial);

/** A group with one reference. */
fo_status fo__group_make(const struct fo_group_config *config, uint64_t seed, bool shared,
                         struct fo_group **group);

void fo__group_ref(struct fo_group *group);
void fo__group_unref(struct fo_group *group);

/** The host of that name with one more reference, made with `word` if it is new. NULL: no memory. */
struct fo__host *fo__group_acquire_host(struct fo_group *group, const char *name, uint64_t word);

/** Gives the host an address to be checked, and takes the one that it had; NULL: the name. */
char *fo__group_exchange_address(struct fo__host *host, char *address);

/** Whether the host has that address to be checked, as text. */
bool fo__group_has_address(struct fo__host *host, const char *address);

/** Whether the group has a host of that name that was given an address. */
bool fo__group_knows_address(struct fo_group *group, const char *name);

/** Drops a reference. The dispatcher frees the host, later. */
void fo__group_release_host(struct fo__host *host);

/** Dispatcher: takes a host without references out of the group. False: it has some. */
bool fo__group_retire_host(struct fo__host *host);

/** Dispatcher: frees a retired host, whose timer is cancelled. */
void fo__group_free_host(struct fo__host *host);

/** Enters an endpoint in its host's list, and takes it out. */
void fo__group_attach(struct fo_endpoint *endpoint);
void fo__group_detach(struct fo_endpoint *endpoint);

#endif
