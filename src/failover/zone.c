/* SPDX-License-Identifier: Apache-2.0 */
#include "zone.h"

#include <stdlib.h>
#include <string.h>

struct fo__zone *fo__zones_find(struct fo__zones *zones, const char *name)
{
    struct fo__zone *at = fo__load_acquire(&zones->newest); /* pairs with fo__zones_add() */

    while (at != NULL && strcmp(at->name, name) != 0)
        at = at->next;
    return at;
}

struct fo__zone *fo__zones_add(struct fo__zones *zones, const char *name)
{
    struct fo__zone *zone = fo__zones_find(zones, name);
    struct fo__zone *newest = fo__load_relaxed(&zones->newest);
    size_t size = strlen(name) + 1;

    if (zone != NULL)
        return zone;
    zone = malloc(sizeof(*zone) + size);
    if (zone == NULL)
        return NULL;
    memcpy(zone->name, name, size);
    zone->number = newest != NULL ? newest->number + 1 : 1;
    zone->next = newest;
    fo__store_release(&zones->newest, zone); /* the name is whole before it is found */
    return zone;
}

void fo__zones_fini(struct fo__zones *zones)
{
    struct fo__zone *at = fo__load_relaxed(&zones->newest);

    while (at != NULL) {
        struct fo__zone *next = at->next;

        free(at);
        at = next;
    }
}
