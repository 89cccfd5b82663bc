/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP */
#include "cold.h"

#include <pthread.h>

/* A fork() that waits comes first: threads that are inside one after the other must not keep it waiting
 * for ever. */
#define UNLOCKED PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP

static pthread_rwlock_t lock = UNLOCKED;

void fo__cold_begin(void)
{
    pthread_rwlock_rdlock(&lock);
}

void fo__cold_end(void)
{
    pthread_rwlock_unlock(&lock);
}

void fo__cold_close(void)
{
    pthread_rwlock_wrlock(&lock);
}

void fo__cold_reopen_in_parent(void)
{
    pthread_rwlock_unlock(&lock);
}

void fo__cold_reopen_in_child(void)
{
    /* Its owner, by the lock's own book-keeping, is a thread of the parent. */
    lock = (pthread_rwlock_t)UNLOCKED;
}
