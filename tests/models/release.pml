/* SPDX-License-Identifier: Apache-2.0
 *
 * Release: when may the data of an endpoint that was removed be given back? Exactly once, after its
 * last lease, and not at all when the endpoint was taken back into the membership before that.
 *
 * Leases are counted in rows, one per thread, so that a pick or a finish costs no locked
 * instruction: in flight = sum of started - sum of finished. Nobody can see *from rows* that this
 * became 0: two finishers that both sum can both see the other's lease still open. So a removed
 * endpoint counts its last leases in one shared counter, as the kernel's percpu_ref does:
 *
 *     fo_balancer_update, removing           fo_finish
 *     ----------------------------           ---------
 *     publish a snapshot without it          enter the read side
 *     leaving + 1                            leaving is 0 or life is LIVE: own row's finished + 1
 *     owed = BIAS; life = DRAINING           otherwise: owed - 1; reached 0: release
 *     grace period                           leave the read side
 *     owed + (started - finished) - BIAS
 *     reached 0: release
 *
 *     release:  compare and swap life DRAINING -> RELEASED; the winner queues the `released` event
 *     dispatcher, behind the event: grace period, leaving - 1, free the endpoint
 *
 * Why it works: after the grace period nobody adds to a row any more (picks hold the old snapshot
 * only inside the read side, finishers that saw LIVE are through), so the sum is exact. A finisher
 * that saw DRAINING before the sum was added has taken its 1 in advance. Until all of the sum is
 * in, BIAS keeps the counter away from 0. The model adds the sum cell by cell, which is the hardest
 * case and covers the code's single add (that one would come from below 0 and could do without
 * BIAS).
 *
 * Adding the name again competes for the same word: compare and swap DRAINING -> LIVE. When that
 * wins, it is published; a grace period later nobody uses `owed`, and what it has taken is added to
 * the endpoint's shared finished cell. When the update fails for want of memory, the endpoint is
 * drained again. When the compare and swap loses, the name gets a new incarnation.
 *
 * Models     release.c (all of it), finish.c fo_finish and fo__finish_count, lease.h
 *            fo__lease_start, publish.c fo__publish, fo__publish_settle and
 *            fo__publish_fold_revived, update_resolve.c (taking back), update_prepare.c drain_again,
 *            members.c fo__members_free
 * Processes  two finishers with one lease each, taken on the other's row, finished or kept for
 *            ever; a picker without a row (shared cells) that picks and finishes twice; a remover,
 *            twice, and a re-adder, once, in any order, since they only share the update lock; a
 *            dispatcher
 * Checked    when `released` is queued: the endpoint is draining, no lease is open, it is the first
 *            at the end, for each incarnation: `released` was queued if and only if it is no member
 *            and has no open lease; rows and `owed` give exactly the number of open leases
 *            nobody touches an endpoint that was freed; no deadlock
 * Planted    NO_READ_SIDE: fo_finish reads and counts outside the read side. Its row count comes
 *            after the sum was taken: the last lease is never seen to end.
 *            NO_BIAS: the counter starts at 0. Between two cells a finisher brings it to 0:
 *            released with a lease open.
 *            RELEASE_WITHOUT_CAS: who reaches 0 stores RELEASED. The re-adder has just taken the
 *            endpoint back: a member is released.
 *            LATE_BIAS: life = DRAINING comes first. A finish in between is forgotten.
 *            LATE_LEAVING: `leaving` rises behind the grace period. A finisher still uses its row.
 *            NO_GRACE_BEFORE_SETTLE: a finisher that saw LIVE, or a picker with the old snapshot,
 *            counts in a row that was summed already.
 *            NO_GRACE_BEFORE_FOLD: a finisher that saw DRAINING uses `owed` after it was read.
 */
/* planted: NO_READ_SIDE NO_BIAS RELEASE_WITHOUT_CAS LATE_BIAS LATE_LEAVING */
/* planted: NO_GRACE_BEFORE_SETTLE NO_GRACE_BEFORE_FOLD */

