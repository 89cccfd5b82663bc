/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the record; the definitions are in findings.h.
 */
#include "findings.h"

#include <math.h>
#include <string.h>

#include "now.h"

#define QUIET_SHARE 0.01
#define QUIET_AT_ONCE_NS (NS_PER_S / 10)
#define QUIET_FOR_NS (NS_PER_S / 2)
#define RETURN_NS (NS_PER_S / 10)
#define ZONE_RETURN_SHARE 0.9

static double seconds(uint64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

static double after_ms(uint64_t from_ns, uint64_t until_ns)
{
    if (from_ns == NEVER_NS || until_ns == NEVER_NS)
        return NAN;
    return until_ns > from_ns ? (double)(until_ns - from_ns) / (double)NS_PER_MS : 0;
}

/* ---- Sums ------------------------------------------------------------------------------------ */

static struct latencies read_latencies(const struct histogram_copy *copy)
{
    return (struct latencies){.p50_ms = histogram_percentile_ms(copy, 0.5),
                              .p99_ms = histogram_percentile_ms(copy, 0.99),
                              .p999_ms = histogram_percentile_ms(copy, 0.999)};
}

static void add_act(struct totals *totals, struct histogram_copy *latency,
                    const struct act_record *act)
{
    struct histogram_copy mine;

    totals->requests += atomic_load(&act->requests);
    totals->retried += atomic_load(&act->retried);
    totals->saved += atomic_load(&act->saved);
    totals->lost += atomic_load(&act->lost);
    totals->savable += atomic_load(&act->savable);
    histogram_read(&act->latency, &mine);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        latency->counts[i] += mine.counts[i];
}

static void find_totals(struct totals *totals, const struct act_record *acts, unsigned count)
{
    struct histogram_copy latency = {0};

    for (unsigned i = 0; i < count; i++)
        add_act(totals, &latency, &acts[i]);
    totals->latency = read_latencies(&latency);
}

static void find_act(struct act_findings *act, const struct record *record,
                     const struct cluster *cluster, enum act number)
{
    const struct act_record *mine = &record->acts[number];

    act->reached = mine->begin_ns != NEVER_NS;
    if (!act->reached)
        return;
    act->begin_s = seconds(mine->begin_ns);
    act->end_s = seconds(mine->end_ns);
    find_totals(&act->totals, mine, 1);
    for (unsigned i = 0; i < record->server_count; i++) {
        act->share[i] = record_share(record, i, mine->begin_ns, mine->end_ns);
        act->sent[i] = record_sent_between(record, i, mine->begin_ns, mine->end_ns);
        act->failed[i] = record_failed_between(record, i, mine->begin_ns, mine->end_ns);
        act->zone_share[cluster->servers[i].zone] += act->share[i];
    }
}

/* ---- Moments --------------------------------------------------------------------------------- */

/* Whose share is looked at: one server's, or a zone's. */
struct crowd {
    const struct record *record;
    const struct cluster *cluster;
    bool is_zone;
    unsigned number;
};

static double share_of(const struct crowd *crowd, uint64_t from_ns, uint64_t until_ns)
{
    double share = 0;

    if (!crowd->is_zone)
        return record_share(crowd->record, crowd->number, from_ns, until_ns);
    for (unsigned i = 0; i < crowd->cluster->count; i++) {
        if (crowd->cluster->servers[i].zone == crowd->number)
            share += record_share(crowd->record, i, from_ns, until_ns);
    }
    return share;
}

static uint64_t next_bucket(uint64_t at_ns)
{
    return (at_ns + BUCKET_NS - 1) / BUCKET_NS * BUCKET_NS;
}

static bool is_quiet(const struct crowd *crowd, uint64_t at_ns)
{
    return share_of(crowd, at_ns, at_ns + QUIET_AT_ONCE_NS) < QUIET_SHARE &&
           share_of(crowd, at_ns, at_ns + QUIET_FOR_NS) < QUIET_SHARE;
}

static uint64_t quiet_from(const struct crowd *crowd, uint64_t from_ns, uint64_t until_ns)
{
    for (uint64_t at = next_bucket(from_ns); at + QUIET_FOR_NS <= until_ns; at += BUCKET_NS) {
        if (is_quiet(crowd, at))
            return at;
    }
    return NEVER_NS;
}

static uint64_t returned_from(const struct crowd *crowd, uint64_t from_ns, double share)
{
    for (uint64_t at = next_bucket(from_ns); at + RETURN_NS <= crowd->record->end_ns;
         at += BUCKET_NS) {
        if (share_of(crowd, at, at + RETURN_NS) >= share)
            return at;
    }
    return NEVER_NS;
}

static void find_fault(struct fault_findings *fault, const struct record *record,
                       const struct fault_record *mine, const struct cluster *cluster)
{
    uint64_t begin = atomic_load(&mine->begin_ns);
    uint64_t end = atomic_load(&mine->end_ns);
    uint64_t until = end < record->end_ns ? end : record->end_ns;
    const struct crowd crowd = {record, cluster, false, mine->server};

    fault->server = cluster->servers[mine->server].name;
    fault->fault = record->acts[mine->act].name;
    fault->reached = begin != NEVER_NS;
    if (!fault->reached)
        return;
    fault->ended = end != NEVER_NS;
    fault->begin_s = seconds(begin);
    fault->down_after_ms = after_ms(begin, atomic_load(&mine->down_ns));
    fault->last_sent_after_ms = after_ms(begin, atomic_load(&mine->last_sent_ns));
    fault->quiet_after_ms = after_ms(begin, quiet_from(&crowd, begin, until));
    fault->returned_after_ms = NAN;
    if (fault->ended)
        fault->returned_after_ms =
            after_ms(end, returned_from(&crowd, end, 0.5 / cluster->initial));
    fault->sent = record_sent_between(record, mine->server, begin, until);
    fault->failed = record_failed_between(record, mine->server, begin, until);
    fault->trials = atomic_load(&mine->trials);
}

static void find_added(struct findings *findings, const struct record *record,
                       const struct cluster *cluster)
{
    const struct crowd crowd = {record, cluster, false, record->added_server};

    findings->added_server = cluster->servers[record->added_server].name;
    findings->added_reached = record->added_ns != NEVER_NS;
    if (!findings->added_reached)
        return;
    findings->added_s = seconds(record->added_ns);
    findings->added_returned_after_ms =
        after_ms(record->added_ns, returned_from(&crowd, record->added_ns, 0.5 / cluster->count));
}

static void find_removal(struct removal_findings *removal, const struct record *record,
                         const struct cluster *cluster)
{
    const struct removal_record *mine = &record->removal;

    removal->server = cluster->servers[mine->server].name;
    removal->reached = mine->drained_ns != NEVER_NS;
    if (!removal->reached)
        return;
    removal->begin_s = seconds(mine->drained_ns);
    removal->idle_after_ms = after_ms(mine->drained_ns, mine->idle_ns);
    removal->removed_after_ms = after_ms(mine->drained_ns, mine->removed_ns);
    removal->released_after_ms = after_ms(mine->drained_ns, atomic_load(&mine->released_ns));
    removal->picks_after_drain =
        mine->idle_ns != NEVER_NS ? mine->picks_at_idle - mine->picks_at_drain : 0;
}

static void find_zone(struct zone_findings *zone, const struct record *record,
                      const struct cluster *cluster)
{
    const struct zone_record *mine = &record->zones;
    const struct crowd crowd = {record, cluster, true, ZONE_NEAR};
    uint64_t until = mine->back_ns < record->end_ns ? mine->back_ns : record->end_ns;

    zone->reached = mine->lost_ns != NEVER_NS;
    if (!zone->reached)
        return;
    zone->ended = mine->back_ns != NEVER_NS;
    zone->begin_s = seconds(mine->lost_ns);
    zone->quiet_after_ms = after_ms(mine->lost_ns, quiet_from(&crowd, mine->lost_ns, until));
    zone->returned_after_ms = NAN;
    if (zone->ended)
        zone->returned_after_ms =
            after_ms(mine->back_ns, returned_from(&crowd, mine->back_ns, ZONE_RETURN_SHARE));
}

void findings_make(struct findings *findings, const struct record *record,
                   const struct cluster *cluster)
{
    memset(findings, 0, sizeof(*findings));
    find_totals(&findings->totals, record->acts, ACT_COUNT);
    for (int i = 0; i < ACT_COUNT; i++)
        find_act(&findings->acts[i], record, cluster, (enum act)i);
    for (int i = 0; i < FAULT_COUNT; i++)
        find_fault(&findings->faults[i], record, &record->faults[i], cluster);
    find_added(findings, record, cluster);
    find_removal(&findings->removal, record, cluster);
    find_zone(&findings->zone, record, cluster);
    findings->joined = cluster->initial + (findings->added_reached ? 1 : 0);
    for (unsigned i = 0; i < findings->joined; i++) {
        if (atomic_load(&cluster->servers[i].released) == 1)
            findings->released_once++;
    }
}
