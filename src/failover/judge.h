/* SPDX-License-Identifier: Apache-2.0
 *
 * The judge: ejects hosts with bad results, and never the last. All of it is the dispatcher's.
 *
 *     finisher    a failure is a strike, and enough are there ─► queue the host         outcome.c
 *     dispatcher  host taken ─► enough strikes? ─► allowed in every level that it is in? ─► CAS: ejected
 *                 ejected    ─► wait ─► trial ─► up, and ramps                          trial.c
 *
 * Why the share holds. Others that let reporters eject must reserve a place by CAS in every level first,
 * and give it back when another level has none. Here reporters only ask. Every balancer of a group, and
 * so every level that a host is in, belongs to one runtime, of which one thread at a time dispatches: the
 * judge counts and ejects, and nobody else ever ejects. Between two looks the numbers can change in two
 * ways only, an update and a host that goes down by itself. Neither ejects anybody, both make the judge
 * look again (fo__judge_review()), and what is too much then gets its trial at once, oldest first.
 *
 * Cost: an ejection looks at every slot of every balancer that the host is in, a review at every slot
 * of one balancer, and only while something in the group is ejected. Picks and finishes pay nothing.
 */
#ifndef FO_JUDGE_H
#define FO_JUDGE_H

#include "group.h"

/** The host was queued: hears what became of it, and ejects it if it has the strikes. */
void fo__judge_follow(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns);

/** Recalls ejected hosts that are too many in a level of the balancer. */
void fo__judge_review(struct fo_runtime *runtime, struct fo_balancer *balancer, uint64_t now_ns);

/** The same, if the balancer's membership is another than at the last call. */
void fo__judge_publication(struct fo_runtime *runtime, struct fo_balancer *balancer,
                           uint64_t now_ns);

/** How long a host that is ejected waits for its next trial. */
uint64_t fo__judge_wait_ns(struct fo__host *host);

/** Ejects a host that is up in that epoch, if every level that it is in can spare it. */
void fo__judge_eject(struct fo__host *host, uint32_t epoch, fo_reason reason, uint64_t now_ns);

/** A host is new: gives it what it is judged by, if it is to be judged. Group lock held. False: out of
 * memory, nothing was done. */
bool fo__judge_admit(struct fo__host *host);

/** Dispatcher: the host is about to be freed. */
void fo__judge_dismiss(struct fo__host *host);

#endif
