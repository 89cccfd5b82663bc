/* SPDX-License-Identifier: Apache-2.0
 *
 * One of the demonstration's servers: the body of a process of its own.
 */
#ifndef DEMO_SERVER_H
#define DEMO_SERVER_H

#include <signal.h>
#include <stdint.h>
#include <stdnoreturn.h>

/* A request is answered after 1.5 … 4.5 ms, every delay as likely; 20 times that when slowed. */
#define SERVICE_LEAST_US 1500
#define SERVICE_MOST_US 4500
#define SLOWDOWN 20

/* What tells a server to be slow, and to be itself again. */
#define SERVER_SLOW SIGUSR1
#define SERVER_NORMAL SIGUSR2

/* Installs the handlers of these two signals. For the process that forks the servers: inherited
 * handlers leave no moment in which a signal would kill a new server. */
void server_prepare(void);

/* Serves until it is killed. `listener` is a listening, non-blocking socket. */
noreturn void server_run(int listener, uint64_t seed);

#endif
