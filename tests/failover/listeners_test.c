/* SPDX-License-Identifier: Apache-2.0
 *
 * Listeners that do what they like: call every function of the library, block, come and go. Nothing
 * stands still, and no `released` is lost; the fixture counts them all.
 */
#include "crew.h"
#include "fixture.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define CALLS 40    /* in which a listener causes events; then it must come to rest */
#define AT_A_TIME 3 /* so that time passes meanwhile */

static void begin(struct fixture *f, size_t n)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.weight = fo_weight_ratio();
    config.trial.backoff_ms = 10;
    config.judge.strikes = 1;
    config.judge.ejection_ms = 10;
    fixture_balancer(f, &config);
    if (n > 0)
        fixture_add(f, n, NULL);
}

static void must(fo_status status)
{
    assert(status == FO_OK);
    (void)status;
}

/** Anything but an error that the caller would have to mend. */
static void may(fo_status status)
{
    assert(status == FO_OK || status == FO_UNAVAILABLE || status == FO_CLOSED ||
           status == FO_NOTFOUND || status == FO_BUSY);
    (void)status;
}

/* ---- Calling everything ---------------------------------------------------------------------- */

struct busy {
    struct fixture *f;
    struct fo_balancer *balancer;
    uint32_t kinds; /* in which it was called */
    int calls;
    int left; /* until time passes */
};

static bool see_endpoint(const struct fo_endpoint_info *info, void *arg)
{
    (void)arg;
    return info->id != 0;
}

static bool see_level(const struct fo_level_info *info, void *arg)
{
    (void)arg;
    return info->endpoints > 0;
}

static bool see_explanation(const struct fo_explanation *explanation, void *arg)
{
    return see_endpoint(explanation->endpoint, arg);
}

static void hear_nothing(const struct fo_event *event, void *arg)
{
    (void)event;
    (void)arg;
}

static void take_text(const char *text, size_t length, void *arg)
{
    (void)arg;
    assert(text[length - 1] == '\n');
}

static void look(struct fo_balancer *balancer)
{
    struct fo_endpoint_info info = fo_endpoint_info_init();
    struct fo_key_info keys = fo_key_info_init();
    struct fo_state_result result = fo_state_result_init();
    char text[4096];
    size_t length;

    may(fo_endpoint_status(balancer, "e0", &info));
    may(fo_endpoint_list(balancer, see_endpoint, NULL));
    may(fo_level_list(balancer, NULL, see_level, NULL));
    may(fo_balancer_explain(balancer, NULL, see_explanation, NULL));
    may(fo_key_status(balancer, &keys));
    may(fo_state_write(balancer, NULL, take_text, NULL));
    if (fo_state_save(balancer, NULL, text, sizeof(text), &length) == FO_OK)
        may(fo_state_restore(balancer, NULL, text, length, &result));
}

static void send_requests(struct fo_balancer *balancer)
{
    static const fo_outcome outcomes[] = {FO_OUTCOME_SUCCESS, FO_OUTCOME_FAILURE, FO_OUTCOME_DOWN};
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_lease leases[3];
    size_t got = 0;

    options.key = "key";
    options.key_size = 3;
    if (fo_pick(balancer, &leases[0]) == FO_OK) {
        assert(fo_endpoint_name(leases[0].endpoint)[0] != '\0');
        assert(fo_endpoint_id(leases[0].endpoint) != 0);
        (void)fo_endpoint_data(leases[0].endpoint);
        (void)fo_endpoint_level(leases[0].endpoint);
        (void)fo_endpoint_zone(leases[0].endpoint);
        must(fo_finish(&leases[0], outcomes[rand() % 3]));
    }
    if (fo_pick_with(balancer, &options, &leases[0]) == FO_OK)
        must(fo_finish(&leases[0], FO_OUTCOME_SUCCESS));
    may(fo_pick_many(balancer, NULL, 3, leases, &got));
    for (size_t i = 0; i < got; i++)
        must(fo_finish(&leases[i], FO_OUTCOME_OVERLOADED));
    may(fo_report(balancer, "e1", outcomes[rand() % 3]));
}

