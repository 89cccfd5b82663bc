/* SPDX-License-Identifier: Apache-2.0
 *
 * The second half of the hot path.
 *
 * Budget of fo_finish() for a success on a healthy host: no lock, no locked instruction, no
 * allocation, no clock; one read section; the endpoint itself is not touched (lease.h).
 *
 *     outcome ─► does it move anything? ─► outcome.c
 *             ─► is any endpoint draining, and this one? ─► release.c : count in the own row
 *
 * The count is the last touch of the endpoint: a release store (row.h, A), inside the read section
 * that release.h needs. Until then the lease itself keeps endpoint, host and balancer alive, so
 * everything before may run outside of read sections, weight functions of the embedder included.
 */
#include "finish.h"

#include "lease.h"
#include "lease_check.h"
#include "outcome.h"
#include "rcu.h"

/** The lease's finish goes to the shared counter of a draining endpoint. In a read section. */
static __attribute__((noinline)) void finish_draining(struct fo_endpoint *endpoint, bool failed)
{
    struct fo__queue *queue = endpoint->host->queue;

    if (failed)
        fo__add_relaxed(&endpoint->shared_failed, 1);
    if (fo__release_finish(&endpoint->release)) {
        /* Released: the dispatcher frees it after a grace period, so it is still ours here. */
        fo__or_acq_rel(&endpoint->pending, FO__PENDING_RELEASED);
        fo__queue_push(queue, &endpoint->node);
    }
}

static __attribute__((noinline)) void finish_shared(struct fo_endpoint *endpoint, bool failed)
{
    if (failed)
        fo__add_relaxed(&endpoint->shared_failed, 1);
    fo__add_release(&endpoint->shared.finished, 1); /* row.h, A */
}

/** Counts the lease as finished; afterwards nothing that it held may be touched. */
static inline void count_finished(struct fo__core *core, struct fo_endpoint *endpoint,
                                  fo__cell_ref ref, bool failed)
{
    struct fo__row *row = fo__row_of(&core->rows);
    struct fo__cell *cell;

    fo__rcu_read_lock();
    cell = fo__row_cell(row, ref);
    if (fo__unlikely(fo__load_acquire(&core->leaving) != 0 &&
                     fo__release_is_draining(&endpoint->release))) {
        finish_draining(endpoint, failed);
    } else if (fo__likely(cell != NULL)) {
        if (failed)
            fo__count(fo__row_failed(row, ref));
        fo__count_release(&cell->finished);
    } else {
        finish_shared(endpoint, failed);
    }
    fo__rcu_read_unlock();
}

static __attribute__((noinline)) void apply(const struct fo_lease *lease, fo_outcome outcome)
{
    struct fo__evidence evidence;

    evidence.outcome = outcome;
    evidence.epoch = lease->reserved[FO__LEASE_EPOCH];
    evidence.is_trial = (lease->reserved[FO__LEASE_FLAGS] & FO__LEASE_IS_TRIAL) != 0;
    evidence.has_lease = true;
    fo__outcome_apply(fo__lease_core(lease), lease->endpoint, &evidence);
}

/** For leases that are not ordinary: void after a fork, or checked. True: go on as usual. */
static __attribute__((noinline)) bool admit(struct fo_lease *lease, fo_status *status)
{
    bool from_before_fork = lease->reserved[FO__LEASE_PROCESS] != fo__process_generation;
    bool checked = (lease->reserved[FO__LEASE_FLAGS] & FO__LEASE_IS_CHECKED) != 0;
    bool known = !checked || fo__lease_check_close(lease);

    if (from_before_fork) {
        lease->endpoint = NULL;
        *status = FO_OK;
        return false;
    }
    if (!known) {
        lease->endpoint = NULL;
        *status = FO_EINVAL;
        return false;
    }
    return true;
}

fo_status fo_finish(struct fo_lease *lease, fo_outcome outcome)
{
    struct fo_endpoint *endpoint;
    fo_status status;
    uint64_t word;

    if (fo__unlikely(lease == NULL || lease->endpoint == NULL || !fo__outcome_is_valid(outcome)))
        return FO_EINVAL;
    if (fo__unlikely(lease->reserved[FO__LEASE_PROCESS] != fo__process_generation ||
                     (lease->reserved[FO__LEASE_FLAGS] & FO__LEASE_IS_CHECKED) != 0) &&
        !admit(lease, &status))
        return status;
    endpoint = lease->endpoint;
    word = fo__load_acquire(&fo__lease_host(lease)->word);
    if (fo__unlikely(outcome != FO_OUTCOME_SUCCESS || (word & FO__STATE_MASK) != FO__HEALTH_ONE))
        apply(lease, outcome);
    lease->endpoint = NULL;
    count_finished(fo__lease_core(lease), endpoint, lease->reserved[FO__LEASE_CELL],
                   fo__outcome_is_failed(outcome));
    return FO_OK;
}

void fo__finish_count(struct fo__core *core, struct fo_endpoint *endpoint, bool failed)
{
    count_finished(core, endpoint, endpoint->cell, failed);
}
