/* SPDX-License-Identifier: Apache-2.0
 *
 *     text ─► line by line: cursor ─► words, numbers, names ─► records ─► sorted: a name twice?
 *
 * A cursor never leaves its line, and every take_…() either takes what it is asked for or says no. So
 * what was not written by state_write.c ends in one place, with the number of its line.
 */
#include "state_read.h"

#include "abi.h"
#include "clock.h"
#include "hash.h"

#include <stdlib.h>
#include <string.h>

struct cursor {
    const char *at;
    const char *end; /* of the line: its newline; or of the text */
};

/* ---- Taking pieces of a line --------------------------------------------------------------- */

static bool take_word(struct cursor *cursor, const char *word)
{
    size_t length = strlen(word);

    if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, word, length) != 0)
        return false;
    cursor->at += length;
    return true;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/** A decimal number, 0 … max, without a sign or needless zeros. max is far below 2^64 / 10. */
static bool take_number(struct cursor *cursor, uint64_t max, uint64_t *number)
{
    const char *first = cursor->at;

    *number = 0;
    for (; cursor->at < cursor->end && is_digit(*cursor->at); cursor->at++) {
        *number = *number * 10 + (uint64_t)(*cursor->at - '0');
        if (*number > max)
            return false;
    }
    return cursor->at > first && (*first != '0' || cursor->at == first + 1);
}

/** A health, "0.7500000000", above 0 and up to 1. */
static bool take_health(struct cursor *cursor, uint64_t *health)
{
    uint64_t whole;

    if (!take_number(cursor, 1, &whole) || !take_word(cursor, "."))
        return false;
    *health = whole;
    for (int i = 0; i < 10; i++, cursor->at++) {
        if (cursor->at == cursor->end || !is_digit(*cursor->at))
            return false;
        *health = *health * 10 + (uint64_t)(*cursor->at - '0');
    }
    return *health > 0 && *health <= FO__STATE_HEALTH_ONE;
}

