/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads of the library's own: detached, and no signal of the embedder's is delivered to them.
 */
#ifndef FO_THREAD_H
#define FO_THREAD_H

#include <stdbool.h>
#include <stddef.h>

/** Starts a thread; `stack` is its size in bytes, 0: the system's default. False: the system refuses
 * one. The body names its thread itself: nobody else can be sure that it still runs. */
bool fo__thread_start(void *(*body)(void *arg), void *arg, size_t stack);

/** Names the calling thread, for debuggers and top; up to 15 bytes. */
void fo__thread_name(const char *name);

#endif
