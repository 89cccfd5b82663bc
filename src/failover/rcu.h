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
struct fo__rcu_section {
    char unused;
};
static inline bool fo__rcu_enter(struct fo__rcu_section *section)
{
    section->unused = 0;
    fo__rcu_read_lock();
    return true;
}
static inline void fo__rcu_leave(const struct fo__rcu_section *section)
{
    (void)section;
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

/**
 * A read section of the hot path, for threads that have seen fo__rcu_is_cheap(): liburcu's protocol on
 * liburcu's word, with that word looked up once instead of four times, and put back to what it was
 * instead of counted down. fo__rcu_read_unlock() may end it as well.
 */
struct fo__rcu_section {
    struct urcu_bp_reader *reader;
    unsigned long before; /* nested in a section of the embedder's, or outside of any */
};

/** False: not entered, because the thread is not registered yet, or no more, late in its exit. */
static inline bool fo__rcu_enter(struct fo__rcu_section *section)
{
    struct urcu_bp_reader *reader = URCU_TLS(urcu_bp_reader);

    if (__builtin_expect(reader == NULL, 0))
        return false;
    section->reader = reader;
    section->before = _CMM_LOAD_SHARED(reader->ctr);
    if (__builtin_expect((section->before & URCU_BP_GP_CTR_NEST_MASK) == 0, 1))
        _CMM_STORE_SHARED(reader->ctr, _CMM_LOAD_SHARED(urcu_bp_gp.ctr));
    else
        _CMM_STORE_SHARED(reader->ctr, section->before + URCU_BP_GP_COUNT);
    cmm_barrier(); /* the kernel makes it a fence when somebody waits: membarrier() */
    return true;
}

static inline void fo__rcu_leave(const struct fo__rcu_section *section)
{
    FO__TSAN_RELEASE(&fo__rcu_tag);
    cmm_barrier(); /* as above */
    _CMM_STORE_SHARED(section->reader->ctr, section->before);
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
