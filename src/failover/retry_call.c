/* SPDX-License-Identifier: Apache-2.0
 *
 * A request that blocks: the loop that a caller of fo_retry_next() would write.
 */
#include "retrier.h"

/** Sends once, and reports what came of it. */
static fo_status attempt(struct fo_retry *retry, struct fo_lease *lease,
                         const struct fo_retry_advice *advice, fo_attempt_fn send, void *arg)
{
    const struct fo_retry_policy *policy = &retry->retrier->policy;
    struct fo_attempt attempt = {
        .size = sizeof(attempt),
        .endpoint = lease->endpoint,
        .deadline_ns = advice->deadline_ns,
        .number = advice->attempt,
        .timeout_ms = advice->timeout_ms,
    };
    int error = send(&attempt, arg);

    return fo_retry_report(retry, lease, policy->classify(error, policy->classify_arg),
                           attempt.retry_after_ms);
}

static fo_status run(struct fo_retry *retry, fo_attempt_fn send, void *arg)
{
    const struct fo_retry_policy *policy = &retry->retrier->policy;
    struct fo_retry_advice advice = fo_retry_advice_init();
    struct fo_lease lease;

    for (;;) {
        fo_status status = fo_retry_next(retry, &lease, &advice);

        if (status == FO_OK)
            status = attempt(retry, &lease, &advice, send, arg);
        else if (status == FO_WAIT)
            policy->sleep(advice.wait_until_ns, policy->sleep_arg);
        if (status != FO_OK && status != FO_WAIT)
            return status;
    }
}

fo_status fo_call(struct fo_retrier *retrier, struct fo_balancer *balancer,
                  const struct fo_pick_options *options, fo_attempt_fn send, void *arg)
{
    struct fo_retry retry;
    fo_status status;

    if (send == NULL)
        return FO_EINVAL;
    status = fo_retry_begin(retrier, balancer, options, &retry);
    if (status != FO_OK)
        return status;
    status = run(&retry, send, arg);
    (void)fo_retry_end(&retry);
    return status == FO_DONE ? FO_OK : status;
}
