/* SPDX-License-Identifier: Apache-2.0
 *
 * Reviews: the shares of the tiers follow what the tiers are worth, without a lock.
 *
 *     mend the contribution, add the difference to the tier's worth
 *     judge the worth of all tiers
 *     loop: store the shares
 *           set or clear the attention bit
 *           exchange the state
 *           judge again
 *     until the verdict is what is stored
 *
 * Two may review at once, and the one that knows less may write last. So whoever has written looks
 * again. Why it works: of all who review a snapshot, one exchanges its state last. He sees whatever the
 * others added and stored before they exchanged it, and there is nothing else: his second verdict is
 * the last word, and if anything stored differs, he would have gone round once more.
 *
 * That he compares with what is stored counts: an addition may become visible behind the shares that
 * were judged from it. Then another reviewer overwrites these, and his second look still finds the
 * old worth, so he is content; only the one who added can see it.
 *
 * New snapshots: shares and state are the snapshot's, but the attention bit is the balancer's, and
 * reviewers on the old snapshot write it until their sections end. So the updater reviews the new one
 * as soon as it is published, and again behind the grace period, when it has mended it.
 *
 * Every process has a store buffer, which is drained word by word in any order. A read-modify-write is
 * alone on its word: it waits until no other process has that word in its buffer; if it is a release,
 * also until its process' own buffer is empty. But its own store goes into the buffer, and loads
 * behind it run ahead of it, as behind stlxr on arm64. An addition is no release. The attention bit and
 * the publication need no place in the buffer: the next release comes before anybody can tell.
 *
 * Models     review.c fo__review; outcome.c swap_word; publish.c fo__publish. Two tiers of one slot
 *            each; the new snapshot has them the other way round. All shares and panics are one word.
 * Processes  two changers, of one slot or of both, and an updater that replaces the snapshot; or three
 *            changers; each takes its host down or lets it recover
 * Checked    at the end: each tier of the published snapshot is worth what its host is; shares, state
 *            and the attention bit are the verdict of that; no deadlock. Not that a review ends: as
 *            long as two differ about the attention bit, on the old snapshot and on the new, each may
 *            send the other round once more.
 * Planted    NO_SECOND_LOOK: a reviewer writes once. He writes what he judged before another's
 *            addition behind that other's review.
 *            OWN_VERDICT: the second verdict is compared with the first, not with what is stored.
 *            NO_EXCHANGE: the state is only stored. It becomes visible behind another's review, and
 *            the second look was too early to see the other's addition.
 *            NO_REVIEW_AFTER_GRACE: the updater reviews only once. What it mends later is not judged,
 *            and a reviewer on the old snapshot writes the attention bit behind it.
 */
/* planted: NO_SECOND_LOOK OWN_VERDICT NO_EXCHANGE NO_REVIEW_AFTER_GRACE */

#include "rcu.inc"

#define SLOTS 2
#define PROCESSES 3

/* The words that are written by plain stores or additions, or whose exchange has loads behind it. */
#define WORTH(t, slot) (4 * (t) + (slot))
#define SHARES(t) (4 * (t) + 2)
#define STATE(t) (4 * (t) + 3)
#define WORDS 8

/* Verdicts. */
#define NORMAL 1
#define OVERFLOWING 2
#define LAST_RESORT 3

#define VERDICT(first, second) ((first) -> NORMAL : ((second) -> OVERFLOWING : LAST_RESORT))
#define ATTENTION(verdict) ((verdict) != NORMAL)

#define NOTHING 2 /* worth above it is worth; a subtraction may overtake the addition that it undoes */
#define IS_WORTH(word) ((word) > NOTHING)

byte hosts[SLOTS]; /* 1: up */
byte contributions[2 * SLOTS];
byte memory[WORDS];
byte buffered[PROCESSES]; /* bit w: word w is in the buffer */
byte value[PROCESSES * WORDS];
bool attention;
byte snapshot; /* which one is published */
byte done;

#define CONTRIBUTION(t, slot) contributions[SLOTS * (t) + (slot)]
#define VALUE(w) value[WORDS * me + (w)]
#define BUFFERED (buffered[0] | buffered[1] | buffered[2])
#define IS_BUFFERED(w) ((buffered[me] >> (w)) % 2)
#define IS_ALONE(w) (((BUFFERED & ~buffered[me]) >> (w)) % 2 == 0)
#define LOADED(w) (IS_BUFFERED(w) -> VALUE(w) : memory[w])
#define RELEASED (buffered[me] == 0) /* everything stored before is visible */

#define DRAINED(w) \
    atomic { \
        IS_BUFFERED(w) -> \
        memory[w] = VALUE(w); \
        VALUE(w) = 0; \
        buffered[me] = buffered[me] & ~(1 << (w)) \
    }

