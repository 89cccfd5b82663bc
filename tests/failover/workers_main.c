/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers: each job has one end of three, hanging ones keep their workers and nothing else, and a
 * child after fork() begins anew.
 *
 * Whatever a job does is decided by the test: it runs until its gate is opened.
 */
#include "atfork.h"
#include "child.h"
#include "counter.h"
#include "workers.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LIMIT 4u
#define JOBS 12u
#define PATIENCE_S 60

static const char *story;

static void must(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "workers: %s: %s\n", story, what);
    abort();
}

/* ---- Jobs --------------------------------------------------------------------------------- */

struct task {
    struct fo__job job;
    bool is_open; /* its gate: run() returns */
    uint32_t running;
    uint32_t ran;
    uint32_t done;
    uint32_t abandoned;
    bool is_copy;                      /* in a child: nobody may call it */
    void (*inside)(struct task *task); /* called by run() before it waits */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void change(uint32_t *counter, uint32_t by)
{
    pthread_mutex_lock(&lock);
    *counter += by;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void run(struct fo__job *job)
{
    struct task *task = (struct task *)job;

    change(&task->running, 1);
    if (task->inside != NULL)
        task->inside(task);
    pthread_mutex_lock(&lock);
    while (!task->is_open)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    change(&task->ran, 1);
}

static void done(struct fo__job *job)
{
    must(!((struct task *)job)->is_copy, "a child ends its parent's job");
    change(&((struct task *)job)->done, 1);
}

static void abandoned(struct fo__job *job)
{
    change(&((struct task *)job)->abandoned, 1);
}

static void make(struct task *task, bool is_open)
{
    struct task made = {.job = {.run = run, .done = done, .abandoned = abandoned},
                        .is_open = is_open};
    *task = made;
}

static void submit(struct task *task)
{
    must(fo__job_submit(&task->job) == FO_OK, "a job is refused");
}

static void open_gate(struct task *task)
{
    pthread_mutex_lock(&lock);
    task->is_open = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/** Waits until a counter is as wanted, and not beyond. */
static void await(const uint32_t *counter, uint32_t wanted, const char *what)
{
    must(counter_await(&lock, &changed, counter, wanted), what);
}

static uint32_t look(const uint32_t *counter)
{
    return counter_read(&lock, counter);
}

/* ---- Threads ------------------------------------------------------------------------------ */

/** How many threads of that name there are now. */
static uint32_t count_workers(void)
{
    DIR *tasks = opendir("/proc/self/task");
    uint32_t workers = 0;

    must(tasks != NULL, "no /proc");
    for (const struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
        char path[300];
        char name[32] = "";
        FILE *comm;

        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
        comm = fopen(path, "r");
        if (comm == NULL)
            continue; /* ended meanwhile */
        if (fgets(name, sizeof(name), comm) != NULL && strcmp(name, "failover-work\n") == 0)
            workers++;
        fclose(comm);
    }
    closedir(tasks);
    return workers;
}

/** Idle workers end. */
static void end_workers(void)
{
    struct timespec pause = {.tv_nsec = 1000000};

    fo__workers_set(LIMIT, 1);
    for (int i = 0; count_workers() > 0; i++) {
        must(i < PATIENCE_S * 1000, "idle workers do not end");
        nanosleep(&pause, NULL);
    }
    fo__workers_set(LIMIT, 5000);
}

/* ---- Stories ------------------------------------------------------------------------------ */

static void start_with_the_first_job_and_end_when_idle(void)
{
    struct task task;

    must(count_workers() == 0, "there are workers before there is work");
    fo__workers_set(LIMIT, 1);
    make(&task, false);
    submit(&task);
    await(&task.running, 1, "the job does not run");
    must(count_workers() == 1, "one job, and not one worker");
    open_gate(&task);
    await(&task.done, 1, "the job is not done");
    end_workers();
    make(&task, true);
    submit(&task);
    await(&task.done, 1, "no worker comes again");
    end_workers();
}

static void check_signals(struct task *task)
{
    sigset_t blocked;

    (void)task;
    must(pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0, "no mask");
    must(sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGCHLD) == 1 &&
             sigismember(&blocked, SIGALRM) == 1,
         "a worker takes the embedder's signals");
}

static void take_no_signal(void)
{
    struct task task;
    sigset_t blocked;

    make(&task, true);
    task.inside = check_signals;
    submit(&task);
    await(&task.done, 1, "the job is not done");
    must(pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 && sigismember(&blocked, SIGTERM) == 0,
         "the submitter's mask is changed");
}

static void are_as_many_as_the_limit(void)
{
    struct task task[JOBS];

    for (uint32_t i = 0; i < JOBS; i++) {
        make(&task[i], false);
        submit(&task[i]);
    }
    for (uint32_t i = 0; i < LIMIT; i++)
        await(&task[i].running, 1, "the oldest do not run");
    must(count_workers() == LIMIT, "not as many workers as the limit");
    for (uint32_t i = 0; i < JOBS; i++) {
        for (uint32_t j = i + LIMIT; j < JOBS; j++)
            must(look(&task[j].running) == 0, "a job runs before its turn");
        open_gate(&task[i]);
        await(&task[i].done, 1, "a job is not done");
        if (i + LIMIT < JOBS)
            await(&task[i + LIMIT].running, 1, "the next does not run");
    }
}

/** One that is idle can take one job, not two. */
static void are_started_beside_idle_ones(void)
{
    struct task first;
    struct task task[2];

    make(&first, true);
    submit(&first);
    await(&first.done, 1, "the job is not done");
    for (int i = 0; i < 2; i++) {
        make(&task[i], false);
        submit(&task[i]);
    }
    for (int i = 0; i < 2; i++)
        await(&task[i].running, 1, "a job waits for an idle worker that another has taken");
    for (int i = 0; i < 2; i++) {
        open_gate(&task[i]);
        await(&task[i].done, 1, "the job is not done");
    }
}

/** The middle, the first, the last, and then all the others of a queue. */
static void give_back_what_waits(void)
{
    static const uint32_t order[] = {LIMIT + 2, LIMIT, JOBS - 1, LIMIT + 1, LIMIT + 3};
    struct task task[JOBS];
    struct task after;

    for (uint32_t i = 0; i < JOBS; i++) {
        make(&task[i], false);
        submit(&task[i]);
    }
    for (uint32_t i = 0; i < LIMIT; i++)
        await(&task[i].running, 1, "the oldest do not run");
    for (uint32_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
        must(fo__job_cancel(&task[order[i]].job) == FO__JOB_WITHDRAWN,
             "a waiting job is not withdrawn");
        memset(&task[order[i]], 0xa5, sizeof(*task)); /* it is ours */
    }
    for (uint32_t i = LIMIT + 4; i < JOBS - 1; i++)
        must(fo__job_cancel(&task[i].job) == FO__JOB_WITHDRAWN, "a waiting job is not withdrawn");
    make(&after, true);
    submit(&after);
    for (uint32_t i = 0; i < LIMIT; i++) {
        open_gate(&task[i]);
        await(&task[i].done, 1, "a job is not done");
    }
    await(&after.done, 1, "the queue is broken");
    for (uint32_t i = LIMIT + 4; i < JOBS - 1; i++)
        must(task[i].running == 0 && task[i].done == 0 && task[i].abandoned == 0,
             "a withdrawn job ran");
}

static void leave_what_runs(void)
{
    struct task task;

    make(&task, false);
    submit(&task);
    await(&task.running, 1, "the job does not run");
    must(fo__job_cancel(&task.job) == FO__JOB_LEFT, "a running job is not left");
    must(look(&task.abandoned) == 0, "abandoned while it runs");
    open_gate(&task);
    await(&task.abandoned, 1, "the job is not abandoned");
    must(task.done == 0 && task.ran == 1, "the job has two ends");
}

static void say_when_it_is_too_late(void)
{
    struct task task;

    make(&task, true);
    must(fo__job_cancel(&task.job) == FO__JOB_WITHDRAWN, "a fresh job is not its owner's");
    submit(&task);
    await(&task.done, 1, "the job is not done");
    must(fo__job_cancel(&task.job) == FO__JOB_TOO_LATE, "a job that is done can be cancelled");
    submit(&task);
    await(&task.done, 2, "a job does not run again");
    must(fo__job_is_done(&task.job), "the job is not known to be done");
    must(task.abandoned == 0, "the job has two ends");
}

/** All workers hang: what is new waits, its owner may give up, and all goes on when they return. */
static void may_all_hang(void)
{
    struct task hanging[LIMIT];
    struct task waiting[2];

    for (uint32_t i = 0; i < LIMIT; i++) {
        make(&hanging[i], false);
        submit(&hanging[i]);
        await(&hanging[i].running, 1, "the job does not run");
        must(fo__job_cancel(&hanging[i].job) == FO__JOB_LEFT, "a running job is not left");
    }
    for (uint32_t i = 0; i < 2; i++) {
        make(&waiting[i], true);
        submit(&waiting[i]);
    }
    must(count_workers() == LIMIT, "more workers than the limit");
    must(fo__job_cancel(&waiting[0].job) == FO__JOB_WITHDRAWN, "a waiting job is not withdrawn");
    must(look(&waiting[1].running) == 0, "somebody runs beyond the limit");
    open_gate(&hanging[0]);
    await(&waiting[1].done, 1, "the job that waited is not done");
    for (uint32_t i = 0; i < LIMIT; i++) {
        open_gate(&hanging[i]);
        await(&hanging[i].abandoned, 1, "the job is not abandoned");
    }
    must(waiting[0].running == 0, "a withdrawn job ran");
}

/* ---- Children ----------------------------------------------------------------------------- */

/** In a child: what the parent's threads held is free, and the pool is empty. */
static void begin_anew(void)
{
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&changed, NULL);
    must(count_workers() == 0, "the child has workers");
}

static void are_forgotten_by_a_child(void)
{
    struct task task[LIMIT + 2];
    struct task fresh;
    struct task before;
    pid_t pid;

    make(&before, true);
    submit(&before);
    await(&before.done, 1, "the job is not done");
    for (uint32_t i = 0; i < LIMIT + 2; i++) {
        make(&task[i], false);
        submit(&task[i]);
    }
    for (uint32_t i = 0; i < LIMIT; i++)
        await(&task[i].running, 1, "the oldest do not run");
    must(fo__job_cancel(&task[0].job) == FO__JOB_LEFT, "a running job is not left");
    pid = child_fork();
    if (pid == 0) {
        begin_anew();
        make(&fresh, true);
        submit(&fresh);
        await(&fresh.done, 1, "a job in the child is not done");
        must(fo__job_cancel(&before.job) == FO__JOB_TOO_LATE, "what was done is not known");
        for (uint32_t i = 1; i < LIMIT + 2; i++)
            must(fo__job_cancel(&task[i].job) == FO__JOB_WITHDRAWN,
                 "a thread of the parent's has it");
        make(&task[1], true);
        submit(&task[1]);
        await(&task[1].done, 1, "a job of the parent's cannot be used again");
        must(task[LIMIT].running == 0 && task[LIMIT].done == 0, "a job of the parent's runs");
        _exit(0);
    }
    child_await(pid);
    for (uint32_t i = 0; i < LIMIT + 2; i++)
        open_gate(&task[i]);
    await(&task[0].abandoned, 1, "the parent's job is not abandoned");
    for (uint32_t i = 1; i < LIMIT + 2; i++)
        await(&task[i].done, 1, "the parent's job is not done");
}

static void leave(void)
{
    _exit(0);
}

/** An embedder's check may start programs. In the child it leaves by exec, or it returns. Then its
 * thread, no worker any more, ends, and as it is the only one, the process. */
static void fork_inside(struct task *task)
{
    pid_t pid = child_fork();

    if (pid == 0) {
        pthread_mutex_init(&lock, NULL);
        pthread_cond_init(&changed, NULL);
        if (task->abandoned > 0)
            _exit(0);
        task->is_copy = true;
        atexit(leave); /* a leak checker does not know this thread */
        return;
    }
    child_await(pid);
}

static void may_fork_themselves(bool returns)
{
    struct task task;

    make(&task, true);
    task.inside = fork_inside;
    task.abandoned = returns ? 0 : 1;
    submit(&task);
    await(&task.done, 1, "the job is not done");
}

/** The workers of the parent wait for jobs, and so would the child's if it counted on them. */
static void are_not_idle_in_a_child(void)
{
    struct task task[LIMIT];
    pid_t pid;

    fo__workers_set(LIMIT, 3600000); /* waits for ever, in a test */
    for (uint32_t i = 0; i < LIMIT; i++) {
        make(&task[i], false);
        submit(&task[i]);
    }
    for (uint32_t i = 0; i < LIMIT; i++)
        await(&task[i].running, 1, "a job does not run"); /* no thread is being started */
    for (uint32_t i = 0; i < LIMIT; i++) {
        open_gate(&task[i]);
        await(&task[i].done, 1, "the job is not done");
    }
    pid = child_fork();
    if (pid == 0) {
        begin_anew();
        for (uint32_t i = 2; i < 20; i++) {
            submit(&task[0]);
            await(&task[0].done, i, "a job in the child is not done");
        }
        _exit(0);
    }
    child_await(pid);
}

/* fork() while a worker is in done(). */
static _Atomic pid_t forker;
static _Atomic bool is_in_done;
static _Atomic bool is_forked;

/** Whether the forking thread sleeps: it waits for a lock. */
static bool is_forker_asleep(void)
{
    char path[64];
    char state = 0;
    FILE *stat;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)forker);
    stat = fopen(path, "r");
    must(stat != NULL && fscanf(stat, "%*d (%*[^)]) %c", &state) == 1, "no /proc");
    fclose(stat);
    return state == 'S';
}

