/* SPDX-License-Identifier: Apache-2.0
 *
 * The same from C++: the lease finishes itself. Exits 0 if it worked.
 */
#include <failover/failover.hpp>

#include <string>

int main()
{
    fo_balancer *balancer;
    fo_endpoint_config server = fo_endpoint_config_init("server");

    if (fo_balancer_create(nullptr, &balancer) != FO_OK)
        return 1;
    if (fo_balancer_update(balancer, &server, 1, nullptr, 0, nullptr) != FO_OK)
        return 2;
    {
        failover::lease lease;
        if (lease.pick(balancer) != FO_OK)
            return 3;
        if (fo_endpoint_name(lease.endpoint()) != std::string("server"))
            return 4;
    }
    fo_endpoint_info info = fo_endpoint_info_init();
    if (fo_endpoint_status(balancer, "server", &info) != FO_OK || info.finished != 1)
        return 5;
    fo_balancer_destroy(balancer);
    return 0;
}
