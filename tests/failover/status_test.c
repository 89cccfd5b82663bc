/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <failover/failover.h>

Test(status, has_a_name_for_every_value)
{
    static const char *const names[] = {
        "FO_OK",        "FO_UNAVAILABLE", "FO_CLOSED", "FO_NOMEM",   "FO_EINVAL",  "FO_NOTFOUND",
        "FO_DUPLICATE", "FO_BUSY",        "FO_SYSTEM", "FO_STALE",   "FO_NOSPACE", "FO_OVERLOADED",
        "FO_WAIT",      "FO_DONE",        "FO_BUDGET", "FO_DEADLINE"};

    for (int value = 0; value < 16; value++)
        cr_expect_str_eq(fo_status_name((fo_status)value), names[value]);
    cr_expect_str_eq(fo_status_name((fo_status)16), "FO_?");
    cr_expect_str_eq(fo_status_name((fo_status)-1), "FO_?");
}

Test(status, keeps_the_numbers_of_statuses_and_outcomes)
{
    cr_expect_eq(FO_OK, 0);
    cr_expect_eq(FO_UNAVAILABLE, 1);
    cr_expect_eq(FO_CLOSED, 2);
    cr_expect_eq(FO_NOMEM, 3);
    cr_expect_eq(FO_EINVAL, 4);
    cr_expect_eq(FO_NOTFOUND, 5);
    cr_expect_eq(FO_DUPLICATE, 6);
    cr_expect_eq(FO_BUSY, 7);
    cr_expect_eq(FO_SYSTEM, 8);
    cr_expect_eq(FO_STALE, 9);
    cr_expect_eq(FO_NOSPACE, 10);
    cr_expect_eq(FO_OVERLOADED, 11);
    cr_expect_eq(FO_WAIT, 12);
    cr_expect_eq(FO_DONE, 13);
    cr_expect_eq(FO_BUDGET, 14);
    cr_expect_eq(FO_DEADLINE, 15);
    cr_expect_eq(FO_OUTCOME_SUCCESS, 1);
    cr_expect_eq(FO_OUTCOME_CANCELLED, 7);
}

Test(status, has_a_name_for_every_outcome)
{
    static const char *const names[] = {"?",          "success", "degraded", "failure",
                                        "overloaded", "down",    "neutral",  "cancelled"};

    for (int value = 0; value < 8; value++)
        cr_expect_str_eq(fo_outcome_name((fo_outcome)value), names[value]);
    cr_expect_str_eq(fo_outcome_name((fo_outcome)8), "?");
    cr_expect_str_eq(fo_outcome_name((fo_outcome)-1), "?");
}

Test(status, has_a_name_for_every_state)
{
    static const char *const names[] = {"?", "up", "down", "trial", "ejected"};

    for (int value = 0; value < 5; value++)
        cr_expect_str_eq(fo_state_name((fo_state)value), names[value]);
    cr_expect_str_eq(fo_state_name((fo_state)5), "?");
}

Test(status, has_a_name_for_every_reason)
{
    static const char *const names[] = {"none",
                                        "outcome down",
                                        "no health",
                                        "back-off over",
                                        "trial success",
                                        "trial failed",
                                        "started down",
                                        "check failed",
                                        "check passed",
                                        "restored",
                                        "ejected for failures",
                                        "ejected for failure rate",
                                        "ejected as outlier",
                                        "ejected for latency"};

    for (int value = 0; value < 14; value++)
        cr_expect_str_eq(fo_reason_name((fo_reason)value), names[value]);
    cr_expect_str_eq(fo_reason_name((fo_reason)14), "?");
}

Test(status, has_a_name_for_every_verdict)
{
    static const char *const names[] = {"?",          "eligible",   "drained",     "no weight",
                                        "lacks tags", "other zone", "level limit", "excluded",
                                        "down",       "level idle", "full"};

    for (int value = 0; value < 11; value++)
        cr_expect_str_eq(fo_verdict_name((fo_verdict)value), names[value]);
    cr_expect_str_eq(fo_verdict_name((fo_verdict)11), "?");
    cr_expect_str_eq(fo_verdict_name((fo_verdict)-1), "?");
}

Test(status, has_a_name_for_every_kind_of_event)
{
    static const char *const names[] = {"added",     "updated",   "down",     "trial",
                                        "recovered", "removed",   "released", "closed",
                                        "exhausted", "available", "weight"};

    for (int bit = 0; bit < 11; bit++)
        cr_expect_str_eq(fo_event_kind_name((fo_event_kind)(1 << bit)), names[bit]);
    cr_expect_str_eq(fo_event_kind_name(FO_EVENT_EJECTED), "ejected");
    cr_expect_eq(FO_EVENT_EJECTED, 1 << 11);
    cr_expect_str_eq(fo_event_kind_name((fo_event_kind)(1 << 12)), "?");
    cr_expect_str_eq(fo_event_kind_name((fo_event_kind)0), "?");
    cr_expect_str_eq(fo_event_kind_name(FO_EVENT_ALL), "?");
    cr_expect_eq(FO_EVENT_ALL, 1023 | 1 << 11);
}

Test(status, tells_the_version_of_the_headers)
{
    cr_expect_eq(fo_version(), FO_VERSION_MAJOR << 16 | FO_VERSION_MINOR << 8 | FO_VERSION_PATCH);
}

Test(status, has_a_name_for_every_load_policy)
{
    static const char *const names[] = {"none", "inverse", "least", "peak EWMA", "hot-cold", "?"};

    for (int value = 0; value < 6; value++)
        cr_expect_str_eq(fo_load_policy_name((fo_load_policy)value), names[value]);
}
