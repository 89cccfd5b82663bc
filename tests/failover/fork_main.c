/* SPDX-License-Identifier: Apache-2.0
 *
 * fork(): the child is usable after fo_after_fork(), the parent does not notice.
 *
 * Each story forks in the middle of something. The child works with the library, checks what it
 * finds and leaves with _exit(0); the parent goes on, checks that too, and waits for the child. A
 * child that hangs is ended by an alarm and counts as failed.
 */
#include "child.h"
#include "cold.h"
#include "crew.h"
#include "fixture.h"
#include "members.h"
#include "stress.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 15
#define CHILD_SECONDS 30

static const char *story;

static void must(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "fork: %s: %s\n", story, what);
    abort();
}

/* ---- Parents and children ----------------------------------------------------------------- */

/** fork(), and in the child the alarm and fo_after_fork(). */
static pid_t fork_prepared(void)
{
    pid_t pid = fork();

    must(pid >= 0, "no process");
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        must(fo_after_fork() == FO_OK, "fo_after_fork() fails");
    }
    return pid;
}

/** fork(), and a child that does nothing. */
static pid_t fork_and_leave(void)
{
    pid_t pid = fork();

    must(pid >= 0, "no process");
    if (pid == 0)
        _exit(0);
    return pid;
}

static void wait_for(pid_t pid)
{
    int status = 0;

    must(waitpid(pid, &status, 0) == pid, "no child");
    must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child failed");
}

static struct fo_endpoint_info info_of(struct fo_balancer *balancer, const char *name)
{
    struct fo_endpoint_info info = fo_endpoint_info_init();

    must(fo_endpoint_status(balancer, name, &info) == FO_OK, "an endpoint is missing");
    return info;
}

static void put(struct fo_balancer *balancer, const char *name, void *data)
{
    struct fo_endpoint_config config = fo_endpoint_config_init(name);

    config.data = data;
    must(fo_balancer_update(balancer, &config, 1, NULL, 0, NULL) == FO_OK, "an update fails");
}

static void take_out(struct fo_balancer *balancer, const char *name)
{
    must(fo_balancer_update(balancer, NULL, 0, &name, 1, NULL) == FO_OK, "a removal fails");
}

static bool see_nothing_open(const struct fo_endpoint_info *info, void *arg)
{
    (void)arg;
    must(info->in_flight == 0, "leases from before the fork are still in flight");
    return true;
}

static bool see_open(const struct fo_endpoint_info *info, void *arg)
{
    *(uint64_t *)arg += info->in_flight;
    return true;
}

static uint64_t open_leases(struct fo_balancer *balancer)
{
    uint64_t open = 0;

    must(fo_endpoint_list(balancer, see_open, &open) == FO_OK, "no list");
    return open;
}

/** What every child can do with a balancer that the parent drives; ends with `closed`. */
static void live_as_a_child(struct fixture *f)
{
    size_t n = 0;
    struct fo_lease lease;

    must(fo_endpoint_list(f->balancer, see_nothing_open, NULL) == FO_OK, "no list");
    put(f->balancer, "child", NULL);
    for (int i = 0; i < 500; i++) {
        must(fo_pick(f->balancer, &lease) == FO_OK, "no pick");
        must(fo_finish(&lease, FO_OUTCOME_SUCCESS) == FO_OK, "no finish");
    }
    must(open_leases(f->balancer) == 0, "own leases are miscounted");
    must(fo_report(f->balancer, "child", FO_OUTCOME_DOWN) == FO_OK, "no report");
    fixture_dispatch(f);
    must(fixture_heard(f, FO_EVENT_DOWN, "child") == 1, "no event of the child's own");
    n = fixture_heard(f, FO_EVENT_CLOSED, NULL);
    must(n == 0, "closed comes too early");
    fixture_destroy(
        f); /* every incarnation is released once, closed is heard, the runtime is free */
}

/* ---- Handlers ----------------------------------------------------------------------------- */

static _Atomic bool inside_cold;
static _Atomic bool fork_has_begun;

static void see_fork(void)
{
    atomic_store(&fork_has_begun, true);
}

/** Stays inside long enough for a fork() that does not wait. */
static void *be_inside_cold(void *arg)
{
    const struct timespec a_while = {.tv_nsec = 20000000};

    fo__cold_begin();
    atomic_store(&inside_cold, true);
    while (!atomic_load(&fork_has_begun))
        sched_yield();
    nanosleep(&a_while, NULL);
    fo__cold_end();
    return arg;
}

static void make_runtime(void)
{
    struct fo_runtime *runtime;
    must(fo_runtime_create(NULL, &runtime) == FO_OK, "no runtime");
}

