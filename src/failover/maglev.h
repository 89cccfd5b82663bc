/* SPDX-License-Identifier: Apache-2.0
 *
 * Maglev table: which endpoint a key belongs to, in O(1), the same in every process.
 *
 * A table of prime size M, at least 100 entries for an endpoint, holds slot numbers (Eisenbud et al.,
 * "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016). An endpoint's share of
 * the entries is its share of the weight, and a key is a position:
 *
 *     hash of the key ──► position ──► 2 0 1 1 2 0 … M entries        attempt 0
 *                   └──► step ──────────► + step, + 2 step … (mod M)  attempts 1, 2 …
 *
 * Attempts are for a slot that cannot take the key now. They belong to the key, not to the slot: the
 * keys of one lost host spread over all others, each to the same one everywhere, and return with it.
 *
 * The table follows from the set of {hash of the name, units} alone, by integers only: neither the
 * order of the members nor the machine has a part in it. An update moves the keys that it has to move
 * and few others (maglev.c says how).
 *
 * Pure functions: any thread, concurrently with everything. Nothing is allocated.
 */
#ifndef FO_MAGLEV_H
#define FO_MAGLEV_H

#include "atomic.h"
#include "bits.h"
#include "rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Half a slot number is enough for most tables, and half the memory: a key's position is a cache miss,
 * of the second level from 1312 members on. */
struct fo__maglev {
    uint64_t size;   /* M; wide for the multiplication of a position */
    bool has_upper;  /* more than 2^16 members */
    uint16_t half[]; /* the lower halves of M slot numbers, and then perhaps the upper */
};

/** Scratch of the build: a member on its way through the table. */
struct fo__maglev_walk {
    union {
        uint64_t hash;   /* as long as they are put in order */
        uint64_t credit; /* part of its next step that is due already, in 2^-43 */
    };
    uint64_t units;
    uint32_t slot;
    uint32_t left; /* entries that it has yet to take */
    uint32_t at;   /* position that it comes to next */
    uint32_t step; /* from one position to the next, mod M */
};

/**
 * Entries of a table for n ≤ 2^20 members: a prime, 65537 or more, at least 100 n.
 *
 * Another size is another place for every key, so sizes are far apart: the next are 131101 from 656
 * members on, 262147 from 1312 on, and so on by doubling. Members of weight 0 count, so that draining one
 * does not change the size.
 */
size_t fo__maglev_size(uint32_t n);

/** Bytes of a table for n ≤ 2^20 members. */
size_t fo__maglev_bytes(uint32_t n);

/** Words of the second scratch memory: a bit for each entry. */
static inline size_t fo__maglev_words(size_t size)
{
    return (size + 63) / 64;
}

/**
 * Builds the table.
 *
 * A member of weight 0 has no entry, and neither has one whose share is below half an entry. Equal
 * hashes do no harm: of such members, the slot numbers tell which is which.
 *
 * @param hashes         n hashes of names, as of fo__hash(): what a member is known by
 * @param units          n weights, sum at most 2^43, not all 0
 * @param n              1 … 2^20
 * @param table          room for fo__maglev_bytes(n)
 * @param scratch_walks  n, contents do not matter
 * @param scratch_taken  fo__maglev_words(fo__maglev_size(n)), contents do not matter
 *
 * About M ln M steps: 2 ms for 500 members, 60 ms for 10,000.
 */
void fo__maglev_build(const uint64_t *hashes, const uint64_t *units, uint32_t n,
                      struct fo__maglev *table, struct fo__maglev_walk *scratch_walks,
                      uint64_t *scratch_taken);

/** The slot at a position below M. */
static inline uint32_t fo__maglev_slot(const struct fo__maglev *table, uint64_t at)
{
    uint32_t slot = table->half[at];

    if (fo__unlikely(table->has_upper))
        slot |= (uint32_t)table->half[table->size + at] << 16;
    return slot;
}

/**
 * The slot of a key.
 *
 * @param key_hash  64 well-mixed bits, as of fo__hash(): the position is key_hash / 2^64 × M, so a
 *                  counter or a pointer would always come to the first entries
 * @param attempt   0 for the key's own slot. M attempts see every position once; several may give
 *                  the same slot
 */
static inline uint32_t fo__maglev_at(const struct fo__maglev *table, uint64_t key_hash,
                                     uint32_t attempt)
{
    uint64_t at = fo__mul_high(key_hash, table->size);

    if (fo__unlikely(attempt > 0)) {
        uint64_t step = 1 + fo__mul_high(fo__rng_mix(key_hash), table->size - 1);
        at = (at + attempt * step) % table->size;
    }
    return fo__maglev_slot(table, at);
}

#endif
