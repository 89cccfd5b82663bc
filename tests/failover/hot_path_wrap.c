/* SPDX-License-Identifier: Apache-2.0
 *
 * After a thread's first pick, a pick and its finish, and a whole request with its retries, allocate
 * nothing and make no system call: in every state of the balancer.
 *
 *   allocations   are counted: the linker sends each of the library's through this file
 *   system calls  each state is played once more in a child whose every system call but write()
 *                 and the exit is deadly (seccomp). write() wakes the runtime when a host changes
 *                 its state or the last lease of a removed endpoint is finished.
 *
 * Both proofs are tried on something guilty first.
 */
#include "fixture.h"
#include "wrap.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 20000
#define MANY 200u /* endpoints */

/* ---- Counting allocations ----------------------------------------------------------------- */

static _Atomic uint64_t allocations;

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    allocations++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    allocations++;
    return __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    allocations++;
    return __real_aligned_alloc(alignment, size);
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t size)
{
    allocations++;
    return __real_posix_memalign(memory, alignment, size);
}

char *__wrap_strdup(const char *text)
{
    allocations++;
    return __real_strdup(text);
}

/* ---- The states --------------------------------------------------------------------------- */

struct world {
    struct fixture f;
    struct fo_retrier *retrier;
    struct fo_pick_options options;
    uint64_t excluded[FO_EXCLUDE_MAX];
    struct fo_lease held[8];
    pthread_t holder; /* of the only row that counts */
    pthread_barrier_t barrier;
};

static void take_down(struct world *world, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++)
        fixture_set_weight(&world->f, fixture_name(i), 0);
}

static void exclude(struct world *world, size_t n)
{
    world->options.exclude = world->excluded;
    world->options.exclude_count = n;
    for (size_t i = 0; i < n; i++)
        world->excluded[i] = fixture_id(&world->f, fixture_name(i));
}

static void all_up(struct world *world)
{
    (void)world;
}

static void one_sick(struct world *world)
{
    fixture_set_weight(&world->f, "e7", 1);
}

static void all_sick(struct world *world)
{
    for (size_t i = 0; i < MANY; i++)
        fixture_set_weight(&world->f, fixture_name(i), 10 + (double)(i % 50));
}

static void half_down(struct world *world)
{
    take_down(world, 0, MANY / 2);
}

static void nearly_all_down(struct world *world)
{
    take_down(world, 2, MANY);
}

static void all_down(struct world *world)
{
    take_down(world, 0, MANY);
}

static void some_drained(struct world *world)
{
    for (size_t i = 0; i < 20; i++)
        assert(fo_drain(world->f.balancer, fixture_name(i)) == FO_OK);
}

static void one_excluded(struct world *world)
{
    exclude(world, 1);
}

static void most_excluded(struct world *world)
{
    take_down(world, 70, MANY);
    exclude(world, FO_EXCLUDE_MAX);
}

static void all_that_is_up_excluded(struct world *world)
{
    take_down(world, 3, MANY);
    exclude(world, 3);
}

static void strictly_nothing(struct world *world)
{
    all_that_is_up_excluded(world);
    world->options.strict = true;
}

static void tagged(struct world *world)
{
    world->options.require_tags = 1;
}

static void tag_of_nobody(struct world *world)
{
    world->options.require_tags = 4;
}

/* Sixteen hosts wait for a trial, and there is always one more. */
static void trials_on_offer(struct world *world)
{
    take_down(world, 0, 60);
    fixture_advance_ms(&world->f, 3000);
}

static void *hold_row(void *arg)
{
    struct world *world = arg;

    fixture_pick_and_finish(&world->f, FO_OUTCOME_NEUTRAL);
    pthread_barrier_wait(&world->barrier);
    pthread_barrier_wait(&world->barrier);
    return NULL;
}

/* Another thread lives on the balancer's only row; this one counts in shared cells. */
static void beyond_the_row_limit(struct world *world)
{
    pthread_barrier_init(&world->barrier, NULL, 2);
    assert(pthread_create(&world->holder, NULL, hold_row, world) == 0);
    pthread_barrier_wait(&world->barrier);
}

