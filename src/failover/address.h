/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses: where a server listens, read from text.
 *
 *     1.2.3.4:80          ready
 *     [::1]:80            ready
 *     [fe80::1%eth0]:80   ready; the interface is looked up when the text is read
 *     unix:/path          ready
 *     unix:@name          ready: Linux's abstract sockets, which have no file
 *     a.example:80        host and port: to be resolved
 *
 * One text has one meaning, and what might be meant otherwise is refused. A port is 1 … 65535 without
 * leading zeros. IPv4 is four decimal numbers: `127.1`, `0x7f000001` and `010.0.0.1`, which the C
 * library resolves as addresses that few would guess, are neither addresses nor names here. A name is of
 * letters, digits, hyphens and underscores (international ones as their xn-- form), in labels of
 * 1 … 63, 253 in all, one dot at its end aside; and its last label is not a number. A path is
 * absolute, so that it means the same after a chdir().
 */
#ifndef FO_ADDRESS_H
#define FO_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/** The longest host, its dot at the end included. */
#define FO__HOST_MAX 254

/** What connect() takes. */
struct fo__socket_address {
    struct sockaddr_storage storage;
    socklen_t length;
};

struct fo__address {
    struct fo__socket_address socket; /* length 0: resolve the host */
    uint16_t port;                    /* 0: a Unix socket */
    char host[FO__HOST_MAX + 1];      /* "": nothing to resolve */
};

/**
 * Reads the whole text. False: it is no address, or names an interface that is not there; `address`
 * is then as it was. Any thread; allocates nothing; makes system calls for an interface only.
 */
bool fo__address_read(const char *text, struct fo__address *address);

static inline bool fo__address_is_ready(const struct fo__address *address)
{
    return address->socket.length != 0;
}

#endif
