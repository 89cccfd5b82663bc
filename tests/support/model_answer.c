/* SPDX-License-Identifier: Apache-2.0 */
#include "model_answer.h"

#include <stdbool.h>
#include <string.h>

#define BYTES_MAX 16384u
#define INTERIM_MAX 5

/* Nothing is expected any more once `result` is not 1. */
struct reader {
    const char *at;
    const char *end;
    int result;
};

/** The next byte without taking it; 0, which is right nowhere, when there is none. */
static char peek(struct reader *reader)
{
    if (reader->result == 1 && reader->at == reader->end)
        reader->result = MODEL_NEED_MORE;
    return reader->result == 1 ? *reader->at : '\0';
}

static char take(struct reader *reader, const char *one_of)
{
    char c = peek(reader);

    if (reader->result != 1)
        return '\0';
    if (c == '\0' || strchr(one_of, c) == NULL) {
        reader->result = MODEL_MALFORMED;
        return '\0';
    }
    reader->at++;
    return c;
}

static void take_line_end(struct reader *reader)
{
    if (take(reader, "\r\n") == '\r')
        take(reader, "\n");
}

/** Anything printable, or from beyond ASCII, up to the line's end. */
static void take_text(struct reader *reader)
{
    for (;;) {
        char c = peek(reader);

        if (reader->result != 1 || !((c > 31 && c < 127) || (unsigned char)c > 127 || c == '\t'))
            break;
        reader->at++;
    }
    take_line_end(reader);
}

static int read_status_line(struct reader *reader)
{
    static const char *const classes[] = {"H", "T",  "T", "P",     "/",          "1",
                                          ".", "01", " ", "12345", "0123456789", "0123456789"};
    int status = 0;

    for (int i = 0; i < 12; i++) {
        char c = take(reader, classes[i]);

        if (i >= 9)
            status = status * 10 + (c - '0');
    }
    if (peek(reader) == ' ')
        take_text(reader);
    else
        take_line_end(reader);
    return status;
}

static void skip_headers(struct reader *reader)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    char c = peek(reader);

    while (reader->result == 1 && c != '\r' && c != '\n') {
        take(reader, token);
        for (c = peek(reader); reader->result == 1 && c != ':'; c = peek(reader))
            take(reader, token);
        take(reader, ":");
        take_text(reader);
        c = peek(reader);
    }
    take_line_end(reader);
}

int model_answer(const char *bytes, size_t count)
{
    bool is_too_long = count > BYTES_MAX;
    struct reader reader = {bytes, bytes + (is_too_long ? BYTES_MAX : count), 1};

    for (int interim = 0; reader.result == 1; interim++) {
        int status = read_status_line(&reader);

        if (reader.result != 1)
            break;
        if (status >= 200 || status == 101)
            return status;
        if (interim == INTERIM_MAX)
            return MODEL_MALFORMED;
        skip_headers(&reader);
    }
    return reader.result == MODEL_NEED_MORE && is_too_long ? MODEL_MALFORMED : reader.result;
}
