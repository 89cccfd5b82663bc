/* SPDX-License-Identifier: Apache-2.0
 *
 * The names of the public enumerations, and the version.
 */
#include <failover/failover.h>

#define NAME_OF(table, value, unknown)                                                             \
    ((size_t)(value) < sizeof(table) / sizeof((table)[0]) && (table)[value] != NULL                \
         ? (table)[value]                                                                          \
         : (unknown))

const char *fo_status_name(fo_status status)
{
    static const char *const names[] = {
        [FO_OK] = "FO_OK",
        [FO_UNAVAILABLE] = "FO_UNAVAILABLE",
        [FO_CLOSED] = "FO_CLOSED",
        [FO_NOMEM] = "FO_NOMEM",
        [FO_EINVAL] = "FO_EINVAL",
        [FO_NOTFOUND] = "FO_NOTFOUND",
        [FO_DUPLICATE] = "FO_DUPLICATE",
        [FO_BUSY] = "FO_BUSY",
        [FO_SYSTEM] = "FO_SYSTEM",
        [FO_STALE] = "FO_STALE",
        [FO_NOSPACE] = "FO_NOSPACE",
        [FO_OVERLOADED] = "FO_OVERLOADED",
        [FO_WAIT] = "FO_WAIT",
        [FO_DONE] = "FO_DONE",
        [FO_BUDGET] = "FO_BUDGET",
        [FO_DEADLINE] = "FO_DEADLINE",
    };
    return NAME_OF(names, status, "FO_?");
}

const char *fo_outcome_name(fo_outcome outcome)
{
    static const char *const names[] = {
        [FO_OUTCOME_SUCCESS] = "success",     [FO_OUTCOME_DEGRADED] = "degraded",
        [FO_OUTCOME_FAILURE] = "failure",     [FO_OUTCOME_OVERLOADED] = "overloaded",
        [FO_OUTCOME_DOWN] = "down",           [FO_OUTCOME_NEUTRAL] = "neutral",
        [FO_OUTCOME_CANCELLED] = "cancelled",
    };
    return NAME_OF(names, outcome, "?");
}

const char *fo_state_name(fo_state state)
{
    static const char *const names[] = {
        [FO_STATE_UP] = "up",
        [FO_STATE_DOWN] = "down",
        [FO_STATE_TRIAL] = "trial",
        [FO_STATE_EJECTED] = "ejected",
    };
    return NAME_OF(names, state, "?");
}

const char *fo_balancer_state_name(fo_balancer_state state)
{
    static const char *const names[] = {
        [FO_BALANCER_NORMAL] = "normal",
        [FO_BALANCER_OVERFLOWING] = "overflowing",
        [FO_BALANCER_LAST_RESORT] = "last resort",
        [FO_BALANCER_UNAVAILABLE] = "unavailable",
    };
    return NAME_OF(names, state, "?");
}

const char *fo_verdict_name(fo_verdict verdict)
{
    static const char *const names[] = {
        [FO_VERDICT_ELIGIBLE] = "eligible",     [FO_VERDICT_DRAINED] = "drained",
        [FO_VERDICT_NO_WEIGHT] = "no weight",   [FO_VERDICT_LACKS_TAGS] = "lacks tags",
        [FO_VERDICT_OTHER_ZONE] = "other zone", [FO_VERDICT_LEVEL_LIMIT] = "level limit",
        [FO_VERDICT_EXCLUDED] = "excluded",     [FO_VERDICT_DOWN] = "down",
        [FO_VERDICT_LEVEL_IDLE] = "level idle", [FO_VERDICT_FULL] = "full",
    };
    return NAME_OF(names, verdict, "?");
}

const char *fo_reason_name(fo_reason reason)
{
    static const char *const names[] = {
        [FO_REASON_NONE] = "none",
        [FO_REASON_OUTCOME_DOWN] = "outcome down",
        [FO_REASON_NO_HEALTH] = "no health",
        [FO_REASON_BACKOFF_OVER] = "back-off over",
        [FO_REASON_TRIAL_SUCCESS] = "trial success",
        [FO_REASON_TRIAL_FAILED] = "trial failed",
        [FO_REASON_STARTED_DOWN] = "started down",
        [FO_REASON_CHECK_FAILED] = "check failed",
        [FO_REASON_CHECK_PASSED] = "check passed",
        [FO_REASON_RESTORED] = "restored",
        [FO_REASON_EJECTED_FAILURES] = "ejected for failures",
        [FO_REASON_EJECTED_RATE] = "ejected for failure rate",
        [FO_REASON_EJECTED_OUTLIER] = "ejected as outlier",
        [FO_REASON_EJECTED_LATENCY] = "ejected for latency",
    };
    return NAME_OF(names, reason, "?");
}

const char *fo_event_kind_name(fo_event_kind kind)
{
    switch (kind) {
    case FO_EVENT_ADDED: return "added";
    case FO_EVENT_UPDATED: return "updated";
    case FO_EVENT_DOWN: return "down";
    case FO_EVENT_TRIAL: return "trial";
    case FO_EVENT_RECOVERED: return "recovered";
    case FO_EVENT_REMOVED: return "removed";
    case FO_EVENT_RELEASED: return "released";
    case FO_EVENT_CLOSED: return "closed";
    case FO_EVENT_EXHAUSTED: return "exhausted";
    case FO_EVENT_AVAILABLE: return "available";
    case FO_EVENT_WEIGHT: return "weight";
    case FO_EVENT_EJECTED: return "ejected";
    case FO_EVENT_ALL: break;
    }
    return "?";
}

uint32_t fo_version(void)
{
    return (uint32_t)FO_VERSION_MAJOR << 16 | (uint32_t)FO_VERSION_MINOR << 8 |
           (uint32_t)FO_VERSION_PATCH;
}

const char *fo_load_policy_name(fo_load_policy policy)
{
    static const char *const names[] = {
        [FO_LOAD_NONE] = "none",         [FO_LOAD_INVERSE] = "inverse",
        [FO_LOAD_LEAST] = "least",       [FO_LOAD_PEAK_EWMA] = "peak EWMA",
        [FO_LOAD_HOT_COLD] = "hot-cold",
    };
    return NAME_OF(names, policy, "?");
}
