/* SPDX-License-Identifier: Apache-2.0
 *
 * What every process must answer alike: which server a key belongs to, and which servers are a client's
 * core. Clients of different versions on different machines share caches and connections by it, so the
 * answers below are part of the contract. A plain program, so that it runs on every machine we build for.
 */
#include <failover/failover.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVERS 40u

static int wrong;

static void expect(const char *what, const char *got, const char *wanted)
{
    if (strcmp(got, wanted) == 0)
        return;
    printf("%s: \"%s\", not \"%s\"\n", what, got, wanted);
    wrong++;
}

static void must(fo_status status, const char *what)
{
    if (status == FO_OK)
        return;
    printf("%s: %s\n", what, fo_status_name(status));
    exit(EXIT_FAILURE);
}

/** Servers server-0 … of weights 1 to 4, added in an order that must not matter. */
static struct fo_balancer *open_balancer(const struct fo_config *config, uint32_t first)
{
    static char names[SERVERS][16];
    struct fo_endpoint_config servers[SERVERS];
    struct fo_balancer *balancer;

    for (uint32_t i = 0; i < SERVERS; i++) {
        uint32_t number = (first + i) % SERVERS;

        snprintf(names[i], sizeof(names[i]), "server-%u", number);
        servers[i] = fo_endpoint_config_init(names[i]);
        servers[i].max_weight = 1 + number % 4;
    }
    must(fo_balancer_create(config, &balancer), "create");
    must(fo_balancer_update(balancer, servers, SERVERS, NULL, 0, NULL), "update");
    return balancer;
}

/** The numbers of the servers that the keys key-0 … belong to. */
static void keys_of(struct fo_balancer *balancer, char *text)
{
    for (int i = 0; i < 16; i++) {
        struct fo_pick_options options = fo_pick_options_init();
        struct fo_lease lease;
        char key[16];

        snprintf(key, sizeof(key), "key-%d", i);
        options.key = key;
        options.key_size = strlen(key);
        must(fo_pick_with(balancer, &options, &lease), "pick");
        text += sprintf(text, "%s%s", i > 0 ? " " : "",
                        fo_endpoint_name(lease.endpoint) + strlen("server-"));
        must(fo_finish(&lease, FO_OUTCOME_NEUTRAL), "finish");
    }
}

/** The numbers of the servers of level 0, in the order of numbers. */
static void core_of(struct fo_balancer *balancer, char *text)
{
    *text = '\0';
    for (uint32_t number = 0; number < SERVERS; number++) {
        struct fo_endpoint_info info = fo_endpoint_info_init();
        char name[16];

        snprintf(name, sizeof(name), "server-%u", number);
        must(fo_endpoint_status(balancer, name, &info), "status");
        if (info.level == 0)
            text += sprintf(text, "%u ", number);
    }
}

static void check(const char *what, const struct fo_config *config, const char *keys,
                  const char *core)
{
    const uint32_t orders[] = {0, 17};

    for (int i = 0; i < 2; i++) {
        struct fo_balancer *balancer = open_balancer(config, orders[i]);
        char text[256];

        if (keys != NULL) {
            keys_of(balancer, text);
            expect(what, text, keys);
        }
        if (core != NULL) {
            core_of(balancer, text);
            expect(what, text, core);
        }
        fo_balancer_destroy(balancer);
    }
}

int main(void)
{
    static const uint32_t core_size = 5;
    struct fo_config config = fo_config_init();

    check("keys", &config, "5 33 27 7 31 14 15 29 19 30 10 18 2 21 13 14", NULL);
    config.levels.client_id = "client-7";
    config.levels.core_sizes = &core_size;
    config.levels.core_count = 1;
    check("core by rendezvous", &config, NULL, "0 7 21 27 30 ");
    config.levels.client_index = 7;
    config.levels.client_count = 20;
    check("core on the ring", &config, NULL, "5 13 17 22 34 ");
    printf("%d answers are wrong\n", wrong);
    return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
