/* SPDX-License-Identifier: Apache-2.0
 *
 * Settling: what a finish does to the load of its host.
 *
 *     counts of the lease ─► counted back where it was counted (counting.h)
 *     outcome, latency    ─► signals of the host (load.h), its limit (limit.h)
 *
 *     outcome             latency           penalty    limit
 *     success, degraded   a sample          halved     a sample
 *     failure, down       2× what it was    doubled    a sample; too much, when it took failure_ms
 *     overloaded          2× what it was    doubled    too much
 *     neutral, cancelled  nothing: they say nothing of the server
 *
 * The lease still holds the endpoint, so this comes before its finish is counted (row.h, A).
 */
#ifndef FO_SETTLE_H
#define FO_SETTLE_H

#include "lease.h"

/** Settles a lease of this process that is open; it counts no more. `report` NULL: only the outcome is
 * known. Not in a read section. */
void fo__settle(struct fo_lease *lease, fo_outcome outcome, const struct fo_finish_report *report);

/** The same for the plainest case: a success that was counted at its host and of which nobody wants to know
 * more. False: it is not that case, and nothing was done. */
static inline bool fo__settle_plainly(struct fo_lease *lease)
{
    if (fo__lease_counts(lease) != FO__COUNTS_HOST ||
        fo__load_relaxed(&fo__lease_core(lease)->time) != FO__TIME_NONE)
        return false;
    fo__tally_remove(&lease->endpoint->host->load.tally);
    lease->reserved_wide[FO__LEASE_TAKEN_WITH] &= ~FO__LEASE_IS_COUNTED;
    return true;
}

#endif
