/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* pthread_setname_np */
#include "thread.h"

#include <pthread.h>
#include <signal.h>

static bool start_with(const pthread_attr_t *attributes, void *(*body)(void *arg), void *arg)
{
    pthread_t thread;
    sigset_t all;
    sigset_t old;
    bool started;

    /* A new thread has its maker's mask, from its first instruction. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    started = pthread_create(&thread, attributes, body, arg) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return started;
}

bool fo__thread_start(void *(*body)(void *arg), void *arg, size_t stack)
{
    pthread_attr_t attributes;
    bool started;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    started = (stack == 0 || pthread_attr_setstacksize(&attributes, stack) == 0) &&
              start_with(&attributes, body, arg);
    pthread_attr_destroy(&attributes);
    return started;
}

void fo__thread_name(const char *name)
{
    (void)pthread_setname_np(pthread_self(), name);
}
