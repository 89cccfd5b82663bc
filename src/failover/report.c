/* SPDX-License-Identifier: Apache-2.0
 *
 * Reporting by name. The report holds its endpoint like a lease that is picked and finished at once,
 * because a weight function of the embedder's may look at it outside of the read section.
 */
#include "finish.h"
#include "members.h"
#include "outcome.h"
#include "rcu.h"

#include <string.h>

/** Holds the member of that name; NULL, with a status, if there is none. */
static struct fo_endpoint *hold(struct fo_balancer *balancer, const char *name, uint32_t *epoch,
                                fo_status *status)
{
    struct fo__row *row = fo__row_of(&balancer->core.rows);
    struct fo_endpoint *endpoint;

    fo__rcu_read_lock();
    *status = fo__load_acquire(&balancer->core.snapshot)->closed ? FO_CLOSED : FO_NOTFOUND;
    /* An endpoint leaves the index before the grace period of its removal begins: as one that is
     * picked through an old snapshot, it is counted before its leases are summed. */
    endpoint = *status == FO_CLOSED ? NULL : fo__names_get(&balancer->names, name);
    if (endpoint != NULL) {
        (void)fo__endpoint_start(endpoint, row, endpoint->cell);
        *epoch = fo__word_epoch(fo__load_acquire(endpoint->host->word));
        *status = FO_OK;
    }
    fo__rcu_read_unlock();
    return endpoint;
}

fo_status fo_report(struct fo_balancer *balancer, const char *name, fo_outcome outcome)
{
    struct fo__evidence evidence = {.outcome = outcome, .strikes = FO__STRIKES_NOW};
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
