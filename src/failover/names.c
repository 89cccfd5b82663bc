/* SPDX-License-Identifier: Apache-2.0
 *
 * The name index over Concurrency Kit's hash table (ck_ht, single writer, many readers): the only
 * file that includes ck.
 *
 * ck_ht grows by building a second map and then frees the first with the flag `defer`, because
 * readers may still be in it: the allocator below answers by waiting for a grace period. Growth is
 * rare and its caller, an update, waits for one anyway.
 */
#include "names.h"

#include "hash.h"
#include "rcu.h"

#include <ck_ht.h>
#include <ck_malloc.h>
#include <stdlib.h>
#include <string.h>

static void *table_malloc(size_t size)
{
    return malloc(size);
}

static void *table_realloc(void *old, size_t old_size, size_t new_size, bool defer)
{
    (void)old_size;
    (void)defer;
    return realloc(old, new_size);
}

static void table_free(void *memory, size_t size, bool defer)
{
    (void)size;
    if (defer)
        fo__rcu_synchronize();
    free(memory);
}

static struct ck_malloc allocator = {
    .malloc = table_malloc,
    .realloc = table_realloc,
    .free = table_free,
};

static void hash_key(ck_ht_hash_t *out, const void *key, size_t length, uint64_t seed)
{
    (void)seed;
    out->value = fo__hash(key, length);
}

bool fo__names_init(struct fo__names *names)
{
    struct ck_ht *table = malloc(sizeof(*table));

    if (table == NULL)
        return false;
    if (!ck_ht_init(table, CK_HT_MODE_BYTESTRING | CK_HT_WORKLOAD_DELETE, hash_key, &allocator, 16,
                    0)) {
        free(table);
        return false;
    }
    names->table = table;
    names->retired = NULL;
    return true;
}

void fo__names_fini(struct fo__names *names)
{
    ck_ht_iterator_t iterator = CK_HT_ITERATOR_INITIALIZER;
    ck_ht_entry_t *entry;

    fo__names_reap(names);
    while (ck_ht_next(names->table, &iterator, &entry))
        free(ck_ht_entry_value(entry));
    ck_ht_destroy(names->table);
    free(names->table);
    names->table = NULL;
}

struct fo__name *fo__names_find(struct fo__names *names, const char *name)
{
    size_t length = strlen(name);
    ck_ht_entry_t entry;
    ck_ht_hash_t hash;

    hash_key(&hash, name, length, 0);
    ck_ht_entry_key_set(&entry, name, (uint16_t)length);
    if (!ck_ht_get_spmc(names->table, hash, &entry))
        return NULL;
    fo__rcu_looked_up(names);
    return ck_ht_entry_value(&entry);
}

void *fo__names_get(struct fo__names *names, const char *name)
{
    struct fo__name *entry = fo__names_find(names, name);

    /* Pairs with the release in fo__name_set(): the value's fields are seen. */
    return entry != NULL ? fo__load_acquire(&entry->value) : NULL;
}

struct fo__name *fo__names_reserve(struct fo__names *names, const char *name)
{
    size_t length = strlen(name);
    struct fo__name *entry = malloc(offsetof(struct fo__name, bytes) + length + 1);
    ck_ht_entry_t slot;
    ck_ht_hash_t hash;

    if (entry == NULL)
        return NULL;
    atomic_init(&entry->value, NULL);
    entry->leaving = NULL;
    entry->retired_next = NULL;
    entry->length = (uint16_t)length;
    memcpy(entry->bytes, name, length + 1);
    hash_key(&hash, entry->bytes, length, 0);
    ck_ht_entry_set(&slot, hash, entry->bytes, entry->length, entry);
    fo__rcu_published(names);
    if (!ck_ht_put_spmc(names->table, hash, &slot)) {
        free(entry);
        return NULL;
    }
    return entry;
}

void fo__name_set(struct fo__name *entry, void *value)
{
    fo__store_release(&entry->value, value);
}

void fo__names_remove(struct fo__names *names, struct fo__name *entry)
{
    ck_ht_entry_t slot;
    ck_ht_hash_t hash;

    fo__store_release(&entry->value, NULL);
    hash_key(&hash, entry->bytes, entry->length, 0);
    ck_ht_entry_key_set(&slot, entry->bytes, entry->length);
    ck_ht_remove_spmc(names->table, hash, &slot);
    entry->retired_next = names->retired;
    names->retired = entry;
}

void fo__names_reap(struct fo__names *names)
{
    while (names->retired != NULL) {
        struct fo__name *entry = names->retired;
        names->retired = entry->retired_next;
        free(entry);
    }
}
