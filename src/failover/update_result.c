/* SPDX-License-Identifier: Apache-2.0
 *
 * The result of an update: one block with three lists and the names they point at, reserved before
 * the update is committed, so that telling cannot fail.
 */
#include "abi.h"
#include "update.h"

#include <stdlib.h>
#include <string.h>

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
            size += sizeof(struct fo_update_entry) + strlen(update->changes[i].config.name) + 1;
    for (size_t i = 0; i < update->removal_count; i++)
        size += sizeof(struct fo_update_entry) + name_size(update->leavers[i]);
    update->result->memory = malloc(size);
    return update->result->memory != NULL ? FO_OK : FO_NOMEM;
}

static void put(struct fo_update_entry *entry, char **names, const struct fo_endpoint *endpoint,
                uint64_t previous_id)
{
    size_t size = name_size(endpoint);

    entry->name = memcpy(*names, fo_endpoint_name(endpoint), size);
    entry->id = endpoint->id;
    entry->previous_id = previous_id;
    *names += size;
}

void fo__update_result_fill(struct fo__update *update)
{
    struct fo_update_result *result = update->result;
    struct fo_update_entry *entries = result->memory;
    struct fo_update_entry *added = entries;
    struct fo_update_entry *updated;
    struct fo_update_entry *removed;
    char *names;
    size_t changed = 0;

    for (size_t i = 0; i < update->change_count; i++) {
        changed += update->changes[i].kind != FO__CHANGE_NONE ? 1 : 0;
        result->added_count += is_addition(&update->changes[i]) ? 1 : 0;
    }
    result->updated_count = changed - result->added_count;
    result->removed_count = update->removal_count;
    updated = added + result->added_count;
    removed = updated + result->updated_count;
    names = (char *)(removed + result->removed_count);
    result->added = added;
    result->updated = updated;
    result->removed = removed;
    for (size_t i = 0; i < update->change_count; i++) {
        const struct fo__change *change = &update->changes[i];

        if (change->kind == FO__CHANGE_NONE)
            continue;
        if (is_addition(change))
            put(added++, &names, change->next, 0);
        else
            put(updated++, &names, change->next, change->current->id);
    }
    for (size_t i = 0; i < update->removal_count; i++)
        put(removed++, &names, update->leavers[i], 0);
}

bool fo__update_result_is_sane(const struct fo_update_result *result)
{
    return result->size >= sizeof(*result) && fo__abi_size_is_sane(result->size, sizeof(*result));
}

void fo_update_result_fini(struct fo_update_result *result)
{
    struct fo_update_result empty = fo_update_result_init();

    if (result == NULL || !fo__update_result_is_sane(result))
        return;
    free(result->memory);
    fo__abi_write(result, &empty, sizeof(empty));
}
