/* SPDX-License-Identifier: Apache-2.0
 *
 * Crew: the same function on some threads at once, all set off together.
 */
#ifndef CREW_H
#define CREW_H

#include <stddef.h>

#define CREW_MAX 16

/** Runs work(member, arg) on n threads, members 0 … n−1, and waits for all of them. */
void crew_run(size_t n, void (*work)(size_t member, void *arg), void *arg);

/** As crew_run(), while the caller does other things until crew_join(). */
struct crew;
struct crew *crew_start(size_t n, void (*work)(size_t member, void *arg), void *arg);
void crew_join(struct crew *crew);

#endif
