/* SPDX-License-Identifier: Apache-2.0 */
#include "keyed.h"

#include <stdlib.h>
#include <string.h>

#define UNITS_OF_HEAVIEST 0x1p22 /* 2^20 of them are 2^42 */
#define SAMPLE 65536u

/* ---- Building ---------------------------------------------------------------------------- */

static struct fo__keyed *allocate(uint32_t n)
{
    struct fo__keyed *keyed = calloc(1, sizeof(*keyed));

    if (keyed == NULL)
        return NULL;
    keyed->n = n;
    keyed->owner = malloc(n * sizeof(struct fo_endpoint *));
    keyed->weight = malloc(n * sizeof(*keyed->weight));
    keyed->table = malloc(fo__maglev_bytes(n));
    if (keyed->owner == NULL || keyed->weight == NULL || keyed->table == NULL) {
        fo__keyed_destroy(keyed);
        return NULL;
    }
    return keyed;
}

void fo__keyed_destroy(struct fo__keyed *keyed)
{
    if (keyed == NULL)
        return;
    free((void *)keyed->owner);
    free(keyed->weight);
    free(keyed->table);
    free(keyed);
}

static double heaviest(const struct fo__keyed_member *members, uint32_t n)
{
    double weight = 0;

    for (uint32_t i = 0; i < n; i++)
        weight = members[i].weight > weight ? members[i].weight : weight;
    return weight;
}

static void fill_in(struct fo__keyed *keyed, const struct fo__keyed_member *members,
                    uint64_t *hashes, uint64_t *units)
{
    double most = heaviest(members, keyed->n);

    for (uint32_t i = 0; i < keyed->n; i++) {
        keyed->owner[i] = members[i].endpoint;
        keyed->weight[i] = members[i].weight;
        hashes[i] = fo__endpoint_name_hash(members[i].endpoint);
        units[i] = (uint64_t)(members[i].weight / most * UNITS_OF_HEAVIEST);
        if (units[i] == 0 && members[i].weight > 0)
            units[i] = 1;
    }
}

struct fo__keyed *fo__keyed_create(const struct fo__keyed_member *members, uint32_t n)
{
    struct fo__keyed *keyed = allocate(n);
    uint64_t *hashes = malloc(2 * n * sizeof(*hashes));
    struct fo__maglev_walk *walks = malloc(n * sizeof(*walks));
    uint64_t *taken = malloc(fo__maglev_words(fo__maglev_size(n)) * sizeof(*taken));

    if (keyed != NULL && hashes != NULL && walks != NULL && taken != NULL) {
        fill_in(keyed, members, hashes, hashes + n);
        fo__maglev_build(hashes, hashes + n, n, keyed->table, walks, taken);
    } else {
        fo__keyed_destroy(keyed);
        keyed = NULL;
    }
    free(hashes);
    free(walks);
    free(taken);
    return keyed;
}

/* ---- Comparing --------------------------------------------------------------------------- */

/** The names of the members of a table, to be found. */
struct census {
    const struct fo__keyed *keyed;
    uint32_t *slot_at; /* open addressing by name; UINT32_MAX: free */
    uint64_t mask;
};

static bool same_name(const struct fo_endpoint *a, const struct fo_endpoint *b)
{
    return strcmp(fo_endpoint_name(a), fo_endpoint_name(b)) == 0;
}

static bool take_census(struct census *census, const struct fo__keyed *keyed)
{
    census->keyed = keyed;
    census->mask = 15;
    while (census->mask + 1 < 2 * (uint64_t)keyed->n)
        census->mask = census->mask * 2 + 1;
    census->slot_at = malloc((census->mask + 1) * sizeof(*census->slot_at));
    if (census->slot_at == NULL)
        return false;
    memset(census->slot_at, 0xff, (census->mask + 1) * sizeof(*census->slot_at));
    for (uint32_t i = 0; i < keyed->n; i++) {
        uint64_t at = fo__endpoint_name_hash(keyed->owner[i]) & census->mask;

        while (census->slot_at[at] != UINT32_MAX)
            at = (at + 1) & census->mask;
        census->slot_at[at] = i;
    }
    return true;
}

/** Whether an endpoint of the table before is in this one, with the weight that it had. */
static bool is_as_it_was(const struct census *census, const struct fo_endpoint *endpoint,
                         double weight)
{
    uint64_t at = fo__endpoint_name_hash(endpoint) & census->mask;

    for (; census->slot_at[at] != UINT32_MAX; at = (at + 1) & census->mask) {
        uint32_t slot = census->slot_at[at];

        if (same_name(census->keyed->owner[slot], endpoint))
            return census->keyed->weight[slot] == weight;
    }
    return false;
}

struct fo__keyed_change fo__keyed_compare(const struct fo__keyed *before,
                                          const struct fo__keyed *after)
{
    struct fo__keyed_change change = {0, 0};
    struct census census;

    if (before == NULL || after == NULL || !take_census(&census, after))
        return change;
    for (uint32_t i = 0; i < SAMPLE; i++) {
        uint64_t key = fo__rng_mix(i);
        uint32_t was = fo__maglev_at(before->table, key, 0);
        uint32_t is = fo__maglev_at(after->table, key, 0);

        if (same_name(before->owner[was], after->owner[is]))
            continue;
        change.moved += 1.0 / SAMPLE;
        if (is_as_it_was(&census, before->owner[was], before->weight[was]))
            change.needless += 1.0 / SAMPLE;
    }
    free(census.slot_at);
    return change;
}
