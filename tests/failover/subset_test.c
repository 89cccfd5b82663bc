/* SPDX-License-Identifier: Apache-2.0
 *
 * What clients of one set of servers get, all of them together: every test is about fleets, with
 * seeds that are constants. Bounds that are not exact stand beside what was measured.
 */
#include "chi2.h"
#include "dice.h"
#include "hash.h"
#include "subset.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVERS_MAX 1200u

enum order { RENDEZVOUS, BALANCED };

struct fleet {
    uint32_t n;
    struct fo__candidate server[SERVERS_MAX];
};

static struct fleet *fleet_of(uint32_t n, uint64_t seed)
{
    struct fleet *fleet = calloc(1, sizeof(*fleet));
    struct dice dice = dice_of(seed);

    cr_assert(fleet != NULL && n <= SERVERS_MAX);
    fleet->n = n;
    for (uint32_t i = 0; i < n; i++)
        fleet->server[i] = (struct fo__candidate){.name_hash = dice_next(&dice), .weight = 100};
    return fleet;
}

static struct fo__subset subset_of(enum order order, uint32_t client, uint32_t clients)
{
    struct dice dice = dice_of(client + UINT64_C(1000000));
    struct fo__subset subset = {.client_hash = dice_next(&dice)};

    if (order == BALANCED) {
        subset.client_index = client;
        subset.client_count = clients;
    }
    return subset;
}

static struct fo__subset with_cores(struct fo__subset subset, uint32_t first, uint32_t second)
{
    subset.core_count = second > 0 ? 2 : 1;
    subset.core_size[0] = first;
    subset.core_size[1] = second;
    return subset;
}

/** Levels of all servers of a fleet, over scratch memory full of rubbish. */
static void assign(const struct fo__subset *subset, struct fo__candidate *servers, uint32_t n)
{
    struct fo__subset_place *scratch = malloc((n + 1) * sizeof(*scratch));

    memset(scratch, 0xa5, (n + 1) * sizeof(*scratch));
    for (uint32_t i = 0; i < n; i++)
        servers[i].level = 77;
    fo__subset_assign(subset, servers, n, scratch);
    free(scratch);
}

static uint32_t count_of_level(const struct fleet *fleet, uint32_t level)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < fleet->n; i++)
        count += fleet->server[i].level == level;
    return count;
}

/** How many clients have each server in their first core (or up to `level`). */
static void count_clients(struct fleet *fleet, enum order order, uint32_t clients, uint32_t first,
                          uint32_t second, uint32_t level, uint32_t *counts)
{
    memset(counts, 0, fleet->n * sizeof(*counts));
    for (uint32_t client = 0; client < clients; client++) {
        struct fo__subset subset = with_cores(subset_of(order, client, clients), first, second);

        assign(&subset, fleet->server, fleet->n);
        cr_assert_eq(count_of_level(fleet, 0), first);
        for (uint32_t i = 0; i < fleet->n; i++)
            counts[i] += fleet->server[i].level <= level;
    }
}

static void check_flat(uint32_t clients, uint32_t servers, uint32_t core, uint64_t seed)
{
    struct fleet *fleet = fleet_of(servers, seed);
    uint32_t counts[SERVERS_MAX];
    uint32_t mean = clients * core / servers;

    count_clients(fleet, BALANCED, clients, core, 0, 0, counts);
    for (uint32_t i = 0; i < servers; i++) {
        uint32_t more = clients * core % servers > 0;

        cr_assert(counts[i] == mean || counts[i] == mean + more, "%u/%u/%u: server %u has %u",
                  clients, servers, core, i, counts[i]);
    }
    free(fleet);
}

Test(subset, gives_balanced_servers_equally_many_clients)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        check_flat(300, 300, 10, seed);
        check_flat(1000, 300, 5, seed);
        check_flat(100, 1000, 5, seed);
        check_flat(97, 301, 10, seed);
        check_flat(7, 5, 3, seed);
        check_flat(1, 20, 5, seed);
    }
}

Test(subset, balances_the_first_two_cores_taken_together)
{
    struct fleet *fleet = fleet_of(300, 4);
    uint32_t counts[SERVERS_MAX];

    count_clients(fleet, BALANCED, 300, 5, 20, 1, counts);
    for (uint32_t i = 0; i < fleet->n; i++)
        cr_assert_eq(counts[i], 25, "server %u is near to %u clients", i, counts[i]);
    free(fleet);
}

