/* SPDX-License-Identifier: Apache-2.0 */
#include "retry_backoff.h"

#include "bits.h"

uint64_t fo__retry_backoff_limit_ns(uint64_t base_ns, uint64_t max_ns, uint32_t failures)
{
    uint64_t limit = base_ns;

    for (uint32_t i = 1; i < failures && limit < max_ns; i++)
        limit *= 2;
    return limit < max_ns ? limit : max_ns;
}

uint64_t fo__retry_backoff_ns(uint64_t base_ns, uint64_t max_ns, uint32_t failures, uint64_t draw)
{
    if (base_ns == 0)
        return 0;
    return fo__mul_high(draw, fo__retry_backoff_limit_ns(base_ns, max_ns, failures));
}
