/* SPDX-License-Identifier: Apache-2.0
 *
 * The smallest whole use of the installed library: one endpoint, one request. Exits 0 if it worked.
 */
#include <failover/failover.h>

#include <string.h>

int main(void)
{
    uint32_t built_against =
        (uint32_t)(FO_VERSION_MAJOR << 16 | FO_VERSION_MINOR << 8 | FO_VERSION_PATCH);
    struct fo_balancer *balancer;
    struct fo_endpoint_config server = fo_endpoint_config_init("server");
    struct fo_lease lease = fo_lease_init();

    if (fo_version() != built_against)
        return 1;
    if (fo_balancer_create(NULL, &balancer) != FO_OK)
        return 2;
    if (fo_balancer_update(balancer, &server, 1, NULL, 0, NULL) != FO_OK)
        return 3;
    if (fo_pick(balancer, &lease) != FO_OK)
        return 4;
    if (strcmp(fo_endpoint_name(lease.endpoint), "server") != 0)
        return 5;
    if (fo_finish(&lease, FO_OUTCOME_SUCCESS) != FO_OK)
        return 6;
    fo_balancer_destroy(balancer);
    return 0;
}
