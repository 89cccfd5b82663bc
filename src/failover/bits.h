/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer helpers.
 */
#ifndef FO_BITS_H
#define FO_BITS_H

#include <stddef.h>
#include <stdint.h>

__extension__ typedef unsigned __int128 fo__u128;

/** Upper 64 bits of the product: `fraction / 2^64 * scale`. */
static inline uint64_t fo__mul_high(uint64_t fraction, uint64_t scale)
{
    return (uint64_t)(((fo__u128)fraction * scale) >> 64);
}

/** The struct that contains a member. */
#define fo__container_of(pointer, type, member)                                                    \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
