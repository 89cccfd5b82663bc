/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's end of a connection: non-blocking, every wait with a deadline.
 *
 * Deadlines are absolute, on the clock of now.h.
 */
#ifndef DEMO_CONNECTION_H
#define DEMO_CONNECTION_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONNECTION_NONE (-1)

enum exchange {
    EXCHANGE_ANSWERED,
    EXCHANGE_REFUSED,  /* nobody listens on the port */
    EXCHANGE_BROKEN,   /* reset, closed, or an answer that makes no sense */
    EXCHANGE_LATE,     /* the deadline passed */
    EXCHANGE_OWN_FAULT /* this process has no descriptor or port left: says nothing of the server */
};

/* Opens *connection unless it is open and the server has not hung up on it meanwhile. */
enum exchange connection_ready(int *connection, const struct sockaddr_in *address,
                               uint64_t deadline_ns);

/* Sends a frame and waits for its answer. */
enum exchange connection_exchange(int connection, const unsigned char *frame, size_t length,
                                  uint64_t deadline_ns);

/* Closes *connection, if open, and makes it CONNECTION_NONE. */
void connection_close(int *connection);

#endif
