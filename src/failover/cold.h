/* SPDX-License-Identifier: Apache-2.0
 *
 * The cold lock: what makes fork() safe.
 *
 * Every cold operation (update, create, dispatch …) runs between begin and end, and all mutexes of
 * the library are taken inside only, but for four: those of rows, checked leases and workers are held
 * over fork() themselves, and listeners' are made anew in the child. fork() waits in its prepare
 * handler until nobody is inside: so in the child every mutex is free and every list is whole.
 * Callbacks of the embedder run outside, so they may fork, too; all but his clock, which may call
 * nothing of the library. Begin does not nest, and nobody who is inside waits for a thread that is not:
 * once fork() waits, nobody gets in.
 */
#ifndef FO_COLD_H
#define FO_COLD_H

void fo__cold_begin(void);
void fo__cold_end(void);

/** Prepare handler of fork(): nobody is inside, and nobody gets in. */
void fo__cold_close(void);
void fo__cold_reopen_in_parent(void);
void fo__cold_reopen_in_child(void);

#endif
