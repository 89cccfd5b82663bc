/* SPDX-License-Identifier: Apache-2.0
 *
 * Dump: everything that fo_endpoint_list() shows, as text, for "nothing was changed" by comparison.
 *
 *     char *before = dump(balancer);
 *     …a call that must be refused…
 *     assert(dump_is_still(balancer, before));    frees it
 */
#ifndef DUMP_H
#define DUMP_H

#include <failover/failover.h>

/** One line an endpoint, with every field of its info. The caller frees it. */
char *dump(struct fo_balancer *balancer);

/** Whether the balancer's dump equals an earlier one, which is freed; the difference is printed. */
bool dump_is_still(struct fo_balancer *balancer, char *before);

/** The names in order, "a b c". Valid until the next call on this thread. */
const char *dump_names(struct fo_balancer *balancer);

#endif
