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

#endif
