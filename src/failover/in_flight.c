/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests without a lease, counted by hand.
 */
#include "members.h"
#include "rcu.h"

#include <string.h>

/** Finds the member of that name, and changes its host's load in the section that it lives in. */
static fo_status change(struct fo_balancer *balancer, const char *name, uint64_t n,
                        void (*apply)(struct fo__load *load, uint64_t n))
{
    struct fo_endpoint *endpoint;
    fo_status status;

    if (balancer == NULL || name == NULL)
        return FO_EINVAL;
    if (strnlen(name, FO_NAME_MAX + 1) > FO_NAME_MAX)
        return FO_NOTFOUND;
    fo__rcu_read_lock();
    status = fo__load_acquire(&balancer->core.snapshot)->closed ? FO_CLOSED : FO_NOTFOUND;
    endpoint = status == FO_CLOSED ? NULL : fo__names_get(&balancer->names, name);
    if (endpoint != NULL) {
        apply(&endpoint->host->load, n);
        status = FO_OK;
    }
    fo__rcu_read_unlock();
    return status;
}

fo_status fo_in_flight_add(struct fo_balancer *balancer, const char *name, uint64_t n)
{
    return n > FO_IN_FLIGHT_MAX ? FO_EINVAL : change(balancer, name, n, fo__load_add);
}

fo_status fo_in_flight_sub(struct fo_balancer *balancer, const char *name, uint64_t n)
{
    return n > FO_IN_FLIGHT_MAX ? FO_EINVAL : change(balancer, name, n, fo__load_sub);
}

fo_status fo_in_flight_reset(struct fo_balancer *balancer, const char *name)
{
    return change(balancer, name, UINT64_MAX, fo__load_sub);
}