/* Measured in ten fleets: the least has 20 … 40 % of the mean, the most 180 … 230 %, σ is 28.7 … 34.2 %
 * (a binomial's: 31.1 %). */
Test(subset, spreads_rendezvous_as_chance_has_it)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct fleet *fleet = fleet_of(300, seed);
        uint32_t counts[SERVERS_MAX];
        uint32_t least = UINT32_MAX;
        uint32_t most = 0;
        double squares = 0;

        count_clients(fleet, RENDEZVOUS, 300, 10, 0, 0, counts);
        for (uint32_t i = 0; i < fleet->n; i++) {
            least = counts[i] < least ? counts[i] : least;
            most = counts[i] > most ? counts[i] : most;
            squares += (counts[i] - 10.0) * (counts[i] - 10.0);
        }
        double sigma = sqrt(squares / fleet->n) / 10;
        cr_expect(least >= 1 && least <= 5, "least %u0 %%", least);
        cr_expect(most >= 16 && most <= 27, "most %u0 %%", most);
        cr_expect(sigma > 0.26 && sigma < 0.36, "sigma %.1f %%", sigma * 100);
        free(fleet);
    }
}

struct change {
    uint32_t gone;    /* members whose server is no longer there */
    uint32_t come;    /* members whose server is new */
    uint32_t dropped; /* members whose server is still there */
};

/** One client's first core before and after: servers [from, n) of `old` are [0, n - from) of `new`. */
static struct change change_of(const struct fo__candidate *old, uint32_t n_old,
                               const struct fo__candidate *new, uint32_t n_new, uint32_t from)
{
    struct change change = {0};

    for (uint32_t i = 0; i < n_old; i++) {
        if (old[i].level != 0)
            continue;
        if (i < from || i - from >= n_new)
            change.gone++;
        else
            change.dropped += new[i - from].level != 0;
    }
    for (uint32_t i = n_old - from; i < n_new; i++)
        change.come += new[i].level == 0;
    return change;
}

/** No client changes two members for one server; sums the members that all clients change. */
static uint32_t check_one_more(enum order order, uint32_t clients, uint32_t servers, uint32_t core,
                               uint64_t seed)
{
    struct fleet *before = fleet_of(servers + 1, seed);
    struct fleet *after = fleet_of(servers + 1, seed);
    uint32_t all = 0;

    for (uint32_t client = 0; client < clients; client++) {
        struct fo__subset subset = with_cores(subset_of(order, client, clients), core, 0);

        assign(&subset, before->server, servers);
        assign(&subset, after->server, servers + 1);
        struct change change = change_of(before->server, servers, after->server, servers + 1, 0);
        cr_assert_leq(change.dropped, 1, "%u of %u, %u servers, core %u, seed %lu: %u change",
                      client, clients, servers, core, (unsigned long)seed, change.dropped);
        if (order == RENDEZVOUS)
            cr_assert_eq(change.dropped, change.come);
        all += change.dropped;
    }
    free(before);
    free(after);
    return all;
}

/* With one server more and without it: cores are of one size, so what is true of coming is of going. */
Test(subset, changes_one_member_when_a_server_comes_or_goes)
{
    uint32_t all = 0;

    for (uint64_t seed = 1; seed <= 8; seed++) {
        all += check_one_more(BALANCED, 300, 300, 10, seed);
        check_one_more(BALANCED, 300, 299, 10, seed);
        check_one_more(BALANCED, 300, 300, 25, seed);
        check_one_more(BALANCED, 1000, 300, 5, seed);
        check_one_more(BALANCED, 100, 1000, 5, seed);
        check_one_more(RENDEZVOUS, 60, 300, 10, seed);
    }
    cr_expect_lt(all, 8 * 100, "%u members change, of 8 fleets' 3000", all); /* 78 of each */
    for (uint64_t seed = 1; seed <= 100; seed++)
        for (uint32_t servers = 15; servers <= 60; servers += 15)
            check_one_more(BALANCED, servers * 7 / 3, servers, 5, seed);
}

