/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks and other threads, other processes: names that are looked up on workers, functions of the
 * embedder's, fork() and the end in the middle of a check.
 *
 * Time is virtual, but for the default runtime's; whatever needs real time is waited for.
 */
#include "check.h"
#include "child.h"
#include "counter.h"
#include "fixture.h"
#include "server.h"
#include "stress.h"
#include "workers.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 30000
#define INTERVAL_MS 100
#define TIMEOUT_MS 200

static const char *story;

static void must(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "check: %s: %s\n", story, what);
    abort();
}

/* ---- A host that is checked ----------------------------------------------------------------- */

static struct fo_check_config steady(struct fo_check_config config)
{
    config.when = FO_CHECK_ALWAYS;
    config.interval_ms = INTERVAL_MS;
    config.timeout_ms = TIMEOUT_MS;
    config.rise = 1;
    config.fall = 1;
    config.jitter_percent = FO_CHECK_JITTER_NONE;
    return config;
}

static void add(struct fixture *f, const char *address)
{
    struct fo_endpoint_config endpoint = fixture_upsert("e0", 100, NULL);

    endpoint.address = address;
    must(fo_balancer_update(f->balancer, &endpoint, 1, NULL, 0, NULL) == FO_OK, "an update fails");
}

static void begin(struct fixture *f, struct fo_check_config check, const char *address)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.weight = fo_weight_ratio();
    config.check = steady(check);
    fixture_balancer(f, &config);
    add(f, address);
}

static fo_state state_of(struct fo_balancer *balancer)
{
    struct fo_endpoint_info info = fo_endpoint_info_init();

    must(fo_endpoint_status(balancer, "e0", &info) == FO_OK, "the endpoint is missing");
    return info.state;
}

/** Real time, at one point of virtual time. */
static void await_state(struct fixture *f, fo_state wanted)
{
    struct pollfd ready = {.fd = fo_runtime_fd(f->runtime), .events = POLLIN};

    for (fixture_dispatch(f); state_of(f->balancer) != wanted; fixture_dispatch(f))
        must(poll(&ready, 1, PATIENCE_MS) == 1, "it never comes");
}

/** Real time and virtual time, which may have to bring another check. */
static void await_state_in_time(struct fixture *f, fo_state wanted)
{
    struct pollfd ready = {.fd = fo_runtime_fd(f->runtime), .events = POLLIN};

    for (int ms = 0; state_of(f->balancer) != wanted; ms++) {
        must(ms < PATIENCE_MS, "it never comes");
        (void)poll(&ready, 1, 1);
        fixture_advance_ms(f, 1);
    }
}

/** Virtual time, which brings the next check. */
static void begin_check(struct fixture *f)
{
    fixture_advance_ms(f, INTERVAL_MS);
}

static struct fo__check *check_of(struct fixture *f)
{
    return f->runtime->checks;
}

/* ---- Names ---------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool gate_is_shut;
static unsigned inside; /* functions that wait at the gate */

