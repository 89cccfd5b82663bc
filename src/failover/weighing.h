/* SPDX-License-Identifier: Apache-2.0
 *
 * Weighing: what endpoints are picked with, for who has asked to hear of each change.
 *
 *     change a word; if anybody listens and exchange(called, 1) was 0: queue the host   (once per tick)
 *     dispatcher: list the host ─► 10 ms after the first of the list: exchange(called, 0), weigh all its
 *     endpoints, tell where it is not what was told last
 *
 * A list is told as a whole and the next one begins behind it, so an endpoint is told of at most once in
 * 10 ms. While nobody listens a change costs one load.
 *
 * Order: the exchange is acquire-release on both sides. A reporter that finds 1 has its change seen by
 * the dispatcher's next look, because the dispatcher's exchange to 0 reads from it.
 *
 * Who begins to listen raises the group's weight_listeners, waits for a grace period, and weighs: a
 * reporter that has not seen it raised has changed its word in a read section that was over by then.
 *
 * All of it is the dispatcher's but for fo__weighing_begin().
 */
#ifndef FO_WEIGHING_H
#define FO_WEIGHING_H

#include "group.h"

/** A host was queued: lists it if it was for this. */
void fo__weighing_follow(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns);

/** Weights of the host's endpoints may have changed, and we know it: lists it if anybody listens. */
void fo__weighing_call(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns);

/** The host is about to be freed. */
void fo__weighing_forget(struct fo_runtime *runtime, struct fo__host *host);

/** Takes one host whose endpoints are to be weighed now; NULL: none is due. */
struct fo__host *fo__weighing_take_due(struct fo_runtime *runtime, uint64_t now_ns);

/** When the next are due, or FO__NEVER. */
uint64_t fo__weighing_next_ns(const struct fo_runtime *runtime);

/** Weighs an endpoint for the first time: from now on there is something to compare with. */
void fo__weighing_begin(struct fo_endpoint *endpoint);

/** Weighs an endpoint whose host has that word. False: it is as it was last time. */
bool fo__weighing_differs(struct fo_endpoint *endpoint, uint64_t word, double *before,
                          double *after);

#endif
