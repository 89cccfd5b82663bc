/* SPDX-License-Identifier: Apache-2.0 */
#include "atfork.h"

#include "cold.h"
#include "lease_check.h"
#include "rcu.h"
#include "row.h"
#include "workers.h"

#include <pthread.h>

static void prepare(void)
{
    fo__cold_close();
    fo__row_registry_before_fork();
    fo__lease_check_before_fork();
    fo__workers_before_fork();
    fo__rcu_before_fork();
}

static void resume_parent(void)
{
    fo__rcu_after_fork_parent();
    fo__workers_after_fork_parent();
    fo__lease_check_after_fork();
    fo__row_registry_after_fork();
    fo__cold_reopen_in_parent();
}

static void resume_child(void)
{
    fo__rcu_after_fork_child();
    fo__workers_after_fork_child();
    fo__lease_check_after_fork();
    fo__row_registry_after_fork();
    fo__cold_reopen_in_child();
}

static void register_handlers(void)
{
    (void)pthread_atfork(prepare, resume_parent, resume_child);
}

void fo__atfork_register(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_handlers);
}