static void make_group(void)
{
    struct fo_group *group;
    must(fo_group_create(NULL, &group) == FO_OK, "no group");
}

static void make_balancer(void)
{
    struct fo_balancer *balancer;
    must(fo_balancer_create(NULL, &balancer) == FO_OK, "no balancer");
}

static void fork_with_a_thread_inside(void)
{
    pthread_t thread;
    pid_t pid;

    must(pthread_atfork(see_fork, NULL, NULL) == 0, "no handler"); /* runs before older ones */
    must(pthread_create(&thread, NULL, be_inside_cold, NULL) == 0, "no thread");
    while (!atomic_load(&inside_cold))
        sched_yield();
    pid = fork();
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        fo__cold_close(); /* waits for ever for a thread that is not there */
        _exit(0);
    }
    wait_for(pid);
    pthread_join(thread, NULL);
}

static _Atomic unsigned entered; /* how often a thread has come inside */
static _Atomic unsigned entered_at_fork;

static void count_entered(void)
{
    atomic_store(&entered_at_fork, atomic_load(&entered));
}

#define COME_AND_GO 1000 /* times at most while a fork() waits; each takes a millisecond */

/** Of two, one is always inside, as long as the other gets in within 20 ms. */
static void relay(size_t member, void *arg)
{
    const struct timespec a_moment = {.tv_nsec = 1000000};
    _Atomic bool *over = arg;

    (void)member;
    while (!atomic_load(over)) {
        unsigned mine;

        fo__cold_begin();
        mine = atomic_fetch_add(&entered, 1) + 1;
        must(mine - atomic_load(&entered_at_fork) < COME_AND_GO, "fork() waits for ever");
        for (int i = 0; i < 20 && atomic_load(&entered) == mine && !atomic_load(over); i++)
            nanosleep(&a_moment, NULL);
        fo__cold_end();
    }
}

static void fork_in_a_relay(void)
{
    _Atomic bool over = false;
    struct crew *crew;

    atomic_store(&entered, 0);
    atomic_store(&entered_at_fork, 0);
    crew = crew_start(2, relay, &over);
    while (atomic_load(&entered) < 3)
        sched_yield();
    wait_for(fork_and_leave());
    atomic_store(&over, true);
    crew_join(crew);
}

/** Also in a child, whose lock is a new one. */
static void no_fork_waits_for_all_that_come_and_go(void)
{
    pid_t pid;

    must(pthread_atfork(count_entered, NULL, NULL) == 0, "no handler");
    fork_in_a_relay();
    pid = fork_prepared();
    if (pid == 0) {
        fork_in_a_relay();
        _exit(0);
    }
    wait_for(pid);
}

/** In a process that has made nothing else. */
static void first_made_registers_the_handlers(void (*make)(void))
{
    pid_t pid = fork();

    must(pid >= 0, "no process");
    if (pid == 0) {
        make();
        fork_with_a_thread_inside();
        _exit(0);
    }
    wait_for(pid);
}

/* ---- Open leases in several threads -------------------------------------------------------- */

#define HOLDERS 3
#define HELD 20

struct holders {
    struct fixture f;
    struct fo_lease held[HOLDERS][HELD];
    struct fo_lease leaving; /* of an endpoint that was removed */
    _Atomic size_t holding;
    _Atomic bool done;
};

static void hold_and_work(size_t member, void *arg)
{
    struct holders *holders = arg;

    for (int i = 0; i < HELD; i++)
        must(fo_pick(holders->f.balancer, &holders->held[member][i]) == FO_OK, "no pick");
    atomic_fetch_add(&holders->holding, 1);
    while (!atomic_load(&holders->done)) {
        struct fo_lease lease;

        must(fo_pick(holders->f.balancer, &lease) == FO_OK, "no pick");
        fo_finish(&lease, FO_OUTCOME_SUCCESS);
    }
}

static void be_the_child_of_holders(struct holders *holders)
{
    for (int i = 0; i < HOLDERS; i++)
        for (int j = 0; j < HELD; j++) {
            struct fo_lease *lease = &holders->held[i][j];

            must(fo_finish(lease, FO_OUTCOME_DOWN) == FO_OK, "a void lease is refused");
            must(lease->endpoint == NULL, "a void lease is not cleared");
        }
    must(fo_finish(&holders->leaving, FO_OUTCOME_DOWN) == FO_OK, "a void lease is refused");
    must(info_of(holders->f.balancer, "e0").state == FO_STATE_UP, "a void lease moves something");
    fixture_dispatch(&holders->f);
    must(fixture_heard(&holders->f, FO_EVENT_RELEASED, "gone") == 1, "gone is not released");
    live_as_a_child(&holders->f);
    _exit(0);
}

