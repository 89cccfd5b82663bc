/* SPDX-License-Identifier: Apache-2.0
 *
 * The budget's formula against lists of what happened when.
 */
#include "dice.h"
#include "retry_budget.h"

#include <criterion/criterion.h>

#define EVENTS 20000

/** All that ever happened, newest last. */
struct list {
    uint64_t at[EVENTS];
    size_t count;
};

static void note(struct list *list, uint64_t at)
{
    cr_assert_lt(list->count, EVENTS);
    list->at[list->count++] = at;
}

/** How many of the last `span`: `now` and before, but not `now` − span. */
static uint64_t count_in(const struct list *list, uint64_t now, uint64_t span)
{
    uint64_t count = 0;

    for (size_t i = list->count; i-- > 0 && list->at[i] + span > now;)
        count++;
    return count;
}

static void forget_one_of(struct list *list, uint64_t at)
{
    size_t i = list->count;

    while (list->at[--i] != at)
        ;
    memmove(&list->at[i], &list->at[i + 1], (list->count - i - 1) * sizeof(list->at[0]));
    list->count--;
}

static struct list requests;
static struct list payments;

static uint32_t step(struct dice *dice)
{
    if (dice_below(dice, 500) == 0)
        return dice_below(dice, 100); /* past everything */
    return dice_below(dice, 10) == 0 ? 1 + dice_below(dice, 3) : 0;
}

static void compare(double share, double floor, uint64_t seed)
{
    struct dice dice = dice_of(seed);
    struct fo__retry_window window = {0};
    struct fo__retry_budget budget;
    uint32_t tick = (uint32_t)dice_next(&dice); /* a clock begins anywhere, and may wrap */
    uint64_t now = 1000;                        /* the same, from elsewhere */
    uint64_t paid = 0;

    requests.count = payments.count = 0;
    fo__retry_budget_init(&budget, share, floor);
    for (int i = 0; i < 15000; i++) {
        uint32_t ahead = step(&dice);
        uint64_t allowed;
        bool may;

        tick += ahead;
        now += ahead;
        if (dice_below(&dice, 3) > 0) {
            fo__retry_window_add(&window, tick);
            note(&requests, now);
            continue;
        }
        allowed = (uint64_t)(share * (double)count_in(&requests, now, 20) + floor);
        may = count_in(&payments, now, 21) + 1 <= allowed;
        cr_assert_eq(fo__retry_budget_has_room(&budget, &window, tick), may, "event %d", i);
        cr_assert_eq(fo__retry_budget_pay(&budget, &window, tick), may, "event %d", i);
        if (!may)
            continue;
        paid++;
        note(&payments, now);
        if (dice_below(&dice, 5) == 0) {
            fo__retry_budget_repay(&budget, tick);
            forget_one_of(&payments, now);
        }
    }
    cr_assert_gt(paid, 100, "the case says something");
}

Test(retry_budget, pays_as_a_naive_model_does)
{
    compare(0.25, 10, 1);
    compare(0.5, 0, 2);
    compare(2, 3, 3);
    compare(0, 20, 4);
}

/** Ticks are the library's affair; the promise is about time. */
Test(retry_budget, holds_for_the_ttl_before_each_payment)
{
    const uint64_t tick_ns = 1000;
    struct dice dice = dice_of(5);
    struct fo__retry_window window = {0};
    struct fo__retry_budget budget;
    uint64_t now = 123456;
    uint64_t refused = 0;

    requests.count = payments.count = 0;
    fo__retry_budget_init(&budget, 0.25, 8);
    for (int i = 0; i < 19000; i++) {
        uint32_t tick;

        now += dice_below(&dice, 200);
        tick = (uint32_t)(now / tick_ns);
        if (dice_below(&dice, 2) == 0) {
            fo__retry_window_add(&window, tick);
            note(&requests, now);
        } else if (!fo__retry_budget_pay(&budget, &window, tick)) {
            refused++;
        } else {
            note(&payments, now);
            cr_assert_leq((double)count_in(&payments, now, 20 * tick_ns),
                          0.25 * (double)count_in(&requests, now, 20 * tick_ns) + 8, "event %d", i);
        }
    }
    cr_assert_gt(refused, 1000, "it was asked for more");
    cr_assert_gt(payments.count, 1000);
}

Test(retry_budget, gives_back_what_was_paid_and_no_more)
{
    struct fo__retry_window window = {0};
    struct fo__retry_budget budget;

    fo__retry_budget_init(&budget, 0, 1);
    cr_assert(fo__retry_budget_pay(&budget, &window, 100));
    cr_assert_not(fo__retry_budget_pay(&budget, &window, 100));
    fo__retry_budget_repay(&budget, 99);
    cr_assert_not(fo__retry_budget_pay(&budget, &window, 100), "nothing was paid at 99");
    fo__retry_budget_repay(&budget, 100);
    cr_assert(fo__retry_budget_pay(&budget, &window, 100));
    cr_assert_not(fo__retry_budget_pay(&budget, &window, 120), "it counts for 21 ticks");
    cr_assert(fo__retry_budget_pay(&budget, &window, 121));
    fo__retry_budget_repay(&budget, 100);
    cr_assert_not(fo__retry_budget_pay(&budget, &window, 121), "what is over is not given back");
}

Test(retry_budget, counts_where_a_late_thread_wakes_up)
{
    struct fo__retry_window window = {0};

    fo__retry_window_add(&window, 132);
    fo__retry_window_add(&window, 100); /* the same word, read from the clock long ago */
    cr_assert_eq(fo__retry_window_sum(&window, 132, 20), 2);
    cr_assert_eq(fo__retry_window_sum(&window, 100, 20), 0);
    cr_assert_not(fo__retry_window_take_back(&window, 100));
    cr_assert(fo__retry_window_take_back(&window, 132));
    cr_assert_eq(fo__retry_window_sum(&window, 132, 20), 1);
}
