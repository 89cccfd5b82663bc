/* SPDX-License-Identifier: Apache-2.0 */
#include "counting.h"

/** The slice of time that it is; false: none, for leases are never lost, or no time is known. */
static bool has_slice(const struct fo__counting *counting, uint32_t *slice)
{
    if (fo__likely(counting->rules->slice_ns == 0 || counting->now_ns == 0))
        return false;
    *slice = (uint32_t)(counting->now_ns / counting->rules->slice_ns) & FO__SLICE_MASK;
    return true;
}

bool fo__counting_count(struct fo__counting *counting, struct fo__tally *tally, uint64_t limit,
                        uint64_t counted, uint64_t ages)
{
    uint32_t slice = 0;
    bool sliced = has_slice(counting, &slice);

    if (!fo__tally_admit(tally, limit)) {
        if (!sliced)
            return false;
        fo__tally_expire(tally, slice); /* what is lost may be all that is in the way */
        if (!fo__tally_admit(tally, limit))
            return false;
    }
    counting->counts |= counted;
    if (sliced && fo__tally_enter(tally, slice))
        counting->counts |= ages | (uint64_t)slice << FO__COUNTS_SLICE_SHIFT;
    return true;
}

void fo__counting_leave(struct fo__counting *counting, struct fo__core *core)
{
    if ((counting->counts & FO__COUNTS_BALANCER) != 0)
        fo__counting_take_back(&core->tally, counting->counts, FO__COUNTS_BALANCER_AGES);
    counting->counts = 0;
}

void fo__counting_forgo(struct fo__counting *counting, struct fo_endpoint *endpoint)
{
    if ((counting->counts & FO__COUNTS_HOST) == 0)
        return;
    fo__counting_take_back(&endpoint->host->load.tally, counting->counts, FO__COUNTS_HOST_AGES);
    counting->counts &= FO__COUNTS_BALANCER | FO__COUNTS_BALANCER_AGES |
                        (uint64_t)FO__SLICE_MASK << FO__COUNTS_SLICE_SHIFT;
}
