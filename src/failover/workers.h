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
 * A job that hangs keeps its worker. When all of them hang, new jobs wait in the queue, and their
 * owners' timeouts cancel them there: a bounded number of threads and no more can be lost to a dead
 * name server. More threads would only hang as well.
 *
 * fork(): the child has no workers, and an empty queue. Neither function of a parent's job is ever
 * called there; cancel takes any of them for withdrawn, for no thread has it. What a thread was doing
 * in run() stays as it was: half done.
 */
#ifndef FO_WORKERS_H
#define FO_WORKERS_H

#include <failover/base.h>

enum fo__job_state {
    FO__JOB_IDLE,
    FO__JOB_QUEUED,
    FO__JOB_RUNNING,
    FO__JOB_ABANDONED,
    FO__JOB_DONE
};

struct fo__job;

/** All called on a worker, outside every lock and read section. */
typedef void (*fo__job_fn)(struct fo__job *job);

/** Zero and the three functions make a new one. */
struct fo__job {
    fo__job_fn run;       /* the work: may block, on a stack of FO__WORKER_STACK bytes */
    fo__job_fn done;      /* the job is the owner's again, from the beginning of this call */
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
 * refuses a thread; the job is as it was. Any thread, also a worker in run() or done(); a lock is held
 * for some instructions, or while a thread is started.
 */
FO_MUST_USE fo_status fo__job_submit(struct fo__job *job);

enum fo__job_cancelled {
    FO__JOB_WITHDRAWN, /* no thread has it, none of its functions will be called: free it, or use it */
    FO__JOB_LEFT,      /* it runs: it is the worker's now, abandoned() will be called */
    FO__JOB_TOO_LATE /* done() has been called, or is about to be: wait for what it tells */
};

/**
 * Takes a job back, or leaves it. Any thread; never blocks but for the pool's lock. A job that was
 * not submitted since its last end is withdrawn, or too late if that end was done(). Not twice for a
 * job that was left, and not when done() may have freed it: that is between the two of them.
 */
enum fo__job_cancelled fo__job_cancel(struct fo__job *job);

/** How many workers there may be (at least 1; default 4), and how long one waits for work (default
 * 5,000 ms). At once: workers that are too many end when idle. */
void fo__workers_set(uint32_t limit, uint32_t idle_ms);

/* Handlers of fork(), see atfork.c. */
void fo__workers_before_fork(void);
void fo__workers_after_fork_parent(void);
void fo__workers_after_fork_child(void);

#endif
