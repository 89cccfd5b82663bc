/* SPDX-License-Identifier: Apache-2.0
 *
 * fo_endpoint_status() and fo_endpoint_list(): copies of what is known.
 */
#include "crew.h"
#include "dump.h"
#include "fixture.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <string.h>

static void begin(struct fixture *f, size_t n)
{
    fixture_init(f);
    fixture_balancer(f, NULL);
    if (n > 0)
        fixture_add(f, n, NULL);
}

Test(view, status_has_everything)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("x");
    struct fo_endpoint_info info = fo_endpoint_info_init();
    struct fo_lease lease;
    struct fixture f;

    begin(&f, 0);
    config.max_weight = 200;
    config.min_weight = 10;
    config.init_weight = 50;
    config.tags = 6;
    config.data = &f;
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    cr_assert_eq(fo_report(f.balancer, "x", FO_OUTCOME_NEUTRAL), FO_OK);
    cr_assert_eq(fo_endpoint_status(f.balancer, "x", &info), FO_OK);
    cr_assert_str_eq(info.name, "x");
    cr_assert_eq(info.id, fo_endpoint_id(lease.endpoint));
    cr_assert_eq(info.data, &f);
    cr_assert_eq(info.tags, 6);
    cr_assert_eq(info.max_weight, 200);
    cr_assert_eq(info.min_weight, 10);
    cr_assert_eq(info.live_weight, 50);
    cr_assert_eq(info.health, 0.25);
    cr_assert_eq(info.state, FO_STATE_UP);
    cr_assert_eq(info.drained, false);
    cr_assert_eq(info.started, 2);
    cr_assert_eq(info.finished, 1);
    cr_assert_eq(info.failed, 0);
    cr_assert_eq(info.in_flight, 1);
    cr_assert_eq(info.size, sizeof(info));
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_DOWN), FO_OK);
    cr_assert_eq(fo_endpoint_status(f.balancer, "x", &info), FO_OK);
    cr_assert_eq(info.failed, 1);
    cr_assert_eq(info.in_flight, 0);
    cr_assert_eq(info.state, FO_STATE_DOWN);
    cr_assert_eq(info.live_weight, 10);
    fixture_destroy(&f);
}

Test(view, a_refused_status_leaves_the_info_untouched)
{
    char longer[FO_NAME_MAX + 2];
    struct fo_endpoint_info info, before;
    struct fixture f;

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    begin(&f, 1);
    memset(&info, 0x5a, sizeof(info));
    info.size = sizeof(info);
    before = info;
    cr_assert_eq(fo_endpoint_status(f.balancer, "nobody", &info), FO_NOTFOUND);
    cr_assert_eq(fo_endpoint_status(f.balancer, longer, &info), FO_NOTFOUND);
    cr_assert_eq(fo_endpoint_status(f.balancer, NULL, &info), FO_EINVAL);
    cr_assert_eq(fo_endpoint_status(NULL, "e0", &info), FO_EINVAL);
    cr_assert_eq(memcmp(&info, &before, sizeof(info)), 0);
    cr_assert_eq(fo_endpoint_status(f.balancer, "e0", NULL), FO_EINVAL);
    info.size = 0;
    cr_assert_eq(fo_endpoint_status(f.balancer, "e0", &info), FO_EINVAL);
    fixture_destroy(&f);
}

Test(view, list_shows_all_in_the_order_of_joining)
{
    struct fo_endpoint_config again = fo_endpoint_config_init("e1");
    struct fixture f;

    begin(&f, 4);
    cr_assert_str_eq(dump_names(f.balancer), "e0 e1 e2 e3");
    again.data = &f;
    cr_assert_eq(fo_balancer_update(f.balancer, &again, 1, NULL, 0, NULL), FO_OK);
    cr_assert_str_eq(dump_names(f.balancer), "e0 e2 e3 e1");
    fixture_destroy(&f);
}

struct visits {
    struct fixture *f;
    int count;
    int stop_at;
};

static bool count_visits(const struct fo_endpoint_info *info, void *arg)
{
    struct visits *visits = arg;

    (void)info;
    return ++visits->count != visits->stop_at;
}

Test(view, a_visitor_may_stop)
{
    struct visits visits = {.stop_at = 2};
    struct fixture f;

    begin(&f, 5);
    cr_assert_eq(fo_endpoint_list(f.balancer, count_visits, &visits), FO_OK);
    cr_assert_eq(visits.count, 2);
    visits = (struct visits){.stop_at = -1};
    cr_assert_eq(fo_endpoint_list(f.balancer, count_visits, &visits), FO_OK);
    cr_assert_eq(visits.count, 5);
    fixture_destroy(&f);
}

