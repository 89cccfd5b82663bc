/* SPDX-License-Identifier: Apache-2.0
 *
 * A budget: how much may be spent for what was asked.
 *
 *     spent in the last ttl  ≤  share × requests in the last ttl + floor       at every payment
 *
 * Whoever pays adds to `spent` first and looks then; if that is too much he takes it back. All threads
 * meet in that one word, so of two that want the last of it at most one has it, and perhaps neither:
 * refused too early, never overspent.
 *
 * Two windows end at different times on purpose. What was spent counts for up to a tick longer than the
 * ttl, requests for up to a tick less. So the rule holds for the ttl before each payment exactly, and
 * not only for those that begin with a tick; and no request pays twice: what was paid because of it
 * counts for longer than it does.
 */
#ifndef FO_RETRY_BUDGET_H
#define FO_RETRY_BUDGET_H

#include "retry_window.h"

struct fo__retry_budget {
    double share; /* for each request */
    double floor; /* in each ttl */
    _Atomic uint64_t spent;
    struct fo__retry_window payments;
};

void fo__retry_budget_init(struct fo__retry_budget *budget, double share, double floor);

/** What may be spent in a ttl with so many requests. */
static inline double fo__retry_allowance(const struct fo__retry_budget *budget, uint64_t requests)
{
    return budget->share * (double)requests + budget->floor;
}

/** Pays for one; false: the budget is spent. Lock-free. */
bool fo__retry_budget_pay(struct fo__retry_budget *budget, const struct fo__retry_window *requests,
                          uint32_t tick);

/** Gives back what was paid at that tick and is not needed; nothing, if its ttl is over. */
void fo__retry_budget_repay(struct fo__retry_budget *budget, uint32_t tick);

/** Whether one could be paid for now. */
bool fo__retry_budget_has_room(struct fo__retry_budget *budget,
                               const struct fo__retry_window *requests, uint32_t tick);

#endif
