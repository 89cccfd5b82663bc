/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks: real sockets on this machine, virtual time.
 *
 * A dispatch serves sockets before timers, so a server that has answered by then is never late. All
 * connections of this program are made by connect() below, which counts them, and may meet itself.
 */
#include "fixture.h"
#include "outcome.h"
#include "server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define INTERVAL_MS 100
#define TIMEOUT_MS 200

/* ---- In place of the C library's ----------------------------------------------------------- */

static in_port_t counted_port; /* whose connections are counted, in network order; 0: nobody's */
static size_t connections;
static bool meets_itself; /* who connects comes from the port that he goes to, if it is free */

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    const struct sockaddr_in *in = (const void *)address;
    int result;

    if (meets_itself && in->sin_family == AF_INET)
        (void)bind(fd, address, length); /* not a second time */
    result = (int)syscall(SYS_connect, fd, address, length);
    if (in->sin_family == AF_INET && in->sin_port == counted_port && result != 0 &&
        errno == EINPROGRESS)
        connections++; /* whoever asks how it went hears something else */
    return result;
}

/** Connections to that server, begun since the last call. */
static size_t connections_to(const struct server *server)
{
    size_t count = connections;

    counted_port = server->bound.sin_port;
    connections = 0;
    return count;
}

/* ---- A host that is checked ----------------------------------------------------------------- */

/** Every 100 ms sharp, for all hosts. */
static struct fo_check_config steady(void)
{
    struct fo_check_config config = fo_check_tcp();

    config.when = FO_CHECK_ALWAYS;
    config.interval_ms = INTERVAL_MS;
    config.timeout_ms = TIMEOUT_MS;
    config.jitter_percent = FO_CHECK_JITTER_NONE;
    return config;
}

static void begin(struct fixture *f, struct fo_check_config check)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.weight = fo_weight_ratio();
    config.trial = fo_trial_config_init();
    config.check = check;
    fixture_balancer(f, &config);
}

static void add(struct fixture *f, size_t i, const char *address)
{
    struct fo_endpoint_config config = fixture_upsert(fixture_name(i), 100, fixture_data(i));

    config.address = address;
    cr_assert_eq(fo_balancer_update(f->balancer, &config, 1, NULL, 0, NULL), FO_OK);
    fixture_dispatch(f);
}

static void take_out(struct fixture *f, size_t i)
{
    const char *name = fixture_name(i);

    cr_assert_eq(fo_balancer_update(f->balancer, NULL, 0, &name, 1, NULL), FO_OK);
    fixture_dispatch(f);
}

static fo_state state(struct fixture *f, size_t i)
{
    return fixture_info(f, fixture_name(i)).state;
}

/** Milliseconds until the host's state is so. */
static uint64_t ms_until(struct fixture *f, size_t i, fo_state wanted)
{
    uint64_t ms = 0;

    for (; state(f, i) != wanted; ms++) {
        cr_assert_lt(ms, 20000, "never");
        fixture_advance_ms(f, 1);
    }
    return ms;
}

/** Serves the sockets of checks until none is ready. */
static void settle(struct fixture *f)
{
    struct pollfd ready = {.fd = fo_runtime_fd(f->runtime), .events = POLLIN};

    do {
        fixture_dispatch(f);
    } while (poll(&ready, 1, 0) == 1);
}

/** Says something to a check and hangs up. */
static void answer(struct fixture *f, int fd, const char *text)
{
    settle(f);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    settle(f);
    close(fd);
    settle(f);
}

/** Waits for the next connection, in virtual time. */
static int await_connection(struct fixture *f, struct server *server)
{
    int fd = -1;

    for (int ms = 0; fd < 0; ms++) {
        cr_assert_lt(ms, 20000, "nobody connects");
        fixture_advance_ms(f, 1);
        fd = server_accept(server);
    }
    return fd;
}

/* ---- Verdicts ------------------------------------------------------------------------------ */

