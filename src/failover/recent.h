/* SPDX-License-Identifier: Apache-2.0
 *
 * Recent: while little happens, the endpoint of the last request is used again.
 *
 * A client that sends now and then, to each of many servers in turn, finds the connection to every one
 * closed for idleness, or keeps all of them open for nothing. When nothing is in flight, everything in
 * the first tier is whole and the last success is not long ago, its endpoint is the answer. As soon as
 * two requests overlap, picks are spread by weight as ever: then there is traffic enough for all.
 *
 * That nothing is in flight is for the whole balancer to know, so while the setting is on each lease
 * is counted in one shared word, all picks take the long way, and each finish reads the clock: the
 * coarse one, since a tick is nothing beside the pauses that it is about. Leases that were picked before
 * it was on are not counted, those picked while it was are counted back afterwards: the lease has a bit
 * that says so. A lease that is never finished ends all reuse.
 *
 * Source: reuseRecentResource() of simple-failover-java's PartitionFailover.
 */
#ifndef FO_RECENT_H
#define FO_RECENT_H

#include "core.h"

/** The time, for fo__recent_slot(); 0 while the setting is off. Not in a read section. */
uint64_t fo__recent_now_ns(const struct fo__core *core);

/** The slot to be used again, or FO__NO_SLOT. In a read section. */
uint32_t fo__recent_slot(const struct fo__core *core, const struct fo__snapshot *snapshot,
                         uint64_t now_ns);

/** A counted lease of the endpoint is finished. Not in a read section. */
void fo__recent_finish(struct fo__core *core, uint64_t endpoint_id, bool succeeded);

#endif
