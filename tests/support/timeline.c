/* SPDX-License-Identifier: Apache-2.0 */
#include "timeline.h"

#include <stdlib.h>

static bool is_before(const struct timeline_entry *a, const struct timeline_entry *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->serial < b->serial;
}

static void swap(struct timeline_entry *a, struct timeline_entry *b)
{
    struct timeline_entry kept = *a;

    *a = *b;
    *b = kept;
}

static void make_room(struct timeline *timeline)
{
    if (timeline->count < timeline->capacity)
        return;
    timeline->capacity = timeline->capacity == 0 ? 64 : timeline->capacity * 2;
    timeline->heap = realloc(timeline->heap, timeline->capacity * sizeof(*timeline->heap));
    if (timeline->heap == NULL)
        abort();
}

void timeline_add(struct timeline *timeline, uint64_t due_ns, size_t what)
{
    size_t at = timeline->count;

    make_room(timeline);
    timeline->heap[at].due_ns = due_ns;
    timeline->heap[at].serial = timeline->serial++;
    timeline->heap[at].what = what;
    timeline->count++;
    for (; at > 0 && is_before(&timeline->heap[at], &timeline->heap[(at - 1) / 2]);
         at = (at - 1) / 2)
        swap(&timeline->heap[at], &timeline->heap[(at - 1) / 2]);
}

uint64_t timeline_next_ns(const struct timeline *timeline)
{
    return timeline->count > 0 ? timeline->heap[0].due_ns : UINT64_MAX;
}

size_t timeline_take(struct timeline *timeline)
{
    struct timeline_entry *heap = timeline->heap;
    size_t what = heap[0].what;
    size_t at = 0;

    heap[0] = heap[--timeline->count];
    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < timeline->count && is_before(&heap[child + 1], &heap[child]))
            child++;
        if (child >= timeline->count || !is_before(&heap[child], &heap[at]))
            return what;
        swap(&heap[child], &heap[at]);
        at = child;
    }
}

void timeline_fini(struct timeline *timeline)
{
    free(timeline->heap);
}
