/* SPDX-License-Identifier: Apache-2.0 */
#include "recent.h"

#include "rcu.h"

uint64_t fo__recent_now_ns(const struct fo__core *core)
{
    if ((fo__attention(core) & FO__ATTENTION_RECENT) == 0)
        return 0;
    return fo__clock_coarse_ns(core->clock);
}

static bool is_long_ago(const struct fo__core *core, uint64_t now_ns)
{
    uint64_t reuse_ns = fo__load_acquire(&core->settings)->reuse_recent_ns;

    return now_ns - fo__load_relaxed(&core->recent.finished_ns) >= reuse_ns;
}

uint32_t fo__recent_slot(const struct fo__core *core, const struct fo__snapshot *snapshot,
                         uint64_t now_ns)
{
    const struct fo__tier *tier = snapshot->tier;
    uint64_t id = fo__load_relaxed(&core->recent.id);
    uint32_t slot;

    if (now_ns == 0 || id == 0 || fo__load_relaxed(&core->recent.open) != 0 ||
        is_long_ago(core, now_ns) || fo__load_relaxed(&tier->worth) != tier->units_sum)
        return FO__NO_SLOT;
    slot = fo__snapshot_slot(snapshot, id);
    if (slot >= tier->n || fo__slot_units(snapshot, slot) == 0 ||
        !fo__word_is_whole(fo__load_acquire(snapshot->slot[slot].word)))
        return FO__NO_SLOT;
    return slot;
}

void fo__recent_finish(struct fo__core *core, uint64_t endpoint_id, bool succeeded)
{
    if (succeeded) {
        fo__store_relaxed(&core->recent.id, endpoint_id);
        fo__store_relaxed(&core->recent.finished_ns, fo__clock_coarse_ns(core->clock));
    }
    fo__sub_relaxed(&core->recent.open, 1);
}