static void done_while_forking(struct fo__job *job)
{
    is_in_done = true;
    while (!is_forked && !is_forker_asleep())
        sched_yield();
    done(job);
}

static void *fork_while_done(void *arg)
{
    struct task *task = arg;
    pid_t pid;

    forker = (pid_t)syscall(SYS_gettid);
    while (!is_in_done)
        ;
    pid = child_fork();
    is_forked = true;
    if (pid == 0) {
        must(fo__job_cancel(&task->job) == FO__JOB_TOO_LATE, "a job that is done can be cancelled");
        must(task->done == 1, "done by halves");
        _exit(0);
    }
    child_await(pid);
    return NULL;
}

static void end_before_a_fork(void)
{
    pthread_t thread;
    struct task task;

    make(&task, true);
    task.job.done = done_while_forking;
    must(pthread_create(&thread, NULL, fork_while_done, &task) == 0, "no thread");
    while (forker == 0)
        sched_yield();
    submit(&task);
    pthread_join(thread, NULL);
    await(&task.done, 1, "the job is not done");
}

#define FORKS 100

static void *submit_for_ever(void *arg)
{
    uint32_t *stopped = arg;
    struct task task;

    make(&task, true);
    for (uint32_t i = 1; look(stopped) == 0; i++) {
        submit(&task);
        await(&task.done, i, "the job is not done");
    }
    return NULL;
}

