/* SPDX-License-Identifier: Apache-2.0
 *
 * As pick.c's, with a policy in the place of the first sample (choose.h), and room made in tallies
 * (counting.h). Anything else that wants attention, and a tier that has nothing for the pick, takes the
 * long way (errand.h).
 */
#include "pick_load.h"

#include "choose.h"
#include "rcu.h"

static __attribute__((noinline)) fo_status pick_aside(struct fo__core *core, struct fo_lease *lease)
{
    const struct fo_pick_options none = fo_pick_options_init();

    return fo__errand_pick(core, &none, false, lease);
}

/** Nothing was found where it should be: in the pick's section, from the beginning. */
static __attribute__((noinline)) fo_status start_again(struct fo__errand *errand)
{
    fo__counting_leave(&errand->counting, errand->core);
    return fo__errand_run(errand);
}

static fo_status take(struct fo__errand *errand, const struct fo__slot *slot,
                      const struct fo__rcu_section *section)
{
    uint64_t counts = errand->counting.counts;

    if (errand->counting.now_ns != 0) {
        errand->lease->reserved_wide[FO__LEASE_NONCE] = errand->counting.now_ns;
        counts |= FO__COUNTS_DATED;
    }
    errand->lease->reserved_pointer[FO__LEASE_COUNTS] = (void *)(uintptr_t)counts;
    return fo__lease_take(errand->core, errand->row, slot,
                          fo__lease_word(errand->word) | FO__LEASE_IS_COUNTED, section,
                          errand->lease);
}

fo_status fo__pick_load(struct fo__core *core, struct fo_lease *lease)
{
    const uint64_t others = ~(FO__ATTENTION_LOAD | FO__ATTENTION_LEVELS);
    uint64_t attention = fo__attention(core);
    struct fo__errand errand; /* filled field by field: zeroing it all costs 5 ns */
    struct fo__rcu_section section;
    const struct fo__tier *tier;
    const struct fo__slot *slot;

    errand.core = core;
    errand.limits = &fo__no_limits;
    errand.lease = lease;
    errand.now_ns = 0;
    errand.is_further = false;
    errand.row = fo__row_at_home(core->rows.balancer_id);
    if (fo__unlikely((attention & others) != 0 || errand.row == NULL))
        return pick_aside(core, lease);
    errand.counting.now_ns = fo__counting_now_ns(core);
    if (fo__unlikely(!fo__rcu_enter(&section)))
        return pick_aside(core, lease);
    errand.snapshot = fo__load_acquire(&core->snapshot);
    fo__counting_begin(&errand.counting, core);
    if (fo__unlikely(errand.counting.rules == NULL || errand.snapshot->count == 0 ||
                     !fo__counting_enter(&errand.counting, core)))
        return start_again(&errand);
    tier = (attention & FO__ATTENTION_LEVELS) != 0 ? fo__tier_due(errand.snapshot, errand.row)
                                                   : errand.snapshot->tier;
    slot = fo__choose(&errand, tier);
    return fo__likely(slot != NULL) ? take(&errand, slot, &section) : start_again(&errand);
}
