/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables are judged entry by entry, against what the weights ask for, and compared by the names behind
 * their slots. Keys are random numbers of a fixed seed.
 */
#include "dice.h"
#include "hash.h"
#include "maglev.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SUM_MAX (UINT64_C(1) << 43) /* of the units */
#define KEYS 1000000

struct members {
    uint32_t n;
    uint64_t *hashes;
    uint64_t *units;
    struct fo__maglev *table;
    uint32_t *entries; /* of each */
};

/** Members that are called 0, 1 …, all of the same weight. */
static struct members members_of(uint32_t n)
{
    struct members members = {n, malloc(n * sizeof(uint64_t)), malloc(n * sizeof(uint64_t)),
                              malloc(fo__maglev_bytes(n)), malloc(n * sizeof(uint32_t))};

    cr_assert(members.hashes != NULL && members.units != NULL && members.table != NULL &&
              members.entries != NULL);
    for (uint32_t i = 0; i < n; i++) {
        members.hashes[i] = fo__hash(&i, sizeof(i));
        members.units[i] = (SUM_MAX >> 1) / n;
    }
    return members;
}

static void members_free(struct members *members)
{
    free(members->hashes);
    free(members->units);
    free(members->table);
    free(members->entries);
}

/** Builds the table, over memory full of rubbish, and counts who has how many entries. */
static void build(struct members *members)
{
    size_t size = fo__maglev_size(members->n);
    size_t words = fo__maglev_words(size);
    struct fo__maglev_walk *walks = malloc(members->n * sizeof(*walks));
    uint64_t *taken = malloc(words * sizeof(*taken));

    memset(walks, 0xa5, members->n * sizeof(*walks));
    memset(taken, 0xa5, words * sizeof(*taken));
    memset(members->table, 0xa5, fo__maglev_bytes(members->n));
    memset(members->entries, 0, members->n * sizeof(uint32_t));
    fo__maglev_build(members->hashes, members->units, members->n, members->table, walks, taken);
    cr_assert_eq(members->table->size, size);
    for (size_t i = 0; i < size; i++) {
        uint32_t slot = fo__maglev_slot(members->table, i);

        cr_assert_lt(slot, members->n, "entry %zu", i);
        members->entries[slot]++;
    }
    free(walks);
    free(taken);
}

static uint64_t sum_of(const struct members *members)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < members->n; i++)
        sum += members->units[i];
    return sum;
}

static uint64_t owner(const struct members *members, size_t entry)
{
    return members->hashes[fo__maglev_slot(members->table, entry)];
}

static void swap(struct members *members, uint32_t a, uint32_t b)
{
    uint64_t hash = members->hashes[a];
    uint64_t units = members->units[a];

    members->hashes[a] = members->hashes[b];
    members->units[a] = members->units[b];
    members->hashes[b] = hash;
    members->units[b] = units;
}

static void shuffle(struct members *members, struct dice *dice)
{
    for (uint32_t i = members->n; i > 1; i--)
        swap(members, i - 1, dice_below(dice, i));
}

static void weigh_at_random(struct members *members, struct dice *dice, uint32_t largest)
{
    for (uint32_t i = 0; i < members->n; i++)
        members->units[i] = 1 + dice_below(dice, largest);
}

/* ---- Size -------------------------------------------------------------------------------- */

static bool is_prime(size_t number)
{
    for (size_t divisor = 2; divisor * divisor <= number; divisor++)
        if (number % divisor == 0)
            return false;
    return true;
}

Test(maglev, has_a_hundred_entries_for_each_and_seldom_another_size)
{
    size_t before = fo__maglev_size(1);

    cr_expect_eq(before, 65537);
    for (uint32_t n = 2; n <= UINT32_C(1) << 20; n++) {
        size_t size = fo__maglev_size(n);

        cr_assert_geq(size, 100 * (size_t)n);
        if (size != before) {
            cr_assert(is_prime(size), "%zu", size);
            cr_assert_leq(size - before, before + 100, "%zu", size);
            cr_assert_geq(size, before + before * 9 / 10, "%zu", size);
        }
        before = size;
    }
    cr_expect_eq(fo__maglev_size(500), fo__maglev_size(655));
    cr_expect_eq(fo__maglev_size(10000), 1048583);
}

