/* SPDX-License-Identifier: Apache-2.0 */
#include "group.h"

#include "abi.h"
#include "atfork.h"
#include "check.h"
#include "check_config.h"
#include "cold.h"
#include "judge.h"
#include "judge_config.h"
#include "rng.h"

#include <stdlib.h>
#include <string.h>

#define BACKOFF_MS 1000u
#define BACKOFF_MAX_MS 30000u
#define TIMEOUT_MS 5000u
#define RAMP_MS 30000u

static struct fo_trial_config with_defaults(const struct fo_trial_config *given)
{
    struct fo_trial_config trial = *given;

    if (trial.backoff_ms == 0)
        trial.backoff_ms = BACKOFF_MS;
    if (trial.backoff_max_ms == 0)
        trial.backoff_max_ms =
            trial.backoff_ms > BACKOFF_MAX_MS ? trial.backoff_ms : BACKOFF_MAX_MS;
    if (trial.timeout_ms == 0)
        trial.timeout_ms = TIMEOUT_MS;
    if (trial.ramp_ms == 0)
        trial.ramp_ms = RAMP_MS;
    return trial;
}

bool fo__trial_config_is_valid(const struct fo_trial_config *trial)
{
    struct fo_trial_config full = with_defaults(trial);

    for (size_t i = 0; i < sizeof(trial->reserved) / sizeof(trial->reserved[0]); i++)
        if (trial->reserved[i] != 0)
            return false;
    return full.backoff_max_ms >= full.backoff_ms;
}

static fo_status make_check(struct fo_group *group, const struct fo_check_config *config)
{
    if (config->kind == FO_CHECK_NONE)
        return FO_OK;
    group->check = fo__check_config_copy(config);
    return group->check != NULL ? FO_OK : FO_NOMEM;
}

fo_status fo__group_make(const struct fo_group_config *config, uint64_t seed, bool shared,
                         struct fo_group **group)
{
    struct fo_group *made = calloc(1, sizeof(*made));
    fo_status status;

    if (made == NULL)
        return FO_NOMEM;
    if (!fo__names_init(&made->hosts)) {
        free(made);
        return FO_NOMEM;
    }
    status = make_check(made, &config->check);
    if (status == FO_OK)
        status = fo__runtime_acquire(config->runtime, &made->runtime);
    if (status != FO_OK) {
        fo__names_fini(&made->hosts);
        free(made->check);
        free(made);
        return status;
    }
    made->trial = with_defaults(&config->trial);
    made->judge = fo__judge_config_full(&config->judge);
    made->watch_timer.kind = FO__TIMER_WATCH;
    made->shared = shared;
    made->references = 1;
    fo__tick_call_init(&made->tick_call, &made->runtime->queue);
    atomic_init(&made->rng, seed);
    pthread_mutex_init(&made->lock, NULL);
    *group = made;
    return FO_OK;
}

void fo__group_ref(struct fo_group *group)
{
    pthread_mutex_lock(&group->lock);
    group->references++;
    pthread_mutex_unlock(&group->lock);
}

void fo__group_unref(struct fo_group *group)
{
    bool last;

    pthread_mutex_lock(&group->lock);
    last = --group->references == 0;
    pthread_mutex_unlock(&group->lock);
    if (!last)
        return;
    fo__names_fini(&group->hosts);
    fo__words_fini(&group->words);
    pthread_mutex_destroy(&group->lock);
    fo__runtime_release(group->runtime);
    free(group->check);
    free(group);
}

/* ---- Hosts ------------------------------------------------------------------------------- */

/** The parts that are allocated; NULL when one cannot be had. Caller holds the group lock. */
static struct fo__host *allocate_host(struct fo_group *group, const char *name, uint64_t word)
{
    struct fo__host *host = aligned_alloc(_Alignof(struct fo__host), sizeof(*host));

    if (host == NULL)
        return NULL;
    memset(host, 0, sizeof(*host));
    host->word = fo__words_acquire(&group->words, word);
    if (host->word != NULL)
        host->name = fo__names_reserve(&group->hosts, name);
    if (host->name == NULL) {
        if (host->word != NULL)
            fo__words_release(&group->words, host->word);
        free(host);
        return NULL;
    }
    return host;
}

/** Undoes the above, before anybody has seen the host. Caller holds the group lock. */
static void unmake_host(struct fo__host *host)
{
    fo__names_remove(&host->group->hosts, host->name);
    fo__names_reap(&host->group->hosts); /* read under the lock only: no grace period */
    fo__words_release(&host->group->words, host->word);
    free(host);
}

/** Caller holds the group lock. */
static struct fo__host *make_host(struct fo_group *group, const char *name, uint64_t word)
{
    struct fo__host *host = allocate_host(group, name, word);

    if (host == NULL)
        return NULL;
    host->group = group;
    host->queue = &group->runtime->queue;
    if (group->check != NULL) {
        host->check = fo__check_make(host);
        if (host->check == NULL) {
            unmake_host(host);
            return NULL;
        }
    }
    host->ramps = group->trial.ramp_ms != FO_RAMP_NONE;
    host->strikes = group->judge.strikes;
    if (!fo__judge_admit(host)) {
        fo__check_free(host->check);
        unmake_host(host);
        return NULL;
    }
    fo__node_init(&host->node, FO__NODE_HOST);
    fo__name_set(host->name, host);
    group->references++;
    return host;
}

