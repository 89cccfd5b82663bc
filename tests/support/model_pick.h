/* SPDX-License-Identifier: Apache-2.0
 *
 * The slow, obvious pick: what share of the picks each endpoint ought to get, straight from the
 * sentences of the manual and from nothing else.
 *
 *     live weight = max(min_weight, health × max_weight), 0 while drained
 *     an endpoint is picked in proportion to its live weight
 *     ... only endpoints that have all of the required tags
 *     ... none of the excluded, unless that leaves nothing and the pick is not strict
 *
 * It reads the balancer through fo_endpoint_list(), so it knows nothing of snapshots, tables or
 * trees. Trials are not modelled: compare where none is on offer.
 */
#ifndef MODEL_PICK_H
#define MODEL_PICK_H

#include <failover/failover.h>

/** A balancer's endpoints as the manual describes them. */
struct model {
    struct fo_endpoint_info *endpoints; /* by id: in the order of their incarnations */
    size_t count;
    size_t capacity;
};

/** Looks at a balancer. Pair with model_fini(). */
struct model model_of(struct fo_balancer *balancer);
void model_fini(struct model *model);

/**
 * The share of each endpoint under those options (NULL: none), in the model's order.
 *
 * @param shares  [out] model->count numbers that add up to 1, or all 0
 * @return FO_OK or FO_UNAVAILABLE
 */
fo_status model_pick(const struct model *model, const struct fo_pick_options *options,
                     double *shares);

/** Where an endpoint of that id stands in the model; the count when it is not there. */
size_t model_find(const struct model *model, uint64_t id);

/**
 * Picks so many times, each finished with `neutral`, and counts in the model's order.
 *
 * @return FO_OK, or the first other status of a pick
 */
fo_status model_count(const struct model *model, struct fo_balancer *balancer,
                      const struct fo_pick_options *options, uint64_t picks, uint64_t *counts);

#endif
