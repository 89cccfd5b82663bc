/* SPDX-License-Identifier: Apache-2.0
 *
 * The summary. Servers are lines and acts are columns, so that any number of servers fits a window
 * of 80 columns.
 */
#include "report.h"

#include <math.h>

#include "now.h"
#include "zones.h"

/* "12 ms after", or that it did not happen. */
static void print_after(const char *what, double ms, const char *never)
{
    if (isnan(ms))
        printf("%s %s", what, never);
    else if (ms < 10)
        printf("%s after %.1f ms", what, ms);
    else
        printf("%s after %.0f ms", what, ms);
}

static void print_totals(const struct report *report)
{
    const struct options *options = report->options;
    const struct totals *totals = &report->findings->totals;

    printf("\n%s %.1f s, %u servers and one more, %u client threads, seed %llu\n\n",
           report->record->interrupted ? "Interrupted after" : "Ran",
           (double)report->record->end_ns / (double)NS_PER_S, options->servers, options->threads,
           (unsigned long long)options->seed);
    printf("  %10llu  requests\n", (unsigned long long)totals->requests);
    printf("  %10llu  needed a retry\n", (unsigned long long)totals->retried);
    printf("  %10llu  were saved by it\n", (unsigned long long)totals->saved);
    printf("  %10llu  were lost", (unsigned long long)totals->lost);
    if (totals->lost > 0)
        printf(", of which %llu a retry on another server could have saved",
               (unsigned long long)totals->savable);
    printf("\n\n  latency of a request: p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms\n",
           totals->latency.p50_ms, totals->latency.p99_ms, totals->latency.p999_ms);
}

static void print_act_titles(const struct report *report, const char *title)
{
    printf("\n%-10s", title);
    for (int i = 0; i < ACT_COUNT; i++)
        printf("%7s", report->record->acts[i].name);
    putchar('\n');
}

typedef double (*cell_fn)(const struct act_findings *act, unsigned server);

static double share_cell(const struct act_findings *act, unsigned server)
{
    return 100 * act->share[server];
}

static double zone_share_cell(const struct act_findings *act, unsigned zone)
{
    return 100 * act->zone_share[zone];
}

static double failed_cell(const struct act_findings *act, unsigned server)
{
    return (double)act->failed[server];
}

static double requests_cell(const struct act_findings *act, unsigned unused)
{
    (void)unused;
    return (double)act->totals.requests;
}

static double retried_cell(const struct act_findings *act, unsigned unused)
{
    (void)unused;
    return (double)act->totals.retried;
}

static double lost_cell(const struct act_findings *act, unsigned unused)
{
    (void)unused;
    return (double)act->totals.lost;
}

static double p50_cell(const struct act_findings *act, unsigned unused)
{
    (void)unused;
    return act->totals.latency.p50_ms;
}

static double p99_cell(const struct act_findings *act, unsigned unused)
{
    (void)unused;
    return act->totals.latency.p99_ms;
}

/* One line: a cell for each act, "-" for an act that was not reached. */
static void print_line(const struct report *report, const char *title, cell_fn cell,
                       unsigned server, int decimals)
{
    printf("  %-8s", title);
    for (int i = 0; i < ACT_COUNT; i++) {
        const struct act_findings *act = &report->findings->acts[i];

        if (act->reached)
            printf("%7.*f", decimals, cell(act, server));
        else
            printf("%7s", "-");
    }
    putchar('\n');
}

static void print_servers(const struct report *report, const char *title, cell_fn cell,
                          int decimals)
{
    print_act_titles(report, title);
    for (unsigned i = 0; i < report->cluster->count; i++)
        print_line(report, report->cluster->servers[i].name, cell, i, decimals);
}

static void print_zones(const struct report *report)
{
    for (unsigned i = 0; i < ZONE_COUNT; i++)
        print_line(report, zone_names[i], zone_share_cell, i, 2);
}