static bool remove_visited(const struct fo_endpoint_info *info, void *arg)
{
    struct visits *visits = arg;
    const char *name = info->name;

    visits->count++;
    cr_assert_eq(fo_balancer_update(visits->f->balancer, NULL, 0, &name, 1, NULL), FO_OK);
    fixture_dispatch(visits->f);
    return true;
}

Test(view, a_visitor_may_change_the_membership, .timeout = 20)
{
    struct fixture f;
    struct visits visits = {.f = &f};

    begin(&f, 5);
    cr_assert_eq(fo_endpoint_list(f.balancer, remove_visited, &visits), FO_OK);
    cr_assert_eq(visits.count, 5, "it sees the copy that was taken before");
    cr_assert_str_eq(dump_names(f.balancer), "");
    visits.count = 0;
    cr_assert_eq(fo_endpoint_list(f.balancer, count_visits, &visits), FO_OK);
    cr_assert_eq(visits.count, 0);
    fixture_destroy(&f);
}

Test(view, refuses_what_is_missing)
{
    struct fixture f;

    begin(&f, 1);
    cr_assert_eq(fo_endpoint_list(f.balancer, NULL, NULL), FO_EINVAL);
    cr_assert_eq(fo_endpoint_list(NULL, count_visits, NULL), FO_EINVAL);
    fixture_destroy(&f);
}

/* An open lease keeps the memory of a balancer that is being destroyed. */
Test(view, and_everything_else_is_closed_behind_destroy)
{
    struct fo_endpoint_config upsert = fo_endpoint_config_init("e1");
    struct fo_endpoint_info info = fo_endpoint_info_init();
    struct fo_config config = fo_config_init();
    struct visits visits = {.stop_at = -1};
    struct fo_subscription *subscription = NULL;
    struct fo_lease lease, other = fo_lease_init();
    struct fo_balancer *balancer;
    struct fixture f;

    begin(&f, 1);
    balancer = f.balancer;
    cr_assert_eq(fo_pick(balancer, &lease), FO_OK);
    fixture_close(&f, balancer);
    cr_assert_eq(fo_pick(balancer, &other), FO_CLOSED);
    cr_assert_eq(fo_pick_with(balancer, NULL, &other), FO_CLOSED);
    cr_assert_null(other.endpoint);
    cr_assert_eq(fo_report(balancer, "e0", FO_OUTCOME_DOWN), FO_CLOSED);
    cr_assert_eq(fo_balancer_update(balancer, &upsert, 1, NULL, 0, NULL), FO_CLOSED);
    cr_assert_eq(fo_balancer_replace(balancer, &upsert, 1, 0, NULL), FO_CLOSED);
    cr_assert_eq(fo_balancer_configure(balancer, &config), FO_CLOSED);
    cr_assert_eq(fo_drain(balancer, "e0"), FO_CLOSED);
    cr_assert_eq(fo_undrain(balancer, "e0"), FO_CLOSED);
    cr_assert_eq(fo_endpoint_status(balancer, "e0", &info), FO_CLOSED);
    cr_assert_eq(fo_endpoint_list(balancer, count_visits, &visits), FO_CLOSED);
    cr_assert_eq(visits.count, 0);
    cr_assert_eq(fo_subscribe(balancer, FO_EVENT_ALL, fixture_record, &f, &subscription),
                 FO_CLOSED);
    cr_assert_null(subscription);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f);
}

/* ---- While picks run ---------------------------------------------------------------------- */

struct traffic {
    struct fixture f;
    _Atomic bool done;
};

static void pick_and_finish(size_t member, void *arg)
{
    struct traffic *traffic = arg;

    (void)member;
    while (!atomic_load(&traffic->done)) {
        struct fo_lease lease;

        if (fo_pick(traffic->f.balancer, &lease) == FO_OK)
            fo_finish(&lease, FO_OUTCOME_FAILURE);
    }
}

Test(view, counters_never_show_more_finished_than_started)
{
    struct fo_endpoint_info last = fo_endpoint_info_init();
    struct traffic traffic;
    struct crew *crew;

    begin(&traffic.f, 1);
    atomic_init(&traffic.done, false);
    crew = crew_start(3, pick_and_finish, &traffic);
    for (int i = 0; i < 20000; i++) {
        struct fo_endpoint_info now = fixture_info(&traffic.f, "e0");

        cr_assert_leq(now.finished, now.started);
        cr_assert_leq(now.failed, now.started);
        cr_assert_geq(now.finished, last.finished);
        cr_assert_geq(now.started, last.started);
        last = now;
    }
    atomic_store(&traffic.done, true);
    crew_join(crew);
    last = fixture_info(&traffic.f, "e0");
    cr_assert_eq(last.started, last.finished);
    cr_assert_eq(last.failed, last.finished);
    fixture_destroy(&traffic.f);
}
