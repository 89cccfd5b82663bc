/* SPDX-License-Identifier: Apache-2.0
 *
 * The counting half of a finish, for reports by name, which hold their endpoint like a lease.
 */
#ifndef FO_FINISH_H
#define FO_FINISH_H

#include "core.h"

/** Counts a lease of the endpoint as finished; the endpoint may be gone afterwards. */
void fo__finish_count(struct fo__core *core, struct fo_endpoint *endpoint, bool failed);

#endif
