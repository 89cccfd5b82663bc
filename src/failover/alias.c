/* SPDX-License-Identifier: Apache-2.0
 *
 * Integers throughout: shares are weight × N, a column is exactly `total` wide, so the last columns
 * come out exactly full instead of nearly full. With N ≤ 2^20 and total ≤ 2^43 nothing overflows.
 */
#include "alias.h"

#include "bits.h"

/* A share below the width of a column, as a 32-bit threshold, rounded up: a positive weight keeps a
 * positive threshold. */
static uint32_t threshold_of(uint64_t share, uint64_t total)
{
    fo__u128 scaled = (((fo__u128)share << 32) + total - 1) / total;
    return scaled > UINT32_MAX ? UINT32_MAX : (uint32_t)scaled;
}

void fo__alias_build(const uint64_t *units, uint32_t n, struct fo__alias_column *columns,
                     uint64_t *scratch_share, uint32_t *scratch_stack)
{
    uint64_t *share = scratch_share;
    uint32_t *stack =
        scratch_stack; /* narrow columns grow from the left, wide ones from the right */
    uint32_t narrow = 0;
    uint32_t wide = n;
    uint64_t total = 0;

    for (uint32_t i = 0; i < n; i++)
        total += units[i];
    for (uint32_t i = n; i-- > 0;) {
        share[i] = units[i] * n;
        if (share[i] < total)
            stack[narrow++] = i;
        else
            stack[--wide] = i;
    }
    while (narrow > 0) {
        uint32_t small = stack[--narrow];
        uint32_t large = stack[wide];

        columns[small].threshold = threshold_of(share[small], total);
        columns[small].alias = large;
        share[large] -= total - share[small];
        if (share[large] < total) {
            wide++;
            stack[narrow++] = large;
        }
    }
    for (; wide < n; wide++) {
        columns[stack[wide]].threshold = UINT32_MAX;
        columns[stack[wide]].alias = stack[wide];
    }
}
