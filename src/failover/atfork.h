/* SPDX-License-Identifier: Apache-2.0
 *
 * The handlers that keep locks and liburcu whole over fork(); fork.c has what the child must do then.
 *
 * They come with whatever an embedder makes first, be it a runtime, a group or a balancer: each begins
 * cold operations, which fork() must not catch in the middle.
 */
#ifndef FO_ATFORK_H
#define FO_ATFORK_H

/** Registers the handlers, once per process. Outside the cold lock. */
void fo__atfork_register(void);

#endif