static int hex_digit(char byte)
{
    if (is_digit(byte))
        return byte - '0';
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

/** One byte of a name; 0: it is none. Each byte has one spelling only. */
static unsigned char take_name_byte(struct cursor *cursor)
{
    unsigned char byte = (unsigned char)*cursor->at++;
    int high;
    int low;

    if (fo__state_is_plain(byte))
        return byte;
    if (byte != '%' || cursor->end - cursor->at < 2)
        return 0;
    high = hex_digit(*cursor->at++);
    low = hex_digit(*cursor->at++);
    if (high < 0 || low < 0)
        return 0;
    byte = (unsigned char)(high * 16 + low);
    return fo__state_is_plain(byte) ? 0 : byte;
}

/** The rest of the line as a name, to where there is room for it and a NUL. */
static bool take_name(struct cursor *cursor, char *name)
{
    size_t length = 0;

    while (cursor->at < cursor->end && length < FO_NAME_MAX) {
        unsigned char byte = take_name_byte(cursor);

        if (byte == 0)
            return false;
        name[length++] = (char)byte;
    }
    name[length] = '\0';
    return length > 0 && cursor->at == cursor->end;
}

static bool take_hash(struct cursor *cursor, uint64_t *hash)
{
    *hash = 0;
    for (int i = 0; i < 16; i++, cursor->at++) {
        const char *digit = cursor->at < cursor->end ? strchr("0123456789abcdef", *cursor->at) : "";

        if (digit == NULL || *digit == '\0')
            return false;
        *hash =
            *hash << 4 | (uint64_t)hex_digit((char)(*digit >= 'a' ? *digit - 'a' + 'A' : *digit));
    }
    return cursor->at == cursor->end;
}

/* ---- Lines --------------------------------------------------------------------------------- */

static bool read_header(struct cursor *line, uint64_t *written_s)
{
    return take_word(line, FO__STATE_HEADER) &&
           take_number(line, FO__STATE_TIME_MAX_S, written_s) && line->at == line->end;
}

static bool read_record(struct cursor *line, struct fo__state_record *record, char *name)
{
    uint64_t trials_failed = 0;

    record->health = 0;
    record->wait_ms = 0;
    record->name = name;
    if (take_word(line, "up ")) {
        if (!take_health(line, &record->health))
            return false;
    } else if (!take_word(line, "down ") ||
               !take_number(line, FO__STATE_WAIT_MAX_MS, &record->wait_ms) ||
               !take_word(line, " ") || !take_number(line, FO__STATE_TRIALS_MAX, &trials_failed)) {
        return false;
    }
    record->trials_failed = (uint32_t)trials_failed;
    return take_word(line, " ") && take_name(line, name);
}

static bool read_end(struct cursor *line, uint64_t count, uint64_t hash)
{
    uint64_t said_count;
    uint64_t said_hash;

    return take_number(line, FO_ENDPOINTS_MAX, &said_count) && take_word(line, " ") &&
           take_hash(line, &said_hash) && said_count == count && said_hash == hash;
}

/** Cuts the next line off. False: there is none that ends, and soon enough. */
static bool next_line(struct cursor *text, struct cursor *line)
{
    size_t left = (size_t)(text->end - text->at);
    size_t most = left < FO__STATE_LINE_MAX ? left : FO__STATE_LINE_MAX;
    const char *newline = most > 0 ? memchr(text->at, '\n', most) : NULL;

    if (newline == NULL)
        return false;
    line->at = text->at;
    line->end = newline;
    text->at = newline + 1;
    return true;
}

static bool read_lines(struct fo__state_text *read, const char *text, size_t length)
{
    struct cursor rest = {text, text + length};
    struct cursor line;
    char *name = read->names;

    read->bad_line = 1;
    if (!next_line(&rest, &line) || !read_header(&line, &read->written_s))
        return false;
    for (;;) {
        struct fo__state_record *record = &read->records[read->count];
        const char *first = rest.at;

        read->bad_line++;
        if (!next_line(&rest, &line))
            return false;
        if (take_word(&line, "end "))
            return read_end(&line, read->count, fo__hash(text, (size_t)(first - text))) &&
                   rest.at == rest.end;
        if (!read_record(&line, record, name))
            return false;
        record->line = read->bad_line;
        name += strlen(name) + 1;
        read->count++;
    }
}

/* ---- The whole ----------------------------------------------------------------------------- */

static int by_name_then_line(const void *a, const void *b)
{
    const struct fo__state_record *x = a;
    const struct fo__state_record *y = b;
    int order = strcmp(x->name, y->name);

    return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

/** The first line that has the name of a line above it; 0: none. */
static uint64_t find_repetition(const struct fo__state_text *read)
{
    uint64_t line = 0;

    for (size_t i = 1; i < read->count; i++) {
        const struct fo__state_record *record = &read->records[i];

        if (strcmp(record[-1].name, record->name) == 0 && (line == 0 || record->line < line))
            line = record->line;
    }
    return line;
}

bool fo__state_options_read(struct fo_state_options *ours, const struct fo_state_options *theirs)
{
    *ours = fo_state_options_init();
    if ((theirs != NULL && !fo__abi_read(ours, sizeof(*ours), theirs)) || ours->reserved != 0 ||
        ours->now_s > FO__STATE_TIME_MAX_S)
        return false;
    if (ours->now_s == 0)
        ours->now_s = fo__clock_wall_s();
    return true;
}

fo_status fo__state_read(struct fo__state_text *read, const char *text, size_t length)
{
    memset(read, 0, sizeof(*read));
    /* One record more is begun than read. A name and its NUL are not longer than their line. */
    read->records = malloc((length / FO__STATE_LINE_MIN + 1) * sizeof(*read->records));
    read->names = malloc(length + 1);
    if (read->records == NULL || read->names == NULL)
        return FO_NOMEM;
    if (!read_lines(read, text, length))
        return FO_EINVAL;
    qsort(read->records, read->count, sizeof(*read->records), by_name_then_line);
    read->bad_line = find_repetition(read);
    return read->bad_line == 0 ? FO_OK : FO_EINVAL;
}

void fo__state_text_fini(struct fo__state_text *read)
{
    free(read->records);
    free(read->names);
}