/** Members that change when servers go and others come: of 60 of 300 clients' cores of 10. */
static uint32_t churn_once(enum order order, uint32_t servers, uint32_t gone, uint32_t come,
                           uint64_t seed)
{
    struct fleet *old = fleet_of(servers + come, seed);
    struct fleet *new = fleet_of(servers + come, seed);
    uint32_t n_new = servers - gone + come;
    uint32_t all = 0;

    memmove(new->server, new->server + gone, n_new * sizeof(*new->server));
    for (uint32_t client = 0; client < 300; client += 5) {
        struct fo__subset subset = with_cores(subset_of(order, client, 300), 10, 0);

        assign(&subset, old->server, servers);
        assign(&subset, new->server, n_new);
        struct change change = change_of(old->server, servers, new->server, n_new, gone);
        all += change.gone + change.dropped;
        if (order == RENDEZVOUS) {
            uint32_t least = change.gone > change.come ? change.gone : change.come;

            cr_assert_eq(change.gone + change.dropped, least, "client %u changes more than it must",
                         client);
        }
    }
    free(old);
    free(new);
    return all;
}

/** The mean of 30 fleets of 300 servers, in %. */
static double churn(enum order order, uint32_t gone, uint32_t come)
{
    uint32_t all = 0;

    for (uint64_t seed = 1; seed <= 30; seed++)
        all += churn_once(order, 300, gone, come, seed);
    return (double)all * 100 / (30 * 600);
}

/* Of a core of 10, chance takes some and brings some, and the larger of the two numbers must change:
 * no less than 14.6 % when a tenth is replaced. */
Test(subset, moves_few_members_when_a_tenth_of_the_servers_is_replaced)
{
    double random_removed = churn(RENDEZVOUS, 30, 0);
    double random_replaced = churn(RENDEZVOUS, 30, 30);
    double flat_removed = churn(BALANCED, 30, 0);
    double flat_replaced = churn(BALANCED, 30, 30);

    cr_expect_leq(random_removed, 12, "rendezvous, removed: %.1f %%", random_removed);
    cr_expect_leq(random_replaced, 16, "rendezvous, replaced: %.1f %%", random_replaced);
    cr_expect_leq(flat_removed, 22, "balanced, removed: %.1f %%", flat_removed);
    cr_expect_leq(flat_replaced, 29, "balanced, replaced: %.1f %%", flat_replaced);
}

/** Fails one server of a fleet: how many others move, and none further than one level up. */
static void check_failure(const struct fo__subset *subset, struct fleet *fleet, uint32_t failing)
{
    uint32_t before[SERVERS_MAX];
    uint32_t moved[3] = {0}; /* [level that it comes from] */

    for (uint32_t i = 0; i < fleet->n; i++)
        before[i] = fleet->server[i].level;
    fleet->server[failing].failed = true;
    assign(subset, fleet->server, fleet->n);
    cr_assert_eq(fleet->server[failing].level, 2);
    cr_assert_eq(count_of_level(fleet, 0), 5);
    cr_assert_eq(count_of_level(fleet, 1), 20);
    for (uint32_t i = 0; i < fleet->n; i++)
        if (i != failing && fleet->server[i].level != before[i]) {
            cr_assert_eq(fleet->server[i].level + 1, before[i], "server %u", i);
            moved[before[i]]++;
        }
    cr_assert_eq(moved[1], before[failing] == 0);
    cr_assert_eq(moved[2], before[failing] <= 1);
    fleet->server[failing].failed = false;
    assign(subset, fleet->server, fleet->n);
    for (uint32_t i = 0; i < fleet->n; i++)
        cr_assert_eq(fleet->server[i].level, before[i], "server %u does not return", i);
}

Test(subset, replaces_a_failed_member_and_gives_its_place_back)
{
    struct fleet *fleet = fleet_of(60, 6);

    for (int order = RENDEZVOUS; order <= BALANCED; order++)
        for (uint32_t client = 0; client < 40; client++) {
            struct fo__subset subset = with_cores(subset_of(order, client, 40), 5, 20);

            assign(&subset, fleet->server, fleet->n);
            for (uint32_t failing = 0; failing < fleet->n; failing++)
                check_failure(&subset, fleet, failing);
        }
    free(fleet);
}

