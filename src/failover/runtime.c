/* SPDX-License-Identifier: Apache-2.0
 *
 * Who dispatches: the embedder, or the one default thread of the process.
 */
#include "runtime.h"

#include "abi.h"
#include "atfork.h"
#include "check.h"
#include "cold.h"
#include "events.h"
#include "rcu.h"
#include "thread.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t runtimes_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fo_runtime *runtimes;
static struct fo_runtime *default_runtime;
static __thread struct fo_runtime *dispatched; /* by this thread, now */

/* ---- Making ------------------------------------------------------------------------------ */

static fo_status make(const struct fo_runtime_config *config, struct fo_runtime **runtime)
{
    struct fo_runtime *made = calloc(1, sizeof(*made));

    if (made == NULL)
        return FO_NOMEM;
    if (!fo__queue_init(&made->queue)) {
        free(made);
        return FO_SYSTEM;
    }
    if (!fo__io_init(&made->io, made->queue.wake_fd)) {
        fo__queue_fini(&made->queue);
        free(made);
        return FO_SYSTEM;
    }
    made->clock = fo__clock_from(config->clock, config->clock_arg);
    atomic_init(&made->next_due_ns, FO__NEVER);
    made->batch_last = &made->batch;
    *runtime = made;
    return FO_OK;
}

static void enter(struct fo_runtime *runtime)
{
    pthread_mutex_lock(&runtimes_lock);
    runtime->all_next = runtimes;
    runtimes = runtime;
    pthread_mutex_unlock(&runtimes_lock);
}

static void leave(struct fo_runtime *runtime)
{
    pthread_mutex_lock(&runtimes_lock);
    for (struct fo_runtime **at = &runtimes; *at != NULL; at = &(*at)->all_next) {
        if (*at == runtime) {
            *at = runtime->all_next;
            break;
        }
    }
    pthread_mutex_unlock(&runtimes_lock);
}

static void unmake(struct fo_runtime *runtime)
{
    fo__rcu_synchronize(); /* whoever pushed the last node may still be about to wake us */
    fo__io_fini(&runtime->io);
    fo__queue_fini(&runtime->queue);
    free(runtime);
}

fo_status fo_runtime_create(const struct fo_runtime_config *config, struct fo_runtime **runtime)
{
    struct fo_runtime_config ours = fo_runtime_config_init();
    fo_status status;

    if (runtime == NULL || (config != NULL && !fo__abi_read(&ours, sizeof(ours), config)))
        return FO_EINVAL;
    fo__atfork_register();
    fo__cold_begin();
    status = make(&ours, runtime);
    if (status == FO_OK)
        enter(*runtime);
    fo__cold_end();
    return status;
}

fo_status fo_runtime_destroy(struct fo_runtime *runtime)
{
    if (runtime == NULL)
        return FO_OK;
    if (fo__load_acquire(&runtime->users) != 0 || fo__load_acquire(&runtime->dispatching) != 0)
        return FO_BUSY;
    fo__cold_begin();
    leave(runtime);
    unmake(runtime);
    fo__cold_end();
    return FO_OK;
}

/* ---- The default thread ------------------------------------------------------------------ */

static void *run_default(void *arg)
{
    struct fo_runtime *runtime = arg;

    fo__thread_name("failover");
    for (;;) {
        struct pollfd ready = {.fd = fo_runtime_fd(runtime), .events = POLLIN};

        (void)poll(&ready, 1, fo_runtime_next_deadline_ms(runtime));
        fo_runtime_dispatch(runtime);
    }
    return NULL;
}

static bool start_thread(struct fo_runtime *runtime)
{
    return fo__thread_start(run_default, runtime, 0);
}

static fo_status make_default(void)
{
    struct fo_runtime_config config = fo_runtime_config_init();
    struct fo_runtime *made;
    fo_status status = make(&config, &made);

    if (status != FO_OK)
        return status;
    if (!start_thread(made)) {
        unmake(made);
        return FO_SYSTEM;
    }
    made->all_next = runtimes;
    runtimes = made;
    default_runtime = made;
    return FO_OK;
}

fo_status fo__runtime_acquire(struct fo_runtime *given, struct fo_runtime **runtime)
{
    fo_status status = FO_OK;

    if (given == NULL) {
        pthread_mutex_lock(&runtimes_lock);
        if (default_runtime == NULL)
            status = make_default();
        given = default_runtime;
        pthread_mutex_unlock(&runtimes_lock);
    }
    if (status != FO_OK)
        return status;
    fo__add_relaxed(&given->users, 1);
    *runtime = given;
    return FO_OK;
}

void fo__runtime_release(struct fo_runtime *runtime)
{
    fo__sub_acq_rel(&runtime->users, 1);
}

/* ---- Driving ----------------------------------------------------------------------------- */

int fo_runtime_fd(const struct fo_runtime *runtime)
{
    return runtime->io.epoll_fd;
}

int fo_runtime_next_deadline_ms(struct fo_runtime *runtime)
{
    uint64_t due_ns = fo__load_acquire(&runtime->next_due_ns);
    uint64_t now_ns;
    uint64_t wait_ms;

    if (!fo__queue_is_empty(&runtime->queue))
        return 0;
    if (due_ns == FO__NEVER)
        return -1;
    now_ns = fo__clock_now_ns(&runtime->clock);
    if (due_ns <= now_ns)
        return 0;
    wait_ms = (due_ns - now_ns + FO__NS_PER_MS - 1) / FO__NS_PER_MS;
    return wait_ms < INT32_MAX ? (int)wait_ms : INT32_MAX;
}

size_t fo_runtime_dispatch(struct fo_runtime *runtime)
{
    struct fo_runtime *outer = dispatched; /* whose listener has called us, if any */
    size_t told = 0;

    fo__cold_begin();
    if (fo__exchange_acq_rel(&runtime->dispatching, 1) == 0) {
        dispatched = runtime;
        told = fo__events_dispatch(runtime);
        dispatched = outer;
        fo__store_release(&runtime->dispatching, 0);
    }
    fo__cold_end();
    return told;
}

void fo_thread_prepare(void)
{
    fo__rcu_register_thread();
}

fo_status fo__runtimes_renew(void)
{
    fo_status status = FO_OK;

    /* A thread that forked in a listener goes on dispatching when the listener returns, also as the
     * default runtime's thread. Every other dispatcher is gone. */
    for (struct fo_runtime *at = runtimes; at != NULL; at = at->all_next) {
        struct fo__node *taken = at->taken;

        if (at != dispatched)
            fo__store_release(&at->dispatching, 0);
        if (!fo__queue_reopen(&at->queue) || !fo__io_reopen(&at->io, at->queue.wake_fd))
            status = FO_SYSTEM;
        fo__checks_after_fork(at);
        at->taken = NULL;
        fo__queue_renew(&at->queue, taken);
    }
    return status;
}

fo_status fo__runtimes_resume(void)
{
    if (default_runtime != NULL && default_runtime != dispatched && !start_thread(default_runtime))
        return FO_SYSTEM;
    return FO_OK;
}