/* ---- Shares ------------------------------------------------------------------------------ */

Test(maglev, spreads_equal_weights_to_one_entry)
{
    static const uint32_t sizes[] = {2, 5, 20, 100, 500, 655, 1000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct members members = members_of(sizes[i]);
        double mean = (double)fo__maglev_size(sizes[i]) / sizes[i];

        build(&members);
        for (uint32_t k = 0; k < members.n; k++) {
            cr_assert_leq(members.entries[k] / mean - 1, 0.01, "%u of %u", k, members.n);
            cr_assert_lt(fabs(members.entries[k] - mean), 1, "%u of %u", k, members.n);
        }
        members_free(&members);
    }
}

/** Shares are right to half an entry and half a percent; zero is exactly zero. */
static void check_shares(const struct members *members)
{
    double scale = (double)members->table->size / (double)sum_of(members);

    for (uint32_t i = 0; i < members->n; i++) {
        double wanted = (double)members->units[i] * scale;

        cr_assert_leq(fabs(members->entries[i] - wanted), 0.5 + 0.005 * wanted,
                      "%u of %u: %u instead of %f", i, members->n, members->entries[i], wanted);
        if (members->units[i] == 0)
            cr_assert_eq(members->entries[i], 0, "%u has weight 0 and an entry", i);
    }
}

Test(maglev, gives_unequal_weights_their_shares)
{
    struct dice dice = dice_of(31);

    for (int round = 0; round < 60; round++) {
        struct members members = members_of(1 + dice_below(&dice, 700));
        uint64_t largest = UINT64_C(1) << (1 + dice_below(&dice, 33));
        uint32_t zeros_of_8 = dice_below(&dice, 8);

        for (uint32_t i = 0; i < members.n; i++)
            members.units[i] =
                dice_below(&dice, 8) < zeros_of_8 ? 0 : 1 + dice_next(&dice) % largest;
        members.units[dice_below(&dice, members.n)] = largest; /* at least one is not 0 */
        build(&members);
        check_shares(&members);
        members_free(&members);
    }
}

Test(maglev, gives_very_unequal_weights_their_shares)
{
    struct members members = members_of(1000);

    members.units[0] = SUM_MAX / 2;
    for (uint32_t i = 1; i < members.n; i++)
        members.units[i] = i % 2 == 0 ? SUM_MAX / 2000000 : SUM_MAX / 2 / 600;
    build(&members);
    check_shares(&members);
    for (uint32_t i = 0; i < members.n; i++) /* all but one together have 0.02 of an entry */
        members.units[i] = i == 500 ? SUM_MAX - members.n : 1;
    build(&members);
    cr_expect_eq(members.entries[500], members.table->size);
    members_free(&members);
}

/* (2 entries − 1) / units of nobody is above (2 entries + 1) / units of another: Webster's condition. */
Test(maglev, rounds_all_by_the_same_divisor)
{
    struct dice dice = dice_of(32);

    for (int round = 0; round < 10; round++) {
        struct members members = members_of(300);

        weigh_at_random(&members, &dice, 100000);
        build(&members);
        for (uint32_t i = 0; i < members.n; i++)
            for (uint32_t k = 0; k < members.n; k++)
                cr_assert_leq((2.0 * members.entries[i] - 1) * (double)members.units[k],
                              (2.0 * members.entries[k] + 1) * (double)members.units[i],
                              "%u has an entry that is due to %u", i, k);
        members_free(&members);
    }
}

Test(maglev, never_gives_an_entry_to_a_weight_of_zero)
{
    struct members members = members_of(257);

    for (uint32_t only = 0; only < members.n; only += 32) {
        memset(members.units, 0, members.n * sizeof(*members.units));
        members.units[only] = 1;
        build(&members);
        cr_assert_eq(members.entries[only], members.table->size);
    }
    members_free(&members);
}

Test(maglev, gives_one_endpoint_everything)
{
    struct members members = members_of(1);

    for (uint64_t units = 1; units <= SUM_MAX; units *= 128) {
        members.units[0] = units;
        build(&members);
        cr_assert_eq(members.entries[0], 65537);
    }
    members_free(&members);
}

