/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint.h"

#include "hash.h"
#include "rcu.h"

#include <stdlib.h>
#include <string.h>

struct fo_endpoint *fo__endpoint_create(struct fo__core *core, struct fo__host *host, uint64_t id,
                                        void *data)
{
    struct fo_endpoint *endpoint = aligned_alloc(_Alignof(struct fo_endpoint), sizeof(*endpoint));

    if (endpoint == NULL)
        return NULL;
    memset(endpoint, 0, sizeof(*endpoint));
    endpoint->id = id;
    endpoint->index = (uint32_t)(id & FO__ID_INDEX_MASK);
    endpoint->cell = fo__cell_ref_of(endpoint->index);
    endpoint->core = core;
    endpoint->host = host;
    endpoint->data = data;
    fo__release_init(&endpoint->release);
    fo__node_init(&endpoint->node, FO__NODE_ENDPOINT);
    return endpoint;
}

struct fo__endpoint_settings *fo__endpoint_settings_create(const struct fo_endpoint_config *config,
                                                           const struct fo__zone *zone)
{
    struct fo__endpoint_settings *settings = malloc(sizeof(*settings));

    if (settings == NULL)
        return NULL;
    settings->max_weight = config->max_weight;
    settings->min_weight = config->min_weight;
    settings->tags = config->tags;
    settings->level = config->level;
    settings->degraded = config->degraded;
    settings->zone = zone;
    settings->max_in_flight = (uint32_t)config->max_in_flight;
    return settings;
}

bool fo__endpoint_settings_equal(const struct fo__endpoint_settings *settings,
                                 const struct fo_endpoint_config *config)
{
    const char *zone = settings->zone != NULL ? settings->zone->name : "";

    return settings->max_weight == config->max_weight &&
           settings->min_weight == config->min_weight && settings->tags == config->tags &&
           settings->level == config->level && settings->degraded == config->degraded &&
           settings->max_in_flight == config->max_in_flight &&
           strcmp(zone, config->zone != NULL ? config->zone : "") == 0;
}

void fo__endpoint_destroy(struct fo_endpoint *endpoint)
{
    if (endpoint == NULL)
        return;
    free(fo__load_relaxed(&endpoint->settings));
    free(endpoint);
}

void fo__endpoint_tell(struct fo_endpoint *endpoint, uint32_t pending)
{
    /* One section around both: the dispatcher may hear of the first through an earlier push, and
     * frees what was released only after a grace period. */
    fo__rcu_read_lock();
    fo__or_acq_rel(&endpoint->pending, pending);
    fo__queue_push(endpoint->host->queue, &endpoint->node);
    fo__rcu_read_unlock();
}

struct fo__counts fo__endpoint_counts(struct fo_endpoint *endpoint, struct fo__row_set *rows)
{
    /* The shared cell's finishes before any start, as in the rows (row.h, A). */
    uint64_t finished = fo__load_acquire(&endpoint->shared.finished);
    uint64_t failed = fo__load_relaxed(&endpoint->shared_failed);
    struct fo__counts sum = fo__row_set_sum(rows, endpoint->cell);

    sum.started += fo__load_relaxed(&endpoint->shared.started) - endpoint->base.started;
    sum.finished += finished - endpoint->base.finished;
    sum.failed += failed - endpoint->base.failed;
    return sum;
}

uint64_t fo__endpoint_name_hash(const struct fo_endpoint *endpoint)
{
    const char *name = fo_endpoint_name(endpoint);

    return fo__hash(name, strlen(name));
}

const char *fo_endpoint_name(const struct fo_endpoint *endpoint)
{
    return endpoint->host->name->bytes;
}

uint64_t fo_endpoint_id(const struct fo_endpoint *endpoint)
{
    return endpoint->id;
}

void *fo_endpoint_data(const struct fo_endpoint *endpoint)
{
    return endpoint->data;
}

const char *fo_endpoint_zone(const struct fo_endpoint *endpoint)
{
    const struct fo__zone *zone;

    fo__rcu_read_lock();
    zone = fo__load_acquire(&endpoint->settings)->zone;
    fo__rcu_read_unlock();
    return zone != NULL ? zone->name : ""; /* zones outlive settings */
}

uint32_t fo_endpoint_level(const struct fo_endpoint *endpoint)
{
    return fo__load_relaxed(&endpoint->level);
}
