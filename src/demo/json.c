/* SPDX-License-Identifier: Apache-2.0
 *
 * The summary as JSON, by jansson. What did not happen is null.
 */
#include <jansson.h>
#include <math.h>

#include <failover/failover.h>

#include "now.h"
#include "report.h"

static json_t *number_or_null(double value)
{
    return isnan(value) ? json_null() : json_real(value);
}

static json_t *count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *totals_object(const struct totals *totals)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:{s:f, s:f, s:f}}", "requests",
                     count(totals->requests), "retried", count(totals->retried), "saved_by_retry",
                     count(totals->saved), "lost", count(totals->lost),
                     "lost_that_a_retry_could_have_saved", count(totals->savable), "latency_ms",
                     "p50", totals->latency.p50_ms, "p99", totals->latency.p99_ms, "p99_9",
                     totals->latency.p999_ms);
}

static json_t *act_servers(const struct report *report, const struct act_findings *act)
{
    json_t *servers = json_array();

    for (unsigned i = 0; i < report->cluster->count; i++) {
        const struct server *server = &report->cluster->servers[i];

        json_array_append_new(servers,
                              json_pack("{s:s, s:s, s:f, s:o, s:o}", "name", server->name, "zone",
                                        zone_names[server->zone], "share", act->share[i], "sent",
                                        count(act->sent[i]), "failed", count(act->failed[i])));
    }
    return servers;
}

/* What fo_balancer_explain() said of a zone's level; null outside the zone acts. */
static json_t *explained(const struct zone_record *zones, enum act act, unsigned zone)
{
    const struct zone_view *view = &zones->views[act][zone];

    if (!zones->looked[act])
        return json_null();
    return json_pack("{s:i, s:f, s:i, s:i}", "level", (int)view->level, "share", view->share,
                     "healthy", (int)view->healthy, "servers", (int)view->servers);
}

static json_t *act_zones(const struct report *report, enum act act)
{
    json_t *zones = json_array();

    for (unsigned i = 0; i < ZONE_COUNT; i++)
        json_array_append_new(zones,
                              json_pack("{s:s, s:f, s:o}", "name", zone_names[i], "share",
                                        report->findings->acts[act].zone_share[i], "explained",
                                        explained(&report->record->zones, act, i)));
    return zones;
}

static json_t *acts_array(const struct report *report)
{
    json_t *acts = json_array();

    for (int i = 0; i < ACT_COUNT; i++) {
        const struct act_findings *act = &report->findings->acts[i];
        const struct act_record *record = &report->record->acts[i];

        if (act->reached)
            json_array_append_new(acts, json_pack("{s:s, s:s, s:f, s:f, s:o, s:o, s:o}", "name",
                                                  record->name, "title", record->title, "begin_s",
                                                  act->begin_s, "end_s", act->end_s, "totals",
                                                  totals_object(&act->totals), "zones",
                                                  act_zones(report, (enum act)i), "servers",
                                                  act_servers(report, act)));
    }
    return acts;
}

static json_t *faults_array(const struct findings *findings)
{
    json_t *faults = json_array();

    for (int i = 0; i < FAULT_COUNT; i++) {
        const struct fault_findings *fault = &findings->faults[i];

        if (fault->reached)
            json_array_append_new(
                faults,
                json_pack("{s:s, s:s, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:i}", "server",
                          fault->server, "fault", fault->fault, "begin_s", fault->begin_s,
                          "down_after_ms", number_or_null(fault->down_after_ms),
                          "last_sent_before_down_after_ms",
                          number_or_null(fault->last_sent_after_ms), "below_1_percent_after_ms",
                          number_or_null(fault->quiet_after_ms), "returned_after_ms",
                          number_or_null(fault->returned_after_ms), "sent", count(fault->sent),
                          "failed", count(fault->failed), "trials", (int)fault->trials));
    }
    return faults;
}

static json_t *added_object(const struct findings *findings)
{
    if (!findings->added_reached)
        return json_null();
    return json_pack("{s:s, s:f, s:o}", "server", findings->added_server, "begin_s",
                     findings->added_s, "half_share_after_ms",
                     number_or_null(findings->added_returned_after_ms));
}

static json_t *removal_object(const struct removal_findings *removal)
{
    if (!removal->reached)
        return json_null();
    return json_pack("{s:s, s:f, s:o, s:o, s:o, s:o}", "server", removal->server, "begin_s",
                     removal->begin_s, "picks_after_drain", count(removal->picks_after_drain),
                     "idle_after_ms", number_or_null(removal->idle_after_ms), "removed_after_ms",
                     number_or_null(removal->removed_after_ms), "released_after_ms",
                     number_or_null(removal->released_after_ms));
}

static json_t *zone_object(const struct zone_findings *zone)
{
    if (!zone->reached)
        return json_null();
    return json_pack("{s:s, s:f, s:o, s:o}", "zone", zone_names[ZONE_NEAR], "begin_s",
                     zone->begin_s, "below_1_percent_after_ms",
                     number_or_null(zone->quiet_after_ms), "returned_after_ms",
                     number_or_null(zone->returned_after_ms));
}

static json_t *events_array(struct record *record)
{
    json_t *events = json_array();
    struct event_record event;

    for (size_t i = 0; record_read_event(record, i, &event); i++) {
        json_array_append_new(events, json_pack("{s:f, s:s, s:s}", "at_s",
                                                (double)event.at_ns / (double)NS_PER_S, "kind",
                                                event.kind, "text", event.text));
    }
    return events;
}

bool report_write_json(const struct report *report, FILE *file)
{
    const struct options *options = report->options;
    const struct findings *findings = report->findings;
    uint32_t version = fo_version();
    char text[32];
    json_t *root;

    snprintf(text, sizeof(text), "%u.%u.%u", version >> 16, version >> 8 & 0xff, version & 0xff);
    root = json_pack(
        "{s:s, s:{s:i, s:i, s:i, s:o}, s:f, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:i, s:i}, s:o}",
        "version", text, "options", "servers", (int)options->servers, "threads",
        (int)options->threads, "seconds", (int)options->seconds, "seed", count(options->seed),
        "ran_s", (double)report->record->end_ns / (double)NS_PER_S, "interrupted",
        (int)report->record->interrupted, "totals", totals_object(&findings->totals), "acts",
        acts_array(report), "faults", faults_array(findings), "added", added_object(findings),
        "removed", removal_object(&findings->removal), "zone_lost", zone_object(&findings->zone),
        "released", "servers", (int)findings->joined, "exactly_once", (int)findings->released_once,
        "events", events_array(report->record));
    if (root == NULL)
        return false;
    json_dumpf(root, file, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    fputc('\n', file);
    json_decref(root);
    return true;
}
