/* SPDX-License-Identifier: Apache-2.0
 *
 * Release: finding the last lease of a removed endpoint without counting leases in one place.
 *
 * While an endpoint is a member, its leases are counted in many rows, and nobody knows their sum. When
 * it is removed, the sum must be known exactly once at exactly zero. The way out is that of Linux'
 * percpu_ref: switch from the spread counters to a single one, with a grace period in between.
 *
 *   LIVE ───begin()──► DRAINING ──(owed reaches 0)──► RELEASED, once, by one thread
 *     ▲                   │
 *     └────revive()───────┘        adding the name again takes the incarnation back, if it can
 *
 *   remover                                   finisher, inside a read section
 *   ───────                                   ───────────────────────────────
 *   unpublish (no new leases)                 if life is DRAINING:
 *   owed = BIAS; life = DRAINING                  owed -= 1; at 0: CAS to RELEASED
 *   grace period                              else
 *   open = Σ started − Σ finished                 finished += 1 in its own row
 *   owed += open − BIAS; at 0: CAS to RELEASED
 *
 * Why it is right. After the grace period every finisher that can still run began after DRAINING was
 * stored, so it sees it: the rows no longer move, their sum is exact, and those that saw DRAINING
 * before the sum are already in `owed`. The bias keeps `owed` from reaching 0 before the sum is in, also if
 * the sum were added piece by piece as the model does it (in one piece it only ever falls below 0).
 * Summing rows without this fails: of two last finishers on two rows neither may see zero.
 *
 * Why the read section. Without it a finisher that saw LIVE may be delayed for ever before its count,
 * and the sum misses it. tests/models/release.pml finds both mistakes, tests/explore walks through
 * the interleavings of this code.
 */
#ifndef FO_RELEASE_H
#define FO_RELEASE_H

#include "atomic.h"

enum fo__life { FO__LIVE = 0, FO__DRAINING = 1, FO__RELEASED = 2 };

struct fo__release {
    _Atomic uint32_t life;
    _Atomic int64_t owed; /* leases that are not yet finished, once settled */
    int64_t open;         /* the remover's: leases open when settled */
};

static inline void fo__release_init(struct fo__release *release)
{
    atomic_init(&release->life, FO__LIVE);
    atomic_init(&release->owed, 0);
    release->open = 0;
}

/** Whether finishes must go through fo__release_finish(). In a read section. */
static inline bool fo__release_is_draining(struct fo__release *release)
{
    /* Acquire: pairs with begin()'s release, so that the bias is in `owed`. */
    return fo__load_acquire(&release->life) != FO__LIVE;
}

/** A lease of a draining endpoint is finished. True: it was the last, and the caller queues it. */
bool fo__release_finish(struct fo__release *release);

/** Removal, first half: before the grace period, after the endpoint was unpublished. */
void fo__release_begin(struct fo__release *release);

/** Removal, second half: after the grace period. True: nothing was open, and the caller queues it. */
bool fo__release_settle(struct fo__release *release, int64_t open);

/** Takes a draining endpoint back. False: it is released already. */
bool fo__release_revive(struct fo__release *release);

/** In a child after fork(): no lease of a removed endpoint is open any more. A thread that is gone may
 * have finished the last one and told nobody. */
void fo__release_after_fork(struct fo__release *release);

/** After a grace period behind revive(): finishes that went to `owed` and are in no row. */
int64_t fo__release_revived(struct fo__release *release);

#endif