Test(subset, gives_failed_candidates_the_last_level_even_if_no_other_is_left)
{
    struct fleet *fleet = fleet_of(8, 7);

    for (int order = RENDEZVOUS; order <= BALANCED; order++) {
        struct fo__subset subset = with_cores(subset_of(order, 3, 9), 5, 20);

        for (uint32_t i = 0; i < fleet->n; i++)
            fleet->server[i].failed = i != 6;
        assign(&subset, fleet->server, fleet->n);
        for (uint32_t i = 0; i < fleet->n; i++)
            cr_expect_eq(fleet->server[i].level, i == 6 ? 0 : 2);
    }
    free(fleet);
}

static void shuffle(struct fleet *fleet, struct dice *dice)
{
    for (uint32_t i = fleet->n; i > 1; i--) {
        uint32_t j = dice_below(dice, i);
        struct fo__candidate other = fleet->server[j];

        fleet->server[j] = fleet->server[i - 1];
        fleet->server[i - 1] = other;
    }
}

static int by_all_but_level(const void *left, const void *right)
{
    const struct fo__candidate *a = left;
    const struct fo__candidate *b = right;

    if (a->name_hash != b->name_hash)
        return a->name_hash < b->name_hash ? -1 : 1;
    if (a->weight != b->weight)
        return a->weight < b->weight ? -1 : 1;
    return (a->level > b->level) - (a->level < b->level);
}

/** A fleet in another order of its candidates must get the same levels. */
static void check_shuffled(struct fleet *fleet, enum order order, struct dice *dice)
{
    struct fleet *other = malloc(sizeof(*other));

    *other = *fleet;
    for (uint32_t client = 0; client < 30; client++) {
        struct fo__subset subset = with_cores(subset_of(order, client, 30), 5, 20);

        shuffle(other, dice);
        assign(&subset, fleet->server, fleet->n);
        assign(&subset, other->server, other->n);
        qsort(fleet->server, fleet->n, sizeof(*fleet->server), by_all_but_level);
        qsort(other->server, other->n, sizeof(*other->server), by_all_but_level);
        for (uint32_t i = 0; i < fleet->n; i++)
            cr_assert_eq(by_all_but_level(&fleet->server[i], &other->server[i]), 0,
                         "client %u of order %d", client, order);
    }
    free(other);
}

Test(subset, does_not_care_in_which_order_candidates_come)
{
    struct dice dice = dice_of(8);
    struct fleet *fleet = fleet_of(300, 8);

    for (uint32_t i = 0; i < fleet->n; i++) {
        fleet->server[i].weight = dice_below(&dice, 10) * 10;
        fleet->server[i].failed = dice_below(&dice, 10) == 0;
    }
    check_shuffled(fleet, RENDEZVOUS, &dice);
    check_shuffled(fleet, BALANCED, &dice);
    free(fleet);
}

Test(subset, survives_equal_name_hashes)
{
    struct dice dice = dice_of(9);

    for (int order = RENDEZVOUS; order <= BALANCED; order++)
        for (uint32_t different = 1; different <= 40; different += 13) {
            struct fleet *fleet = fleet_of(100, 9);

            for (uint32_t i = 0; i < fleet->n; i++) {
                fleet->server[i].name_hash = fleet->server[i % different].name_hash;
                fleet->server[i].weight = 1 + dice_below(&dice, 3);
            }
            check_shuffled(fleet, order, &dice);
            cr_expect_eq(count_of_level(fleet, 0), 5);
            cr_expect_eq(count_of_level(fleet, 1), 20);
            free(fleet);
        }
}

Test(subset, survives_the_least_and_the_largest_of_everything)
{
    const uint64_t hash[] = {0, UINT64_MAX, 1, UINT64_MAX - 1, UINT64_C(1) << 63};
    const double weight[] = {0x1p-1074, 0x1.fffffffffffffp+1023, 1, 0x1p-1022, 1e300};

    for (int order = RENDEZVOUS; order <= BALANCED; order++)
        for (uint32_t n = 0; n <= 5; n++) {
            struct fleet *fleet = fleet_of(n, 10);
            struct fo__subset subset = with_cores(subset_of(order, 0, 1), 2, 1);

            subset.client_index = order == BALANCED ? UINT32_MAX - 1 : 0;
            subset.client_count = order == BALANCED ? UINT32_MAX : 0;
            for (uint32_t i = 0; i < n; i++) {
                fleet->server[i].name_hash = hash[i];
                fleet->server[i].weight = weight[i];
            }
            assign(&subset, fleet->server, n);
            cr_expect_eq(count_of_level(fleet, 0), n < 2 ? n : 2);
            cr_expect_eq(count_of_level(fleet, 1), n > 2);
            cr_expect_eq(count_of_level(fleet, 2), n > 3 ? n - 3 : 0);
            free(fleet);
        }
}

