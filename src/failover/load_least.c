/* SPDX-License-Identifier: Apache-2.0
 *
 * Least: of two different endpoints, a and b in the order drawn, a unless
 *
 *     in flight at a / weight of a  ≥  (in flight at b + 1) / weight of b
 *
 * that is, unless b would have no more for its weight with this request than a has without it. Of equal
 * ones a stays, and who is a is a fair coin.
 *
 * The plain comparison of (in flight + 1) / weight starves what is light: of 1 and 10 idle ones, 10 wins
 * every time. Here an idle a always stays, so serial callers see the weights alone, and b is taken only
 * for what a has too much.
 *
 * What a host failed lately counts as if it were in flight (load.h): it stands in for the requests that a
 * host which fails at once does not keep.
 *
 * Sources: power of two choices (Mitzenmacher 1996); distinct samples as in MongoDB's drivers.
 */
#include "choose.h"

static bool beats(const struct fo__errand *errand, const struct fo__tier *tier,
                  const struct fo__rival *first, const struct fo__rival *second)
{
    (void)tier;
    return fo__burden_of(errand, first->load) * second->weight >=
           (fo__burden_of(errand, second->load) + 1) * first->weight;
}

static const struct fo__slot *choose(struct fo__errand *errand, const struct fo__tier *tier)
{
    return fo__choose_of_two(errand, tier, beats);
}

const struct fo__load_policy fo__load_least = {.choose = choose};
