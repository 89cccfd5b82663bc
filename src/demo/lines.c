/* SPDX-License-Identifier: Apache-2.0
 *
 * Plain lines: one a second, and one for each thing that happens.
 */
#include <stdio.h>

#include "display.h"
#include "now.h"

void lines_print_events(struct display *display)
{
    struct event_record event;

    while (record_read_event(display->stage->record, display->next_event, &event)) {
        printf("%7.3f s  %-9s  %s\n", (double)event.at_ns / (double)NS_PER_S, event.kind,
               event.text);
        display->next_event++;
    }
    fflush(stdout);
}

void lines_print(const struct display *display, const struct figures *figures)
{
    const struct record *record = display->stage->record;
    const struct cluster *cluster = display->stage->cluster;

    printf("%7.3f s  %-9s  %5llu requests/s  p50 %.1f p99 %.1f ms  failed %llu  lost %llu  share",
           figures->now_s, record->acts[atomic_load(&record->act)].name,
           (unsigned long long)figures->per_second, figures->p50_ms, figures->p99_ms,
           (unsigned long long)figures->failed_per_second, (unsigned long long)figures->lost);
    for (unsigned i = 0; i < cluster->count; i++)
        printf(" %s %.1f%%", cluster->servers[i].name, 100 * figures->servers[i].share);
    for (int i = 0; i < ZONE_COUNT; i++)
        printf("%s zone %s %.1f%%", i > 0 ? "" : ", by zone:", zone_names[i],
               100 * figures->zone_share[i]);
    putchar('\n');
    fflush(stdout);
}
