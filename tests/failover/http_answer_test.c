/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers: the verdict does not depend on how they are cut, and is that of a reader of the whole.
 */
#include "dice.h"
#include "http_answer.h"
#include "model_answer.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <failover/base.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CRLF "\r\n"

/** As the model tells it. */
static int result_of(const struct fo__http_answer *answer)
{
    switch ((enum fo__http_verdict)answer->verdict) {
    case FO__HTTP_DONE: return answer->status;
    case FO__HTTP_NEED_MORE: return MODEL_NEED_MORE;
    default: return MODEL_MALFORMED;
    }
}

/** Each piece from memory of its own: a byte too far would show under a sanitizer. */
static void feed(struct fo__http_answer *answer, const char *bytes, size_t count)
{
    char *piece = malloc(count > 0 ? count : 1);

    cr_assert_not_null(piece);
    memcpy(piece, bytes, count);
    cr_assert_eq(fo__http_answer_feed(answer, piece, count), answer->verdict);
    free(piece);
}

/** In two pieces, cut at each place, and byte by byte, with each beginning held against the model. */
static int read_cut(const char *bytes, size_t count)
{
    int whole = model_answer(bytes, count);
    struct fo__http_answer bytewise = {0};

    for (size_t cut = 0; cut <= count; cut++) {
        struct fo__http_answer answer = {0};

        feed(&answer, bytes, cut);
        cr_assert_eq(result_of(&answer), model_answer(bytes, cut), "%s, %zu", bytes, cut);
        feed(&answer, bytes + cut, count - cut);
        cr_assert_eq(result_of(&answer), whole, "%s, %zu", bytes, cut);
    }
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(result_of(&bytewise), model_answer(bytes, i));
        feed(&bytewise, bytes + i, 1);
    }
    cr_assert_eq(result_of(&bytewise), whole);
    return whole;
}

static int read_text(const char *text)
{
    return read_cut(text, strlen(text));
}

Test(http_answer, is_done_with_the_final_status_line)
{
    cr_assert_eq(read_text("HTTP/1.1 200 OK" CRLF), 200);
    cr_assert_eq(read_text("HTTP/1.0 503 Service Unavailable" CRLF "a: b" CRLF CRLF "body"), 503);
    cr_assert_eq(read_text("HTTP/1.1 404 \xc3\xbc\t!" CRLF), 404);
    cr_assert_eq(read_text("HTTP/1.1 599 x" CRLF "\001\002"),
                 599); /* what follows is not looked at */
}

Test(http_answer, may_lack_what_servers_leave_out)
{
    cr_assert_eq(read_text("HTTP/1.1 200 OK\n"), 200);
    cr_assert_eq(read_text("HTTP/1.1 200" CRLF), 200);
    cr_assert_eq(read_text("HTTP/1.1 200\n"), 200);
    cr_assert_eq(read_text("HTTP/1.1 200 " CRLF), 200);
    cr_assert_eq(read_text("HTTP/1.1 100\n\nHTTP/1.1 204\n"), 204);
}

Test(http_answer, skips_interim_answers)
{
    cr_assert_eq(read_text("HTTP/1.1 100 Continue" CRLF CRLF "HTTP/1.1 200 OK" CRLF), 200);
    cr_assert_eq(read_text("HTTP/1.1 103 Early Hints" CRLF "Link: </a>" CRLF "X:" CRLF CRLF
                           "HTTP/1.1 302 Found" CRLF),
                 302);
}

Test(http_answer, of_another_protocol_is_final)
{
    cr_assert_eq(read_text("HTTP/1.1 101 Switching Protocols" CRLF), 101);
}

Test(http_answer, is_interim_five_times_at_most)
{
    char text[400] = "";

    for (int i = 0; i < 5; i++)
        strcat(text, "HTTP/1.1 102 Processing" CRLF CRLF);
    strcat(text, "HTTP/1.1 200 OK" CRLF);
    cr_assert_eq(read_text(text), 200);
    text[strlen(text) - strlen("200 OK" CRLF)] = '1';
    cr_assert_eq(read_text(text), MODEL_MALFORMED);
}

Test(http_answer, that_ends_too_early_is_none)
{
    cr_assert_eq(read_text(""), MODEL_NEED_MORE);
    cr_assert_eq(read_text("HTTP/1."), MODEL_NEED_MORE);
    cr_assert_eq(read_text("HTTP/1.1 200 OK"), MODEL_NEED_MORE);
    cr_assert_eq(read_text("HTTP/1.1 200 OK\r"), MODEL_NEED_MORE);
    cr_assert_eq(read_text("HTTP/1.1 100 Continue" CRLF "a: b" CRLF), MODEL_NEED_MORE);
}

