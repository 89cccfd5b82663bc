/* SPDX-License-Identifier: Apache-2.0
 *
 * The timer heap against an array that is searched from end to end.
 */
#include "dice.h"
#include "timer.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define TIMERS 200u

struct world {
    struct fo__timers timers;
    struct fo__timer timer[TIMERS];
    uint64_t due_ns[TIMERS]; /* the oracle; FO__NEVER: not armed */
};

static struct world *world_of(void)
{
    struct world *world = calloc(1, sizeof(*world));

    cr_assert_not_null(world);
    for (uint32_t i = 0; i < TIMERS; i++)
        world->due_ns[i] = FO__NEVER;
    return world;
}

static void arm(struct world *world, uint32_t i, uint64_t due_ns)
{
    fo__timer_arm(&world->timers, &world->timer[i], due_ns);
    world->due_ns[i] = due_ns;
}

static void cancel(struct world *world, uint32_t i)
{
    fo__timer_cancel(&world->timers, &world->timer[i]);
    world->due_ns[i] = FO__NEVER;
}

static uint64_t earliest_ns(const struct world *world)
{
    uint64_t earliest = FO__NEVER;

    for (uint32_t i = 0; i < TIMERS; i++)
        earliest = world->due_ns[i] < earliest ? world->due_ns[i] : earliest;
    return earliest;
}

/** Takes one timer and checks that it was due, and that none was due earlier. */
static bool take(struct world *world, uint64_t now_ns)
{
    uint64_t wanted_ns = earliest_ns(world);
    struct fo__timer *timer = fo__timers_take_due(&world->timers, now_ns);

    if (wanted_ns > now_ns || wanted_ns == FO__NEVER) {
        cr_assert_null(timer);
        return false;
    }
    cr_assert_not_null(timer);
    cr_assert_eq(timer->due_ns, wanted_ns);
    cr_assert_eq(world->due_ns[timer - world->timer], wanted_ns);
    cr_assert_not(timer->armed);
    world->due_ns[timer - world->timer] = FO__NEVER;
    return true;
}

Test(timer, agrees_with_a_searched_array_over_random_operations)
{
    struct world *world = world_of();
    struct dice dice = dice_of(31);
    uint64_t now_ns = 0;

    for (int i = 0; i < 100000; i++) {
        uint32_t which = dice_below(&dice, TIMERS);
        uint32_t what = dice_below(&dice, 10);

        if (what < 5)
            arm(world, which, now_ns + dice_below(&dice, 1000));
        else if (what < 7)
            cancel(world, which);
        else if (what < 9)
            (void)take(world, now_ns);
        else
            now_ns += dice_below(&dice, 60);
        cr_assert_eq(fo__timers_next_ns(&world->timers), earliest_ns(world));
    }
    while (take(world, FO__NEVER - 1))
        ;
    cr_assert_eq(fo__timers_next_ns(&world->timers), FO__NEVER);
    free(world);
}

Test(timer, sorts_what_is_armed_in_any_order)
{
    struct world *world = world_of();

    for (uint32_t i = 0; i < TIMERS; i++)
        arm(world, i, (i * 7919) % 1000); /* with equal ones among them */
    for (uint32_t i = 0; i < TIMERS; i++)
        cr_assert(take(world, 1000));
    cr_assert_not(take(world, 1000));
    free(world);
}

Test(timer, is_moved_by_arming_it_again)
{
    struct world *world = world_of();

    arm(world, 0, 10);
    arm(world, 1, 20);
    arm(world, 0, 30);
    cr_assert_not(take(world, 19));
    cr_assert(take(world, 20));
    cr_assert(take(world, 30));
    free(world);
}

Test(timer, is_due_at_its_time_and_not_before)
{
    struct world *world = world_of();

    arm(world, 5, 100);
    cr_assert_not(take(world, 99));
    cr_assert(take(world, 100));
    free(world);
}

Test(timer, may_be_cancelled_twice)
{
    struct world *world = world_of();

    arm(world, 0, 10);
    arm(world, 1, 20);
    cancel(world, 0);
    cancel(world, 0);
    cancel(world, 2);
    cr_assert_eq(fo__timers_next_ns(&world->timers), 20);
    free(world);
}