static void open_leases_in_threads(uint32_t row_limit)
{
    struct holders *holders = calloc(1, sizeof(*holders));
    struct fo_config config;
    struct crew *crew;

    assert(holders != NULL);
    fixture_init(&holders->f);
    config = fixture_config(&holders->f);
    config.row_limit = row_limit;
    fixture_balancer(&holders->f, &config);
    put(holders->f.balancer, "gone", NULL);
    must(fo_pick(holders->f.balancer, &holders->leaving) == FO_OK, "no pick");
    take_out(holders->f.balancer, "gone");
    fixture_add(&holders->f, 4, NULL);
    crew = crew_start(HOLDERS, hold_and_work, holders);
    while (atomic_load(&holders->holding) < HOLDERS)
        sched_yield();
    for (int round = 0; round < ROUNDS; round++) {
        pid_t pid = fork_prepared();

        if (pid == 0)
            be_the_child_of_holders(holders);
        put(holders->f.balancer, round % 2 == 0 ? "x" : "y", NULL); /* meanwhile, in the parent */
        wait_for(pid);
    }
    atomic_store(&holders->done, true);
    crew_join(crew);
    must(open_leases(holders->f.balancer) == HOLDERS * HELD, "the parent's leases are miscounted");
    for (int i = 0; i < HOLDERS; i++)
        for (int j = 0; j < HELD; j++)
            must(fo_finish(&holders->held[i][j], FO_OUTCOME_SUCCESS) == FO_OK, "no finish");
    must(open_leases(holders->f.balancer) == 0, "the parent's leases are miscounted");
    fixture_dispatch(&holders->f);
    must(fixture_heard(&holders->f, FO_EVENT_RELEASED, "gone") == 0, "the parent's lease is void");
    must(fo_finish(&holders->leaving, FO_OUTCOME_SUCCESS) == FO_OK, "no finish");
    fixture_destroy(&holders->f);
    free(holders);
}

/* ---- In the middle of updates and dispatches ------------------------------------------------ */

struct storm {
    struct fo_runtime *runtime;
    struct fo_balancer *balancer;
    _Atomic bool done;
    _Atomic bool closed;
    _Atomic uint64_t removed;
    _Atomic uint64_t released;
};

#define BACKLOG 20 /* removals that may wait for their release */

static void count_released(const struct fo_event *event, void *arg)
{
    struct storm *storm = arg;

    if (event->kind == FO_EVENT_CLOSED)
        atomic_store(&storm->closed, true);
    if (event->kind == FO_EVENT_RELEASED)
        atomic_fetch_add(&storm->released, 1);
}

static void come_and_go(size_t member, void *arg)
{
    struct storm *storm = arg;
    uintptr_t times = 0;
    char name[8];

    snprintf(name, sizeof(name), "m%zu", member);
    while (!atomic_load(&storm->done)) {
        struct fo_lease lease;
        struct fo_subscription *subscription;

        /* Other data each time: while the other thread holds a lease of it, the last incarnation of the
         * name would be taken back, and its removal would never be followed by a release. */
        put(storm->balancer, name, (void *)++times);
        if (fo_pick(storm->balancer, &lease) == FO_OK)
            fo_finish(&lease, FO_OUTCOME_FAILURE);
        must(fo_subscribe(storm->balancer, FO_EVENT_DOWN, count_released, storm, &subscription) ==
                 FO_OK,
             "no subscription");
        fo_unsubscribe(storm->balancer, subscription);
        take_out(storm->balancer, name);
        atomic_fetch_add(&storm->removed, 1);
        do {
            if (storm->runtime != NULL)
                fo_runtime_dispatch(storm->runtime);
        } while (atomic_load(&storm->removed) > atomic_load(&storm->released) + BACKLOG);
    }
}

static void until_released(struct storm *storm, uint64_t wanted)
{
    while (atomic_load(&storm->released) < wanted) {
        if (storm->runtime != NULL)
            fo_runtime_dispatch(storm->runtime);
        sched_yield();
    }
}

/** Closing waits for every endpoint: nothing that a lost thread was at may be left behind. */
static void close_storm(struct storm *storm)
{
    fo_balancer_destroy(storm->balancer);
    while (!atomic_load(&storm->closed)) {
        if (storm->runtime != NULL)
            fo_runtime_dispatch(storm->runtime);
        sched_yield();
    }
    if (storm->runtime != NULL)
        must(fo_runtime_destroy(storm->runtime) == FO_OK, "the runtime is in use");
}