struct fo__host *fo__group_acquire_host(struct fo_group *group, const char *name, uint64_t word)
{
    struct fo__host *host;

    pthread_mutex_lock(&group->lock);
    host = fo__names_get(&group->hosts, name);
    if (host == NULL)
        host = make_host(group, name, word);
    if (host != NULL)
        host->references++;
    pthread_mutex_unlock(&group->lock);
    return host;
}

void fo__group_release_host(struct fo__host *host)
{
    struct fo_group *group = host->group;

    pthread_mutex_lock(&group->lock);
    if (--host->references == 0)
        fo__queue_push(host->queue, &host->node);
    pthread_mutex_unlock(&group->lock);
}

/** Outside the group lock, under which no other may be taken. */
static void stop_check_if_unused(struct fo__host *host)
{
    bool unused;

    if (host->check == NULL)
        return;
    pthread_mutex_lock(&host->group->lock);
    unused = host->references == 0;
    pthread_mutex_unlock(&host->group->lock);
    if (unused)
        fo__check_stop(host->check);
}

bool fo__group_retire_host(struct fo__host *host)
{
    struct fo_group *group = host->group;
    bool unused;

    stop_check_if_unused(host);
    pthread_mutex_lock(&group->lock);
    /* Whoever dropped the last reference may have queued it again meanwhile: then it comes again. */
    unused = host->references == 0 && fo__load_acquire(&host->node.queued) == 0 &&
             (host->check == NULL || fo__load_acquire(&host->check->node.queued) == 0);
    if (unused) {
        fo__names_remove(&group->hosts, host->name);
        fo__names_reap(&group->hosts); /* read under the lock only: no grace period */
    }
    pthread_mutex_unlock(&group->lock);
    return unused;
}

void fo__group_free_host(struct fo__host *host)
{
    struct fo_group *group = host->group;

    fo__judge_dismiss(host);
    pthread_mutex_lock(&group->lock);
    fo__words_release(&group->words, host->word);
    pthread_mutex_unlock(&group->lock);
    fo__check_free(host->check);
    free(host->address);
    free(host);
    fo__group_unref(group);
}

char *fo__group_exchange_address(struct fo__host *host, char *address)
{
    char *old;

    pthread_mutex_lock(&host->group->lock);
    old = host->address;
    host->address = address;
    pthread_mutex_unlock(&host->group->lock);
    return old;
}

bool fo__group_has_address(struct fo__host *host, const char *address)
{
    bool has;

    pthread_mutex_lock(&host->group->lock);
    has = strcmp(host->address != NULL ? host->address : host->name->bytes, address) == 0;
    pthread_mutex_unlock(&host->group->lock);
    return has;
}

bool fo__group_knows_address(struct fo_group *group, const char *name)
{
    struct fo__host *host;
    bool known;

    pthread_mutex_lock(&group->lock);
    host = fo__names_get(&group->hosts, name);
    known = host != NULL && host->address != NULL;
    pthread_mutex_unlock(&group->lock);
    return known;
}

void fo__group_attach(struct fo_endpoint *endpoint)
{
    struct fo__host *host = endpoint->host;

    pthread_mutex_lock(&host->group->lock);
    endpoint->host_previous = NULL;
    endpoint->host_next = host->endpoints;
    if (host->endpoints != NULL)
        host->endpoints->host_previous = endpoint;
    host->endpoints = endpoint;
    pthread_mutex_unlock(&host->group->lock);
}

void fo__group_detach(struct fo_endpoint *endpoint)
{
    struct fo__host *host = endpoint->host;

    pthread_mutex_lock(&host->group->lock);
    if (endpoint->host_previous != NULL)
        endpoint->host_previous->host_next = endpoint->host_next;
    else
        host->endpoints = endpoint->host_next;
    if (endpoint->host_next != NULL)
        endpoint->host_next->host_previous = endpoint->host_previous;
    pthread_mutex_unlock(&host->group->lock);
}

/* ---- Public ------------------------------------------------------------------------------ */

fo_status fo_group_create(const struct fo_group_config *config, struct fo_group **group)
{
    struct fo_group_config ours = fo_group_config_init();
    fo_status status;

    if (group == NULL || (config != NULL && !fo__abi_read(&ours, sizeof(ours), config)) ||
        !fo__trial_config_is_valid(&ours.trial) || !fo__check_config_is_valid(&ours.check) ||
        !fo__judge_config_is_valid(&ours.judge))
        return FO_EINVAL;
    fo__atfork_register();
    fo__cold_begin();
    status = fo__group_make(&ours, fo__rng_system_seed(), true, group);
    fo__cold_end();
    return status;
}

void fo_group_destroy(struct fo_group *group)
{
    if (group == NULL)
        return;
    fo__cold_begin();
    fo__group_unref(group);
    fo__cold_end();
}
