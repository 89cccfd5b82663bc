/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints what checks cost: 1,000 hosts, each checked once a second, in percent of one CPU that the
 * thread of the runtime takes. An argument: seconds for each figure (default 10).
 *
 *     tcp 8.11 floor 7.40 ratio 1.10        one line for each kind
 *
 * The server is a child, so its work is not counted; what the kernel does for a loopback connection
 * in our name, both ends of it, is. So there is a floor beside it: as many connections a second in a
 * bare loop of socket(), connect(), poll() and close(), for HTTP with send(), poll() and recv(). Both are
 * measured in turn, ROUNDS times, and the medians count, of the ratios, too: the machine's other work
 * comes and goes.
 *
 * Exit status 1 if checks take more than RATIO_MAX times the floor.
 */
#include <arpa/inet.h>
#include <failover/failover.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOSTS 1000
#define INTERVAL_MS 1000
#define ROUNDS 9
#define RATIO_MAX 1.3

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

static void expect(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "checks_main: %s\n", what);
    exit(1);
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/** Takes every connection, says its answer and hangs up. */
static void serve(int listener)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd < 0)
            continue;
        (void)send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        close(fd);
    }
}

static pid_t start_server(char *address, size_t size)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t length = sizeof(in);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid;

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    expect(listener >= 0 && bind(listener, (struct sockaddr *)&in, length) == 0 &&
               listen(listener, 1024) == 0 &&
               getsockname(listener, (struct sockaddr *)&in, &length) == 0,
           "no server");
    snprintf(address, size, "127.0.0.1:%u", (unsigned)ntohs(in.sin_port));
    pid = fork();
    expect(pid >= 0, "no process");
    if (pid == 0)
        serve(listener);
    close(listener);
    return pid;
}

static void add_hosts(struct fo_balancer *balancer, const char *address)
{
    static char names[HOSTS][8];
    static struct fo_endpoint_config endpoints[HOSTS];

    for (int i = 0; i < HOSTS; i++) {
        snprintf(names[i], sizeof(names[i]), "h%d", i);
        endpoints[i] = fo_endpoint_config_init(names[i]);
        endpoints[i].address = address;
    }
    expect(fo_balancer_update(balancer, endpoints, HOSTS, NULL, 0, NULL) == FO_OK, "no hosts");
}

/** Drives the runtime for so long; the share of one CPU that it took, in percent. */
static double drive(struct fo_runtime *runtime, double seconds)
{
    uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9);
    uint64_t cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);

    while (now_ns(CLOCK_MONOTONIC) < end_ns) {
        struct pollfd ready = {.fd = fo_runtime_fd(runtime), .events = POLLIN};
        int ms = fo_runtime_next_deadline_ms(runtime);

        (void)poll(&ready, 1, ms >= 0 && ms < 100 ? ms : 100);
        fo_runtime_dispatch(runtime);
    }
    return (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns) / (seconds * 1e9) * 100;
}

static void ask_once(const struct sockaddr_in *in, bool http)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct pollfd ready = {.events = POLLOUT};
    char piece[4096];

    ready.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    expect(ready.fd >= 0, "no socket");
    (void)connect(ready.fd, (const struct sockaddr *)in, sizeof(*in));
    (void)poll(&ready, 1, 1000);
    if (http) {
        expect(send(ready.fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0, "no connection");
        ready.events = POLLIN;
        (void)poll(&ready, 1, 1000);
        expect(recv(ready.fd, piece, sizeof(piece), 0) > 0, "no answer");
    }
    close(ready.fd);
}

/** The same, of a bare loop that asks as often. */
static double measure_floor(const char *address, bool http, double seconds)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    uint64_t began_ns = now_ns(CLOCK_MONOTONIC);
    uint64_t cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    int count = (int)(seconds * HOSTS * 1000 / INTERVAL_MS);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons((uint16_t)atoi(address + sizeof("127.0.0.1:") - 1));
    for (int i = 0; i < count; i++) {
        int64_t early_ns = (int64_t)(began_ns - now_ns(CLOCK_MONOTONIC)) +
                           (int64_t)i * INTERVAL_MS * 1000000 / HOSTS;

        if (early_ns > 0)
            (void)poll(NULL, 0, (int)(early_ns / 1000000) + 1);
        ask_once(&in, http);
    }
    return (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns) / (seconds * 1e9) * 100;
}

static double measure(struct fo_check_config check, const char *address, double seconds)
{
    struct fo_config config = fo_config_init();
    struct fo_balancer *balancer;
    double percent;

    check.when = FO_CHECK_ALWAYS;
    check.interval_ms = INTERVAL_MS;
    expect(fo_runtime_create(NULL, &config.runtime) == FO_OK, "no runtime");
    config.check = check;
    expect(fo_balancer_create(&config, &balancer) == FO_OK, "no balancer");
    add_hosts(balancer, address);
    (void)drive(config.runtime, INTERVAL_MS / 1000.0); /* until the first ones are through */
    percent = drive(config.runtime, seconds);
    fo_balancer_destroy(balancer);
    while (fo_runtime_destroy(config.runtime) == FO_BUSY)
        fo_runtime_dispatch(config.runtime);
    return percent;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof(*values), by_size);
    return values[ROUNDS / 2];
}

/** True: within the limit. */
static bool compare(const char *kind, struct fo_check_config check, const char *address,
                    double seconds)
{
    double ours[ROUNDS];
    double floor[ROUNDS];
    double ratios[ROUNDS];
    double ratio;

    for (int i = 0; i < ROUNDS; i++) {
        floor[i] = measure_floor(address, check.kind == FO_CHECK_HTTP, seconds / ROUNDS);
        ours[i] = measure(check, address, seconds / ROUNDS);
        ratios[i] = ours[i] / floor[i];
    }
    ratio = median(ratios);
    printf("%s %.2f floor %.2f ratio %.2f\n", kind, median(ours), median(floor), ratio);
    return ratio <= RATIO_MAX;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 10;
    char address[32];
    pid_t server = start_server(address, sizeof(address));
    bool is_cheap = compare("tcp", fo_check_tcp(), address, seconds);

    is_cheap = compare("http", fo_check_http(NULL), address, seconds) && is_cheap;
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    return is_cheap ? 0 : 1;
}
