/* SPDX-License-Identifier: Apache-2.0
 *
 * The runtime: driven by the embedder, or the default thread.
 */
#define _GNU_SOURCE /* pthread_getname_np */
#include "fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

static bool is_readable(const struct fo_runtime *runtime)
{
    struct pollfd ready = {.fd = fo_runtime_fd(runtime), .events = POLLIN};

    return poll(&ready, 1, 0) == 1;
}

static void begin(struct fixture *f, size_t n)
{
    fixture_open_weighed(f, fo_weight_ratio(), 0);
    if (n > 0)
        fixture_add(f, n, NULL);
}

/** Dispatches until nothing is left and a late wake-up is used up. */
static void settle(struct fixture *f)
{
    fixture_dispatch(f);
    fixture_dispatch(f);
}

/* ---- Driven by the embedder ---------------------------------------------------------------- */

Test(runtime, descriptor_is_readable_exactly_when_there_is_work)
{
    struct fixture f;

    begin(&f, 2);
    cr_assert(is_readable(f.runtime));
    cr_assert_eq(fo_runtime_next_deadline_ms(f.runtime), 0);
    settle(&f);
    cr_assert_not(is_readable(f.runtime));
    cr_assert_eq(fo_runtime_next_deadline_ms(f.runtime), -1);
    for (int i = 0; i < 100; i++)
        fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    cr_assert_not(is_readable(f.runtime), "ordinary traffic wakes nobody");
    fixture_pick_and_finish(&f, FO_OUTCOME_DOWN);
    cr_assert(is_readable(f.runtime));
    settle(&f);
    cr_assert_not(is_readable(f.runtime));
    fixture_destroy(&f);
}

Test(runtime, descriptor_is_closed_on_exec)
{
    struct fixture f;

    begin(&f, 0);
    cr_assert(fcntl(fo_runtime_fd(f.runtime), F_GETFD) & FD_CLOEXEC);
    fixture_destroy(&f);
}

Test(runtime, next_deadline_counts_down_to_the_earliest_timer)
{
    struct fixture f;
    int ms;

    begin(&f, 2);
    settle(&f);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    settle(&f);
    ms = fo_runtime_next_deadline_ms(f.runtime);
    cr_assert(ms >= 800 && ms <= 1200, "%d", ms);
    atomic_fetch_add(&f.now_ns, 100 * UINT64_C(1000000));
    cr_assert_eq(fo_runtime_next_deadline_ms(f.runtime), ms - 100);
    atomic_fetch_add(&f.now_ns, 1);
    cr_assert_eq(fo_runtime_next_deadline_ms(f.runtime), ms - 100, "rounded up");
    cr_assert_eq(fo_report(f.balancer, "e1", FO_OUTCOME_DOWN), FO_OK);
    cr_assert_eq(fo_runtime_next_deadline_ms(f.runtime), 0, "work is waiting");
    settle(&f);
    cr_assert_leq(fo_runtime_next_deadline_ms(f.runtime), ms - 100, "the earlier of both");
    atomic_fetch_add(&f.now_ns, (uint64_t)(ms - 100) * UINT64_C(1000000));
    cr_assert_eq(fo_runtime_next_deadline_ms(f.runtime), 0);
    fixture_destroy(&f);
}

Test(runtime, does_nothing_before_the_deadline)
{
    struct fixture f;
    int ms;

    begin(&f, 1);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    settle(&f);
    ms = fo_runtime_next_deadline_ms(f.runtime);
    atomic_fetch_add(&f.now_ns, (uint64_t)(ms - 1) * UINT64_C(1000000));
    cr_assert_eq(fo_runtime_dispatch(f.runtime), 0);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_DOWN);
    atomic_fetch_add(&f.now_ns, UINT64_C(1000000));
    cr_assert_eq(fo_runtime_dispatch(f.runtime), 1);
    cr_assert_eq(fixture_info(&f, "e0").state, FO_STATE_TRIAL);
    fixture_destroy(&f);
}

Test(runtime, dispatch_returns_the_number_of_events)
{
    struct fixture f;

    begin(&f, 3);
    cr_assert_eq(fo_runtime_dispatch(f.runtime), 3);
    cr_assert_eq(fo_runtime_dispatch(f.runtime), 0);
    cr_assert_eq(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN), FO_OK);
    cr_assert_eq(fo_runtime_dispatch(f.runtime), 1);
    fixture_destroy(&f);
}

