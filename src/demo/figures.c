/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking the figures. Shares move with every call; latencies of a server are those of the last full
 * second, so that they stand still long enough to be read.
 */
#include "figures.h"

#include <error.h>

#include <failover/failover.h>

#include "now.h"

static void take_latencies(struct figures_taker *taker, uint64_t now)
{
    if (now < taker->next_latency_ns)
        return;
    taker->next_latency_ns = now + NS_PER_S;
    for (unsigned i = 0; i < taker->stage->cluster->count; i++) {
        struct histogram_copy until_now;
        struct histogram_copy last_second;

        histogram_read(&taker->stage->cluster->servers[i].latency, &until_now);
        last_second = until_now;
        histogram_subtract(&last_second, &taker->seen[i]);
        taker->p50_ms[i] = histogram_percentile_ms(&last_second, 0.5);
        taker->p99_ms[i] = histogram_percentile_ms(&last_second, 0.99);
        taker->seen[i] = until_now;
    }
}

static void ask_library(const struct stage *stage, const struct server *server,
                        struct server_figures *figures)
{
    struct fo_endpoint_info info = fo_endpoint_info_init();
    fo_status status = fo_endpoint_status(stage->balancer, server->name, &info);

    if (status != FO_OK && status != FO_NOTFOUND)
        error(EXIT_TROUBLE, 0, "fo_endpoint_status: %s", fo_status_name(status));
    figures->state = "-";
    figures->health = 0;
    figures->weight = 0;
    figures->in_flight = 0;
    if (status == FO_NOTFOUND)
        return;
    figures->state = info.drained ? "drained" : fo_state_name(info.state);
    figures->health = info.health;
    figures->weight = info.live_weight;
    figures->in_flight = info.in_flight;
}

static void sum_acts(const struct record *record, struct figures *figures)
{
    struct histogram_copy latency;

    histogram_read(&record->acts[atomic_load(&record->act)].latency, &latency);
    figures->p50_ms = histogram_percentile_ms(&latency, 0.5);
    figures->p99_ms = histogram_percentile_ms(&latency, 0.99);
    figures->retried = 0;
    figures->saved = 0;
    figures->lost = 0;
    for (int i = 0; i < ACT_COUNT; i++) {
        figures->retried += atomic_load(&record->acts[i].retried);
        figures->saved += atomic_load(&record->acts[i].saved);
        figures->lost += atomic_load(&record->acts[i].lost);
    }
}

void figures_take(struct figures_taker *taker, struct figures *figures)
{
    const struct stage *stage = taker->stage;
    const struct record *record = stage->record;
    uint64_t now = record_time_ns(record);
    uint64_t from = now > NS_PER_S ? now - NS_PER_S : 0;

    take_latencies(taker, now);
    sum_acts(record, figures);
    figures->now_s = (double)now / (double)NS_PER_S;
    figures->left_s = now < stage->end_ns ? (double)(stage->end_ns - now) / (double)NS_PER_S : 0;
    figures->per_second = record_all_sent_between(record, from, now);
    figures->failed_per_second = 0;
    for (int i = 0; i < ZONE_COUNT; i++)
        figures->zone_share[i] = 0;
    for (unsigned i = 0; i < stage->cluster->count; i++) {
        const struct server *server = &stage->cluster->servers[i];
        struct server_figures *mine = &figures->servers[i];

        ask_library(stage, server, mine);
        mine->condition = server->condition;
        mine->failed = record_failed_between(record, i, 0, now);
        mine->share = record_share(record, i, from, now);
        figures->zone_share[server->zone] += mine->share;
        mine->p50_ms = taker->p50_ms[i];
        mine->p99_ms = taker->p99_ms[i];
        figures->failed_per_second += record_failed_between(record, i, from, now);
    }
}
