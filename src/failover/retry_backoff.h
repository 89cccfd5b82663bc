/* SPDX-License-Identifier: Apache-2.0
 *
 * Back-off with full jitter: a pause drawn evenly from nothing to a limit that doubles.
 *
 *     after failure   1      2       3           4
 *                     ├──┤   ├────┤  ├────────┤  ├────────────────┤  …  at most max
 *
 * Drawing from 0, and not around the limit, spreads the clients that failed together over all of it:
 * the servers see the least at once, and the clients wait half as long on average.
 *
 * Source: M. Brooker, "Exponential backoff and jitter", 2015.
 */
#ifndef FO_RETRY_BACKOFF_H
#define FO_RETRY_BACKOFF_H

#include <stdint.h>

/** The limit of the pause after so many failures, of at least 1. */
uint64_t fo__retry_backoff_limit_ns(uint64_t base_ns, uint64_t max_ns, uint32_t failures);

/** The pause, by 64 random bits; below the limit, and 0 for a base of 0. */
uint64_t fo__retry_backoff_ns(uint64_t base_ns, uint64_t max_ns, uint32_t failures, uint64_t draw);

#endif