Test(check, takes_a_host_down_after_fall_failures_and_lifts_it_after_rise_passed)
{
    struct fixture f;
    struct server server;
    uint64_t ms;

    server_open(&server);
    begin(&f, steady());
    add(&f, 0, server.address);
    fixture_advance_ms(&f, 1000);
    cr_assert_str_eq(fixture_story(&f), "added e0");
    server_refuse(&server);
    ms = ms_until(&f, 0, FO_STATE_DOWN);
    cr_assert(ms >= 100 && ms <= 201, "the first failed, and two fast ones: %d", (int)ms);
    cr_assert_str_eq(fixture_story(&f), "down e0 (check failed)");
    fixture_advance_ms(&f, 1000);
    server_listen(&server);
    ms = ms_until(&f, 0, FO_STATE_UP);
    cr_assert(ms >= 50 && ms <= 151, "the first passed, and a fast one: %d", (int)ms);
    cr_assert_str_eq(fixture_story(&f), "recovered e0 (check passed)");
    fixture_destroy(&f);
    server_close(&server);
}

Test(check, that_hears_nothing_fails_after_its_timeout)
{
    struct fixture f;
    struct server server;
    struct fo_check_config config = steady();
    uint64_t ms;

    config.fall = 1;
    server_open(&server);
    server_freeze(&server);
    begin(&f, config);
    add(&f, 0, server.address);
    ms = ms_until(&f, 0, FO_STATE_DOWN);
    cr_assert(ms >= TIMEOUT_MS && ms <= INTERVAL_MS + TIMEOUT_MS + 1, "%d", (int)ms);
    fixture_destroy(&f);
    server_close(&server);
}

Test(check, lifts_gently_as_a_trial_does)
{
    struct fixture f;
    struct server server;
    struct fo_endpoint_info info;

    server_open(&server);
    begin(&f, steady());
    add(&f, 0, server.address);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&f);
    ms_until(&f, 0, FO_STATE_UP);
    info = fixture_info(&f, "e0");
    cr_assert_eq(info.health, 1);
    cr_assert_leq(info.ramp, 0.06);
    fixture_advance_ms(&f, 30000);
    cr_assert_eq(fixture_info(&f, "e0").ramp, 1);
    fixture_destroy(&f);
    server_close(&server);
}

Test(check, replaces_trials)
{
    struct fixture f;
    struct server server;
    struct fo_check_config config = steady();
    struct fo_lease lease;

    config.when = FO_CHECK_LAZY;
    server_open(&server);
    server_refuse(&server);
    begin(&f, config);
    add(&f, 0, server.address);
    add(&f, 1, server.address);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&f);
    for (int i = 0; i < 10; i++) {
        fixture_advance_ms(&f, 10000);
        cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    }
    cr_assert_eq(fixture_heard(&f, FO_EVENT_TRIAL, NULL), 0);
    cr_assert_eq(state(&f, 0), FO_STATE_DOWN);
    fixture_destroy(&f);
    server_close(&server);
}

Test(check, heals_a_host_that_is_up_as_one_success_would)
{
    struct fixture f;
    struct server server;
    double healed;

    server_open(&server);
    begin(&f, steady());
    add(&f, 0, server.address);
    add(&f, 1, server.address);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_SUCCESS), FO_OK);
    healed = fixture_info(&f, "e1").health;
    cr_assert_lt(fixture_info(&f, "e0").health, healed);
    fixture_advance_ms(&f, INTERVAL_MS + 1);
    cr_assert_eq(fixture_info(&f, "e0").health, healed, "one check, one success");
    fixture_destroy(&f);
    server_close(&server);
}

Test(check, that_began_before_the_host_went_down_does_not_bring_it_back)
{
    struct fixture f;
    struct server server;
    struct fo_check_config config = steady();
    int fd;

    config.rise = 1;
    config.expect = "OK";
    config.expect_size = 2;
    server_open(&server);
    begin(&f, config);
    add(&f, 0, server.address);
    fd = await_connection(&f, &server);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(&f);
    answer(&f, fd, "OK");
    cr_assert_eq(state(&f, 0), FO_STATE_DOWN, "it says nothing about what came after it began");
    answer(&f, await_connection(&f, &server), "OK");
    cr_assert_eq(state(&f, 0), FO_STATE_UP);
    fixture_destroy(&f);
    server_close(&server);
}

