/* SPDX-License-Identifier: Apache-2.0
 *
 * The tick of a group: a change of health reaches the sums of all balancers within 10 ms, and costs the
 * reporter one wake-up at most. On virtual time.
 */
#include "fixture.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>

#define TICK_MS 10
#define MANY 1000
#define HOSTS 8

struct shop {
    struct fixture f;
    struct fo_group *group;
    struct fo_balancer *balancer[MANY];
    size_t count;
};

/** Levels 0 and 1 of half of the hosts each, so that overflow is seen. */
static void join(struct shop *shop)
{
    struct fo_config config = fixture_config(&shop->f);
    struct fo_endpoint_config servers[HOSTS];
    struct fo_balancer *balancer;

    config.runtime = NULL; /* the group's */
    config.group = shop->group;
    config.weight = fo_weight_ratio();
    cr_assert_eq(fo_balancer_create(&config, &balancer), FO_OK);
    for (size_t i = 0; i < HOSTS; i++) {
        servers[i] = fixture_upsert(fixture_name(i), 100, fixture_data(i));
        servers[i].level = i < HOSTS / 2 ? 0 : 1;
    }
    cr_assert_eq(fo_balancer_update(balancer, servers, HOSTS, NULL, 0, NULL), FO_OK);
    shop->balancer[shop->count++] = balancer;
}

static struct shop *begin(size_t balancers)
{
    struct shop *shop = calloc(1, sizeof(*shop));
    struct fo_group_config config = fo_group_config_init();

    cr_assert_not_null(shop);
    fixture_init(&shop->f);
    config.runtime = shop->f.runtime;
    config.judge = fo_judge_none(); /* by health alone */
    cr_assert_eq(fo_group_create(&config, &shop->group), FO_OK);
    while (shop->count < balancers)
        join(shop);
    fixture_dispatch(&shop->f);
    fixture_dispatch(&shop->f);
    return shop;
}

static void end(struct shop *shop)
{
    while (shop->count > 0)
        fo_balancer_destroy(shop->balancer[--shop->count]);
    fo_group_destroy(shop->group);
    fixture_destroy(&shop->f); /* without the clock moving on: no tick keeps the runtime */
    free(shop);
}

static bool see(const struct fo_level_info *info, void *arg)
{
    if (info->level == 0)
        *(struct fo_level_info *)arg = *info;
    return true;
}

static double level_health(struct shop *shop, size_t i)
{
    struct fo_level_info info = {.health = -1};

    cr_assert_eq(fo_level_list(shop->balancer[i], NULL, see, &info), FO_OK);
    return info.health;
}

static double level_share(struct shop *shop, size_t i)
{
    struct fo_level_info info = {.share = -1};

    cr_assert_eq(fo_level_list(shop->balancer[i], NULL, see, &info), FO_OK);
    return info.share;
}

static void report(struct shop *shop, size_t i, size_t host, fo_outcome outcome)
{
    cr_assert_eq(fo_report(shop->balancer[i], fixture_name(host), outcome), FO_OK);
}

static bool is_readable(const struct shop *shop)
{
    struct pollfd ready = {.fd = fo_runtime_fd(shop->f.runtime), .events = POLLIN};

    return poll(&ready, 1, 0) == 1;
}

static int deadline_ms(struct shop *shop)
{
    return fo_runtime_next_deadline_ms(shop->f.runtime);
}

/** Moves the clock and dispatches once. */
static void advance_ms(struct shop *shop, uint64_t ms)
{
    atomic_fetch_add(&shop->f.now_ns, ms * UINT64_C(1000000));
    fo_runtime_dispatch(shop->f.runtime);
}

/* ---- What all see ---------------------------------------------------------------------------- */

Test(tick, brings_a_change_of_health_to_a_thousand_balancers)
{
    struct shop *shop = begin(MANY);

    report(shop, 0, 0, FO_OUTCOME_FAILURE);
    cr_assert_float_eq(level_health(shop, 0), 0.875, 1e-9, "the reporter's own at once");
    cr_assert_float_eq(level_health(shop, 1), 1, 1e-9, "the others' not yet");
    fixture_advance_ms(&shop->f, TICK_MS);
    for (size_t i = 0; i < MANY; i++)
        cr_assert_float_eq(level_health(shop, i), 0.875, 1e-9, "balancer %zu", i);
    for (int n = 0; n < 5; n++)
        for (size_t host = 0; host < HOSTS / 2; host++)
            report(shop, (size_t)n * 100 + host, host, FO_OUTCOME_FAILURE);
    fixture_advance_ms(&shop->f, TICK_MS);
    for (size_t i = 0; i < MANY; i++) {
        cr_assert_float_eq(level_health(shop, i), (3 / 32.0 + 1 / 64.0) / 4, 1e-9);
        cr_assert_float_eq(level_share(shop, i), level_share(shop, 0), 1e-9);
        cr_assert_lt(level_share(shop, i), 0.1, "its review is done, too");
    }
    end(shop);
}

