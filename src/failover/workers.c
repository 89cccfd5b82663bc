/* SPDX-License-Identifier: Apache-2.0 */
#include "workers.h"

#include "clock.h"
#include "thread.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

/* Workers are outside the cold lock (cold.h): they wait for each other's work, and for hours in that
 * of the embedder. So this lock is held over a fork(). */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t work; /* on the monotonic clock, which has no initializer */
    bool is_ready;       /* `work` */

    struct fo__job *first; /* waiting, oldest first */
    struct fo__job *last;
    uint32_t waiting; /* jobs */
    uint32_t idle;    /* workers that wait for `work`, or were woken and have not run since */
    uint32_t workers;
    uint32_t limit;
    uint32_t idle_ms;
    uint64_t generation; /* of the process: one more in each child */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .limit = 4, .idle_ms = 5000};

static void lock_pool(void)
{
    pthread_mutex_lock(&pool.lock);
}

static void unlock_pool(void)
{
    pthread_mutex_unlock(&pool.lock);
}

/* ---- The queue; lock held ----------------------------------------------------------------- */

static void append(struct fo__job *job)
{
    job->next = NULL;
    job->previous = pool.last;
    *(pool.last != NULL ? &pool.last->next : &pool.first) = job;
    pool.last = job;
    pool.waiting++;
    job->state = FO__JOB_QUEUED;
}

static void take_out(struct fo__job *job)
{
    *(job->previous != NULL ? &job->previous->next : &pool.first) = job->next;
    *(job->next != NULL ? &job->next->previous : &pool.last) = job->previous;
    pool.waiting--;
}

static void forget_all(void)
{
    pool.first = NULL;
    pool.last = NULL;
    pool.waiting = 0;
}

/* ---- Workers ------------------------------------------------------------------------------ */

/** When a worker that has been idle since then ends. */
static struct timespec end_of_idling(const struct timespec *since)
{
    uint64_t end_ns = (uint64_t)since->tv_sec * NS_PER_S + (uint64_t)since->tv_nsec +
                      pool.idle_ms * FO__NS_PER_MS;
    struct timespec end = {.tv_sec = (time_t)(end_ns / NS_PER_S),
                           .tv_nsec = (long)(end_ns % NS_PER_S)};
    return end;
}

/** Waits for a job; false: this worker is to end. Lock held. */
static bool wait_for_job(void)
{
    struct timespec since;
    int error = 0;

    clock_gettime(CLOCK_MONOTONIC, &since);
    pool.idle++;
    while (pool.first == NULL && error == 0 && pool.workers <= pool.limit) {
        struct timespec end = end_of_idling(&since);
        error = pthread_cond_timedwait(&pool.work, &pool.lock, &end);
    }
    pool.idle--;
    return pool.first != NULL;
}

/** The lock is held before and after, and for done(). False: this thread has forked meanwhile, and is
 * no worker of the child's. */
static bool work_on(struct fo__job *job)
{
    uint64_t generation = pool.generation;

    take_out(job);
    job->state = FO__JOB_RUNNING;
    unlock_pool();
    job->run(job);
    lock_pool();
    if (pool.generation != generation)
        return false;
    if (job->state == FO__JOB_RUNNING) {
        job->state = FO__JOB_DONE;
        job->done(job);
    } else {
        unlock_pool();
        job->abandoned(job);
        lock_pool();
    }
    return pool.generation == generation;
}

static void *run_worker(void *arg)
{
    bool is_ours = true;

    (void)arg;
    fo__thread_name("failover-work");
    lock_pool();
    while (is_ours && (pool.first != NULL || wait_for_job()))
        is_ours = work_on(pool.first);
    if (is_ours)
        pool.workers--;
    unlock_pool();
    return NULL;
}

/** Sees to it that somebody will take the job just queued. Lock held. */
static bool call_worker(void)
{
    if (pool.waiting <= pool.idle) {
        pthread_cond_signal(&pool.work);
        return true;
    }
    if (pool.workers < pool.limit && fo__thread_start(run_worker, NULL, FO__WORKER_STACK))
        pool.workers++;
    return pool.workers > 0;
}

/* ---- Jobs --------------------------------------------------------------------------------- */

static void make_ready(void)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pool.work, &attributes);
    pthread_condattr_destroy(&attributes);
    pool.is_ready = true;
}

fo_status fo__job_submit(struct fo__job *job)
{
    enum fo__job_state before;
    fo_status status = FO_OK;

    lock_pool();
    assert(job->generation != pool.generation || job->state == FO__JOB_IDLE ||
           job->state == FO__JOB_DONE);
    if (!pool.is_ready)
        make_ready();
    before = job->state;
    append(job);
    job->generation = pool.generation;
    if (!call_worker()) {
        take_out(job);
        job->state = before;
        status = FO_SYSTEM;
    }
    unlock_pool();
    return status;
}

enum fo__job_cancelled fo__job_cancel(struct fo__job *job)
{
    enum fo__job_cancelled cancelled = FO__JOB_WITHDRAWN;
    bool is_known;

    lock_pool();
    is_known = job->generation == pool.generation;
    if (job->state == FO__JOB_DONE) {
        cancelled = FO__JOB_TOO_LATE;
    } else if (is_known && job->state == FO__JOB_RUNNING) {
        job->state = FO__JOB_ABANDONED;
        cancelled = FO__JOB_LEFT;
    } else {
        if (is_known && job->state == FO__JOB_QUEUED)
            take_out(job);
        job->state = FO__JOB_IDLE;
    }
    unlock_pool();
    return cancelled;
}

bool fo__job_is_done(const struct fo__job *job)
{
    bool is_done;

    lock_pool();
    is_done = job->state == FO__JOB_DONE;
    unlock_pool();
    return is_done;
}

void fo__workers_set(uint32_t limit, uint32_t idle_ms)
{
    lock_pool();
    pool.limit = limit;
    pool.idle_ms = idle_ms;
    if (pool.is_ready)
        pthread_cond_broadcast(&pool.work); /* the idle look at the new settings */
    unlock_pool();
}

/* ---- fork() ------------------------------------------------------------------------------- */

void fo__workers_before_fork(void)
{
    lock_pool();
}

void fo__workers_after_fork_parent(void)
{
    unlock_pool();
}

void fo__workers_after_fork_child(void)
{
    pool.is_ready = false; /* its waiters are gone */
    pool.idle = 0;
    pool.workers = 0;
    pool.generation++;
    forget_all();
    unlock_pool();
}
