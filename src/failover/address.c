/* SPDX-License-Identifier: Apache-2.0 */
#include "address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#define LABEL_MAX 63u
#define NAME_MAX_BYTES 253u

/* A part of the text. */
struct span {
    const char *at;
    size_t length;
};

/* The C library's depend on the locale. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hexadecimal(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool consists_of(struct span span, bool (*is_right)(char))
{
    for (size_t i = 0; i < span.length; i++)
        if (!is_right(span.at[i]))
            return false;
    return span.length > 0;
}

/** Copies a part that is shorter than `size` as a string. */
static bool copy(struct span span, char *to, size_t size)
{
    if (span.length == 0 || span.length >= size)
        return false;
    memcpy(to, span.at, span.length);
    to[span.length] = '\0';
    return true;
}

/** Decimal, 1 … most, without leading zeros. */
static bool read_number(struct span span, uint64_t most, uint64_t *number)
{
    uint64_t value = 0;

    if (span.length > 10 || !consists_of(span, is_digit) || span.at[0] == '0')
        return false;
    for (size_t i = 0; i < span.length; i++)
        value = value * 10 + (uint64_t)(span.at[i] - '0');
    *number = value;
    return value <= most;
}

/* ---- Unix sockets ------------------------------------------------------------------------ */

/** `/path` or `@name`. An abstract name is all of its length and begins with a 0 byte. */
static bool read_unix(struct span path, struct fo__socket_address *to)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    bool is_abstract = path.at[0] == '@';

    if (path.length < 2 || !copy(path, local.sun_path, sizeof(local.sun_path)))
        return false;
    if (is_abstract)
        local.sun_path[0] = '\0';
    memcpy(&to->storage, &local, sizeof(local));
    to->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.length + !is_abstract);
    return true;
}

/* ---- IPv4 and IPv6 ----------------------------------------------------------------------- */

static bool read_ipv4(struct span host, uint16_t port, struct fo__socket_address *to)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    char text[INET_ADDRSTRLEN];

    if (!copy(host, text, sizeof(text)) || inet_pton(AF_INET, text, &in.sin_addr) != 1)
        return false;
    memcpy(&to->storage, &in, sizeof(in));
    to->length = sizeof(in);
    return true;
}

/** The number of an interface, given by name or, as RFC 4007 has it, by that number. */
static bool read_scope(struct span scope, uint32_t *number)
{
    char name[IF_NAMESIZE];
    uint64_t given;

    if (!copy(scope, name, sizeof(name)))
        return false;
    *number = if_nametoindex(name);
    if (*number != 0)
        return true;
    if (!read_number(scope, UINT32_MAX, &given))
        return false;
    *number = (uint32_t)given;
    return true;
}

/** What stands in the brackets. A scope says something about link-local addresses only. */
static bool read_ipv6(struct span host, uint16_t port, struct fo__socket_address *to)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    const char *percent = memchr(host.at, '%', host.length);
    struct span address = {host.at, percent != NULL ? (size_t)(percent - host.at) : host.length};
    char text[INET6_ADDRSTRLEN];

    if (!copy(address, text, sizeof(text)) || inet_pton(AF_INET6, text, &in6.sin6_addr) != 1)
        return false;
    if (percent != NULL) {
        struct span scope = {percent + 1, host.length - address.length - 1};

        if (!IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) || !read_scope(scope, &in6.sin6_scope_id))
            return false;
    }
    memcpy(&to->storage, &in6, sizeof(in6));
    to->length = sizeof(in6);
    return true;
}

/* ---- Names ------------------------------------------------------------------------------- */

static bool is_of_a_name(char c)
{
    return is_letter(c) || is_digit(c) || c == '-' || c == '_';
}

static bool is_label(struct span label)
{
    return label.length <= LABEL_MAX && consists_of(label, is_of_a_name) && label.at[0] != '-' &&
           label.at[label.length - 1] != '-';
}

/** As the C library reads numbers: decimal, octal or hexadecimal. */
static bool is_number(struct span label)
{
    struct span digits = {label.at + 2, label.length - 2};

    if (consists_of(label, is_digit))
        return true;
    if (label.length < 2 || label.at[0] != '0' || (label.at[1] | 0x20) != 'x')
        return false;
    return digits.length == 0 || consists_of(digits, is_hexadecimal);
}

static bool is_name(struct span name)
{
    if (name.length > 0 && name.at[name.length - 1] == '.')
        name.length--;
    if (name.length > NAME_MAX_BYTES)
        return false;
    for (;;) {
        const char *dot = memchr(name.at, '.', name.length);
        struct span label = {name.at, dot != NULL ? (size_t)(dot - name.at) : name.length};

        if (!is_label(label))
            return false;
        if (dot == NULL)
            return !is_number(label);
        name.at += label.length + 1;
        name.length -= label.length + 1;
    }
}

/* ---- All of them ------------------------------------------------------------------------- */

static bool read_host(struct span host, uint16_t port, struct fo__address *to)
{
    if (host.length >= 2 && host.at[0] == '[' && host.at[host.length - 1] == ']') {
        struct span inside = {host.at + 1, host.length - 2};
        return read_ipv6(inside, port, &to->socket);
    }
    return read_ipv4(host, port, &to->socket) ||
           (is_name(host) && copy(host, to->host, sizeof(to->host)));
}

bool fo__address_read(const char *text, struct fo__address *address)
{
    struct fo__address made = {.port = 0};
    const char *colon = strrchr(text, ':');
    uint64_t port;

    if (strncmp(text, "unix:", 5) == 0 && (text[5] == '/' || text[5] == '@')) {
        struct span path = {text + 5, strlen(text + 5)};

        if (!read_unix(path, &made.socket))
            return false;
    } else {
        struct span host = {text, colon != NULL ? (size_t)(colon - text) : 0};

        if (colon == NULL ||
            !read_number((struct span){colon + 1, strlen(colon + 1)}, 65535, &port))
            return false;
        made.port = (uint16_t)port;
        if (!read_host(host, made.port, &made))
            return false;
    }
    *address = made;
    return true;
}
