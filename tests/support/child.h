/* SPDX-License-Identifier: Apache-2.0
 *
 * Children of a plain program: what fork() leaves behind is looked at there.
 *
 *     pid_t pid = child_fork();
 *     if (pid == 0) { ...; _exit(0); }
 *     ...
 *     child_await(pid);
 */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/** Whether a child of a process with threads may have threads of its own: not under qemu-user, which
 * fails its own assertions, nor by ThreadSanitizer. */
bool child_may_have_threads(void);

/** fork(), and in the child an alarm: one that hangs is ended and counts as failed. */
pid_t child_fork(void);

/** Waits for a child, which has to end with 0. */
void child_await(pid_t pid);

/**
 * In a child: the system refuses threads from now on, or does so no longer. False: it cannot be made
 * to. Root is beyond such limits, so the child is somebody else from then on.
 */
bool child_refuse_threads(bool refuse);

#endif