Test(http_answer, is_malformed_otherwise)
{
    static const char *const texts[] = {
        "HTTP/1.2 200 OK" CRLF,
        "HTTP/2 200" CRLF,
        "HTTP/0.9 200 OK" CRLF,
        "HTTP/1.11 200" CRLF,
        "http/1.1 200 OK" CRLF,
        "ICY 200 OK" CRLF,
        "HTTP /1.1 200" CRLF,
        CRLF "HTTP/1.1 200" CRLF,
        "\nHTTP/1.1 200\n",
        " HTTP/1.1 200" CRLF,
        "\xef\xbb\xbfHTTP/1.1 200" CRLF,
        "HTTP/1.1  200 OK" CRLF,
        "HTTP/1.1\t200 OK" CRLF,
        "HTTP/1.1 20 OK" CRLF,
        "HTTP/1.1 2000 OK" CRLF,
        "HTTP/1.1 099 OK" CRLF,
        "HTTP/1.1 600 OK" CRLF,
        "HTTP/1.1 -20 OK" CRLF,
        "HTTP/1.1 2x0 OK" CRLF,
        "HTTP/1.1 200\tOK" CRLF,
        "HTTP/1.1 200OK" CRLF,
        "HTTP/1.1 200 O\rK" CRLF,
        "HTTP/1.1 200\r" CRLF,
        "HTTP/1.1 200 O\033K" CRLF,
        "HTTP/1.1 200 O\177K" CRLF,
        "<html>",
        "SSH-2.0-OpenSSH" CRLF,
        "HTTP/1.1 100" CRLF "no colon" CRLF CRLF,
        "HTTP/1.1 100" CRLF "a : b" CRLF CRLF,
        "HTTP/1.1 100" CRLF ": b" CRLF CRLF,
        "HTTP/1.1 100" CRLF "a: b" CRLF " folded" CRLF CRLF,
        "HTTP/1.1 100" CRLF "a: b\rc: d" CRLF CRLF,
        "HTTP/1.1 100" CRLF "a: \001" CRLF CRLF,
        "HTTP/1.1 100" CRLF "\r\r\n",
        "HTTP/1.1 100" CRLF CRLF CRLF "HTTP/1.1 200" CRLF,
        "HTTP/1.1 100" CRLF "\xc3: b" CRLF CRLF,
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        cr_assert_eq(read_text(texts[i]), MODEL_MALFORMED, "%s", texts[i]);
}

Test(http_answer, has_no_zero_byte)
{
    cr_assert_eq(read_cut("HTTP/1.1 200 O\0K\r\n", 18), MODEL_MALFORMED);
    cr_assert_eq(read_cut("HTTP/1.1 \000200\r\n", 15), MODEL_MALFORMED);
    cr_assert_eq(read_cut("HTTP/1.1 100\r\na\0: b\r\n", 21), MODEL_MALFORMED);
    cr_assert_eq(read_cut("\0", 1), MODEL_MALFORMED);
}

Test(http_answer, by_tls_is_malformed_at_the_first_byte)
{
    static const char alert[] =
        "\025\003\001\000\002\002\106"; /* what a TLS server says to a GET */

    cr_assert_eq(read_cut(alert, 1), MODEL_MALFORMED);
    cr_assert_eq(read_cut(alert, sizeof(alert) - 1), MODEL_MALFORMED);
}

/** Feeds `unit` for ever, after a beginning; how many bytes were taken until the verdict. */
static size_t taken_of_endless(const char *beginning, const char *unit)
{
    struct fo__http_answer answer = {0};
    size_t fed = strlen(beginning);

    feed(&answer, beginning, fed);
    while (answer.verdict == FO__HTTP_NEED_MORE) {
        cr_assert_leq(fed, FO__HTTP_ANSWER_MAX);
        feed(&answer, unit, strlen(unit));
        fed += strlen(unit);
    }
    cr_assert_eq(answer.verdict, FO__HTTP_MALFORMED);
    return answer.taken;
}

Test(http_answer, that_never_ends_is_given_up_after_16_kib)
{
    cr_assert_eq(taken_of_endless("HTTP/1.1 100 x" CRLF, "a: b" CRLF), FO__HTTP_ANSWER_MAX);
    cr_assert_eq(taken_of_endless("HTTP/1.1 100 x" CRLF "a: ", "b"), FO__HTTP_ANSWER_MAX);
    cr_assert_eq(taken_of_endless("HTTP/1.1 100 x" CRLF, "a"), FO__HTTP_ANSWER_MAX);
    cr_assert_eq(taken_of_endless("HTTP/1.1 200 ", "x"), FO__HTTP_ANSWER_MAX);
}

Test(http_answer, may_end_with_the_last_of_its_16_kib)
{
    static char bytes[FO__HTTP_ANSWER_MAX + 1];
    struct fo__http_answer answer = {0};

    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, "HTTP/1.1 200 ", 13);
    bytes[FO__HTTP_ANSWER_MAX] = '\n';
    feed(&answer, bytes, sizeof(bytes));
    cr_assert_eq(answer.verdict, FO__HTTP_MALFORMED);
    cr_assert_eq(model_answer(bytes, sizeof(bytes)), MODEL_MALFORMED);
    bytes[FO__HTTP_ANSWER_MAX - 1] = '\n';
    answer = (struct fo__http_answer){0};
    feed(&answer, bytes, sizeof(bytes));
    cr_assert_eq(result_of(&answer), 200);
    cr_assert_eq(model_answer(bytes, sizeof(bytes)), 200);
}

