/* SPDX-License-Identifier: Apache-2.0
 *
 * The host word: outcomes arrive late, in any order, from before a crash and after a recovery.
 *
 *     health | DOWN | DUE | TRIAL | epoch        one word, every change one compare and swap
 *     trial  |                                   (a host that is down has no health)
 *
 *     up, epoch e --- down, or no health left ---> DOWN, epoch e+1 --- success ---> up, epoch e+2
 *
 *     while down:  DOWN --- back-off over ---> DOWN DUE --- a pick takes it ---> DOWN TRIAL
 *                   ^                                                                |
 *                   +------------ the trial failed, or ran out of time --------------+
 *
 * A lease remembers the epoch of its pick. An outcome of another epoch moves nothing: a request
 * sent before the crash must not lift the server, nor a timeout from before the recovery kill it
 * again. An outcome of this epoch always moves what it should: who loses the compare and swap
 * starts over. The epoch rises with each change to or from down and with nothing else: a repeated
 * down, an offered, taken, failed or expired trial leave it, or the trial's own success would come
 * too late.
 *
 * A trial may run out of time and its lease come back when the next one is out. Each trial that is
 * taken has the next number, which its lease remembers, too: another trial it does not end.
 *
 * Models     host.h (the word), outcome.c fo__outcome_apply and judge_..., report.c fo_report
 *            (takes the epoch when it begins; never lifts), offer.c fo__offer_take, lease.h
 *            fo__lease_start (the word goes into the lease), trial.c fo__trial_due
 * Processes  three callers with two requests, one, and one request or report by name: pick (also
 *            the trickle that min_weight lets through while down), then success, failure, down or
 *            cancelled; a timer that acts three times
 * Checked    at each change: only a lease picked since the last change to or from down moves
 *            health, lifts or lowers; no report by name lifts; the epoch is the number of changes
 *            to and from down; health is what the outcomes make of it in their order: none lost,
 *            none twice
 *            where nothing is changed: the lease is old, or health is full, or the host is down and
 *            the outcome does not lift it
 *            a trial that did not succeed is ended by its own lease, or by the timer
 * Planted    NO_EPOCH: outcomes are not compared. An old outcome moves health, lifts, lowers.
 *            NO_EPOCH_FOR_FAILURES: only successes are. A timeout from before the recovery lowers.
 *            LOST_UPDATE: load, compute, store. Of two failures one is lost.
 *            EPOCH_ON_REPEATED_DOWN: a down of a host that is down raises the epoch.
 *            REPORT_LIFTS: a success without a lease lifts.
 *            EPOCH_OF_NOW: the lease takes the epoch when it is finished, not when it is picked.
 *            NO_TRIAL_NUMBER: a lease ends whatever trial is out.
 */
/* planted: NO_EPOCH NO_EPOCH_FOR_FAILURES LOST_UPDATE EPOCH_ON_REPEATED_DOWN REPORT_LIFTS */
/* planted: EPOCH_OF_NOW NO_TRIAL_NUMBER */

#define FULL 3
#define RECOVERED 1 /* health after recovery */

/* The packed word. Few changes to and from down can happen here, so the epoch does not wrap. */
#define HEALTH(w) ((w) & DOWN -> 0 : (w) & 3)
#define NUMBER(w) ((w) & 3) /* of four trials: more cannot happen here */
#define DOWN 4
#define DUE 8
#define TRIAL 16
#define EPOCH(w) ((w) >> 5)
#define WORD(health, flags, epoch) ((health) | (flags) | ((epoch) << 5))

mtype = { success, failure, down, cancelled };

short word = WORD(FULL, 0, 0);

/* Ghosts: what really happened, in the order of the changes. */
byte downs, recoveries;
byte out; /* whose trial is out; 0: nobody's */
byte expected = FULL; /* health */

#define IS_UP (downs == recoveries)
#define FRESH (my_downs == downs && my_recoveries == recoveries)

#ifdef NO_EPOCH_FOR_FAILURES
#define COMPARED (outcome == success)
#else
#define COMPARED true
#endif

#ifdef NO_TRIAL_NUMBER
#define ENDS_TRIAL (is_trial && (w & TRIAL))
#else
#define ENDS_TRIAL (is_trial && (w & TRIAL) && NUMBER(w) == number)
#endif