Test(subset, leaves_a_level_of_size_0_empty_and_needs_no_core)
{
    struct fleet *fleet = fleet_of(20, 11);

    for (int order = RENDEZVOUS; order <= BALANCED; order++) {
        struct fo__subset subset = with_cores(subset_of(order, 3, 9), 0, 4);

        assign(&subset, fleet->server, fleet->n);
        cr_expect_eq(count_of_level(fleet, 1), 4);
        cr_expect_eq(count_of_level(fleet, 2), 16);
        subset.core_count = 0;
        assign(&subset, fleet->server, fleet->n);
        cr_expect_eq(count_of_level(fleet, 0), 20);
        subset.core_count = FO__CORES_MAX;
        for (uint32_t level = 0; level < FO__CORES_MAX; level++)
            subset.core_size[level] = level % 3;
        assign(&subset, fleet->server, fleet->n);
        for (uint32_t level = 0; level < FO__CORES_MAX; level++)
            cr_expect_eq(count_of_level(fleet, level), level % 3);
        cr_expect_eq(count_of_level(fleet, FO__CORES_MAX), 13);
    }
    free(fleet);
}

Test(subset, never_puts_weight_0_into_a_core)
{
    struct fleet *fleet = fleet_of(60, 12);
    uint32_t counts[SERVERS_MAX];

    for (uint32_t i = 0; i < fleet->n; i += 2)
        fleet->server[i].weight = 0;
    for (int order = RENDEZVOUS; order <= BALANCED; order++) {
        count_clients(fleet, order, 60, 5, 0, 0, counts);
        for (uint32_t i = 0; i < fleet->n; i++)
            if (i % 2 == 0)
                cr_assert_eq(counts[i], 0, "order %d, server %u", order, i);
            else if (order == BALANCED) /* those of weight 0 stand in nobody's way */
                cr_assert_eq(counts[i], 10, "server %u has %u clients", i, counts[i]);
    }
    free(fleet);
}

Test(subset, balances_without_regard_to_weights)
{
    struct fleet *even = fleet_of(60, 13);
    struct fleet *uneven = fleet_of(60, 13);

    for (uint32_t i = 0; i < uneven->n; i++)
        uneven->server[i].weight = 1 + i * i;
    for (uint32_t client = 0; client < 40; client++) {
        struct fo__subset subset = with_cores(subset_of(BALANCED, client, 40), 5, 20);

        assign(&subset, even->server, even->n);
        assign(&subset, uneven->server, uneven->n);
        for (uint32_t i = 0; i < even->n; i++)
            cr_assert_eq(even->server[i].level, uneven->server[i].level);
    }
    free(even);
    free(uneven);
}

/** Adds the probability of being among the next `left` draws without replacement. */
static void add_chances(const double *weight, uint32_t n, uint32_t taken, uint32_t left,
                        double chance, double *chances)
{
    double sum = 0;

    if (left == 0)
        return;
    for (uint32_t i = 0; i < n; i++)
        sum += taken >> i & 1 ? 0 : weight[i];
    for (uint32_t i = 0; i < n; i++)
        if (!(taken >> i & 1)) {
            double drawn = chance * weight[i] / sum;

            chances[i] += drawn;
            add_chances(weight, n, taken | UINT32_C(1) << i, left - 1, drawn, chances);
        }
}

