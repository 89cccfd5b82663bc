/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)

/* ---- The clock and the weights ------------------------------------------------------------ */

uint64_t fixture_clock(void *arg)
{
    struct fixture *f = arg;
    return atomic_load(&f->now_ns);
}

static double wanted_weight(const struct fo_weight_input *input, void *arg)
{
    struct fixture *f = arg;

    (void)input;
    return atomic_load(&f->wanted_weight);
}

struct fo_weight_function fixture_weights(struct fixture *f)
{
    return fo_weight_custom(wanted_weight, wanted_weight, f);
}

/* ---- The recorder ------------------------------------------------------------------------ */

/* What a balancer's subscription has as its arg: ids are unique within a balancer only. */
struct fixture_ear {
    struct fixture *f;
    size_t opened;
    struct fixture_ear *next;
};

static void record(struct fixture *f, size_t opened, const struct fo_event *event)
{
    struct fixture_event *copy;

    if (f->event_count == f->event_capacity) {
        f->event_capacity = f->event_capacity == 0 ? 64 : f->event_capacity * 2;
        f->events = realloc(f->events, f->event_capacity * sizeof(*f->events));
        assert(f->events != NULL);
    }
    assert(event->size == sizeof(*event));
    copy = &f->events[f->event_count++];
    copy->opened = opened;
    copy->kind = event->kind;
    snprintf(copy->balancer, sizeof(copy->balancer), "%s", event->balancer);
    snprintf(copy->endpoint, sizeof(copy->endpoint), "%s", event->endpoint);
    copy->endpoint_id = event->endpoint_id;
    copy->data = event->data;
    copy->old_state = event->old_state;
    copy->new_state = event->new_state;
    copy->reason = event->reason;
    copy->health = event->health;
    copy->missed = event->missed;
    copy->old_weight = event->old_weight;
    copy->new_weight = event->new_weight;
}

static void hear(const struct fo_event *event, void *arg)
{
    struct fixture_ear *ear = arg;
    record(ear->f, ear->opened, event);
}

void fixture_record(const struct fo_event *event, void *arg)
{
    record(arg, 0, event);
}

static bool matches(const struct fixture_event *event, fo_event_kind kind, const char *name)
{
    return event->kind == kind && (name == NULL || strcmp(event->endpoint, name) == 0);
}

size_t fixture_heard(const struct fixture *f, fo_event_kind kind, const char *name)
{
    size_t heard = 0;

    for (size_t i = 0; i < f->event_count; i++)
        heard += matches(&f->events[i], kind, name) ? 1 : 0;
    return heard;
}

const struct fixture_event *fixture_last(const struct fixture *f, fo_event_kind kind,
                                         const char *name)
{
    for (size_t i = f->event_count; i-- > 0;)
        if (matches(&f->events[i], kind, name))
            return &f->events[i];
    return NULL;
}

const char *fixture_story(struct fixture *f)
{
    size_t size = (f->event_count - f->told_count) * (FO_NAME_MAX + 64) + 1;
    char *at;

    free(f->story);
    f->story = malloc(size);
    assert(f->story != NULL);
    f->story[0] = '\0';
    at = f->story;
    for (; f->told_count < f->event_count; f->told_count++) {
        const struct fixture_event *event = &f->events[f->told_count];
        const char *comma = at == f->story ? "" : ", ";

        at += sprintf(at, "%s%s", comma, fo_event_kind_name(event->kind));
        if (event->endpoint[0] != 0)
            at += sprintf(at, " %s", event->endpoint);
        if (event->reason != FO_REASON_NONE)
            at += sprintf(at, " (%s)", fo_reason_name(event->reason));
    }
    return f->story;
}

/* ---- Life -------------------------------------------------------------------------------- */

void fixture_init(struct fixture *f)
{
    struct fo_runtime_config config = fo_runtime_config_init();
    fo_status status;

    memset(f, 0, sizeof(*f));
    atomic_init(&f->now_ns, 1000 * NS_PER_MS);
    atomic_init(&f->wanted_weight, NAN);
    config.clock = fixture_clock;
    config.clock_arg = f;
    status = fo_runtime_create(&config, &f->runtime);
    assert(status == FO_OK);
    (void)status;
}

struct fo_config fixture_config(struct fixture *f)
{
    struct fo_config config = fo_config_init();

    config.name = "b";
    config.runtime = f->runtime;
    config.seed = 1;
    config.weight = fixture_weights(f);
    config.levels.last_resort = FO_LAST_RESORT_NONE; /* so that down means no picks at all */
    config.trial.ramp_ms = FO_RAMP_NONE;             /* and up all of them: ramp_test.c */
    config.judge = fo_judge_none();                  /* and by health alone: judge_test.c */
    return config;
}

