/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a sized struct of any version: a shorter one leaves our defaults in the fields it does not
 * know, a longer one is accepted while its unknown tail is zero.
 */
#ifndef FO_ABI_H
#define FO_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

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
    if (their_size <= sizeof(size_t) || their_size > our_size + 4096)
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

#endif
