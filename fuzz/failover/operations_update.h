/* SPDX-License-Identifier: Apache-2.0
 *
 * The updates of operations_fuzz: a list from the input, right or wrong, given to the library and
 * then applied to the model.
 *
 *     refused   the status is one that some entry deserves, the offender is such an entry, and
 *               every balancer shows what it showed before
 *     done      no entry deserved a refusal; members, order, incarnations, drains and the three
 *               lists of the result are the model's; a host that somebody is on stays as it is
 */
#ifndef OPERATIONS_UPDATE_H
#define OPERATIONS_UPDATE_H

#include "operations_world.h"

#include <math.h>

#define UPSERTS_MAX (NAMES + 8)
#define REMOVALS_MAX 8u

/* ---- A list from the input ------------------------------------------------------------- */

struct order {
    struct fo_endpoint_config upsert[UPSERTS_MAX];
    unsigned upsert_name[UPSERTS_MAX];
    unsigned n;
    const char *removal[REMOVALS_MAX];
    unsigned removal_name[REMOVALS_MAX];
    unsigned m;
    bool replace;
};

static void upsert_from(struct input *input, struct order *order, unsigned name)
{
    static const double pairs[][2] = {
        {100, 0},     {100, 5},     {1, 0},      {0, 0},        {1e12, 0},  {1e12, 1e-3},
        {1048576, 0}, {37.5, 37.5}, {1e-300, 0}, {1e-9, 5e-10}, {250, 100}, {100, 0},
        {100, 50},    {3, 1},       {100, 0},    {100, 0},
    };
    struct fo_endpoint_config *config = &order->upsert[order->n];
    unsigned shape = input_byte(input);
    unsigned look = input_byte(input);

    *config = fo_endpoint_config_init(text_of(name));
    config->max_weight = pairs[shape % 16][0];
    config->min_weight = pairs[shape % 16][1];
    if ((shape & 0x10) != 0)
        config->init_weight = config->min_weight;
    if ((shape & 0x20) != 0)
        config->init_weight = (config->min_weight + config->max_weight) / 2;
    if (shape >= 0xf8) { /* something is wrong with it */
        static const double bad[] = {-1, (double)NAN, HUGE_VAL, 1e13};
        double *field[] = {&config->max_weight, &config->min_weight};

        *field[shape & 1] = bad[(shape >> 1) & 3];
    } else if (shape >= 0xf0) {
        config->init_weight = (shape & 1) != 0 ? config->max_weight * 2 + 1 : (double)NAN;
    }
    config->tags = look & 7;
    config->data = (look >> 3) % 4 == 3 ? NULL : &w.data[name % NAMES][(look >> 3) % 4];
    order->upsert_name[order->n++] = name;
}

static void order_from(struct input *input, struct order *order, bool replace)
{
    unsigned shape = input_byte(input);
    unsigned count = shape & 7;

    memset(order, 0, sizeof(*order));
    order->replace = replace;
    if ((shape & 0x80) != 0) { /* many alike, for large balancers */
        struct input alike = *input;
        unsigned first = input_below(input, NAMES);

        count = count * 6;
        for (unsigned i = 0; i < count && first + i < NAMES; i++) {
            alike = *input;
            upsert_from(&alike, order, first + i);
        }
        *input = alike;
        count = 0;
    }
    for (unsigned i = 0; i < count; i++)
        upsert_from(input, order, name_from(input));
    for (unsigned i = 0; !replace && i < (shape >> 3 & 7); i++) {
        order->removal_name[i] = name_from(input);
        order->removal[i] = text_of(order->removal_name[i]);
        order->m++;
    }
}

/* ---- What the list deserves ------------------------------------------------------------ */

static bool is_weight(double weight)
{
    return isfinite(weight) && weight >= 0 && weight <= FO_WEIGHT_MAX;
}

static bool upsert_is_bad(const struct order *order, size_t i)
{
    const struct fo_endpoint_config *config = &order->upsert[i];
    double init = config->init_weight;

    return order->upsert_name[i] >= NAMES || !is_weight(config->max_weight) ||
           !is_weight(config->min_weight) || config->min_weight > config->max_weight ||
           (init != FO_INIT_WEIGHT_MAX &&
            !(is_weight(init) && init >= config->min_weight && init <= config->max_weight));
}

static unsigned count_name(const struct order *order, unsigned name)
{
    unsigned count = 0;

    for (unsigned i = 0; i < order->n; i++)
        count += order->upsert_name[i] == name ? 1 : 0;
    for (unsigned i = 0; i < order->m; i++)
        count += order->removal_name[i] == name ? 1 : 0;
    return count;
}