Test(check, success_of_the_trickle_offers_no_trial)
{
    struct fixture f;
    struct fo_config config;
    struct fo_endpoint_config endpoint = fixture_upsert("127.0.0.1:1", 100, fixture_data(0));

    fixture_init(&f);
    config = fixture_config(&f);
    config.weight = fo_weight_ratio();
    config.weight.recover_threshold = 3;
    config.check = fo_check_tcp();
    fixture_balancer(&f, &config);
    endpoint.min_weight = 1;
    cr_assert_eq(fo_balancer_update(f.balancer, &endpoint, 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(fo_report(f.balancer, endpoint.name, FO_OUTCOME_DOWN), FO_OK);
    fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_info(&f, endpoint.name).state, FO_STATE_DOWN);
    fixture_destroy(&f);
}

Test(check, verdict_about_an_older_epoch_moves_nothing)
{
    struct fixture f;
    struct fo_lease lease;
    struct fo_endpoint *endpoint;

    begin(&f, fo_check_tcp());
    add(&f, 0, "127.0.0.1:1");
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    endpoint = lease.endpoint;
    cr_assert_not(fo__outcome_fell(endpoint->core, endpoint, 5, FO_REASON_CHECK_FAILED));
    cr_assert_eq(state(&f, 0), FO_STATE_UP);
    cr_assert(fo__outcome_fell(endpoint->core, endpoint, 0, FO_REASON_CHECK_FAILED));
    cr_assert_not(fo__outcome_lift(endpoint->core, endpoint, 0));
    cr_assert_eq(state(&f, 0), FO_STATE_DOWN);
    cr_assert(fo__outcome_lift(endpoint->core, endpoint, 1));
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    fixture_destroy(&f);
}

Test(check, host_added_down_is_lifted)
{
    struct fixture f;
    struct server server;
    struct fo_endpoint_config config;

    server_open(&server);
    begin(&f, fo_check_tcp());
    config = fixture_upsert("e0", 100, fixture_data(0));
    config.init_weight = 0;
    config.address = server.address;
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert_leq(ms_until(&f, 0, FO_STATE_UP), 2000 + 550 + 1);
    fixture_destroy(&f);
    server_close(&server);
}

/* ---- Who is checked, and when ------------------------------------------------------------- */

Test(check, lazy_one_leaves_healthy_hosts_alone)
{
    struct fixture f;
    struct server server;
    struct fo_check_config config = steady();

    config.when = FO_CHECK_LAZY;
    server_open(&server);
    begin(&f, config);
    add(&f, 0, server.address);
    fixture_advance_ms(&f, 1000);
    cr_assert_eq(server_count(&server), 0);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_FAILURE), FO_OK);
    fixture_advance_ms(&f, INTERVAL_MS);
    cr_assert_eq(server_count(&server), 1);
    fixture_destroy(&f);
    server_close(&server);
}

/** Virtual milliseconds between the next two connections. */
static uint64_t ms_between(struct fixture *f, struct server *server)
{
    uint64_t began_ns;

    close(await_connection(f, server));
    began_ns = atomic_load(&f->now_ns);
    close(await_connection(f, server));
    return (atomic_load(&f->now_ns) - began_ns) / 1000000;
}

Test(check, goes_on_over_updates_as_if_nothing_had_happened)
{
    struct fixture f;
    struct server server;

    server_open(&server);
    begin(&f, steady());
    add(&f, 0, server.address);
    close(await_connection(&f, &server));
    for (int i = 1; i < INTERVAL_MS; i++) {
        struct fo_endpoint_config upsert = fixture_upsert("e0", 100 + i, fixture_data(0));

        fixture_advance_ms(&f, 1);
        cr_assert_eq(fo_balancer_update(f.balancer, &upsert, 1, NULL, 0, NULL), FO_OK);
        cr_assert_eq(server_count(&server), 0);
    }
    fixture_advance_ms(&f, 1);
    cr_assert_eq(server_count(&server), 1);
    cr_assert_eq(ms_between(&f, &server), INTERVAL_MS);
    fixture_destroy(&f);
    server_close(&server);
}

