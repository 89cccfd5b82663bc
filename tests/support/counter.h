/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters that other threads raise under a lock, each time telling of it by a condition.
 */
#ifndef COUNTER_H
#define COUNTER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/** Waits until the counter is as wanted. False: it is beyond, or was not there after a minute. */
bool counter_await(pthread_mutex_t *lock, pthread_cond_t *changed, const uint32_t *counter,
                   uint32_t wanted);

uint32_t counter_read(pthread_mutex_t *lock, const uint32_t *counter);

#endif
