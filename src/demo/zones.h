/* SPDX-License-Identifier: Apache-2.0
 *
 * What the library makes of the zones.
 */
#ifndef DEMO_ZONES_H
#define DEMO_ZONES_H

#include "record.h"

struct fo_balancer;

/* Asks fo_balancer_explain() about both zones. Exits the program when it refuses. */
void zones_look(struct fo_balancer *balancer, struct zone_view views[ZONE_COUNT]);

/* "level 0 (zone near): 0 % of the traffic, 0 of 3 healthy" */
struct zone_text {
    char text[80];
};
struct zone_text zones_describe(const struct zone_view *view, enum zone zone);

#endif
