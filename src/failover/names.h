/* SPDX-License-Identifier: Apache-2.0
 *
 * Name index: name → value. One writer at a time, any number of readers inside read sections.
 *
 * An entry owns its copy of the name, so its value may be replaced without touching the key:
 *
 *     ck_ht ──► struct fo__name { value (atomic), leaving, length, bytes }
 *
 * In a balancer's index the value is the member of that name. What left the membership and still has
 * open leases hangs on the entry too, which so stays in the index with a value of NULL until the last
 * of them is gone.
 *
 * All that can fail happens in fo__names_reserve(), which puts an entry of value NULL in: look-ups do
 * not see it. Setting the value later cannot fail. So an update first reserves everything, then
 * commits.
 */
#ifndef FO_NAMES_H
#define FO_NAMES_H

#include "atomic.h"

#include <stddef.h>

struct fo_endpoint;

struct fo__name {
    void *_Atomic value; /* NULL: nobody of that name, to those who look it up */
    struct fo_endpoint
        *leaving; /* the writer's: incarnations of that name that leave, newest first */
    struct fo__name *retired_next;
    uint16_t length;
    char bytes[]; /* NUL-terminated */
};

struct fo__names {
    void *table;              /* struct ck_ht */
    struct fo__name *retired; /* removed, waiting for fo__names_reap() */
};

/** False when out of memory. Pair with fo__names_fini(). */
bool fo__names_init(struct fo__names *names);

/** Frees the index and every entry. No reader is left. */
void fo__names_fini(struct fo__names *names);

/** The entry of that name, also a reserved one, or NULL. In a read section, or the writer. */
struct fo__name *fo__names_find(struct fo__names *names, const char *name);

/** The value of that name or NULL. In a read section, or the writer. */
void *fo__names_get(struct fo__names *names, const char *name);

/** Adds an entry of value NULL for a name that has none; NULL when out of memory. Writer. */
struct fo__name *fo__names_reserve(struct fo__names *names, const char *name);

/** Makes the value visible. Writer; never fails. */
void fo__name_set(struct fo__name *entry, void *value);

/** Takes the entry out; it is freed by the next fo__names_reap(). Writer; never fails. */
void fo__names_remove(struct fo__names *names, struct fo__name *entry);

/** Frees removed entries. Writer, after a grace period that began after their removal. */
void fo__names_reap(struct fo__names *names);

#endif