static void leases_on_removed_endpoints(struct world *world)
{
    for (int i = 0; i < 8; i++) {
        const char *name;

        assert(fo_pick(world->f.balancer, &world->held[i]) == FO_OK);
        name = fo_endpoint_name(world->held[i].endpoint);
        assert(fo_balancer_update(world->f.balancer, NULL, 0, &name, 1, NULL) == FO_OK);
    }
}

static const struct state {
    const char *name;
    void (*prepare)(struct world *world);
    fo_status wanted;
    bool outcomes_count; /* every kind of outcome, by the default weight function */
} states[] = {
    {"everything up", all_up, FO_OK, false},
    {"one sick", one_sick, FO_OK, false},
    {"all sick", all_sick, FO_OK, false},
    {"half down", half_down, FO_OK, false},
    {"99 % down", nearly_all_down, FO_OK, false},
    {"everything down", all_down, FO_UNAVAILABLE, false},
    {"some drained", some_drained, FO_OK, false},
    {"one excluded", one_excluded, FO_OK, false},
    {"64 excluded of 70 up", most_excluded, FO_OK, false},
    {"all that is up excluded", all_that_is_up_excluded, FO_OK, false},
    {"strictly nothing left", strictly_nothing, FO_UNAVAILABLE, false},
    {"a tag required", tagged, FO_OK, false},
    {"a tag required that nobody has", tag_of_nobody, FO_UNAVAILABLE, false},
    {"trials on offer", trials_on_offer, FO_OK, false},
    {"more threads than rows", beyond_the_row_limit, FO_OK, false},
    {"leases on removed endpoints", leases_on_removed_endpoints, FO_OK, false},
    {"every outcome", all_up, FO_OK, true},
};

/* ---- Playing ------------------------------------------------------------------------------ */

static void open_world(struct world *world, const struct state *state)
{
    uint64_t tags[MANY];
    struct fo_retry_policy policy = fo_retry_policy_init();
    struct fo_config config;

    memset(world, 0, sizeof(*world));
    policy.backoff_base_ms = FO_RETRY_NO_BACKOFF;
    policy.throttle_k = 2;
    policy.hedge_share = 0.1;
    assert(fo_retrier_create(&policy, &world->retrier) == FO_OK);
    world->options = fo_pick_options_init();
    fixture_init(&world->f);
    config = fixture_config(&world->f);
    config.row_limit = 1;
    if (state->outcomes_count)
        config.weight = fo_weight_ratio();
    fixture_balancer(&world->f, &config);
    for (size_t i = 0; i < MANY; i++)
        tags[i] = i % 40 == 3 ? 1 : i % 3 == 0 ? 2 : 0;
    fixture_add_to(world->f.balancer, MANY, NULL, tags);
    state->prepare(world);
}

static void close_world(struct world *world, const struct state *state)
{
    if (state->prepare == beyond_the_row_limit) {
        pthread_barrier_wait(&world->barrier);
        pthread_join(world->holder, NULL);
    }
    fo_retrier_destroy(world->retrier);
    fixture_destroy(&world->f);
}

/** Mostly what goes the shortest way; by fixture_weights() none of them moves anything. */
static fo_outcome outcome_of(const struct state *state, int round)
{
    static const fo_outcome usual[] = {FO_OUTCOME_SUCCESS, FO_OUTCOME_SUCCESS, FO_OUTCOME_NEUTRAL,
                                       FO_OUTCOME_SUCCESS, FO_OUTCOME_FAILURE};

    if (!state->outcomes_count)
        return usual[round % 5];
    return round % 50 == 0 ? (fo_outcome)(1 + round / 50 % 7) : FO_OUTCOME_NEUTRAL;
}

static void pick_and_finish(struct world *world, const struct state *state, int round)
{
    struct fo_lease lease = fo_lease_init();
    fo_status status = fo_pick_with(world->f.balancer, &world->options, &lease);

    assert(status == state->wanted || (state->outcomes_count && status == FO_UNAVAILABLE));
    if (status == FO_OK)
        assert(fo_finish(&lease, outcome_of(state, round)) == FO_OK);
}

