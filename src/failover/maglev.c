/* SPDX-License-Identifier: Apache-2.0
 *
 * How the table is filled. Every member walks through all positions in an order of its own (a start
 * and a step, both from the hash of its name) and takes those that it finds free:
 *
 *     member a   5 0 2 4 1 3        time ──►   a takes 5, b 3 · a 0, b finds 5 taken · b 1 …
 *     member b   3 5 1 6 2 …
 *
 * Three decisions keep the table of one membership like that of the next:
 *
 *  - *A member has a quota*, by the divisor method of Webster (Sainte-Laguë): units × T rounded to the
 *    nearest, with the one T for all that makes M of them. Largest remainders would come as near, but
 *    another member's leaving can take an entry from those who stay; here it only ever gives. Equal
 *    weights leave M mod n entries over, which go to the smallest hashes.
 *
 *  - *Time is steps / units.* Steps, not entries: a step to a taken position is used up. So the first
 *    at a position is the member with the smallest rank / units there, which is weighted rendezvous
 *    hashing, where nothing moves without need: a member that leaves, or is worth less, changes
 *    nobody's rank. Rounds in which each takes its next free position, as in the paper, need no quotas,
 *    but every position that a member misses puts off all its later ones: twice the needless moves,
 *    measured from 500 members to 499.
 *
 *  - *Only who is full stops early.* Whoever lacks entries walks on until it has them. What moves
 *    without need comes from there: a position given up goes to somebody who is full by it and gives up
 *    its last, and so on until somebody's quota has grown.
 *
 * Time goes by rounds: in one, those who still lack entries make about n steps together, in the order
 * of their hashes. When the heavy ones are full the light ones go faster, so weights of 1 : 10^6 cost
 * no more than equal ones. Two come to one position in the same round once in a hundred times, so
 * this is near enough to the order by time.
 *
 * Integers throughout. Every time is common to all, so rounding it favours nobody.
 */
#include "maglev.h"

#include <assert.h>
#include <string.h>

#define ENTRIES_MIN UINT32_C(100) /* for a member, on average */
#define QUOTA_BITS 63             /* fraction of a quota: finer than the weights differ */
#define CREDIT_BITS 43            /* fraction of a credit: a unit is worth some, in every round */

/* ---- Size -------------------------------------------------------------------------------- */

/* Each the first prime above a power of two, so that few updates change the size. */
static const uint32_t sizes[] = {65537,   131101,  262147,   524309,   1048583,  2097169,
                                 4194319, 8388617, 16777259, 33554467, 67108879, 134217757};

size_t fo__maglev_size(uint32_t n)
{
    size_t i = 0;

    while (sizes[i] < n * ENTRIES_MIN)
        i++;
    return sizes[i];
}

static bool has_upper(uint32_t n)
{
    return n > UINT32_C(1) << 16;
}

size_t fo__maglev_bytes(uint32_t n)
{
    size_t halves = fo__maglev_size(n) * (has_upper(n) ? 2 : 1);

    return sizeof(struct fo__maglev) + halves * sizeof(uint16_t);
}

/* ---- Order: by hash. Equal hashes by units, so that only equal members have equal places ---- */

static bool is_after(const struct fo__maglev_walk *a, const struct fo__maglev_walk *b)
{
    if (a->hash != b->hash)
        return a->hash > b->hash;
    if (a->units != b->units)
        return a->units < b->units;
    return a->slot > b->slot;
}

/** Puts `walk` where it belongs in the heap of `count` whose root is free. */
static void sift_down(struct fo__maglev_walk *heap, uint32_t root, uint32_t count,
                      struct fo__maglev_walk walk)
{
    for (uint32_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && is_after(&heap[child + 1], &heap[child]))
            child++;
        if (!is_after(&heap[child], &walk))
            break;
        heap[root] = heap[child];
    }
    heap[root] = walk;
}

/* A heapsort: qsort() may allocate. */
static void sort(struct fo__maglev_walk *walks, uint32_t count)
{
    for (uint32_t root = count / 2; root-- > 0;)
        sift_down(walks, root, count, walks[root]);
    for (uint32_t last = count; last-- > 1;) {
        struct fo__maglev_walk largest = walks[0];

        sift_down(walks, 0, last, walks[last]);
        walks[last] = largest;
    }
}

/* ---- Quotas ------------------------------------------------------------------------------ */

static uint32_t entries_by(fo__u128 time, uint64_t units)
{
    return (uint32_t)((time * units + (UINT64_C(1) << (QUOTA_BITS - 1))) >> QUOTA_BITS);
}

static uint64_t all_entries_by(fo__u128 time, const struct fo__maglev_walk *walks, uint32_t count)
{
    uint64_t entries = 0;

    for (uint32_t i = 0; i < count; i++)
        entries += entries_by(time, walks[i].units);
    return entries;
}

