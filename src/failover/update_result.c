/* SPDX-License-Identifier: Apache-2.0
 *
 * The result of an update: one block with three lists and the names they point at, reserved before
 * the update is committed, so that telling cannot fail. Entries lie as far apart as the caller's
 * version of them is long.
 */
#include "abi.h"
#include "update.h"

#include <stdlib.h>
#include <string.h>

/* What the first version of the structs had: nobody's is shorter. */
#define FIRST_RESULT_SIZE (offsetof(struct fo_update_result, memory) + sizeof(void *))
#define FIRST_ENTRY_SIZE (offsetof(struct fo_update_entry, previous_id) + sizeof(uint64_t))

static size_t name_size(const struct fo_endpoint *endpoint)
{
    return strlen(fo_endpoint_name(endpoint)) + 1;
}

/** Whether the change stands in `added` (true) or `updated`. */
static bool is_addition(const struct fo__change *change)
{
    return change->current == NULL;
}

fo_status fo__update_result_reserve(struct fo__update *update)
{
    size_t size = 1;

    for (size_t i = 0; i < update->change_count; i++)
        if (update->changes[i].kind != FO__CHANGE_NONE)
            size += update->result->entry_size + strlen(update->changes[i].config.name) + 1;
    for (size_t i = 0; i < update->removal_count; i++)
        size += update->result->entry_size + name_size(update->leavers[i]);
    update->result->memory = calloc(1, size); /* fields of a later version's entry are 0 */
    return update->result->memory != NULL ? FO_OK : FO_NOMEM;
}

/** Where the next entry and the next name go. */
struct place {
    char *entry;
    size_t entry_size;
    char *name;
};

static void put(struct place *place, const struct fo_endpoint *endpoint, uint64_t previous_id)
{
    size_t size = name_size(endpoint);
    struct fo_update_entry entry = {
        .name = memcpy(place->name, fo_endpoint_name(endpoint), size),
        .id = endpoint->id,
        .previous_id = previous_id,
    };

    memcpy(place->entry, &entry,
           place->entry_size < sizeof(entry) ? place->entry_size : sizeof(entry));
    place->entry += place->entry_size;
    place->name += size;
}

static const struct fo_update_entry *entries_at(const struct place *place)
{
    return (const struct fo_update_entry *)(const void *)place->entry;
}

void fo__update_result_fill(struct fo__update *update)
{
    struct fo_update_result *result = update->result;
    struct place place = {.entry = result->memory, .entry_size = result->entry_size};
    size_t changed = 0;

    for (size_t i = 0; i < update->change_count; i++) {
        changed += update->changes[i].kind != FO__CHANGE_NONE ? 1 : 0;
        result->added_count += is_addition(&update->changes[i]) ? 1 : 0;
    }
    result->updated_count = changed - result->added_count;
    result->removed_count = update->removal_count;
    place.name = place.entry + (changed + result->removed_count) * place.entry_size;
    result->added = entries_at(&place);
    for (size_t i = 0; i < update->change_count; i++) {
        const struct fo__change *change = &update->changes[i];

        if (change->kind != FO__CHANGE_NONE && is_addition(change))
            put(&place, change->next, 0);
    }
    result->updated = entries_at(&place);
    for (size_t i = 0; i < update->change_count; i++) {
        const struct fo__change *change = &update->changes[i];

        if (change->kind != FO__CHANGE_NONE && !is_addition(change))
            put(&place, change->next, change->current->id);
    }
    result->removed = entries_at(&place);
    for (size_t i = 0; i < update->removal_count; i++)
        put(&place, update->leavers[i], 0);
}

bool fo__update_result_is_sane(const struct fo_update_result *result)
{
    return result->size >= FIRST_RESULT_SIZE &&
           fo__abi_size_is_sane(result->size, sizeof(*result)) &&
           result->entry_size >= FIRST_ENTRY_SIZE &&
           fo__abi_size_is_sane(result->entry_size, sizeof(struct fo_update_entry));
}

void fo_update_result_fini(struct fo_update_result *result)
{
    struct fo_update_result empty = fo_update_result_init();

    if (result == NULL || !fo__update_result_is_sane(result))
        return;
    free(result->memory);
    empty.entry_size = result->entry_size;
    fo__abi_write(result, &empty, sizeof(empty));
}