Test(check, ends_with_the_last_endpoint_of_its_host)
{
    struct fixture f;
    struct server server;

    server_open(&server);
    begin(&f, steady());
    add(&f, 0, server.address);
    close(await_connection(&f, &server));
    take_out(&f, 0);
    cr_assert_eq(fo_runtime_next_deadline_ms(f.runtime), -1);
    add(&f, 0, server.address);
    close(await_connection(&f, &server));
    fixture_destroy(&f);
    server_close(&server);
}

Test(check, of_a_removed_endpoint_rests_until_it_is_back)
{
    struct fixture f;
    struct server server;
    struct fo_lease lease;

    server_open(&server);
    begin(&f, steady());
    add(&f, 0, server.address);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    take_out(&f, 0);
    server_count(&server);
    fixture_advance_ms(&f, 1000);
    cr_assert_eq(server_count(&server), 0, "its lease is open, but nobody picks it");
    add(&f, 0, server.address);
    close(await_connection(&f, &server));
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
    fixture_destroy(&f);
    server_close(&server);
}

/* A thousand topics on the same eight brokers. */
enum { BALANCERS = 1000, BROKERS = 8 };

struct crowd {
    struct fixture f;
    struct server servers[BROKERS];
    struct fo_group *group;
    struct fo_balancer *balancers[BALANCERS];
};

static void crowd_open(struct crowd *crowd, struct fo_check_config check)
{
    struct fo_group_config of_group = fo_group_config_init();
    struct fo_config config = fo_config_init();

    fixture_init(&crowd->f);
    of_group.runtime = crowd->f.runtime;
    of_group.check = check;
    cr_assert_eq(fo_group_create(&of_group, &crowd->group), FO_OK);
    config.group = crowd->group;
    for (size_t i = 0; i < BROKERS; i++)
        server_open(&crowd->servers[i]);
    for (size_t b = 0; b < BALANCERS; b++) {
        struct fo_endpoint_config upserts[BROKERS];

        cr_assert_eq(fo_balancer_create(&config, &crowd->balancers[b]), FO_OK);
        for (size_t i = 0; i < BROKERS; i++)
            upserts[i] = fo_endpoint_config_init(crowd->servers[i].address);
        cr_assert_eq(fo_balancer_update(crowd->balancers[b], upserts, BROKERS, NULL, 0, NULL),
                     FO_OK);
    }
    fixture_advance_ms(&crowd->f, INTERVAL_MS); /* after it every host was checked once */
}

static void crowd_close(struct crowd *crowd)
{
    for (size_t b = 0; b < BALANCERS; b++)
        fo_balancer_destroy(crowd->balancers[b]);
    fo_group_destroy(crowd->group);
    fixture_dispatch(&crowd->f);
    fixture_destroy(&crowd->f);
    for (size_t i = 0; i < BROKERS; i++)
        server_close(&crowd->servers[i]);
}

static void expect_down_in_all(struct crowd *crowd, size_t i)
{
    for (size_t b = 0; b < BALANCERS; b++) {
        struct fo_endpoint_info info = fo_endpoint_info_init();

        cr_assert_eq(fo_endpoint_status(crowd->balancers[b], crowd->servers[i].address, &info),
                     FO_OK);
        cr_assert_eq(info.state, FO_STATE_DOWN);
    }
}

Test(check, of_many_balancers_is_one_for_each_host)
{
    static struct crowd crowd;

    crowd_open(&crowd, steady());
    for (size_t i = 0; i < BROKERS; i++)
        server_count(&crowd.servers[i]);
    fixture_advance_ms(&crowd.f, 10 * INTERVAL_MS);
    for (size_t i = 0; i < BROKERS; i++)
        cr_assert_eq(server_count(&crowd.servers[i]), 10);

    /* One is frozen: each check hangs for two intervals, and then the next begins. */
    server_freeze(&crowd.servers[3]);
    fixture_advance_ms(&crowd.f, INTERVAL_MS + 3 * TIMEOUT_MS + 3);
    expect_down_in_all(&crowd, 3);
    crowd_close(&crowd);
}