/* Sets next. */
inline judge()
{
    if
    :: outcome == success && !(w & DOWN) && HEALTH(w) < FULL -> next = w + 1
    :: outcome == failure && !(w & DOWN) && HEALTH(w) > 1 -> next = w - 1
    :: outcome == failure && !(w & DOWN) && HEALTH(w) == 1 -> next = WORD(0, DOWN, EPOCH(w) + 1)
    :: outcome == down && !(w & DOWN) -> next = WORD(0, DOWN, EPOCH(w) + 1)
#ifdef REPORT_LIFTS
    :: outcome == success && (w & DOWN) -> next = WORD(RECOVERED, 0, EPOCH(w) + 1)
#else
    :: outcome == success && (w & DOWN) && has_lease -> next = WORD(RECOVERED, 0, EPOCH(w) + 1)
#endif
    :: outcome == failure && ENDS_TRIAL -> next = w & ~TRIAL
#ifdef EPOCH_ON_REPEATED_DOWN
    :: outcome == down && (w & DOWN) -> next = WORD(0, DOWN, EPOCH(w) + 1)
#else
    :: outcome == down && ENDS_TRIAL -> next = w & ~TRIAL
#endif
    :: outcome == cancelled && ENDS_TRIAL -> next = (w & ~TRIAL) | DUE
    :: else -> next = w
    fi
}

/* At the moment of a change: does the word say what history says? */
inline witness_change()
{
    assert(outcome == success || !(w & TRIAL) || (next & TRIAL) || out == _pid);
    out = (next & TRIAL -> out : 0);
    if
    :: outcome == success && IS_UP ->
        assert(FRESH);
        expected = (expected < FULL -> expected + 1 : FULL)
    :: outcome == success && !IS_UP ->
        assert(FRESH && has_lease); /* else: a success from before the last down lifts */
        expected = RECOVERED;
        recoveries++
    :: outcome == failure && IS_UP ->
        assert(FRESH); /* else: a failure from before the recovery lowers */
        expected--;
        downs = (expected == 0 -> downs + 1 : downs)
    :: outcome == down && IS_UP ->
        assert(FRESH);
        expected = 0;
        downs++
    :: else
    fi;
    assert(HEALTH(word) == expected);
    assert(!(word & DOWN) == IS_UP);
    assert(EPOCH(word) == downs + recoveries)
}

inline witness_nothing()
{
    assert(!IS_UP || outcome == cancelled || (outcome == success && expected == FULL));
    assert(IS_UP || outcome != success || !has_lease)
}

inline apply()
{
#ifdef EPOCH_OF_NOW
    epoch = EPOCH(word);
#endif
    do
    :: atomic {
           w = word;
#ifndef NO_EPOCH
           if
           :: COMPARED && EPOCH(w) != epoch ->
               assert(!FRESH); /* else: a report is lost */
               break
           :: else
           fi;
#endif
           judge();
           if
           :: next == w -> witness_nothing(); break
           :: else
           fi
       }
       atomic {
#ifdef LOST_UPDATE
           word = next; witness_change(); break
#else
           if
           :: word == w -> word = next; witness_change(); break
           :: else
           fi
#endif
       }
    od
}

/* Sets picked. A report by name takes its epoch like a pick, whatever the state. */
inline pick()
{
    atomic {
        w = word;
        epoch = EPOCH(w);
        my_downs = downs;
        my_recoveries = recoveries;
        picked = !(w & DOWN) || !has_lease;
        is_trial = false
    }
    if
    :: !picked && (w & DUE) ->
        atomic {
            if
            :: word == w ->
                number = NUMBER(w + 1);
                word = (w & ~(DUE | 3)) | TRIAL | number;
                out = _pid;
                picked = true;
                is_trial = true
            :: else
            fi
        }
    :: !picked -> picked = true /* the trickle */
    :: else
    fi
}

proctype caller(byte rounds; bool has_lease)
{
    short w, next;
    byte epoch, number, my_downs, my_recoveries;
    mtype outcome;
    bool picked, is_trial;

    do
    :: rounds > 0 ->
        rounds--;
        pick();
        if
        :: picked ->
            if
            :: outcome = success
            :: outcome = failure
            :: outcome = down
            :: outcome = cancelled
            fi;
            apply()
        :: else /* the trial was taken by another */
        fi
    :: rounds == 0 -> break
    od
}

inline next_flags(changed)
{
    atomic {
        if
        :: word == w -> word = changed
        :: else
        fi
    }
}

proctype timer()
{
    short w;
    byte round;

    for (round : 1 .. 3) {
        w = word;
        if
        :: (w & TRIAL) -> next_flags(w & ~TRIAL); /* it ran out of time */
            out = (word & TRIAL -> out : 0)
        :: (w & DOWN) && !(w & TRIAL) && !(w & DUE) -> next_flags(w | DUE) /* back-off over */
        :: (w & DUE) || !(w & DOWN)
        fi
    }
}

init {
    atomic {
        run timer();
        run caller(2, true);
        run caller(1, true);
        if
        :: run caller(1, false)
        :: run caller(1, true)
        fi
    }
}
