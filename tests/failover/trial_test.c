/* SPDX-License-Identifier: Apache-2.0
 *
 * Trials: how a host that is down comes back without a checker. All on virtual time.
 */
#include "crew.h"
#include "fixture.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <stdlib.h>

#define BACKOFF_MS 100
#define BACKOFF_MAX_MS 450
#define TIMEOUT_MS 500

static void begin_seeded(struct fixture *f, size_t n, uint64_t seed)
{
    struct fo_config config;

    fixture_init(f);
    config = fixture_config(f);
    config.weight = fo_weight_ratio();
    config.seed = seed;
    config.trial.backoff_ms = BACKOFF_MS;
    config.trial.backoff_max_ms = BACKOFF_MAX_MS;
    config.trial.timeout_ms = TIMEOUT_MS;
    fixture_balancer(f, &config);
    if (n > 0)
        fixture_add(f, n, NULL);
}

static void begin(struct fixture *f, size_t n)
{
    begin_seeded(f, n, 1);
}

static fo_state state(struct fixture *f, size_t i)
{
    return fixture_info(f, fixture_name(i)).state;
}

static void take_down(struct fixture *f, size_t i)
{
    cr_assert_eq(fo_report(f->balancer, fixture_name(i), FO_OUTCOME_DOWN), FO_OK);
    fixture_dispatch(f);
}

/** Milliseconds until the host's state is so. */
static uint64_t ms_until(struct fixture *f, size_t i, fo_state wanted)
{
    uint64_t ms = 0;

    for (; state(f, i) != wanted; ms++) {
        cr_assert_lt(ms, 100000);
        fixture_advance_ms(f, 1);
    }
    return ms;
}

static struct fo_lease pick(struct fixture *f)
{
    struct fo_lease lease = fo_lease_init();

    cr_assert_eq(fo_pick(f->balancer, &lease), FO_OK);
    return lease;
}

/** Picks until endpoint i comes; how many picks that took, at most 1000. */
static int picks_until(struct fixture *f, size_t i, struct fo_lease *lease)
{
    for (int n = 1; n <= 1000; n++) {
        *lease = pick(f);
        if (fixture_index(lease->endpoint) == i)
            return n;
        cr_assert_eq(fo_finish(lease, FO_OUTCOME_NEUTRAL), FO_OK);
    }
    return 1001;
}

/* ---- When -------------------------------------------------------------------------------- */

Test(trial, waits_the_back_off_with_a_fifth_of_jitter)
{
    enum { N = 300 };
    uint64_t first = UINT64_MAX, last = 0;
    bool seen[N] = {false};
    struct fixture f;

    begin(&f, N);
    for (size_t i = 0; i < N; i++)
        take_down(&f, i);
    for (uint64_t ms = 1; ms <= 150; ms++) {
        fixture_advance_ms(&f, 1);
        for (size_t i = 0; i < N; i++) {
            if (seen[i] || state(&f, i) != FO_STATE_TRIAL)
                continue;
            seen[i] = true;
            first = ms < first ? ms : first;
            last = ms;
        }
    }
    for (size_t i = 0; i < N; i++)
        cr_assert(seen[i], "%zu", i);
    cr_assert(first >= 80 && last <= 121, "%d ... %d", (int)first, (int)last);
    cr_assert(first <= 85 && last >= 116, "they do not come back in step: %d ... %d", (int)first,
              (int)last);
    fixture_destroy(&f);
}

Test(trial, back_off_doubles_up_to_its_maximum_and_begins_again_after_a_recovery)
{
    const uint64_t wait_ms[] = {100, 200, 400, 450, 450, 450};

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct fixture f;

        begin_seeded(&f, 1, seed);
        for (int round = 0; round < 2; round++) {
            take_down(&f, 0);
            for (int i = 0; i < 6; i++) {
                uint64_t ms = ms_until(&f, 0, FO_STATE_TRIAL);

                cr_assert(ms >= wait_ms[i] * 4 / 5 && ms <= wait_ms[i] * 6 / 5 + 1, "%d: %d ms", i,
                          (int)ms);
                cr_assert_eq(
                    fixture_pick_and_finish(&f, i < 5 ? FO_OUTCOME_FAILURE : FO_OUTCOME_SUCCESS),
                    0);
                fixture_dispatch(&f);
            }
            cr_assert_eq(state(&f, 0), FO_STATE_UP);
        }
        fixture_destroy(&f);
    }
}

