/* SPDX-License-Identifier: Apache-2.0
 *
 * fork(): what the child inherits, and how it becomes usable.
 *
 *     prepare   nobody is in a cold operation (cold.h), the leaf locks are held, liburcu is quiet
 *     child     locks are free, liburcu has forgotten the threads that are gone
 *     fo_after_fork(), by the embedder: open leases void, rows of dead threads free, new random
 *               numbers, the default runtime's thread runs
 *
 * A lease remembers the process generation it was picked in. Whose thread held a lease cannot be told
 * from the counters (any thread may finish it), so all leases that were open at the fork are void in
 * the child: its endpoints are told that as many were finished, and their fo_finish() does nothing.
 */
#include "fork.h"

#include "cold.h"
#include "lease.h"
#include "lease_check.h"
#include "rcu.h"
#include "rng.h"
#include "update.h"

#include <pthread.h>

static void prepare(void)
{
    fo__cold_close();
    fo__row_registry_before_fork();
    fo__lease_check_before_fork();
    fo__rcu_before_fork();
}

static void resume_parent(void)
{
    fo__rcu_after_fork_parent();
    fo__lease_check_after_fork();
    fo__row_registry_after_fork();
    fo__cold_reopen_in_parent();
}

static void resume_child(void)
{
    fo__rcu_after_fork_child();
    fo__lease_check_after_fork();
    fo__row_registry_after_fork();
    fo__cold_reopen_in_child();
}

static void register_handlers(void)
{
    (void)pthread_atfork(prepare, resume_parent, resume_child);
}

void fo__fork_prepare_process(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_handlers);
}

/* Nothing new, but a listener in the parent may have been at this endpoint at the fork, with more to
 * come. */
#define TELL_THE_REST 0

/* ---- In the child ------------------------------------------------------------------------ */

static void void_leases_of_member(struct fo_endpoint *endpoint)
{
    struct fo__counts counts = fo__endpoint_counts(endpoint, &endpoint->core->rows);
    fo__add_release(&endpoint->shared.finished, counts.started - counts.finished);
}

static void void_leases_of_leaver(struct fo_endpoint *endpoint)
{
    int64_t owed = fo__load_acquire(&endpoint->release.owed);

    while (owed-- > 0)
        if (fo__release_finish(&endpoint->release))
            fo__endpoint_tell(endpoint, FO__PENDING_RELEASED);
}

static void after_fork(struct fo_balancer *balancer)
{
    fo__row_set_after_fork(&balancer->core.rows, fo__rng_system_seed());
    fo__listeners_after_fork(&balancer->listeners);
    for (uint32_t i = 0; i < balancer->count; i++) {
        void_leases_of_member(balancer->members[i]);
        fo__endpoint_tell(balancer->members[i], TELL_THE_REST);
    }
    for (struct fo_endpoint *at = balancer->leaving; at != NULL; at = at->leaving_next) {
        void_leases_of_leaver(at);
        fo__endpoint_tell(at, TELL_THE_REST);
    }
}

fo_status fo_after_fork(void)
{
    fo_status status;

    fo__cold_begin();
    fo__row_thread_after_fork();
    fo__members_for_each(after_fork);
    status = fo__runtimes_after_fork();
    fo__cold_end();
    return status;
}
