/* SPDX-License-Identifier: Apache-2.0
 *
 * Any sequence of public operations on one thread, against the model in operations_world.h.
 *
 *     input ─► setup ─► step, step, step … ─► finish all, destroy all, dispatch: nothing may be left
 *
 * Time is virtual and every random number is seeded, so an input repeats exactly. What a pick may
 * return, with a member called
 *
 *     allowed    it has the tags, is not drained and its max_weight is not 0
 *     steady     allowed, and health > 0 or min_weight > 0
 *     on trial   allowed, and its host is in FO_STATE_TRIAL
 *
 * is this: an allowed member, steady or on trial. One that is excluded only if no other is steady and
 * the pick is not strict. FO_UNAVAILABLE only if none is steady (strict: steady and not excluded). An
 * endpoint on trial may be picked or not, since its one offer may have gone elsewhere; but where
 * nothing but a trial can explain a pick, no second one follows before its end or its timeout.
 */
#include "group.h"
#include "operations_events.h"

#include <math.h>

#define UPSERTS_MAX (NAMES + 8)
#define REMOVALS_MAX 16u

/* ---- Weights ----------------------------------------------------------------------------- */

static double custom_success(const struct fo_weight_input *input, void *arg)
{
    const double *answers = arg;

    MUST(input->max_weight > 0 && input->min_weight >= 0);
    MUST(input->live_weight >= input->min_weight && input->live_weight <= input->max_weight);
    MUST(fo_endpoint_name(input->endpoint)[0] != '\0');
    return input->live_weight * answers[0] + answers[1];
}

static double custom_failure(const struct fo_weight_input *input, void *arg)
{
    const double *answers = arg;
    return custom_success(input, arg) * answers[2];
}

static double custom_answers[][3] = {
    {1.5, 1, 0.1}, {0, 0, 0}, {0, -1, 1}, {0, (double)NAN, 1}, {1, 1e300, 0}, {0, HUGE_VAL, -1},
};

/** Every eighth number or so is out of range. */
static struct fo_weight_function weight_from(struct input *input, bool *valid)
{
    static const double keep[] = {0.5, 0, 0.99, 0.25, 0.5, 0.75, 1, (double)NAN};
    static const double step[] = {0.01, 1, 0.5, 1e-10, 0.05, 0.1, 0, (double)NAN};
    static const double share[] = {0.01, 0, 0.5, 0.9, 0.1, 0.001, 1, -0.1};
    static const uint32_t threshold[] = {1, 1, 1, 1, 2, 5, UINT32_MAX, 0};
    struct fo_weight_function weight = fo_weight_ratio();
    unsigned kind = input_below(input, 8);
    unsigned at[6];

    for (unsigned i = 0; i < 6; i++)
        at[i] = input_below(input, 8);
    if (kind >= 3 && kind <= 5)
        weight = fo_weight_linear();
    if (kind == 6)
        weight = fo_weight_custom(custom_success, custom_failure,
                                  custom_answers[input_below(input, 6)]);
    if (kind == 7)
        weight.kind = FO_WEIGHT_CUSTOM; /* without its functions */
    if (input_bit(input)) {
        *valid = kind != 7;
        return weight;
    }
    weight.failure_keep = keep[at[0]];
    weight.failure_step = step[at[1]];
    weight.success_step = step[at[2]];
    weight.recover_step = step[at[3]];
    weight.down_threshold = share[at[4]];
    weight.mild_step = input_bit(input) ? 1 : 0.1;
    weight.recover_threshold = threshold[at[5]];
    *valid = kind != 7 && at[0] < 6 && at[1] < 6 && at[2] < 6 && at[3] < 6 && at[4] < 6 && at[5] < 7;
    return weight;
}

static void note_weight(struct subject *subject, const struct fo_weight_function *weight)
{
    subject->weight = *weight;
    w.has_thresholds = w.has_thresholds || weight->recover_threshold > 1;
}

static void configure(struct subject *subject)
{
    struct fo_config config = fo_config_init();
    bool valid;

    config.weight = weight_from(&w.input, &valid);
    MUST(fo_balancer_configure(subject->balancer, &config) == (valid ? FO_OK : FO_EINVAL));
    if (valid)
        note_weight(subject, &config.weight);
}

