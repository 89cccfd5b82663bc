/* SPDX-License-Identifier: Apache-2.0
 *
 * Several at once, and one of several balancers.
 *
 * Few of many: one pick after another, each excluding those before. Exactly successive sampling, as
 * long as the picks are independent of each other: so only the first uses the Weyl sequence.
 *
 * Many of few: every slot gets a key -ln(u) / weight, and the n smallest keys win (Efraimidis and
 * Spirakis 2006): the key is the time at which an exponential clock of that rate rings, and who rings
 * first, then second, … is successive sampling again. One pass with a heap of n, which lies in the
 * caller's leases: nothing is allocated.
 *
 *     quotas    which tier's turn it is, n times over; what a tier cannot give goes to the best others
 *     reservoir each tier's quota, into leases[0 … got)
 *     fill      heap entries become leases
 */
#include "abi.h"
#include "draw.h"
#include "errand.h"
#include "lease.h"
#include "lease_check.h"
#include "rcu.h"
#include "sample.h"

#include <math.h>
#include <string.h>

/* ---- Few of many -------------------------------------------------------------------------- */

static fo_status pick_few(struct fo_balancer *balancer, const struct fo_pick_options *options,
                          size_t n, struct fo_lease *leases, size_t *got)
{
    struct fo__core *core = (struct fo__core *)(void *)balancer;
    struct fo_pick_options more = *options;
    uint64_t exclude[FO_EXCLUDE_MAX];
    fo_status status = fo_pick_with(balancer, options, &leases[0]);

    if (status != FO_OK)
        return status;
    for (size_t i = 0; i < options->exclude_count; i++)
        exclude[i] = options->exclude[i];
    more.exclude = exclude;
    more.strict = true; /* no endpoint twice */
    for (*got = 1; *got < n && status == FO_OK; *got += status == FO_OK ? 1 : 0) {
        exclude[more.exclude_count++] = leases[*got - 1].endpoint->id;
        status = fo__errand_pick(core, &more, true, &leases[*got]);
    }
    return FO_OK;
}

/* ---- Many of few -------------------------------------------------------------------------- */

/* A lease while it is an entry of the heap. */
enum { KEY = FO__LEASE_TAKEN_WITH, SLOT = FO__LEASE_THREAD };

static double key_of(const struct fo_lease *entry)
{
    double key;

    memcpy(&key, &entry->reserved_wide[KEY], sizeof(key));
    return key;
}

static void set_entry(struct fo_lease *entry, double key, uint32_t slot)
{
    memcpy(&entry->reserved_wide[KEY], &key, sizeof(key));
    entry->reserved_wide[SLOT] = slot;
}

static void swap(struct fo_lease *a, struct fo_lease *b)
{
    struct fo_lease kept = *a;

    *a = *b;
    *b = kept;
}

/** The largest key of the heap comes first: it is the next to go. */
static void sift_down(struct fo_lease *heap, size_t count, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < count && key_of(&heap[child + 1]) > key_of(&heap[child]))
            child++;
        if (child >= count || key_of(&heap[child]) <= key_of(&heap[at]))
            return;
        swap(&heap[at], &heap[child]);
        at = child;
    }
}

