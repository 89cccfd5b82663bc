/* SPDX-License-Identifier: Apache-2.0
 *
 * failover-demo: real servers die and come back, and nobody who asks them notices.
 *
 *     ┌─ failover-demo ──────────────────────┐          ┌─ nursery ──────┐
 *     │ main thread     acts, table, report  ├──orders──► forks, signals │
 *     │ client threads  pick, TCP, finish    │          └─┬────┬────┬────┘
 *     │ "failover"      the library's events │            s1   s2   s3 …   a process each
 *     └───────────────┬──────────────────────┘            ▲    ▲    ▲
 *                     └──────── requests, 127.0.0.1 ──────┴────┴────┘
 *
 * The library is told the servers' names and zones and nothing else. That a server is killed (SIGKILL),
 * frozen (SIGSTOP) or slowed it can only learn from the outcomes of the requests that it sends
 * there: refused connections, missed deadlines, broken connections.
 *
 * Times. A request has 250 ms and three attempts at most (the first and two retries, each on a
 * server that it has not tried); an attempt has 75 ms. A server answers after 1.5 … 4.5 ms. Slowed
 * 20 times it needs 30 … 90 ms: three of four requests are still answered, one runs into its
 * deadline. So the slow server is neither well nor dead, and this is all that the library sees of
 * it: it has no policy that looks at latency yet. A failure halves the server's health, a success
 * gives 1 % back, and the balance of the two is a trickle of traffic, now and then interrupted when
 * a few failures in a row look like the end. A request that is answered by a slow server was slow,
 * not saved: see the p99.
 *
 * Nothing is lost by chance on a good machine, but a machine that is busy with other work for 75 ms
 * makes good servers miss deadlines, too. What fails the demonstration is therefore not any lost
 * request but a lost request that a retry on another server could have saved, and this is:
 *
 *     a request that got no answer, while
 *       - an attempt was left, or was spent badly: on a server that the request had tried already,
 *         or that was killed, frozen, slowed, draining or no member at any time of the request; and
 *       - a server was in good order and a member during the whole of the request, and the request
 *         did not try it.
 *
 * Exit status: 0 when there was no such request, 1 when there was one, 2 for a bad option or when
 * the system or the library refused something.
 */
#define _GNU_SOURCE /* ppoll() */
#include <errno.h>
#include <error.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <failover/failover.h>

#include "acts.h"
#include "client.h"
#include "display.h"
#include "now.h"
#include "nursery.h"
#include "observer.h"
#include "report.h"

enum { TICK_MS = 10 };

/* A dead server is tried again after 0.3 s, 0.6 s, … 2 s; sooner in a run so short that the act in
 * which the servers come back would be over before the longest of these waits. */
enum { BACKOFF_MS = 300, BACKOFF_MOST_MS = 2000, TRIAL_TIMEOUT_MS = 500 };

static FILE *open_output(const char *path)
{
    FILE *file;

    if (path == NULL)
        return NULL;
    file = fopen(path, "we");
    if (file == NULL)
        error(EXIT_TROUBLE, errno, "cannot write '%s'", path);
    return file;
}

static void close_output(FILE *file, const char *path)
{
    int failed = ferror(file);

    if (fclose(file) != 0 || failed)
        error(EXIT_TROUBLE, errno, "cannot write '%s'", path);
}

/* A number that people can type and every reader of JSON can hold. */
static uint64_t seed_from_system(void)
{
    uint32_t seed = 0;

    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        error(EXIT_TROUBLE, errno, "cannot get a seed");
    return seed;
}

/* Interruptions come as readable bytes to the main thread, to no other. What our parent had us
 * ignore (nohup, a shell's background) stays ignored. */
