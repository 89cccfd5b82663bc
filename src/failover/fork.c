/* SPDX-License-Identifier: Apache-2.0
 *
 * fork(): what the child inherits, and how it becomes usable.
 *
 *     prepare   nobody is in a cold operation (cold.h), the leaf locks are held, liburcu is quiet
 *     child     locks are free, liburcu has forgotten the threads that are gone   (both: atfork.c)
 *     fo_after_fork(), by the embedder: open leases void, rows of dead threads free, new random
 *               numbers, what dead threads had begun is ended, the default runtime's thread runs
 *
 * A lease remembers the process generation it was picked in. Whose thread held a lease cannot be told
 * from the counters (any thread may finish it), so all leases that were open at the fork are void in
 * the child: its endpoints are told that as many were finished, and their fo_finish() does nothing.
 *
 * Finishes and reports hold no lock, so fork() may catch one anywhere: what its thread had begun and
 * nobody will end is ended by fo_after_fork(). Marked as queued and not linked: all marks are taken
 * back, what was linked is linked again, and then every endpoint and host is queued, for what their
 * thread had not come to tell. The last lease of a removed endpoint finished, and not released. A host
 * word changed, and not the sums.
 */
#include "cold.h"
#include "lease.h"
#include "review.h"
#include "rng.h"
#include "tick.h"
#include "update.h"

static void mark_as_taken(struct fo_endpoint *endpoint)
{
    fo__node_taken(&endpoint->node);
    fo__node_taken(&endpoint->host->node);
}

/** All nodes that a thread without the cold lock may push. The others are linked if they are marked. */
static void mark_all_as_taken(struct fo_balancer *balancer)
{
    for (uint32_t i = 0; i < balancer->count; i++)
        mark_as_taken(balancer->members[i]);
    fo__node_taken(&balancer->group->tick_call.node);
    for (struct fo_endpoint *at = balancer->leaving; at != NULL; at = at->leaving_next)
        mark_as_taken(at);
}

/** Whoever changed the word or the endpoint may have been about to tell. */
static void tell_the_rest(struct fo_endpoint *endpoint, uint32_t pending)
{
    fo__endpoint_tell(endpoint, pending);
    fo__queue_push(endpoint->host->queue, &endpoint->host->node);
}

static void end_member(struct fo_endpoint *endpoint)
{
    struct fo__counts counts = fo__endpoint_counts(endpoint, &endpoint->core->rows);

    fo__add_release(&endpoint->shared.finished, counts.started - counts.finished);
    fo__store_relaxed(&endpoint->keyed_open, 0);
    fo__load_after_fork(&endpoint->host->load);
    tell_the_rest(endpoint, 0);
}

/** One whose release was told already is buried before it could be told about again. */
static void end_leaver(struct fo_endpoint *endpoint)
{
    fo__release_after_fork(&endpoint->release);
    tell_the_rest(endpoint, FO__PENDING_RELEASED);
}

/** A thread that is gone may have changed a word and not the contribution, or a contribution and not
 * the sums above. */
static void mend_sums(struct fo__core *core)
{
    struct fo__snapshot *snapshot = fo__load_relaxed(&core->snapshot);

    fo__snapshot_sum_up(snapshot);
    (void)fo__snapshot_mend_all(snapshot);
    fo__review(core, snapshot);
}

static void end_leases(struct fo_balancer *balancer)
{
    fo__row_set_after_fork(&balancer->core.rows, fo__rng_system_seed());
    fo__listeners_after_fork(&balancer->listeners);
    fo__store_relaxed(&balancer->core.keyed_open, 0);
    fo__store_relaxed(&balancer->core.recent.open, 0);
    fo__tally_after_fork(&balancer->core.tally);
    fo__store_relaxed(&balancer->group->rng, fo__rng_system_seed());
    fo__tick_after_fork(balancer->group);
    for (uint32_t i = 0; i < balancer->count; i++)
        end_member(balancer->members[i]);
    for (struct fo_endpoint *at = balancer->leaving; at != NULL; at = at->leaving_next)
        end_leaver(at);
    mend_sums(&balancer->core);
}

fo_status fo_after_fork(void)
{
    fo_status renewed;
    fo_status resumed;

    fo__cold_begin();
    fo__row_thread_after_fork();
    fo__members_for_each(mark_all_as_taken);
    renewed = fo__runtimes_renew();
    fo__members_for_each(end_leases);
    resumed = fo__runtimes_resume();
    fo__cold_end();
    return renewed != FO_OK ? renewed : resumed;
}