Test(trial, defaults_are_one_second_doubling_to_thirty)
{
    const uint64_t wait_ms[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct fixture f;

    fixture_open(&f, 1, NULL);
    take_down(&f, 0);
    for (int i = 0; i < 7; i++) {
        uint64_t ms = ms_until(&f, 0, FO_STATE_TRIAL);

        cr_assert(ms >= wait_ms[i] * 4 / 5 && ms <= wait_ms[i] * 6 / 5 + 1, "%d: %d", i, (int)ms);
        fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
        fixture_dispatch(&f);
    }
    fixture_destroy(&f);
}

Test(trial, nobody_is_tried_before_its_time)
{
    struct fixture f;

    begin(&f, 2);
    take_down(&f, 0);
    for (int ms = 0; ms < 79; ms++) {
        for (int i = 0; i < 20; i++)
            cr_assert_eq(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS), 1);
        fixture_advance_ms(&f, 1);
    }
    fixture_destroy(&f);
}

Test(trial, is_repeatable_with_a_seed_and_a_clock)
{
    uint64_t waits[2][5];

    for (int run = 0; run < 2; run++) {
        struct fixture f;

        begin_seeded(&f, 1, 77);
        take_down(&f, 0);
        for (int i = 0; i < 5; i++) {
            waits[run][i] = ms_until(&f, 0, FO_STATE_TRIAL);
            fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
            fixture_dispatch(&f);
        }
        fixture_destroy(&f);
    }
    for (int i = 0; i < 5; i++)
        cr_assert_eq(waits[0][i], waits[1][i]);
}

/* ---- Who --------------------------------------------------------------------------------- */

Test(trial, exactly_one_pick_gets_it)
{
    struct fo_lease leases[200];
    struct fixture f;
    int trials = 0;

    begin(&f, 2);
    take_down(&f, 0);
    ms_until(&f, 0, FO_STATE_TRIAL);
    for (int i = 0; i < 200; i++) {
        leases[i] = pick(&f);
        trials += fixture_index(leases[i].endpoint) == 0 ? 1 : 0;
    }
    cr_assert_eq(trials, 1);
    cr_assert_eq(fixture_index(leases[0].endpoint), 0, "and the first that comes");
    cr_assert_eq(state(&f, 0), FO_STATE_TRIAL);
    for (int i = 0; i < 200; i++)
        cr_assert_eq(fo_finish(&leases[i], FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(state(&f, 0), FO_STATE_UP);
    cr_assert_float_eq(fixture_info(&f, "e0").live_weight, 10, 1e-6);
    fixture_destroy(&f);
}

struct rush {
    struct fixture f;
    _Atomic int trials;
};

static void pick_fifty(size_t member, void *arg)
{
    struct fo_lease leases[50];
    struct rush *rush = arg;

    (void)member;
    for (int i = 0; i < 50; i++) {
        fo_status status = fo_pick(rush->f.balancer, &leases[i]);

        assert(status == FO_OK);
        if (fixture_index(leases[i].endpoint) == 0)
            atomic_fetch_add(&rush->trials, 1);
    }
    for (int i = 0; i < 50; i++)
        fo_finish(&leases[i], FO_OUTCOME_FAILURE);
}

Test(trial, exactly_one_of_many_threads_gets_it)
{
    const double weights[] = {100, 1e9};
    struct fo_endpoint_config other = fo_endpoint_config_init("e1");
    struct rush rush;

    begin(&rush.f, 0);
    fixture_add(&rush.f, 2, weights);
    other.max_weight = 1e9;
    other.min_weight = 1e9; /* whatever is reported, it stays up */
    other.data = fixture_data(1);
    cr_assert_eq(fo_balancer_update(rush.f.balancer, &other, 1, NULL, 0, NULL), FO_OK);
    take_down(&rush.f, 0);
    for (int round = 0; round < 100; round++) {
        ms_until(&rush.f, 0, FO_STATE_TRIAL);
        atomic_store(&rush.trials, 0);
        crew_run(4, pick_fifty, &rush);
        cr_assert_eq(atomic_load(&rush.trials), 1, "round %d", round);
        cr_assert_eq(state(&rush.f, 0), FO_STATE_DOWN);
        fixture_dispatch(&rush.f);
    }
    fixture_destroy(&rush.f);
}

Test(trial, waits_for_a_taker_as_long_as_it_takes)
{
    struct fixture f;

    begin(&f, 1);
    take_down(&f, 0);
    fixture_advance_ms(&f, 3600 * 1000);
    cr_assert_eq(state(&f, 0), FO_STATE_TRIAL);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_TRIAL, "e0"), 1);
    cr_assert_eq(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS), 0);
    cr_assert_eq(state(&f, 0), FO_STATE_UP);
    fixture_destroy(&f);
}