static int open_interruptions(void)
{
    static const int interruptions[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action;
    sigset_t signals;
    int fd;

    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof(interruptions) / sizeof(interruptions[0]); i++) {
        if (sigaction(interruptions[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&signals, interruptions[i]);
    }
    sigprocmask(SIG_BLOCK, &signals, NULL);
    fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        error(EXIT_TROUBLE, errno, "cannot receive signals");
    return fd;
}

static void log_line(fo_log_level level, const char *message, void *arg)
{
    static const char *const kinds[] = {"INFO", "WARNING", "ERROR"};

    record_event(arg, kinds[level - FO_LOG_INFO], "%s", message);
}

static struct fo_trial_config trial_config(uint32_t back_act_ms)
{
    struct fo_trial_config trial = {.backoff_ms = BACKOFF_MS,
                                    .backoff_max_ms = BACKOFF_MOST_MS,
                                    .timeout_ms = TRIAL_TIMEOUT_MS,
                                    .ramp_ms = back_act_ms / 2};

    if (trial.backoff_max_ms > back_act_ms * 2 / 5)
        trial.backoff_max_ms = back_act_ms * 2 / 5;
    if (trial.backoff_ms > trial.backoff_max_ms / 4)
        trial.backoff_ms = trial.backoff_max_ms / 4;
    return trial;
}

static struct fo_balancer *create_balancer(const struct stage *stage, uint64_t seed)
{
    struct fo_config config = fo_config_init();
    struct fo_balancer *balancer = NULL;
    fo_status status;

    config.name = "demo";
    config.seed = seed;
    config.trial = trial_config(stage_act_ms(stage, ACT_BACK));
    config.log = log_line;
    config.log_arg = stage->record;
    status = fo_balancer_create(&config, &balancer);
    if (status != FO_OK)
        error(EXIT_TROUBLE, 0, "fo_balancer_create: %s", fo_status_name(status));
    return balancer;
}

static void add_servers(struct fo_balancer *balancer, struct cluster *cluster)
{
    struct fo_endpoint_config configs[SERVERS_MOST];
    fo_status status;

    for (unsigned i = 0; i < cluster->initial; i++) {
        configs[i] = fo_endpoint_config_init(cluster->servers[i].name);
        configs[i].data = &cluster->servers[i];
        configs[i].zone = zone_names[cluster->servers[i].zone];
    }
    status = fo_balancer_update(balancer, configs, cluster->initial, NULL, 0, NULL);
    if (status != FO_OK)
        error(EXIT_TROUBLE, 0, "fo_balancer_update: %s", fo_status_name(status));
}

/* Plays all acts, or until somebody interrupts. */
static void play(struct stage *stage, struct display *display, int interruptions)
{
    struct pollfd poll = {.fd = interruptions, .events = POLLIN};
    struct timespec tick = {.tv_nsec = TICK_MS * (long)NS_PER_MS};

    while (stage_tick(stage)) {
        display_refresh(display);
        if (ppoll(&poll, 1, &tick, NULL) > 0) {
            stage->record->interrupted = true;
            return;
        }
    }
}

/* From the first request to the library's last event. */
static void run(struct stage *stage, const struct options *options, int interruptions)
{
    static struct load load;
    static struct display display;
    struct observer observer;

    load.balancer = stage->balancer;
    load.cluster = stage->cluster;
    load.record = stage->record;
    load.thread_count = options->threads;
    observer_start(&observer, stage->record, stage->balancer);
    display_open(&display, stage, options->plain);
    load_start(&load, options->seed);
    play(stage, &display, interruptions);
    stage_close(stage);
    stage->record->end_ns = record_time_ns(stage->record);
    load_stop(&load);
    fo_balancer_destroy(stage->balancer);
    observer_finish(&observer);
    display_close(&display);
}

static void write_report(const struct report *report, FILE *svg, FILE *json)
{
    if (!report_write_svg(report, svg) || (json != NULL && !report_write_json(report, json)))
        error(EXIT_TROUBLE, ENOMEM, "cannot write the report");
    close_output(svg, report->options->svg_path);
    if (json != NULL)
        close_output(json, report->options->json_path);
    report_print(report);
}

int main(int argc, char **argv)
{
    static struct cluster cluster;
    static struct record record;
    static struct findings findings;
    struct options options;
    struct nursery nursery;
    struct stage stage = {.nursery = &nursery, .cluster = &cluster, .record = &record};
    struct report report = {
        .options = &options, .cluster = &cluster, .record = &record, .findings = &findings};
    FILE *svg;
    FILE *json;
    int interruptions;

    options_parse(&options, argc, argv);
    svg = open_output(options.svg_path);
    json = open_output(options.json_path);
    if (options.seed == 0)
        options.seed = seed_from_system();

    nursery_start(&nursery, options.servers + 1, options.seed);
    interruptions = open_interruptions();
    cluster_start(&cluster, &nursery, options.servers);
    record_init(&record, cluster.count, options.seconds);
    stage_set(&stage, options.seconds);
    stage.balancer = create_balancer(&stage, options.seed);
    add_servers(stage.balancer, &cluster);
    run(&stage, &options, interruptions);
    nursery_stop(&nursery);

    findings_make(&findings, &record, &cluster);
    write_report(&report, svg, json);
    record_fini(&record);
    close(interruptions);
    return findings.totals.savable > 0 ? EXIT_REQUEST_LOST : EXIT_ALL_SAVED;
}
