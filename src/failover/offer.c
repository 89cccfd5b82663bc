/* SPDX-License-Identifier: Apache-2.0 */
#include "offer.h"

#include "lease.h"

static bool put_at(struct fo__core *core, uint32_t i, struct fo_endpoint *before,
                   struct fo_endpoint *endpoint)
{
    if (!fo__cas_acq_rel(&core->offer[i], &before, endpoint))
        return false;
    /* Also if the endpoint stood there: whoever cleared the bit may be lost in a fork(). */
    fo__attention_raise(core, FO__ATTENTION_OFFER(i));
    return true;
}

bool fo__offer_put(struct fo__core *core, struct fo_endpoint *endpoint)
{
    /* Exchanged for itself where it stands: a load could be too early to see a claim (offer.h). */
    for (uint32_t i = 0; i < FO__OFFERS; i++)
        if (fo__load_relaxed(&core->offer[i]) == endpoint && put_at(core, i, endpoint, endpoint))
            return true;
    for (uint32_t i = 0; i < FO__OFFERS; i++)
        if (put_at(core, i, NULL, endpoint))
            return true;
    return false;
}

void fo__offer_withdraw(struct fo__core *core, struct fo_endpoint *endpoint)
{
    for (uint32_t i = 0; i < FO__OFFERS; i++) {
        struct fo_endpoint *offered = endpoint;
        fo__cas_acq_rel(&core->offer[i], &offered, NULL);
    }
}

static void clear_bit(struct fo__core *core, uint32_t i)
{
    fo__attention_end(core, FO__ATTENTION_OFFER(i));
    if (fo__load_acquire(&core->offer[i]) != NULL)
        fo__attention_raise(core, FO__ATTENTION_OFFER(i));
}

/** The slot of the endpoint on offer, if the limits allow it. */
static uint32_t offered_slot(struct fo__core *core, struct fo__snapshot *snapshot, uint32_t i,
                             const struct fo__limits *limits)
{
    /* Acquire: pairs with the CAS in fo__offer_put(). The endpoint lives until this section ends. */
    struct fo_endpoint *endpoint = fo__load_acquire(&core->offer[i]);
    uint32_t slot;

    if (endpoint == NULL) {
        clear_bit(core, i);
        return FO__NO_SLOT;
    }
    slot = fo__snapshot_slot(snapshot, endpoint->id);
    if (slot == FO__NO_SLOT || fo__slot_units(snapshot, slot) == 0 ||
        fo__slot_tier(snapshot, slot)->level >= limits->level_limit ||
        !fo__limits_allow(limits, snapshot, slot))
        return FO__NO_SLOT;
    return slot;
}

static bool claim(struct fo__core *core, uint32_t i, struct fo_endpoint *endpoint)
{
    if (!fo__cas_acq_rel(&core->offer[i], &endpoint, NULL))
        return false;
    clear_bit(core, i);
    return true;
}

bool fo__offer_take(struct fo__core *core, struct fo__snapshot *snapshot, struct fo__row *row,
                    const struct fo__limits *limits, struct fo__counting *counting,
                    struct fo_lease *lease)
{
    uint64_t attention = fo__attention(core);

    for (uint32_t i = 0; i < FO__OFFERS; i++) {
        const struct fo__slot *slot;
        uint32_t at;
        uint64_t word;
        uint64_t taken;

        if ((attention & FO__ATTENTION_OFFER(i)) == 0)
            continue;
        at = offered_slot(core, snapshot, i, limits);
        if (at == FO__NO_SLOT)
            continue;
        slot = &snapshot->slot[at];
        if (!fo__counting_admit(counting, slot->endpoint))
            continue;
        if (!claim(core, i, slot->endpoint)) {
            fo__counting_forgo(counting, slot->endpoint);
            continue;
        }
        word = fo__load_acquire(slot->word);
        taken = fo__word_with_trial(word);
        if ((word & FO__FLAG_DUE) != 0 && fo__cas_acq_rel(slot->word, &word, taken)) {
            fo__lease_start(lease, core, row, slot, taken, FO__LEASE_IS_TRIAL, counting->counts);
            return true;
        }
        fo__counting_forgo(counting, slot->endpoint);
    }
    return false;
}