static void be_the_child_of_a_storm(struct storm *storm)
{
    struct fo_lease lease;

    for (int i = 0; i < 20; i++) {
        uint64_t before = atomic_load(&storm->released);

        put(storm->balancer, "child", NULL);
        must(fo_pick(storm->balancer, &lease) == FO_OK, "no pick");
        must(fo_finish(&lease, FO_OUTCOME_NEUTRAL) == FO_OK, "no finish");
        take_out(storm->balancer, "child");
        until_released(storm, before + 1);
    }
    must(fo_endpoint_list(storm->balancer, see_nothing_open, NULL) == FO_OK, "no list");
    close_storm(storm);
    _exit(0);
}

static void forks_in_a_storm(bool default_runtime)
{
    struct fo_config config = fo_config_init();
    struct storm storm = {.runtime = NULL};
    struct crew *crew;

    if (!default_runtime)
        must(fo_runtime_create(NULL, &storm.runtime) == FO_OK, "no runtime");
    config.runtime = storm.runtime;
    must(fo_balancer_create(&config, &storm.balancer) == FO_OK, "no balancer");
    must(fo_subscribe(storm.balancer, FO_EVENT_RELEASED | FO_EVENT_CLOSED, count_released, &storm,
                      NULL) == FO_OK,
         "no subscription");
    crew = crew_start(2, come_and_go, &storm);
    for (int round = 0; round < ROUNDS; round++) {
        pid_t pid = fork_prepared();

        if (pid == 0)
            be_the_child_of_a_storm(&storm);
        wait_for(pid);
        until_released(&storm, atomic_load(&storm.released) + 1); /* the parent's own go on */
    }
    atomic_store(&storm.done, true);
    crew_join(crew);
    until_released(&storm, atomic_load(&storm.removed)); /* none was lost over all the forks */
    close_storm(&storm);
}

/* ---- From a listener ----------------------------------------------------------------------- */

struct forking {
    struct fixture f;
    pid_t pid;
    bool forked;
};

static void fork_inside(const struct fo_event *event, void *arg)
{
    struct forking *forking = arg;

    if (event->kind != FO_EVENT_DOWN || forking->forked)
        return;
    forking->forked = true;
    forking->pid = fork_prepared();
    if (forking->pid == 0)
        put(forking->f.balancer, "inside", NULL);
}

static void from_a_listener(void)
{
    struct forking *forking = calloc(1, sizeof(*forking));

    assert(forking != NULL);
    for (int round = 0; round < ROUNDS; round++) {
        memset(forking, 0, sizeof(*forking));
        fixture_open(&forking->f, 3, NULL);
        must(fo_subscribe(forking->f.balancer, FO_EVENT_ALL, fork_inside, forking, NULL) == FO_OK,
             "no subscription");
        for (size_t i = 0; i < 2; i++)
            must(fo_report(forking->f.balancer, fixture_name(i), FO_OUTCOME_DOWN) == FO_OK,
                 "no report");
        take_out(forking->f.balancer, "e1");
        fixture_dispatch(&forking->f); /* both processes come back from here */
        must(fixture_heard(&forking->f, FO_EVENT_DOWN, "e1") == 1, "the batch was not finished");
        must(fixture_heard(&forking->f, FO_EVENT_RELEASED, "e1") == 1, "e1 is not released");
        if (forking->pid == 0) {
            must(fixture_heard(&forking->f, FO_EVENT_ADDED, "inside") == 1, "an event is lost");
            live_as_a_child(&forking->f);
            _exit(0);
        }
        wait_for(forking->pid);
        must(fixture_heard(&forking->f, FO_EVENT_ADDED, "inside") == 0, "the parent has it, too");
        fixture_destroy(&forking->f);
    }
    free(forking);
}

struct forking_default {
    struct fo_balancer *balancer;
    pid_t pid;
    pthread_t dispatcher;
    _Atomic bool forked;
    _Atomic bool closed;
};

/* In the child, the thread that forks is the dispatcher and the only thread: it goes on dispatching
 * when the listener returns, and tells what the child did. */
static void fork_inside_default(const struct fo_event *event, void *arg)
{
    struct forking_default *forking = arg;

    if (event->kind == FO_EVENT_CLOSED)
        atomic_store(&forking->closed, true);
    if (event->kind == FO_EVENT_DOWN && !atomic_load(&forking->forked)) {
        forking->dispatcher = pthread_self();
        forking->pid = fork_prepared();
        if (forking->pid == 0) {
            put(forking->balancer, "inside", NULL);
            take_out(forking->balancer, "inside");
        }
        atomic_store(&forking->forked, true);
    }
    if (event->kind == FO_EVENT_RELEASED && strcmp(event->endpoint, "inside") == 0) {
        must(pthread_equal(forking->dispatcher, pthread_self()), "two threads dispatch");
        _exit(0);
    }
}

