/* SPDX-License-Identifier: Apache-2.0
 *
 * Resolver: the addresses of one named host, looked up where it may block.
 *
 *     owner                                       a worker (workers.h)
 *     step() ── nothing known, or too old ──────► look up: the C library's resolver, seconds at worst
 *       │                                           │
 *       │ goes on with the addresses it has         ▼
 *     step() ◄──────────── tell(), by a queue ──── done
 *       └─ takes what was found; a failure changes nothing but the time of the next look-up
 *
 * Old addresses are better than none: they are used while a look-up runs, and after it has failed. The
 * C library says nothing about how long a name is valid, so it is asked again after 30 s; after a
 * failure, which also means that it would not do it anew at once, after 5 s. Both are cut by up to a
 * quarter, by chance, so that hosts that began together do not ask together.
 *
 * Look-ups are asked for: without a step() nothing happens. One runs at a time, and one that hangs is
 * waited for, not asked again: that could only hang one more worker. What is looked up has memory of its
 * own, so the owner may go at any time.
 *
 * One thread at a time: the owner's, with the owner's clock.
 */
#ifndef FO_RESOLVE_H
#define FO_RESOLVE_H

#include "address.h"
#include "clock.h"

#include <netinet/in.h>

#define FO__RESOLVED_MAX 8u
#define FO__RESOLVED_NS (30000 * FO__NS_PER_MS)  /* the longest that an answer is relied on */
#define FO__UNRESOLVED_NS (5000 * FO__NS_PER_MS) /* the longest wait after a failure */

union fo__inet {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/**
 * Looks a host up: writes up to FO__RESOLVED_MAX addresses, the best first, and returns how many;
 * 0: it failed. On a worker; may block, for ever at worst.
 */
typedef uint32_t (*fo__lookup_fn)(const char *host, union fo__inet *found);

/** Replaces the look-up of all resolvers made from now on; NULL: getaddrinfo(). For tests. */
void fo__resolve_by(fo__lookup_fn lookup);

/** On a worker, under its lock (workers.h, done()): there is something for step() to take. */
typedef void (*fo__resolved_fn)(void *arg);

struct fo__resolver;

/** A resolver of the host and the port of an address that is not ready. NULL: out of memory. */
struct fo__resolver *fo__resolver_create(const struct fo__address *address, fo__resolved_fn tell,
                                         void *arg, uint64_t seed);

/** Also while a look-up runs: from then on nothing is told. What was told already may be on its way
 * through the owner's queue. NULL is ignored. */
void fo__resolver_destroy(struct fo__resolver *resolver);

/**
 * Takes what was found, and begins a look-up if one is due. Returns when one will be: FO__NEVER while
 * one runs, since it will tell. To be called when told, and before the addresses are used.
 */
uint64_t fo__resolver_step(struct fo__resolver *resolver, uint64_t now_ns);

/** How many addresses are known; 0: none has ever been found. */
uint32_t fo__resolver_count(const struct fo__resolver *resolver);

/** The address of that number below the count, with the port. */
struct fo__socket_address fo__resolver_address(const struct fo__resolver *resolver,
                                               uint32_t number);

/** In a child after fork(): a look-up that ran is lost with its thread, and due again. */
void fo__resolver_after_fork(struct fo__resolver *resolver);

#endif
