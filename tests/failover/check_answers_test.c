/* SPDX-License-Identifier: Apache-2.0
 *
 * What servers answer to checks, also hostile ones: the right verdict, in bounded time and memory.
 *
 * Each host is checked with rise and fall 1, so that each verdict is an event. The server says what the
 * test tells it to, in pieces; time is virtual.
 */
#include "fixture.h"
#include "server.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_MS 200

struct world {
    struct fixture f;
    struct server server;
    int fd; /* of the check that runs; −1: none */
};

static void begin(struct world *w, struct fo_check_config check)
{
    struct fo_config config;
    struct fo_endpoint_config endpoint = fixture_upsert("e0", 100, fixture_data(0));

    check.when = FO_CHECK_ALWAYS;
    check.interval_ms = 100;
    check.timeout_ms = TIMEOUT_MS;
    check.rise = 1;
    check.fall = 1;
    server_open(&w->server);
    w->fd = -1;
    fixture_init(&w->f);
    config = fixture_config(&w->f);
    config.check = check;
    config.weight = fo_weight_ratio();
    fixture_balancer(&w->f, &config);
    endpoint.address = w->server.address;
    cr_assert_eq(fo_balancer_update(w->f.balancer, &endpoint, 1, NULL, 0, NULL), FO_OK);
}

static void end(struct world *w)
{
    if (w->fd >= 0)
        close(w->fd);
    fixture_destroy(&w->f);
    server_close(&w->server);
}

/** Serves the sockets of checks until none is ready. */
static void settle(struct world *w)
{
    struct pollfd ready = {.fd = fo_runtime_fd(w->f.runtime), .events = POLLIN};

    do {
        fixture_dispatch(&w->f);
    } while (poll(&ready, 1, 0) == 1);
}

static bool is_up(struct world *w)
{
    return fixture_info(&w->f, "e0").state == FO_STATE_UP;
}

/** Waits for the next check. */
static void await_check(struct world *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    for (int ms = 0; w->fd < 0; ms++) {
        cr_assert_lt(ms, 1000, "nobody connects");
        fixture_advance_ms(&w->f, 1);
        w->fd = server_accept(&w->server);
    }
    settle(w);
}

/** False: the check has hung up. */
static bool say(struct world *w, const char *bytes, size_t count)
{
    ssize_t said = send(w->fd, bytes, count, MSG_NOSIGNAL);

    settle(w);
    return said == (ssize_t)count;
}

static void hang_up(struct world *w)
{
    close(w->fd);
    w->fd = -1;
    settle(w);
}

static void reset(struct world *w)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    cr_assert_eq(setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    hang_up(w);
}

/** What the check has said so far. */
static size_t hear(struct world *w, char *text, size_t size)
{
    ssize_t count = recv(w->fd, text, size - 1, 0);

    text[count > 0 ? count : 0] = '\0';
    return count > 0 ? (size_t)count : 0;
}

static bool has_hung_up(struct world *w)
{
    char text[4096];
    ssize_t count;

    do {
        count = recv(w->fd, text, sizeof(text), 0);
    } while (count > 0);
    return count == 0 || errno != EAGAIN;
}

/** A passed check, then one with that answer: whether that passed, too. */
static bool passes(struct world *w, const char *good, const char *bytes, size_t count)
{
    while (!is_up(w)) {
        await_check(w);
        say(w, good, strlen(good));
    }
    await_check(w);
    say(w, bytes, count);
    if (!has_hung_up(w))
        fixture_advance_ms(&w->f, TIMEOUT_MS);
    return is_up(w);
}

