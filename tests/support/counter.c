/* SPDX-License-Identifier: Apache-2.0 */
#include "counter.h"

#include <time.h>

#define PATIENCE_S 60

bool counter_await(pthread_mutex_t *lock, pthread_cond_t *changed, const uint32_t *counter,
                   uint32_t wanted)
{
    struct timespec until;
    bool in_time = true;
    bool reached;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(lock);
    while (in_time && *counter < wanted)
        in_time = pthread_cond_timedwait(changed, lock, &until) == 0;
    reached = *counter == wanted;
    pthread_mutex_unlock(lock);
    return reached;
}

uint32_t counter_read(pthread_mutex_t *lock, const uint32_t *counter)
{
    uint32_t value;

    pthread_mutex_lock(lock);
    value = *counter;
    pthread_mutex_unlock(lock);
    return value;
}