static void from_a_listener_of_the_default_thread(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct forking_default forking = {.pid = 0};

        must(fo_balancer_create(NULL, &forking.balancer) == FO_OK, "no balancer");
        must(fo_subscribe(forking.balancer, FO_EVENT_ALL, fork_inside_default, &forking, NULL) ==
                 FO_OK,
             "no subscription");
        put(forking.balancer, "a", NULL);
        must(fo_report(forking.balancer, "a", FO_OUTCOME_DOWN) == FO_OK, "no report");
        while (!atomic_load(&forking.forked))
            sched_yield();
        wait_for(forking.pid);
        fo_balancer_destroy(forking.balancer);
        while (!atomic_load(&forking.closed))
            sched_yield();
    }
}

/* ---- While a listener runs on another thread ------------------------------------------------- */

struct stuck {
    struct fixture f;
    _Atomic bool inside;
    _Atomic bool may_return;
    fo_event_kind kind;
};

static void wait_inside(const struct fo_event *event, void *arg)
{
    struct stuck *stuck = arg;

    if (event->kind != stuck->kind)
        return;
    atomic_store(&stuck->inside, true);
    while (!atomic_load(&stuck->may_return))
        sched_yield();
}

static void dispatch(size_t member, void *arg)
{
    struct stuck *stuck = arg;

    (void)member;
    fo_runtime_dispatch(stuck->f.runtime);
}

/* The thread that is told of `kind` does not exist in the child: whatever it had still to tell must
 * be told by the child's own dispatch. */
static void while_a_listener_runs(fo_event_kind kind)
{
    struct stuck *stuck = calloc(1, sizeof(*stuck));
    struct crew *crew;
    pid_t pid;

    assert(stuck != NULL);
    stuck->kind = kind;
    fixture_init(&stuck->f);
    fixture_balancer(&stuck->f, NULL);
    must(fo_subscribe(stuck->f.balancer, FO_EVENT_ALL, wait_inside, stuck, NULL) == FO_OK,
         "no subscription");
    fixture_add(&stuck->f, 3, NULL);
    must(fo_report(stuck->f.balancer, "e1", FO_OUTCOME_DOWN) == FO_OK, "no report");
    for (size_t i = 0; i < 3; i++)
        take_out(stuck->f.balancer, fixture_name(i));
    if (kind == FO_EVENT_CLOSED)
        fixture_close(&stuck->f, stuck->f.balancer);
    crew = crew_start(1, dispatch, stuck);
    while (!atomic_load(&stuck->inside))
        sched_yield();
    pid = fork_prepared();
    if (pid == 0) {
        atomic_store(&stuck->may_return, true);
        fixture_dispatch(&stuck->f);
        for (size_t i = 0; i < 3 && kind != FO_EVENT_CLOSED; i++)
            must(fixture_heard(&stuck->f, FO_EVENT_RELEASED, fixture_name(i)) == 1,
                 "what the lost thread had to tell is lost with it");
        if (kind != FO_EVENT_CLOSED)
            fixture_close(&stuck->f, stuck->f.balancer);
        fixture_dispatch(&stuck->f);
        must(fixture_heard(&stuck->f, FO_EVENT_CLOSED, NULL) == 1, "the balancer never closes");
        must(fo_runtime_destroy(stuck->f.runtime) == FO_OK, "the runtime stays in use");
        _exit(0);
    }
    atomic_store(&stuck->may_return, true);
    crew_join(crew);
    wait_for(pid);
    fixture_destroy(&stuck->f);
    free(stuck);
}

/* What the thread that is told of one balancer's end has taken with it from the queue. */
static void while_one_of_two_closes(void)
{
    struct stuck *stuck = calloc(1, sizeof(*stuck));
    struct fo_balancer *balancers[2];
    struct crew *crew;
    pid_t pid;

    assert(stuck != NULL);
    stuck->kind = FO_EVENT_CLOSED;
    fixture_init(&stuck->f);
    for (int i = 0; i < 2; i++)
        balancers[i] = fixture_balancer(&stuck->f, NULL);
    must(fo_subscribe(balancers[0], FO_EVENT_CLOSED, wait_inside, stuck, NULL) == FO_OK,
         "no subscription");
    for (int i = 0; i < 2; i++)
        fixture_close(&stuck->f, balancers[i]);
    crew = crew_start(1, dispatch, stuck);
    while (!atomic_load(&stuck->inside))
        sched_yield();
    pid = fork_prepared();
    if (pid == 0) {
        fixture_destroy(&stuck->f); /* sees that both are closed */
        _exit(0);
    }
    atomic_store(&stuck->may_return, true);
    crew_join(crew);
    wait_for(pid);
    fixture_destroy(&stuck->f);
    free(stuck);
}