/** Forks in the middle of it all. The child allocates nothing, for the sanitizer's sake. */
static void fork_in_a_storm(void)
{
    pthread_t thread[3];
    uint32_t stopped = 0;
    struct task task;

    make(&task, true);
    for (int i = 0; i < 3; i++)
        must(pthread_create(&thread[i], NULL, submit_for_ever, &stopped) == 0, "no thread");
    for (uint32_t i = 1; i <= FORKS; i++) {
        pid_t pid;

        submit(&task);
        pid = child_fork();
        if (pid == 0) {
            must((fo__job_cancel(&task.job) == FO__JOB_TOO_LATE) == (task.done == i),
                 "done by halves");
            _exit(0);
        }
        child_await(pid);
        await(&task.done, i, "the parent's job is not done");
    }
    change(&stopped, 1);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
}

/** The system refuses threads: jobs are refused, too, and stay as they were. */
static void are_refused_by_the_system(void)
{
    pid_t pid = child_fork();
    struct task task;

    if (pid != 0) {
        child_await(pid);
        return;
    }
    if (!child_refuse_threads(true))
        _exit(0);
    make(&task, true);
    must(fo__job_submit(&task.job) == FO_SYSTEM, "a job without a worker is taken");
    must(fo__job_cancel(&task.job) == FO__JOB_WITHDRAWN, "a refused job is not its owner's");
    must(child_refuse_threads(false), "no threads again");
    submit(&task);
    await(&task.done, 1, "the job is not done");
    must(child_refuse_threads(true), "no limit again");
    submit(&task); /* there is a worker */
    await(&task.done, 2, "the job is not done");
    _exit(0);
}

#define TELL(this_story)                                                                           \
    do {                                                                                           \
        story = #this_story;                                                                       \
        this_story;                                                                                \
        end_workers();                                                                             \
    } while (0)

int main(void)
{
    fo__atfork_register();
    fo__workers_set(LIMIT, 5000);
    TELL(start_with_the_first_job_and_end_when_idle());
    TELL(take_no_signal());
    TELL(are_as_many_as_the_limit());
    TELL(are_started_beside_idle_ones());
    TELL(give_back_what_waits());
    TELL(leave_what_runs());
    TELL(say_when_it_is_too_late());
    TELL(may_all_hang());
    if (!child_may_have_threads())
        return 0;
    TELL(are_forgotten_by_a_child());
    TELL(may_fork_themselves(false));
    TELL(may_fork_themselves(true));
    TELL(are_not_idle_in_a_child());
    TELL(end_before_a_fork());
    TELL(fork_in_a_storm());
    TELL(are_refused_by_the_system());
    return 0;
}
