/* SPDX-License-Identifier: Apache-2.0
 *
 * Ramp: a host that comes back, or joins others, gets its share by and by. All of it is the
 * dispatcher's.
 *
 *     admission
 *     1    ┤            ╱────      5 % at once, then in a straight line to all of it, over 0.8 to 1
 *          │       ╱               of ramp_ms: clients that found a server together do not fill it
 *     0.05 ┼──╱                    together
 *          └──────────────── time
 *
 * By time, not by request: a server that has just started needs seconds to warm up, whatever its
 * traffic. One success is evidence that it is alive, none that it is ready for a full share; and
 * growing with each success, as the original does, takes 40 minutes with 100 servers and 10 requests a
 * second, and no time at all with many.
 *
 * The admission is apart from health, so that levels do not see it: a returned endpoint of level 0
 * counts in full there, and its neighbours carry what it is not admitted to. Picks accept it with that
 * probability and look elsewhere in the tier otherwise; when all of a tier ramp, they share as ever.
 *
 * A suspect host (judge.h) is held at a trickle by the same means, beside its ramp or without one.
 */
#ifndef FO_RAMP_H
#define FO_RAMP_H

#include "group.h"

/** A host that is up was queued: begins its ramp, if its word says that it has one. */
void fo__ramp_follow(struct fo_runtime *runtime, struct fo__host *host, uint64_t word,
                     uint64_t now_ns);

/** Admits a host that is suspect to no more than that, in units of 2^-31, until it is suspect no more and
 * fo__ramp_due() is called: then it has what its ramp would have brought it to. */
void fo__ramp_hold(struct fo__host *host, uint64_t word, uint64_t admission);

/** The timer of a host that is up is due. */
void fo__ramp_due(struct fo_runtime *runtime, struct fo__host *host, uint64_t word,
                  uint64_t now_ns);

#endif
