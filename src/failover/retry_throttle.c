/* SPDX-License-Identifier: Apache-2.0 */
#include "retry_throttle.h"

void fo__retry_throttle_init(struct fo__retry_throttle *throttle, double k)
{
    *throttle = (struct fo__retry_throttle){.k = k};
}

double fo__retry_shed_probability(double k, uint64_t requests, uint64_t accepts)
{
    double surplus = (double)requests - k * (double)accepts;

    return surplus > 0 ? surplus / ((double)requests + 1) : 0;
}

bool fo__retry_throttle_sheds(struct fo__retry_throttle *throttle, uint32_t tick, uint64_t draw)
{
    uint64_t requests;
    uint64_t accepts;

    if (throttle->k == 0)
        return false;
    requests = fo__retry_window_sum(&throttle->requests, tick, FO__RETRY_WINDOW_TICKS);
    accepts = fo__retry_window_sum(&throttle->accepts, tick, FO__RETRY_WINDOW_TICKS);
    if ((double)(draw >> 11) * 0x1p-53 >=
        fo__retry_shed_probability(throttle->k, requests, accepts))
        return false;
    fo__retry_window_add(&throttle->requests, tick);
    return true;
}

void fo__retry_throttle_count(struct fo__retry_throttle *throttle, uint32_t tick, bool is_accepted)
{
    if (throttle->k == 0)
        return;
    fo__retry_window_add(&throttle->requests, tick);
    if (is_accepted)
        fo__retry_window_add(&throttle->accepts, tick);
}
