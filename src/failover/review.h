/* SPDX-License-Identifier: Apache-2.0
 *
 * Reviewing: how the tiers of a snapshot share the traffic, after something changed what they are worth.
 *
 *     contribution mended ─► review: tiers' worth ─► levels.c ─► shares, state, attention
 *
 * While all traffic is tier 0's, `attention` is silent and picks need not know of tiers at all.
 *
 * Two reviews may run at once, and the one that knows less may write last. So, as with contributions,
 * whoever has written looks again: the exchange of `state` lies between, so of two reviews the one that
 * exchanges later sees what the other added to the tiers' worth and what it wrote, and writes anew if
 * that is not the verdict (tests/models/review.pml).
 */
#ifndef FO_REVIEW_H
#define FO_REVIEW_H

#include "core.h"

/** Reviews a snapshot of the balancer. In a read section, or the updater. Lock-free. */
void fo__review(struct fo__core *core, struct fo__snapshot *snapshot);

#endif
