/* SPDX-License-Identifier: Apache-2.0
 *
 * Retries over sockets: three servers on this machine, of which one refuses connections and one
 * hangs up, and requests that all succeed.
 *
 * fo_call() is all that a client needs that blocks; an errno is all that it need tell.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <failover/failover.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUESTS 200

/* ---- The servers --------------------------------------------------------------------------- */

struct server {
    int fd;
    struct sockaddr_in address;
    const char *answer; /* NULL: hangs up */
};

/** Answers one connection after another, until its socket is shut down. */
static void *serve(void *arg)
{
    const struct server *server = arg;
    int client;

    while ((client = accept(server->fd, NULL, NULL)) >= 0) {
        char question;

        if (read(client, &question, 1) == 1 && server->answer != NULL)
            (void)!write(client, server->answer, strlen(server->answer));
        close(client);
    }
    return NULL;
}

/** On a free port; without listening, it refuses. */
static int bind_server(struct server *server, int listens)
{
    socklen_t length = sizeof(server->address);

    server->address.sin_family = AF_INET;
    server->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->fd < 0 || bind(server->fd, (void *)&server->address, length) != 0 ||
        getsockname(server->fd, (void *)&server->address, &length) != 0)
        return -1;
    return listens ? listen(server->fd, 16) : 0;
}

/* ---- The client ---------------------------------------------------------------------------- */

/** Sends the request once, within what is left of its time: 0, or an errno. */
static int ask(struct fo_attempt *attempt, void *arg)
{
    const struct server *server = fo_endpoint_data(attempt->endpoint);
    struct timeval limit = {.tv_sec = attempt->timeout_ms / 1000,
                            .tv_usec = attempt->timeout_ms % 1000 * 1000};
    int *attempts = arg;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char answer[16];
    ssize_t n = -1;

    (*attempts)++;
    if (fd < 0)
        return errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, (const void *)&server->address, sizeof(server->address)) == 0 &&
        send(fd, "?", 1, MSG_NOSIGNAL) == 1)
        n = recv(fd, answer, sizeof(answer), 0);
    if (n < 0)
        n = -errno;
    close(fd);
    return n > 0 ? 0 : n == 0 ? ECONNRESET : (int)-n;
}

static fo_status make_balancer(struct server *servers, struct fo_balancer **balancer)
{
    static const char *const names[] = {"well", "refusing", "hanging up"};
    struct fo_endpoint_config endpoints[3];
    fo_status status = fo_balancer_create(NULL, balancer);

    for (int i = 0; i < 3; i++) {
        endpoints[i] = fo_endpoint_config_init(names[i]);
        endpoints[i].data = &servers[i];
    }
    return status == FO_OK ? fo_balancer_update(*balancer, endpoints, 3, NULL, 0, NULL) : status;
}

int main(void)
{
    struct fo_retry_policy policy = fo_retry_policy_init();
    struct server servers[3] = {{.answer = "!"}, {.answer = NULL}, {.answer = NULL}};
    struct fo_balancer *balancer;
    struct fo_retrier *retrier;
    pthread_t threads[3];
    int attempts = 0;
    int answered = 0;

    policy.max_attempts = 4;
    policy.backoff_base_ms = 2;
    for (int i = 0; i < 3; i++)
        if (bind_server(&servers[i], i != 1) != 0)
            return 1;
    if (make_balancer(servers, &balancer) != FO_OK || fo_retrier_create(&policy, &retrier) != FO_OK)
        return 1;
    for (int i = 0; i < 3; i += 2)
        if (pthread_create(&threads[i], NULL, serve, &servers[i]) != 0)
            return 1;

    for (int i = 0; i < REQUESTS; i++)
        answered += fo_call(retrier, balancer, NULL, ask, &attempts) == FO_OK;
    printf("%d requests, %d answered, %d retries\n", REQUESTS, answered, attempts - REQUESTS);

    for (int i = 0; i < 3; i += 2) {
        shutdown(servers[i].fd, SHUT_RDWR);
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < 3; i++)
        close(servers[i].fd);
    fo_retrier_destroy(retrier);
    fo_balancer_destroy(balancer);
    return answered == REQUESTS && attempts > REQUESTS ? 0 : 1;
}
