/* SPDX-License-Identifier: Apache-2.0
 *
 * The protocol between the demonstration's clients and servers: one frame each way.
 *
 *      0        4                12
 *     ┌────────┬────────────────┬─────────────────────┐
 *     │ length │ request id     │ filler, 0…244 bytes │     numbers are big-endian;
 *     └────────┴────────────────┴─────────────────────┘     length counts what follows it
 *
 * The answer is the request itself. A client that gets another id than it sent knows that the
 * connection is out of step. One request at a time on a connection: there is no pipelining, so a
 * client that gave up on an answer closes the connection and never meets that answer again.
 */
#ifndef DEMO_WIRE_H
#define DEMO_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WIRE_HEAD 12
#define WIRE_FRAME_MAX 256

/* Writes a frame and returns its length. filler: 0 … WIRE_FRAME_MAX − WIRE_HEAD. */
size_t wire_encode(unsigned char frame[WIRE_FRAME_MAX], uint64_t id, size_t filler);

/* Length of the frame whose first `count` bytes are here; 0 when more bytes are needed to tell or
 * to complete it; −1 when no frame begins like this. */
ssize_t wire_complete(const unsigned char *bytes, size_t count);

/* The request id of a complete frame. */
uint64_t wire_id(const unsigned char *frame);

#endif
