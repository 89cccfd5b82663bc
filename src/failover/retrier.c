/* SPDX-License-Identifier: Apache-2.0
 *
 * Making a retrier: the policy, read, with its zeros replaced by what they mean.
 */
#include "retrier.h"

#include "abi.h"

#include <stdlib.h>
#include <time.h>

static void sleep_until(uint64_t until_ns, void *arg)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / UINT64_C(1000000000)),
                             .tv_nsec = (long)(until_ns % UINT64_C(1000000000))};

    (void)arg;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/** False for NaN, too. */
static bool is_within(double number, double least, double most)
{
    return number >= least && number <= most;
}

static bool is_share(double number, double most)
{
    return number == FO_RETRY_NONE || is_within(number, 0, most);
}

static bool backoff_is_valid(const struct fo_retry_policy *policy)
{
    return policy->backoff_base_ms == FO_RETRY_NO_BACKOFF || policy->backoff_max_ms == 0 ||
           policy->backoff_base_ms <= policy->backoff_max_ms;
}

static bool is_valid(const struct fo_retry_policy *policy)
{
    return policy->max_attempts <= FO_RETRY_ATTEMPTS_MAX && backoff_is_valid(policy) &&
           (policy->budget_ttl_ms == 0 || is_within(policy->budget_ttl_ms, 1000, 3600000)) &&
           is_share(policy->budget_share, 1000) && is_share(policy->budget_floor_per_s, 1e6) &&
           (policy->throttle_k == 0 || is_within(policy->throttle_k, 1, 1000)) &&
           is_within(policy->hedge_share, 0, 0.1);
}

static void default_to(uint32_t *number, uint32_t value)
{
    *number = *number != 0 ? *number : value;
}

static double share_of(double number, double value)
{
    return number == FO_RETRY_NONE ? 0 : number == 0 ? value : number;
}

static void fill_backoff(struct fo_retry_policy *policy)
{
    if (policy->backoff_base_ms == FO_RETRY_NO_BACKOFF) {
        policy->backoff_base_ms = 0;
        return;
    }
    if (policy->backoff_base_ms == 0)
        policy->backoff_base_ms = policy->backoff_max_ms != 0 && policy->backoff_max_ms < 25
                                      ? policy->backoff_max_ms
                                      : 25;
    default_to(&policy->backoff_max_ms,
               policy->backoff_base_ms > 1000 ? policy->backoff_base_ms : 1000);
}

static void fill_in(struct fo_retry_policy *policy)
{
    default_to(&policy->max_attempts, 3);
    default_to(&policy->attempt_timeout_ms, FO_RETRY_NO_TIMEOUT);
    default_to(&policy->total_timeout_ms, 10000);
    default_to(&policy->budget_ttl_ms, 10000);
    fill_backoff(policy);
    policy->budget_share = share_of(policy->budget_share, 0.2);
    policy->budget_floor_per_s = share_of(policy->budget_floor_per_s, 10);
    policy->classify = policy->classify != NULL ? policy->classify : fo_classify_errno;
    policy->sleep = policy->sleep != NULL ? policy->sleep : sleep_until;
    policy->seed = policy->seed != 0 ? policy->seed : fo__rng_system_seed();
}

static uint64_t timeout_ns(uint32_t ms)
{
    return ms == FO_RETRY_NO_TIMEOUT ? UINT64_MAX : ms * FO__NS_PER_MS;
}

static void retrier_init(struct fo_retrier *retrier, const struct fo_retry_policy *policy)
{
    double ttl_s = policy->budget_ttl_ms / 1000.0;

    *retrier = (struct fo_retrier){
        .policy = *policy,
        .tick_ns = policy->budget_ttl_ms * FO__NS_PER_MS / FO__RETRY_WINDOW_TICKS,
        .attempt_timeout_ns = timeout_ns(policy->attempt_timeout_ms),
        .total_timeout_ns = timeout_ns(policy->total_timeout_ms),
        .backoff_base_ns = policy->backoff_base_ms * FO__NS_PER_MS,
        .backoff_max_ns = policy->backoff_max_ms * FO__NS_PER_MS,
        .rng = policy->seed,
    };
    fo__retry_budget_init(&retrier->retries, policy->budget_share,
                          policy->budget_floor_per_s * ttl_s);
    fo__retry_budget_init(&retrier->hedges, policy->hedge_share, 0);
    fo__retry_throttle_init(&retrier->throttle, policy->throttle_k);
}

fo_status fo_retrier_create(const struct fo_retry_policy *policy, struct fo_retrier **retrier)
{
    struct fo_retry_policy ours = fo_retry_policy_init();
    struct fo_retrier *made;

    if (retrier == NULL || (policy != NULL && !fo__abi_read(&ours, sizeof(ours), policy)) ||
        !is_valid(&ours))
        return FO_EINVAL;
    fill_in(&ours);
    made = aligned_alloc(FO__CACHE_LINE, sizeof(*made));
    if (made == NULL)
        return FO_NOMEM;
    retrier_init(made, &ours);
    *retrier = made;
    return FO_OK;
}

void fo_retrier_destroy(struct fo_retrier *retrier)
{
    free(retrier);
}
