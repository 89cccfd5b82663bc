/* SPDX-License-Identifier: Apache-2.0
 *
 * Lease checking, for debugging: a process-wide table of open leases by nonce. It is looked at before
 * anything that a lease points at is touched, so a copy that was finished is caught even when its
 * endpoint is gone.
 */
#ifndef FO_LEASE_CHECK_H
#define FO_LEASE_CHECK_H

#include "lease.h"

/** A balancer whose leases are checked, and where to complain. */
struct fo__lease_check {
    const struct fo__core *core;
    fo_log_fn log;
    void *log_arg;
    struct fo__lease_check *next;
};

/** Begins and ends complaining about a balancer's leases. Takes a lock. */
void fo__lease_check_attach(struct fo__lease_check *check);
void fo__lease_check_detach(struct fo__lease_check *check);

/** Gives the lease a nonce and remembers it; without memory the lease goes unchecked. Takes a lock. */
void fo__lease_check_open(struct fo_lease *lease);

/** Forgets the lease. False, and logged: it was not open, a copy of it was finished before. Takes a
 * lock. */
bool fo__lease_check_close(const struct fo_lease *lease);

/** Open leases of one balancer. Takes a lock. */
size_t fo__lease_check_count(const struct fo__core *core);

/** Around fork(), before it and after it in both processes. */
void fo__lease_check_before_fork(void);
void fo__lease_check_after_fork(void);

#endif
