/* SPDX-License-Identifier: Apache-2.0
 *
 * No fork() while a thread is inside AddressSanitizer's allocator.
 *
 * glibc's malloc() holds its own locks over a fork(), so that the child may allocate. The allocator
 * with which AddressSanitizer replaces it does so from LLVM 18 on only: before, a child may find a
 * lock that a thread of its parent held, and wait for it for ever. Programs that fork in the middle of
 * other threads' work are linked with this file under that sanitizer: every allocation of the program
 * and of the library passes a gate, which a fork() shuts.
 *
 * What allocates on its own (glibc when a thread is made, the sanitizer for its stacks) is not seen.
 */
#define _GNU_SOURCE
#include "wrap.h"

#include <pthread.h>

static pthread_rwlock_t gate = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

static void shut(void)
{
    pthread_rwlock_wrlock(&gate);
}

static void open_in_parent(void)
{
    pthread_rwlock_unlock(&gate);
}

/** The lock knows its writer by the thread's number, which is another in the child. */
static void open_in_child(void)
{
    gate = (pthread_rwlock_t)PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
}

/** Before everybody's handlers, so that it is shut behind the last of them: the library's own wait
 * for threads that may be allocating. */
__attribute__((constructor)) static void guard_forks(void)
{
    pthread_atfork(shut, open_in_parent, open_in_child);
}

#define PASS(type, name, parameters, arguments)                                                    \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        type result;                                                                               \
                                                                                                   \
        pthread_rwlock_rdlock(&gate);                                                              \
        result = __real_##name arguments;                                                          \
        pthread_rwlock_unlock(&gate);                                                              \
        return result;                                                                             \
    }

PASS(void *, malloc, (size_t size), (size))
PASS(void *, calloc, (size_t count, size_t size), (count, size))
PASS(void *, realloc, (void *old, size_t size), (old, size))
PASS(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
PASS(int, posix_memalign, (void **memory, size_t alignment, size_t size), (memory, alignment, size))
PASS(char *, strdup, (const char *text), (text))

void __real_free(void *memory);
void __wrap_free(void *memory);

void __wrap_free(void *memory)
{
    pthread_rwlock_rdlock(&gate);
    __real_free(memory);
    pthread_rwlock_unlock(&gate);
}
