/* SPDX-License-Identifier: Apache-2.0 */
#include "members.h"

#include "rcu.h"
#include "tick.h"

#include <stdlib.h>

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fo_balancer *all;

/* ---- Indices ----------------------------------------------------------------------------- */

/** Room for giving every index back, so that freeing an endpoint cannot fail. */
static bool make_room_for_indices(struct fo_balancer *balancer, uint32_t count)
{
    uint32_t capacity = balancer->free_capacity;
    uint32_t *larger;

    if (count <= capacity)
        return true;
    capacity = capacity == 0 ? 16 : capacity * 2;
    if (capacity < count)
        capacity = count;
    larger = realloc(balancer->free_index, capacity * sizeof(*larger));
    if (larger == NULL)
        return false;
    balancer->free_index = larger;
    balancer->free_capacity = capacity;
    return true;
}

static bool take_index(struct fo_balancer *balancer, uint32_t *index)
{
    if (balancer->free_count > 0) {
        *index = balancer->free_index[--balancer->free_count];
        return true;
    }
    if (balancer->index_end > FO_ENDPOINTS_MAX ||
        !make_room_for_indices(balancer, balancer->index_end + 1) ||
        !fo__row_set_grow(&balancer->core.rows, balancer->index_end + 1))
        return false;
    *index = balancer->index_end++;
    return true;
}

static void give_index_back(struct fo_balancer *balancer, uint32_t index)
{
    balancer->free_index[balancer->free_count++] = index;
}

/* ---- Endpoints --------------------------------------------------------------------------- */

struct fo_endpoint *fo__members_make(struct fo_balancer *balancer, struct fo__host *host,
                                     void *data)
{
    struct fo_endpoint *endpoint;
    uint32_t index;
    uint64_t id;

    if (!take_index(balancer, &index))
        return NULL;
    id = ++balancer->last_serial << FO__ID_INDEX_BITS | index;
    endpoint = fo__endpoint_create(&balancer->core, host, id, data);
    if (endpoint == NULL) {
        give_index_back(balancer, index);
        return NULL;
    }
    /* The index may have been another endpoint's: nobody counts there now, its counts stay. */
    endpoint->base = fo__row_set_sum(&balancer->core.rows, endpoint->cell);
    return endpoint;
}

void fo__members_unmake(struct fo_balancer *balancer, struct fo_endpoint *endpoint)
{
    give_index_back(balancer, endpoint->index);
    fo__endpoint_destroy(endpoint);
}

void fo__members_begin_leaving(struct fo_balancer *balancer, struct fo_endpoint *endpoint)
{
    struct fo__name *entry = endpoint->entry;

    fo__add_acq_rel(&balancer->core.leaving, 1);
    endpoint->leaving_previous = NULL;
    endpoint->leaving_next = balancer->leaving;
    if (balancer->leaving != NULL)
        balancer->leaving->leaving_previous = endpoint;
    balancer->leaving = endpoint;

    endpoint->namesake_previous = NULL;
    endpoint->namesake_next = entry->leaving;
    if (entry->leaving != NULL)
        entry->leaving->namesake_previous = endpoint;
    entry->leaving = endpoint;
}

void fo__members_end_leaving(struct fo_balancer *balancer, struct fo_endpoint *endpoint)
{
    struct fo__name *entry = endpoint->entry;

    if (endpoint->leaving_previous != NULL)
        endpoint->leaving_previous->leaving_next = endpoint->leaving_next;
    else
        balancer->leaving = endpoint->leaving_next;
    if (endpoint->leaving_next != NULL)
        endpoint->leaving_next->leaving_previous = endpoint->leaving_previous;

    if (endpoint->namesake_previous != NULL)
        endpoint->namesake_previous->namesake_next = endpoint->namesake_next;
    else
        entry->leaving = endpoint->namesake_next;
    if (endpoint->namesake_next != NULL)
        endpoint->namesake_next->namesake_previous = endpoint->namesake_previous;

    fo__sub_acq_rel(&balancer->core.leaving, 1);
    if (entry->leaving == NULL && fo__load_relaxed(&entry->value) == NULL)
        fo__names_remove(&balancer->names, entry);
}

