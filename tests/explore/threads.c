/* SPDX-License-Identifier: Apache-2.0 */
#include "threads.h"

#include "decisions.h"
#include "explore.h"
#include "members.h"

#include <pthread.h>
#include <stdlib.h>
#include <ucontext.h>

#define STACK_SIZE ((size_t)128 * 1024)
#define MUTEXES_MAX 16

/* What the library calls under FO_EXPLORE: atomic.h has the first, rcu.h the others. */
void fo__explore_step(void);
void fo__rcu_read_lock(void);
void fo__rcu_read_unlock(void);
void fo__rcu_synchronize(void);

enum wait { RUNS, WAITS_FOR_READERS, WAITS_FOR_MUTEX, DONE };

struct thread {
    ucontext_t context;
    char *stack;
    void (*body)(void);
    struct fo__row_table rows; /* its fo__thread_rows, while it does not run */
    enum wait wait;
    pthread_mutex_t *mutex;            /* that it waits for */
    unsigned nesting;                  /* of read sections */
    unsigned section;                  /* number of its current or last one */
    unsigned readers[EXPLORE_THREADS]; /* sections that it waits for; 0: none */
};

static struct thread threads[EXPLORE_THREADS];
static unsigned thread_count;
static int current = NOBODY; /* NOBODY: setup and check */
static ucontext_t home;
static struct fo__row_table no_rows; /* of a thread that has never picked */

static struct {
    pthread_mutex_t *mutex;
    int owner;
} mutexes[MUTEXES_MAX];

/* ---- Waiting ----------------------------------------------------------------------------- */

static int owner_of(const pthread_mutex_t *mutex)
{
    for (unsigned i = 0; i < MUTEXES_MAX; i++)
        if (mutexes[i].mutex == mutex)
            return mutexes[i].owner;
    return NOBODY;
}

static bool readers_are_gone(const struct thread *waiter)
{
    for (unsigned i = 0; i < thread_count; i++)
        if (waiter->readers[i] != 0 && threads[i].nesting > 0 &&
            threads[i].section == waiter->readers[i])
            return false;
    return true;
}

static bool can_run(const struct thread *thread)
{
    switch (thread->wait) {
    case WAITS_FOR_READERS: return readers_are_gone(thread);
    case WAITS_FOR_MUTEX: return owner_of(thread->mutex) == NOBODY;
    case DONE: return false;
    case RUNS:
    default: return true;
    }
}

static unsigned enabled_threads(void)
{
    unsigned enabled = 0;

    for (unsigned i = 0; i < thread_count; i++)
        if (can_run(&threads[i]))
            enabled |= 1u << i;
    return enabled;
}

/* ---- Switching --------------------------------------------------------------------------- */

static void switch_to(int next)
{
    struct thread *from = &threads[current];

    if (next == current)
        return;
    from->rows = fo__thread_rows;
    fo__thread_rows = threads[next].rows;
    current = next;
    swapcontext(&from->context, &threads[next].context);
}

/** Lets others run until this thread can. */
static void wait_for(enum wait wait)
{
    struct thread *self = &threads[current];
    unsigned enabled;

    self->wait = wait;
    enabled = enabled_threads();
    explore_check(enabled != 0, "deadlock");
    switch_to(decide(enabled, can_run(self) ? current : NOBODY));
    self->wait = RUNS;
}

void fo__explore_step(void)
{
    if (current != NOBODY)
        switch_to(decide(enabled_threads(), current));
}

/** The life of a coroutine: one body in each schedule. */
static void live(void)
{
    for (;;) {
        struct thread *self = &threads[current];
        unsigned enabled;
        bool all_done = true;

        self->body();
        self->wait = DONE;
        explore_check(self->nesting == 0, "thread %d ends in a read section", current);
        enabled = enabled_threads();
        for (unsigned i = 0; i < thread_count; i++)
            all_done = all_done && threads[i].wait == DONE;
        if (all_done) {
            self->rows = fo__thread_rows;
            current = NOBODY;
            swapcontext(&self->context, &home);
        } else {
            explore_check(enabled != 0, "deadlock");
            switch_to(decide(enabled, NOBODY));
        }
    }
}

/* ---- Grace periods and mutexes ------------------------------------------------------------- */

void fo__rcu_read_lock(void)
{
    fo__explore_step();
    if (current != NOBODY && threads[current].nesting++ == 0)
        threads[current].section++;
}

