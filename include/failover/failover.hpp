/* SPDX-License-Identifier: Apache-2.0
 *
 * Leases and requests for C++11 and later: move-only, finished exactly once.
 *
 *     failover::lease lease;
 *     if (lease.pick(balancer) == FO_OK) {
 *         bool done = send(fo_endpoint_data(lease.endpoint()));
 *         lease.finish(done ? FO_OUTCOME_SUCCESS : FO_OUTCOME_FAILURE);
 *     }
 *
 * A lease that goes out of scope unfinished (an exception, an early return) is finished as
 * cancelled: nothing leaks, and the server is neither praised nor blamed. So is a request (retry.h) that
 * goes out of scope, with its open attempts:
 *
 *     failover::retry retry;
 *     status = retry.begin(retrier, balancer);
 *     while (status == FO_OK && (status = retry.next(&attempt, &advice)) == FO_OK)
 *         retry.report(&attempt, send(fo_endpoint_data(attempt.endpoint)));
 *
 * Header-only; nothing here throws. One object is used by one thread at a time; moving it to another
 * thread is fine.
 */
#ifndef FAILOVER_FAILOVER_HPP
#define FAILOVER_FAILOVER_HPP

#include <failover/failover.h>

namespace failover {

class lease {
public:
    lease() noexcept : lease_(fo_lease_init()) {}
    lease(lease &&other) noexcept : lease_(other.lease_) { other.lease_ = fo_lease_init(); }
    lease(const lease &) = delete;
    lease &operator=(const lease &) = delete;
    ~lease() { cancel(); }

    lease &operator=(lease &&other) noexcept
    {
        if (this != &other) {
            cancel();
            lease_ = other.lease_;
            other.lease_ = fo_lease_init();
        }
        return *this;
    }

    /** As fo_pick(). A lease that is still held is finished as cancelled first. */
    FO_MUST_USE fo_status pick(fo_balancer *balancer) noexcept { return pick(balancer, nullptr); }

    /** As fo_pick_with(). */
    FO_MUST_USE fo_status pick(fo_balancer *balancer, const fo_pick_options *options) noexcept
    {
        cancel();
        return fo_pick_with(balancer, options, &lease_);
    }

    /** As fo_finish(); FO_EINVAL when nothing is held. */
    fo_status finish(fo_outcome outcome) noexcept { return fo_finish(&lease_, outcome); }

    /** The endpoint held, or nullptr. */
    fo_endpoint *endpoint() const noexcept { return lease_.endpoint; }

    /** Whether an endpoint is held. */
    explicit operator bool() const noexcept { return lease_.endpoint != nullptr; }

private:
    void cancel() noexcept
    {
        if (lease_.endpoint != nullptr)
            (void)fo_finish(&lease_, FO_OUTCOME_CANCELLED);
    }

    fo_lease lease_;
};

/** One request and its attempts. The leases of attempts are the request's: plain, and reported to it. */
class retry {
public:
    retry() noexcept : retry_(fo_retry_init()) {}
    retry(retry &&other) noexcept : retry_(other.retry_) { other.retry_ = fo_retry_init(); }
    retry(const retry &) = delete;
    retry &operator=(const retry &) = delete;
    ~retry() { (void)fo_retry_end(&retry_); }

    retry &operator=(retry &&other) noexcept
    {
        if (this != &other) {
            (void)fo_retry_end(&retry_);
            retry_ = other.retry_;
            other.retry_ = fo_retry_init();
        }
        return *this;
    }

    /** As fo_retry_begin(). A request that is still under way is ended first. */
    FO_MUST_USE fo_status begin(fo_retrier *retrier, fo_balancer *balancer,
                                const fo_pick_options *options = nullptr) noexcept
    {
        (void)fo_retry_end(&retry_);
        return fo_retry_begin(retrier, balancer, options, &retry_);
    }

    /** As fo_retry_next(). */
    FO_MUST_USE fo_status next(fo_lease *attempt, fo_retry_advice *advice) noexcept
    {
        return fo_retry_next(&retry_, attempt, advice);
    }

    /** As fo_retry_hedge(). */
    FO_MUST_USE fo_status hedge(fo_lease *attempt, fo_retry_advice *advice) noexcept
    {
        return fo_retry_hedge(&retry_, attempt, advice);
    }

    /** As fo_retry_report(). */
    fo_status report(fo_lease *attempt, fo_outcome outcome, uint32_t retry_after_ms = 0) noexcept
    {
        return fo_retry_report(&retry_, attempt, outcome, retry_after_ms);
    }

private:
    fo_retry retry_;
};

} // namespace failover

#endif
