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
static void finish_draining(struct fo_endpoint *endpoint, bool failed)
{
    if (failed)
        fo__add_relaxed(&endpoint->shared_failed, 1);
    /* Released: the dispatcher frees it after a grace period, so it is still ours here. */
    if (fo__release_finish(&endpoint->release))
        fo__endpoint_tell(endpoint, FO__PENDING_RELEASED);
}

static void finish_shared(struct fo_endpoint *endpoint, bool failed)
{
    if (failed)
        fo__add_relaxed(&endpoint->shared_failed, 1);
    fo__add_release(&endpoint->shared.finished, 1); /* row.h, A */
}

void fo__finish_count(struct fo__core *core, struct fo_endpoint *endpoint, bool failed)
{
    struct fo__row *row = fo__row_of(&core->rows);
    struct fo__cell *cell = fo__row_cell(row, endpoint->cell);

    fo__rcu_read_lock();
    if (fo__load_acquire(&core->leaving) != 0 && fo__release_is_draining(&endpoint->release)) {
        finish_draining(endpoint, failed);
    } else if (cell != NULL) {
        if (failed)
            fo__count(fo__row_failed(row, endpoint->cell));
        fo__count_release(&cell->finished);
    } else {
        finish_shared(endpoint, failed);
    }
    fo__rcu_read_unlock();
}

static void apply(const struct fo_lease *lease, fo_outcome outcome)
{
    uint64_t word = fo__load_acquire(&fo__lease_host(lease)->word);
    struct fo__evidence evidence;

    if (outcome == FO_OUTCOME_SUCCESS && fo__word_is_whole(word))
        return;
    evidence.outcome = outcome;
    evidence.epoch = fo__lease_epoch(lease);
    evidence.trial = fo__lease_trial(lease);
    evidence.has_lease = true;
    fo__outcome_apply(fo__lease_core(lease), lease->endpoint, &evidence);
}

/** Every finish that is not the ordinary one. Outside read sections. */
static __attribute__((noinline)) fo_status finish_slow(struct fo_lease *lease, fo_outcome outcome)
{
    struct fo_endpoint *endpoint;
    uint64_t origin;
    bool is_open;

    if (lease == NULL || lease->endpoint == NULL || !fo__outcome_is_valid(outcome))
        return FO_EINVAL;
    endpoint = lease->endpoint;
    origin = lease->reserved_wide[FO__LEASE_ORIGIN];
    is_open = (origin & FO__ORIGIN_IS_CHECKED) == 0 || fo__lease_check_close(lease);
    if (is_open && (origin & FO__ORIGIN_PROCESS_MASK) == fo__process_generation) {
        apply(lease, outcome);
        fo__finish_count(fo__lease_core(lease), endpoint, fo__outcome_is_failed(outcome));
    }
    lease->endpoint = NULL;
    return is_open ? FO_OK : FO_EINVAL;
}

/** Whether nothing about the finish is special, as far as the lease and the host word tell. */
static inline bool is_ordinary(const struct fo_lease *lease, fo_outcome outcome)
{
    return lease != NULL && lease->endpoint != NULL && outcome == FO_OUTCOME_SUCCESS &&
           lease->reserved_wide[FO__LEASE_ORIGIN] == fo__process_generation &&
           fo__word_is_whole(fo__load_acquire(&fo__lease_host(lease)->word));
}

fo_status fo_finish(struct fo_lease *lease, fo_outcome outcome)
{
    struct fo__cell *cell;

    if (fo__unlikely(!is_ordinary(lease, outcome)) ||
        fo__unlikely(!fo__row_is_mine(lease->reserved_pointer[FO__LEASE_ROW])) ||
        fo__unlikely(!fo__rcu_is_registered()))
        return finish_slow(lease, outcome);
    fo__rcu_read_lock_cheap();
    if (fo__unlikely(fo__load_acquire(&fo__lease_core(lease)->leaving) != 0)) {
        fo__rcu_read_unlock_cheap();
        return finish_slow(lease, outcome);
    }
    cell = lease->reserved_pointer[FO__LEASE_CELL];
    fo__count_release(&cell->finished);
    fo__rcu_read_unlock_cheap();
    lease->endpoint = NULL;
    return FO_OK;
}
