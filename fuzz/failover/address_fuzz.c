/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses: what was read, printed by other means and read back, is the same; what is refused leaves
 * the address as it was.
 */
#include "address.h"
#include "input.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#define TEXT_MAX 400u

static void print_unix(const struct fo__socket_address *socket, char *text)
{
    struct sockaddr_un local;
    size_t length = socket->length - offsetof(struct sockaddr_un, sun_path);

    memcpy(&local, &socket->storage, sizeof(local));
    if (local.sun_path[0] == '\0')
        snprintf(text, TEXT_MAX, "unix:@%.*s", (int)length - 1, local.sun_path + 1);
    else
        snprintf(text, TEXT_MAX, "unix:%s", local.sun_path);
}

static void print_ipv6(const struct fo__socket_address *socket, char *text)
{
    struct sockaddr_in6 in6;
    char host[INET6_ADDRSTRLEN];

    memcpy(&in6, &socket->storage, sizeof(in6));
    MUST(inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host)) != NULL);
    if (in6.sin6_scope_id != 0)
        snprintf(text, TEXT_MAX, "[%s%%%u]:%u", host, in6.sin6_scope_id, ntohs(in6.sin6_port));
    else
        snprintf(text, TEXT_MAX, "[%s]:%u", host, ntohs(in6.sin6_port));
}

static void print_ipv4(const struct fo__socket_address *socket, char *text)
{
    struct sockaddr_in in;
    char host[INET_ADDRSTRLEN];

    memcpy(&in, &socket->storage, sizeof(in));
    MUST(inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host)) != NULL);
    snprintf(text, TEXT_MAX, "%s:%u", host, ntohs(in.sin_port));
}

static void print(const struct fo__address *address, char *text)
{
    if (!fo__address_is_ready(address))
        snprintf(text, TEXT_MAX, "%s:%u", address->host, address->port);
    else if (address->socket.storage.ss_family == AF_UNIX)
        print_unix(&address->socket, text);
    else if (address->socket.storage.ss_family == AF_INET6)
        print_ipv6(&address->socket, text);
    else
        print_ipv4(&address->socket, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); /* of its size exactly: the sanitizer sees a byte too far */
    char printed[TEXT_MAX];
    struct fo__address untouched;
    struct fo__address first;
    struct fo__address second;

    MUST(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    memset(&untouched, 0xa5, sizeof(untouched));
    memset(&first, 0xa5, sizeof(first));
    if (!fo__address_read(text, &first)) {
        MUST(memcmp(&first, &untouched, sizeof(first)) == 0);
    } else {
        MUST(fo__address_is_ready(&first) == (first.host[0] == '\0'));
        print(&first, printed);
        MUST(fo__address_read(printed, &second));
        MUST(first.socket.length == second.socket.length);
        MUST(memcmp(&first.socket.storage, &second.socket.storage, first.socket.length) == 0);
        MUST(first.port == second.port && strcmp(first.host, second.host) == 0);
        if (first.socket.storage.ss_family != AF_INET6) /* the others have one spelling */
            MUST(strcmp(text, printed) == 0);
    }
    free(text);
    return 0;
}
