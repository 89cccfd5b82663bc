/* SPDX-License-Identifier: Apache-2.0
 *
 * Health checks: the server is asked itself, and a listener hears what that brought.
 *
 * One balancer connects (TCP), the other gets /health (HTTP). Nobody listens at first, so both take the
 * server down; then a process begins to answer, and both bring it back. No request is spent on it.
 */
#include <arpa/inet.h>
#include <failover/failover.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
static sem_t told;

static void on_event(const struct fo_event *event, void *arg)
{
    (void)arg;
    printf("%s: %s is %s (%s)\n", event->balancer, event->endpoint, fo_event_kind_name(event->kind),
           fo_reason_name(event->reason));
    sem_post(&told);
}

static bool watch(const char *name, struct fo_check_config check, const char *address,
                  struct fo_balancer **balancer)
{
    struct fo_endpoint_config server = fo_endpoint_config_init("server");
    struct fo_config config = fo_config_init();

    check.when = FO_CHECK_ALWAYS; /* not only when requests have failed */
    check.interval_ms = 20;
    check.rise = 2; /* passed in a row that bring it back */
    check.fall = 2; /* failed in a row that take it down */
    config.name = name;
    config.check = check;
    server.address = address;
    return fo_balancer_create(&config, balancer) == FO_OK &&
           fo_subscribe(*balancer, FO_EVENT_DOWN | FO_EVENT_RECOVERED, on_event, NULL, NULL) ==
               FO_OK &&
           fo_balancer_update(*balancer, &server, 1, NULL, 0, NULL) == FO_OK;
}

int main(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct fo_balancer *tcp, *http;
    char address[32], request[2048];
    pid_t pid;

    if (sem_init(&told, 0, 0) != 0 || bind(listener, (struct sockaddr *)&at, length) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &length) != 0)
        return 1;
    snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(at.sin_port));
    if (!watch("tcp", fo_check_tcp(), address, &tcp) ||
        !watch("http", fo_check_http("/health"), address, &http))
        return 1;
    for (int down = 0; down < 2; down++)
        sem_wait(&told);
    if (listen(listener, 16) != 0 || (pid = fork()) < 0)
        return 1;
    for (int client; pid == 0 && (client = accept(listener, NULL, NULL)) >= 0; close(client))
        if (recv(client, request, sizeof(request), 0) > 0)
            send(client, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
    for (int back = 0; back < 2; back++)
        sem_wait(&told);
    kill(pid, SIGTERM);
    fo_balancer_destroy(tcp);
    fo_balancer_destroy(http);
    return 0;
}
