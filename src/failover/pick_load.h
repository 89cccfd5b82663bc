/* SPDX-License-Identifier: Apache-2.0
 *
 * The short way while leases are counted.
 */
#ifndef FO_PICK_LOAD_H
#define FO_PICK_LOAD_H

#include "core.h"

#include <failover/balancer.h>

/** As fo_pick(), for a balancer with FO__ATTENTION_LOAD. */
fo_status fo__pick_load(struct fo__core *core, struct fo_lease *lease);

#endif