proctype store_buffer(byte me)
{
end:
    do
    :: DRAINED(WORTH(0, 0))
    :: DRAINED(WORTH(0, 1))
    :: DRAINED(SHARES(0))
    :: DRAINED(STATE(0))
    :: DRAINED(WORTH(1, 0))
    :: DRAINED(WORTH(1, 1))
    :: DRAINED(SHARES(1))
    :: DRAINED(STATE(1))
    od
}

inline store(w, v)
{
    d_step {
        VALUE(w) = v;
        buffered[me] = buffered[me] | (1 << (w))
    }
}

inline exchange(w, v)
{
    atomic {
        RELEASED && IS_ALONE(w);
        store(w, v)
    }
}

inline add(w, difference)
{
    atomic {
        IS_ALONE(w);
        difference = difference + LOADED(w);
        store(w, difference);
        difference = 0
    }
}

/* In one step: that contributions follow the words is repair.pml's matter. */
inline mend(slot)
{
    d_step {
        difference = hosts[slot] - CONTRIBUTION(tree, slot);
        CONTRIBUTION(tree, slot) = hosts[slot]
    };
    if
    :: difference != 0 -> add(WORTH(tree, slot), difference)
    :: else
    fi
}

/* Snapshot 0 prefers slot 0, snapshot 1 slot 1. */
inline judge()
{
    is_live = IS_WORTH(LOADED(WORTH(tree, tree)));
    d_step {
        verdict = VERDICT(is_live, IS_WORTH(LOADED(WORTH(tree, 1 - tree))));
        is_live = false
    }
}

inline write()
{
    store(SHARES(tree), verdict);
    atomic { RELEASED -> attention = ATTENTION(verdict) }
#ifdef NO_EXCHANGE
    store(STATE(tree), verdict)
#else
    exchange(STATE(tree), verdict)
#endif
}

/* Sets stands. */
inline compare()
{
    stands = LOADED(SHARES(tree)) == verdict;
    stands = stands && attention == ATTENTION(verdict);
    stands = stands && LOADED(STATE(tree)) == verdict
}

inline review()
{
    judge();
    do
    :: write();
#ifdef NO_SECOND_LOOK
       break
#else
#ifdef OWN_VERDICT
       first = verdict;
       judge();
       stands = verdict == first;
#else
       judge();
       compare();
#endif
       if
       :: atomic { stands -> stands = false; break }
       :: else
       fi
#endif
    od;
    verdict = 0
}

proctype changer(byte me; byte slot)
{
    byte tree, verdict, first;
    short difference;
    bool is_live, stands;

    atomic {
        read_lock(me);
        hosts[slot] = 1 - hosts[slot] /* a compare and swap, in a loop */
    }
    tree = snapshot;
    mend(slot);
    review();
    atomic {
        RELEASED;
        read_unlock(me);
        tree = 0;
        done++
    }
}

proctype updater(byte me)
{
    byte tree = 1;
    byte slot, verdict, first;
    short difference;
    bool is_live, stands;

    for (slot : 0 .. SLOTS - 1) {
        atomic {
            CONTRIBUTION(1, slot) = hosts[slot];
            memory[WORTH(1, slot)] = NOTHING + hosts[slot]
        }
    }
    snapshot = 1; /* nobody sees it before: as good as drained */
    review();
    RELEASED; /* a grace period begins with a full barrier */
    synchronize(UPDATER);
    for (slot : 0 .. SLOTS - 1) {
        atomic { RELEASED -> mend(slot) }
    }
#ifndef NO_REVIEW_AFTER_GRACE
    review();
#endif
    done++
}

init {
    byte slot, verdict;

    atomic {
        if
        :: hosts[0] = 1; hosts[1] = 1
        :: true
        fi;
        for (slot : 0 .. SLOTS - 1) {
            CONTRIBUTION(0, slot) = hosts[slot];
            memory[WORTH(0, slot)] = NOTHING + hosts[slot]
        }
        verdict = VERDICT(hosts[0], hosts[1]);
        memory[SHARES(0)] = verdict;
        memory[STATE(0)] = verdict;
        attention = ATTENTION(verdict);
        for (slot : 0 .. PROCESSES - 1) {
            run store_buffer(slot)
        }
        if
        :: run updater(2);
           run changer(1, 1)
        :: hosts[0] == 1 ->
           run updater(2);
           run changer(1, 0)
        :: hosts[0] == 1 ->
           run changer(2, 0);
           run changer(1, 1)
        fi;
        run changer(0, 0)
    }
    atomic { done == PROCESSES && BUFFERED == 0 -> done = 0 }
    for (slot : 0 .. SLOTS - 1) {
        assert(memory[WORTH(snapshot, slot)] == NOTHING + hosts[slot])
    }
    verdict = VERDICT(hosts[snapshot], hosts[1 - snapshot]);
    assert(memory[SHARES(snapshot)] == verdict);
    assert(memory[STATE(snapshot)] == verdict);
    assert(attention == ATTENTION(verdict))
}
