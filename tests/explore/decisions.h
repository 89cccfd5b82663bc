/* SPDX-License-Identifier: Apache-2.0
 *
 * Decisions: a schedule is a list of them, each with the threads that could have run on. To go to
 * the next schedule, depth first, the last decision that has another answer within the bound is
 * changed, all behind it are forgotten, and everything runs again from the beginning.
 */
#ifndef DECISIONS_H
#define DECISIONS_H

#include <stdbool.h>
#include <stddef.h>

#define NOBODY (-1)

/** Forgets everything: the next schedule is the first of a walk. */
void decisions_forget(void);

/** A schedule begins: what was given is answered again, behind it threads run on. */
void decisions_begin(void);

/** Who runs on, from a non-empty set of bits. `before` may run on itself, or is NOBODY. */
int decide(unsigned enabled, int before);

/** Changes the last decision that has another answer within the bound. False: there is none. */
bool decisions_next(unsigned bound);

/** Of this schedule, so far. */
size_t decisions_count(void);

/** Writes "0*12 2*3" to stderr, and gives what such a text says. */
void decisions_print(void);
void decisions_read(const char *text);

#endif