Test(maglev, fills_a_million_entries)
{
    struct members members = members_of(10000);
    struct dice dice = dice_of(33);

    weigh_at_random(&members, &dice, 1000000);
    build(&members);
    check_shares(&members);
    members_free(&members);
}

/* ---- What it depends on ------------------------------------------------------------------ */

Test(maglev, does_not_depend_on_the_order_of_members)
{
    struct dice dice = dice_of(34);
    struct members one = members_of(500);
    struct members other = members_of(500);

    for (int round = 0; round < 10; round++) {
        weigh_at_random(&one, &dice, round % 2 == 0 ? 1 : 1000);
        memcpy(other.hashes, one.hashes, one.n * sizeof(*one.hashes));
        memcpy(other.units, one.units, one.n * sizeof(*one.units));
        shuffle(&other, &dice);
        build(&one);
        build(&other);
        for (size_t i = 0; i < one.table->size; i++)
            cr_assert_eq(owner(&one, i), owner(&other, i), "entry %zu", i);
    }
    members_free(&one);
    members_free(&other);
}

/* Equal names' hashes cannot be told apart; their units can. */
Test(maglev, bears_equal_hashes)
{
    struct dice dice = dice_of(35);
    struct members one = members_of(40);
    struct members other = members_of(40);

    for (uint32_t i = 0; i < one.n; i++) {
        one.hashes[i] = other.hashes[i] = i < 20 ? 0 : one.hashes[20 + i % 2];
        one.units[i] = other.units[i] = 1 + i % 7;
    }
    shuffle(&other, &dice);
    build(&one);
    build(&other);
    check_shares(&one);
    check_shares(&other);
    for (size_t i = 0; i < one.table->size; i++) {
        cr_assert_eq(owner(&one, i), owner(&other, i), "entry %zu", i);
        cr_assert_eq(one.units[fo__maglev_slot(one.table, i)],
                     other.units[fo__maglev_slot(other.table, i)]);
    }
    members_free(&one);
    members_free(&other);
}

/* Neighbours of a member's entries are anybody's: no two members walk the same way, and none walks from
 * one entry to the next. */
Test(maglev, mixes_members_with_equal_hashes)
{
    struct members members = members_of(10);
    uint32_t same = 0;
    uint32_t next = 0;

    for (uint32_t i = 0; i < members.n; i++)
        members.hashes[i] = 0;
    build(&members);
    for (size_t i = 1; i < members.table->size; i++) {
        uint32_t before = fo__maglev_slot(members.table, i - 1);
        uint32_t slot = fo__maglev_slot(members.table, i);

        same += slot == before ? 1 : 0;
        next += slot == (before + 1) % members.n ? 1 : 0;
    }
    cr_expect_lt(fabs(same - 6553.7), 10 * sqrt(6553.7), "%u", same);
    cr_expect_lt(fabs(next - 6553.7), 10 * sqrt(6553.7), "%u", next);
    members_free(&members);
}

Test(maglev, knows_more_members_than_half_a_slot_number_can_tell_apart)
{
    struct members members = members_of((1u << 16) + 1);

    build(&members);
    check_shares(&members);
    members_free(&members);
}

/** Builds the table of n members whose weights are powers of two up to 2^(kinds − 1). */
static struct members known_members(uint32_t n, uint32_t kinds)
{
    struct members members = members_of(n);

    for (uint32_t i = 0; i < n; i++)
        members.units[i] = UINT64_C(1) << i * 7 % kinds;
    build(&members);
    return members;
}

static uint64_t checksum(uint32_t n, uint32_t kinds)
{
    struct members members = known_members(n, kinds);
    uint64_t sum = 0;

    for (size_t i = 0; i < members.table->size; i++)
        sum = (sum ^ fo__maglev_slot(members.table, i)) *
              UINT64_C(0x100000001b3); /* as FNV-1a does */
    members_free(&members);
    return sum;
}

/* Clients of different versions on different machines send a key to the same host: these numbers are
 * part of the contract. */
