/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan of a host's checks: what results mean, and when the next check begins. Numbers only, no
 * clock and no I/O.
 *
 *     host    result    row                      verdict
 *     up      failed    failed + 1, passed = 0   DOWN at fall
 *             passed    passed + 1, failed = 0   HEAL
 *     down    failed    failed + 1, passed = 0   -           and the interval doubles
 *             passed    passed + 1, failed = 0   UP at rise
 *
 * Rows begin anew when the host goes down or comes back, whoever says so: of a host that was fine for
 * days one passed check after its crash is not the last of many. A check that began before then is the
 * first of the new row, but no verdict comes with it.
 */
#ifndef FO_CHECK_PLAN_H
#define FO_CHECK_PLAN_H

#include "atomic.h"

#include <failover/check.h>
#include <stdbool.h>

struct fo__check_plan {
    uint32_t epoch;  /* of the host, that the rows belong to */
    uint32_t passed; /* in a row */
    uint32_t failed;
};

enum fo__check_verdict {
    FO__CHECK_VERDICT_NONE,
    FO__CHECK_VERDICT_DOWN,
    FO__CHECK_VERDICT_UP,
    FO__CHECK_VERDICT_HEAL
};

/** Begins new rows if the host's epoch is another. True: it was. */
bool fo__check_plan_follow(struct fo__check_plan *plan, uint32_t epoch);

/** Counts a result. `current`: the check began in the host's present epoch, which was followed. */
enum fo__check_verdict fo__check_plan_count(struct fo__check_plan *plan,
                                            const struct fo_check_config *config, bool is_down,
                                            bool current, bool passed);

/** Nanoseconds from the begin of the last check to the next, with jitter. */
uint64_t fo__check_plan_interval_ns(const struct fo__check_plan *plan,
                                    const struct fo_check_config *config, bool is_down,
                                    _Atomic uint64_t *rng);

/** Nanoseconds before a check that counted neither way is made again, with jitter. */
uint64_t fo__check_plan_again_ns(const struct fo_check_config *config, _Atomic uint64_t *rng);

#endif