static void print_requests(const struct report *report)
{
    print_act_titles(report, "requests");
    print_line(report, "sent", requests_cell, 0, 0);
    print_line(report, "retried", retried_cell, 0, 0);
    print_line(report, "lost", lost_cell, 0, 0);
    print_line(report, "p50, ms", p50_cell, 0, 1);
    print_line(report, "p99, ms", p99_cell, 0, 1);
}

static void print_fault(const struct fault_findings *fault)
{
    if (!fault->reached)
        return;
    printf("%s %s at %.1f s\n", fault->server, fault->fault, fault->begin_s);
    print_after("    down", fault->down_after_ms, "never");
    if (!isnan(fault->last_sent_after_ms))
        print_after(", last request before that", fault->last_sent_after_ms, "");
    print_after(",\n    below 1 % of the traffic", fault->quiet_after_ms,
                "never for half a second");
    printf(";\n    requests sent to it: %llu, failed: %llu, trials: %u\n",
           (unsigned long long)fault->sent, (unsigned long long)fault->failed, fault->trials);
    if (!fault->ended)
        return;
    print_after("    when it was well again: half of its fair share", fault->returned_after_ms,
                "not reached");
    putchar('\n');
}

static void print_changes(const struct findings *findings)
{
    const struct removal_findings *removal = &findings->removal;

    if (findings->added_reached) {
        printf("%s added at %.1f s\n", findings->added_server, findings->added_s);
        print_after("    half of its fair share", findings->added_returned_after_ms, "not reached");
        putchar('\n');
    }
    if (!removal->reached)
        return;
    printf("%s drained at %.1f s\n    picks after that: %llu", removal->server, removal->begin_s,
           (unsigned long long)removal->picks_after_drain);
    print_after(";\n    idle", removal->idle_after_ms, "never");
    print_after(", removed", removal->removed_after_ms, "never");
    print_after(", released", removal->released_after_ms, "never");
    putchar('\n');
}

/* What the library itself says of the levels while the zone is lost. */
static void print_explanation(const struct report *report)
{
    const struct zone_record *zones = &report->record->zones;

    if (!zones->looked[ACT_LOST])
        return;
    printf("    fo_balancer_explain() meanwhile\n");
    for (int i = 0; i < ZONE_COUNT; i++)
        printf("        %s\n", zones_describe(&zones->views[ACT_LOST][i], (enum zone)i).text);
}

static void print_zone(const struct report *report)
{
    const struct zone_findings *zone = &report->findings->zone;
    const struct totals *totals = &report->findings->acts[ACT_LOST].totals;

    if (!zone->reached)
        return;
    printf("zone %s lost at %.1f s\n    saved by a retry: %llu, lost: %llu;", zone_names[ZONE_NEAR],
           zone->begin_s, (unsigned long long)totals->saved, (unsigned long long)totals->lost);
    print_after(" below 1 % of the traffic", zone->quiet_after_ms, "never for half a second");
    putchar('\n');
    print_explanation(report);
    if (!zone->ended)
        return;
    print_after("    when it was back: nine tenths of the traffic", zone->returned_after_ms,
                "not reached");
    putchar('\n');
}

void report_print(const struct report *report)
{
    const struct findings *findings = report->findings;

    print_totals(report);
    print_servers(report, "share, %", share_cell, 2);
    print_zones(report);
    print_servers(report, "failures", failed_cell, 0);
    print_requests(report);
    putchar('\n');
    for (int i = 0; i < FAULT_COUNT; i++)
        print_fault(&findings->faults[i]);
    print_changes(findings);
    print_zone(report);
    printf("connections closed on `released`, exactly once each: %u of %u servers\n\n",
           findings->released_once, findings->joined);
    printf("plot: %s\n", report->options->svg_path);
    if (report->options->json_path != NULL)
        printf("JSON: %s\n", report->options->json_path);
    if (findings->totals.savable > 0)
        printf("FAILED: %llu requests were lost that a retry on another server could have saved\n",
               (unsigned long long)findings->totals.savable);
}