Test(maglev, is_the_same_on_every_machine)
{
    static const uint32_t slots[] = {4, 12, 11, 4};
    struct members members = known_members(20, 3);

    for (uint32_t attempt = 0; attempt < 4; attempt++)
        cr_expect_eq(fo__maglev_at(members.table, UINT64_C(0x123456789abcdef0), attempt),
                     slots[attempt]);
    members_free(&members);
    cr_expect_eq(checksum(5, 1), UINT64_C(0x25576b10c7ebdcd4));
    cr_expect_eq(checksum(20, 3), UINT64_C(0x5cd26c6e73841ea3));
    cr_expect_eq(checksum(500, 1), UINT64_C(0x19001508437c49b7));
    cr_expect_eq(checksum(1000, 30), UINT64_C(0xde7825f5644e2272));
}

/* ---- What moves -------------------------------------------------------------------------- */

struct moves {
    uint32_t all;
    uint32_t away; /* of them, from the member */
    uint32_t back; /* to the member */
};

static struct moves count_moves(const struct members *before, const struct members *after,
                                uint64_t member)
{
    struct dice dice = dice_of(36);
    struct moves moves = {0};

    for (int i = 0; i < KEYS; i++) {
        uint64_t key = dice_next(&dice);
        uint64_t from = before->hashes[fo__maglev_at(before->table, key, 0)];
        uint64_t to = after->hashes[fo__maglev_at(after->table, key, 0)];

        moves.all += from != to ? 1 : 0;
        moves.away += from != to && from == member ? 1 : 0;
        moves.back += from != to && to == member ? 1 : 0;
    }
    return moves;
}

/** Of two tables, the second without the last of the first's members. */
static void check_loss(const struct members *all, const struct members *fewer)
{
    uint64_t lost = all->hashes[all->n - 1];
    double share = (double)all->units[all->n - 1] / (double)sum_of(all);
    struct moves gone = count_moves(all, fewer, lost);
    struct moves come = count_moves(fewer, all, lost);

    cr_expect_eq(gone.all - gone.away, come.all - come.back);
    cr_expect_leq(gone.all - gone.away, KEYS / 100, "%u", gone.all - gone.away);
    cr_expect_leq(gone.away, share * 1.2 * KEYS, "%u", gone.away);
    cr_expect_eq(gone.back, 0);
    cr_expect_eq(come.away, 0);
}

static void check_losses(uint32_t n)
{
    struct dice dice = dice_of(37);
    struct members all = members_of(n);
    struct members fewer = members_of(n - 1);

    for (int round = 0; round < 6; round++) {
        weigh_at_random(&all, &dice, round % 2 == 0 ? 1 : 100);
        shuffle(&all, &dice);
        memcpy(fewer.hashes, all.hashes, fewer.n * sizeof(*all.hashes));
        memcpy(fewer.units, all.units, fewer.n * sizeof(*all.units));
        build(&all);
        build(&fewer);
        check_loss(&all, &fewer);
    }
    members_free(&all);
    members_free(&fewer);
}

Test(maglev, moves_few_keys_besides_those_of_a_lost_member)
{
    check_losses(5);
    check_losses(100);
    check_losses(500);
    check_losses(1000);
}

/* Weights of 1 to 2^32; each of the heaviest has a fifteenth. */
Test(maglev, moves_few_keys_besides_those_of_a_heavy_member)
{
    struct members all = members_of(500);
    struct members fewer = members_of(499);

    for (uint32_t lost = 32; lost < all.n; lost += 66) {
        for (uint32_t i = 0; i < all.n; i++)
            all.units[i] = UINT64_C(1) << i % 33;
        swap(&all, lost, all.n - 1);
        memcpy(fewer.hashes, all.hashes, fewer.n * sizeof(*all.hashes));
        memcpy(fewer.units, all.units, fewer.n * sizeof(*all.units));
        build(&all);
        build(&fewer);
        check_loss(&all, &fewer);
        swap(&all, lost, all.n - 1);
    }
    members_free(&all);
    members_free(&fewer);
}

/* Half of its keys go, and nearly all of them only from it to others. */
Test(maglev, moves_few_keys_when_a_weight_is_halved)
{
    struct members before = members_of(500);
    struct members after = members_of(500);

    for (uint32_t member = 7; member < before.n; member += 100) {
        struct moves moves;

        memcpy(after.units, before.units, before.n * sizeof(*before.units));
        after.units[member] /= 2;
        build(&before);
        build(&after);
        moves = count_moves(&before, &after, before.hashes[member]);
        cr_expect_leq(moves.away, 1200, "%u", moves.away);
        cr_expect_leq(moves.back, 10, "%u", moves.back);
        cr_expect_leq(moves.all - moves.away, KEYS / 200, "%u", moves.all - moves.away);
    }
    members_free(&before);
    members_free(&after);
}