/* ---- Life of a balancer ------------------------------------------------------------------ */

static uint64_t read_clock(void *arg)
{
    const struct world *world = arg;
    return world->now_ns;
}

static void complain(fo_log_level level, const char *message, void *arg)
{
    struct subject *subject = arg;

    MUST(level >= FO_LOG_INFO && level <= FO_LOG_ERROR && message[0] != '\0');
    subject->complaints++;
}

static struct subject *open_subject(struct input *input)
{
    struct subject *subject = calloc(1, sizeof(*subject));
    struct fo_config config = fo_config_init();
    bool valid;

    MUST(subject != NULL);
    config.name = "b";
    config.group = w.group;
    config.runtime = w.group == NULL || input_bit(input) ? w.runtime : NULL;
    if (w.group == NULL)
        config.trial = w.trial;
    config.seed = 1 + input_byte(input);
    config.row_limit = input_below(input, 3);
    config.check_leases = subject->checks_leases = input_below(input, 4) == 0;
    config.log = complain;
    config.log_arg = subject;
    config.weight = weight_from(input, &valid);
    if (!valid) {
        MUST(fo_balancer_create(&config, &subject->balancer) == FO_EINVAL);
        MUST(subject->balancer == NULL);
        config.weight = fo_weight_ratio();
    }
    MUST(fo_balancer_create(&config, &subject->balancer) == FO_OK);
    MUST(fo_subscribe(subject->balancer, FO_EVENT_ALL, hear, subject, NULL) == FO_OK);
    note_weight(subject, &config.weight);
    subject->hosts = w.group != NULL ? w.hosts : subject->own_hosts;
    subject->next = w.subjects;
    w.subjects = subject;
    return subject;
}

static void close_subject(unsigned slot)
{
    struct subject *subject = w.slot[slot];
    unsigned complaints;
    uint64_t open = 0;

    if (subject == NULL)
        return;
    for (struct incarnation *at = subject->incarnations; at != NULL; at = at->next)
        open += open_of(at);
    complaints = subject->complaints + (subject->checks_leases && open > 0 ? 1 : 0);
    fo_balancer_destroy(subject->balancer);
    MUST(subject->complaints == complaints);
    subject->balancer = NULL;
    w.slot[slot] = NULL;
    for (unsigned i = 0; i < subject->count; i++)
        subject->member[i].incarnation->is_member = false;
    for (unsigned i = 0; i < subject->count; i++)
        look_and_enter(&subject->hosts[subject->member[i].incarnation->name]);
    subject->count = 0;
}

/* ---- Updates ----------------------------------------------------------------------------- */

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
        {100, 0}, {100, 5}, {1, 0}, {0, 0}, {1e12, 0}, {1e12, 1e-3}, {1048576, 0}, {37.5, 37.5},
        {1e-300, 0}, {1e-9, 5e-10}, {250, 100}, {100, 0}, {100, 50}, {3, 1}, {100, 0}, {100, 0},
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

