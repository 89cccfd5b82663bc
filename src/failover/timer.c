/* SPDX-License-Identifier: Apache-2.0 */
#include "timer.h"

/** Joins two heaps: the later root becomes the first child of the earlier one. */
static struct fo__timer *meld(struct fo__timer *a, struct fo__timer *b)
{
    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    if (b->due_ns < a->due_ns) {
        struct fo__timer *earlier = b;
        b = a;
        a = earlier;
    }
    b->previous = a;
    b->sibling = a->child;
    if (a->child != NULL)
        a->child->previous = b;
    a->child = b;
    return a;
}

/** Melds a list of siblings: in pairs from the left, then all from the right. */
static struct fo__timer *meld_siblings(struct fo__timer *first)
{
    struct fo__timer *pairs = NULL;
    struct fo__timer *root = NULL;

    while (first != NULL) {
        struct fo__timer *a = first;
        struct fo__timer *b = a->sibling;
        struct fo__timer *pair;

        first = b != NULL ? b->sibling : NULL;
        a->sibling = NULL;
        if (b != NULL)
            b->sibling = NULL;
        pair = meld(a, b);
        pair->sibling = pairs;
        pairs = pair;
    }
    while (pairs != NULL) {
        struct fo__timer *next = pairs->sibling;
        pairs->sibling = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    if (root != NULL)
        root->previous = NULL;
    return root;
}

static void unlink_from_parent(struct fo__timer *timer)
{
    if (timer->previous->child == timer)
        timer->previous->child = timer->sibling;
    else
        timer->previous->sibling = timer->sibling;
    if (timer->sibling != NULL)
        timer->sibling->previous = timer->previous;
}

void fo__timer_cancel(struct fo__timers *timers, struct fo__timer *timer)
{
    struct fo__timer *children;

    if (!timer->armed)
        return;
    children = meld_siblings(timer->child);
    if (timers->earliest == timer) {
        timers->earliest = children;
    } else {
        unlink_from_parent(timer);
        timers->earliest = meld(timers->earliest, children);
    }
    timer->child = NULL;
    timer->sibling = NULL;
    timer->previous = NULL;
    timer->armed = false;
}

void fo__timer_arm(struct fo__timers *timers, struct fo__timer *timer, uint64_t due_ns)
{
    fo__timer_cancel(timers, timer);
    timer->due_ns = due_ns;
    timer->armed = true;
    timers->earliest = meld(timers->earliest, timer);
}

struct fo__timer *fo__timers_take_due(struct fo__timers *timers, uint64_t now_ns)
{
    struct fo__timer *timer = timers->earliest;

    if (timer == NULL || timer->due_ns > now_ns)
        return NULL;
    fo__timer_cancel(timers, timer);
    return timer;
}
