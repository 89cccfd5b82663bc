/* SPDX-License-Identifier: Apache-2.0
 *
 * Outcome: what a finished request does to its host's word.
 */
#ifndef FO_OUTCOME_H
#define FO_OUTCOME_H

#include "core.h"

#include <failover/base.h>

/* For an outcome that is not known to have been in flight with others. */
#define FO__STRIKES_NOW UINT32_MAX

/** What is known about the request. */
struct fo__evidence {
    fo_outcome outcome;
    uint32_t epoch;   /* of the host word when the request was picked */
    bool has_lease;   /* false: reported by name, cannot lift a host out of down */
    uint32_t strikes; /* of the host when the request was picked; FO__STRIKES_NOW: no matter */
    uint64_t trial;   /* fo__word_trial() if its lease is that trial, else 0 */
};

static inline bool fo__outcome_is_valid(fo_outcome outcome)
{
    return (unsigned)outcome - 1 < (unsigned)FO_OUTCOME_CANCELLED;
}

/** Whether it counts in fo_endpoint_info.failed. */
static inline bool fo__outcome_is_failed(fo_outcome outcome)
{
    return outcome == FO_OUTCOME_FAILURE || outcome == FO_OUTCOME_DOWN;
}

/**
 * Applies an outcome: one CAS on the host word, the contribution in this balancer's sums mended, and
 * the host queued for the dispatcher when its state changed.
 *
 * The caller holds the endpoint (an open lease) and is in no read section: a weight function of the
 * embedder's may run.
 */
void fo__outcome_apply(struct fo__core *core, struct fo_endpoint *endpoint,
                       const struct fo__evidence *evidence);

/** Checks say that the host is down: takes it there, also from an ejection, unless its epoch is another. True: done. The
 * caller as for fo__outcome_apply(), for the endpoint lives. */
bool fo__outcome_fell(struct fo__core *core, struct fo_endpoint *endpoint, uint32_t epoch,
                      fo_reason reason);

/** Checks say that a host that is down is back: lifts it as a successful trial does, unless its epoch
 * is another. True: done. Likewise. */
bool fo__outcome_lift(struct fo__core *core, struct fo_endpoint *endpoint, uint32_t epoch);

/**
 * The same for the plainest case, in integers and in one read section, the caller's: a success of a
 * lease of that epoch, above every minimum, by a built-in weight function. False: it is not that
 * case, and nothing was done.
 */
bool fo__outcome_heal(struct fo__core *core, struct fo_endpoint *endpoint,
                      _Atomic uint64_t *host_word, uint32_t epoch);

/** Changes a host's word, with all that follows a change. False: the word is another meanwhile. The
 * caller holds the endpoint, or the balancer's update lock. */
bool fo__outcome_change_word(struct fo__core *core, struct fo_endpoint *endpoint, uint64_t before,
                             uint64_t after);

#endif
