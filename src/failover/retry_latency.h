/* SPDX-License-Identifier: Apache-2.0
 *
 * Latency of answers: when is a request late enough to be asked for a second time?
 *
 * A histogram of cells that grow with what they hold: eight to each doubling, so a percentile is told
 * at most an eighth too high. Each cell counts for this ttl and the one before (retry_window.h), so the
 * percentile is that of the last one to two of them.
 *
 *     1 µs ├┼┼┼┼┼┼┼┤ 2 µs ├ ┼ ┼ ┼ ┼ ┼ ┼ ┼ ┤ 4 µs ├  ┼  ┼  ┼  ┼  ┼  ┼  ┼  ┤ 8 µs  …  73 min
 *
 * The percentile is worked out once in a tick, by whoever asks first, and remembered.
 */
#ifndef FO_RETRY_LATENCY_H
#define FO_RETRY_LATENCY_H

#include "retry_window.h"

#define FO__RETRY_LATENCY_CELLS 256u
/** Fewer answers than that have no percentile. */
#define FO__RETRY_LATENCY_ANSWERS_MIN 100u

struct fo__retry_latency {
    _Atomic uint64_t p95_ns;      /* 0: not known */
    _Atomic uint64_t known_since; /* tick + 1; 0: never */
    _Atomic uint64_t cell[FO__RETRY_LATENCY_CELLS][2];
};

/** Counts an answer. Lock-free. */
void fo__retry_latency_count(struct fo__retry_latency *latency, uint32_t tick, uint64_t ns);

/** The 95th percentile, or 0 while it is not known. Lock-free. */
uint64_t fo__retry_latency_p95_ns(struct fo__retry_latency *latency, uint32_t tick);

#endif
