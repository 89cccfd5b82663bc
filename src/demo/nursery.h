/* SPDX-License-Identifier: Apache-2.0
 *
 * The nursery: a small process that forks the servers, signals them and buries them.
 *
 *     failover-demo ──socket pair──► nursery ──fork──► s1, s2, s3 …
 *     (many threads)                 (one thread)
 *
 * A program with threads must not fork and run on in the child, but servers have to come back in
 * the middle of the show. So the nursery is forked before the first thread exists and does all
 * later forking. Being the servers' parent it is also the one process that may signal them by pid
 * without a race: a pid is not reused before the parent has waited for it.
 *
 * Nothing outlives the demonstration: the nursery kills its servers when the socket pair closes,
 * and the kernel kills each child whose parent dies (PR_SET_PDEATHSIG).
 */
#ifndef DEMO_NURSERY_H
#define DEMO_NURSERY_H

#include <stdint.h>
#include <sys/types.h>

struct nursery {
    int control;
    pid_t pid;
};

/* Forks the nursery, with reserved ports for `server_count` servers. Call it before anything else
 * that starts a thread. Exits the program when the system refuses. */
void nursery_start(struct nursery *nursery, unsigned server_count, uint64_t seed);

/* The port that server `index` has for the whole run, in host byte order. */
uint16_t nursery_port(const struct nursery *nursery, unsigned index);

/* Starts server `index`, which must not run. When the call returns, it accepts connections. */
void nursery_launch(const struct nursery *nursery, unsigned index);

/* Sends a running server a signal. */
void nursery_signal(const struct nursery *nursery, unsigned index, int signal_number);

/* Kills server `index` by SIGKILL and waits until it is gone; harmless if it does not run. */
void nursery_kill(const struct nursery *nursery, unsigned index);

/* Kills every server and ends the nursery. */
void nursery_stop(struct nursery *nursery);

#endif