Test(tick, is_not_needed_for_a_host_that_goes_down_to_be_accepted_by_nobody)
{
    struct shop *shop = begin(MANY);

    report(shop, 500, 0, FO_OUTCOME_DOWN);
    for (size_t i = 0; i < MANY; i++) {
        for (int n = 0; n < 8; n++) {
            struct fo_lease lease;

            cr_assert_eq(fo_pick(shop->balancer[i], &lease), FO_OK);
            cr_assert_neq(fixture_index(lease.endpoint), 0);
            cr_assert_eq(fo_finish(&lease, FO_OUTCOME_NEUTRAL), FO_OK);
        }
    }
    end(shop);
}

Test(tick, reaches_a_balancer_that_joins_in_the_middle_of_it)
{
    struct shop *shop = begin(700); /* of eight slots: more than one run mends */

    report(shop, 0, 0, FO_OUTCOME_FAILURE);
    fo_runtime_dispatch(shop->f.runtime);
    join(shop);
    report(shop, 0, 0, FO_OUTCOME_FAILURE);
    fixture_advance_ms(&shop->f, TICK_MS);
    for (size_t i = 0; i < shop->count; i++)
        cr_assert_float_eq(level_health(shop, i), 0.8125, 1e-9, "balancer %zu", i);
    end(shop);
}

Test(tick, goes_on_when_balancers_leave_in_the_middle_of_it)
{
    struct shop *shop = begin(MANY);

    srand(5);
    for (int n = 0; n < 20; n++) {
        report(shop, 0, 0, n % 2 == 0 ? FO_OUTCOME_FAILURE : FO_OUTCOME_SUCCESS);
        advance_ms(shop, n % 2 == 0 ? TICK_MS : 0);
        for (int i = 0; i < 40; i++) { /* also those that are next */
            size_t at = 1 + (size_t)rand() % (shop->count - 1);

            fo_balancer_destroy(shop->balancer[at]);
            shop->balancer[at] = shop->balancer[--shop->count];
        }
    }
    fixture_advance_ms(&shop->f, 2 * TICK_MS);
    for (size_t i = 1; i < shop->count; i++)
        cr_assert_float_eq(level_health(shop, i), level_health(shop, 0), 1e-9);
    end(shop);
}

/* ---- What it costs ---------------------------------------------------------------------------- */

Test(tick, wakes_once_however_many_outcomes_there_are)
{
    struct shop *shop = begin(3);
    double before;

    cr_assert_not(is_readable(shop));
    report(shop, 0, 0, FO_OUTCOME_FAILURE);
    cr_assert(is_readable(shop));
    fo_runtime_dispatch(shop->f.runtime);
    cr_assert_float_eq(level_health(shop, 2), 0.875, 1e-9, "the first at once");
    cr_assert_eq(deadline_ms(shop), TICK_MS);
    for (size_t n = 0; n < 100; n++)
        report(shop, n % 3, n % HOSTS, n < HOSTS ? FO_OUTCOME_FAILURE : FO_OUTCOME_SUCCESS);
    before = level_health(shop, 1);
    cr_assert_not(is_readable(shop));
    advance_ms(shop, TICK_MS - 1);
    cr_assert_eq(level_health(shop, 1), before, "not before 10 ms");
    advance_ms(shop, 1);
    cr_assert_eq(level_health(shop, 1), level_health(shop, 0));
    cr_assert_not(is_readable(shop));
    end(shop);
}

Test(tick, ends_when_nothing_changes_and_begins_again)
{
    struct shop *shop = begin(2);

    for (int n = 0; n < 3; n++) {
        report(shop, 0, 0, FO_OUTCOME_FAILURE);
        fo_runtime_dispatch(shop->f.runtime);
        cr_assert_eq(deadline_ms(shop), TICK_MS);
        advance_ms(shop, TICK_MS);
        cr_assert_eq(deadline_ms(shop), -1);
        cr_assert_eq(level_health(shop, 0), level_health(shop, 1));
    }
    end(shop);
}

Test(tick, is_none_for_a_balancer_that_is_alone)
{
    struct shop *shop = begin(1);

    report(shop, 0, 0, FO_OUTCOME_FAILURE);
    cr_assert_not(is_readable(shop));
    cr_assert_eq(deadline_ms(shop), -1);
    join(shop);
    fixture_dispatch(&shop->f);
    report(shop, 1, 0, FO_OUTCOME_FAILURE);
    fixture_dispatch(&shop->f);
    cr_assert_eq(level_health(shop, 0), level_health(shop, 1));
    end(shop);
}

Test(tick, of_many_balancers_is_shared_out_over_dispatches)
{
    struct shop *shop = begin(MANY);
    size_t behind = 0;

    report(shop, 0, 0, FO_OUTCOME_FAILURE);
    fo_runtime_dispatch(shop->f.runtime);
    for (size_t i = 0; i < MANY; i++)
        behind += level_health(shop, i) == 1 ? 1 : 0;
    cr_assert(behind > 0 && behind < MANY, "%zu", behind);
    cr_assert_eq(deadline_ms(shop), 0, "the rest is due at once");
    fo_runtime_dispatch(shop->f.runtime);
    fo_runtime_dispatch(shop->f.runtime);
    for (size_t i = 0; i < MANY; i++)
        cr_assert_float_eq(level_health(shop, i), 0.875, 1e-9);
    end(shop);
}
