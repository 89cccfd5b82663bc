/* SPDX-License-Identifier: Apache-2.0 */
#include "http_answer.h"

#include <failover/base.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What the next byte is. A line's CR has been seen in the states that end in _CR. */
enum { STATUS_LINE, STATUS_END, REASON, REASON_CR, HEADER_START, NAME, VALUE, VALUE_CR, END_CR };

/* The first bytes of a status line: m, c and d stand for a minor version and for the digits. */
static const char status_line[] = "HTTP/1.m cdd";

#define SWITCHING_PROTOCOLS 101

/* ---- Bytes ------------------------------------------------------------------------------- */

static bool is_between(unsigned char c, unsigned char least, unsigned char most)
{
    return c >= least && c <= most;
}

/** Of a reason or a header's value: all but control characters. */
static bool is_text(unsigned char c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

/** Of a header's name. */
static bool is_token(unsigned char c)
{
    return is_between(c, 'a', 'z') || is_between(c, 'A', 'Z') || is_between(c, '0', '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* ---- The machine: each step takes one byte and says what is known then --------------------- */

static enum fo__http_verdict go_on(struct fo__http_answer *answer, int state)
{
    answer->state = (uint8_t)state;
    return FO__HTTP_NEED_MORE;
}

static enum fo__http_verdict step_status_line(struct fo__http_answer *answer, unsigned char c)
{
    bool is_right;

    switch (status_line[answer->position]) {
    case 'm': is_right = is_between(c, '0', '1'); break;
    case 'c':
        is_right = is_between(c, '1', '5');
        answer->status = (uint16_t)(c - '0');
        break;
    case 'd':
        is_right = is_between(c, '0', '9');
        answer->status = (uint16_t)(answer->status * 10 + (c - '0'));
        break;
    default: is_right = c == (unsigned char)status_line[answer->position];
    }
    answer->position++;
    if (!is_right)
        return FO__HTTP_MALFORMED;
    return go_on(answer, status_line[answer->position] == '\0' ? STATUS_END : STATUS_LINE);
}

/** The line feed of a status line. */
static enum fo__http_verdict end_status_line(struct fo__http_answer *answer)
{
    if (answer->status >= 200 || answer->status == SWITCHING_PROTOCOLS)
        return FO__HTTP_DONE;
    if (answer->interim == FO__HTTP_INTERIM_MAX)
        return FO__HTTP_MALFORMED;
    answer->interim++;
    return go_on(answer, HEADER_START);
}

/** The empty line behind the headers of an interim answer. */
static enum fo__http_verdict end_headers(struct fo__http_answer *answer)
{
    answer->position = 0;
    return go_on(answer, STATUS_LINE);
}

static enum fo__http_verdict step(struct fo__http_answer *answer, unsigned char c)
{
    switch (answer->state) {
    case STATUS_LINE: return step_status_line(answer, c);
    case STATUS_END:
        if (c == ' ')
            return go_on(answer, REASON);
        if (c == '\r')
            return go_on(answer, REASON_CR);
        return c == '\n' ? end_status_line(answer) : FO__HTTP_MALFORMED;
    case REASON:
        if (c == '\n')
            return end_status_line(answer);
        if (c == '\r')
            return go_on(answer, REASON_CR);
        return is_text(c) ? go_on(answer, REASON) : FO__HTTP_MALFORMED;
    case REASON_CR: return c == '\n' ? end_status_line(answer) : FO__HTTP_MALFORMED;
    case HEADER_START:
        if (c == '\n')
            return end_headers(answer);
        if (c == '\r')
            return go_on(answer, END_CR);
        return is_token(c) ? go_on(answer, NAME) : FO__HTTP_MALFORMED;
    case NAME:
        if (c == ':')
            return go_on(answer, VALUE);
        return is_token(c) ? go_on(answer, NAME) : FO__HTTP_MALFORMED;
    case VALUE:
        if (c == '\n')
            return go_on(answer, HEADER_START);
        if (c == '\r')
            return go_on(answer, VALUE_CR);
        return is_text(c) ? go_on(answer, VALUE) : FO__HTTP_MALFORMED;
    case VALUE_CR: return c == '\n' ? go_on(answer, HEADER_START) : FO__HTTP_MALFORMED;
    default: return c == '\n' ? end_headers(answer) : FO__HTTP_MALFORMED;
    }
}

enum fo__http_verdict fo__http_answer_feed(struct fo__http_answer *answer, const void *bytes,
                                           size_t count)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < count && answer->verdict == FO__HTTP_NEED_MORE; i++) {
        if (answer->taken == FO__HTTP_ANSWER_MAX) {
            answer->verdict = FO__HTTP_MALFORMED;
        } else {
            answer->taken++;
            answer->verdict = (uint8_t)step(answer, at[i]);
        }
    }
    return (enum fo__http_verdict)answer->verdict;
}

/* ---- The request ------------------------------------------------------------------------- */

static bool is_path(const char *path)
{
    if (path[0] != '/')
        return false;
    for (; *path != '\0'; path++)
        if (!is_between((unsigned char)*path, '!', '~') || *path == '#')
            return false;
    return true;
}

static bool is_host(const char *host)
{
    static const char bytes[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]";

    return host[0] != '\0' && host[strspn(host, bytes)] == '\0';
}

size_t fo__http_request_write(char *buffer, size_t size, const char *path, const char *host)
{
    int length;

    if (!is_path(path) || !is_host(host))
        return 0;
    length = snprintf(buffer, size,
                      "GET %s HTTP/1.1\r\n"
                      "Host: %s\r\n"
                      "User-Agent: libfailover/%d.%d.%d\r\n"
                      "Connection: close\r\n\r\n",
                      path, host, FO_VERSION_MAJOR, FO_VERSION_MINOR, FO_VERSION_PATCH);
    return length > 0 && (size_t)length < size ? (size_t)length : 0;
}