Test(trial, without_one_a_host_that_is_down_is_unavailable)
{
    struct fo_lease lease = fo_lease_init();
    struct fixture f;

    begin(&f, 1);
    take_down(&f, 0);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_UNAVAILABLE);
    ms_until(&f, 0, FO_STATE_TRIAL);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    cr_assert_eq(fo_pick(f.balancer, &(struct fo_lease){0}), FO_UNAVAILABLE);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_FAILURE), FO_OK);
    fixture_destroy(&f);
}

/* ---- How it ends -------------------------------------------------------------------------- */

Test(trial, that_is_lost_is_given_up_after_one_to_two_timeouts)
{
    /* Whenever after the offer it is taken. */
    for (uint64_t taken_ms = 0; taken_ms < 2 * TIMEOUT_MS; taken_ms += 37) {
        struct fo_lease lost;
        struct fixture f;
        uint64_t ms;

        begin(&f, 1);
        take_down(&f, 0);
        ms_until(&f, 0, FO_STATE_TRIAL);
        fixture_advance_ms(&f, taken_ms);
        lost = pick(&f);
        ms = ms_until(&f, 0, FO_STATE_DOWN);
        cr_assert(ms >= TIMEOUT_MS && ms <= 2 * TIMEOUT_MS, "taken at %d: %d", (int)taken_ms,
                  (int)ms);
        cr_assert_eq(fixture_last(&f, FO_EVENT_DOWN, "e0")->reason, FO_REASON_TRIAL_FAILED);
        ms = ms_until(&f, 0, FO_STATE_TRIAL);
        cr_assert(ms >= 160 && ms <= 241, "and the back-off has doubled: %d", (int)ms);
        cr_assert_eq(fo_finish(&lost, FO_OUTCOME_CANCELLED), FO_OK);
        fixture_destroy(&f);
    }
}

/** A trial whose lease comes back too late: it was given up, and the next one is out. */
static struct fo_lease late_trial(struct fixture *f, struct fo_lease *next)
{
    struct fo_lease late;

    take_down(f, 0);
    ms_until(f, 0, FO_STATE_TRIAL);
    late = pick(f);
    ms_until(f, 0, FO_STATE_DOWN);
    ms_until(f, 0, FO_STATE_TRIAL);
    *next = pick(f);
    return late;
}

static void check_that_trial_is_out(struct fixture *f)
{
    fixture_dispatch(f);
    cr_assert_eq(state(f, 0), FO_STATE_TRIAL);
    cr_assert_eq(fo_pick(f->balancer, &(struct fo_lease){0}), FO_UNAVAILABLE, "not on offer");
}

