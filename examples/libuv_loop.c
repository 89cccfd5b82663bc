/* SPDX-License-Identifier: Apache-2.0
 *
 * libfailover in a libuv loop: no thread is started, and events arrive between the loop's own.
 *
 *     uv_prepare   before the loop waits: when is the runtime's next timer due?
 *     uv_poll      the runtime's descriptor is readable  ─┐
 *     uv_timer     its timer is due                      ─┴─► dispatch
 *
 * Here a server goes down. When its back-off is over it is offered a trial, the request is sent and
 * succeeds, the server has recovered, and the loop ends.
 */
#include <failover/failover.h>
#include <stdio.h>
#include <uv.h>

struct app {
    struct fo_runtime *runtime;
    struct fo_balancer *balancer;
    uv_prepare_t prepare;
    uv_poll_t poll;
    uv_timer_t timer;
    bool recovered;
};

/* ---- The runtime in the loop -------------------------------------------------------------- */

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct app *app = poll->data;

    (void)status;
    (void)events;
    fo_runtime_dispatch(app->runtime);
}

static void on_timer(uv_timer_t *timer)
{
    struct app *app = timer->data;

    fo_runtime_dispatch(app->runtime);
}

static void before_waiting(uv_prepare_t *prepare)
{
    struct app *app = prepare->data;
    int wait_ms = fo_runtime_next_deadline_ms(app->runtime);

    if (wait_ms < 0) {
        uv_timer_stop(&app->timer);
        return;
    }
    uv_update_time(prepare->loop); /* a timer counts from the time that the loop remembers */
    uv_timer_start(&app->timer, on_timer, (uint64_t)wait_ms, 0);
}

static bool add_runtime(uv_loop_t *loop, struct app *app)
{
    app->prepare.data = app->poll.data = app->timer.data = app;
    return uv_prepare_init(loop, &app->prepare) == 0 && uv_timer_init(loop, &app->timer) == 0 &&
           uv_poll_init(loop, &app->poll, fo_runtime_fd(app->runtime)) == 0 &&
           uv_prepare_start(&app->prepare, before_waiting) == 0 &&
           uv_poll_start(&app->poll, UV_READABLE, on_readable) == 0;
}

/* The handles first: libuv must not watch a descriptor that is closed. */
static void remove_runtime(uv_loop_t *loop, struct app *app)
{
    uv_close((uv_handle_t *)&app->prepare, NULL);
    uv_close((uv_handle_t *)&app->poll, NULL);
    uv_close((uv_handle_t *)&app->timer, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
}

/* ---- What the application does ------------------------------------------------------------- */

static void send_request(struct app *app)
{
    struct fo_lease lease;

    if (fo_pick(app->balancer, &lease) == FO_OK)
        fo_finish(&lease, FO_OUTCOME_SUCCESS);
}

static void on_event(const struct fo_event *event, void *arg)
{
    struct app *app = arg;

    printf("%s is %s (%s)\n", event->endpoint, fo_event_kind_name(event->kind),
           fo_reason_name(event->reason));
    if (event->kind == FO_EVENT_TRIAL)
        send_request(app);
    if (event->kind == FO_EVENT_RECOVERED) {
        app->recovered = true;
        uv_stop(app->prepare.loop);
    }
}

static fo_status set_up(struct app *app)
{
    struct fo_endpoint_config server = fo_endpoint_config_init("server");
    struct fo_config config = fo_config_init();
    fo_status status;

    config.runtime = app->runtime;
    config.trial.backoff_ms = 20;
    status = fo_balancer_create(&config, &app->balancer);
    if (status == FO_OK)
        status = fo_subscribe(app->balancer, FO_EVENT_DOWN | FO_EVENT_TRIAL | FO_EVENT_RECOVERED,
                              on_event, app, NULL);
    return status == FO_OK ? fo_balancer_update(app->balancer, &server, 1, NULL, 0, NULL) : status;
}

int main(void)
{
    struct app app = {.recovered = false};
    uv_loop_t loop;

    if (uv_loop_init(&loop) != 0 || fo_runtime_create(NULL, &app.runtime) != FO_OK ||
        set_up(&app) != FO_OK || !add_runtime(&loop, &app))
        return 1;
    fo_report(app.balancer, "server", FO_OUTCOME_DOWN);
    uv_run(&loop, UV_RUN_DEFAULT);

    remove_runtime(&loop, &app);
    uv_loop_close(&loop);
    fo_balancer_destroy(app.balancer);
    while (fo_runtime_destroy(app.runtime) == FO_BUSY)
        fo_runtime_dispatch(app.runtime);
    return app.recovered ? 0 : 1;
}