/** Whatever a worker calls waits here while the gate is shut. */
static void pass_gate(void)
{
    pthread_mutex_lock(&lock);
    inside++;
    pthread_cond_broadcast(&changed);
    while (gate_is_shut)
        pthread_cond_wait(&changed, &lock);
    inside--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void shut_gate(bool shut)
{
    pthread_mutex_lock(&lock);
    gate_is_shut = shut;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void await_inside(unsigned wanted)
{
    pthread_mutex_lock(&lock);
    while (inside != wanted)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static union fo__inet loopback(uint32_t last)
{
    union fo__inet inet;

    memset(&inet, 0, sizeof(inet));
    inet.v4.sin_family = AF_INET;
    inet.v4.sin_addr.s_addr = htonl((INADDR_LOOPBACK & ~UINT32_C(0xff)) | last);
    return inet;
}

/** Two addresses; only at the second one somebody may listen. */
static uint32_t find_two(const char *host, union fo__inet *found)
{
    (void)host;
    pass_gate();
    found[0] = loopback(2);
    found[1] = loopback(1);
    return 2;
}

static uint32_t find_none(const char *host, union fo__inet *found)
{
    (void)host;
    (void)found;
    return 0;
}

static const char *named(const struct server *server, char *text, size_t size)
{
    snprintf(text, size, "a.example:%s", strchr(server->address, ':') + 1);
    return text;
}

static void any_address_that_takes_the_connection_counts(void)
{
    struct fixture f;
    struct server server;
    char address[64];

    fo__resolve_by(find_two);
    server_open(&server);
    begin(&f, fo_check_tcp(), named(&server, address, sizeof(address)));
    must(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN) == FO_OK, "no report");
    begin_check(&f);
    await_state(&f, FO_STATE_UP);
    server_refuse(&server);
    begin_check(&f);
    await_state(&f, FO_STATE_DOWN);
    fixture_destroy(&f);
    server_close(&server);
}

static void name_that_nobody_knows_says_nothing_about_the_server(void)
{
    struct fixture f;

    fo__resolve_by(find_none);
    begin(&f, fo_check_tcp(), "a.example:80");
    for (int i = 0; i < 100; i++)
        begin_check(&f);
    must(state_of(f.balancer) == FO_STATE_UP, "it went down");
    fixture_destroy(&f);
}

static void look_up_that_hangs_says_nothing_about_the_server_either(void)
{
    struct fixture f;
    struct server server;
    char address[64];

    fo__resolve_by(find_two);
    server_open(&server);
    shut_gate(true);
    begin(&f, fo_check_tcp(), named(&server, address, sizeof(address)));
    for (int i = 0; i < 100; i++)
        begin_check(&f);
    must(state_of(f.balancer) == FO_STATE_UP, "it went down");
    must(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN) == FO_OK, "no report");
    shut_gate(false);
    await_state_in_time(&f, FO_STATE_UP);
    fixture_destroy(&f);
    server_close(&server);
}

static void end_while_a_look_up_hangs(void)
{
    struct fixture f;

    fo__resolve_by(find_two);
    shut_gate(true);
    begin(&f, fo_check_tcp(), "a.example:80");
    begin_check(&f);
    await_inside(1);
    fixture_destroy(&f);
    shut_gate(false);
    await_inside(0);
}

/* ---- Functions that block -------------------------------------------------------------------- */

static _Atomic bool is_well;

static bool look_at(const struct fo_check_target *target, void *arg)
{
    must(strcmp(target->name, "e0") == 0 && strcmp(target->address, "over there") == 0 &&
             target->timeout_ms == TIMEOUT_MS && arg == &is_well,
         "another target");
    pass_gate();
    return atomic_load(&is_well);
}

static void function_that_blocks_decides(void)
{
    struct fixture f;

    atomic_store(&is_well, false);
    begin(&f, fo_check_sync(look_at, &is_well), "over there");
    begin_check(&f);
    await_state(&f, FO_STATE_DOWN);
    atomic_store(&is_well, true);
    begin_check(&f);
    await_state(&f, FO_STATE_UP);
    fixture_destroy(&f);
}

static void function_that_hangs_fails_after_its_timeout(void)
{
    struct fixture f;

    atomic_store(&is_well, true);
    shut_gate(true);
    begin(&f, fo_check_sync(look_at, &is_well), "over there");
    begin_check(&f);
    await_inside(1);
    fixture_advance_ms(&f, TIMEOUT_MS);
    must(state_of(f.balancer) == FO_STATE_DOWN, "it is waited for");
    shut_gate(false);
    await_inside(0);
    begin_check(&f);
    await_state(&f, FO_STATE_UP);
    fixture_destroy(&f);
}

static void function_that_finds_no_worker_counts_neither_way(void)
{
    struct fixture f;

    fo__workers_set(1, 5000);
    atomic_store(&is_well, true);
    shut_gate(true);
    begin(&f, fo_check_sync(look_at, &is_well), "over there");
    must(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN) == FO_OK, "no report");
    begin_check(&f);
    await_inside(1);
    must(fo_report(f.balancer, "e0", FO_OUTCOME_SUCCESS) == FO_OK, "no report");
    fixture_advance_ms(&f, TIMEOUT_MS);
    shut_gate(false);
    await_state(&f, FO_STATE_UP); /* the next one was queued behind the first */
    shut_gate(true);
    begin_check(&f);
    await_inside(1);
    fixture_advance_ms(&f, TIMEOUT_MS);
    must(state_of(f.balancer) == FO_STATE_DOWN, "the first hangs");
    must(check_of(&f)->plan.failed == 0, "and there is no row yet");
    fixture_advance_ms(&f, 3 * TIMEOUT_MS);
    must(check_of(&f)->plan.failed == 0, "the others never ran");
    fixture_destroy(&f);
    shut_gate(false);
    await_inside(0);
    fo__workers_set(4, 5000);
}

