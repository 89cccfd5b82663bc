/* SPDX-License-Identifier: Apache-2.0
 *
 * Atomic accessors: the only file that names memory orders.
 *
 * Every shared word of the library is a C11 _Atomic and is touched through one of these, so that the
 * order stands in the name at the place of use and ThreadSanitizer sees it. There are no stand-alone
 * fences: each acquire names its release in a comment where it stands, and src/failover/README.md
 * has the table of all pairs.
 *
 * Under FO_EXPLORE (tests/explore) every access first calls fo__explore_step(), where the explorer
 * may switch to another thread: that is how all interleavings of the real code are walked through.
 */
#ifndef FO_ATOMIC_H
#define FO_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef FO_EXPLORE
void fo__explore_step(void);
#define FO__STEP() fo__explore_step()
#else
#define FO__STEP() ((void)0)
#endif

#define fo__load_relaxed(p) (FO__STEP(), atomic_load_explicit((p), memory_order_relaxed))
#define fo__load_acquire(p) (FO__STEP(), atomic_load_explicit((p), memory_order_acquire))
#define fo__store_relaxed(p, v) (FO__STEP(), atomic_store_explicit((p), (v), memory_order_relaxed))
#define fo__store_release(p, v) (FO__STEP(), atomic_store_explicit((p), (v), memory_order_release))

/* Read-modify-write; each returns the value before. */
#define fo__add_relaxed(p, v)                                                                      \
    (FO__STEP(), atomic_fetch_add_explicit((p), (v), memory_order_relaxed))
#define fo__sub_relaxed(p, v)                                                                      \
    (FO__STEP(), atomic_fetch_sub_explicit((p), (v), memory_order_relaxed))
#define fo__add_release(p, v)                                                                      \
    (FO__STEP(), atomic_fetch_add_explicit((p), (v), memory_order_release))
#define fo__add_acq_rel(p, v)                                                                      \
    (FO__STEP(), atomic_fetch_add_explicit((p), (v), memory_order_acq_rel))
#define fo__sub_acq_rel(p, v)                                                                      \
    (FO__STEP(), atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel))
#define fo__or_acq_rel(p, v) (FO__STEP(), atomic_fetch_or_explicit((p), (v), memory_order_acq_rel))
#define fo__and_acq_rel(p, v)                                                                      \
    (FO__STEP(), atomic_fetch_and_explicit((p), (v), memory_order_acq_rel))
#define fo__exchange_acq_rel(p, v)                                                                 \
    (FO__STEP(), atomic_exchange_explicit((p), (v), memory_order_acq_rel))

/* Compare and swap; *expected is what was found. Acquire-release on success, relaxed on failure
 * (a loop that looks at what it found compares it again before acting). */
#define fo__cas_acq_rel(p, expected, desired)                                                      \
    (FO__STEP(), atomic_compare_exchange_strong_explicit(                                          \
                     (p), (expected), (desired), memory_order_acq_rel, memory_order_relaxed))

#define fo__likely(x) __builtin_expect(!!(x), 1)
#define fo__unlikely(x) __builtin_expect(!!(x), 0)

/** What two threads write must not share a line. */
#define FO__CACHE_LINE 64

#endif
