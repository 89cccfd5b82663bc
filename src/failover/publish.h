/* SPDX-License-Identifier: Apache-2.0
 *
 * Replacing a balancer's snapshot. The update lock is held throughout.
 */
#ifndef FO_PUBLISH_H
#define FO_PUBLISH_H

#include "members.h"

/**
 * Publishes a snapshot and waits until nobody reads the old one, which it frees. `leavers` are out
 * of it and of the name index: they begin to drain before the wait and are settled after it.
 */
void fo__publish(struct fo_balancer *balancer, struct fo__snapshot *snapshot,
                 struct fo_endpoint *const *leavers, size_t leaver_count);

/** Publishes the members as they are placed now: drained or not, failed or not, by the placement as it
 * is. FO_OK or FO_NOMEM, and then everything is as before. */
fo_status fo__publish_anew(struct fo_balancer *balancer);

/** Behind the grace period of a removal: counts the open leases, and releases if there are none. */
void fo__publish_settle(struct fo_endpoint *endpoint);

/** Behind a grace period after taking an incarnation back: its counts are whole again. */
void fo__publish_fold_revived(struct fo_endpoint *endpoint);

/** Removes every member and closes the balancer; cannot fail. */
void fo__publish_close(struct fo_balancer *balancer);

#endif
