/* SPDX-License-Identifier: Apache-2.0
 *
 * The runtime: timers, checks and event delivery.
 *
 * Nothing in a pick waits for the runtime. It runs the back-off timers that let a dead host be
 * tried again, asks servers whether they are well (check.h), delivers events, and frees what the
 * last lease gave back.
 *
 *   default         one thread for the whole process, started with the first balancer or group that
 *                   names no runtime; called "failover", all signals blocked, never stopped.
 *   driven by you   fo_runtime_create(), then in your loop: wait until fo_runtime_fd() is readable
 *                   or fo_runtime_next_deadline_ms() has passed, and call fo_runtime_dispatch().
 *                   No thread is started. With a clock of your own, time is virtual. Let one thread
 *                   do so: a second would find the descriptor readable and nothing to do, over and
 *                   over, while the first is in a listener.
 */
#ifndef FAILOVER_RUNTIME_H
#define FAILOVER_RUNTIME_H

#include <failover/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A runtime that you drive. Opaque; pair fo_runtime_create() with fo_runtime_destroy(). */
struct fo_runtime;

struct fo_runtime_config {
    size_t size;
    fo_clock_fn clock; /**< NULL: CLOCK_MONOTONIC. See its rules in base.h. */
    void *clock_arg;   /**< Handed to clock; must outlive the runtime. */
};

static inline struct fo_runtime_config fo_runtime_config_init(void)
{
    struct fo_runtime_config config;
    config.size = sizeof(config);
    config.clock = NULL;
    config.clock_arg = NULL;
    return config;
}

/**
 * Creates a runtime that you drive.
 *
 * @param config   NULL: all defaults; not kept
 * @param runtime  [out] set on FO_OK, untouched otherwise; yours until fo_runtime_destroy()
 * @return FO_OK
 *         FO_NOMEM   free memory, call again
 *         FO_EINVAL  runtime is NULL, or config has a bad size or an unknown field: fix the caller
 *         FO_SYSTEM  no descriptor left: raise the limit
 *
 * Any thread. Cold: allocates, opens two descriptors (close-on-exec).
 */
FO_API FO_MUST_USE fo_status fo_runtime_create(const struct fo_runtime_config *config,
                                               struct fo_runtime **runtime);

/**
 * Destroys a runtime from fo_runtime_create(); NULL is allowed.
 *
 * @return FO_OK    destroyed
 *         FO_BUSY  a balancer or group still uses it, or the `closed` event of a destroyed one was
 *                  not yet delivered (also while a lease of it is open), or this is called from inside
 *                  a dispatch: destroy them, finish the leases, dispatch until this returns FO_OK
 *
 * Cold. Not concurrently with any other call on this runtime.
 */
FO_API fo_status fo_runtime_destroy(struct fo_runtime *runtime);

/**
 * A descriptor that is readable when fo_runtime_dispatch() has something to do at once.
 *
 * @param runtime  not NULL, as for the next two
 *
 * It is an epoll set, in which the sockets of checks come and go: that need not concern you. Poll it
 * for reading, level-triggered; never read from it or close it. Valid until
 * fo_runtime_destroy(). Any thread; wait-free.
 */
FO_API int fo_runtime_fd(const struct fo_runtime *runtime);

/**
 * Milliseconds until the next timer is due, rounded up: 0 when work is waiting, −1 when there is no
 * timer (only the descriptor can bring work). Fits poll() and epoll_wait() as it is.
 *
 * Any thread; lock-free.
 */
FO_API int fo_runtime_next_deadline_ms(struct fo_runtime *runtime);

/**
 * Runs every timer that is due, serves the sockets of checks that are ready, and delivers every event
 * that is waiting.
 *
 * @return number of events delivered
 *
 * Listeners that cause events cannot keep it for ever: after 64 rounds it returns, and the descriptor
 * stays readable.
 *
 * Any thread, also from two at once: the second returns 0 at once, and so does a call from inside
 * one of its own callbacks. Cold: takes locks, may wait for a grace period, calls your listeners.
 */
FO_API size_t fo_runtime_dispatch(struct fo_runtime *runtime);

/**
 * Prepares the calling thread for its first pick.
 *
 * A thread's first pick registers the thread with liburcu (a mutex and perhaps an mmap inside
 * liburcu, which aborts the process if that mmap fails). Call this at thread start to pay there.
 * Calling it again costs nothing. A balancer's own per-thread row is still made by the thread's
 * first pick on that balancer.
 */
FO_API void fo_thread_prepare(void);

/**
 * Makes the library usable in a child process after fork(). Call it in the child, once, before any
 * other function of the library.
 *
 * The locks and liburcu are kept consistent over fork() by handlers that the library registers
 * itself. This call voids every lease that was open at the fork (finishing one in the child does
 * nothing and returns FO_OK; the parent's are untouched), gives the child random numbers of its own,
 * starts the default runtime's thread again if the parent had it, and begins checks that ran at the
 * fork anew; the parent's go on. In a child that a listener
 * forked, the thread that forked goes on dispatching when the listener returns.
 *
 * The descriptors of runtimes keep their numbers and are the child's own. But an epoll set that was
 * made before the fork still watches the parent's: make a new one in the child. poll() and select()
 * are not concerned.
 *
 * @return FO_OK
 *         FO_SYSTEM  the thread could not be started, or there was no new descriptor for a runtime: no
 *                    timers, checks or events there. Raise the limit; or give up and exec() or _exit()
 *
 * A child that only calls exec() or _exit() need not call it.
 */
FO_API fo_status fo_after_fork(void);

#ifdef __cplusplus
}
#endif

#endif