/** Sets what each has to take: `size` together. */
static void set_quotas(struct fo__maglev_walk *walks, uint32_t count, uint64_t sum, uint64_t size)
{
    /* Rounding makes at most half an entry's difference for each. */
    fo__u128 enough = ((fo__u128)(size + count) << QUOTA_BITS) / sum + 1;
    fo__u128 time = ((fo__u128)(size - count) << QUOTA_BITS) / sum; /* never too much */
    uint64_t over;

    while (enough - time > 1) {
        fo__u128 middle = time + (enough - time) / 2;

        if (all_entries_by(middle, walks, count) <= size)
            time = middle;
        else
            enough = middle;
    }
    over = size - all_entries_by(time, walks, count);
    for (uint32_t i = 0; i < count; i++) {
        walks[i].left = entries_by(time, walks[i].units);
        if (over > 0 && entries_by(enough, walks[i].units) > walks[i].left) {
            walks[i].left++;
            over--;
        }
    }
}

/* ---- Filling ----------------------------------------------------------------------------- */

/** Takes those with a weight; returns how many they are. */
static uint32_t enlist(struct fo__maglev_walk *walks, const uint64_t *hashes, const uint64_t *units,
                       uint32_t n)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n; i++)
        if (units[i] > 0)
            walks[count++] =
                (struct fo__maglev_walk){.hash = hashes[i], .units = units[i], .slot = i};
    return count;
}

/* Members of equal hashes would walk the same way, one always a step behind: each takes a way of its
 * own, by its number among them. */
static void set_ways(struct fo__maglev_walk *walks, uint32_t count, uint64_t size)
{
    uint64_t before = 0;
    uint64_t number = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = walks[i].hash;
        uint64_t random;

        number = i > 0 && hash == before ? number + 1 : 1;
        random = fo__rng_mix(hash + number * FO__GOLDEN);
        walks[i].at = (uint32_t)fo__mul_high(random, size);
        walks[i].step = (uint32_t)(1 + fo__mul_high(fo__rng_mix(random), size - 1));
        walks[i].credit = UINT64_C(1) << (CREDIT_BITS - 1); /* as quotas are rounded */
        before = hash;
    }
}

static void put(struct fo__maglev *table, uint32_t at, uint32_t slot)
{
    table->half[at] = (uint16_t)slot;
    if (table->has_upper)
        table->half[table->size + at] = (uint16_t)(slot >> 16);
}

/** Goes on for some steps, or until there is nothing left to take. */
static void go_on(struct fo__maglev_walk *walk, uint64_t steps, struct fo__maglev *table,
                  uint64_t *taken)
{
    const uint32_t size = (uint32_t)table->size;
    const uint32_t step = walk->step;
    uint32_t at = walk->at;

    for (; steps > 0 && walk->left > 0; steps--) {
        uint64_t bit = UINT64_C(1) << at % 64;

        if ((taken[at / 64] & bit) == 0) {
            taken[at / 64] |= bit;
            put(table, at, walk->slot);
            walk->left--;
        }
        at = at + step >= size ? at + step - size : at + step;
    }
    walk->at = at;
}

static void fill(struct fo__maglev *table, struct fo__maglev_walk *walks, uint32_t count,
                 uint64_t sum, uint64_t *taken)
{
    const uint64_t steps = count; /* of a round */

    while (count > 0) {
        uint64_t time = (steps << CREDIT_BITS) / sum; /* times units: at most 2^63 */
        uint32_t kept = 0;

        for (uint32_t i = 0; i < count; i++) {
            struct fo__maglev_walk *walk = &walks[i];
            uint64_t credit = walk->units * time + walk->credit;

            walk->credit = credit & ((UINT64_C(1) << CREDIT_BITS) - 1);
            go_on(walk, credit >> CREDIT_BITS, table, taken);
            if (walk->left == 0)
                sum -= walk->units;
            else
                walks[kept++] = *walk;
        }
        count = kept;
    }
}

void fo__maglev_build(const uint64_t *hashes, const uint64_t *units, uint32_t n,
                      struct fo__maglev *table, struct fo__maglev_walk *scratch_walks,
                      uint64_t *scratch_taken)
{
    uint32_t count = enlist(scratch_walks, hashes, units, n);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += scratch_walks[i].units;
    assert(sum > 0);
    table->size = fo__maglev_size(n);
    table->has_upper = has_upper(n);
    memset(scratch_taken, 0, fo__maglev_words(table->size) * sizeof(*scratch_taken));
    sort(scratch_walks, count);
    set_ways(scratch_walks, count, table->size);
    set_quotas(scratch_walks, count, sum, table->size);
    fill(table, scratch_walks, count, sum, scratch_taken);
}
