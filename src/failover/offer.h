/* SPDX-License-Identifier: Apache-2.0
 *
 * Trial offers: how the dispatcher hands a host that is to be tried to the next pick, without a lock
 * and without making picks search.
 *
 *     dispatcher   offer[i]: CAS NULL → endpoint, then attention |= bit i
 *     pick         attention != 0: look at offer[i]; claim it by CAS endpoint → NULL and clear bit i;
 *                  then CAS the host word DUE → TRIAL (another balancer may have been faster)
 *     withdraw     CAS offer[i]: endpoint → NULL; a bit without an endpoint is cleared by a pick
 *
 * An endpoint may still stand on offer from an earlier round, and be claimed in the moment in which its
 * host falls due: the dispatcher has made the word DUE and looks at the offer, the pick has claimed the
 * offer and looks at the word. That not both look too early, put exchanges an endpoint that is on offer
 * for itself. Of that exchange and the claim one comes first. If it is the exchange, the claim reads
 * from it (acquire from release), so the pick sees DUE and takes the trial. If it is the claim, the
 * exchange fails and the endpoint is put up again. tests/models/offer.pml has both, and finds what a
 * load in place of the exchange would lose.
 *
 * Whoever clears a bit looks at offer[i] once more and sets the bit again if it was filled in
 * between, so an offer is never without its bit for long.
 */
#ifndef FO_OFFER_H
#define FO_OFFER_H

#include "counting.h"
#include "pick_limits.h"

/** Offers an endpoint for a trial. True: it stands on offer. Dispatcher. */
bool fo__offer_put(struct fo__core *core, struct fo_endpoint *endpoint);

/** Takes the endpoint's offer back. Update lock held; a grace period follows before it is freed. */
void fo__offer_withdraw(struct fo__core *core, struct fo_endpoint *endpoint);

/** Takes a trial that is on offer, that the limits allow and that has room, and fills the lease. In a
 * read section. */
bool fo__offer_take(struct fo__core *core, struct fo__snapshot *snapshot, struct fo__row *row,
                    const struct fo__limits *limits, struct fo__counting *counting,
                    struct fo_lease *lease);

#endif
