/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads: coroutines on one thread of the system, and what makes them wait.
 *
 * Each has its own rows: fo__thread_rows is exchanged when another one runs on. Grace periods and
 * mutexes know the coroutines: a wait is a state, and a thread that waits is not asked whether it
 * runs on. The mutexes take the place of the system's in the whole program.
 */
#ifndef THREADS_H
#define THREADS_H

/** Once. Pair with threads_fini(). */
void threads_init(void);
void threads_fini(void);

/** The bodies of the next schedules; up to EXPLORE_THREADS, or a NULL earlier. */
void threads_set(void (*const *bodies)(void));

/** Runs them all to their end, as decided (decisions.h). */
void threads_run(void);

/** Does for all rows what the exit of their threads would do: all balancers are gone. */
void threads_forget_rows(void);

#endif
