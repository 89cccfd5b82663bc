/* SPDX-License-Identifier: Apache-2.0 */
#include "cold.h"

#include <pthread.h>

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

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
    pthread_rwlock_init(&lock, NULL);
}