/* A core is a weighted draw without replacement. 20000 clients; their errors in sigmas: below 5. */
Test(subset, draws_cores_by_weight)
{
    const double weight[6] = {1, 10, 1, 10, 3, 10};
    const uint32_t clients = 20000;
    struct fleet *fleet = fleet_of(6, 14);

    for (uint32_t i = 0; i < 6; i++)
        fleet->server[i].weight = weight[i];
    for (uint32_t n = 2; n <= 6; n++)
        for (uint32_t core = 1; core < n; core++) {
            double chances[6] = {0};
            uint32_t counts[SERVERS_MAX];

            add_chances(weight, n, 0, core, 1, chances);
            fleet->n = n;
            count_clients(fleet, RENDEZVOUS, clients, core, 0, 0, counts);
            for (uint32_t i = 0; i < n; i++) {
                double expected = chances[i] * clients;

                cr_assert_leq(fabs(counts[i] - expected), 5 * sqrt(expected),
                              "%u of %u: server %u in %u cores, expected in %.0f", core, n, i,
                              counts[i], expected);
            }
        }
    free(fleet);
}

struct score {
    double value;
    uint32_t index;
};

static int by_score(const void *left, const void *right)
{
    double a = ((const struct score *)left)->value;
    double b = ((const struct score *)right)->value;

    return (a > b) - (a < b);
}

/* The formula, with the C library's logarithm. */
Test(subset, sorts_by_minus_ln_u_over_weight)
{
    struct fleet *fleet = fleet_of(1000, 15);
    struct dice dice = dice_of(15);

    for (uint32_t i = 0; i < fleet->n; i++)
        fleet->server[i].weight = 1 + dice_below(&dice, 100);
    for (uint32_t client = 0; client < 50; client++) {
        struct fo__subset subset = with_cores(subset_of(RENDEZVOUS, client, 0), 50, 200);
        struct score scores[1000];

        for (uint32_t i = 0; i < fleet->n; i++) {
            uint64_t pair[2] = {subset.client_hash, fleet->server[i].name_hash};
            double u = ((double)fo__hash(pair, sizeof(pair)) + 0.5) * 0x1p-64;

            scores[i] = (struct score){-log(u) / fleet->server[i].weight, i};
        }
        qsort(scores, fleet->n, sizeof(*scores), by_score);
        assign(&subset, fleet->server, fleet->n);
        for (uint32_t i = 0; i < fleet->n; i++)
            cr_assert_eq(fleet->server[scores[i].index].level,
                         i < 50    ? 0
                         : i < 250 ? 1
                                   : 2,
                         "client %u, place %u", client, i);
    }
    free(fleet);
}

/** Levels of server-0 … server-39, as digits. */
static void levels_of_names(struct fo__subset subset, char *digits)
{
    struct fleet *fleet = fleet_of(40, 16);

    subset = with_cores(subset, 5, 10);
    for (uint32_t i = 0; i < fleet->n; i++) {
        char name[256];
        int length = snprintf(name, sizeof(name), "server-%u", i);

        fleet->server[i].name_hash = fo__hash(name, (size_t)length);
        fleet->server[i].weight = 0.1 + i % 7;
        fleet->server[i].failed = i % 11 == 5;
    }
    assign(&subset, fleet->server, fleet->n);
    for (uint32_t i = 0; i < fleet->n; i++)
        digits[i] = (char)('0' + fleet->server[i].level);
    digits[fleet->n] = '\0';
    free(fleet);
}

/* Clients of all architectures and versions must agree. */
Test(subset, gives_the_levels_that_it_always_gave)
{
    char digits[41];

    levels_of_names((struct fo__subset){.client_hash = fo__hash("client", 6)}, digits);
    cr_expect_str_eq(digits, "2221121222221122220102220202221111022222", "%s", digits);
    levels_of_names((struct fo__subset){.client_hash = fo__hash("another", 7)}, digits);
    cr_expect_str_eq(digits, "2202221220201122221122201022222211122221", "%s", digits);
    levels_of_names((struct fo__subset){.client_index = 0, .client_count = 7}, digits);
    cr_expect_str_eq(digits, "2102222202010222211211112222221222212220", "%s", digits);
    levels_of_names((struct fo__subset){.client_index = 6, .client_count = 7}, digits);
    cr_expect_str_eq(digits, "2112222012121212222211220002221222222021", "%s", digits);
    levels_of_names((struct fo__subset){.client_index = 3u << 30, .client_count = UINT32_MAX},
                    digits);
    cr_expect_str_eq(digits, "2210222112121212222222221112022020222021", "%s", digits);
}
