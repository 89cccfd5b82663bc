/* SPDX-License-Identifier: Apache-2.0
 *
 * The tick of a group: brings the sums of all its balancers up to date with the host words, at most
 * once in 10 ms.
 *
 * A health change mends the sums of the balancer that reports it. To mend a thousand more would make
 * the reporter pay for its company; so it only calls (tick_call.h), and the dispatcher does it for all
 * changes of 10 ms at once. Until then the others' picks are right all the same, because they look
 * at the host word when they accept; what lags are the shares of the levels.
 *
 *     called ─► mend every balancer that is behind ─► 10 ms ─► changes since? ─► mend …
 *                                                                └─ none: until called again
 *
 * A round mends some thousand slots and leaves the rest for the next dispatch, so events do not wait for
 * it. All of it is the dispatcher's but for joining.
 */
#ifndef FO_TICK_H
#define FO_TICK_H

#include "group.h"

#define FO__TICK_NS (10 * FO__NS_PER_MS)

struct fo_balancer;

/** A balancer enters its group's list, and leaves it for good. Shared groups only. */
void fo__tick_join(struct fo_balancer *balancer);
void fo__tick_leave(struct fo_balancer *balancer);

/** The group was queued: it ticks from now on, unless it does. */
void fo__tick_begin(struct fo_group *group, uint64_t now_ns);

/** Runs the ticks that are due. */
void fo__tick_run(struct fo_runtime *runtime, uint64_t now_ns);

/** When the next one is due, or FO__NEVER. */
uint64_t fo__tick_next_ns(const struct fo_runtime *runtime);

/** In a child after fork(): who had called may have gone before it queued the group. */
void fo__tick_after_fork(struct fo_group *group);

#endif
