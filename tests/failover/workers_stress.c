/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers in a storm: threads submit jobs, some of which hang at a gate, and cancel them at any time.
 *
 * Each job has one end: withdrawn, abandoned or done; what an owner withdraws or is told to be done it
 * frees at once, what it has left the worker frees. So a second end would touch freed memory.
 */
#include "stress.h"
#include "workers.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOTS 8u
#define JOBS 200000u /* enough for every race; the rest of the time is others' */
#define GATES 4u

/* A job that hangs does so until its gate has been opened once more. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    uint64_t times;
} gates[GATES];

struct task {
    struct fo__job job;
    int gate; /* -1: none */
    _Atomic bool is_done;
};

static _Atomic uint64_t submitted, withdrawn, left, abandoned, done, ran;

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void run(struct fo__job *job)
{
    struct task *task = (struct task *)job;

    count(&ran);
    if (task->gate >= 0) {
        uint64_t times;

        pthread_mutex_lock(&gates[task->gate].lock);
        times = gates[task->gate].times;
        while (gates[task->gate].times == times)
            pthread_cond_wait(&gates[task->gate].opened, &gates[task->gate].lock);
        pthread_mutex_unlock(&gates[task->gate].lock);
    }
}

static void tell_done(struct fo__job *job)
{
    count(&done);
    atomic_store_explicit(&((struct task *)job)->is_done, true, memory_order_relaxed);
}

static void free_abandoned(struct fo__job *job)
{
    count(&abandoned);
    free(job);
}

static void open_gate(uint32_t gate)
{
    pthread_mutex_lock(&gates[gate].lock);
    gates[gate].times++;
    pthread_cond_broadcast(&gates[gate].opened);
    pthread_mutex_unlock(&gates[gate].lock);
}

static struct task *submit(int gate)
{
    struct task *task = calloc(1, sizeof(*task));

    stress_check(task != NULL, "out of memory");
    task->job = (struct fo__job){.run = run, .done = tell_done, .abandoned = free_abandoned};
    task->gate = gate;
    stress_check(fo__job_submit(&task->job) == FO_OK, "a job is refused");
    count(&submitted);
    return task;
}

static bool is_done(struct task *task)
{
    bool told = atomic_load_explicit(&task->is_done, memory_order_relaxed);
    bool known = fo__job_is_done(&task->job);

    stress_check(!told || known, "told before it is done");
    return known;
}

static void cancel(struct task *task)
{
    switch (fo__job_cancel(&task->job)) {
    case FO__JOB_WITHDRAWN:
        count(&withdrawn);
        free(task);
        break;
    case FO__JOB_LEFT: count(&left); break;
    case FO__JOB_TOO_LATE:
        stress_check(is_done(task), "too late, and not told");
        free(task);
        break;
    }
}

static void step(struct task **slot, uint64_t *random)
{
    bool hangs = stress_random(random, 64) == 0;

    if (*slot == NULL) {
        *slot = submit(hangs ? (int)stress_random(random, GATES) : -1);
    } else if (is_done(*slot)) {
        free(*slot);
        *slot = NULL;
    } else if (stress_random(random, 16) == 0) {
        cancel(*slot);
        *slot = NULL;
    } else {
        sched_yield(); /* to the workers */
    }
}

static void *storm(void *arg)
{
    uint64_t random = *(uint64_t *)arg;
    struct task *slot[SLOTS] = {NULL};

    while (!stress_is_over() && atomic_load_explicit(&submitted, memory_order_relaxed) < JOBS) {
        step(&slot[stress_random(&random, SLOTS)], &random);
        if (stress_random(&random, 4) == 0)
            open_gate(stress_random(&random, GATES));
        if (stress_random(&random, 4096) == 0)
            fo__workers_set(1 + stress_random(&random, 4), stress_random(&random, 3));
    }
    for (uint32_t i = 0; i < SLOTS; i++)
        if (slot[i] != NULL)
            cancel(slot[i]);
    return NULL;
}

/** Until every job that was left has ended. */
static void drain(void)
{
    struct task *last;

    while (atomic_load(&abandoned) < atomic_load(&left)) {
        for (uint32_t gate = 0; gate < GATES; gate++)
            open_gate(gate);
        sched_yield();
    }
    last = submit(-1);
    while (!is_done(last))
        sched_yield();
    free(last);
}

int main(int argc, char **argv)
{
    struct stress stress = stress_begin(argc, argv);
    pthread_t thread[64];
    uint64_t seed[64];

    for (uint32_t gate = 0; gate < GATES; gate++) {
        pthread_mutex_init(&gates[gate].lock, NULL);
        pthread_cond_init(&gates[gate].opened, NULL);
    }
    for (unsigned i = 0; i < stress.threads; i++) {
        seed[i] = stress.seed + i;
        thread[i] = stress_start(storm, &seed[i]);
    }
    for (unsigned i = 0; i < stress.threads; i++)
        stress_join(thread[i]);
    drain();
    stress_check(submitted == withdrawn + abandoned + done, "%" PRIu64 " jobs, %" PRIu64 " ends",
                 submitted, withdrawn + abandoned + done);
    stress_check(left == abandoned && ran == abandoned + done, "a job ran twice, or for nobody");
    stress_check(withdrawn > 0 && left > 0 && done > 0,
                 "no storm: %" PRIu64 " withdrawn, %" PRIu64 " left, %" PRIu64 " done", withdrawn,
                 left, done);
    printf("%" PRIu64 " jobs: %" PRIu64 " withdrawn, %" PRIu64 " left, %" PRIu64 " done\n",
           submitted, withdrawn, left, done);
    return 0;
}