Test(trial, that_was_given_up_does_not_end_the_next)
{
    const fo_outcome outcomes[] = {FO_OUTCOME_FAILURE, FO_OUTCOME_OVERLOADED, FO_OUTCOME_DOWN,
                                   FO_OUTCOME_NEUTRAL, FO_OUTCOME_CANCELLED};

    for (int i = 0; i < 5; i++) {
        struct fo_lease late, next;
        struct fixture f;

        begin(&f, 1);
        late = late_trial(&f, &next);
        cr_assert_eq(fo_finish(&late, outcomes[i]), FO_OK);
        check_that_trial_is_out(&f);
        cr_assert_eq(fo_finish(&next, FO_OUTCOME_FAILURE), FO_OK);
        cr_assert_eq(state(&f, 0), FO_STATE_DOWN, "its own lease ends it");
        fixture_destroy(&f);
    }
}

Test(trial, that_was_given_up_still_lifts_the_host)
{
    struct fo_lease late, next;
    struct fixture f;

    begin(&f, 1);
    late = late_trial(&f, &next);
    cr_assert_eq(fo_finish(&late, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(state(&f, 0), FO_STATE_UP);
    cr_assert_eq(fo_finish(&next, FO_OUTCOME_FAILURE), FO_OK);
    cr_assert_eq(state(&f, 0), FO_STATE_UP, "that is from before the recovery");
    fixture_destroy(&f);
}

Test(trial, success_that_is_not_enough_leaves_the_next_alone)
{
    struct fo_weight_function weight = fo_weight_ratio();
    struct fo_lease late, next;
    struct fixture f;

    weight.recover_threshold = 2;
    fixture_open_one(&f, weight, 100, 0);
    late = late_trial(&f, &next);
    cr_assert_eq(fo_finish(&late, FO_OUTCOME_SUCCESS), FO_OK);
    check_that_trial_is_out(&f);
    cr_assert_eq(fo_finish(&next, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(state(&f, 0), FO_STATE_UP, "two in a row");
    fixture_destroy(&f);
}

Test(trial, that_says_nothing_is_given_back_to_the_next_pick)
{
    const fo_outcome nothing[] = {FO_OUTCOME_NEUTRAL, FO_OUTCOME_CANCELLED};

    for (int i = 0; i < 2; i++) {
        struct fixture f;

        begin(&f, 1);
        take_down(&f, 0);
        ms_until(&f, 0, FO_STATE_TRIAL);
        for (int n = 0; n < 5; n++) {
            cr_assert_eq(fixture_pick_and_finish(&f, nothing[i]), 0);
            cr_assert_eq(state(&f, 0), FO_STATE_TRIAL);
            fixture_dispatch(&f);
        }
        cr_assert_eq(fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE), 0);
        fixture_dispatch(&f);
        cr_assert_leq(ms_until(&f, 0, FO_STATE_TRIAL), 241, "it was one failed trial, not six");
        fixture_destroy(&f);
    }
}

Test(trial, story_of_a_crash_and_a_return)
{
    struct fixture f;

    begin(&f, 1);
    take_down(&f, 0);
    ms_until(&f, 0, FO_STATE_TRIAL);
    fixture_pick_and_finish(&f, FO_OUTCOME_FAILURE);
    fixture_dispatch(&f);
    ms_until(&f, 0, FO_STATE_TRIAL);
    fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f),
                     "added e0, down e0 (outcome down), trial e0 (back-off over), "
                     "down e0 (trial failed), trial e0 (back-off over), "
                     "recovered e0 (trial success)");
    fixture_destroy(&f);
}

/* ---- Who is not tried --------------------------------------------------------------------- */

Test(trial, is_not_given_to_a_retry_while_there_is_another_way)
{
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_lease lease;
    struct fixture f;
    uint64_t other;

    begin(&f, 3);
    other = fixture_id(&f, "e1");
    options.exclude = &other;
    options.exclude_count = 1;
    options.strict = true;
    take_down(&f, 0);
    ms_until(&f, 0, FO_STATE_TRIAL);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
        cr_assert_eq(fixture_index(lease.endpoint), 2);
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    }
    take_down(&f, 2);
    cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
    cr_assert_eq(fixture_index(lease.endpoint), 0, "now there is no other way");
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f);
}

