/* SPDX-License-Identifier: Apache-2.0
 *
 * Endpoint: one incarnation of a name in one balancer. Outlives every snapshot that points at it and
 * every lease that holds it; the dispatcher frees it after `released` was delivered.
 */
#ifndef FO_ENDPOINT_H
#define FO_ENDPOINT_H

#include "host.h"
#include "release.h"
#include "row.h"
#include "zone.h"

#include <failover/endpoint.h>

struct fo__core;

/** The part of the configuration that an update may change; replaced whole, freed after a grace
 * period. */
struct fo__endpoint_settings {
    double max_weight;
    double min_weight;
    uint64_t tags;
    uint32_t level; /* as configured */
    bool degraded;
    const struct fo__zone *zone; /* NULL: none */
    uint32_t max_in_flight;      /* 0: no limit */
};

/* What the dispatcher has to tell; bits of fo_endpoint.pending. */
#define FO__PENDING_ADDED 1u
#define FO__PENDING_UPDATED 2u
#define FO__PENDING_REMOVED 4u
#define FO__PENDING_RELEASED 8u
#define FO__PENDING_WEIGHT 16u /* the dispatcher's own */

/* An id is never reused: a serial number above the cell number. */
#define FO__ID_INDEX_BITS 20
#define FO__ID_INDEX_MASK ((UINT64_C(1) << FO__ID_INDEX_BITS) - 1)

struct fo_endpoint {
    /* Read-only. */
    uint64_t id;
    uint32_t index; /* dense number in the balancer; used again after this one is freed */
    struct fo__cell_ref cell;
    _Atomic uint32_t
        max_in_flight; /* of its host; 0: no limit of its own; written under the lock */
    struct fo__host *host;
    struct fo__core *core;
    void *data;
    struct fo__endpoint_settings
        *_Atomic settings;  /* in a read section, or under the update lock */
    struct fo__counts base; /* what the rows' cell held when this incarnation began */

    /* The dispatcher's, and begun by whoever listens to weights first (weighing.h). */
    _Atomic double told_weight;

    /* Written by finishers when draining, and by threads without a row. */
    _Alignas(FO__CACHE_LINE) struct fo__release release;
    struct fo__cell shared;
    _Atomic uint64_t shared_failed;
    _Atomic int64_t keyed_open; /* leases by key, while those are bounded */

    /* Under the balancer's update lock. */
    struct fo__name *entry; /* the name's in the index, while it is a member or leaving */
    _Atomic bool drained;   /* written under the lock, read by views */
    _Atomic uint32_t level; /* that it is at; written under the lock */
    bool mentioned;         /* scratch of one update, as the next two */
    bool leaves;
    struct fo__endpoint_settings *next_settings;
    struct fo_endpoint *leaving_next; /* of the balancer */
    struct fo_endpoint *leaving_previous;
    struct fo_endpoint *namesake_next; /* leaving too, of the same name */
    struct fo_endpoint *namesake_previous;

    /* Under the group lock. */
    struct fo_endpoint *host_next;
    struct fo_endpoint *host_previous;

    /* The dispatcher's, but for the first two. */
    struct fo__node node;
    _Atomic uint32_t pending;
    uint32_t telling;   /* pending bits that are being told */
    uint64_t seen_word; /* the host word last told */
    bool in_batch;
    bool removed_told;
    bool is_dead;          /* told about and waited for; only its place in the queue keeps it */
    fo_reason told_reason; /* of the change of state last told */
    struct fo_endpoint *batch_next;
};

/** Allocates an endpoint on a host; the caller fills settings and base. NULL: out of memory. */
struct fo_endpoint *fo__endpoint_create(struct fo__core *core, struct fo__host *host, uint64_t id,
                                        void *data);

/** Settings as configured, with that zone, which is the configuration's. NULL: out of memory. */
struct fo__endpoint_settings *fo__endpoint_settings_create(const struct fo_endpoint_config *config,
                                                           const struct fo__zone *zone);

/** Whether the settings are those of a configuration. */
bool fo__endpoint_settings_equal(const struct fo__endpoint_settings *settings,
                                 const struct fo_endpoint_config *config);

/** Frees an endpoint and its settings. */
void fo__endpoint_destroy(struct fo_endpoint *endpoint);

/** The hash of its name, by which cores and keys place it: the same in every process. */
uint64_t fo__endpoint_name_hash(const struct fo_endpoint *endpoint);

/** Counts a lease as started in the row, or in the shared cell; returns the row's cell or NULL. In a
 * read section. */
static inline struct fo__cell *fo__endpoint_start(struct fo_endpoint *endpoint, struct fo__row *row,
                                                  struct fo__cell_ref ref)
{
    struct fo__cell *cell = fo__row_cell(row, ref);

    if (fo__likely(cell != NULL))
        fo__count(&cell->started);
    else
        fo__add_relaxed(&endpoint->shared.started, 1);
    return cell;
}

/** Marks an endpoint as having something to tell, and queues it. Lock-free. */
void fo__endpoint_tell(struct fo_endpoint *endpoint, uint32_t pending);

/** Leases, finishes and failures of this incarnation so far. Lock-free. */
struct fo__counts fo__endpoint_counts(struct fo_endpoint *endpoint, struct fo__row_set *rows);

#endif
