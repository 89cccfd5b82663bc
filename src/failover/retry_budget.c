/* SPDX-License-Identifier: Apache-2.0 */
#include "retry_budget.h"

void fo__retry_budget_init(struct fo__retry_budget *budget, double share, double floor)
{
    *budget = (struct fo__retry_budget){.share = share, .floor = floor};
}

/** Payments whose time is over; each is in `spent` until whoever ended it subtracts it. */
static void forget_old(struct fo__retry_budget *budget, uint32_t tick)
{
    uint64_t over = fo__retry_window_expire(&budget->payments, tick, FO__RETRY_WINDOW_TICKS + 1);

    if (over > 0)
        fo__sub_relaxed(&budget->spent, over);
}

static bool is_too_much(const struct fo__retry_budget *budget, uint64_t spent,
                        const struct fo__retry_window *requests, uint32_t tick)
{
    return (double)spent > fo__retry_allowance(budget, fo__retry_window_sum(
                                                           requests, tick, FO__RETRY_WINDOW_TICKS));
}

bool fo__retry_budget_pay(struct fo__retry_budget *budget, const struct fo__retry_window *requests,
                          uint32_t tick)
{
    uint32_t over;

    forget_old(budget, tick);
    if (is_too_much(budget, fo__add_relaxed(&budget->spent, 1) + 1, requests, tick)) {
        fo__sub_relaxed(&budget->spent, 1);
        return false;
    }
    over = fo__retry_window_add(&budget->payments, tick);
    if (over > 0)
        fo__sub_relaxed(&budget->spent, over);
    return true;
}

void fo__retry_budget_repay(struct fo__retry_budget *budget, uint32_t tick)
{
    if (fo__retry_window_take_back(&budget->payments, tick))
        fo__sub_relaxed(&budget->spent, 1);
}

bool fo__retry_budget_has_room(struct fo__retry_budget *budget,
                               const struct fo__retry_window *requests, uint32_t tick)
{
    forget_old(budget, tick);
    return !is_too_much(budget, fo__load_relaxed(&budget->spent) + 1, requests, tick);
}
