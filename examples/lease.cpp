/* SPDX-License-Identifier: Apache-2.0
 *
 * The C++ lease: held by a scope, finished exactly once, also when something throws.
 */
#include <failover/failover.hpp>

#include <cstdio>
#include <stdexcept>

static void request(fo_balancer *balancer, bool fail)
{
    failover::lease lease;

    if (lease.pick(balancer) != FO_OK)
        throw std::runtime_error("everything is down");
    if (fail)
        throw std::runtime_error("gave up"); // the lease ends as cancelled
    lease.finish(FO_OUTCOME_SUCCESS);
}

int main()
{
    fo_endpoint_config server = fo_endpoint_config_init("server");
    fo_endpoint_info info = fo_endpoint_info_init();
    fo_balancer *balancer = nullptr;

    if (fo_balancer_create(nullptr, &balancer) != FO_OK ||
        fo_balancer_update(balancer, &server, 1, nullptr, 0, nullptr) != FO_OK)
        return 1;
    request(balancer, false);
    try {
        request(balancer, true);
    } catch (const std::runtime_error &error) {
        std::printf("caught: %s\n", error.what());
    }
    if (fo_endpoint_status(balancer, "server", &info) != FO_OK)
        return 1;
    std::printf("%llu leases, %llu open\n", static_cast<unsigned long long>(info.started),
                static_cast<unsigned long long>(info.in_flight));
    fo_balancer_destroy(balancer);
    return info.started == 2 && info.in_flight == 0 ? 0 : 1;
}
