/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses: what each text means, and what is refused.
 */
#include "address.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static struct fo__address address_of(const char *text)
{
    struct fo__address address;

    memset(&address, 0xa5, sizeof(address));
    cr_assert(fo__address_read(text, &address), "%s", text);
    return address;
}

/** Refused, and the address is as it was. */
static void check_refused(const char *text)
{
    struct fo__address before;
    struct fo__address after;

    memset(&before, 0xa5, sizeof(before));
    memset(&after, 0xa5, sizeof(after));
    cr_assert_not(fo__address_read(text, &after), "%s", text);
    cr_assert_arr_eq(&after, &before, sizeof(before));
}

static void fill(char *text, size_t length, char with)
{
    memset(text, with, length);
    text[length] = '\0';
}

Test(address, of_ipv4_is_ready)
{
    static const struct {
        const char *text;
        uint32_t address;
        uint16_t port;
    } table[] = {
        {"1.2.3.4:80", 0x01020304, 80},
        {"0.0.0.0:1", 0, 1},
        {"255.255.255.255:65535", 0xffffffff, 65535},
        {"127.0.0.1:10911", 0x7f000001, 10911},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct fo__address address = address_of(table[i].text);
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address.socket.storage;

        cr_assert(fo__address_is_ready(&address));
        cr_assert_eq(address.socket.length, sizeof(*in));
        cr_assert_eq(in->sin_family, AF_INET);
        cr_assert_eq(ntohl(in->sin_addr.s_addr), table[i].address);
        cr_assert_eq(ntohs(in->sin_port), table[i].port);
        cr_assert_eq(address.port, table[i].port);
        cr_assert_str_empty(address.host);
    }
}

Test(address, of_ipv6_is_ready)
{
    static const struct {
        const char *text;
        const char *address;
        uint32_t scope;
    } table[] = {
        {"[::1]:80", "::1", 0},
        {"[::]:80", "::", 0},
        {"[2001:DB8::0:1]:80", "2001:db8::1", 0},
        {"[1:2:3:4:5:6:7:8]:80", "1:2:3:4:5:6:7:8", 0},
        {"[::ffff:1.2.3.4]:80", "::ffff:1.2.3.4", 0},
        {"[fe80::1]:80", "fe80::1", 0},
        {"[fe80::1%7]:80", "fe80::1", 7},
        {"[fe80::1%4294967295]:80", "fe80::1", 4294967295u},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct fo__address address = address_of(table[i].text);
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address.socket.storage;
        char printed[INET6_ADDRSTRLEN];

        cr_assert_eq(address.socket.length, sizeof(*in6));
        cr_assert_eq(in6->sin6_family, AF_INET6);
        cr_assert_str_eq(inet_ntop(AF_INET6, &in6->sin6_addr, printed, sizeof(printed)),
                         table[i].address);
        cr_assert_eq(in6->sin6_scope_id, table[i].scope);
        cr_assert_eq(ntohs(in6->sin6_port), 80);
        cr_assert_eq(address.port, 80);
        cr_assert_str_empty(address.host);
    }
}

Test(address, finds_the_interface_of_a_scope)
{
    struct if_nameindex *interfaces = if_nameindex();
    struct fo__address address;
    char text[64];

    cr_assert(interfaces != NULL && interfaces->if_index != 0);
    snprintf(text, sizeof(text), "[fe80::1%%%s]:80", interfaces->if_name);
    address = address_of(text);
    cr_assert_eq(((const struct sockaddr_in6 *)&address.socket.storage)->sin6_scope_id,
                 interfaces->if_index);
    if_freenameindex(interfaces);
}

Test(address, of_a_name_is_to_be_resolved)
{
    static const char *const hosts[] = {
        "a",    "localhost",    "a.example",  "a.example.",   "broker_1",
        "1a",   "unix",         "1.2.3.4.in", "A-b.C",        "xn--bcher-kva.example",
        "0x7g", "0x7f.example", "1.example",  "_tcp.example",
    };

    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        struct fo__address address;
        char text[64];

        snprintf(text, sizeof(text), "%s:6379", hosts[i]);
        address = address_of(text);
        cr_assert_not(fo__address_is_ready(&address));
        cr_assert_str_eq(address.host, hosts[i]);
        cr_assert_eq(address.port, 6379);
    }
}