/** Whether an entry deserves that status. */
static bool deserves(struct subject *subject, const struct order *order, fo_status status, size_t i,
                     bool removal)
{
    unsigned name = removal ? order->removal_name[i] : order->upsert_name[i];

    switch (status) {
    case FO_EINVAL: return removal ? name >= NAMES : upsert_is_bad(order, i);
    case FO_DUPLICATE: return name < NAMES && count_name(order, name) > 1;
    case FO_NOTFOUND: return removal && name < NAMES && find_member(subject, name) == NULL;
    default: return false;
    }
}

static bool anything_deserves(struct subject *subject, const struct order *order, fo_status status)
{
    bool any = false;

    for (unsigned i = 0; i < order->n; i++)
        any = any || deserves(subject, order, status, i, false);
    for (unsigned i = 0; i < order->m; i++)
        any = any || deserves(subject, order, status, i, true);
    return any;
}

static void check_refusal(struct subject *subject, const struct order *order, fo_status status,
                          const struct fo_update_result *result)
{
    MUST(anything_deserves(subject, order, status));
    if (result == NULL)
        return;
    MUST(result->added_count + result->updated_count + result->removed_count == 0);
    MUST(result->offence[0] != '\0');
    MUST(result->offender < (result->offender_removal ? order->m : order->n));
    MUST(deserves(subject, order, status, result->offender, result->offender_removal));
}

static const struct fo_update_entry *find_entry(const struct fo_update_entry *entries, size_t count,
                                                const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].name, name) == 0)
            return &entries[i];
    return NULL;
}

/* ---- Applying it to the model ---------------------------------------------------------- */

/** An incarnation that is leaving with that name and data and is still held by a lease. */
static struct incarnation *find_leaving(struct subject *subject, unsigned name, const void *data)
{
    struct incarnation *at = subject->incarnations;

    while (at != NULL &&
           (at->is_member || at->name != name || at->data != data || open_of(at) == 0))
        at = at->next;
    return at;
}

static struct incarnation *bear(struct subject *subject, unsigned name, void *data, uint64_t id)
{
    struct incarnation *born = calloc(1, sizeof(*born));

    MUST(born != NULL && id != 0 && find_id(subject, id) == NULL);
    born->subject = subject;
    born->name = name;
    born->data = data;
    born->id = id;
    born->told_state = FO_STATE_UP;
    born->next = subject->incarnations;
    subject->incarnations = born;
    return born;
}

/** Takes a member out of the model's list. */
static void drop_member(struct subject *subject, struct member *member)
{
    unsigned at = (unsigned)(member - subject->member);

    member->incarnation->is_member = false;
    memmove(member, member + 1, (subject->count - at - 1) * sizeof(*member));
    subject->count--;
}

/** A host that somebody is on stays as it is; one that nobody was on begins as told. */
static void check_first_look(struct host *host, bool was_used,
                             const struct fo_endpoint_config *config)
{
    struct host seen;
    double health = 1;

    MUST(look(host, &seen));
    if (host->known && was_used)
        MUST(is_same(host, &seen));
    if (config->init_weight != FO_INIT_WEIGHT_MAX && config->max_weight > 0)
        health = config->init_weight / config->max_weight;
    if (!was_used && !w.in_listener)
        MUST(fabs(seen.health - health) < 1e-9 && seen.epoch == (seen.health > 0 ? 0 : 1) &&
             seen.state == (seen.health > 0 ? FO_STATE_UP : FO_STATE_DOWN));
    enter(host, &seen);
}

/** One upsert of an update that succeeded. */
static void apply_upsert(struct subject *subject, const struct order *order, unsigned i,
                         const struct fo_update_result *result)
{
    const struct fo_endpoint_config *config = &order->upsert[i];
    unsigned name = order->upsert_name[i];
    struct member *member = find_member(subject, name);
    struct member next = {.max_weight = config->max_weight,
                          .min_weight = config->min_weight,
                          .tags = config->tags,
                          .drained = member != NULL && member->drained};
    struct fo_endpoint_info info = fo_endpoint_info_init();
    const struct fo_update_entry *entry = NULL;
    uint64_t previous_id = member != NULL ? member->incarnation->id : 0;
    bool was_used = host_is_used(&subject->hosts[name]);
    bool changed = true;

    MUST(fo_endpoint_status(subject->balancer, text_of(name), &info) == FO_OK);
    if (member != NULL && member->incarnation->data == config->data) {
        changed = member->max_weight != next.max_weight || member->min_weight != next.min_weight ||
                  member->tags != next.tags;
        next.incarnation = member->incarnation;
        *member = next;
    } else {
        next.incarnation = find_leaving(subject, name, config->data);
        if (member != NULL)
            drop_member(subject, member);
        if (next.incarnation == NULL)
            next.incarnation = bear(subject, name, config->data, info.id);
        next.incarnation->is_member = true;
        subject->member[subject->count++] = next;
    }
    MUST(info.id == next.incarnation->id);
    check_first_look(&subject->hosts[name], was_used, config);
    if (result == NULL)
        return;
    entry = previous_id == 0 ? find_entry(result->added, result->added_count, text_of(name))
                             : find_entry(result->updated, result->updated_count, text_of(name));
    MUST((entry != NULL) == changed);
    MUST(entry == NULL || (entry->id == info.id && entry->previous_id == previous_id));
}

