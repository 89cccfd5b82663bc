/* SPDX-License-Identifier: Apache-2.0
 *
 * The two orders.
 *
 * Rendezvous (Thaler and Ravishankar 1998, weighted as by Schindelhauer and Schomaker 2005): u in
 * (0, 1) is the hash of client and name, and candidates are sorted by -ln(u) / weight: a race of
 * exponential clocks, so the first is a draw by weight, the second a draw among the others, and so
 * on. The logarithm, to base 2, is made of integers; converting it to double is exact, the division
 * is rounded as IEEE 754 says, and there is no sum that a compiler could contract to fma.
 *
 * Ring: servers stand on a circle, sorted by name hash. Client i of C starts at a rank of its own
 * and takes the servers that follow:
 *
 *     rank(i) = floor(i·N/C + offset)        offset = Σ (1/2 - hash / 2^64), over all servers
 *
 *     servers  a─b─c─d─e─f─(a          Ranks cut the circle into N equal parts and clients stand on
 *     client 0 └───┘                   it evenly, so every server has as many clients as any other
 *     client 1     └───┘               (or one more), whatever the offset is.
 *     client 2         └───┘
 *
 * Without the offset, a server that comes lifts all ranks behind it by 1 while client i moves by
 * i/C, and a window across the end of the circle may lose two members. The offset turns all clients
 * by 1/2 - hash / 2^64 as well: then a client moves against its servers by half a rank at most,
 * wherever on the circle it is, give or take how uneven the hashes lie, and less in all.
 *
 * A tenth of 300 servers replaced changes 26 % of the members of 300 cores of 10 here, 33 % without
 * the offset, 14.6 % by rendezvous. A tenth is out of reach even for rendezvous: about as many new
 * servers enter a core as old ones leave it, each number is chance's own, and the larger of the two
 * must change (1.5 of 10). Exact balance without memory costs the rest: ranks drift against names by
 * what came and went in front of them, over larger fleets further (1000 servers: 34 %). What drifts
 * less breaks a rule that comes first: exact lots of 30 servers, each a ring (21 %), and greedy
 * matching by score (17 %) change two and seven members of some core when one server comes.
 */
#include "subset.h"

#include "bits.h"
#include "hash.h"

#include <assert.h>
#include <string.h>

#define LOG_BITS 40

/* -log2(u) in 2^-40, at least 1; u = hash / 2^64, made odd: neither 0 nor 1. */
static uint64_t minus_log2(uint64_t hash)
{
    uint32_t zeros = (uint32_t)__builtin_clzll(hash | 1);
    uint64_t mantissa = (hash | 1) << zeros; /* in [1, 2), in 2^-63 */
    uint64_t fraction = 0;                   /* its logarithm, a bit for each squaring */

    for (int i = 0; i < LOG_BITS; i++) {
        fo__u128 square = (fo__u128)mantissa * mantissa;
        uint32_t carry = (uint32_t)(square >> 127);

        fraction = fraction << 1 | carry;
        mantissa = (uint64_t)(square >> (63 + carry));
    }
    return ((uint64_t)(zeros + 1) << LOG_BITS) - fraction;
}

static struct fo__subset_place place_by_rendezvous(const struct fo__candidate *candidate,
                                                   uint64_t client_hash)
{
    uint64_t pair[2] = {client_hash, candidate->name_hash};
    double score = (double)minus_log2(fo__hash(pair, sizeof(pair))) / candidate->weight;
    struct fo__subset_place place = {.second = candidate->name_hash};

    memcpy(&place.first, &score, sizeof(score)); /* positive doubles sort as their bits do */
    return place;
}

static struct fo__subset_place place_on_ring(const struct fo__candidate *candidate)
{
    struct fo__subset_place place = {.first = candidate->name_hash};

    memcpy(&place.second, &candidate->weight, sizeof(candidate->weight));
    return place;
}

static bool is_before(const struct fo__subset_place *a, const struct fo__subset_place *b)
{
    if (a->first != b->first)
        return a->first < b->first;
    if (a->second != b->second)
        return a->second < b->second;
    return a->index < b->index;
}

/* Puts `place` into the heap (the last of the order on top) at the free node `at` or below. */
static void sink(struct fo__subset_place *heap, uint32_t n, uint32_t at,
                 struct fo__subset_place place)
{
    for (uint32_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && is_before(&heap[child], &heap[child + 1]))
            child++;
        if (!is_before(&place, &heap[child]))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = place;
}

/* Heapsort: qsort() may allocate. */
static void sort(struct fo__subset_place *places, uint32_t n)
{
    for (uint32_t i = n / 2; i-- > 0;)
        sink(places, n, i, places[i]);
    for (uint32_t i = n; i-- > 1;) {
        struct fo__subset_place last = places[i];

        places[i] = places[0];
        sink(places, i, 0, last);
    }
}

/* The rank at which the client starts. 3/2 instead of 1/2 turns every client by a full circle more
 * and keeps the sum positive. */
static uint32_t start_on_ring(const struct fo__subset *subset, const struct fo__subset_place *ring,
                              uint32_t n)
{
    uint64_t clients = subset->client_count;
    fo__u128 offset = 0; /* in 2^-64 */
    uint64_t turned;     /* rank · clients */

    for (uint32_t i = 0; i < n; i++)
        offset += ((fo__u128)3 << 63) - ring[i].first;
    turned = (uint64_t)subset->client_index * n + (uint64_t)((offset * clients) >> 64);
    return (uint32_t)(turned / clients % n);
}

static void cut_cores(const struct fo__subset *subset, struct fo__candidate *candidates,
                      const struct fo__subset_place *order, uint32_t n, uint32_t start)
{
    uint32_t level = 0;
    uint32_t taken = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct fo__candidate *candidate = &candidates[order[(start + i) % n].index];

        if (candidate->failed)
            continue;
        while (level < subset->core_count && taken == subset->core_size[level]) {
            level++;
            taken = 0;
        }
        candidate->level = level;
        taken++;
    }
}

void fo__subset_assign(const struct fo__subset *subset, struct fo__candidate *candidates,
                       uint32_t n, struct fo__subset_place *scratch)
{
    bool on_ring = subset->client_count > 0;
    uint32_t eligible = 0;
    uint32_t start = 0;

    assert(subset->core_count <= FO__CORES_MAX);
    assert(!on_ring || subset->client_index < subset->client_count);
    for (uint32_t i = 0; i < n; i++) {
        struct fo__candidate *candidate = &candidates[i];

        candidate->level = subset->core_count;
        if (!(candidate->weight > 0))
            continue;
        scratch[eligible] = on_ring ? place_on_ring(candidate)
                                    : place_by_rendezvous(candidate, subset->client_hash);
        scratch[eligible++].index = i;
    }
    sort(scratch, eligible);
    if (on_ring && eligible > 0)
        start = start_on_ring(subset, scratch, eligible);
    cut_cores(subset, candidates, scratch, eligible, start);
}