Test(runtime, serves_several_balancers_in_one_loop)
{
    struct fixture f;

    begin(&f, 1);
    for (int i = 0; i < 5; i++) {
        struct fo_config config = fixture_config(&f);

        config.name = "another";
        fixture_add_to(fixture_balancer(&f, &config), 2, NULL, NULL);
    }
    cr_assert_eq(fo_runtime_dispatch(f.runtime), 11);
    fixture_destroy(&f);
}

Test(runtime, is_busy_until_everything_is_gone)
{
    struct fo_lease lease;
    struct fixture f;

    begin(&f, 1);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    cr_assert_eq(fo_runtime_destroy(f.runtime), FO_BUSY);
    fixture_close(&f, f.balancer);
    cr_assert_eq(fo_runtime_destroy(f.runtime), FO_BUSY);
    fixture_dispatch(&f);
    cr_assert_eq(fo_runtime_destroy(f.runtime), FO_BUSY, "a lease is open");
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(fo_runtime_destroy(f.runtime), FO_BUSY, "closed was not yet told");
    fixture_dispatch(&f);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_CLOSED, NULL), 1);
    fixture_destroy(&f);
    cr_assert_eq(fo_runtime_destroy(NULL), FO_OK);
}

struct inside {
    struct fo_runtime *runtime;
    fo_status status;
    int calls;
};

static void destroy_runtime(const struct fo_event *event, void *arg)
{
    struct inside *inside = arg;

    (void)event;
    inside->calls++;
    inside->status = fo_runtime_destroy(inside->runtime);
}

Test(runtime, cannot_be_destroyed_by_its_own_listener)
{
    struct inside inside = {.status = FO_OK};
    struct fixture f;

    begin(&f, 0);
    inside.runtime = f.runtime;
    cr_assert_eq(fo_subscribe(f.balancer, FO_EVENT_CLOSED, destroy_runtime, &inside, NULL), FO_OK);
    fixture_close(&f, f.balancer);
    fixture_dispatch(&f);
    cr_assert_eq(inside.calls, 1);
    cr_assert_eq(inside.status, FO_BUSY);
    fixture_destroy(&f);
}

Test(runtime, reports_that_no_descriptor_is_left)
{
    struct fo_runtime *runtime = NULL;
    struct fo_balancer *balancer = NULL;
    struct rlimit limit, none;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    fo_status of_runtime = fo_runtime_create(NULL, &runtime);
    fo_status of_default = fo_balancer_create(NULL, &balancer);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_assert_eq(of_runtime, FO_SYSTEM);
    cr_assert_null(runtime);
    cr_assert_eq(of_default, FO_SYSTEM);
    cr_assert_null(balancer);
    cr_assert_eq(fo_runtime_create(NULL, &runtime), FO_OK, "and it works once there is one");
    cr_assert_eq(fo_runtime_destroy(runtime), FO_OK);
}

