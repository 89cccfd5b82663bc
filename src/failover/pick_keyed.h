/* SPDX-License-Identifier: Apache-2.0
 *
 * A pick by key.
 */
#ifndef FO_PICK_KEYED_H
#define FO_PICK_KEYED_H

#include "pick_limits.h"

/** Picks with no limits at all: the short way. Outside read sections, as the next. */
fo_status fo__pick_by_key(struct fo__core *core, const void *key, size_t key_size,
                          struct fo_lease *lease);

/** Picks with valid options that have a key. */
fo_status fo__pick_keyed(struct fo__core *core, const struct fo_pick_options *options,
                         struct fo_lease *lease);

#endif