static void end_while_a_function_hangs(void)
{
    struct fixture f;

    shut_gate(true);
    begin(&f, fo_check_sync(look_at, &is_well), "over there");
    begin_check(&f);
    await_inside(1);
    fixture_destroy(&f);
    shut_gate(false);
    await_inside(0);
}

/* ---- Functions that only begin ---------------------------------------------------------------- */

static struct {
    struct fo_check_handle handle; /* of the check begun last */
    unsigned begun;
    bool ends_at_once;
    bool passes;
    bool forks;
    pid_t child;
} async;

static void begin_async(struct fo_check_handle handle, const struct fo_check_target *target,
                        void *arg)
{
    must(strcmp(target->address, "over there") == 0 && arg == &async, "another target");
    async.handle = handle;
    async.begun++;
    if (async.ends_at_once)
        fo_check_done(handle, async.passes);
    if (async.forks) {
        async.forks = false;
        async.child = child_fork();
        if (async.child == 0)
            must(fo_after_fork() == FO_OK, "fo_after_fork() fails");
    }
}

static void begin_asynchronous(struct fixture *f)
{
    memset(&async, 0, sizeof(async));
    begin(f, fo_check_async(begin_async, &async), "over there");
}

static void result_may_come_at_once(void)
{
    struct fixture f;

    begin_asynchronous(&f);
    async.ends_at_once = true;
    begin_check(&f);
    must(state_of(f.balancer) == FO_STATE_DOWN, "it passed");
    async.passes = true;
    begin_check(&f);
    must(state_of(f.balancer) == FO_STATE_UP, "it failed");
    fixture_destroy(&f);
}

static void *say_passed(void *arg)
{
    fo_check_done(*(struct fo_check_handle *)arg, true);
    return NULL;
}

static void result_may_come_from_any_thread(void)
{
    struct fixture f;

    begin_asynchronous(&f);
    must(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN) == FO_OK, "no report");
    begin_check(&f);
    stress_join(stress_start(say_passed, &async.handle));
    await_state(&f, FO_STATE_UP);
    fixture_destroy(&f);
}

static void late_and_second_results_are_ignored(void)
{
    struct fixture f;
    struct fo_check_handle first;

    begin_asynchronous(&f);
    fo_check_done((struct fo_check_handle){0}, false);
    fo_check_done((struct fo_check_handle){UINT64_MAX}, false);
    begin_check(&f);
    first = async.handle;
    fo_check_done(first, true);
    fo_check_done(first, false); /* the second of one check */
    fixture_dispatch(&f);
    must(state_of(f.balancer) == FO_STATE_UP, "the second result counted");
    fo_check_done(first, false); /* of one that is over */
    begin_check(&f);
    must(async.begun == 2 && async.handle.id != first.id, "the same handle");
    fo_check_done(first, false); /* while the next one runs */
    fixture_dispatch(&f);
    must(state_of(f.balancer) == FO_STATE_UP, "a late result counted");
    fixture_advance_ms(&f, TIMEOUT_MS); /* never */
    must(state_of(f.balancer) == FO_STATE_DOWN, "no result passed");
    begin_check(&f);
    first = async.handle;
    fixture_destroy(&f);
    fo_check_done(first, true); /* of a host that is no more */
}

