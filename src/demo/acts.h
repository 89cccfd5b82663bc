/* SPDX-License-Identifier: Apache-2.0
 *
 * The script: what happens to the servers, and when.
 *
 * Trouble adds up: the killed server stays dead while the next one freezes, and both are gone while
 * a third turns slow. Then all come back at once. At the end the library is told which zone this client
 * is in, and that zone is lost as a whole and comes back.
 */
#ifndef DEMO_ACTS_H
#define DEMO_ACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster.h"
#include "nursery.h"
#include "record.h"

struct fo_balancer;

struct stage {
    const struct nursery *nursery;
    struct cluster *cluster;
    struct record *record;
    struct fo_balancer *balancer;
    uint64_t end_ns;                /* of the last act, planned */
    uint64_t opening_ns[ACT_COUNT]; /* planned */
};

/* Plans the acts over `seconds` and casts the servers in their roles. */
void stage_set(struct stage *stage, unsigned seconds);

/* Length of an act as planned, in milliseconds. */
uint32_t stage_act_ms(const struct stage *stage, enum act act);

/* Opens acts whose time has come and drives the one that is on; false when the last is over. Call
 * it every few milliseconds. */
bool stage_tick(struct stage *stage);

/* Closes the act that is on. */
void stage_close(struct stage *stage);

#endif
