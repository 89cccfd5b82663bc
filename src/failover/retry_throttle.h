/* SPDX-License-Identifier: Apache-2.0
 *
 * Throttle: requests that the servers would most likely refuse are shed here.
 *
 *     probability of shedding = max(0, (requests − k · accepts) / (requests + 1))
 *
 * over one ttl. Requests are attempts that have ended, and what was shed itself: so the harder it
 * sheds, the more it takes for the servers to be believed again, and they are asked by few at first.
 * With k = 2 as many requests are let through again as get an answer.
 *
 * Attempts count when they end: a cancelled one says nothing, and need not be taken back.
 *
 * Source: "Site Reliability Engineering" (Beyer et al. 2016), chapter 21, client-side throttling.
 */
#ifndef FO_RETRY_THROTTLE_H
#define FO_RETRY_THROTTLE_H

#include "retry_window.h"

struct fo__retry_throttle {
    double k; /* 0: off */
    struct fo__retry_window requests;
    struct fo__retry_window accepts;
};

void fo__retry_throttle_init(struct fo__retry_throttle *throttle, double k);

/** The formula. */
double fo__retry_shed_probability(double k, uint64_t requests, uint64_t accepts);

/** Whether a request is shed, by a random number; if so it is counted. Lock-free. */
bool fo__retry_throttle_sheds(struct fo__retry_throttle *throttle, uint32_t tick, uint64_t draw);

/** Counts an attempt that has ended. Lock-free. */
void fo__retry_throttle_count(struct fo__retry_throttle *throttle, uint32_t tick, bool is_accepted);

#endif
