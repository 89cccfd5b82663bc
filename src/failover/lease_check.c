/* SPDX-License-Identifier: Apache-2.0
 *
 * Open addressing by nonce; removal moves later entries back, so there are no tombstones.
 */
#include "lease_check.h"

#include <pthread.h>
#include <stdlib.h>

struct open_lease {
    uint64_t nonce; /* 0: free */
    const struct fo__core *core;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct open_lease *table;
static uint64_t mask;
static uint64_t used;
static uint64_t last_nonce;
static struct fo__lease_check *attached;

static uint64_t home_of(uint64_t nonce)
{
    return nonce & mask; /* nonces count up: consecutive homes */
}

static void put(uint64_t nonce, const struct fo__core *core)
{
    uint64_t at = home_of(nonce);

    while (table[at].nonce != 0)
        at = (at + 1) & mask;
    table[at].nonce = nonce;
    table[at].core = core;
}

static bool make_room(void)
{
    uint64_t capacity = table == NULL ? 64 : (mask + 1) * 2;
    struct open_lease *old = table;
    uint64_t old_end = table == NULL ? 0 : mask + 1;
    struct open_lease *larger;

    if (table != NULL && (used + 1) * 2 <= mask + 1)
        return true;
    larger = calloc(capacity, sizeof(*larger));
    if (larger == NULL)
        return false;
    table = larger;
    mask = capacity - 1;
    for (uint64_t i = 0; i < old_end; i++)
        if (old[i].nonce != 0)
            put(old[i].nonce, old[i].core);
    free(old);
    return true;
}

void fo__lease_check_open(struct fo_lease *lease)
{
    pthread_mutex_lock(&lock);
    if (make_room()) {
        lease->reserved_wide[FO__LEASE_NONCE] = ++last_nonce;
        lease->reserved_wide[FO__LEASE_TAKEN_WITH] |= FO__LEASE_IS_CHECKED;
        /* Nothing that it points at may be looked at before it is known to be open. */
        lease->reserved_wide[FO__LEASE_THREAD] = fo__lease_no_thread();
        put(last_nonce, fo__lease_core(lease));
        used++;
    }
    pthread_mutex_unlock(&lock);
}

static void take_out(uint64_t at)
{
    uint64_t next = at;

    for (;;) {
        next = (next + 1) & mask;
        if (table[next].nonce == 0)
            break;
        if (((next - home_of(table[next].nonce)) & mask) >= ((next - at) & mask)) {
            table[at] = table[next];
            at = next;
        }
    }
    table[at].nonce = 0;
    used--;
}

/** A copy of what is attached for a balancer; `log` NULL when it is gone. Caller holds the lock. */
static struct fo__lease_check check_of(const struct fo__core *core)
{
    struct fo__lease_check none = {NULL, NULL, NULL, NULL};

    for (struct fo__lease_check *check = attached; check != NULL; check = check->next)
        if (check->core == core)
            return *check;
    return none;
}

bool fo__lease_check_close(const struct fo_lease *lease)
{
    uint64_t nonce = lease->reserved_wide[FO__LEASE_NONCE];
    struct fo__lease_check check;
    bool found = false;

    pthread_mutex_lock(&lock);
    for (uint64_t at = home_of(nonce); table != NULL && table[at].nonce != 0 && !found;
         at = (at + 1) & mask) {
        found = table[at].nonce == nonce;
        if (found)
            take_out(at);
    }
    check = check_of(fo__lease_core(lease));
    pthread_mutex_unlock(&lock);
    if (!found && check.log != NULL)
        check.log(FO_LOG_ERROR, "a lease was finished twice: a copy of it had been finished before",
                  check.log_arg);
    return found;
}

void fo__lease_check_attach(struct fo__lease_check *check)
{
    pthread_mutex_lock(&lock);
    check->next = attached;
    attached = check;
    pthread_mutex_unlock(&lock);
}

void fo__lease_check_detach(struct fo__lease_check *check)
{
    pthread_mutex_lock(&lock);
    for (struct fo__lease_check **at = &attached; *at != NULL; at = &(*at)->next) {
        if (*at == check) {
            *at = check->next;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
}

size_t fo__lease_check_count(const struct fo__core *core)
{
    size_t count = 0;

    pthread_mutex_lock(&lock);
    for (uint64_t i = 0; table != NULL && i <= mask; i++)
        count += table[i].nonce != 0 && table[i].core == core ? 1 : 0;
    pthread_mutex_unlock(&lock);
    return count;
}

void fo__lease_check_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

void fo__lease_check_after_fork(void)
{
    pthread_mutex_unlock(&lock);
}