Test(maglev, takes_no_entry_from_others_when_a_member_leaves)
{
    struct dice dice = dice_of(38);
    struct members all = members_of(300);
    struct members fewer = members_of(299);

    for (int round = 0; round < 10; round++) {
        weigh_at_random(&all, &dice, 1000);
        memcpy(fewer.units, all.units, fewer.n * sizeof(*all.units));
        build(&all);
        build(&fewer);
        for (uint32_t i = 0; i < fewer.n; i++)
            cr_assert_geq(fewer.entries[i], all.entries[i], "%u", i);
    }
    members_free(&all);
    members_free(&fewer);
}

/* ---- Keys -------------------------------------------------------------------------------- */

Test(maglev, sees_every_position_once_in_as_many_attempts)
{
    struct dice dice = dice_of(39);
    const uint32_t size = (uint32_t)fo__maglev_size(1);
    struct fo__maglev *table = malloc(sizeof(*table) + size * sizeof(uint32_t));
    uint32_t *seen = calloc(size, sizeof(*seen));

    cr_assert(table != NULL && seen != NULL);
    table->size = size;
    table->has_upper = true;
    for (uint32_t i = 0; i < size; i++) {
        table->half[i] = (uint16_t)i;
        table->half[size + i] = (uint16_t)(i >> 16);
    }
    cr_expect_eq(fo__maglev_at(table, 0, 0), 0);
    cr_expect_eq(fo__maglev_at(table, UINT64_MAX, 0), size - 1);
    cr_expect_eq(fo__maglev_at(table, UINT64_C(1) << 63, 0), size / 2);
    for (uint32_t round = 1; round <= 5; round++) {
        uint64_t key = round == 1 ? 0 : dice_next(&dice);

        for (uint32_t attempt = 0; attempt < size; attempt++)
            cr_assert_lt(seen[fo__maglev_at(table, key, attempt)]++, round);
    }
    free(seen);
    free(table);
}

/** The slot of the first attempt that does not end at a lost one. */
static uint32_t slot_without(const struct members *members, uint64_t key, uint64_t lost)
{
    for (uint32_t attempt = 0;; attempt++) {
        uint32_t slot = fo__maglev_at(members->table, key, attempt);

        if (members->hashes[slot] != lost)
            return slot;
    }
}

/* By 5 standard deviations of each, and the same hosts whatever the order of the members. */
static void check_fallback(uint32_t n, uint32_t largest, uint32_t lost)
{
    struct dice dice = dice_of(40);
    struct members members = members_of(n);
    struct members shuffled = members_of(n);
    uint32_t *got = calloc(n, sizeof(*got));
    uint32_t keys = 0;

    weigh_at_random(&members, &dice, largest);
    memcpy(shuffled.units, members.units, n * sizeof(*members.units));
    shuffle(&shuffled, &dice);
    build(&members);
    build(&shuffled);
    for (int i = 0; i < KEYS; i++) {
        uint64_t key = dice_next(&dice);
        uint32_t slot;

        if (fo__maglev_at(members.table, key, 0) != lost)
            continue;
        slot = slot_without(&members, key, members.hashes[lost]);
        cr_assert_eq(members.hashes[slot],
                     shuffled.hashes[slot_without(&shuffled, key, members.hashes[lost])]);
        got[slot]++;
        keys++;
    }
    for (uint32_t i = 0; i < n; i++) {
        double wanted = (double)keys * members.entries[i] /
                        (double)(members.table->size - members.entries[lost]);

        if (i != lost)
            cr_expect_leq(fabs(got[i] - wanted), 5 * sqrt(wanted), "%u: %u, not %f", i, got[i],
                          wanted);
    }
    free(got);
    members_free(&members);
    members_free(&shuffled);
}

Test(maglev, spreads_the_keys_of_a_lost_member_over_all_others)
{
    check_fallback(5, 1, 2);
    check_fallback(20, 1, 0);
    check_fallback(20, 10, 19);
    check_fallback(100, 1, 50);
}