static bool is_upserted(const struct order *order, unsigned name)
{
    for (unsigned i = 0; i < order->n; i++)
        if (order->upsert_name[i] == name)
            return true;
    return false;
}

static bool is_removed(const struct order *order, unsigned name)
{
    if (order->replace)
        return !is_upserted(order, name);
    return count_name(order, name) > 0 && !is_upserted(order, name);
}

static void apply_removals(struct subject *subject, const struct order *order,
                           const struct fo_update_result *result)
{
    unsigned removed = 0;

    for (unsigned i = 0; i < subject->count;) {
        struct incarnation *incarnation = subject->member[i].incarnation;
        const char *name = text_of(incarnation->name);

        if (!is_removed(order, incarnation->name)) {
            i++;
            continue;
        }
        drop_member(subject, &subject->member[i]);
        look_and_enter(&subject->hosts[incarnation->name]);
        removed++;
        if (result != NULL) {
            const struct fo_update_entry *entry =
                find_entry(result->removed, result->removed_count, name);
            MUST(entry != NULL && entry->id == incarnation->id);
        }
    }
    MUST(result == NULL || result->removed_count == removed);
}

static void check_lists(struct subject *subject, const struct order *order,
                        const struct fo_update_result *result)
{
    size_t added = 0;

    for (unsigned i = 0; i < order->n; i++) /* before anything is applied */
        if (find_member(subject, order->upsert_name[i]) == NULL)
            MUST(added < result->added_count &&
                 strcmp(result->added[added++].name, text_of(order->upsert_name[i])) == 0);
    MUST(result->added_count == added);
    MUST(result->added_count + result->updated_count <= order->n);
    MUST(result->offender == SIZE_MAX && result->offence[0] == '\0');
}

static void apply(struct subject *subject, const struct order *order,
                  const struct fo_update_result *result)
{
    if (result != NULL)
        check_lists(subject, order, result);
    apply_removals(subject, order, result);
    for (unsigned i = 0; i < order->n; i++)
        apply_upsert(subject, order, i, result);
}

/* ---- Steps ----------------------------------------------------------------------------- */

static void update(struct subject *subject, bool replace)
{
    static struct order order;
    struct fo_update_result memory = fo_update_result_init();
    struct fo_update_result *result = input_bit(&w.input) ? &memory : NULL;
    unsigned flags = replace ? input_below(&w.input, 8) % 3 : 0; /* 2 is unknown */
    fo_status status;
    bool refused;

    order_from(&w.input, &order, replace);
    refused = flags == 2 || (replace && flags == 0 && order.n == 0);
    status = replace ? fo_balancer_replace(subject->balancer, order.upsert, order.n, flags, result)
                     : fo_balancer_update(subject->balancer, order.upsert, order.n, order.removal,
                                          order.m, result);
    if (refused)
        MUST(status == FO_EINVAL);
    else if (status == FO_OK)
        MUST(!anything_deserves(subject, &order, FO_EINVAL) &&
             !anything_deserves(subject, &order, FO_DUPLICATE) &&
             !anything_deserves(subject, &order, FO_NOTFOUND));
    else
        check_refusal(subject, &order, status, result);
    if (status == FO_OK)
        apply(subject, &order, result);
    fo_update_result_fini(result);
    fo_update_result_fini(result);
    check_slots();
}

static void drain(struct subject *subject, bool drained)
{
    unsigned name = name_from(&w.input);
    struct member *member = find_member(subject, name);
    fo_status status = drained ? fo_drain(subject->balancer, text_of(name))
                               : fo_undrain(subject->balancer, text_of(name));

    if (name == NAME_NULL)
        MUST(status == FO_EINVAL);
    else
        MUST(status == (member != NULL ? FO_OK : FO_NOTFOUND));
    if (member != NULL)
        member->drained = drained;
    check_slots();
}

#endif