/* ---- Where a lost thread stopped ------------------------------------------------------------ */

/* Each story puts the library into the state that a finish leaves between two of its steps, forks as
 * if the finish were another thread's, and in the parent takes the steps that are missing. */

static struct fo_endpoint *member(struct fixture *f, uint32_t at)
{
    return f->balancer->members[at];
}

/** "e1" has left, with one lease open. */
static struct fo_endpoint *leaver(struct fixture *f, struct fo_lease *lease)
{
    struct fo_pick_options options = fo_pick_options_init();
    uint64_t others[] = {fixture_id(f, "e0"), fixture_id(f, "e2")};

    options.exclude = others;
    options.exclude_count = 2;
    must(fo_pick_with(f->balancer, &options, lease) == FO_OK, "no pick");
    take_out(f->balancer, "e1");
    fixture_dispatch(f);
    return lease->endpoint;
}

/** Both with nothing in the queue, and with a node of another endpoint in it. */
static void marked_and_not_linked(bool others_are_queued)
{
    struct fixture f;
    struct fo_lease lease;
    struct fo_endpoint *left;
    pid_t pid;

    fixture_open(&f, 3, NULL);
    left = leaver(&f, &lease);
    if (others_are_queued)
        must(fo_report(f.balancer, "e2", FO_OUTCOME_DOWN) == FO_OK, "no report");
    atomic_store(&left->node.queued, 1);
    atomic_store(&member(&f, 0)->node.queued, 1);
    atomic_store(&member(&f, 0)->host->node.queued, 1);
    pid = fork_prepared();
    if (pid == 0) {
        must(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN) == FO_OK, "no report");
        fixture_dispatch(&f);
        must(fixture_heard(&f, FO_EVENT_DOWN, "e0") == 1, "its host cannot be queued any more");
        must(fixture_heard(&f, FO_EVENT_DOWN, "e2") == (others_are_queued ? 1 : 0),
             "what was linked is lost, or told twice");
        must(fixture_heard(&f, FO_EVENT_RELEASED, "e1") == 1, "e1 cannot be queued any more");
        live_as_a_child(&f);
        _exit(0);
    }
    atomic_store(&left->node.queued, 0);
    atomic_store(&member(&f, 0)->node.queued, 0);
    atomic_store(&member(&f, 0)->host->node.queued, 0);
    must(fo_finish(&lease, FO_OUTCOME_SUCCESS) == FO_OK, "no finish");
    wait_for(pid);
    fixture_destroy(&f);
}

static void finished_and_not_released(enum fo__life life)
{
    struct fixture f;
    struct fo_lease lease;
    struct fo__release *release;
    pid_t pid;

    fixture_open(&f, 3, NULL);
    release = &leaver(&f, &lease)->release;
    atomic_store(&release->owed, 0);
    atomic_store(&release->life, life);
    pid = fork_prepared();
    if (pid == 0) {
        fixture_dispatch(&f);
        must(fixture_heard(&f, FO_EVENT_RELEASED, "e1") == 1, "the release is lost");
        live_as_a_child(&f);
        _exit(0);
    }
    atomic_store(&release->owed, 1);
    atomic_store(&release->life, FO__DRAINING);
    must(fo_finish(&lease, FO_OUTCOME_SUCCESS) == FO_OK, "no finish");
    wait_for(pid);
    fixture_destroy(&f);
}

static void must_be_mended(struct fo_balancer *balancer)
{
    struct fo__snapshot *snapshot = atomic_load(&balancer->core.snapshot);

    for (uint32_t i = 0; i < snapshot->count; i++)
        must(atomic_load(&snapshot->tree.node[0][i]) ==
                 fo__slot_worth(snapshot, i, atomic_load(snapshot->slot[i].word)),
             "a contribution is not what its host is worth");
    stress_check_sums(balancer);
}

