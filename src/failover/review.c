/* SPDX-License-Identifier: Apache-2.0 */
#include "review.h"

struct verdict {
    fo_balancer_state state;
    struct fo__portion portion[FO__TIERS_MAX];
};

static void judge(const struct fo__snapshot *snapshot, struct verdict *verdict)
{
    struct fo__supply supply[FO__TIERS_MAX];

    for (uint32_t i = 0; i < snapshot->tier_count; i++) {
        const struct fo__tier *tier = &snapshot->tier[i];
        uint64_t worth = fo__load_relaxed(&tier->worth);

        /* An addition may be on its way: then the sum can be "negative" for a moment. */
        supply[i].live = worth <= tier->level_units * 2 ? worth : 0;
        supply[i].max = tier->level_units;
        supply[i].endpoints = tier->endpoints;
        supply[i].level = tier->level;
    }
    verdict->state =
        fo__levels_share(&snapshot->rule, supply, snapshot->tier_count, verdict->portion);
}

static uint64_t attention_of(fo_balancer_state state)
{
    return state == FO_BALANCER_NORMAL ? 0 : FO__ATTENTION_LEVELS;
}

static void write(struct fo__core *core, struct fo__snapshot *snapshot,
                  const struct verdict *verdict)
{
    for (uint32_t i = 0; i < snapshot->tier_count; i++) {
        fo__store_relaxed(&snapshot->tier[i].share_end, verdict->portion[i].end);
        fo__store_relaxed(&snapshot->tier[i].panic, verdict->portion[i].panic);
    }
    if (attention_of(verdict->state) != 0)
        fo__attention_raise(core, FO__ATTENTION_LEVELS);
    else
        fo__attention_end(core, FO__ATTENTION_LEVELS);
    (void)fo__exchange_acq_rel(&snapshot->state, (uint32_t)verdict->state);
}

static bool stands(struct fo__core *core, struct fo__snapshot *snapshot,
                   const struct verdict *verdict)
{
    for (uint32_t i = 0; i < snapshot->tier_count; i++)
        if (fo__load_relaxed(&snapshot->tier[i].share_end) != verdict->portion[i].end ||
            fo__load_relaxed(&snapshot->tier[i].panic) != verdict->portion[i].panic)
            return false;
    return (fo__attention(core) & FO__ATTENTION_LEVELS) == attention_of(verdict->state) &&
           fo__load_relaxed(&snapshot->state) == (uint32_t)verdict->state;
}

/** A snapshot that is replaced is the updater's business: it reviews the new one behind the grace period
 * that waits for us. Until then two reviews, of the old one and the new, could undo each other. */
static bool is_current(struct fo__core *core, const struct fo__snapshot *snapshot)
{
    return fo__load_relaxed(&core->snapshot) == snapshot;
}

void fo__review(struct fo__core *core, struct fo__snapshot *snapshot)
{
    struct verdict verdict;

    judge(snapshot, &verdict);
    do {
        write(core, snapshot, &verdict);
        judge(snapshot, &verdict);
    } while (!stands(core, snapshot, &verdict) && is_current(core, snapshot));
}
