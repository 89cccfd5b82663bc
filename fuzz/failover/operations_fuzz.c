/* SPDX-License-Identifier: Apache-2.0
 *
 * Any sequence of public operations on one thread, against the model in operations_world.h.
 *
 *     input ─► setup ─► step, step, step … ─► finish all, destroy all, dispatch: nothing is left
 *
 * Time is virtual and every random number is seeded, so an input repeats exactly. What is promised
 * of updates, picks, health and time, and events stands in operations_{update,pick,world,events}.h.
 */
#include "group.h"
#include "operations_events.h"
#include "operations_pick.h"
#include "operations_update.h"

/* ---- Weights --------------------------------------------------------------------------- */

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
        weight =
            fo_weight_custom(custom_success, custom_failure, custom_answers[input_below(input, 6)]);
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
    *valid =
        kind != 7 && at[0] < 6 && at[1] < 6 && at[2] < 6 && at[3] < 6 && at[4] < 6 && at[5] < 7;
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
    config.levels.last_resort = FO_LAST_RESORT_NONE; /* the model refuses when all are down */
    MUST(fo_balancer_configure(subject->balancer, &config) == (valid ? FO_OK : FO_EINVAL));
    if (valid)
        note_weight(subject, &config.weight);
}

/* ---- Life of a balancer ---------------------------------------------------------------- */

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
    config.judge = fo_judge_none();
    config.seed = 1 + input_byte(input);
    config.row_limit = input_below(input, 3);
    config.check_leases = subject->checks_leases = input_below(input, 4) == 0;
    config.log = complain;
    config.log_arg = subject;
    config.weight = weight_from(input, &valid);
    config.levels.last_resort = FO_LAST_RESORT_NONE;
    if (!valid) {
        MUST(fo_balancer_create(&config, &subject->balancer) == FO_EINVAL);
        MUST(subject->balancer == NULL);
        config.weight = fo_weight_ratio();
    }
    MUST(fo_balancer_create(&config, &subject->balancer) == FO_OK);
    MUST(fo_subscribe(subject->balancer, FO_EVENT_ALL | FO_EVENT_WEIGHT, hear, subject, NULL) ==
         FO_OK);
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

/* ---- Steps ----------------------------------------------------------------------------- */

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
    case 0:
    case 1:
    case 2: update(subject, false); break;
    case 3: update(subject, true); break;
    case 4:
    case 5:
    case 6: pick_and_keep(subject, NULL); break;
    case 7:
    case 8: pick_within_limits(subject); break;
    case 9:
    case 10:
    case 11:
    case 12: finish_one(); break;
    case 13: pick_some(subject); break;
    case 14: report(subject); break;
    case 15: drain(subject, true); break;
    case 16: drain(subject, false); break;
    case 17: configure(subject); break;
    case 18: advance(); break;
    case 19:
        advance();
        dispatch();
        break;
    case 20:
        w.listener_budget = w.in_listener ? 0 : input_below(&w.input, 4);
        dispatch();
        break;
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

/* ---- Begin and end --------------------------------------------------------------------- */

static void set_up(struct input input)
{
    struct fo_runtime_config runtime = fo_runtime_config_init();
    struct fo_group_config group = fo_group_config_init();
    unsigned shape;

    memset(&w, 0, sizeof(w));
    w.input = input;
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
    group.judge = fo_judge_none(); /* it has an oracle of its own: oracle_test.c */
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

static void run(struct input *input)
{
    make_names();
    set_up(*input);
    for (int steps = 0; w.input.left > 0 && steps < 400; steps++)
        run_step();
    tear_down();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input_run(data, size, run);
    return 0;
}
