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

#include "abi.h"
#include "lease.h"
#include "lease_check.h"
#include "outcome.h"
#include "rcu.h"
#include "settle.h"

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
    uint64_t taken_with = fo__lease_taken_with(lease);
    uint64_t word = fo__load_acquire(fo__lease_host_word(lease));
    struct fo__evidence evidence;

    if (outcome == FO_OUTCOME_SUCCESS && fo__word_is_whole(word) &&
        fo__word_epoch(word) == fo__word_epoch(taken_with))
        return;
    evidence.outcome = outcome;
    evidence.epoch = fo__word_epoch(taken_with);
    evidence.strikes = fo__word_strikes(taken_with);
    evidence.trial = fo__lease_trial(lease);
    evidence.has_lease = true;
    fo__outcome_apply(fo__lease_core(lease), lease->endpoint, &evidence);
}

/** Every other finish; report: NULL, or more than the outcome. Outside read sections. */
static fo_status finish_slow(struct fo_lease *lease, fo_outcome outcome,
                             const struct fo_finish_report *report)
{
    struct fo_endpoint *endpoint;
    bool is_open;

    if (lease == NULL || lease->endpoint == NULL || !fo__outcome_is_valid(outcome))
        return FO_EINVAL;
    endpoint = lease->endpoint;
    is_open =
        (fo__lease_taken_with(lease) & FO__LEASE_IS_CHECKED) == 0 || fo__lease_check_close(lease);
    if (is_open && fo__lease_is_of_process(lease)) {
        apply(lease, outcome);
        if ((fo__lease_taken_with(lease) & FO__LEASE_IS_KEYED) != 0) {
            fo__sub_relaxed(&endpoint->keyed_open, 1);
            fo__sub_relaxed(&fo__lease_core(lease)->keyed_open, 1);
        }
        if (report != NULL || (fo__lease_taken_with(lease) & FO__LEASE_IS_COUNTED) != 0)
            fo__settle(lease, outcome, report);
        fo__finish_count(fo__lease_core(lease), endpoint, fo__outcome_is_failed(outcome));
    }
    lease->endpoint = NULL;
    return is_open ? FO_OK : FO_EINVAL;
}

/** Counts a finish in the lease's own cell, the last touch of what it held, and ends the section. */
static inline fo_status count_at_home(struct fo_lease *lease, const struct fo__rcu_section *section)
{
    struct fo__cell *cell = lease->reserved_pointer[FO__LEASE_CELL];

    fo__count_release(&cell->finished);
    fo__rcu_leave(section);
    lease->endpoint = NULL;
    return FO_OK;
}

static inline bool is_mine(const struct fo_lease *lease)
{
    return lease->reserved_wide[FO__LEASE_THREAD] == fo__thread_rows.thread_id;
}

/** A success of the lease's own thread, while nothing is leaving and the host is ill: it heals. */
static __attribute__((noinline)) fo_status finish_ill(struct fo_lease *lease, fo_outcome outcome)
{
    const uint64_t special = FO__LEASE_IS_CHECKED | FO__LEASE_IS_TRIAL | FO__LEASE_IS_KEYED;
    struct fo__rcu_section section;
    struct fo__core *core;

    if (lease == NULL || lease->endpoint == NULL || outcome != FO_OUTCOME_SUCCESS ||
        !is_mine(lease) || (fo__lease_taken_with(lease) & special) != 0)
        return finish_slow(lease, outcome, NULL);
    if ((fo__lease_taken_with(lease) & FO__LEASE_IS_COUNTED) != 0) {
        if (!fo__settle_plainly(lease))
            fo__settle(lease, outcome, NULL);
        return fo_finish(lease, outcome);
    }
    if (!fo__rcu_enter(&section))
        return finish_slow(lease, outcome, NULL);
    core = fo__lease_core(lease);
    if (fo__load_acquire(&core->leaving) == 0 &&
        fo__outcome_heal(core, lease->endpoint, fo__lease_host_word(lease),
                         fo__word_epoch(fo__lease_taken_with(lease))))
        return count_at_home(lease, &section);
    fo__rcu_leave(&section);
    return finish_slow(lease, outcome, NULL);
}

/** Whether nothing about the finish is special, as far as the lease and the host word tell (lease.h). */
static inline bool is_ordinary(const struct fo_lease *lease, fo_outcome outcome)
{
    return lease != NULL && lease->endpoint != NULL && outcome == FO_OUTCOME_SUCCESS &&
           is_mine(lease) &&
           fo__load_acquire(fo__lease_host_word(lease)) == fo__lease_taken_with(lease);
}

fo_status fo_finish(struct fo_lease *lease, fo_outcome outcome)
{
    struct fo__rcu_section section;

    if (fo__unlikely(!is_ordinary(lease, outcome) || !fo__rcu_enter(&section)))
        return finish_ill(lease, outcome);
    if (fo__unlikely(fo__load_acquire(&fo__lease_core(lease)->leaving) != 0)) {
        fo__rcu_leave(&section);
        return finish_ill(lease, outcome);
    }
    return count_at_home(lease, &section);
}

/* ---- With a report ------------------------------------------------------------------------ */

static bool is_valid(const struct fo_finish_report *report)
{
    return report->load - report->load == 0 &&
           report->reserved == 0 && /* neither NaN nor infinite */
           fo__outcome_is_valid(report->outcome);
}

/** A valid report of this version's size, on a lease that is open. */
static fo_status finish_with(struct fo_lease *lease, const struct fo_finish_report *report)
{
    if (fo__unlikely((fo__lease_taken_with(lease) & FO__LEASE_IS_CHECKED) != 0 ||
                     !fo__lease_is_of_process(lease)))
        return finish_slow(lease, report->outcome, report);
    fo__settle(lease, report->outcome, report);
    return fo_finish(lease, report->outcome);
}

/** A report of another version's size. */
static __attribute__((noinline)) fo_status
finish_with_foreign(struct fo_lease *lease, const struct fo_finish_report *report)
{
    struct fo_finish_report ours = fo_finish_report_init(FO_OUTCOME_SUCCESS);

    if (!fo__abi_read(&ours, sizeof(ours), report) || !is_valid(&ours))
        return FO_EINVAL;
    return finish_with(lease, &ours);
}

fo_status fo_finish_with(struct fo_lease *lease, const struct fo_finish_report *report)
{
    if (lease == NULL || lease->endpoint == NULL || report == NULL)
        return FO_EINVAL;
    if (fo__unlikely(report->size != sizeof(*report)))
        return finish_with_foreign(lease, report);
    return is_valid(report) ? finish_with(lease, report) : FO_EINVAL;
}
