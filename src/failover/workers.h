/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers: a few threads for work that blocks, such as getaddrinfo() or an embedder's own check.
 *
 *                     ┌── cancel ──► nobody's
 *     submit ──► queued ──► running ──────────► done()       the owner is told
 *                              └─ cancel ─► … ► abandoned()  the owner has left: free the memory
 *
 * One pool for the process, in which nothing runs until there is work: a job that finds no idle worker
 * starts one, up to the limit, and a worker without work for some seconds ends, so that an embedder's
 * process is soon as it was. A job is the owner's memory, so submitting allocates nothing (starting a
 * thread does).
 *
 * Cancelling never waits. Nobody can stop what runs, so its owner leaves it behind: when run()
 * returns, if ever, abandoned() is called in place of done(). Whoever loses a race between cancel and
 * the end of run() is told so: each job has exactly one of three ends.
 *
 * done() is called under the pool's lock, so there is nothing between "not yet" and "has been told":
 * whoever hears that it is too late may free what done() works on, and a fork() catches nobody within.
 *
 * A job that hangs keeps its worker. When all of them hang, new jobs wait in the queue, and their
 * owners' timeouts cancel them there: a bounded number of threads and no more can be lost to a dead
 * name server. More threads would only hang as well.
 *
 * fork(): the child has no workers, and an empty queue. No function of a parent's job is ever called
 * there; those that were not done are cancelled as withdrawn, for no thread has them. What a thread
 * was doing in run() stays as it was: half done.
 */
#ifndef FO_WORKERS_H
#define FO_WORKERS_H

#include <failover/base.h>
#include <stdbool.h>

enum fo__job_state {
    FO__JOB_IDLE,
    FO__JOB_QUEUED,
    FO__JOB_RUNNING,
    FO__JOB_ABANDONED,
    FO__JOB_DONE
};

struct fo__job;

/** Called on a worker, outside every read section. */
typedef void (*fo__job_fn)(struct fo__job *job);

/** Zero and the three functions make a new one. */
struct fo__job {
    fo__job_fn run;  /* the work: may block, on a stack of FO__WORKER_STACK bytes */
    fo__job_fn done; /* tells the owner, by a queue: under the pool's lock, so it takes no other,
                             and calls nothing of this file or of the embedder's; with its return the
                             job is the owner's */
    fo__job_fn abandoned; /* the last that is done with a job which was cancelled as it ran */

    /* The pool's, under its lock. */
    struct fo__job *next;
    struct fo__job *previous;
    uint64_t generation; /* of the process that submitted it */
    enum fo__job_state state;
};

#define FO__WORKER_STACK (256u * 1024u)

/**
 * Queues a job that is neither queued nor running. FO_SYSTEM: there is no worker, and the system
 * refuses a thread; the job is as it was. Any thread, also a worker in run(). Blocks while a thread is
 * started.
 */
FO_MUST_USE fo_status fo__job_submit(struct fo__job *job);

enum fo__job_cancelled {
    FO__JOB_WITHDRAWN, /* no thread has it, none of its functions will be called: free it, or use it */
    FO__JOB_LEFT,      /* it runs: it is the worker's now, abandoned() will be called */
    FO__JOB_TOO_LATE /* it is done: done() has returned */
};

/** Takes a job back, or leaves it; once. One that was never submitted is withdrawn. Any thread; does
 * not wait for run(). */
enum fo__job_cancelled fo__job_cancel(struct fo__job *job);

/** Whether done() has returned, since the job was last submitted. Any thread. */
bool fo__job_is_done(const struct fo__job *job);

/** How many workers there may be (at least 1; default 4), and how long one waits for work (default
 * 5,000 ms). At once: workers that are too many end when idle. */
void fo__workers_set(uint32_t limit, uint32_t idle_ms);

/* Handlers of fork(), see atfork.c. */
void fo__workers_before_fork(void);
void fo__workers_after_fork_parent(void);
void fo__workers_after_fork_child(void);

#endif
