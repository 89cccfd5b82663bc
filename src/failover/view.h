/* SPDX-License-Identifier: Apache-2.0
 *
 * What endpoints look like from outside.
 */
#ifndef FO_VIEW_H
#define FO_VIEW_H

#include "core.h"

/** Copies what is known at that time about an endpoint whose host word is, or just was, that one. In a
 * read section, or under the update lock. */
void fo__view_endpoint(struct fo_endpoint *endpoint, const struct fo__snapshot *snapshot,
                       uint64_t word, uint64_t now_ns, struct fo_endpoint_info *info);

#endif