Test(trial, is_not_given_to_a_pick_that_excludes_it)
{
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_lease lease = fo_lease_init();
    struct fixture f;
    uint64_t down;

    begin(&f, 1);
    down = fixture_id(&f, "e0");
    options.exclude = &down;
    options.exclude_count = 1;
    options.strict = true;
    take_down(&f, 0);
    ms_until(&f, 0, FO_STATE_TRIAL);
    cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_UNAVAILABLE);
    cr_assert_eq(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS), 0, "it is still on offer");
    fixture_destroy(&f);
}

Test(trial, is_given_to_picks_with_its_tags_only)
{
    const uint64_t tags[] = {1, 2};
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_lease lease;
    struct fixture f;

    begin(&f, 0);
    fixture_add_to(f.balancer, 2, NULL, tags);
    take_down(&f, 0);
    ms_until(&f, 0, FO_STATE_TRIAL);
    options.require_tags = 2;
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
        cr_assert_eq(fixture_index(lease.endpoint), 1);
        cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    }
    options.require_tags = 1;
    cr_assert_eq(fo_pick_with(f.balancer, &options, &lease), FO_OK);
    cr_assert_eq(fixture_index(lease.endpoint), 0);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f);
}

Test(trial, is_not_for_the_drained)
{
    struct fo_lease lease;
    struct fixture f;

    begin(&f, 2);
    take_down(&f, 0);
    ms_until(&f, 0, FO_STATE_TRIAL);
    cr_assert_eq(fo_drain(f.balancer, "e0"), FO_OK); /* with the trial on offer */
    cr_assert_eq(picks_until(&f, 0, &lease), 1001);
    fixture_advance_ms(&f, 60000);
    cr_assert_eq(picks_until(&f, 0, &lease), 1001, "nor is it offered again");
    cr_assert_eq(fo_undrain(f.balancer, "e0"), FO_OK);
    fixture_advance_ms(&f, TIMEOUT_MS);
    cr_assert_eq(picks_until(&f, 0, &lease), 1, "until it is drained no more");
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(state(&f, 0), FO_STATE_UP);
    fixture_destroy(&f);
}

Test(trial, offers_of_the_drained_leave_room_for_others)
{
    enum { ROOM = 16 };
    struct fo_lease lease;
    struct fixture f;

    begin(&f, ROOM + 1);
    for (size_t i = 0; i < ROOM; i++)
        take_down(&f, i);
    fixture_advance_ms(&f, 121);
    for (size_t i = 0; i < ROOM; i++)
        cr_assert_eq(fo_drain(f.balancer, fixture_name(i)), FO_OK);
    take_down(&f, ROOM);
    ms_until(&f, ROOM, FO_STATE_TRIAL);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_OK);
    cr_assert_eq(fixture_index(lease.endpoint), ROOM);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    fixture_destroy(&f);
}

Test(trial, is_not_for_weight_zero)
{
    const double weights[] = {0, 100};
    struct fo_endpoint_config config = fo_endpoint_config_init("e0");
    struct fo_lease lease;
    struct fixture f;

    begin(&f, 0);
    fixture_add(&f, 2, weights);
    take_down(&f, 0);
    for (int i = 0; i < 20; i++) {
        fixture_advance_ms(&f, 100);
        for (int n = 0; n < 50; n++)
            cr_assert_eq(fixture_pick_and_finish(&f, FO_OUTCOME_NEUTRAL), 1);
    }
    config.data = fixture_data(0);
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    fixture_advance_ms(&f, TIMEOUT_MS);
    cr_assert_eq(picks_until(&f, 0, &lease), 1);
    config.max_weight = 0; /* while its trial is out */
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(state(&f, 0), FO_STATE_UP);
    fixture_destroy(&f);
}

/* ---- Beginning down ----------------------------------------------------------------------- */

