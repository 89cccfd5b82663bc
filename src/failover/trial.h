/* SPDX-License-Identifier: Apache-2.0
 *
 * Trials: how a host that is down comes back without a checker. All of it is the dispatcher's.
 *
 *     down ─► wait the back-off, ± 20 % ─► offer one trial to every balancer on the host
 *                  ▲    (doubles each time)          │ a pick takes it (offer.h)
 *                  └──── failed, or no result ───────┤
 *                                                    └─ success: the finish itself lifts the host
 */
#ifndef FO_TRIAL_H
#define FO_TRIAL_H

#include "group.h"

/** The host was queued: arm, offer or cancel according to its word. */
void fo__trial_follow(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns);

/** An ejected host that waits for its trial has waited long enough. */
void fo__trial_hasten(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns);

/** The host's timer is due. */
void fo__trial_due(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns);

#endif