Test(check, of_many_balancers_is_one_each_interval_for_a_frozen_host_too)
{
    static struct crowd crowd;
    struct fo_check_config config = steady();

    config.timeout_ms = INTERVAL_MS / 2;
    crowd_open(&crowd, config);
    server_freeze(&crowd.servers[3]);
    fixture_advance_ms(&crowd.f, 4 * INTERVAL_MS);
    expect_down_in_all(&crowd, 3);
    connections_to(&crowd.servers[3]);
    fixture_advance_ms(&crowd.f, 10 * INTERVAL_MS);
    cr_assert_eq(connections_to(&crowd.servers[3]), 10);
    crowd_close(&crowd);
}

Test(check, first_ones_are_spread_over_one_interval)
{
    enum { HOSTS = 1000, SLOTS = 2000 };
    struct fixture f;
    struct server server;
    struct fo_check_config config = steady();
    size_t all = 0;
    size_t most = 0;

    config.interval_ms = SLOTS;
    server_open(&server);
    begin(&f, config);
    for (size_t i = 0; i < HOSTS; i++) {
        char name[16];
        struct fo_endpoint_config upsert;

        snprintf(name, sizeof(name), "h%zu", i);
        upsert = fixture_upsert(name, 100, NULL);
        upsert.address = server.address;
        cr_assert_eq(fo_balancer_update(f.balancer, &upsert, 1, NULL, 0, NULL), FO_OK);
    }
    fixture_dispatch(&f);
    for (int ms = 0; ms < SLOTS; ms++) {
        size_t count;

        fixture_advance_ms(&f, 1);
        count = server_count(&server);
        all += count;
        most = count > most ? count : most;
    }
    cr_assert_eq(all, HOSTS, "each once: %zu", all);
    /* Poisson of 1/2 a slot: eight or more in any of 2,000 comes in one run of 10,000. */
    cr_assert_lt(most, 8, "%zu in one millisecond", most);
    fixture_destroy(&f);
    server_close(&server);
}

Test(check, hosts_that_hang_do_not_delay_the_discovery_of_one_that_is_back)
{
    enum { HOSTS = 21 };
    struct fixture f;
    struct server servers[HOSTS];
    struct fo_check_config config = steady();

    config.jitter_percent = 10;
    begin(&f, config);
    for (size_t i = 0; i < HOSTS; i++) {
        server_open(&servers[i]);
        server_freeze(&servers[i]);
        add(&f, i, servers[i].address);
    }
    for (size_t i = 0; i < HOSTS; i++)
        ms_until(&f, i, FO_STATE_DOWN);
    for (size_t i = 0; i < HOSTS; i++) {
        uint64_t ms;

        fixture_advance_ms(&f, 37);
        server_listen(&servers[i]);
        ms = ms_until(&f, i, FO_STATE_UP);
        cr_assert_leq(ms, INTERVAL_MS + TIMEOUT_MS + 50, "%d", (int)ms);
        server_freeze(&servers[i]);
        ms_until(&f, i, FO_STATE_DOWN);
    }
    fixture_destroy(&f);
    for (size_t i = 0; i < HOSTS; i++)
        server_close(&servers[i]);
}

Test(check, interval_grows_while_a_host_is_down_and_is_short_again_when_it_is_up)
{
    struct fixture f;
    struct server server;
    struct fo_check_config config = steady();

    config.down_interval_max_ms = 400;
    config.expect = "OK";
    config.expect_size = 2;
    server_open(&server);
    begin(&f, config);
    add(&f, 0, server.address);
    while (state(&f, 0) != FO_STATE_DOWN)
        answer(&f, await_connection(&f, &server), "no");
    cr_assert_eq(ms_between(&f, &server), 200);
    cr_assert_eq(ms_between(&f, &server), 400);
    cr_assert_eq(ms_between(&f, &server), 400);
    while (state(&f, 0) != FO_STATE_UP)
        answer(&f, await_connection(&f, &server), "OK");
    close(await_connection(&f, &server)); /* fails: fast from here */
    cr_assert_eq(ms_between(&f, &server), 50);
    fixture_destroy(&f);
    server_close(&server);
}