#include "rcu.inc"

#define INCARNATIONS 2
#define CELLS 3
#define SHARED 2 /* the endpoint's shared cells; 0 and 1 are rows */
#define NONE INCARNATIONS
#ifdef NO_BIAS
#define BIAS 0
#else
#define BIAS 16
#endif

mtype = { LIVE, DRAINING, RELEASED };

typedef endpoint_t {
    mtype life;
    short owed;
    short open_when_settled;
    byte started[CELLS];
    byte finished[CELLS];
    bool queued;   /* its event waits for the dispatcher */
    byte open;     /* ghost: the truth */
    byte released; /* ghost: `released` events queued */
    bool freed;    /* ghost */
};

endpoint_t endpoints[INCARNATIONS];
byte incarnations;    /* made so far; the last one has the name */
byte snapshot = NONE; /* its only slot */
byte leaving;         /* endpoints that may be draining */
bool update_lock;

#define E endpoints

inline lock()
{
    atomic { !update_lock; update_lock = true }
}

inline unlock()
{
    update_lock = false
}

inline make_incarnation()
{
    d_step {
        E[incarnations].life = LIVE;
        incarnations++
    }
}

/* ---- fo__release_... ------------------------------------------------------------------------- */

inline witness_release(i)
{
    assert(!E[i].freed);
    assert(E[i].life == DRAINING);
    assert(E[i].open == 0);
    assert(E[i].released == 0);
    E[i].released++
}

/* take_release(), and what its winner does. */
inline release(i)
{
    atomic {
#ifdef RELEASE_WITHOUT_CAS
        witness_release(i);
        E[i].life = RELEASED;
        won = true
#else
        won = (E[i].life == DRAINING);
        if
        :: won -> witness_release(i); E[i].life = RELEASED
        :: else /* taken back */
        fi
#endif
    }
    if
    :: won -> atomic { assert(!E[i].freed); E[i].queued = true }
    :: else
    fi
}

inline begin(i)
{
#ifdef LATE_BIAS
    E[i].life = DRAINING;
    E[i].owed = BIAS
#else
    E[i].owed = BIAS;
    E[i].life = DRAINING
#endif
}

/* Caller holds the update lock and has waited for a grace period since begin(). */
inline settle(i)
{
    E[i].open_when_settled = 0;
    for (cell : 0 .. CELLS - 1) {
        d_step {
            left = E[i].started[cell] - E[i].finished[cell];
            E[i].open_when_settled = E[i].open_when_settled + left;
            E[i].owed = E[i].owed + left
        }
    }
    atomic { E[i].owed = E[i].owed - BIAS; left = E[i].owed }
    if
    :: left == 0 -> release(i)
    :: else
    fi
}

/* Caller holds the update lock and has waited for a grace period since life = LIVE. */
inline fold_revived(i)
{
    left = E[i].open_when_settled - E[i].owed;
    E[i].finished[SHARED] = E[i].finished[SHARED] + left
}

/* ---- Picks and finishes ---------------------------------------------------------------------- */

inline pick(cell)
{
    read_lock(me);
    lease = snapshot;
    if
    :: lease != NONE ->
        atomic { assert(!E[lease].freed); E[lease].started[cell]++; E[lease].open++ }
    :: else
    fi;
    read_unlock(me)
}

inline finish(cell)
{
#ifndef NO_READ_SIDE
    read_lock(me);
#endif
    life = LIVE;
    if
    :: leaving != 0 -> atomic { assert(!E[lease].freed); life = E[lease].life }
    :: else
    fi;
    if
    :: life == LIVE ->
        atomic { E[lease].finished[cell]++; E[lease].open-- }
    :: else ->
        atomic {
            assert(!E[lease].freed);
            E[lease].owed--;
            E[lease].open--;
            left = E[lease].owed
        }
        if
        :: left == 0 -> release(lease)
        :: else
        fi
    fi;
#ifndef NO_READ_SIDE
    read_unlock(me)
#endif
}

