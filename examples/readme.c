/* SPDX-License-Identifier: Apache-2.0
 *
 * The example of README.md.
 */
#include <failover/failover.h>
#include <stdio.h>

static fo_outcome send_to(const char *server) /* your request: connect, write, read */
{
    return server[0] == 'a' ? FO_OUTCOME_DOWN : FO_OUTCOME_SUCCESS; /* here, a is dead */
}

int main(void)
{
    struct fo_endpoint_config servers[] = {fo_endpoint_config_init("a.example:80"),
                                           fo_endpoint_config_init("b.example:80")};
    struct fo_balancer *balancer;
    struct fo_lease lease;
    fo_outcome outcome;

    if (fo_balancer_create(NULL, &balancer) != FO_OK ||
        fo_balancer_update(balancer, servers, 2, NULL, 0, NULL) != FO_OK)
        return 1;
    for (int request = 0; request < 5; request++) {
        if (fo_pick(balancer, &lease) != FO_OK)
            continue; /* everything is down: shed or queue */
        outcome = send_to(fo_endpoint_name(lease.endpoint));
        printf("%s: %s\n", fo_endpoint_name(lease.endpoint), fo_outcome_name(outcome));
        fo_finish(&lease, outcome);
    }
    fo_balancer_destroy(balancer);
    return 0;
}
