/* SPDX-License-Identifier: Apache-2.0
 *
 * Hashing: the only file that names xxHash (XXH3, compiled inline, nothing exported).
 */
#ifndef FO_HASH_H
#define FO_HASH_H

#define XXH_INLINE_ALL
#define XXH_NO_STREAM
#include <xxhash.h>

#include <stddef.h>
#include <stdint.h>

/** The 64-bit XXH3 of some bytes: the same on every machine and in every process. */
static inline uint64_t fo__hash(const void *bytes, size_t length)
{
    return XXH3_64bits(bytes, length);
}

#endif
