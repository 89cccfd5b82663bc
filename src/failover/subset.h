/* SPDX-License-Identifier: Apache-2.0
 *
 * Subsetting: which of many servers a client prefers.
 *
 * Every client has an order of all candidates; cores are cut off its front, and a failed candidate
 * is passed over:
 *
 *     order   d  a  g  b  e  f  c      core sizes {2, 3}      d fails     d   a  g  b  e  f  c
 *     level   0  0  1  1  1  2  2                                         2   0  0  1  1  1  2
 *
 * So the next of the order takes the place of a failed one, at each border one, and gives it back
 * when the failed one is well again; nobody else moves. A candidate of weight 0 is in no core.
 *
 *   - Index not known: weighted rendezvous. A server is in cores in proportion to its weight, as
 *     long as cores are small; the number of clients that a server has scatters as chance has it
 *     (300 clients, 300 servers, cores of 10: 25 … 202 % of the mean). A server that comes or goes
 *     changes nothing but its own place.
 *   - Index and count known: balanced. C clients with the indices 0 … C-1 and cores of k over N
 *     servers give every server C·k/N clients, rounded down or up, and so do the first cores taken
 *     together. Weights above 0 do not change who is in a core. A server that comes or goes
 *     changes at most one member of a client's first core, and of the first cores taken together,
 *     if they are small against N (k ≤ N/3) and name hashes lie as random ones do. All clients must
 *     see the same servers for all of this; failed ones count among the servers.
 *
 * Pure functions of their arguments: the same levels on every machine and in every process, in
 * whatever order the candidates come. Candidates of one name hash and one weight cannot be told
 * apart: which of them is in a core depends on where they stand.
 */
#ifndef FO_SUBSET_H
#define FO_SUBSET_H

#include <stdbool.h>
#include <stdint.h>

#define FO__CORES_MAX 8u

/** Whose subset, and how large its cores are. */
struct fo__subset {
    uint64_t client_hash;  /* XXH3 of the client's id; not looked at when the index is known */
    uint32_t client_index; /* below client_count */
    uint32_t client_count; /* 0: index not known */
    uint32_t core_count;   /* 0 … FO__CORES_MAX; also the last level, of those in no core */
    uint32_t core_size[FO__CORES_MAX]; /* [level]; 0 leaves a level empty */
};

struct fo__candidate {
    uint64_t name_hash; /* XXH3 of the name's bytes */
    double weight;      /* ≥ 0, finite */
    bool failed;        /* its host is down: it counts for no core */
    uint32_t level;     /* [out] */
};

/** A candidate's place in the order: working memory. */
struct fo__subset_place {
    uint64_t first; /* places are sorted by first, then second, then index */
    uint64_t second;
    uint32_t index; /* of the candidate */
};

/**
 * Gives every candidate its level.
 *
 * Allocates nothing; O(n log n).
 *
 * @param n        0 … 2^20
 * @param scratch  n places, contents do not matter
 */
void fo__subset_assign(const struct fo__subset *subset, struct fo__candidate *candidates,
                       uint32_t n, struct fo__subset_place *scratch);

#endif
