/* SPDX-License-Identifier: Apache-2.0
 *
 * Driving libfailover from a loop of your own: no thread is started, events arrive where you want.
 *
 * The loop waits for the runtime's descriptor and its next deadline, together with whatever else it
 * has. Here a server goes down, is tried again after its back-off, and the loop ends when the trial
 * has succeeded.
 */
#include <failover/failover.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

static void on_event(const struct fo_event *event, void *arg)
{
    bool *recovered = arg;

    printf("%s is %s (%s)\n", event->endpoint, fo_event_kind_name(event->kind),
           fo_reason_name(event->reason));
    *recovered = event->kind == FO_EVENT_RECOVERED;
}

static fo_status set_up(struct fo_runtime *runtime, bool *recovered, struct fo_balancer **balancer)
{
    struct fo_endpoint_config server = fo_endpoint_config_init("server");
    struct fo_config config = fo_config_init();
    fo_status status;

    config.runtime = runtime;
    config.trial.backoff_ms = 20;
    status = fo_balancer_create(&config, balancer);
    if (status == FO_OK)
        status =
            fo_subscribe(*balancer, FO_EVENT_DOWN | FO_EVENT_RECOVERED, on_event, recovered, NULL);
    return status == FO_OK ? fo_balancer_update(*balancer, &server, 1, NULL, 0, NULL) : status;
}

/* One turn of the loop: wait, let the library work, then try a request. */
static void turn(int epoll_fd, struct fo_runtime *runtime, struct fo_balancer *balancer)
{
    struct epoll_event ready;
    struct fo_lease lease;

    epoll_wait(epoll_fd, &ready, 1, fo_runtime_next_deadline_ms(runtime));
    fo_runtime_dispatch(runtime);
    if (fo_pick(balancer, &lease) == FO_OK)
        fo_finish(&lease, FO_OUTCOME_SUCCESS);
}

int main(void)
{
    struct epoll_event wanted = {.events = EPOLLIN};
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct fo_balancer *balancer;
    struct fo_runtime *runtime;
    bool recovered = false;

    if (epoll_fd < 0 || fo_runtime_create(NULL, &runtime) != FO_OK ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fo_runtime_fd(runtime), &wanted) != 0 ||
        set_up(runtime, &recovered, &balancer) != FO_OK)
        return 1;
    fo_report(balancer, "server", FO_OUTCOME_DOWN);
    for (int turns = 0; turns < 1000 && !recovered; turns++)
        turn(epoll_fd, runtime, balancer);

    fo_balancer_destroy(balancer);
    while (fo_runtime_next_deadline_ms(runtime) == 0)
        fo_runtime_dispatch(runtime);
    close(epoll_fd);
    return fo_runtime_destroy(runtime) == FO_OK && recovered ? 0 : 1;
}
