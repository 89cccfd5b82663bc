/* SPDX-License-Identifier: Apache-2.0
 *
 * Zones: requests stay near while the near servers are well, and go far when they are not; and a key
 * that keeps its server meanwhile.
 */
#include <failover/failover.h>
#include <stdio.h>
#include <string.h>

static fo_status make(struct fo_balancer **balancer)
{
    static const char *const others[] = {"far"};
    struct fo_endpoint_config servers[4];
    struct fo_config config = fo_config_init();
    fo_status status;

    config.levels.local_zone = "near";
    config.levels.zone_order = others;
    config.levels.zone_count = 1;
    servers[0] = fo_endpoint_config_init("near-1");
    servers[1] = fo_endpoint_config_init("near-2");
    servers[2] = fo_endpoint_config_init("far-1");
    servers[3] = fo_endpoint_config_init("far-2");
    for (int i = 0; i < 4; i++)
        servers[i].zone = i < 2 ? "near" : "far";
    status = fo_balancer_create(&config, balancer);
    return status != FO_OK ? status : fo_balancer_update(*balancer, servers, 4, NULL, 0, NULL);
}

/** How many of 1000 requests go near; -1 when one was refused. */
static int count_near(struct fo_balancer *balancer)
{
    int near = 0;

    for (int i = 0; i < 1000; i++) {
        struct fo_lease lease;

        if (fo_pick(balancer, &lease) != FO_OK)
            return -1;
        near += strcmp(fo_endpoint_zone(lease.endpoint), "near") == 0;
        fo_finish(&lease, FO_OUTCOME_SUCCESS);
    }
    return near;
}

static const char *server_of(struct fo_balancer *balancer, const char *user)
{
    static char name[FO_NAME_MAX + 1];
    struct fo_pick_options options = fo_pick_options_init();
    struct fo_lease lease;

    options.key = user;
    options.key_size = strlen(user);
    if (fo_pick_with(balancer, &options, &lease) != FO_OK)
        return "nobody";
    strcpy(name, fo_endpoint_name(lease.endpoint)); /* the endpoint is ours until the finish */
    fo_finish(&lease, FO_OUTCOME_SUCCESS);
    return name;
}

int main(void)
{
    struct fo_balancer *balancer;

    if (make(&balancer) != FO_OK)
        return 1;
    printf("all well: %d of 1000 near, user 42 is on %s\n", count_near(balancer),
           server_of(balancer, "user 42"));
    if (fo_report(balancer, "near-1", FO_OUTCOME_DOWN) != FO_OK)
        return 1;
    printf("near-1 is down: %d of 1000 near, user 42 is on %s\n", count_near(balancer),
           server_of(balancer, "user 42"));
    if (fo_report(balancer, "near-2", FO_OUTCOME_DOWN) != FO_OK)
        return 1;
    printf("near is down: %d of 1000 near, user 42 is on %s\n", count_near(balancer),
           server_of(balancer, "user 42"));
    fo_balancer_destroy(balancer);
    return 0;
}