proctype finisher(byte me)
{
    byte lease;
    mtype life;
    short left;
    bool won;

    if
    :: finish(me)
    :: true /* keeps its lease */
    fi
}

proctype picker(byte me)
{
    byte lease, round;
    mtype life;
    short left;
    bool won;

    for (round : 1 .. 2) {
        pick(SHARED);
        if
        :: lease != NONE -> finish(SHARED)
        :: else
        fi
    }
}

/* ---- Updates --------------------------------------------------------------------------------- */

proctype remover()
{
    byte i, cell, round;
    short left;
    bool won;

    for (round : 1 .. 2) {
        lock();
        i = snapshot;
        if
        :: i != NONE ->
            snapshot = NONE;
#ifndef LATE_LEAVING
            leaving++;
#endif
            begin(i);
#ifndef NO_GRACE_BEFORE_SETTLE
            synchronize(UPDATER);
#endif
#ifdef LATE_LEAVING
            leaving++;
#endif
            settle(i)
        :: else /* FO_NOTFOUND */
        fi;
        unlock()
    }
}

inline after_taking_back(i)
{
    if
    :: leaving--;
       snapshot = i;
#ifndef NO_GRACE_BEFORE_FOLD
       synchronize(UPDATER);
#endif
       fold_revived(i)
    :: synchronize(UPDATER); /* FO_NOMEM: it goes on leaving */
       fold_revived(i);
       begin(i);
       synchronize(UPDATER);
       settle(i)
    fi
}

proctype re_adder()
{
    byte i, cell;
    short left;
    bool won;

    lock();
    if
    :: snapshot == NONE ->
        i = incarnations - 1;
        atomic {
            won = (E[i].life == DRAINING);
            if
            :: won -> E[i].life = LIVE
            :: else
            fi
        }
        if
        :: won -> after_taking_back(i)
        :: else -> make_incarnation(); snapshot = incarnations - 1
        fi
    :: else /* known: nothing to do */
    fi;
    unlock()
}

/* Delivers `released`, then frees. events.pml has all of it. */
proctype dispatcher()
{
    byte i;

end:
    do
    :: atomic {
           if
           :: E[0].queued -> i = 0
           :: E[1].queued -> i = 1
           fi;
           E[i].queued = false
       }
       synchronize(DISPATCHER);
       lock();
       leaving--;
       E[i].freed = true;
       unlock()
    od
}

/* ---- The end --------------------------------------------------------------------------------- */

inline check_end(i)
{
    in_flight = E[i].started[0] + E[i].started[1] + E[i].started[SHARED] -
                (E[i].finished[0] + E[i].finished[1] + E[i].finished[SHARED]);
    if
    :: i == snapshot ->
        assert(E[i].life == LIVE);
        assert(E[i].released == 0);
        assert(in_flight == E[i].open)
    :: i != snapshot && E[i].open > 0 ->
        assert(E[i].life == DRAINING);
        assert(E[i].released == 0);
        assert(E[i].owed == E[i].open)
    :: else ->
        assert(E[i].life == RELEASED);
        assert(E[i].released == 1);
        assert(E[i].owed == 0)
    fi
}

init {
    byte i;
    short in_flight;

    atomic {
        make_incarnation();
        snapshot = 0;
        E[0].started[0] = 1; /* finisher 1 holds it */
        E[0].started[1] = 1; /* finisher 0 holds it */
        E[0].open = 2;
        run dispatcher();
        run finisher(0);
        run finisher(1);
        run picker(2);
        run remover();
        run re_adder()
    }
    (_nr_pr == 2); /* the dispatcher never ends */
    for (i : 0 .. incarnations - 1) {
        check_end(i)
    }
}
