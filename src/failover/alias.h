/* SPDX-License-Identifier: Apache-2.0
 *
 * Alias table: a weighted sample in O(1).
 *
 * Walker's method (1977) with Vose's linear-time construction (1991). N weights are cut and put
 * together again into N columns of equal width, each of at most two owners:
 *
 *     weight  5 ┤█                     column 0  1  2  3
 *             3 ┤█ ▓                          █  ▓  ░  ▒     lower part: the column's own
 *             1 ┤█ ▓ ░ ▒      ─────►          █  █  █  ▓     upper part: its alias
 *
 * A sample takes a uniform number in [0, N): the integer part is the column, the fraction is the
 * coin, and coin < threshold means own. A weight of 0 has threshold 0 and is nobody's alias, so it is
 * never drawn: not rarely, never.
 */
#ifndef FO_ALIAS_H
#define FO_ALIAS_H

#include <stdint.h>

struct fo__alias_column {
    uint32_t threshold; /* own share of the column, in 2^-32 */
    uint32_t alias;     /* owner of the rest; the column itself when it owns all */
};

/**
 * Builds the table.
 *
 * @param units    n weights, sum at most 2^43, not all 0
 * @param n        1 … 2^20
 * @param scratch  n numbers and n indices, contents do not matter
 */
void fo__alias_build(const uint64_t *units, uint32_t n, struct fo__alias_column *columns,
                     uint64_t *scratch_share, uint32_t *scratch_stack);

#endif