struct fo_balancer *fixture_balancer(struct fixture *f, const struct fo_config *config)
{
    struct fo_config ours = config != NULL ? *config : fixture_config(f);
    struct fixture_ear *ear = malloc(sizeof(*ear));
    struct fo_balancer *balancer;
    fo_status status = fo_balancer_create(&ours, &balancer);

    assert(status == FO_OK && ear != NULL);
    ear->f = f;
    ear->opened = ++f->opened_count;
    ear->next = f->ears;
    f->ears = ear;
    status = fo_subscribe(balancer, FIXTURE_EVENTS, hear, ear, NULL);
    assert(status == FO_OK);
    assert(f->balancer_count < FIXTURE_BALANCERS);
    f->balancers[f->balancer_count++] = balancer;
    if (f->balancer == NULL)
        f->balancer = balancer;
    return balancer;
}

void fixture_open(struct fixture *f, size_t n, const double *weights)
{
    fixture_init(f);
    fixture_balancer(f, NULL);
    if (n > 0)
        fixture_add(f, n, weights);
}

void fixture_open_weighed(struct fixture *f, struct fo_weight_function weight, size_t n)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.weight = weight;
    fixture_balancer(f, &config);
    if (n > 0)
        fixture_add(f, n, NULL);
}

void fixture_open_one(struct fixture *f, struct fo_weight_function weight, double max_weight,
                      double min_weight)
{
    struct fo_endpoint_config endpoint = fixture_upsert("e0", max_weight, fixture_data(0));
    fo_status status;

    fixture_open_weighed(f, weight, 0);
    endpoint.min_weight = min_weight;
    status = fo_balancer_update(f->balancer, &endpoint, 1, NULL, 0, NULL);
    assert(status == FO_OK);
    (void)status;
}

void fixture_close(struct fixture *f, struct fo_balancer *balancer)
{
    size_t at = 0;

    while (at < f->balancer_count && f->balancers[at] != balancer)
        at++;
    assert(at < f->balancer_count); /* one of the fixture's */
    f->balancers[at] = f->balancers[--f->balancer_count];
    if (f->balancer == balancer)
        f->balancer = NULL;
    fo_balancer_destroy(balancer);
}

static int by_balancer_then_id(const void *a, const void *b)
{
    const struct fixture_event *const *x = a;
    const struct fixture_event *const *y = b;

    if ((*x)->opened != (*y)->opened)
        return (*x)->opened < (*y)->opened ? -1 : 1;
    if ((*x)->endpoint_id != (*y)->endpoint_id)
        return (*x)->endpoint_id < (*y)->endpoint_id ? -1 : 1;
    return (*x)->data < (*y)->data ? -1 : (*x)->data > (*y)->data;
}

/** Each balancer closed once, behind everything else that it told. */
static void check_closes(const struct fixture *f)
{
    bool *closed = calloc(f->opened_count + 1, sizeof(*closed));
    size_t count = 0;

    assert(closed != NULL);
    for (size_t i = 0; i < f->event_count; i++) {
        if (f->events[i].opened == 0)
            continue;
        assert(!closed[f->events[i].opened]);
        closed[f->events[i].opened] = f->events[i].kind == FO_EVENT_CLOSED;
        count += closed[f->events[i].opened] ? 1 : 0;
    }
    assert(count == f->opened_count);
    free(closed);
}

/** Every incarnation heard of was released once, with the data of all its events. */
static void check_releases(const struct fixture *f)
{
    const struct fixture_event **sorted = calloc(f->event_count + 1, sizeof(const void *));
    size_t count = 0;
    size_t end;

    assert(sorted != NULL);
    for (size_t i = 0; i < f->event_count; i++)
        if (f->events[i].kind != FO_EVENT_CLOSED && f->events[i].opened != 0)
            sorted[count++] = &f->events[i];
    qsort(sorted, count, sizeof(const void *), by_balancer_then_id);
    for (size_t begin = 0; begin < count; begin = end) {
        size_t released = 0;

        for (end = begin; end < count && by_balancer_then_id(&sorted[begin], &sorted[end]) == 0;
             end++)
            released += sorted[end]->kind == FO_EVENT_RELEASED ? 1 : 0;
        if (released != 1)
            fprintf(stderr, "%s of %s: released %zu times\n", sorted[begin]->endpoint,
                    sorted[begin]->balancer, released);
        assert(released == 1);
    }
    free(sorted);
}

