/* SPDX-License-Identifier: Apache-2.0
 *
 * Reporting by name. The report holds its endpoint like a lease that is picked and finished at once,
 * because a weight function of the embedder's may look at it outside of the read section.
 */
#include "finish.h"
#include "lease.h"
#include "members.h"
#include "outcome.h"
#include "rcu.h"

#include <string.h>

/** Holds the member of that name; NULL if there is none. */
static struct fo_endpoint *hold(struct fo_balancer *balancer, const char *name, uint32_t *epoch,
                                fo_status *status)
{
    struct fo__core *core = &balancer->core;
    struct fo__row *row = fo__row_of(&core->rows);
    struct fo__snapshot *snapshot;
    struct fo_endpoint *endpoint;
    struct fo_lease lease;
    uint32_t slot = FO__NO_SLOT;

    fo__rcu_read_lock();
    snapshot = fo__load_acquire(&core->snapshot);
    endpoint = fo__names_get(&balancer->names, name);
    /* Through its slot, as a pick: what is in no snapshot may be draining already. */
    if (endpoint != NULL)
        slot = fo__snapshot_slot(snapshot, endpoint->id);
    if (slot != FO__NO_SLOT) {
        uint64_t word = fo__load_acquire(&endpoint->host->word);

        fo__lease_start(&lease, core, row, &snapshot->slot[slot], word, 0);
        *epoch = fo__word_epoch(word);
    }
    *status = snapshot->closed ? FO_CLOSED : slot == FO__NO_SLOT ? FO_NOTFOUND : FO_OK;
    fo__rcu_read_unlock();
    return slot != FO__NO_SLOT ? endpoint : NULL;
}

fo_status fo_report(struct fo_balancer *balancer, const char *name, fo_outcome outcome)
{
    struct fo__evidence evidence = {.outcome = outcome, .is_trial = false, .has_lease = false};
    struct fo_endpoint *endpoint;
    fo_status status;

    if (balancer == NULL || name == NULL || !fo__outcome_is_valid(outcome))
        return FO_EINVAL;
    if (strnlen(name, FO_NAME_MAX + 1) > FO_NAME_MAX)
        return FO_NOTFOUND;
    endpoint = hold(balancer, name, &evidence.epoch, &status);
    if (endpoint == NULL)
        return status;
    fo__outcome_apply(&balancer->core, endpoint, &evidence);
    fo__finish_count(&balancer->core, endpoint, fo__outcome_is_failed(outcome));
    return FO_OK;
}
