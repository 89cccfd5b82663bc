/* SPDX-License-Identifier: Apache-2.0
 *
 * Replacing a snapshot: one store, one grace period, and what may only happen behind it.
 *
 *     publish ─► leavers: DRAINING ─► grace period ─► mend the new sums, review, settle leavers, free
 *                                                      the old
 *
 * Ordering
 *   (D) publication is a release store of core.snapshot, read acquire by every pick.
 *   (E) `leaving` is raised before DRAINING is stored, both before the grace period: a finish that
 *       starts behind it sees both and goes to release.c; one that started in front of it may count
 *       in its row, and the sum taken behind the grace period has that count.
 */
#include "publish.h"

#include "offer.h"
#include "rcu.h"
#include "review.h"

static int64_t open_leases(struct fo_endpoint *endpoint)
{
    struct fo__counts counts = fo__endpoint_counts(endpoint, &endpoint->core->rows);
    return (int64_t)(counts.started - counts.finished);
}

void fo__publish_settle(struct fo_endpoint *endpoint)
{
    if (fo__release_settle(&endpoint->release, open_leases(endpoint)))
        fo__endpoint_tell(endpoint, FO__PENDING_RELEASED);
}

void fo__publish_fold_revived(struct fo_endpoint *endpoint)
{
    fo__add_release(&endpoint->shared.finished, (uint64_t)fo__release_revived(&endpoint->release));
}

/** After the grace period: REMOVED is told before RELEASED can be. */
static void settle_leaver(struct fo_endpoint *endpoint)
{
    fo__offer_withdraw(endpoint->core, endpoint);
    fo__endpoint_tell(endpoint, FO__PENDING_REMOVED);
    fo__publish_settle(endpoint);
}

/** Slots without weight take no trial. */
static void withdraw_worthless(struct fo__snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->count; i++)
        if (fo__slot_units(snapshot, i) == 0)
            fo__offer_withdraw(snapshot->slot[i].endpoint->core, snapshot->slot[i].endpoint);
}

void fo__publish(struct fo_balancer *balancer, struct fo__snapshot *snapshot,
                 struct fo_endpoint *const *leavers, size_t leaver_count)
{
    struct fo__snapshot *old = fo__load_relaxed(&balancer->core.snapshot);

    for (uint32_t i = 0; i < snapshot->count; i++)
        fo__store_relaxed(&snapshot->slot[i].endpoint->level, fo__slot_tier(snapshot, i)->level);
    fo__store_release(&balancer->core.snapshot, snapshot); /* pairs with the picks' acquire */
    fo__review(&balancer->core, snapshot);
    for (size_t i = 0; i < leaver_count; i++) {
        fo__members_begin_leaving(balancer, leavers[i]);
        fo__release_begin(&leavers[i]->release);
    }
    fo__rcu_synchronize();
    if (snapshot->keyed != NULL) {
        balancer->key_builds++;
        balancer->key_change = fo__keyed_compare(old->keyed, snapshot->keyed);
    }
    fo__names_reap(&balancer->names);
    /* Changers in older sections have mended the old sums only, and the new ones may have been built
     * from words that were older still. */
    (void)fo__snapshot_mend_all(snapshot);
    fo__review(&balancer->core, snapshot);
    withdraw_worthless(snapshot);
    for (size_t i = 0; i < leaver_count; i++)
        settle_leaver(leavers[i]);
    fo__add_release(&balancer->publications, 1); /* pairs with fo__judge_publication() */
    /* The dispatcher may have looked at the old snapshot: whether anything is healthy is told by anybody. */
    if (snapshot->count > 0)
        fo__endpoint_tell(snapshot->slot[0].endpoint, 0);
    fo__snapshot_destroy(old);
}

fo_status fo__publish_anew(struct fo_balancer *balancer)
{
    struct fo__snapshot *snapshot = fo__snapshot_create(&balancer->placement, balancer->members,
                                                        balancer->count, balancer->index_end);

    if (snapshot == NULL)
        return FO_NOMEM;
    fo__publish(balancer, snapshot, NULL, 0);
    return FO_OK;
}

void fo__publish_close(struct fo_balancer *balancer)
{
    balancer->closing = true;
    for (uint32_t i = 0; i < balancer->count; i++)
        fo__name_set(balancer->members[i]->entry, NULL);
    fo__publish(balancer, balancer->closed_snapshot, balancer->members, balancer->count);
    balancer->count = 0;
}