/* ---- fork() ---------------------------------------------------------------------------------- */

static struct fo_check_config expects_ok(void)
{
    struct fo_check_config config = fo_check_tcp();

    config.expect = "OK";
    config.expect_size = 2;
    return config;
}

/** The connection of a check that has begun. */
static int connection(struct server *server)
{
    struct pollfd ready = {.fd = server->fd, .events = POLLIN};

    must(poll(&ready, 1, PATIENCE_MS) == 1, "nobody connects");
    return server_accept(server);
}

static void answer(int fd, const char *text)
{
    must(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "the check has hung up");
}

/** The child hears the server itself, and not what the parent's check is told. */
static void live_as_a_child(struct fixture *f, struct server *server, int parents)
{
    int fd;
    char byte;

    must(fo_after_fork() == FO_OK, "fo_after_fork() fails");
    fixture_dispatch(f);
    fd = connection(server);
    answer(fd, "no");
    await_state(f, FO_STATE_DOWN);
    must(recv(parents, &byte, 1, 0) < 0, "the parent's check was ended");
    begin_check(f);
    close(fd);
    fd = connection(server);
    answer(fd, "OK");
    await_state(f, FO_STATE_UP);
    close(fd);
    fixture_destroy(f);
    _exit(0);
}

static void check_that_runs_is_begun_again_in_the_child(void)
{
    struct fixture f;
    struct server server;
    pid_t pid;
    int fd;

    server_open(&server);
    begin(&f, expects_ok(), server.address);
    must(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN) == FO_OK, "no report");
    begin_check(&f);
    fd = connection(&server);
    fixture_dispatch(&f);
    pid = child_fork();
    if (pid == 0)
        live_as_a_child(&f, &server, fd);
    child_await(pid);
    must(state_of(f.balancer) == FO_STATE_DOWN, "the child's check counted here");
    answer(fd, "OK");
    await_state(&f, FO_STATE_UP);
    close(fd);
    fixture_destroy(&f);
    server_close(&server);
}

/** Serves sockets until none is ready. */
static void settle(struct fixture *f)
{
    struct pollfd ready = {.fd = fo_runtime_fd(f->runtime), .events = POLLIN};
    int rounds = 0;

    do {
        fixture_dispatch(f);
        must(rounds++ < 100, "something is ready for ever");
    } while (poll(&ready, 1, 0) == 1);
}

/** In the set of a parent whose child holds the socket, too, a closed one would be ready for ever. */
static void child_that_never_calls_us_keeps_nothing_in_the_parents_set(void)
{
    struct fixture f;
    struct server server;
    pid_t pid;
    int fd;
    int ends[2];
    char byte = 0;

    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "no sockets");
    server_open(&server);
    begin(&f, expects_ok(), server.address);
    begin_check(&f);
    fd = connection(&server);
    pid = child_fork();
    if (pid == 0) {
        close(ends[1]);
        close(fd);
        must(write(ends[0], &byte, 1) == 1, "no parent");
        (void)!read(ends[0], &byte, 1);
        _exit(0);
    }
    must(read(ends[1], &byte, 1) == 1, "no child");
    fixture_advance_ms(&f, TIMEOUT_MS);
    must(state_of(f.balancer) == FO_STATE_DOWN, "it did not time out");
    close(fd);
    settle(&f);
    close(ends[1]);
    child_await(pid);
    close(ends[0]);
    fixture_destroy(&f);
    server_close(&server);
}