/** Begun, retried, hedged, and left with what is open. */
static void run_request(struct world *world, int round)
{
    struct fo_retry_advice advice = fo_retry_advice_init();
    struct fo_lease lease;
    struct fo_lease hedge;
    struct fo_retry retry;

    assert(fo_retry_begin(world->retrier, world->f.balancer, NULL, &retry) == FO_OK);
    while (fo_retry_next(&retry, &lease, &advice) == FO_OK) {
        assert(fo_retry_hedge(&retry, &hedge, &advice) != FO_EINVAL);
        assert(fo_retry_report(&retry, &lease,
                               round % 2 == 0 ? FO_OUTCOME_SUCCESS : FO_OUTCOME_FAILURE,
                               0) == FO_OK);
    }
    assert(fo_retry_end(&retry) == FO_OK);
}

/** Everything that the manual says allocates nothing. */
static void play(struct world *world, const struct state *state)
{
    struct fo_endpoint_info info = fo_endpoint_info_init();

    for (int round = 0; round < ROUNDS; round++)
        pick_and_finish(world, state, round);
    for (int round = 0; round < ROUNDS / 20; round++)
        run_request(world, round);
    for (int i = 0; i < 8; i++)
        if (world->held[i].endpoint != NULL)
            assert(fo_finish(&world->held[i], FO_OUTCOME_SUCCESS) == FO_OK);
    assert(fo_report(world->f.balancer, "e199", FO_OUTCOME_SUCCESS) != FO_EINVAL);
    assert(fo_endpoint_status(world->f.balancer, "e198", &info) != FO_EINVAL);
}

static uint64_t allocations_of(const struct state *state)
{
    struct world world;
    uint64_t before;
    uint64_t made;

    open_world(&world, state);
    pick_and_finish(&world, state, 1); /* the first one makes the row */
    before = allocations;
    play(&world, state);
    made = allocations - before;
    close_world(&world, state);
    return made;
}

/* ---- Forbidding system calls -------------------------------------------------------------- */

static bool forbid_system_calls(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_write, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

enum child_end { ENDED_WELL = 0, NO_SECCOMP = 2 };

/** Plays a state in a child without system calls; NULL: commits one. Returns its wait status. */
static int wait_status_of(const struct state *state)
{
    pid_t child;
    int status;

    fflush(NULL);
    child = fork();
    assert(child >= 0);
    if (child == 0) {
        static struct world world;

        if (state != NULL) {
            open_world(&world, state);
            pick_and_finish(&world, state, 1);
        }
        if (!forbid_system_calls())
            _exit(NO_SECCOMP);
        if (state != NULL)
            play(&world, state);
        else
            (void)syscall(__NR_getppid);
        _exit(ENDED_WELL);
    }
    while (waitpid(child, &status, 0) < 0)
        assert(errno == EINTR);
    return status;
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

/** Whether the filter can be had here, and kills the guilty. */
static bool can_forbid_system_calls(void)
{
#ifdef SANITIZED
    return false; /* the sanitizer's own calls would be caught */
#else
    int status = wait_status_of(NULL);

    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SECCOMP)
        return false;
    assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    return true;
#endif
}

/* ---- All states --------------------------------------------------------------------------- */

int main(void)
{
    bool forbids = can_forbid_system_calls();
    int failed = 0;
    uint64_t before = allocations;
    struct world world;

    open_world(&world, &states[0]);
    close_world(&world, &states[0]);
    assert(allocations > before); /* the count sees what the library allocates */
    if (!forbids)
        printf("system calls cannot be forbidden here: only allocations are checked\n");
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        uint64_t made = allocations_of(&states[i]);
        int status = forbids ? wait_status_of(&states[i]) : 0;

        if (made != 0) {
            printf("FAILED  %s: %llu allocations\n", states[i].name, (unsigned long long)made);
            failed++;
        }
        if (status != 0) {
            printf("FAILED  %s: %s\n", states[i].name,
                   WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? "a system call"
                                                                     : "the child died");
            failed++;
        }
    }
    printf("%zu states, %d failed\n", sizeof(states) / sizeof(states[0]), failed);
    return failed == 0 ? 0 : 1;
}
