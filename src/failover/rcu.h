/* SPDX-License-Identifier: Apache-2.0
 *
 * Grace periods: the only file that names liburcu.
 *
 * Flavour urcu-bp: its thread-local state is one pointer, so the shared library can be loaded with
 * dlopen() although its TLS is initial-exec, and threads need no registration call. With
 * _LGPL_SOURCE the read-side functions are compiled inline (1.3 ns instead of 15); liburcu's licence
 * allows that for functions of this size, see docs/licensing.md.
 *
 * Only grace periods are liburcu's. Publication is a C11 release store and an acquire load
 * (atomic.h), because ThreadSanitizer sees those and does not see inline assembly. What is left to
 * tell it is that a grace period orders a reader's last access before what follows the wait: the two
 * annotations below.
 *
 * Rules: a read section is short and calls no user code, takes no lock and never waits. Whoever
 * waits for a grace period holds no lock that a reader could want (readers want none).
 */
#ifndef FO_RCU_H
#define FO_RCU_H

#include <stdbool.h>

#ifdef FO_EXPLORE

/* The explorer's own grace periods: a thread that waits is not scheduled until the sections that
 * were open when it began are over. */
void fo__rcu_read_lock(void);
void fo__rcu_read_unlock(void);
void fo__rcu_synchronize(void);
static inline void fo__rcu_register_thread(void) {}
static inline bool fo__rcu_is_registered(void)
{
    return true;
}
static inline void fo__rcu_before_fork(void) {}
static inline void fo__rcu_after_fork_parent(void) {}
static inline void fo__rcu_after_fork_child(void) {}
static inline void fo__rcu_published(void *tag)
{
    (void)tag;
}
static inline void fo__rcu_looked_up(void *tag)
{
    (void)tag;
}
static inline bool fo__rcu_is_cheap(void)
{
    return true;
}
static inline void fo__rcu_read_lock_cheap(void)
{
    fo__rcu_read_lock();
}
static inline void fo__rcu_read_unlock_cheap(void)
{
    fo__rcu_read_unlock();
}

#else

#ifndef _LGPL_SOURCE
#define _LGPL_SOURCE
#endif
#include <urcu/urcu-bp.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FO__TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define FO__TSAN 1
#endif

/** Stands for every grace period: ThreadSanitizer is told that readers release and waiters acquire. */
extern char fo__rcu_tag;

#ifdef FO__TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define FO__TSAN_ACQUIRE(address) __tsan_acquire(address)
#define FO__TSAN_RELEASE(address) __tsan_release(address)
#else
#define FO__TSAN_ACQUIRE(address) ((void)(address))
#define FO__TSAN_RELEASE(address) ((void)(address))
#endif

static inline void fo__rcu_read_lock(void)
{
    urcu_bp_read_lock();
}

/** Whether a read section needs no registration first: true from a thread's first section until
 * late in its exit. Asking before the section keeps the call out of the hot path. */
static inline bool fo__rcu_is_registered(void)
{
    return URCU_TLS(urcu_bp_reader) != NULL;
}

static inline void fo__rcu_read_unlock(void)
{
    FO__TSAN_RELEASE(&fo__rcu_tag);
    urcu_bp_read_unlock();
}

/** Whether the kernel has membarrier(), so that read sections need no fence of their own. Constant. */
static inline bool fo__rcu_is_cheap(void)
{
    return urcu_bp_has_sys_membarrier != 0;
}

/* The two ends of a section for a thread that has seen fo__rcu_is_cheap() and, just before,
 * fo__rcu_is_registered(): the compiler leaves the other cases out. */
static inline void fo__rcu_read_lock_cheap(void)
{
    if (!fo__rcu_is_registered() || !fo__rcu_is_cheap())
        __builtin_unreachable();
    urcu_bp_read_lock();
}

static inline void fo__rcu_read_unlock_cheap(void)
{
    if (!fo__rcu_is_cheap())
        __builtin_unreachable();
    fo__rcu_read_unlock();
}

/** Waits until every read section that is open now has ended. Blocks; not inside a section. */
static inline void fo__rcu_synchronize(void)
{
    urcu_bp_synchronize_rcu();
    FO__TSAN_ACQUIRE(&fo__rcu_tag);
}

static inline void fo__rcu_register_thread(void)
{
    urcu_bp_register_thread();
}

static inline void fo__rcu_before_fork(void)
{
    urcu_bp_before_fork();
}
static inline void fo__rcu_after_fork_parent(void)
{
    urcu_bp_after_fork_parent();
}
static inline void fo__rcu_after_fork_child(void)
{
    urcu_bp_after_fork_child();
}

/* For names.c: ck orders publication and look-up by inline assembly; these tell the sanitizer. */
static inline void fo__rcu_published(void *tag)
{
    FO__TSAN_RELEASE(tag);
}
static inline void fo__rcu_looked_up(void *tag)
{
    FO__TSAN_ACQUIRE(tag);
}

#endif /* FO_EXPLORE */

#endif