static void fork_while_workers_are_busy_for_checks(void)
{
    struct fixture f;
    pid_t pid;

    if (!child_may_have_threads())
        return;
    atomic_store(&is_well, true);
    shut_gate(true);
    begin(&f, fo_check_sync(look_at, &is_well), "over there");
    must(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN) == FO_OK, "no report");
    begin_check(&f);
    await_inside(1);
    pid = child_fork();
    if (pid == 0) {
        must(fo_after_fork() == FO_OK, "fo_after_fork() fails");
        pthread_mutex_init(&lock, NULL);
        pthread_cond_init(&changed, NULL);
        gate_is_shut = false;
        await_state(&f, FO_STATE_UP);
        fixture_destroy(&f);
        _exit(0);
    }
    child_await(pid);
    shut_gate(false);
    await_state(&f, FO_STATE_UP);
    fixture_destroy(&f);
    await_inside(0);
}

static void handle_of_before_the_fork_means_nothing_in_the_child(void)
{
    struct fixture f;
    struct fo_check_handle before;
    pid_t pid;

    begin_asynchronous(&f);
    begin_check(&f);
    before = async.handle;
    pid = child_fork();
    if (pid == 0) {
        must(fo_after_fork() == FO_OK, "fo_after_fork() fails");
        fo_check_done(before, false);
        fixture_dispatch(&f);
        must(async.begun == 2, "it was not begun again");
        fo_check_done(before, false);
        fixture_dispatch(&f);
        must(state_of(f.balancer) == FO_STATE_UP, "it counted");
        fo_check_done(async.handle, false);
        fixture_dispatch(&f);
        must(state_of(f.balancer) == FO_STATE_DOWN, "the child's own did not");
        fixture_destroy(&f);
        _exit(0);
    }
    child_await(pid);
    must(async.begun == 1, "begun again in the parent");
    fo_check_done(before, false);
    fixture_dispatch(&f);
    must(state_of(f.balancer) == FO_STATE_DOWN, "it did not count in the parent");
    fixture_destroy(&f);
}

static void function_that_begins_a_check_may_fork(void)
{
    struct fixture f;

    begin_asynchronous(&f);
    async.forks = true;
    begin_check(&f);
    must(async.child >= 0, "it was not called");
    if (async.child == 0) {
        must(async.begun == 2, "it was not begun again");
        fo_check_done(async.handle, false);
        fixture_dispatch(&f);
        must(state_of(f.balancer) == FO_STATE_DOWN, "it did not count");
        fixture_destroy(&f);
        _exit(0);
    }
    child_await(async.child);
    must(async.begun == 1, "begun again in the parent");
    fo_check_done(async.handle, false);
    fixture_dispatch(&f);
    must(state_of(f.balancer) == FO_STATE_DOWN, "it did not count in the parent");
    fixture_destroy(&f);
}

static bool weight_forks;
static pid_t weight_child;

static double lift(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    if (weight_forks) {
        weight_forks = false;
        weight_child = child_fork();
        if (weight_child == 0)
            must(fo_after_fork() == FO_OK, "fo_after_fork() fails");
    }
    return input->max_weight;
}

static double sink(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    return input->live_weight / 2;
}

/** In the middle of a verdict, in which the embedder's weight function is asked. */
static void weight_function_may_fork(void)
{
    struct fixture f;
    struct server server;
    struct fo_config config;

    server_open(&server);
    fixture_init(&f);
    config = fixture_config(&f);
    config.weight = fo_weight_custom(lift, sink, NULL);
    config.check = steady(fo_check_tcp());
    fixture_balancer(&f, &config);
    add(&f, server.address);
    must(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN) == FO_OK, "no report");
    weight_forks = true;
    weight_child = -1;
    begin_check(&f);
    await_state(&f, FO_STATE_UP);
    must(weight_child >= 0, "it was not asked");
    fixture_advance_ms(&f, 3 * INTERVAL_MS);
    must(state_of(f.balancer) == FO_STATE_UP, "it went down again");
    fixture_destroy(&f);
    server_close(&server);
    if (weight_child == 0)
        _exit(0);
    child_await(weight_child);
}

