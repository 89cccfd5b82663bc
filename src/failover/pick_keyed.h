/* SPDX-License-Identifier: Apache-2.0
 *
 * A pick by key.
 */
#ifndef FO_PICK_KEYED_H
#define FO_PICK_KEYED_H

#include "pick_limits.h"

/** Picks with valid options that have a key. Outside read sections. */
fo_status fo__pick_keyed(struct fo__core *core, const struct fo_pick_options *options,
                         struct fo_lease *lease);

#endif