static unsigned name_from(struct input *input)
{
    unsigned byte = input_byte(input);
    return byte < 250 ? byte % NAMES : NAMES + byte % 3;
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
static void check_first_look(struct host *host, bool was_used, const struct fo_endpoint_config *config)
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
    struct member next = {.max_weight = config->max_weight, .min_weight = config->min_weight,
                          .tags = config->tags, .drained = member != NULL && member->drained};
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
    entry = previous_id == 0
                ? find_entry(result->added, result->added_count, text_of(name))
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

/* ---- Picks ------------------------------------------------------------------------------- */

static bool is_excluded(const struct fo_pick_options *options, uint64_t id)
{
    for (size_t i = 0; options != NULL && i < options->exclude_count; i++)
        if (options->exclude[i] == id)
            return true;
    return false;
}

static bool is_allowed(const struct member *member, const struct fo_pick_options *options)
{
    uint64_t tags = options != NULL ? options->require_tags : 0;
    return (member->tags & tags) == tags && !member->drained && member->max_weight > 0;
}

static bool is_steady(const struct subject *subject, const struct member *member)
{
    return subject->hosts[member->incarnation->name].health > 0 || member->min_weight > 0;
}

/** Whether a member is allowed and steady; `fresh`: and not excluded. */
static bool any_is_steady(const struct subject *subject, const struct fo_pick_options *options,
                          bool fresh)
{
    for (unsigned i = 0; i < subject->count; i++) {
        const struct member *member = &subject->member[i];

        if (is_allowed(member, options) && is_steady(subject, member) &&
            !(fresh && is_excluded(options, member->incarnation->id)))
            return true;
    }
    return false;
}

static void enter_trial(struct host *host)
{
    MUST(host->state == FO_STATE_TRIAL);
    MUST(!host->trial_is_out || w.now_ns - host->trial_ns >= w.timeout_ns);
    host->trial_is_out = true;
    host->trial_ns = w.now_ns;
}

static void check_pick(struct subject *subject, const struct fo_pick_options *options,
                       const struct lease *lease)
{
    struct member *member = find_member(subject, lease->incarnation->name);
    struct host *host = &subject->hosts[lease->incarnation->name];

    MUST(member != NULL && member->incarnation == lease->incarnation);
    MUST(is_allowed(member, options));
    if (is_excluded(options, lease->incarnation->id))
        MUST(!options->strict && !any_is_steady(subject, options, true));
    if (!is_steady(subject, member))
        enter_trial(host);
}

/** Picks and holds the result against the model. False: nothing was picked. */
static bool pick(struct subject *subject, const struct fo_pick_options *options, struct lease *lease)
{
    fo_status status;

    lease->lease = fo_lease_init();
    status = options != NULL ? fo_pick_with(subject->balancer, options, &lease->lease)
                             : fo_pick(subject->balancer, &lease->lease);
    if (status == FO_UNAVAILABLE) {
        MUST(lease->lease.endpoint == NULL);
        MUST(!any_is_steady(subject, options, options != NULL && options->strict));
        return false;
    }
    MUST(status == FO_OK && lease->lease.endpoint != NULL);
    lease->incarnation = find_id(subject, fo_endpoint_id(lease->lease.endpoint));
    MUST(lease->incarnation != NULL);
    check_pick(subject, options, lease);
    lease->incarnation->started++;
    lease->epoch = subject->hosts[lease->incarnation->name].epoch;
    return true;
}

static void finish(struct lease *lease, fo_outcome outcome)
{
    struct incarnation *incarnation = lease->incarnation;
    struct subject *subject = incarnation->subject;
    struct host *host = &subject->hosts[incarnation->name];

    MUST(strcmp(fo_endpoint_name(lease->lease.endpoint), text_of(incarnation->name)) == 0);
    MUST(fo_endpoint_id(lease->lease.endpoint) == incarnation->id);
    MUST(fo_endpoint_data(lease->lease.endpoint) == incarnation->data);
    if (subject->checks_leases) {
        w.finished_copy = lease->lease;
        w.finished_copy_of = subject;
    }
    MUST(fo_finish(&lease->lease, outcome) == FO_OK && lease->lease.endpoint == NULL);
    MUST(fo_finish(&lease->lease, outcome) == FO_EINVAL);
    incarnation->finished++;
    if (outcome == FO_OUTCOME_FAILURE || outcome == FO_OUTCOME_DOWN)
        incarnation->failed++;
    judge_outcome(host, outcome, lease->epoch, true, &subject->weight);
}

static fo_outcome outcome_from(struct input *input)
{
    return (fo_outcome)(1 + input_below(input, 7));
}

static void pick_and_keep(struct subject *subject, const struct fo_pick_options *options)
{
    if (w.lease_count < LEASES && pick(subject, options, &w.lease[w.lease_count]))
        w.lease_count++;
}

static void pick_some(struct subject *subject)
{
    unsigned count = input_below(&w.input, 32);
    fo_outcome outcome = outcome_from(&w.input);
    struct lease lease;

    for (unsigned i = 0; i < count && pick(subject, NULL, &lease); i++)
        finish(&lease, outcome);
}

/** An id to exclude: mostly a member's, else one that has left, or one that never was. */
static uint64_t id_from(struct input *input, const struct subject *subject)
{
    unsigned byte = input_byte(input);
    const struct incarnation *at = subject->incarnations;

    if (byte < 0xe0 && subject->count > 0)
        return subject->member[byte % subject->count].incarnation->id;
    for (; byte > 0xe0 && at != NULL && at->next != NULL; byte--)
        at = at->next;
    return at != NULL && byte > 0xe0 ? at->id : byte * UINT64_C(0x100000001);
}

static void pick_within_limits(struct subject *subject)
{
    static const unsigned counts[] = {1, 0, 2, 3, 5, 40, 64, 65};
    uint64_t ids[65];
    struct fo_pick_options options = fo_pick_options_init();
    unsigned shape = input_byte(&w.input);
    struct fo_lease lease = fo_lease_init();

    options.exclude = ids;
    options.exclude_count = counts[shape & 7];
    options.strict = (shape & 8) != 0;
    options.require_tags = shape >> 4 & 7;
    for (size_t i = 0; i < options.exclude_count; i++)
        ids[i] = id_from(&w.input, subject);
    if ((shape & 0x80) != 0 && options.exclude_count == 3)
        options.exclude = NULL;
    if (options.exclude_count <= FO_EXCLUDE_MAX && options.exclude != NULL) {
        pick_and_keep(subject, &options);
        return;
    }
    MUST(fo_pick_with(subject->balancer, &options, &lease) == FO_EINVAL && lease.endpoint == NULL);
}

static void finish_one(void)
{
    unsigned at = input_byte(&w.input);
    fo_outcome outcome = outcome_from(&w.input);

    if (w.lease_count == 0)
        return;
    at %= w.lease_count;
    MUST(fo_finish(&w.lease[at].lease, (fo_outcome)0) == FO_EINVAL);
    MUST(fo_finish(&w.lease[at].lease, (fo_outcome)8) == FO_EINVAL);
    finish(&w.lease[at], outcome);
    w.lease[at] = w.lease[--w.lease_count];
}

/** A copy of a checked lease, finished again: refused, said, and nothing is counted. */
static void finish_again(void)
{
    unsigned complaints = w.finished_copy_of != NULL ? w.finished_copy_of->complaints : 0;

    if (w.finished_copy_of == NULL)
        return;
    MUST(fo_finish(&w.finished_copy, FO_OUTCOME_DOWN) == FO_EINVAL);
    if (!w.finished_copy_of->closed)
        MUST(w.finished_copy_of->complaints == complaints + 1);
    w.finished_copy_of = NULL;
    check_slots();
}

static void report(struct subject *subject)
{
    unsigned name = name_from(&w.input);
    struct member *member = find_member(subject, name);
    fo_outcome outcome = outcome_from(&w.input);
    fo_status status = fo_report(subject->balancer, text_of(name), outcome);
    struct host *host;

    MUST(fo_report(subject->balancer, text_of(name), (fo_outcome)0) == FO_EINVAL);
    if (member == NULL) {
        MUST(status == (name == NAME_NULL ? FO_EINVAL : FO_NOTFOUND));
        return;
    }
    MUST(status == FO_OK);
    host = &subject->hosts[name];
    member->incarnation->started++;
    member->incarnation->finished++;
    if (outcome == FO_OUTCOME_FAILURE || outcome == FO_OUTCOME_DOWN)
        member->incarnation->failed++;
    judge_outcome(host, outcome, host->epoch, false, &subject->weight);
}

/* ---- Steps ------------------------------------------------------------------------------- */

static void advance(void)
{
    static const unsigned ms[] = {1, 10, 40, 200, 800, 1000, 1300, 5000, 40000};
    int deadline_ms = fo_runtime_next_deadline_ms(w.runtime);
    unsigned at = input_below(&w.input, 12);

    if (at < 9)
        w.now_ns += ms[at] * MS;
    else if (deadline_ms > 0)
        w.now_ns += (uint64_t)deadline_ms * MS;
}

static void run_step(void)
{
    unsigned kind = input_byte(&w.input);
    unsigned slot = kind >> 7;
    struct subject *subject = w.slot[slot];

    kind &= 0x7f;
    if (subject == NULL) {
        w.slot[slot] = open_subject(&w.input);
        return;
    }
    switch (kind % 24) {
    case 0: case 1: case 2: update(subject, false); break;
    case 3: update(subject, true); break;
    case 4: case 5: case 6: pick_and_keep(subject, NULL); break;
    case 7: case 8: pick_within_limits(subject); break;
    case 9: case 10: case 11: case 12: finish_one(); break;
    case 13: pick_some(subject); break;
    case 14: report(subject); break;
    case 15: drain(subject, true); break;
    case 16: drain(subject, false); break;
    case 17: configure(subject); break;
    case 18: advance(); break;
    case 19: advance(); dispatch(); break;
    case 20: w.listener_budget = w.in_listener ? 0 : input_below(&w.input, 4); dispatch(); break;
    case 21: subscribe(subject); break;
    case 22: unsubscribe(subject); break;
    default:
        if (input_bit(&w.input))
            close_subject(slot);
        else
            finish_again();
        break;
    }
}

/* ---- Begin and end ----------------------------------------------------------------------- */

static void set_up(const uint8_t *data, size_t size)
{
    struct fo_runtime_config runtime = fo_runtime_config_init();
    struct fo_group_config group = fo_group_config_init();
    unsigned shape;

    memset(&w, 0, sizeof(w));
    w.input.at = data;
    w.input.left = size;
    w.now_ns = 1000 * MS;
    runtime.clock = read_clock;
    runtime.clock_arg = &w;
    MUST(fo_runtime_create(&runtime, &w.runtime) == FO_OK);
    shape = input_byte(&w.input);
    w.trial.backoff_ms = (shape & 2) != 0 ? 100 : 0;
    w.trial.backoff_max_ms = (shape & 4) != 0 ? 2000 : 0;
    w.trial.timeout_ms = (shape & 8) != 0 ? 50 : 0;
    w.backoff_ns = (w.trial.backoff_ms != 0 ? 100 : 1000) * MS;
    w.backoff_max_ns = (w.trial.backoff_max_ms != 0 ? 2000 : 30000) * MS;
    w.timeout_ns = (w.trial.timeout_ms != 0 ? 50 : 5000) * MS;
    group.runtime = w.runtime;
    group.trial = w.trial;
    if ((shape & 1) == 0) {
        MUST(fo_group_create(&group, &w.group) == FO_OK);
        atomic_store(&w.group->rng, 1); /* jitter comes from the system: an input must repeat */
    }
}

/** Whether anything still needs the runtime. */
static bool runtime_is_used(void)
{
    bool used = w.group != NULL;

    for (struct subject *subject = w.subjects; subject != NULL; subject = subject->next)
        used = used || !subject->closed;
    return used;
}

static void tear_down(void)
{
    bool early = input_bit(&w.input);

    check_slots();
    for (unsigned slot = 0; slot < SLOTS && early; slot++)
        close_subject(slot);
    while (w.lease_count > 0)
        finish(&w.lease[--w.lease_count], outcome_from(&w.input));
    check_slots();
    for (unsigned slot = 0; slot < SLOTS; slot++)
        close_subject(slot);
    if (runtime_is_used())
        MUST(fo_runtime_destroy(w.runtime) == FO_BUSY);
    fo_group_destroy(w.group);
    w.group = NULL;
    dispatch();
    MUST(fo_runtime_destroy(w.runtime) == FO_OK);
    while (w.subjects != NULL) {
        struct subject *subject = w.subjects;

        MUST(subject->closed);
        w.subjects = subject->next;
        while (subject->incarnations != NULL) {
            struct incarnation *incarnation = subject->incarnations;

            subject->incarnations = incarnation->next;
            free(incarnation);
        }
        free(subject);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_names();
    set_up(data, size);
    for (int steps = 0; w.input.left > 0 && steps < 400; steps++)
        run_step();
    tear_down();
    return 0;
}