/* ---- The end, and the default runtime ---------------------------------------------------------- */

static void end_while_checks_run(void)
{
    enum { HOSTS = 20 };
    struct fixture f;
    struct server server;
    struct fo_config config;

    server_open(&server);
    server_freeze(&server);
    fixture_init(&f);
    config = fixture_config(&f);
    config.check = steady(fo_check_tcp());
    fixture_balancer(&f, &config);
    for (size_t i = 0; i < HOSTS; i++) {
        struct fo_endpoint_config endpoint = fixture_upsert(fixture_name(i), 100, NULL);

        endpoint.address = server.address;
        must(fo_balancer_update(f.balancer, &endpoint, 1, NULL, 0, NULL) == FO_OK, "no update");
    }
    fixture_advance_ms(&f, INTERVAL_MS);
    must(f.runtime->io.watched == HOSTS, "they do not run");
    fixture_destroy(&f);
    server_close(&server);
}

static struct {
    uint32_t down;
    uint32_t recovered;
    uint32_t closed;
} told; /* by the default runtime's thread; under the lock */

static void hear(const struct fo_event *event, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    told.down += event->kind == FO_EVENT_DOWN;
    told.recovered += event->kind == FO_EVENT_RECOVERED;
    told.closed += event->kind == FO_EVENT_CLOSED;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void await_told(const uint32_t *counter, uint32_t wanted, const char *what)
{
    must(counter_await(&lock, &changed, counter, wanted), what);
}

static void default_runtime_checks_too(void)
{
    struct server server;
    struct fo_config config = fo_config_init();
    struct fo_balancer *balancer;
    struct fo_endpoint_config endpoint = fo_endpoint_config_init("e0");

    server_open(&server);
    config.check = steady(fo_check_tcp());
    config.check.interval_ms = 5;
    config.check.timeout_ms = PATIENCE_MS;
    must(fo_balancer_create(&config, &balancer) == FO_OK, "no balancer");
    must(fo_subscribe(balancer, FO_EVENT_ALL, hear, NULL, NULL) == FO_OK, "no listener");
    endpoint.address = server.address;
    must(fo_balancer_update(balancer, &endpoint, 1, NULL, 0, NULL) == FO_OK, "no update");
    for (uint32_t i = 1; i <= 3; i++) {
        server_refuse(&server);
        await_told(&told.down, i, "it does not go down");
        server_listen(&server);
        await_told(&told.recovered, i, "it does not come back");
    }
    fo_balancer_destroy(balancer);
    await_told(&told.closed, 1, "no end is told");
    server_close(&server);
}

#define TELL(name)                                                                                 \
    do {                                                                                           \
        story = #name;                                                                             \
        printf("check: %s\n", story);                                                              \
        name();                                                                                    \
    } while (0)

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    TELL(any_address_that_takes_the_connection_counts);
    TELL(name_that_nobody_knows_says_nothing_about_the_server);
    TELL(look_up_that_hangs_says_nothing_about_the_server_either);
    TELL(end_while_a_look_up_hangs);
    TELL(function_that_blocks_decides);
    TELL(function_that_hangs_fails_after_its_timeout);
    TELL(function_that_finds_no_worker_counts_neither_way);
    TELL(end_while_a_function_hangs);
    TELL(result_may_come_at_once);
    TELL(result_may_come_from_any_thread);
    TELL(late_and_second_results_are_ignored);
    TELL(check_that_runs_is_begun_again_in_the_child);
    TELL(child_that_never_calls_us_keeps_nothing_in_the_parents_set);
    TELL(fork_while_workers_are_busy_for_checks);
    TELL(handle_of_before_the_fork_means_nothing_in_the_child);
    TELL(function_that_begins_a_check_may_fork);
    TELL(weight_function_may_fork);
    TELL(end_while_checks_run);
    TELL(default_runtime_checks_too);
    return 0;
}
