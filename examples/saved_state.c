/* SPDX-License-Identifier: Apache-2.0
 *
 * Saved state: a process that takes the place of another does not find out about a dead server with its
 * users' requests.
 *
 * Both processes are played here, on a clock of our own: the first learns that a server is dead, and
 * saves what it knows; the second restores that, sends its requests elsewhere, and only the one that is
 * the server's trial, when the back-off is over, goes there.
 */
#include <failover/failover.h>
#include <stdio.h>

#define MS UINT64_C(1000000)

struct process {
    uint64_t now_ns;
    struct fo_runtime *runtime;
    struct fo_balancer *balancer;
    unsigned sent_to_dead;
};

static uint64_t read_clock(void *arg)
{
    return ((struct process *)arg)->now_ns;
}

static fo_status start(struct process *process)
{
    struct fo_endpoint_config servers[] = {fo_endpoint_config_init("alive"),
                                           fo_endpoint_config_init("dead")};
    struct fo_runtime_config runtime = fo_runtime_config_init();
    struct fo_config config = fo_config_init();
    fo_status status;

    runtime.clock = read_clock;
    runtime.clock_arg = process;
    status = fo_runtime_create(&runtime, &process->runtime);
    config.runtime = process->runtime;
    if (status == FO_OK)
        status = fo_balancer_create(&config, &process->balancer);
    return status == FO_OK ? fo_balancer_update(process->balancer, servers, 2, NULL, 0, NULL)
                           : status;
}

static void stop(struct process *process)
{
    fo_balancer_destroy(process->balancer);
    while (fo_runtime_destroy(process->runtime) == FO_BUSY)
        fo_runtime_dispatch(process->runtime);
}

/* One millisecond with a request. */
static void work(struct process *process)
{
    struct fo_lease lease;
    bool dead;

    process->now_ns += MS;
    fo_runtime_dispatch(process->runtime);
    if (fo_pick(process->balancer, &lease) != FO_OK)
        return;
    dead = fo_endpoint_name(lease.endpoint)[0] == 'd';
    process->sent_to_dead += dead ? 1 : 0;
    fo_finish(&lease, dead ? FO_OUTCOME_DOWN : FO_OUTCOME_SUCCESS);
}

int main(void)
{
    struct fo_state_result result = fo_state_result_init();
    struct process first = {.now_ns = 1};
    struct process second = {.now_ns = 1};
    char text[1024]; /* instead of a file */
    size_t length;
    bool went_well;

    if (start(&first) != FO_OK || start(&second) != FO_OK)
        return 1;
    for (int i = 0; i < 300; i++)
        work(&first);
    if (fo_state_save(first.balancer, NULL, text, sizeof(text), &length) != FO_OK)
        return 1;
    printf("the first process has sent %u requests to the dead server, and writes:\n%s",
           first.sent_to_dead, text);
    stop(&first);

    if (fo_state_restore(second.balancer, NULL, text, length, &result) != FO_OK)
        return 1;
    for (int i = 0; i < 300; i++)
        work(&second);
    went_well = first.sent_to_dead == 1 && result.restored == 2 && second.sent_to_dead == 0;
    printf("the second one has sent %u,", second.sent_to_dead);
    for (int i = 0; i < 1000; i++)
        work(&second);
    printf(" and %u more as a trial\n", second.sent_to_dead);
    went_well = went_well && second.sent_to_dead == 1;
    stop(&second);
    return went_well ? 0 : 1;
}