/** The word says that "e0" is down; of the sums either nothing knows that, or its leaf alone. */
static void changed_and_not_mended(bool leaf_is_mended)
{
    struct fixture f;
    struct fo__host *host;
    struct fo__snapshot *snapshot;
    uint64_t worth;
    uint64_t word;
    pid_t pid;

    fixture_open(&f, 20, NULL); /* the tree has a level between leaves and root */
    fixture_dispatch(&f);
    host = member(&f, 0)->host;
    snapshot = atomic_load(&f.balancer->core.snapshot);
    word = atomic_load(host->word);
    worth = atomic_load(&snapshot->tree.node[0][0]);
    atomic_store(host->word, fo__word_down(word, FO_REASON_OUTCOME_DOWN));
    if (leaf_is_mended)
        atomic_store(&snapshot->tree.node[0][0], 0);
    pid = fork_prepared();
    if (pid == 0) {
        must_be_mended(f.balancer);
        fixture_dispatch(&f);
        must(fixture_heard(&f, FO_EVENT_DOWN, "e0") == 1, "nobody was told");
        fixture_advance_ms(&f, 1300);
        must(info_of(f.balancer, "e0").state == FO_STATE_TRIAL, "nobody waits for the trial");
        live_as_a_child(&f);
        _exit(0);
    }
    atomic_store(host->word, word);
    atomic_store(&snapshot->tree.node[0][0], worth);
    wait_for(pid);
    fixture_destroy(&f);
}

/** A pick that clears an offer's bit looks at the offer once more, if it lives. */
static void cleared_and_not_looked_at(void)
{
    struct fixture f;
    uint64_t attention;
    pid_t pid;

    fixture_open_weighed(&f, fo_weight_ratio(), 2);
    must(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN) == FO_OK, "no report");
    fixture_advance_ms(&f, 1300);
    attention = fo__attention(&f.balancer->core);
    fo__attention_end(&f.balancer->core, attention);
    must(attention != 0, "no trial is on offer");
    pid = fork_prepared();
    if (pid == 0) {
        fixture_dispatch(&f);
        must(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS) == 0, "the offer is not seen");
        live_as_a_child(&f);
        _exit(0);
    }
    fo__attention_raise(&f.balancer->core, attention);
    wait_for(pid);
    fixture_destroy(&f);
}

/* ---- Smaller ones -------------------------------------------------------------------------- */

static void *fork_twice(void *arg)
{
    struct fixture *f = arg;
    pid_t pid = fork_prepared();

    if (pid == 0) {
        pid_t grandchild;

        must(fo_pick(f->balancer, &(struct fo_lease){0}) == FO_OK, "no pick");
        grandchild = fork_prepared();
        if (grandchild == 0) {
            live_as_a_child(f);
            _exit(0);
        }
        wait_for(grandchild);
        must(open_leases(f->balancer) == 1, "the child's own lease");
        _exit(0);
    }
    wait_for(pid);
    return NULL;
}

static void a_child_of_a_child_of_a_thread(void)
{
    struct fixture f;
    pthread_t thread;

    fixture_open(&f, 2, NULL);
    must(pthread_create(&thread, NULL, fork_twice, &f) == 0, "no thread");
    pthread_join(thread, NULL);
    fixture_destroy(&f);
}

/** Where the calling thread's sequence of first samples stands. Picks themselves would not do: of two
 * random phases one pair in a few hundred gives the same 64 of 7. */
static uint64_t phase(struct fo_balancer *balancer)
{
    return atomic_load(&fo__row_of(&((struct fo__core *)(void *)balancer)->rows)->weyl);
}

static void children_draw_their_own_numbers(void)
{
    int pipes[2][2];
    uint64_t phases[2];
    struct fixture f;

    fixture_open(&f, 7, NULL);
    fixture_pick_and_finish(&f, FO_OUTCOME_NEUTRAL);
    for (int i = 0; i < 2; i++) {
        pid_t pid;

        must(pipe(pipes[i]) == 0, "no pipe");
        pid = fork_prepared();
        if (pid == 0) {
            phases[i] = phase(f.balancer);
            must(write(pipes[i][1], &phases[i], sizeof(phases[i])) == sizeof(phases[i]),
                 "no answer");
            _exit(0);
        }
        must(read(pipes[i][0], &phases[i], sizeof(phases[i])) == sizeof(phases[i]), "no answer");
        wait_for(pid);
    }
    must(phases[0] != phases[1] && phases[0] != phase(f.balancer), "two march in step");
    fixture_destroy(&f);
}