void fo__rcu_read_unlock(void)
{
    if (current != NOBODY)
        threads[current].nesting--;
}

void fo__rcu_synchronize(void)
{
    fo__explore_step();
    if (current == NOBODY)
        return;
    explore_check(threads[current].nesting == 0, "waits for itself");
    for (unsigned i = 0; i < thread_count; i++)
        threads[current].readers[i] = threads[i].nesting > 0 ? threads[i].section : 0;
    wait_for(WAITS_FOR_READERS);
}

static void set_owner(pthread_mutex_t *mutex, int owner)
{
    unsigned at = 0;

    for (unsigned i = 0; i < MUTEXES_MAX; i++)
        if (mutexes[i].mutex == mutex || mutexes[i].owner == NOBODY)
            at = mutexes[at].mutex == mutex ? at : i;
    explore_check(mutexes[at].mutex == mutex || mutexes[at].owner == NOBODY, "too many mutexes");
    mutexes[at].mutex = mutex;
    mutexes[at].owner = owner;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    fo__explore_step();
    if (current == NOBODY)
        return 0;
    explore_check(owner_of(mutex) != current, "a thread locks a mutex twice");
    if (owner_of(mutex) != NOBODY) {
        threads[current].mutex = mutex;
        wait_for(WAITS_FOR_MUTEX);
    }
    set_owner(mutex, current);
    return 0;
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    if (current != NOBODY)
        set_owner(mutex, NOBODY);
    return 0;
}

/* ---- Rows -------------------------------------------------------------------------------- */

void explore_as(unsigned thread, void (*act)(void *), void *arg)
{
    struct fo__row_table rows = fo__thread_rows;

    fo__thread_rows = threads[thread].rows;
    act(arg);
    threads[thread].rows = fo__thread_rows;
    fo__thread_rows = rows;
}

static void make_row(void *arg)
{
    (void)fo__row_of(&((struct fo_balancer *)arg)->core.rows);
}

void explore_prepare_rows(struct fo_balancer *balancer)
{
    for (unsigned i = 0; i < EXPLORE_THREADS; i++)
        explore_as(i, make_row, balancer);
}

static void forget_rows(struct fo__row_table *table)
{
    for (uint64_t i = 0; i <= table->reach / sizeof(struct fo__row_entry); i++) {
        struct fo__row *row = table->entry[i].row;

        explore_check(row == NULL || row->orphan, "a balancer was not freed");
        free(row);
    }
    if (table->entry != no_rows.entry)
        free(table->entry);
    *table = no_rows;
}

void threads_forget_rows(void)
{
    forget_rows(&fo__thread_rows);
    for (unsigned i = 0; i < EXPLORE_THREADS; i++)
        forget_rows(&threads[i].rows);
}

/* ---- Running ----------------------------------------------------------------------------- */

void threads_init(void)
{
    no_rows = fo__thread_rows;
    for (unsigned i = 0; i < MUTEXES_MAX; i++)
        mutexes[i].owner = NOBODY;
    for (unsigned i = 0; i < EXPLORE_THREADS; i++) {
        threads[i].stack = malloc(STACK_SIZE);
        threads[i].rows = no_rows;
    }
}

void threads_fini(void)
{
    for (unsigned i = 0; i < EXPLORE_THREADS; i++)
        free(threads[i].stack);
}

void threads_set(void (*const *bodies)(void))
{
    for (thread_count = 0; thread_count < EXPLORE_THREADS && bodies[thread_count] != NULL;
         thread_count++) {
        struct thread *thread = &threads[thread_count];

        thread->body = bodies[thread_count];
        getcontext(&thread->context);
        thread->context.uc_stack.ss_sp = thread->stack;
        thread->context.uc_stack.ss_size = STACK_SIZE;
        makecontext(&thread->context, live, 0);
    }
}

void threads_run(void)
{
    struct fo__row_table own_rows = fo__thread_rows; /* setup's and check's */

    for (unsigned i = 0; i < thread_count; i++) {
        threads[i].wait = RUNS;
        threads[i].section = 0;
    }
    current = decide((1u << thread_count) - 1, NOBODY);
    fo__thread_rows = threads[current].rows;
    swapcontext(&home, &threads[current].context);
    fo__thread_rows = own_rows;
}