Test(runtime, without_a_clock_of_ones_own_time_is_real)
{
    struct fo_config config = fo_config_init();
    struct fo_endpoint_config endpoint = fo_endpoint_config_init("a");
    struct fo_balancer *balancer;
    struct fo_runtime *runtime;
    int ms;

    cr_assert_eq(fo_runtime_create(NULL, &runtime), FO_OK);
    config.runtime = runtime;
    config.trial.backoff_ms = 1000000;
    config.judge = fo_judge_none(); /* no looks in between */
    cr_assert_eq(fo_balancer_create(&config, &balancer), FO_OK);
    cr_assert_eq(fo_balancer_update(balancer, &endpoint, 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(fo_report(balancer, "a", FO_OUTCOME_DOWN), FO_OK);
    fo_runtime_dispatch(runtime);
    ms = fo_runtime_next_deadline_ms(runtime);
    cr_assert(ms > 100000 && ms <= 1200000, "%d", ms);
    fo_balancer_destroy(balancer);
    fo_runtime_dispatch(runtime);
    cr_assert_eq(fo_runtime_destroy(runtime), FO_OK);
}

/* ---- The default thread ------------------------------------------------------------------- */

struct visit {
    _Atomic int told;
    _Atomic bool closed;
    char thread_name[16];
    sigset_t blocked;
    pthread_t thread;
};

static void look_around(const struct fo_event *event, void *arg)
{
    struct visit *visit = arg;

    visit->thread = pthread_self();
    pthread_getname_np(pthread_self(), visit->thread_name, sizeof(visit->thread_name));
    pthread_sigmask(SIG_SETMASK, NULL, &visit->blocked);
    atomic_fetch_add(&visit->told, 1);
    if (event->kind == FO_EVENT_CLOSED)
        atomic_store(&visit->closed, true);
}

static void until_closed(struct visit *visit)
{
    while (!atomic_load(&visit->closed))
        sched_yield();
}

static struct fo_balancer *visited_balancer(struct visit *visit)
{
    struct fo_balancer *balancer;

    memset(visit, 0, sizeof(*visit));
    cr_assert_eq(fo_balancer_create(NULL, &balancer), FO_OK);
    /* Whether it was available for a moment depends on how fast the thread is. */
    cr_assert_eq(fo_subscribe(balancer, FO_EVENT_ALL & ~(FO_EVENT_EXHAUSTED | FO_EVENT_AVAILABLE),
                              look_around, visit, NULL),
                 FO_OK);
    return balancer;
}

Test(runtime, default_thread_is_called_failover_and_takes_no_signals, .timeout = 20)
{
    struct fo_endpoint_config endpoint = fo_endpoint_config_init("a");
    struct fo_balancer *balancer;
    struct visit visit;
    sigset_t mine;

    balancer = visited_balancer(&visit);
    cr_assert_eq(fo_balancer_update(balancer, &endpoint, 1, NULL, 0, NULL), FO_OK);
    fo_balancer_destroy(balancer);
    until_closed(&visit);
    cr_assert_eq(atomic_load(&visit.told), 4, "added, removed, released, closed");
    cr_assert_str_eq(visit.thread_name, "failover");
    for (int i = 1; i <= 31; i++)
        if (i != SIGKILL && i != SIGSTOP)
            cr_assert_eq(sigismember(&visit.blocked, i), 1, "signal %d", i);
    for (int i = SIGRTMIN; i <= SIGRTMAX; i++)
        cr_assert_eq(sigismember(&visit.blocked, i), 1, "signal %d", i);
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    cr_assert_eq(sigismember(&mine, SIGTERM), 0, "the caller's mask is as it was");
}

Test(runtime, default_thread_is_one_for_all_balancers, .timeout = 20)
{
    struct fo_balancer *balancers[3];
    struct visit visits[3];

    for (int i = 0; i < 3; i++)
        balancers[i] = visited_balancer(&visits[i]);
    for (int i = 0; i < 3; i++)
        fo_balancer_destroy(balancers[i]);
    for (int i = 0; i < 3; i++)
        until_closed(&visits[i]);
    cr_assert(pthread_equal(visits[0].thread, visits[1].thread));
    cr_assert(pthread_equal(visits[0].thread, visits[2].thread));
}

static void until_state(struct fo_balancer *balancer, fo_state state)
{
    struct fo_endpoint_info info = fo_endpoint_info_init();

    do {
        cr_assert_eq(fo_endpoint_status(balancer, "a", &info), FO_OK);
        sched_yield();
    } while (info.state != state);
}

Test(runtime, default_thread_runs_the_back_off_timers, .timeout = 20)
{
    struct fo_endpoint_config endpoint = fo_endpoint_config_init("a");
    struct fo_config config = fo_config_init();
    struct fo_balancer *balancer;
    struct fo_lease lease;

    config.trial.backoff_ms = 1;
    cr_assert_eq(fo_balancer_create(&config, &balancer), FO_OK);
    cr_assert_eq(fo_balancer_update(balancer, &endpoint, 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(fo_report(balancer, "a", FO_OUTCOME_DOWN), FO_OK);
    until_state(balancer, FO_STATE_TRIAL);
    while (fo_pick(balancer, &lease) != FO_OK)
        sched_yield();
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    until_state(balancer, FO_STATE_UP);
    fo_balancer_destroy(balancer);
}

Test(runtime, threads_may_be_prepared_any_number_of_times)
{
    struct fixture f;

    fo_thread_prepare();
    begin(&f, 1);
    for (int i = 0; i < 1000; i++)
        fo_thread_prepare();
    cr_assert_eq(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS), 0);
    fixture_destroy(&f);
}