static void sift_up(struct fo_lease *heap, size_t at)
{
    while (at > 0 && key_of(&heap[at]) > key_of(&heap[(at - 1) / 2])) {
        swap(&heap[at], &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

/** What picks a slot by live weight, or by max weight when nothing is healthy. */
struct measure {
    const struct fo__limits *limits;
    const struct fo__load_rules *rules; /* NULL: everything has room */
    bool regardless;
};

static uint64_t measured(const struct fo__snapshot *snapshot, const struct fo__tier *tier,
                         uint32_t slot, const struct measure *measure)
{
    if (!fo__limits_allow(measure->limits, snapshot, slot) ||
        (measure->rules != NULL &&
         !fo__counting_has_room(measure->rules, snapshot->slot[slot].endpoint)))
        return 0;
    return measure->regardless || fo__load_relaxed(&tier->panic)
               ? fo__slot_units(snapshot, slot)
               : fo__slot_claim(snapshot, slot, fo__load_acquire(snapshot->slot[slot].word));
}

/** Takes up to `quota` slots of the tier into the heap; returns how many. */
static size_t take_from(const struct fo__snapshot *snapshot, const struct fo__tier *tier,
                        struct fo__row *row, const struct measure *measure, size_t quota,
                        struct fo_lease *heap)
{
    size_t count = 0;

    if (quota == 0 || tier->level >= measure->limits->level_limit)
        return 0;
    for (uint32_t slot = tier->first; slot < tier->first + tier->n; slot++) {
        uint64_t worth = measured(snapshot, tier, slot, measure);
        double u = ((double)(fo__rng_next(&row->rng) >> 11) + 0.5) * 0x1p-53; /* in (0, 1) */
        double key = worth > 0 ? -log(u) / (double)worth : INFINITY;

        if (worth == 0 || (count == quota && key >= key_of(&heap[0])))
            continue;
        if (count < quota) {
            set_entry(&heap[count], key, slot);
            sift_up(heap, count++);
        } else {
            set_entry(&heap[0], key, slot);
            sift_down(heap, count, 0);
        }
    }
    return count;
}

static size_t count_able(const struct fo__snapshot *snapshot, const struct fo__tier *tier,
                         const struct measure *measure)
{
    size_t able = 0;

    if (tier->level >= measure->limits->level_limit)
        return 0;
    for (uint32_t slot = tier->first; slot < tier->first + tier->n; slot++)
        able += measured(snapshot, tier, slot, measure) > 0 ? 1 : 0;
    return able;
}

/** How many each tier gives: as often as its turn came in n turns, and what one cannot give, the best
 * others that can. */
static void share_out(const struct fo__errand *errand, const struct measure *measure, size_t n,
                      size_t *quota)
{
    const struct fo__snapshot *snapshot = errand->snapshot;
    size_t able[FO__TIERS_MAX] = {0};
    size_t missing = 0;

    for (uint32_t i = 0; i < snapshot->tier_count; i++) {
        able[i] = count_able(snapshot, &snapshot->tier[i], measure);
        quota[i] = 0;
    }
    for (size_t turn = 0; turn < n; turn++) {
        size_t tier = (size_t)(fo__tier_due(snapshot, errand->row) - snapshot->tier);

        if (quota[tier] < able[tier])
            quota[tier]++;
        else
            missing++;
    }
    for (uint32_t i = 0; i < snapshot->tier_count && missing > 0; i++) {
        size_t more = able[i] - quota[i] < missing ? able[i] - quota[i] : missing;

        quota[i] += more;
        missing -= more;
    }
}

/** Entries for up to n slots; returns how many. */
static size_t take_all(const struct fo__errand *errand, const struct measure *measure, size_t n,
                       struct fo_lease *leases)
{
    size_t quota[FO__TIERS_MAX];
    size_t got = 0;

    share_out(errand, measure, n, quota);
    for (uint32_t i = 0; i < errand->snapshot->tier_count; i++)
        got += take_from(errand->snapshot, &errand->snapshot->tier[i], errand->row, measure,
                         quota[i], &leases[got]);
    return got;
}

/** Makes room for one more, as errand.c does. */
static bool admit(struct fo__counting *counting, struct fo__core *core,
                  struct fo_endpoint *endpoint)
{
    fo__counting_begin(counting, core);
    if (!fo__counting_enter(counting, core))
        return false;
    if (fo__counting_admit(counting, endpoint))
        return true;
    fo__counting_leave(counting, core);
    return false;
}

/** Entries become leases, but for those that have no room any more; returns how many. */
static size_t fill(struct fo__errand *errand, struct fo_lease *leases, size_t got)
{
    size_t filled = 0;

    for (size_t i = 0; i < got; i++) {
        const struct fo__slot *slot = &errand->snapshot->slot[leases[i].reserved_wide[SLOT]];

        if (admit(&errand->counting, errand->core, slot->endpoint))
            fo__lease_start(&leases[filled++], errand->core, errand->row, slot,
                            fo__load_acquire(slot->word), 0, errand->counting.counts);
    }
    return filled;
}

/** Whether something would do, if it had room. */
static bool is_full(const struct fo__errand *errand)
{
    struct measure measure = {.limits = errand->limits};
    size_t able = 0;

    if (errand->counting.rules == NULL || errand->snapshot->count == 0)
        return false;
    for (uint32_t i = 0; i < errand->snapshot->tier_count; i++)
        able += count_able(errand->snapshot, &errand->snapshot->tier[i], &measure);
    return able > 0;
}

/** As errand.c does for one: what is healthy within the limits; else, if an excluded one is healthy, that
 * one, unless it must not be; else, as a last resort, what is down. */
static size_t take_in_turn(const struct fo__errand *errand, size_t n, struct fo_lease *leases)
{
    struct fo__limits all = *errand->limits; /* without exclusions */
    struct measure measure = {.limits = errand->limits, .rules = errand->counting.rules};
    size_t got = take_all(errand, &measure, n, leases);

    if (got == 0 && is_full(errand))
        return 0;
    all.without.count = 0;
    if (got == 0 && errand->limits->without.count > 0) {
        measure.limits = &all;
        got = take_all(errand, &measure, n, leases);
        if (got > 0 && errand->limits->strict)
            return 0;
    }
    if (got > 0 || !errand->snapshot->rule.has_last_resort)
        return got;
    measure.regardless = true;
    measure.limits = errand->limits;
    got = take_all(errand, &measure, n, leases);
    if (got == 0 && !errand->limits->strict) {
        measure.limits = &all;
        got = take_all(errand, &measure, n, leases);
    }
    return got;
}

static fo_status pick_most(struct fo__core *core, const struct fo_pick_options *options, size_t n,
                           struct fo_lease *leases, size_t *got)
{
    struct fo__limits limits;
    struct fo__errand errand = {.core = core, .limits = &limits, .row = fo__row_of(&core->rows)};
    fo_status nothing;

    errand.counting.now_ns = fo__counting_now_ns(core);
    fo__rcu_read_lock();
    errand.snapshot = fo__load_acquire(&core->snapshot);
    fo__limits_read(&limits, core, errand.snapshot, options);
    fo__counting_begin(&errand.counting, core);
    nothing = is_full(&errand) ? FO_OVERLOADED : fo__nothing_in(errand.snapshot);
    if (errand.snapshot->count > 0)
        *got = take_in_turn(&errand, n, leases);
    *got = fill(&errand, leases, *got);
    fo__rcu_read_unlock();
    if ((fo__attention(core) & FO__ATTENTION_CHECK) != 0)
        for (size_t i = 0; i < *got; i++)
            fo__lease_check_open(&leases[i]);
    return *got > 0 ? FO_OK : nothing;
}

/* ---- Public ------------------------------------------------------------------------------- */

static bool are_few(struct fo__core *core, const struct fo_pick_options *options, size_t n)
{
    uint32_t count;

    fo__rcu_read_lock();
    count = fo__load_acquire(&core->snapshot)->count;
    fo__rcu_read_unlock();
    return options->exclude_count + n <= FO_EXCLUDE_MAX &&
           (count <= FO_EXCLUDE_MAX || n <= count / 4);
}

fo_status fo_pick_many(struct fo_balancer *balancer, const struct fo_pick_options *options,
                       size_t n, struct fo_lease *leases, size_t *got)
{
    struct fo_pick_options ours = fo_pick_options_init();
    struct fo__core *core = (struct fo__core *)(void *)balancer;
    fo_status status;

    if (balancer == NULL || n == 0 || leases == NULL || got == NULL ||
        (options != NULL && !fo__abi_read(&ours, sizeof(ours), options)) ||
        !fo__pick_options_are_valid(&ours) || ours.key != NULL)
        return FO_EINVAL;
    *got = 0;
    status = are_few(core, &ours, n) ? pick_few(balancer, &ours, n, leases, got)
                                     : pick_most(core, &ours, n, leases, got);
    for (size_t i = *got; i < n; i++)
        leases[i] = fo_lease_init();
    return status;
}

static bool has_something_healthy(struct fo_balancer *balancer)
{
    struct fo__core *core = (struct fo__core *)(void *)balancer;
    fo_balancer_state state;

    fo__rcu_read_lock();
    state = (fo_balancer_state)fo__load_relaxed(&fo__load_acquire(&core->snapshot)->state);
    fo__rcu_read_unlock();
    return fo__state_is_available(state);
}

fo_status fo_pick_chain(struct fo_balancer *const *balancers, size_t n,
                        const struct fo_pick_options *options, struct fo_lease *lease)
{
    struct fo_pick_options first = fo_pick_options_init();
    fo_status status = FO_EINVAL;

    if (options != NULL && !fo__abi_read(&first, sizeof(first), options))
        return FO_EINVAL;
    first.strict = true; /* rather another balancer than what was tried already */
    for (size_t i = 0; i < n; i++) {
        if (!has_something_healthy(balancers[i]))
            continue;
        status = fo_pick_with(balancers[i], &first, lease);
        if (status == FO_OK || status == FO_EINVAL)
            return status;
    }
    for (size_t i = 0; i < n; i++) {
        status = fo_pick_with(balancers[i], options, lease);
        if (status == FO_OK || status == FO_EINVAL)
            return status;
    }
    return status;
}
