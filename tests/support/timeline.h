/* SPDX-License-Identifier: Apache-2.0
 *
 * Timeline: what is still to happen, earliest first; of the same moment, what was entered first.
 */
#ifndef TIMELINE_H
#define TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timeline_entry {
    uint64_t due_ns;
    uint64_t serial;
    size_t what; /* the test's own */
};

/** Starts as all zeros. */
struct timeline {
    struct timeline_entry *heap;
    size_t count;
    size_t capacity;
    uint64_t serial;
};

void timeline_add(struct timeline *timeline, uint64_t due_ns, size_t what);

/** When the earliest is due; UINT64_MAX: there is nothing. */
uint64_t timeline_next_ns(const struct timeline *timeline);

/** Takes the earliest; there is one. */
size_t timeline_take(struct timeline *timeline);

void timeline_fini(struct timeline *timeline);

#endif
