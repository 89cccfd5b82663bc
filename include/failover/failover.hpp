/* SPDX-License-Identifier: Apache-2.0
 *
 * A lease for C++11 and later: move-only, finished exactly once.
 *
 *     failover::lease lease;
 *     if (lease.pick(balancer) == FO_OK) {
 *         bool done = send(fo_endpoint_data(lease.endpoint()));
 *         lease.finish(done ? FO_OUTCOME_SUCCESS : FO_OUTCOME_FAILURE);
 *     }
 *
 * A lease that goes out of scope unfinished (an exception, an early return) is finished as
 * cancelled: nothing leaks, and the server is neither praised nor blamed. Header-only; nothing here
 * throws. One lease object is used by one thread at a time; moving it to another thread is fine.
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

} // namespace failover

#endif