Test(address, of_a_unix_socket_is_ready)
{
    struct fo__address address = address_of("unix:/run/a:80");
    const struct sockaddr_un *local = (const struct sockaddr_un *)&address.socket.storage;

    cr_assert_eq(local->sun_family, AF_UNIX);
    cr_assert_str_eq(local->sun_path, "/run/a:80");
    cr_assert_eq(address.socket.length, offsetof(struct sockaddr_un, sun_path) + 10);
    cr_assert_eq(address.port, 0);
    cr_assert_str_empty(address.host);
}

Test(address, of_an_abstract_socket_is_all_of_its_name)
{
    struct fo__address address = address_of("unix:@a@b");
    const struct sockaddr_un *local = (const struct sockaddr_un *)&address.socket.storage;

    cr_assert_eq(local->sun_family, AF_UNIX);
    cr_assert_arr_eq(local->sun_path, "\0a@b", 4);
    cr_assert_eq(address.socket.length, offsetof(struct sockaddr_un, sun_path) + 4);
}

Test(address, is_refused_when_it_is_none)
{
    static const char *const texts[] = {
        "",
        ":",
        ":80",
        "a",
        "1.2.3.4",
        "[::1]",
        "::1",
        "a:",
        "unix:",
        "unix:a",
        "unix:/",
        "unix:@",
        "unix:./a",
        "Unix:/a", /* no port, no host, no path */
        "a:0",
        "a:00",
        "a:080",
        "a:65536",
        "a:99999",
        "a:4294967376",
        "a:18446744073709551696",
        "a:-1",
        "a:+80",
        "a: 80",
        "a:80 ",
        "a:80x",
        "a:0x50",
        "a:http",
        "a:80:",
        "a::80",
        "a:80\n",
        "1.2.3.4:80/", /* ports */
        "1.2.3:80",
        "1.2.3.4.5:80",
        "1.2.3.256:80",
        "01.2.3.4:80",
        "127.1:80",
        "1:80",
        "0x7f000001:80",
        "0x7f.0x1:80",
        "0x:80",
        "1.2.3.0X4:80",
        "1.2.3.4.:80",
        "a.1:80",
        "a.1.:80",
        " 1.2.3.4:80", /* numbers that are no IPv4 address */
        "::1:80",
        "[]:80",
        "[:80",
        "]:80",
        "[::1:80",
        "::1]:80",
        "[[::1]]:80",
        "[1.2.3.4]:80",
        "[a]:80",
        "[::1]80",
        "[::1] :80",
        "[::1]x:80",
        "x[::1]:80",
        "[::g]:80",
        "[1:2:3]:80",
        "[1:2:3:4:5:6:7:8:9]:80",
        "[::1%]:80",
        "[fe80::1%]:80",
        "[::1%1]:80",
        "[fe80::1%no such]:80",
        "[fe80::1%0]:80",
        "[fe80::1%01]:80",
        "[fe80::1%4294967296]:80",
        "[fe80::1%abcdefghijklmnop]:80",
        "[%1]:80",
        "[fe80::1%1%1]:80", /* IPv6 */
        "a..b:80",
        ".a:80",
        ".:80",
        "a..:80",
        "-a:80",
        "a-:80",
        "a.-b:80",
        "a b:80",
        "a/b:80",
        "user@a:80",
        "http://a:80",
        "a%b:80",
        "\xc3\xbc:80",
        "a\tb:80",
        "*:80", /* names */
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        check_refused(texts[i]);
}

Test(address, has_labels_of_63_bytes_at_most)
{
    char text[80];

    fill(text, 63, 'a');
    strcat(text, ":80");
    cr_assert_eq(strlen(address_of(text).host), 63);
    fill(text, 64, 'a');
    strcat(text, ":80");
    check_refused(text);
}

Test(address, has_names_of_253_bytes_at_most_and_a_dot)
{
    char text[300];

    fill(text, 253, 'a');
    text[63] = text[127] = text[191] = '.';
    strcat(text, ".:80");
    cr_assert_eq(strlen(address_of(text).host), FO__HOST_MAX);
    fill(text, 254, 'a');
    text[63] = text[127] = text[191] = '.';
    strcat(text, ":80");
    check_refused(text);
}

Test(address, has_paths_that_fit_the_system)
{
    const size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    char text[200] = "unix:/";

    fill(text + 6, most - 1, 'a');
    cr_assert_eq(address_of(text).socket.length, sizeof(struct sockaddr_un));
    strcat(text, "a");
    check_refused(text);
    text[5] = '@';
    check_refused(text);
}
