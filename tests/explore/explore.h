/* SPDX-License-Identifier: Apache-2.0
 *
 * The explorer: walks through the interleavings of the real library code, one after another.
 *
 * The library is compiled under FO_EXPLORE: before each access to a shared word it calls
 * fo__explore_step(), and its grace periods are the explorer's. Threads are coroutines on one
 * thread of the system, so a schedule is nothing but the answers to "who runs on?" at each step:
 *
 *     setup() ─► threads, switched at steps ─► check() ─► the same again, with another answer
 *
 * All schedules with at most so many *preemptions* (switches away from a thread that could have run
 * on) are tried, depth first, for a bound of 0, 1, 2 … : most races need one or two (Musuvathi and
 * Qadeer, "Iterative context bounding", PLDI 2007), so the first failure is the simplest, and the
 * number of schedules stays polynomial. A wait for a grace period or a mutex is no preemption.
 *
 * What it does not see: weaker memory than sequential consistency (ThreadSanitizer and the orders
 * in atomic.h are for that), and switches between accesses that are no steps: between the load and
 * the store of a counter that only one thread may write.
 *
 *     program [--scenario NAME] [--bound N] [--seconds S]     walk
 *     program --scenario NAME --replay SCHEDULE               run one schedule that was printed
 *
 * A schedule is printed as "0*12 2*3 1*7": thread 0 for twelve steps at which there was a choice,
 * and so on; behind its end threads run on.
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stdbool.h>
#include <stddef.h>

#define EXPLORE_THREADS 4

struct explore_scenario {
    const char *name;
    unsigned bound;                        /* preemptions at most */
    void (*setup)(void);                   /* makes the world; one thread, no steps */
    void (*thread[EXPLORE_THREADS])(void); /* NULL: none */
    void (*check)(void);                   /* judges it and takes it down; one thread, no steps */
};

/** The main function of a program of scenarios. */
int explore_main(int argc, char **argv, const struct explore_scenario *scenarios, size_t count);

/** Prints what went wrong and the schedule, and ends the program with 1, unless `holds`. */
void explore_check(bool holds, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** For what ends the program on its own: prints the schedule so far. */
void explore_print_schedule(void);

/** In setup: acts on behalf of a thread, with its row. */
void explore_as(unsigned thread, void (*act)(void *), void *arg);

/** In setup, after the balancers were made: gives every thread its row, so that a first call's way
 * is not part of every schedule. */
struct fo_balancer;
void explore_prepare_rows(struct fo_balancer *balancer);

#endif
