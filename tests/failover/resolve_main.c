/* SPDX-License-Identifier: Apache-2.0
 *
 * Resolver: what is known is used until something better is, one look-up at a time.
 *
 * Names are looked up by the test, which decides what is found, and when. Time is virtual.
 */
#include "counter.h"
#include "resolve.h"

#include "atfork.h"
#include "child.h"
#include "timer.h"
#include "workers.h"

#include <arpa/inet.h>
#include <math.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define S (1000 * FO__NS_PER_MS)
#define MANY 1000u

static const char *story;

static void must(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "resolve: %s: %s\n", story, what);
    abort();
}

/* ---- Names -------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static struct {
    bool hangs;
    uint32_t first; /* 10.0.0.first … */
    uint32_t count;
    uint32_t begun;
    uint32_t ended;
    uint32_t told;
} names;

static uint32_t find(const char *host, union fo__inet *found)
{
    uint32_t count;

    if (strcmp(host, "race.example") == 0)
        return 0; /* it may run when its story is over */
    must(strcmp(host, "a.example") == 0, "another host is looked up");
    pthread_mutex_lock(&lock);
    names.begun++;
    pthread_cond_broadcast(&changed);
    while (names.hangs)
        pthread_cond_wait(&changed, &lock);
    count = names.count;
    memset(found, 0, FO__RESOLVED_MAX * sizeof(*found));
    for (uint32_t i = 0; i < count; i++) {
        found[i].v4.sin_family = AF_INET;
        found[i].v4.sin_addr.s_addr = htonl(0x0a000000 + names.first + i);
    }
    names.ended++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return count;
}

