/* SPDX-License-Identifier: Apache-2.0 */
#include "words.h"

#include <stdlib.h>

#define PER_LINE ((uint32_t)(FO__CACHE_LINE / sizeof(uint64_t)))
#define SLAB_MAX 512u

struct fo__word_slab {
    _Alignas(FO__CACHE_LINE) struct fo__word_slab *next;
    _Alignas(FO__CACHE_LINE) _Atomic uint64_t word[];
};

/** As many words as there are, so that small groups stay small. */
static uint32_t next_size(const struct fo__words *words)
{
    if (words->count < PER_LINE)
        return PER_LINE;
    return words->count < SLAB_MAX ? words->count : SLAB_MAX;
}

static bool grow(struct fo__words *words)
{
    uint32_t size = next_size(words);
    struct fo__word_slab *slab =
        aligned_alloc(FO__CACHE_LINE, sizeof(*slab) + size * sizeof(slab->word[0]));

    if (slab == NULL)
        return false;
    slab->next = words->slabs;
    words->slabs = slab;
    words->count += size;
    for (uint32_t i = size; i-- > 0;) { /* the first is taken first: hosts lie as they come */
        atomic_init(&slab->word[i], 0);
        fo__words_release(words, &slab->word[i]);
    }
    return true;
}

_Atomic uint64_t *fo__words_acquire(struct fo__words *words, uint64_t value)
{
    _Atomic uint64_t *word;

    if (words->free == NULL && !grow(words))
        return NULL;
    word = words->free;
    words->free = (_Atomic uint64_t *)(uintptr_t)fo__load_relaxed(word);
    fo__store_relaxed(word, value);
    return word;
}

void fo__words_release(struct fo__words *words, _Atomic uint64_t *word)
{
    fo__store_relaxed(word, (uint64_t)(uintptr_t)words->free);
    words->free = word;
}

void fo__words_fini(struct fo__words *words)
{
    while (words->slabs != NULL) {
        struct fo__word_slab *next = words->slabs->next;

        free(words->slabs);
        words->slabs = next;
    }
}
