/* SPDX-License-Identifier: Apache-2.0
 *
 * What the table and the lines show at one moment: the last second, as the clients saw it and as
 * the library knows it.
 */
#ifndef DEMO_FIGURES_H
#define DEMO_FIGURES_H

#include <stdint.h>

#include "acts.h"

struct server_figures {
    const char *condition; /* the truth */
    const char *state;     /* what the library says; "-" for a server it does not know */
    double health;         /* 0 … 1 */
    double weight;         /* live */
    uint64_t in_flight;
    uint64_t failed; /* attempts, since the start */
    double share;    /* of the requests sent in the last second, 0 … 1 */
    double p50_ms;   /* of the attempts of the last full second */
    double p99_ms;
};

struct figures {
    double now_s;
    double left_s;
    uint64_t per_second; /* requests sent in the last second */
    uint64_t failed_per_second;
    double p50_ms; /* of the requests of the act that is on */
    double p99_ms;
    uint64_t retried; /* since the start */
    uint64_t saved;
    uint64_t lost;
    struct server_figures servers[SERVERS_TOTAL_MOST];
    double zone_share[ZONE_COUNT]; /* of the requests sent in the last second, 0 … 1 */
};

/* Keeps what is needed to tell the last second from all before it. */
struct figures_taker {
    const struct stage *stage;
    uint64_t next_latency_ns;
    struct histogram_copy seen[SERVERS_TOTAL_MOST];
    double p50_ms[SERVERS_TOTAL_MOST];
    double p99_ms[SERVERS_TOTAL_MOST];
};

void figures_take(struct figures_taker *taker, struct figures *figures);

#endif