Test(check, waits_no_longer_for_the_back_off_of_a_host_that_is_back)
{
    struct fixture f;
    struct server server;
    struct fo_check_config config = steady();
    struct fo_endpoint_config endpoint = fixture_upsert("e0", 100, fixture_data(0));
    uint64_t ms;

    config.down_interval_max_ms = 1000000;
    endpoint.min_weight = 1;
    server_open(&server);
    server_refuse(&server);
    begin(&f, config);
    endpoint.address = server.address;
    cr_assert_eq(fo_balancer_update(f.balancer, &endpoint, 1, NULL, 0, NULL), FO_OK);
    ms_until(&f, 0, FO_STATE_DOWN);
    fixture_advance_ms(&f, 4000); /* the next one is seconds away */
    fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    cr_assert_eq(state(&f, 0), FO_STATE_UP, "lifted by its trickle");
    fixture_dispatch(&f);
    ms = ms_until(&f, 0, FO_STATE_DOWN);
    cr_assert_leq(ms, 201, "%d", (int)ms);
    fixture_destroy(&f);
    server_close(&server);
}

/* ---- Addresses ----------------------------------------------------------------------------- */

Test(check, uses_the_name_when_no_address_is_given)
{
    struct fixture f;
    struct server server;
    struct fo_endpoint_config config;

    server_open(&server);
    begin(&f, steady());
    config = fixture_upsert(server.address, 100, NULL);
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    close(await_connection(&f, &server));
    fixture_destroy(&f);
    server_close(&server);
}

Test(check, address_of_the_newest_upsert_counts_and_stays_when_none_is_given)
{
    struct fixture f;
    struct server first;
    struct server second;
    struct fo_endpoint_config config = fixture_upsert("e0", 70, fixture_data(0));
    struct fo_update_result result = fo_update_result_init();

    server_open(&first);
    server_open(&second);
    begin(&f, steady());
    add(&f, 0, first.address);
    close(await_connection(&f, &first));
    add(&f, 0, second.address);
    close(await_connection(&f, &second));
    cr_assert_eq(server_count(&first), 0);
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    close(await_connection(&f, &second));
    config.address = second.address;
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, &result), FO_OK);
    cr_assert_eq(result.updated_count, 0, "nothing has changed");
    fo_update_result_fini(&result);
    config.address = first.address;
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, &result), FO_OK);
    cr_assert_eq(result.updated_count, 1);
    fo_update_result_fini(&result);
    fixture_destroy(&f);
    server_close(&first);
    server_close(&second);
}

static void refuses(struct fixture *f, const char *name, const char *address)
{
    struct fo_endpoint_config config = fixture_upsert(name, 100, NULL);
    struct fo_update_result result = fo_update_result_init();

    config.address = address;
    cr_assert_eq(fo_balancer_update(f->balancer, &config, 1, NULL, 0, &result), FO_EINVAL);
    cr_assert_eq(result.offender, 0);
    cr_assert_str_neq(result.offence, "");
    fo_update_result_fini(&result);
}

Test(check, what_cannot_be_checked_is_refused)
{
    char long_address[FO_NAME_MAX + 2];
    struct fixture f;

    memset(long_address, 'a', sizeof(long_address) - 1);
    long_address[sizeof(long_address) - 1] = '\0';
    begin(&f, fo_check_tcp());
    refuses(&f, "broker-1", NULL);
    refuses(&f, "broker-1", "");
    refuses(&f, "broker-1", "127.0.0.1");
    refuses(&f, "127.0.0.1:80", "127.0.0.1:65536");
    refuses(&f, "127.0.0.1:80", long_address);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_ADDED, NULL), 0);
    fixture_destroy(&f);
    begin(&f, fo_check_config_init());
    refuses(&f, "broker-1", "");
    refuses(&f, "broker-1", long_address);
    add(&f, 0, "without checks anything will do");
    fixture_destroy(&f);
}

