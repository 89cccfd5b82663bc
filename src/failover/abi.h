/* SPDX-License-Identifier: Apache-2.0
 *
 * Sized structs of any version. Reading: a shorter one leaves our defaults in the fields it does not
 * know, a longer one is accepted while its unknown tail is zero. Writing: only what the caller has
 * room for, and only what we know.
 */
#ifndef FO_ABI_H
#define FO_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/** Whether a size can be one of a struct of this library: every version of one ends at a multiple of
 * its alignment. */
static inline bool fo__abi_size_is_sane(size_t size, size_t our_size)
{
    return size > sizeof(size_t) && size <= our_size + 4096 && size % sizeof(size_t) == 0;
}

/**
 * Copies a caller's struct over ours, which holds the defaults.
 *
 * Both begin with `size_t size`; ours keeps its own. False: the caller's size is no size of this
 * struct, or it sets fields that this version does not have.
 */
static inline bool fo__abi_read(void *ours, size_t our_size, const void *theirs)
{
    const unsigned char *bytes = theirs;
    size_t their_size;

    memcpy(&their_size, theirs, sizeof(their_size));
    if (!fo__abi_size_is_sane(their_size, our_size))
        return false;
    for (size_t i = our_size; i < their_size; i++)
        if (bytes[i] != 0)
            return false;
    if (their_size > our_size)
        their_size = our_size;
    memcpy((unsigned char *)ours + sizeof(size_t), bytes + sizeof(size_t),
           their_size - sizeof(size_t));
    return true;
}

/** Copies our struct over a caller's, whose `size` is sane and stays. */
static inline void fo__abi_write(void *theirs, const void *ours, size_t our_size)
{
    size_t their_size;

    memcpy(&their_size, theirs, sizeof(their_size));
    if (their_size > our_size)
        their_size = our_size;
    memcpy((unsigned char *)theirs + sizeof(size_t), (const unsigned char *)ours + sizeof(size_t),
           their_size - sizeof(size_t));
}

#endif