static void tell(void *arg)
{
    pthread_mutex_lock(&lock);
    names.told++;
    ++*(uint32_t *)arg;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void find_next(uint32_t first, uint32_t count)
{
    pthread_mutex_lock(&lock);
    names.first = first;
    names.count = count;
    pthread_mutex_unlock(&lock);
}

static void hang(bool hangs)
{
    pthread_mutex_lock(&lock);
    names.hangs = hangs;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void await(const uint32_t *counter, uint32_t wanted, const char *what)
{
    must(counter_await(&lock, &changed, counter, wanted), what);
}

static uint32_t look(const uint32_t *counter)
{
    return counter_read(&lock, counter);
}

/* ---- Owners ------------------------------------------------------------------------------- */

struct owner {
    struct fo__resolver *resolver;
    uint32_t told;
};

static void open_owner(struct owner *owner, const char *text, uint64_t seed)
{
    struct fo__address address;

    must(fo__address_read(text, &address) && !fo__address_is_ready(&address), "no name");
    owner->told = 0;
    owner->resolver = fo__resolver_create(&address, tell, &owner->told, seed);
    must(owner->resolver != NULL, "out of memory");
}

static void begin(struct owner *owner)
{
    memset(&names, 0, sizeof(names));
    fo__resolve_by(find);
    open_owner(owner, "a.example:80", 1);
}

static uint64_t step(struct owner *owner, uint64_t now_ns)
{
    return fo__resolver_step(owner->resolver, now_ns);
}

/** A whole look-up, begun and taken at that time; returns when the next is due. */
static uint64_t look_up(struct owner *owner, uint64_t now_ns)
{
    uint32_t told = look(&owner->told);

    must(step(owner, now_ns) == FO__NEVER, "no look-up is begun");
    await(&owner->told, told + 1, "nothing is told");
    return step(owner, now_ns);
}

static void must_know(const struct owner *owner, uint32_t first, uint32_t count)
{
    must(fo__resolver_count(owner->resolver) == count, "not as many addresses as were found");
    for (uint32_t i = 0; i < count; i++) {
        struct fo__socket_address address = fo__resolver_address(owner->resolver, i);
        struct sockaddr_in in;

        memcpy(&in, &address.storage, sizeof(in));
        must(address.length == sizeof(in) && in.sin_family == AF_INET, "another kind of address");
        must(ntohl(in.sin_addr.s_addr) == 0x0a000000 + first + i, "another address");
        must(ntohs(in.sin_port) == 80, "another port");
    }
}

static void must_be_within(uint64_t due_ns, uint64_t least_ns, uint64_t most_ns)
{
    must(least_ns <= due_ns && due_ns <= most_ns, "the next look-up is due at the wrong time");
}

/* ---- Stories ------------------------------------------------------------------------------ */

static void finds_what_is_looked_up(void)
{
    struct owner owner;
    uint64_t due_ns;

    begin(&owner);
    must(fo__resolver_count(owner.resolver) == 0, "something is known at first");
    must(look(&names.begun) == 0, "nobody has asked");
    find_next(1, 3);
    due_ns = look_up(&owner, 100 * S);
    must_know(&owner, 1, 3);
    must_be_within(due_ns, 100 * S + 22500 * FO__NS_PER_MS, 130 * S);
    must(step(&owner, due_ns - 1) == due_ns && look(&names.begun) == 1,
         "a look-up before its time");
    find_next(7, FO__RESOLVED_MAX);
    must_be_within(look_up(&owner, due_ns), due_ns + 22500 * FO__NS_PER_MS, due_ns + 30 * S);
    must_know(&owner, 7, FO__RESOLVED_MAX);
    must(look(&names.begun) == 2, "a look-up too many");
    fo__resolver_destroy(owner.resolver);
}

static void forgets_what_is_found_no_more(void)
{
    struct owner owner;
    uint64_t due_ns;

    begin(&owner);
    find_next(1, 3);
    due_ns = look_up(&owner, 0);
    find_next(2, 1);
    (void)look_up(&owner, due_ns);
    must_know(&owner, 2, 1);
    fo__resolver_destroy(owner.resolver);
}

static void goes_on_with_what_it_knows_after_a_failure(void)
{
    struct owner owner;
    uint64_t now_ns;

    begin(&owner);
    find_next(1, 2);
    now_ns = look_up(&owner, 0);
    find_next(0, 0);
    for (int i = 0; i < 20; i++) {
        uint64_t due_ns = look_up(&owner, now_ns);

        must_know(&owner, 1, 2);
        must_be_within(due_ns, now_ns + 3750 * FO__NS_PER_MS, now_ns + 5 * S);
        now_ns = due_ns;
    }
    find_next(5, 1);
    must_be_within(look_up(&owner, now_ns), now_ns + 22500 * FO__NS_PER_MS, now_ns + 30 * S);
    must_know(&owner, 5, 1);
    fo__resolver_destroy(owner.resolver);
}

static void knows_nothing_after_a_first_failure(void)
{
    struct owner owner;

    begin(&owner);
    must_be_within(look_up(&owner, 10 * S), 13750 * FO__NS_PER_MS, 15 * S);
    must(fo__resolver_count(owner.resolver) == 0, "something is known");
    fo__resolver_destroy(owner.resolver);
}

static void goes_on_with_what_it_knows_while_a_look_up_hangs(void)
{
    struct owner owner;
    uint64_t now_ns;

    begin(&owner);
    find_next(1, 2);
    now_ns = look_up(&owner, 0);
    hang(true);
    must(step(&owner, now_ns) == FO__NEVER, "no look-up is begun");
    await(&names.begun, 2, "the look-up does not run");
    for (int i = 0; i < 100; i++) {
        now_ns += 60 * S;
        must(step(&owner, now_ns) == FO__NEVER, "another look-up is due");
        must_know(&owner, 1, 2);
    }
    must(look(&names.begun) == 2, "more than one look-up at a time");
    find_next(3, 1);
    hang(false);
    await(&owner.told, 2, "nothing is told");
    must_be_within(step(&owner, now_ns), now_ns + 22500 * FO__NS_PER_MS, now_ns + 30 * S);
    must_know(&owner, 3, 1);
    fo__resolver_destroy(owner.resolver);
}

/** Its owner's memory is gone at once: a sanitizer would see who still uses it. */
static void may_be_destroyed_while_it_runs(void)
{
    struct owner *owner = malloc(sizeof(*owner));

    must(owner != NULL, "out of memory");
    begin(owner);
    hang(true);
    (void)step(owner, 0);
    await(&names.begun, 1, "the look-up does not run");
    fo__resolver_destroy(owner->resolver);
    free(owner);
    hang(false);
    await(&names.ended, 1, "the look-up does not end");
}

static void may_be_destroyed_while_it_waits(void)
{
    struct owner hanging;
    struct owner *waiting = malloc(sizeof(*waiting));

    must(waiting != NULL, "out of memory");
    fo__workers_set(1, 5000);
    begin(&hanging);
    hang(true);
    (void)step(&hanging, 0);
    await(&names.begun, 1, "the look-up does not run");
    open_owner(waiting, "a.example:80", 2);
    (void)step(waiting, 0);
    fo__resolver_destroy(waiting->resolver);
    free(waiting);
    hang(false);
    await(&hanging.told, 1, "nothing is told");
    (void)step(&hanging, 0);
    (void)look_up(&hanging, 60 * S); /* the worker has gone on */
    must(look(&names.begun) == 2, "the look-up that was taken back runs");
    fo__resolver_destroy(hanging.resolver);
    fo__workers_set(4, 5000);
}

static void may_be_destroyed_before_it_takes_the_answer(void)
{
    struct owner owner;

    begin(&owner);
    find_next(1, 1);
    (void)step(&owner, 0);
    await(&owner.told, 1, "nothing is told");
    fo__resolver_destroy(owner.resolver);
    fo__resolver_destroy(NULL);
}

/** Destroyed at any time: whoever is told is still there. */
static void may_be_destroyed_in_a_race(void)
{
    for (int i = 0; i < 2000; i++) {
        struct owner *owner = malloc(sizeof(*owner));

        must(owner != NULL, "out of memory");
        fo__resolve_by(find);
        open_owner(owner, "race.example:80", 1);
        (void)step(owner, 0);
        for (int j = 0; j < i % 50 * 20; j++)
            (void)step(owner, 0);
        fo__resolver_destroy(owner->resolver);
        free(owner);
    }
}

/** Of many that began at the same moment no more ask together than chance allows: mean and spread of
 * an even distribution over the last quarter, within 5 standard errors. */
static void asks_at_its_own_time(void)
{
    double sum = 0;
    double squares = 0;
    double quarter = (double)FO__RESOLVED_NS / 4;
    double mean;

    for (uint32_t i = 0; i < MANY; i++) {
        struct owner owner;
        double cut;

        if (i == 0)
            begin(&owner);
        else
            open_owner(&owner, "a.example:80", i + 1);
        find_next(1, 1);
        cut = (double)(FO__RESOLVED_NS - look_up(&owner, 0)) / quarter;
        sum += cut;
        squares += cut * cut;
        fo__resolver_destroy(owner.resolver);
    }
    mean = sum / MANY;
    must(fabs(mean - 0.5) < 5 * sqrt(1 / 12.0 / MANY), "the mean is not that of chance");
    must(fabs(squares / MANY - mean * mean - 1 / 12.0) < 5 * sqrt(1 / 180.0 / MANY),
         "the spread is not that of chance");
}

static void finds_what_the_system_knows(void)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    struct fo__socket_address address;
    struct owner owner;

    if (getaddrinfo("localhost", "80", &hints, &list) != 0)
        return; /* a machine that does not even know that */
    memset(&names, 0, sizeof(names));
    fo__resolve_by(NULL);
    open_owner(&owner, "localhost:80", 1);
    (void)look_up(&owner, 0);
    must(fo__resolver_count(owner.resolver) > 0, "localhost is not found");
    address = fo__resolver_address(owner.resolver, 0);
    must(address.length == list->ai_addrlen &&
             memcmp(&address.storage, list->ai_addr, address.length) == 0,
         "another address than the system's first");
    freeaddrinfo(list);
    fo__resolver_destroy(owner.resolver);
}

static void asks_again_in_a_child(void)
{
    struct owner running;
    struct owner answered;
    pid_t pid;

    /* One worker, and that one waits in find(): AddressSanitizer's own locks are not held over a
     * fork(), and a thread that is just being started or ended may have one. */
    fo__workers_set(1, 5000);
    begin(&running);
    open_owner(&answered, "a.example:80", 2);
    find_next(1, 1);
    (void)step(&answered, 0);
    await(&answered.told, 1, "nothing is told");
    hang(true);
    (void)step(&running, 0);
    await(&names.begun, 2, "the look-up does not run");
    pid = child_fork();
    if (pid == 0) {
        pthread_mutex_init(&lock, NULL);
        pthread_cond_init(&changed, NULL);
        fo__resolver_after_fork(running.resolver);
        fo__resolver_after_fork(answered.resolver);
        (void)step(&answered, 0);
        must_know(&answered, 1, 1);
        hang(false);
        (void)look_up(&running, 0);
        must_know(&running, 1, 1);
        fo__resolver_destroy(answered.resolver);
        fo__resolver_destroy(running.resolver);
        _exit(0);
    }
    child_await(pid);
    hang(false);
    await(&running.told, 1, "the parent is not told");
    fo__resolver_destroy(running.resolver);
    fo__resolver_destroy(answered.resolver);
    fo__workers_set(4, 5000);
}

static void tries_again_when_the_system_refuses_threads(void)
{
    pid_t pid = child_fork();
    struct owner owner;
    uint64_t due_ns;

    if (pid != 0) {
        child_await(pid);
        return;
    }
    if (!child_refuse_threads(true))
        _exit(0);
    begin(&owner);
    find_next(1, 1);
    due_ns = step(&owner, 10 * S);
    must_be_within(due_ns, 13750 * FO__NS_PER_MS, 15 * S);
    must(child_refuse_threads(false), "no threads again");
    (void)look_up(&owner, due_ns);
    must_know(&owner, 1, 1);
    fo__resolver_destroy(owner.resolver);
    _exit(0);
}

#define TELL(this_story)                                                                           \
    do {                                                                                           \
        story = #this_story;                                                                       \
        this_story;                                                                                \
    } while (0)

int main(void)
{
    fo__atfork_register();
    if (child_may_have_threads()) {
        TELL(tries_again_when_the_system_refuses_threads());
        TELL(asks_again_in_a_child());
    }
    TELL(finds_what_is_looked_up());
    TELL(forgets_what_is_found_no_more());
    TELL(goes_on_with_what_it_knows_after_a_failure());
    TELL(knows_nothing_after_a_first_failure());
    TELL(goes_on_with_what_it_knows_while_a_look_up_hangs());
    TELL(may_be_destroyed_while_it_runs());
    TELL(may_be_destroyed_while_it_waits());
    TELL(may_be_destroyed_before_it_takes_the_answer());
    TELL(may_be_destroyed_in_a_race());
    TELL(asks_at_its_own_time());
    TELL(finds_what_the_system_knows());
    return 0;
}
