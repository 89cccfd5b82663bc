/* SPDX-License-Identifier: Apache-2.0
 *
 * Watch: looks at all hosts of a group from time to time, for windows and stalls.
 *
 *     group's timer ─► for each host: counts of its members ─► window.h, stall.h ─► suspect: ramp.c
 *                  └─► each tenth of a window: rate, outlier, latency ─► judge.c ejects
 *
 * The counts are those that rows keep anyway, so picks and finishes pay nothing. What belongs to another
 * epoch is kept out: when a host goes down or comes back its window begins anew, and outcomes of
 * requests from before are subtracted (judged.h: late). Counts of an endpoint that joins or leaves
 * between two looks are left out of that one look.
 *
 * A look costs a load of three counts for every endpoint and thread. It comes every 25 ms while
 * requests are on their way, later where it would visit more than 16,384 rows' cells in that time, and
 * less often each time that nothing happened, down to once a second.
 */
#ifndef FO_WATCH_H
#define FO_WATCH_H

#include "group.h"

/** A host was queued: if it has joined or made a transition, its window begins anew; and its group is
 * watched, if there is something to watch for. */
void fo__watch_follow(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns);

/** The group's timer is due. */
void fo__watch_due(struct fo_runtime *runtime, struct fo_group *group, uint64_t now_ns);

#endif