Test(trial, lets_in_what_starts_with_weight_zero)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("e0");
    struct fo_lease lease = fo_lease_init();
    struct fixture f;
    uint64_t ms;

    begin(&f, 0);
    config.init_weight = 0;
    config.data = fixture_data(0);
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(state(&f, 0), FO_STATE_DOWN);
    cr_assert_eq(fo_pick(f.balancer, &lease), FO_UNAVAILABLE);
    fixture_dispatch(&f);
    cr_assert_str_eq(fixture_story(&f), "added e0, down e0 (started down)");
    ms = ms_until(&f, 0, FO_STATE_TRIAL);
    cr_assert(ms >= 80 && ms <= 121);
    cr_assert_eq(fixture_pick_and_finish(&f, FO_OUTCOME_SUCCESS), 0);
    cr_assert_eq(state(&f, 0), FO_STATE_UP);
    fixture_destroy(&f);
}

/* ---- Updates meanwhile -------------------------------------------------------------------- */

Test(trial, goes_over_to_a_new_incarnation)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("e0");
    struct fo_lease lease;
    struct fixture f;

    begin(&f, 2);
    take_down(&f, 0);
    ms_until(&f, 0, FO_STATE_TRIAL);
    config.data = fixture_data(2); /* with the old one's trial on offer */
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    fixture_dispatch(&f);
    cr_assert_eq(picks_until(&f, 2, &lease), 1);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(state(&f, 0), FO_STATE_UP);
    fixture_destroy(&f);
}

Test(trial, of_an_incarnation_that_has_left_still_counts)
{
    struct fo_endpoint_config config = fo_endpoint_config_init("e0");
    struct fo_lease lease;
    struct fixture f;

    begin(&f, 1);
    take_down(&f, 0);
    ms_until(&f, 0, FO_STATE_TRIAL);
    lease = pick(&f);
    config.data = fixture_data(2);
    cr_assert_eq(fo_balancer_update(f.balancer, &config, 1, NULL, 0, NULL), FO_OK);
    cr_assert_eq(fo_finish(&lease, FO_OUTCOME_SUCCESS), FO_OK);
    cr_assert_eq(state(&f, 0), FO_STATE_UP);
    fixture_destroy(&f);
}

Test(trial, of_what_is_removed_is_not_offered_any_more)
{
    const char *removals[] = {"e0"};
    struct fo_lease lease;
    struct fixture f;

    begin(&f, 2);
    take_down(&f, 0);
    ms_until(&f, 0, FO_STATE_TRIAL);
    cr_assert_eq(fo_balancer_update(f.balancer, NULL, 0, removals, 1, NULL), FO_OK);
    cr_assert_eq(picks_until(&f, 0, &lease), 1001);
    fixture_advance_ms(&f, 5000);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_RELEASED, "e0"), 1);
    cr_assert_eq(fo_runtime_next_deadline_ms(f.runtime), -1, "and its timer is gone");
    fixture_destroy(&f);
}

Test(trial, timers_do_not_keep_a_destroyed_balancer)
{
    struct fixture f;

    begin(&f, 5);
    for (size_t i = 0; i < 5; i++)
        take_down(&f, i);
    fixture_close(&f, f.balancer);
    fixture_dispatch(&f);
    cr_assert_eq(fixture_heard(&f, FO_EVENT_CLOSED, NULL), 1);
    cr_assert_eq(fo_runtime_next_deadline_ms(f.runtime), -1);
    fixture_destroy(&f);
}

/* ---- Many at once ------------------------------------------------------------------------- */

Test(trial, more_hosts_than_fit_on_offer_all_come_back)
{
    enum { N = 61 };
    struct fixture f;

    begin(&f, N);
    for (size_t i = 0; i < N; i++)
        take_down(&f, i);
    fixture_advance_ms(&f, 121);
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(state(&f, i), FO_STATE_TRIAL);
    /* 16 are on offer at once; whoever finds no room asks again each 100 ms. */
    for (int round = 0; round < 4; round++) {
        struct fo_lease leases[16];

        for (int i = 0; i < 16 && round * 16 + i < N; i++)
            leases[i] = pick(&f);
        for (int i = 0; i < 16 && round * 16 + i < N; i++)
            cr_assert_eq(fo_finish(&leases[i], FO_OUTCOME_SUCCESS), FO_OK);
        fixture_advance_ms(&f, 101);
    }
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(state(&f, i), FO_STATE_UP, "%zu", i);
    fixture_destroy(&f);
}
