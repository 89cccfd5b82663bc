/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks by functions of the embedder's.
 *
 *     sync    a job for the workers (workers.h), with memory of its own: a function that hangs keeps
 *             that and its worker, and nobody waits for it
 *     async   begin(handle) ──► ... ──► fo_check_done(handle), on any thread, whenever
 *
 * A handle is a number that is never used again. The checks that run stand in buckets by their number:
 * whoever is not found there is over, so that late, second and foreign results do no harm. Buckets and
 * not a table of handles: nothing is allocated, so beginning a check cannot fail.
 *
 * Both push the check's node under the lock that end() takes: when end() is through nobody is inside a
 * push any more, and the check and its runtime may go.
 */
#include "check.h"

#include "cold.h"
#include "workers.h"

#include <stdlib.h>
#include <string.h>

static struct fo_check_target target_of(const char *name, const char *address, uint32_t timeout_ms)
{
    struct fo_check_target target = {
        .size = sizeof(target), .name = name, .address = address, .timeout_ms = timeout_ms};
    return target;
}

static void keep(struct fo__check *check)
{
    (void)check; /* nothing lasts from one check to the next */
}

/* ---- Sync -------------------------------------------------------------------------------- */

/* The check's, or once it was left, the worker's. */
struct fo__user_job {
    struct fo__job job; /* first */
    struct fo__check *check;
    fo_check_fn function;
    void *arg;
    uint32_t timeout_ms;
    bool passed;
    char name[FO_NAME_MAX + 1];
    char address[FO_NAME_MAX + 1];
};

static void run(struct fo__job *job)
{
    struct fo__user_job *user = (struct fo__user_job *)job;
    struct fo_check_target target = target_of(user->name, user->address, user->timeout_ms);

    user->passed = user->function(&target, user->arg);
}

static void done(struct fo__job *job)
{
    struct fo__check *check = ((struct fo__user_job *)job)->check;

    fo__queue_push(check->host->queue, &check->node);
}

static void abandoned(struct fo__job *job)
{
    free(job);
}

static struct fo__user_job *make_job(struct fo__check *check)
{
    struct fo__user_job *user = calloc(1, sizeof(*user));

    if (user == NULL)
        return NULL;
    user->job = (struct fo__job){.run = run, .done = done, .abandoned = abandoned};
    user->check = check;
    user->function = check->config->check;
    user->arg = check->config->arg;
    user->timeout_ms = check->config->timeout_ms;
    strcpy(user->name, check->host->name->bytes);
    strcpy(user->address, check->address);
    return user;
}

static enum fo__check_result begin_sync(struct fo__check *check, uint64_t now_ns)
{
    (void)now_ns;
    check->job = make_job(check);
    if (check->job == NULL || fo__job_submit(&check->job->job) != FO_OK)
        return FO__CHECK_UNKNOWN;
    return FO__CHECK_RUNS;
}

static enum fo__check_result result_of(const struct fo__user_job *user)
{
    return user->passed ? FO__CHECK_PASSED : FO__CHECK_FAILED;
}

static enum fo__check_result go_on_sync(struct fo__check *check, uint64_t now_ns)
{
    (void)now_ns;
    return fo__job_is_done(&check->job->job) ? result_of(check->job) : FO__CHECK_RUNS;
}

/** One that no worker has begun has not asked the server. */
static enum fo__check_result time_out_sync(struct fo__check *check, uint64_t now_ns)
{
    struct fo__user_job *user = check->job;

    (void)now_ns;
    switch (fo__job_cancel(&user->job)) {
    case FO__JOB_TOO_LATE: return result_of(user);
    case FO__JOB_LEFT: check->job = NULL; return FO__CHECK_FAILED;
    case FO__JOB_WITHDRAWN: break;
    }
    check->job = NULL;
    free(user);
    return FO__CHECK_UNKNOWN;
}

static void end_sync(struct fo__check *check)
{
    struct fo__user_job *user = check->job;

    check->job = NULL;
    if (user != NULL && fo__job_cancel(&user->job) != FO__JOB_LEFT)
        free(user);
}

const struct fo__check_kind fo__check_sync = {begin_sync, go_on_sync, time_out_sync, end_sync,
                                              keep};

/* ---- Async ------------------------------------------------------------------------------- */

#define BUCKETS 256u

/* Innermost, and taken inside the cold lock only: so it is free in a child after fork(). */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fo__check *buckets[BUCKETS];
static uint64_t last_id;

static struct fo__check **place_of(uint64_t id)
{
    struct fo__check **at = &buckets[id % BUCKETS];

    while (*at != NULL && (*at)->handle_id != id)
        at = &(*at)->handle_next;
    return at;
}

static uint64_t enter(struct fo__check *check)
{
    uint64_t id;

    pthread_mutex_lock(&lock);
    id = ++last_id;
    check->handle_id = id;
    check->handle_next = NULL;
    check->has_result = false;
    *place_of(id) = check;
    pthread_mutex_unlock(&lock);
    return id;
}

static void end_async(struct fo__check *check)
{
    struct fo__check **at;

    pthread_mutex_lock(&lock);
    at = place_of(check->handle_id);
    if (*at == check)
        *at = check->handle_next;
    pthread_mutex_unlock(&lock);
}

static enum fo__check_result begin_async(struct fo__check *check, uint64_t now_ns)
{
    struct fo_check_handle handle = {enter(check)};
    struct fo_check_target target =
        target_of(check->host->name->bytes, check->address, check->config->timeout_ms);

    (void)now_ns;
    fo__cold_end();
    check->config->begin(handle, &target, check->config->arg);
    fo__cold_begin();
    /* Not one look at the check: it may have been ended in a child that the function forked. */
    return FO__CHECK_RUNS;
}

static enum fo__check_result go_on_async(struct fo__check *check, uint64_t now_ns)
{
    enum fo__check_result result = FO__CHECK_RUNS;

    (void)now_ns;
    pthread_mutex_lock(&lock);
    if (check->has_result)
        result = check->has_passed ? FO__CHECK_PASSED : FO__CHECK_FAILED;
    pthread_mutex_unlock(&lock);
    return result;
}

static enum fo__check_result time_out_async(struct fo__check *check, uint64_t now_ns)
{
    enum fo__check_result result = go_on_async(check, now_ns);

    return result != FO__CHECK_RUNS ? result : FO__CHECK_FAILED;
}

const struct fo__check_kind fo__check_async = {begin_async, go_on_async, time_out_async, end_async,
                                               keep};

void fo_check_done(struct fo_check_handle handle, bool passed)
{
    struct fo__check *check;

    fo__cold_begin();
    pthread_mutex_lock(&lock);
    check = *place_of(handle.id);
    if (check != NULL && !check->has_result) {
        check->has_result = true;
        check->has_passed = passed;
        fo__queue_push(check->host->queue, &check->node);
    }
    pthread_mutex_unlock(&lock);
    fo__cold_end();
}
