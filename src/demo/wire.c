/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames; see the picture in wire.h.
 */
#include "wire.h"

#include <endian.h>
#include <string.h>

enum { LENGTH_BYTES = 4, ID_BYTES = 8 };

_Static_assert(WIRE_HEAD == LENGTH_BYTES + ID_BYTES, "the picture in wire.h");

size_t wire_encode(unsigned char frame[WIRE_FRAME_MAX], uint64_t id, size_t filler)
{
    uint32_t length = htobe32((uint32_t)(ID_BYTES + filler));

    id = htobe64(id);
    memcpy(frame, &length, LENGTH_BYTES);
    memcpy(frame + LENGTH_BYTES, &id, ID_BYTES);
    memset(frame + WIRE_HEAD, '.', filler);
    return WIRE_HEAD + filler;
}

ssize_t wire_complete(const unsigned char *bytes, size_t count)
{
    uint32_t length;

    if (count < LENGTH_BYTES)
        return 0;
    memcpy(&length, bytes, LENGTH_BYTES);
    length = be32toh(length);
    if (length < ID_BYTES || length > WIRE_FRAME_MAX - LENGTH_BYTES)
        return -1;
    return count >= LENGTH_BYTES + length ? (ssize_t)(LENGTH_BYTES + length) : 0;
}

uint64_t wire_id(const unsigned char *frame)
{
    uint64_t id;

    memcpy(&id, frame + LENGTH_BYTES, ID_BYTES);
    return be64toh(id);
}
