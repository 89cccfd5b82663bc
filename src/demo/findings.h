/* SPDX-License-Identifier: Apache-2.0
 *
 * What the record of a run says: the numbers of the summary and of the JSON file.
 *
 * Definitions
 *   share             of the requests sent (attempts, retries included) in a stretch of time
 *   quiet             a server is quiet from the first moment on after which it got less than 1 %
 *                     of what was sent, both in the next tenth and in the next half of a second
 *                     (one trial now and then does go on)
 *   returned          the first moment from which, for a tenth of a second, a server had at least
 *                     half of its fair share, that is half of 1 / number of servers
 *   quiet, returned   of a zone: the same, but returned with nine tenths of all that was sent
 *   _after_ms         since the trouble, its end, or the change began; NAN when it did not happen
 */
#ifndef DEMO_FINDINGS_H
#define DEMO_FINDINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster.h"
#include "record.h"

struct latencies {
    double p50_ms;
    double p99_ms;
    double p999_ms;
};

struct totals {
    uint64_t requests;
    uint64_t retried;
    uint64_t saved;
    uint64_t lost;
    uint64_t savable;
    struct latencies latency;
};

struct act_findings {
    bool reached;
    double begin_s;
    double end_s;
    struct totals totals;
    double share[SERVERS_TOTAL_MOST];
    uint64_t sent[SERVERS_TOTAL_MOST];
    uint64_t failed[SERVERS_TOTAL_MOST];
    double zone_share[ZONE_COUNT];
};

struct fault_findings {
    bool reached;
    bool ended;
    const char *server;
    const char *fault; /* the act's name */
    double begin_s;
    double down_after_ms;
    double last_sent_after_ms; /* the last request before `down` was noticed */
    double quiet_after_ms;
    double returned_after_ms;
    uint64_t sent; /* while it lasted */
    uint64_t failed;
    uint32_t trials;
};

struct removal_findings {
    bool reached;
    const char *server;
    double begin_s;
    double idle_after_ms;
    double removed_after_ms;
    double released_after_ms;
    uint64_t picks_after_drain;
};

/* The near zone, lost and back. */
struct zone_findings {
    bool reached;
    bool ended;
    double begin_s;
    double quiet_after_ms;
    double returned_after_ms;
};

struct findings {
    struct totals totals;
    struct act_findings acts[ACT_COUNT];
    struct fault_findings faults[FAULT_COUNT];
    bool added_reached;
    const char *added_server;
    double added_s;
    double added_returned_after_ms; /* half of its fair share */
    struct removal_findings removal;
    struct zone_findings zone;
    unsigned
        released_once; /* servers with exactly one `released` event, of those that ever joined */
    unsigned joined;
};

void findings_make(struct findings *findings, const struct record *record,
                   const struct cluster *cluster);

#endif
