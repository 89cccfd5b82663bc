/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve.h"

#include "rng.h"
#include "timer.h"
#include "workers.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

/* The job's memory: the owner's, or once it was left, the worker's. */
struct lookup {
    struct fo__job job; /* first */
    fo__lookup_fn find;
    fo__resolved_fn tell;
    void *arg;
    uint32_t count;
    union fo__inet found[FO__RESOLVED_MAX];
    char host[FO__HOST_MAX + 1];
};

struct fo__resolver {
    fo__lookup_fn find;
    fo__resolved_fn tell;
    void *arg;
    _Atomic uint64_t rng;
    uint64_t due_ns;       /* of the next look-up */
    struct lookup *lookup; /* begun, its result not yet taken; NULL: none */
    uint32_t count;
    union fo__inet known[FO__RESOLVED_MAX];
    uint16_t port;
    char host[FO__HOST_MAX + 1];
};

/* ---- Looking up --------------------------------------------------------------------------- */

static bool is_same(const union fo__inet *a, const union fo__inet *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    return IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr) &&
           a->v6.sin6_scope_id == b->v6.sin6_scope_id;
}

static bool is_known(const union fo__inet *inet, const union fo__inet *found, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (is_same(inet, &found[i]))
            return true;
    return false;
}

/** One address for each, in the order of RFC 6724: what this machine cannot reach comes last. */
static uint32_t look_up(const char *host, union fo__inet *found)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    uint32_t count = 0;

    if (getaddrinfo(host, NULL, &hints, &list) != 0)
        return 0;
    for (const struct addrinfo *at = list; at != NULL && count < FO__RESOLVED_MAX;
         at = at->ai_next) {
        union fo__inet inet;

        if (at->ai_family != AF_INET && at->ai_family != AF_INET6)
            continue;
        memset(&inet, 0, sizeof(inet));
        memcpy(&inet, at->ai_addr, at->ai_addrlen);
        if (!is_known(&inet, found, count)) /* hosts files name some twice */
            found[count++] = inet;
    }
    freeaddrinfo(list);
    return count;
}

static fo__lookup_fn used = look_up;

void fo__resolve_by(fo__lookup_fn lookup)
{
    used = lookup != NULL ? lookup : look_up;
}

static void run(struct fo__job *job)
{
    struct lookup *lookup = (struct lookup *)job;
    lookup->count = lookup->find(lookup->host, lookup->found);
}

static void done(struct fo__job *job)
{
    const struct lookup *lookup = (const struct lookup *)job;
    lookup->tell(lookup->arg);
}

static void abandoned(struct fo__job *job)
{
    free(job);
}

static struct lookup *make_lookup(const struct fo__resolver *resolver)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));

    if (lookup == NULL)
        return NULL;
    lookup->job = (struct fo__job){.run = run, .done = done, .abandoned = abandoned};
    lookup->find = resolver->find;
    lookup->tell = resolver->tell;
    lookup->arg = resolver->arg;
    memcpy(lookup->host, resolver->host, sizeof(lookup->host));
    return lookup;
}

/* ---- Life --------------------------------------------------------------------------------- */

struct fo__resolver *fo__resolver_create(const struct fo__address *address, fo__resolved_fn tell,
                                         void *arg, uint64_t seed)
{
    struct fo__resolver *resolver = calloc(1, sizeof(*resolver));

    if (resolver == NULL)
        return NULL;
    resolver->find = used;
    resolver->tell = tell;
    resolver->arg = arg;
    resolver->port = address->port;
    memcpy(resolver->host, address->host, sizeof(resolver->host));
    atomic_init(&resolver->rng, seed);
    return resolver;
}

/** Takes the look-up back, or leaves it to its worker. One that is done stays, to be taken. */
static void give_up(struct fo__resolver *resolver)
{
    if (resolver->lookup == NULL)
        return;
    switch (fo__job_cancel(&resolver->lookup->job)) {
    case FO__JOB_TOO_LATE: return;
    case FO__JOB_WITHDRAWN: free(resolver->lookup); break;
    case FO__JOB_LEFT: break;
    }
    resolver->lookup = NULL;
}

void fo__resolver_destroy(struct fo__resolver *resolver)
{
    if (resolver == NULL)
        return;
    give_up(resolver);
    free(resolver->lookup);
    free(resolver);
}

void fo__resolver_after_fork(struct fo__resolver *resolver)
{
    give_up(resolver);
}

/* ---- Steps -------------------------------------------------------------------------------- */

/** The next look-up is due after three quarters of that time, or up to a quarter later. */
static void put_off(struct fo__resolver *resolver, uint64_t now_ns, uint64_t most_ns)
{
    resolver->due_ns = now_ns + most_ns - fo__rng_below(&resolver->rng, most_ns / 4);
}

static void begin(struct fo__resolver *resolver, uint64_t now_ns)
{
    struct lookup *lookup = make_lookup(resolver);

    if (lookup != NULL && fo__job_submit(&lookup->job) == FO_OK) {
        resolver->lookup = lookup;
    } else {
        free(lookup);
        put_off(resolver, now_ns, FO__UNRESOLVED_NS);
    }
}

static void take(struct fo__resolver *resolver, uint64_t now_ns)
{
    struct lookup *lookup = resolver->lookup;

    resolver->lookup = NULL;
    if (lookup->count > 0) {
        resolver->count = lookup->count;
        memcpy(resolver->known, lookup->found, sizeof(resolver->known));
    }
    put_off(resolver, now_ns, lookup->count > 0 ? FO__RESOLVED_NS : FO__UNRESOLVED_NS);
    free(lookup);
}

uint64_t fo__resolver_step(struct fo__resolver *resolver, uint64_t now_ns)
{
    if (resolver->lookup != NULL && fo__job_is_done(&resolver->lookup->job))
        take(resolver, now_ns);
    if (resolver->lookup == NULL && resolver->due_ns <= now_ns)
        begin(resolver, now_ns);
    return resolver->lookup != NULL ? FO__NEVER : resolver->due_ns;
}

uint32_t fo__resolver_count(const struct fo__resolver *resolver)
{
    return resolver->count;
}

struct fo__socket_address fo__resolver_address(const struct fo__resolver *resolver, uint32_t number)
{
    union fo__inet inet = resolver->known[number];
    bool is_v4 = inet.any.sa_family == AF_INET;
    struct fo__socket_address address = {.length = is_v4 ? sizeof(inet.v4) : sizeof(inet.v6)};

    *(is_v4 ? &inet.v4.sin_port : &inet.v6.sin6_port) = htons(resolver->port);
    memcpy(&address.storage, &inet, sizeof(inet));
    return address;
}
