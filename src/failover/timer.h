/* SPDX-License-Identifier: Apache-2.0
 *
 * Timers: an intrusive pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986).
 *
 * Arming and cancelling allocate nothing, so they cannot fail in the middle of an outage. Insert is
 * O(1), removing the earliest O(log n) amortised. One thread at a time: the dispatcher.
 */
#ifndef FO_TIMER_H
#define FO_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FO__NEVER UINT64_MAX

/* Whose a timer is. */
enum fo__timer_kind { FO__TIMER_HOST, FO__TIMER_CHECK, FO__TIMER_WATCH };

struct fo__timer {
    uint64_t due_ns;
    struct fo__timer *child;    /* first child */
    struct fo__timer *sibling;  /* next child of the same parent */
    struct fo__timer *previous; /* previous sibling, or the parent for a first child */
    bool armed;
    enum fo__timer_kind kind;
};

struct fo__timers {
    struct fo__timer *earliest;
};

/** Arms, or moves, a timer. */
void fo__timer_arm(struct fo__timers *timers, struct fo__timer *timer, uint64_t due_ns);

/** Cancels a timer; harmless when it is not armed. */
void fo__timer_cancel(struct fo__timers *timers, struct fo__timer *timer);

/** Takes the earliest timer if it is due at `now_ns`, else NULL. */
struct fo__timer *fo__timers_take_due(struct fo__timers *timers, uint64_t now_ns);

/** When the earliest timer is due, or FO__NEVER. */
static inline uint64_t fo__timers_next_ns(const struct fo__timers *timers)
{
    return timers->earliest != NULL ? timers->earliest->due_ns : FO__NEVER;
}

#endif