static void change(struct busy *busy)
{
    struct fo_config config = fixture_config(busy->f);
    struct fo_endpoint_config all[4];
    struct fo_update_result result = fo_update_result_init();
    const char *removed = fixture_name((size_t)rand() % 4);

    for (size_t i = 0; i < 4; i++)
        all[i] = fixture_upsert(fixture_name(i), 100, fixture_data(i));
    all[3].data = fixture_data(4 + (size_t)busy->calls); /* a new incarnation */
    may(fo_balancer_update(busy->balancer, &all[rand() % 4], 1, NULL, 0, &result));
    fo_update_result_fini(&result);
    may(fo_balancer_update(busy->balancer, NULL, 0, &removed, 1, NULL));
    if (rand() % 4 == 0)
        may(fo_balancer_replace(busy->balancer, all, 4, 0, NULL));
    may(fo_drain(busy->balancer, "e2"));
    may(fo_undrain(busy->balancer, "e2"));
    config.weight = fo_weight_ratio();
    may(fo_balancer_configure(busy->balancer, &config));
}

static void make_others(struct busy *busy)
{
    struct fo_group_config group_config = fo_group_config_init();
    struct fo_config config = fixture_config(busy->f);
    struct fo_subscription *subscription;
    struct fo_balancer *other;
    struct fo_runtime *runtime;
    struct fo_group *group;

    must(fo_runtime_create(NULL, &runtime));
    (void)fo_runtime_fd(runtime);
    must(fo_runtime_destroy(runtime));
    group_config.runtime = busy->f->runtime;
    must(fo_group_create(&group_config, &group));
    config.group = group;
    must(fo_balancer_create(&config, &other));
    must(fo_subscribe(other, FO_EVENT_ALL, hear_nothing, NULL, &subscription));
    fo_unsubscribe(other, subscription);
    fo_balancer_destroy(other);
    fo_group_destroy(group);
    assert(fo_runtime_destroy(busy->f->runtime) == FO_BUSY);
    assert(fo_runtime_dispatch(busy->f->runtime) == 0);
    (void)fo_runtime_next_deadline_ms(busy->f->runtime);
    fo_thread_prepare();
}

static void do_everything(const struct fo_event *event, void *arg)
{
    struct busy *busy = arg;

    bool is_new = (busy->kinds & (uint32_t)event->kind) == 0;

    if (busy->calls == CALLS || (busy->left == 0 && !is_new))
        return;
    busy->left -= busy->left > 0 ? 1 : 0;
    busy->calls++;
    busy->kinds |= (uint32_t)event->kind;
    look(busy->balancer);
    send_requests(busy->balancer);
    change(busy);
    make_others(busy);
    if (busy->calls == CALLS)
        fixture_close(busy->f, busy->balancer);
}

Test(listeners, may_call_every_function_whatever_they_hear, .timeout = 60)
{
    struct busy busy = {.calls = 0};
    struct fixture f;

    srand(11);
    begin(&f, 4);
    busy.f = &f;
    busy.balancer = f.balancer;
    must(fo_subscribe(f.balancer, FO_EVENT_ALL, do_everything, &busy, NULL));
    for (size_t i = 0; i < 1000 && busy.calls < CALLS; i++) {
        struct fo_endpoint_config config =
            fixture_upsert(fixture_name(i % 4), 50 + (double)(i % 7), fixture_data(i % 4));

        busy.left = AT_A_TIME;
        must(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL));
        may(fo_report(busy.balancer, "e0", FO_OUTCOME_DOWN));
        fixture_advance_ms(&f, 20);
    }
    cr_assert_eq(busy.calls, CALLS);
    cr_assert_eq(busy.kinds, FO_EVENT_ALL & ~FO_EVENT_CLOSED, "of every kind: %x", busy.kinds);
    fixture_destroy(&f);
}

/* ---- Coming and going ------------------------------------------------------------------------ */

#define SEATS 8