static void check_unix(const char *address, const char *path, socklen_t length)
{
    struct fixture f;
    struct fo_check_config config = steady();
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    config.fall = 1;
    config.rise = 1;
    begin(&f, config);
    add(&f, 0, address);
    ms_until(&f, 0, FO_STATE_DOWN);
    memcpy(local.sun_path, path, length);
    cr_assert_eq(bind(fd, (struct sockaddr *)&local,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                 0);
    cr_assert_eq(listen(fd, 0), 0);
    ms_until(&f, 0, FO_STATE_UP);
    ms_until(&f, 0, FO_STATE_DOWN); /* nobody takes the connection: its queue is full */
    close(fd);
    fixture_destroy(&f);
}

Test(check, connects_to_unix_sockets)
{
    char path[64];
    char address[80];

    snprintf(path, sizeof(path), P_tmpdir "/check_test.%d", (int)getpid());
    snprintf(address, sizeof(address), "unix:%s", path);
    check_unix(address, path, (socklen_t)strlen(path) + 1);
    unlink(path);
    path[0] = '\0';
    snprintf(path + 1, sizeof(path) - 1, "check_test.%d", (int)getpid());
    snprintf(address, sizeof(address), "unix:@%s", path + 1);
    check_unix(address, path, (socklen_t)strlen(path + 1) + 1);
}

/** Nobody listens at that port, and the kernel gives it to the check to come from. */
Test(check, that_meets_itself_has_found_no_server)
{
    struct fixture f;
    struct server server;
    struct fo_check_config config = steady();

    config.fall = 1;
    server_open(&server);
    begin(&f, config);
    add(&f, 0, server.address);
    connections_to(&server);
    server_close(&server);
    meets_itself = true;
    fixture_advance_ms(&f, INTERVAL_MS);
    cr_assert_eq(connections_to(&server), 1, "it has met itself");
    cr_assert_eq(state(&f, 0), FO_STATE_DOWN);
    fixture_destroy(&f);
}

/* ---- Limits -------------------------------------------------------------------------------- */

Test(check, without_a_descriptor_counts_neither_way_and_is_made_again)
{
    struct fixture f;
    struct server server;
    struct fo_check_config config = steady();
    struct rlimit limit;
    struct rlimit none;

    config.fall = 1;
    server_open(&server);
    begin(&f, config);
    add(&f, 0, server.address);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    fixture_advance_ms(&f, 1000);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_assert_eq(state(&f, 0), FO_STATE_UP);
    cr_assert_eq(server_count(&server), 0);
    close(await_connection(&f, &server));
    fixture_destroy(&f);
    server_close(&server);
}

Test(check, descriptor_of_the_runtime_tells_of_answers)
{
    struct fixture f;
    struct server server;
    struct fo_check_config config = steady();
    struct pollfd ready;
    int fd;

    config.expect = "OK";
    config.expect_size = 2;
    server_open(&server);
    begin(&f, config);
    add(&f, 0, server.address);
    fd = await_connection(&f, &server);
    fixture_dispatch(&f);
    ready = (struct pollfd){.fd = fo_runtime_fd(f.runtime), .events = POLLIN};
    cr_assert_eq(poll(&ready, 1, 0), 0, "nothing to be done");
    cr_assert_eq(write(fd, "OK", 2), 2);
    cr_assert_eq(poll(&ready, 1, 10000), 1);
    fixture_dispatch(&f);
    cr_assert_eq(poll(&ready, 1, 0), 0);
    close(fd);
    fixture_destroy(&f);
    server_close(&server);
}

Test(check, of_a_group_is_not_for_its_balancers_to_configure)
{
    struct fixture f;
    struct fo_group *group;
    struct fo_balancer *balancer;
    struct fo_config config = fo_config_init();

    fixture_init(&f);
    cr_assert_eq(fo_group_create(NULL, &group), FO_OK);
    config.group = group;
    config.check = fo_check_tcp();
    cr_assert_eq(fo_balancer_create(&config, &balancer), FO_EINVAL);
    fo_group_destroy(group);
    config.group = NULL;
    config.check.jitter_percent = 51;
    cr_assert_eq(fo_balancer_create(&config, &balancer), FO_EINVAL);
    fixture_destroy(&f);
}
