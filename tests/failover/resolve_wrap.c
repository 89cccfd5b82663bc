/* SPDX-License-Identifier: Apache-2.0
 *
 * Resolver: out of memory at each of its two allocations.
 *
 * What the linker sends through the __wrap_ functions is refused on this thread only, when told so.
 */
#include "resolve.h"
#include "timer.h"
#include "wrap.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static __thread bool refuses;
static _Atomic uint32_t told;

void *__wrap_malloc(size_t size)
{
    return refuses ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refuses ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return refuses ? NULL : __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refuses ? NULL : __real_aligned_alloc(alignment, size);
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t size)
{
    return refuses ? ENOMEM : __real_posix_memalign(memory, alignment, size);
}

char *__wrap_strdup(const char *text)
{
    return refuses ? NULL : __real_strdup(text);
}

static uint32_t find(const char *host, union fo__inet *found)
{
    (void)host;
    found[0] = (union fo__inet){.v4 = {.sin_family = AF_INET}};
    return 1;
}

static void tell(void *arg)
{
    (void)arg;
    told++;
}

/** Takes what is looked up; returns when the next look-up is due. */
static uint64_t look_up(struct fo__resolver *resolver, uint64_t now_ns)
{
    uint32_t before = told;
    uint64_t due_ns = fo__resolver_step(resolver, now_ns);

    assert(due_ns == FO__NEVER);
    while (told == before)
        sched_yield();
    return fo__resolver_step(resolver, now_ns);
}

int main(void)
{
    struct fo__address address;
    struct fo__resolver *resolver;
    uint64_t due_ns;
    uint64_t again_ns;

    fo__resolve_by(find);
    if (!fo__address_read("a.example:80", &address))
        return 1;
    refuses = true;
    resolver = fo__resolver_create(&address, tell, NULL, 1);
    refuses = false;
    assert(resolver == NULL);

    resolver = fo__resolver_create(&address, tell, NULL, 1);
    assert(resolver != NULL);
    due_ns = look_up(resolver, 0);

    /* As after any failure: what is known stays, and it is tried again soon. */
    refuses = true;
    again_ns = fo__resolver_step(resolver, due_ns);
    refuses = false;
    assert(again_ns > due_ns && again_ns <= due_ns + FO__UNRESOLVED_NS);
    assert(fo__resolver_count(resolver) == 1);
    due_ns = look_up(resolver, again_ns);
    assert(due_ns > again_ns + FO__UNRESOLVED_NS);
    fo__resolver_destroy(resolver);
    return 0;
}