void fo__members_attend_to_load(struct fo_balancer *balancer)
{
    const struct fo__load_rules *rules = &fo__load_relaxed(&balancer->core.settings)->load;
    bool is_on = rules->is_on;

    for (uint32_t i = 0; i < balancer->count && !is_on; i++)
        is_on = fo__load_relaxed(&balancer->members[i]->max_in_flight) != 0;
    fo__store_relaxed(&balancer->core.time, is_on ? rules->time : FO__TIME_NONE);
    if (is_on)
        fo__attention_raise(&balancer->core, FO__ATTENTION_LOAD);
    else
        fo__attention_end(&balancer->core, FO__ATTENTION_LOAD);
}

void fo__members_free(struct fo_endpoint *endpoint)
{
    struct fo_balancer *balancer = fo__balancer_of(endpoint->core);

    pthread_mutex_lock(&balancer->update_lock);
    fo__members_end_leaving(balancer, endpoint);
    give_index_back(balancer, endpoint->index);
    pthread_mutex_unlock(&balancer->update_lock);
    fo__group_release_host(endpoint->host);
    fo__endpoint_destroy(endpoint);
    fo__members_drop(balancer);
}

/* ---- Balancers --------------------------------------------------------------------------- */

void fo__members_drop(struct fo_balancer *balancer)
{
    /* In a read section, as every push: the runtime's queue outlives it (runtime.c). */
    fo__rcu_read_lock();
    if (fo__sub_acq_rel(&balancer->alive, 1) == 1)
        fo__queue_push(&balancer->group->runtime->queue, &balancer->node);
    fo__rcu_read_unlock();
}

void fo__members_fini(struct fo_balancer *balancer)
{
    pthread_mutex_lock(&all_lock);
    if (balancer->all_previous != NULL)
        balancer->all_previous->all_next = balancer->all_next;
    else if (all == balancer)
        all = balancer->all_next;
    if (balancer->all_next != NULL)
        balancer->all_next->all_previous = balancer->all_previous;
    pthread_mutex_unlock(&all_lock);

    if (balancer->group->shared)
        fo__tick_leave(balancer);
    if (balancer->weight_subscriptions > 0)
        fo__sub_relaxed(&balancer->group->weight_listeners, 1);
    if (balancer->checks_leases)
        fo__lease_check_detach(&balancer->check);
    fo__row_set_fini(&balancer->core.rows);
    fo__listeners_fini(&balancer->listeners);
    fo__names_fini(&balancer->names);
    fo__snapshot_destroy(fo__load_relaxed(&balancer->core.snapshot));
    if (balancer->closed_snapshot != fo__load_relaxed(&balancer->core.snapshot))
        fo__snapshot_destroy(balancer->closed_snapshot);
    free(fo__load_relaxed(&balancer->core.settings));
    fo__zones_fini(&balancer->core.zones);
    free(balancer->free_index);
    free(balancer->members);
    free(balancer->name);
    pthread_mutex_destroy(&balancer->update_lock);
    fo__group_unref(balancer->group);
    free(balancer);
}

void fo__members_register(struct fo_balancer *balancer)
{
    pthread_mutex_lock(&all_lock);
    balancer->all_previous = NULL;
    balancer->all_next = all;
    if (all != NULL)
        all->all_previous = balancer;
    all = balancer;
    pthread_mutex_unlock(&all_lock);
}

void fo__members_for_each(void (*visit)(struct fo_balancer *balancer))
{
    pthread_mutex_lock(&all_lock);
    for (struct fo_balancer *at = all; at != NULL; at = at->all_next)
        visit(at);
    pthread_mutex_unlock(&all_lock);
}