void fixture_destroy(struct fixture *f)
{
    fo_status status;

    while (f->balancer_count > 0)
        fixture_close(f, f->balancers[0]);
    fixture_dispatch(f);
    check_closes(f);
    check_releases(f);
    status = fo_runtime_destroy(f->runtime);
    assert(status == FO_OK);
    (void)status;
    while (f->ears != NULL) {
        struct fixture_ear *ear = f->ears;

        f->ears = ear->next;
        free(ear);
    }
    free(f->events);
    free(f->story);
}

/* ---- Endpoints --------------------------------------------------------------------------- */

const char *fixture_name(size_t i)
{
    static __thread char names[8][24];
    static __thread unsigned next;
    char *name = names[next++ % 8];

    snprintf(name, sizeof(names[0]), "e%zu", i);
    return name;
}

void *fixture_data(size_t i)
{
    return (void *)(uintptr_t)(i + 1);
}

size_t fixture_index(const struct fo_endpoint *endpoint)
{
    return (size_t)((uintptr_t)fo_endpoint_data(endpoint) - 1);
}

struct fo_endpoint_config fixture_upsert(const char *name, double max_weight, void *data)
{
    struct fo_endpoint_config config = fo_endpoint_config_init(name);

    config.max_weight = max_weight;
    config.data = data;
    return config;
}

void fixture_add_to(struct fo_balancer *balancer, size_t n, const double *weights,
                    const uint64_t *tags)
{
    struct fo_endpoint_config *configs = calloc(n, sizeof(*configs));
    char(*names)[24] = calloc(n, sizeof(*names));
    fo_status status;

    assert(configs != NULL && names != NULL);
    for (size_t i = 0; i < n; i++) {
        strcpy(names[i], fixture_name(i));
        configs[i] = fo_endpoint_config_init(names[i]);
        configs[i].max_weight = weights != NULL ? weights[i] : 100;
        configs[i].tags = tags != NULL ? tags[i] : 0;
        configs[i].data = fixture_data(i);
    }
    status = fo_balancer_update(balancer, configs, n, NULL, 0, NULL);
    assert(status == FO_OK);
    (void)status;
    free(configs);
    free(names);
}

void fixture_add(struct fixture *f, size_t n, const double *weights)
{
    fixture_add_to(f->balancer, n, weights, NULL);
}

struct fo_endpoint_info fixture_info(struct fixture *f, const char *name)
{
    struct fo_endpoint_info info = fo_endpoint_info_init();
    fo_status status = fo_endpoint_status(f->balancer, name, &info);

    assert(status == FO_OK);
    (void)status;
    return info;
}

uint64_t fixture_id(struct fixture *f, const char *name)
{
    return fixture_info(f, name).id;
}

void fixture_set_weight(struct fixture *f, const char *name, double live_weight)
{
    fo_status status;

    assert(fixture_info(f, name).state == FO_STATE_UP);
    atomic_store(&f->wanted_weight, live_weight);
    status = fo_report(f->balancer, name, FO_OUTCOME_FAILURE);
    assert(status == FO_OK);
    (void)status;
    atomic_store(&f->wanted_weight, NAN);
}

size_t fixture_pick_and_finish(struct fixture *f, fo_outcome outcome)
{
    struct fo_lease lease = fo_lease_init();
    fo_status status = fo_pick(f->balancer, &lease);
    size_t index;

    assert(status == FO_OK);
    index = fixture_index(lease.endpoint);
    status = fo_finish(&lease, outcome);
    assert(status == FO_OK);
    return index;
}

void fixture_count(struct fixture *f, uint64_t picks, uint64_t *counts)
{
    for (uint64_t i = 0; i < picks; i++)
        counts[fixture_pick_and_finish(f, FO_OUTCOME_NEUTRAL)]++;
}

/* ---- Time -------------------------------------------------------------------------------- */

size_t fixture_dispatch(struct fixture *f)
{
    size_t told = 0;

    do {
        told += fo_runtime_dispatch(f->runtime);
    } while (fo_runtime_next_deadline_ms(f->runtime) == 0);
    return told;
}

void fixture_advance_ms(struct fixture *f, uint64_t ms)
{
    fixture_dispatch(f);
    while (ms > 0) {
        int wait_ms = fo_runtime_next_deadline_ms(f->runtime);
        uint64_t step_ms = wait_ms >= 0 && (uint64_t)wait_ms < ms ? (uint64_t)wait_ms : ms;

        atomic_fetch_add(&f->now_ns, step_ms * NS_PER_MS);
        ms -= step_ms;
        fixture_dispatch(f);
    }
}