Test(http_answer, agrees_with_a_reader_of_the_whole_after_random_changes)
{
    static const char seed[] =
        "HTTP/1.1 100 Continue\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\na: b\r\n";
    static const char bytes[] = "\0\n\r \t:/.01256AHTPa~\177\200\377";
    struct dice dice = dice_of(7);
    int seen[3] = {0, 0, 0};

    for (int i = 0; i < 2000; i++) {
        char text[sizeof(seed)];
        int result;

        memcpy(text, seed, sizeof(seed));
        for (uint32_t changes = dice_below(&dice, 3); changes > 0; changes--)
            text[dice_below(&dice, sizeof(seed) - 1)] = bytes[dice_below(&dice, sizeof(bytes) - 1)];
        result = read_cut(text, sizeof(seed) - 1);
        seen[result > 0 ? 2 : result + 1]++;
    }
    cr_assert(seen[0] > 100 && seen[2] > 100, "%d %d %d", seen[0], seen[1], seen[2]);
}

/* ---- The request ------------------------------------------------------------------------- */

static size_t length_of(const char *path, const char *host)
{
    char buffer[600];
    return fo__http_request_write(buffer, sizeof(buffer), path, host);
}

Test(http_answer, is_asked_for_by_one_get)
{
    char buffer[200];
    char wanted[200];

    snprintf(wanted, sizeof(wanted),
             "GET /health?deep=1 HTTP/1.1" CRLF "Host: a.example:80" CRLF
             "User-Agent: libfailover/%d.%d.%d" CRLF "Connection: close" CRLF CRLF,
             FO_VERSION_MAJOR, FO_VERSION_MINOR, FO_VERSION_PATCH);
    cr_assert_eq(fo__http_request_write(buffer, sizeof(buffer), "/health?deep=1", "a.example:80"),
                 strlen(wanted));
    cr_assert_str_eq(buffer, wanted);
    cr_assert_neq(length_of("/", "[::1]:80"), 0);
}

Test(http_answer, is_not_asked_for_by_half_a_request)
{
    char buffer[200];
    size_t length = fo__http_request_write(buffer, sizeof(buffer), "/", "a");

    cr_assert_neq(length, 0);
    for (size_t size = 0; size <= length; size++)
        cr_assert_eq(fo__http_request_write(buffer, size, "/", "a"), 0);
    cr_assert_eq(fo__http_request_write(buffer, length + 1, "/", "a"), length);
}

Test(http_answer, is_not_asked_for_by_two_requests)
{
    char text[8] = "/?";

    for (int c = 1; c < 256; c++) {
        bool is_visible = c > ' ' && c < 127;

        text[1] = (char)c;
        cr_assert_eq(length_of(text, "a") != 0, is_visible && c != '#', "%d", c);
    }
    text[0] = 'a';
    for (int c = 1; c < 256; c++) {
        bool is_of_host = (c < 128 && isalnum(c)) || (c < 128 && strchr("-._:[]", c) != NULL);

        text[1] = (char)c;
        cr_assert_eq(length_of("/", text) != 0, is_of_host, "%d", c);
    }
    cr_assert_eq(length_of("", "a"), 0);
    cr_assert_eq(length_of("a", "a"), 0);
    cr_assert_eq(length_of("*", "a"), 0);
    cr_assert_eq(length_of("/", ""), 0);
}
