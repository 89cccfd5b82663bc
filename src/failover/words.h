/* SPDX-License-Identifier: Apache-2.0
 *
 * Words: where the host words of a group live.
 *
 *     slab of 8      [w w w w w w w w]                        one cache line
 *     slab of 8      [w w w w w w w w]
 *     slab of 16     [w w w w w w w w][w w w w w w w w]       each as long as all before it, up to 512
 *
 * Apart from their hosts, eight to a cache line, because picks read words and nothing else of a host:
 * 10,000 of them are 80 KB, which a second-level cache holds beside the snapshot, where words on lines
 * of their own are 640 KB, which it does not (43 against 25 ns a pair). The price is that a word that
 * changes takes seven neighbours' line along. Words of hosts that are well do not change, and those
 * of ill ones with every outcome at most; a line that travels once a failure is cheaper than one that
 * is never there.
 *
 * Words never move. Callers hold the group's lock.
 */
#ifndef FO_WORDS_H
#define FO_WORDS_H

#include "atomic.h"

struct fo__word_slab;

/** Starts as all zeros. */
struct fo__words {
    struct fo__word_slab *slabs;
    _Atomic uint64_t *free; /* each holds the address of the next */
    uint32_t count;         /* words of all slabs */
};

/** A word that nobody uses, set to `value`. NULL: out of memory. */
_Atomic uint64_t *fo__words_acquire(struct fo__words *words, uint64_t value);

/** Gives a word back that no thread reads any more. */
void fo__words_release(struct fo__words *words, _Atomic uint64_t *word);

/** Frees the slabs. No word is used. */
void fo__words_fini(struct fo__words *words);

#endif