static void a_trial_goes_on_in_the_child(void)
{
    struct fixture f;
    struct fo_lease trial;
    struct fo_config config;
    pid_t pid;

    fixture_init(&f);
    config = fixture_config(&f);
    config.weight = fo_weight_ratio();
    fixture_balancer(&f, &config);
    fixture_add(&f, 1, NULL);
    must(fo_report(f.balancer, "e0", FO_OUTCOME_DOWN) == FO_OK, "no report");
    fixture_advance_ms(&f, 1300);
    must(fo_pick(f.balancer, &trial) == FO_OK, "no trial");
    pid = fork_prepared();
    if (pid == 0) { /* its lease is void: the trial is given up and comes again */
        must(fo_finish(&trial, FO_OUTCOME_SUCCESS) == FO_OK, "a void lease is refused");
        must(info_of(f.balancer, "e0").state == FO_STATE_TRIAL, "a void lease decides a trial");
        fixture_advance_ms(&f, 15000);
        must(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS) == 0, "no second trial");
        must(info_of(f.balancer, "e0").state == FO_STATE_UP, "no recovery");
        fixture_destroy(&f);
        _exit(0);
    }
    must(fo_finish(&trial, FO_OUTCOME_SUCCESS) == FO_OK, "no finish");
    must(info_of(f.balancer, "e0").state == FO_STATE_UP, "the parent's trial does not count");
    wait_for(pid);
    fixture_destroy(&f);
}

/** Jitter of back-offs and ramps, and a count of open leases that ends all reuse. */
static void a_child_has_chance_of_its_own_and_nothing_in_flight(void)
{
    struct fixture f;
    struct fo_config config;
    struct fo_lease lease;
    uint64_t before;
    pid_t pid;

    fixture_init(&f);
    config = fixture_config(&f);
    config.reuse_recent_ms = 1000;
    fixture_balancer(&f, &config);
    fixture_add(&f, 3, NULL);
    before = atomic_load(&f.balancer->group->rng);
    must(fo_pick(f.balancer, &lease) == FO_OK, "no pick");
    pid = fork_prepared();
    if (pid == 0) {
        size_t recent = fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);

        must(atomic_load(&f.balancer->group->rng) != before, "the parent's jitter comes again");
        for (int i = 0; i < 50; i++)
            must(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS) == recent, "a void lease counts");
        must(fo_finish(&lease, FO_OUTCOME_SUCCESS) == FO_OK, "a void lease is refused");
        must(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS) == recent, "it is counted back");
        fixture_destroy(&f);
        _exit(0);
    }
    must(fo_finish(&lease, FO_OUTCOME_SUCCESS) == FO_OK, "no finish");
    wait_for(pid);
    fixture_destroy(&f);
}

static void a_child_that_never_calls_us(void)
{
    struct fixture f;

    fixture_open(&f, 1, NULL);
    wait_for(fork_and_leave());
    fixture_destroy(&f);
}

#define TELL(what)                                                                                 \
    do {                                                                                           \
        story = #what;                                                                             \
        what;                                                                                      \
        printf("fork: %s\n", story);                                                               \
        fflush(stdout);                                                                            \
    } while (0)

int main(void)
{
    if (!child_may_have_threads()) {
        puts("skipped: children with threads are not possible here");
        return 77;
    }
    TELL(first_made_registers_the_handlers(make_runtime));
    TELL(first_made_registers_the_handlers(make_group));
    TELL(first_made_registers_the_handlers(make_balancer));
    TELL(a_child_that_never_calls_us());
    TELL(no_fork_waits_for_all_that_come_and_go());
    TELL(open_leases_in_threads(0));
    TELL(open_leases_in_threads(1));
    TELL(a_child_of_a_child_of_a_thread());
    TELL(children_draw_their_own_numbers());
    TELL(a_trial_goes_on_in_the_child());
    TELL(a_child_has_chance_of_its_own_and_nothing_in_flight());
    TELL(from_a_listener());
    TELL(from_a_listener_of_the_default_thread());
    TELL(forks_in_a_storm(false));
    TELL(forks_in_a_storm(true));
    TELL(marked_and_not_linked(false));
    TELL(marked_and_not_linked(true));
    TELL(finished_and_not_released(FO__DRAINING));
    TELL(finished_and_not_released(FO__RELEASED));
    TELL(changed_and_not_mended(false));
    TELL(changed_and_not_mended(true));
    TELL(cleared_and_not_looked_at());
    TELL(while_a_listener_runs(FO_EVENT_ADDED));
    TELL(while_a_listener_runs(FO_EVENT_DOWN));
    TELL(while_a_listener_runs(FO_EVENT_REMOVED));
    TELL(while_a_listener_runs(FO_EVENT_RELEASED));
    TELL(while_a_listener_runs(FO_EVENT_CLOSED));
    TELL(while_one_of_two_closes());
    return 0;
}