#define OK_ANSWER "HTTP/1.1 200 OK\r\n\r\n"
#define PASSES(w, text) cr_expect(passes(w, OK_ANSWER, text, sizeof(text) - 1), "fails: %s", #text)
#define FAILS(w, text)                                                                             \
    cr_expect_not(passes(w, OK_ANSWER, text, sizeof(text) - 1), "passes: %s", #text)

/* ---- HTTP ---------------------------------------------------------------------------------- */

Test(check_answers, http_asks_for_the_path_and_names_the_host)
{
    struct world w;
    struct fo_check_config config = fo_check_http("/health?full=1");
    char text[1024];
    char wanted[64];

    begin(&w, config);
    await_check(&w);
    cr_assert_gt(hear(&w, text, sizeof(text)), 0);
    cr_assert_eq(strncmp(text, "GET /health?full=1 HTTP/1.1\r\n", 29), 0, "%s", text);
    snprintf(wanted, sizeof(wanted), "\r\nHost: %s\r\n", w.server.address);
    cr_assert_not_null(strstr(text, wanted), "%s", text);
    end(&w);

    config.host = "a.example";
    begin(&w, config);
    await_check(&w);
    cr_assert_gt(hear(&w, text, sizeof(text)), 0);
    cr_assert_not_null(strstr(text, "\r\nHost: a.example\r\n"), "%s", text);
    end(&w);
}

Test(check_answers, http_passes_by_the_status_alone)
{
    struct world w;

    begin(&w, fo_check_http(NULL));
    PASSES(&w, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    PASSES(&w, "HTTP/1.0 204 No Content\r\n\r\n");
    PASSES(&w, "HTTP/1.1 399 What\r\n");
    PASSES(&w, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\n");
    FAILS(&w, "HTTP/1.1 199 Low\r\n\r\n");
    FAILS(&w, "HTTP/1.1 400 Bad Request\r\n\r\n");
    FAILS(&w, "HTTP/1.1 503 Service Unavailable\r\n\r\n");
    end(&w);
}

Test(check_answers, http_status_range_is_the_configured_one)
{
    struct world w;
    struct fo_check_config config = fo_check_http(NULL);

    config.status_min = 404;
    begin(&w, config);
    cr_expect(passes(&w, "HTTP/1.1 404 No\r\n", "HTTP/1.1 404 No\r\n", 17));
    cr_expect_not(passes(&w, "HTTP/1.1 404 No\r\n", "HTTP/1.1 405 No\r\n", 17));
    cr_expect_not(passes(&w, "HTTP/1.1 404 No\r\n", OK_ANSWER, strlen(OK_ANSWER)));
    end(&w);
}

Test(check_answers, http_answer_may_be_cut_at_every_byte)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n";
    struct world w;

    begin(&w, fo_check_http(NULL));
    await_check(&w);
    say(&w, "HTTP/1.1 503 No\r\n", 17);
    cr_assert_not(is_up(&w));
    await_check(&w);
    for (size_t i = 0; text[i] != '\0'; i++) {
        cr_assert_not(is_up(&w));
        cr_assert(say(&w, &text[i], 1));
    }
    cr_assert(is_up(&w));
    end(&w);
}

Test(check_answers, http_that_is_none_fails)
{
    struct world w;

    begin(&w, fo_check_http(NULL));
    FAILS(&w, "\x15\x03\x03\x00\x02\x02\x28"); /* a TLS alert */
    FAILS(&w, "SSH-2.0-OpenSSH_9.2\r\n");
    FAILS(&w, "HTTP/2.0 200 OK\r\n\r\n");
    FAILS(&w, "HTTP/1.1 200 OK"); /* no end of line, nor of the connection: times out */
    FAILS(&w, "");
    end(&w);
}

Test(check_answers, endless_headers_end_after_a_bounded_number_of_bytes)
{
    static const char header[] = "X-Endless: and so on and so on and so on and so on and so on\r\n";
    struct world w;
    size_t said = 0;

    begin(&w, fo_check_http(NULL));
    await_check(&w);
    say(&w, "HTTP/1.1 100 Continue\r\n", 23);
    for (; is_up(&w) && said < 100000; said += sizeof(header) - 1)
        say(&w, header, sizeof(header) - 1);
    cr_assert_not(is_up(&w), "it failed before its timeout");
    cr_assert_lt(said, 17000);
    end(&w);
}

Test(check_answers, line_without_an_end_ends_after_a_bounded_number_of_bytes)
{
    struct world w;
    char rubbish[4096];
    size_t said = 0;

    memset(rubbish, 'a', sizeof(rubbish));
    begin(&w, fo_check_http(NULL));
    await_check(&w);
    say(&w, "HTTP/1.1 200 ", 13);
    for (; is_up(&w) && said < 100000; said += sizeof(rubbish))
        say(&w, rubbish, sizeof(rubbish));
    cr_assert_not(is_up(&w));
    cr_assert_lt(said, 21000);
    end(&w);
}

Test(check_answers, body_is_not_read)
{
    struct world w;
    static char body[1 << 20];
    bool heard = true;

    begin(&w, fo_check_http(NULL));
    await_check(&w);
    say(&w, "HTTP/1.1 503 No\r\n", 17);
    await_check(&w);
    say(&w, OK_ANSWER, strlen(OK_ANSWER));
    cr_assert(is_up(&w));
    for (int i = 0; i < 1024 && heard; i++)
        heard = send(w.fd, body, sizeof(body), MSG_NOSIGNAL) > 0;
    cr_assert_not(heard, "the check has hung up");
    end(&w);
}

Test(check_answers, connection_that_ends_in_the_middle_fails)
{
    struct world w;

    begin(&w, fo_check_http(NULL));
    await_check(&w);
    say(&w, "HTTP/1.1 2", 10);
    cr_assert(is_up(&w));
    hang_up(&w);
    cr_assert_not(is_up(&w));
    await_check(&w);
    say(&w, OK_ANSWER, strlen(OK_ANSWER));
    cr_assert(is_up(&w));
    await_check(&w);
    say(&w, "HTTP/1.1 2", 10);
    reset(&w);
    cr_assert_not(is_up(&w));
    end(&w);
}

Test(check_answers, answer_in_time_counts_though_we_are_late)
{
    struct world w;

    begin(&w, fo_check_http(NULL));
    await_check(&w);
    cr_assert_eq(write(w.fd, OK_ANSWER, strlen(OK_ANSWER)), (ssize_t)strlen(OK_ANSWER));
    atomic_fetch_add(&w.f.now_ns, UINT64_C(10000000000)); /* as if a listener had blocked */
    fixture_dispatch(&w.f);
    cr_assert(is_up(&w));
    end(&w);
}

/* ---- Send and expect ------------------------------------------------------------------------ */

static struct fo_check_config ping(void)
{
    struct fo_check_config config = fo_check_tcp();

    config.send = "PING\r\n";
    config.send_size = 6;
    config.expect = "+PONG\r\n";
    config.expect_size = 7;
    return config;
}

Test(check_answers, expected_bytes_are_what_the_answer_begins_with)
{
    struct world w;
    char text[64];

    begin(&w, ping());
    await_check(&w);
    hear(&w, text, sizeof(text));
    cr_assert_str_eq(text, "PING\r\n");
    cr_expect(passes(&w, "+PONG\r\n", "+PONG\r\nand more", 15));
    cr_expect_not(passes(&w, "+PONG\r\n", "+PONG", 5), "not all of it");
    cr_expect_not(passes(&w, "+PONG\r\n", "-LOADING\r\n", 10));
    cr_expect_not(passes(&w, "+PONG\r\n", " +PONG\r\n", 8));
    end(&w);
}

Test(check_answers, expected_bytes_may_come_one_by_one)
{
    struct world w;

    begin(&w, ping());
    await_check(&w);
    say(&w, "-", 1);
    cr_assert_not(is_up(&w), "the first wrong byte fails");
    await_check(&w);
    for (size_t i = 0; i < 7; i++) {
        cr_assert_not(is_up(&w));
        say(&w, &"+PONG\r\n"[i], 1);
    }
    cr_assert(is_up(&w));
    end(&w);
}

Test(check_answers, what_is_sent_without_an_expectation_passes_when_it_is_sent)
{
    struct world w;
    struct fo_check_config config = ping();
    char text[64];

    config.expect = NULL;
    config.expect_size = 0;
    begin(&w, config);
    server_freeze(&w.server);
    fixture_advance_ms(&w.f, 2 * TIMEOUT_MS);
    cr_assert_not(is_up(&w));
    server_listen(&w.server);
    await_check(&w);
    hear(&w, text, sizeof(text));
    cr_assert_str_eq(text, "PING\r\n");
    cr_assert(is_up(&w));
    end(&w);
}
