/* SPDX-License-Identifier: Apache-2.0
 *
 * What an HTTP/1.x server answers to a check: only the status counts.
 *
 *     HTTP/1.1 100 Continue ⏎            interim: skipped with its headers
 *     Link: a ⏎
 *     ⏎
 *     HTTP/1.1 200 OK ⏎                  the final status: done here
 *     ...                                headers and body are not looked at
 *
 * The reader takes the bytes in pieces of any size and keeps a few counters, no bytes: whatever a
 * server sends, endless headers or a stream of another protocol, costs 12 bytes of memory and ends
 * after 16 KiB. How the bytes are cut into pieces changes no verdict.
 *
 * Taken as well: a line that ends in a bare LF, a status line without its reason, with or without
 * the blank before it. Everything else is as RFC 9112 has it, or malformed: versions 1.0 and 1.1,
 * three digits, 100 … 599, one blank each, no control character, no empty line in front, no folded
 * header. After five interim answers the next must be final. 101 is final: what would follow it is
 * not HTTP, and nobody has asked for that.
 */
#ifndef FO_HTTP_ANSWER_H
#define FO_HTTP_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#define FO__HTTP_ANSWER_MAX 16384u /* bytes up to the end of the final status line */
#define FO__HTTP_INTERIM_MAX 5u

enum fo__http_verdict { FO__HTTP_NEED_MORE, FO__HTTP_DONE, FO__HTTP_MALFORMED };

/** All zero is a new one. */
struct fo__http_answer {
    uint32_t taken;   /* bytes */
    uint16_t status;  /* when done */
    uint8_t verdict;  /* enum fo__http_verdict: once it is given, it stays */
    uint8_t state;    /* what the next byte is */
    uint8_t position; /* in the first 12 bytes of a status line */
    uint8_t interim;  /* answers so far */
};

/**
 * Takes the next piece of the answer. Done: `status` holds, the rest of the piece is not looked at,
 * the connection may be closed. A connection that ends when more is needed has given no answer.
 */
enum fo__http_verdict fo__http_answer_feed(struct fo__http_answer *answer, const void *bytes,
                                           size_t count);

/**
 * Writes `GET path` for that Host header, with Connection: close, and a 0 byte behind it. Returns its
 * length without that; 0: it does not fit, or path or host would not be one: a blank or a line end
 * within them would let their author write a second request. The path begins with a slash and is of
 * visible ASCII without `#`; the host of letters, digits and -._:[]
 */
size_t fo__http_request_write(char *buffer, size_t size, const char *path, const char *host);

#endif
