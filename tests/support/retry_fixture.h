/* SPDX-License-Identifier: Apache-2.0
 *
 * A retrier on a fixture's virtual time, and one request on it.
 *
 *     struct retry_fixture r;
 *     retry_fixture_open(&r, 3, NULL);        e0 e1 e2, a retrier with seed 1, the request begun
 *     retry_next(&r)                          FO_OK: r.lease and r.advice
 *     retry_next_waiting(&r)                  the same, pauses waited for
 *     retry_report(&r, FO_OUTCOME_FAILURE)    of r.lease
 *     retry_again(&r)                         ends the request, begins another
 *     retry_fixture_close(&r)                 ends what is left; every lease was finished
 */
#ifndef RETRY_FIXTURE_H
#define RETRY_FIXTURE_H

#include "fixture.h"

struct retry_fixture {
    struct fixture f;
    struct fo_retrier *retrier;
    struct fo_retry retry;
    struct fo_lease lease;
    struct fo_retry_advice advice;
};

/** A policy with seed 1. */
struct fo_retry_policy retry_policy(void);

/** policy NULL: retry_policy(). */
void retry_fixture_open(struct retry_fixture *r, size_t n, const struct fo_retry_policy *policy);
void retry_fixture_close(struct retry_fixture *r);

/** Replaces the retrier; no request is begun. */
void retry_use_policy(struct retry_fixture *r, const struct fo_retry_policy *policy);

fo_status retry_next(struct retry_fixture *r);
fo_status retry_next_waiting(struct retry_fixture *r);
void retry_report(struct retry_fixture *r, fo_outcome outcome);
void retry_again(struct retry_fixture *r);

/** The index of the endpoint in r->lease. */
size_t retry_where(const struct retry_fixture *r);

#endif