struct guests {
    struct fo_balancer *balancer;
    struct fo_subscription *seat[SEATS]; /* NULL: nobody */
    size_t heard;
};

static void come_and_go(const struct fo_event *event, void *arg)
{
    struct guests *guests = arg;
    size_t at = (size_t)rand() % SEATS; /* perhaps one's own */

    guests->heard++;
    if (event->kind == FO_EVENT_CLOSED)
        return;
    if (guests->seat[at] != NULL) {
        fo_unsubscribe(guests->balancer, guests->seat[at]);
        guests->seat[at] = NULL;
    } else {
        may(fo_subscribe(guests->balancer, FO_EVENT_ALL, come_and_go, guests, &guests->seat[at]));
    }
}

Test(listeners, may_come_and_go_in_each_others_calls, .timeout = 60)
{
    struct guests guests = {.heard = 0};
    struct fixture f;
    size_t before;

    srand(12);
    begin(&f, 8);
    guests.balancer = f.balancer;
    for (int i = 0; i < 2000; i++) {
        const char *name = fixture_name((size_t)rand() % 8);
        struct fo_endpoint_config config =
            fixture_upsert(name, 100, fixture_data(8 + (size_t)i)); /* another incarnation */

        if (guests.seat[0] == NULL && guests.seat[1] == NULL)
            must(fo_subscribe(f.balancer, FO_EVENT_ALL, come_and_go, &guests, &guests.seat[0]));
        must(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL));
        fixture_dispatch(&f);
    }
    before = fixture_heard(&f, FO_EVENT_RELEASED, NULL);
    cr_assert_eq(before, 2000, "of each replaced incarnation: %zu", before);
    cr_assert_gt(guests.heard, 2000);
    fixture_destroy(&f);
}

/* ---- Blocking -------------------------------------------------------------------------------- */

struct blocked {
    struct fixture f;
    _Atomic bool entered;
    _Atomic bool may_return;
};

static void block(const struct fo_event *event, void *arg)
{
    struct blocked *blocked = arg;

    (void)event;
    atomic_store(&blocked->entered, true);
    while (!atomic_load(&blocked->may_return))
        sched_yield();
}

static void dispatch_once(size_t member, void *arg)
{
    struct blocked *blocked = arg;

    (void)member;
    fo_runtime_dispatch(blocked->f.runtime);
}

Test(listeners, that_block_lose_nothing_of_what_happens_meanwhile, .timeout = 60)
{
    enum { CHANGES = 500 };
    struct fo_subscription *subscription;
    struct blocked blocked;
    struct fo_lease leases[CHANGES];
    struct crew *dispatcher;

    memset(&blocked, 0, sizeof(blocked));
    begin(&blocked.f, 4);
    fixture_dispatch(&blocked.f);
    must(fo_subscribe(blocked.f.balancer, FO_EVENT_DOWN, block, &blocked, &subscription));
    must(fo_report(blocked.f.balancer, "e0", FO_OUTCOME_DOWN));
    dispatcher = crew_start(1, dispatch_once, &blocked);
    while (!atomic_load(&blocked.entered))
        sched_yield();
    for (size_t i = 0; i < CHANGES;
         i++) { /* e1 has 500 incarnations, each of them held for a while */
        struct fo_endpoint_config config = fixture_upsert("e1", 100, fixture_data(4 + i));

        must(fo_pick(blocked.f.balancer, &leases[i]));
        must(fo_balancer_update(blocked.f.balancer, &config, 1, NULL, 0, NULL));
    }
    for (size_t i = 0; i < CHANGES; i++)
        must(fo_finish(&leases[i], FO_OUTCOME_SUCCESS));
    cr_assert_eq(fixture_heard(&blocked.f, FO_EVENT_RELEASED, NULL), 0);
    atomic_store(&blocked.may_return, true);
    crew_join(dispatcher);
    fixture_dispatch(&blocked.f);
    cr_assert_eq(fixture_heard(&blocked.f, FO_EVENT_RELEASED, "e1"), CHANGES);
    fixture_destroy(&blocked.f);
}
