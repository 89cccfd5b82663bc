/* SPDX-License-Identifier: Apache-2.0
 *
 * Contribution repair: how the level sums follow the health of the hosts without a lock.
 *
 * A snapshot has a tree of sums over its slots. A slot contributes f(host word), 0 when the host is
 * down; the node above adds its slots' contributions, the root adds the nodes:
 *
 *     root              19             The word is changed by compare and swap, the contribution
 *     nodes        12        7         by exchange, the sums by atomic add: four places, and no
 *     contributions 5   7    7         lock around them. So a changer mends until nothing is left
 *     words         w0  w1   w2        to mend:
 *
 *         compare and swap the word
 *         loop: w = word
 *               old = exchange(contribution, f(w))
 *               add f(w) - old to the node and to the root
 *         until the word still gives f(w)
 *
 * Why it works: exchange hands each value from one changer to exactly one other, so the sums always
 * follow the contributions. Whoever exchanged last read the word again after that: had it changed,
 * he would have gone round once more. Had it changed later, its changer would have exchanged later.
 *
 * New snapshots: the updater builds the new tree from the words as it reads them, while changers
 * mend the old tree. Change, look-up of the snapshot and mending are one read section. So after
 * publication and a grace period everybody left over mends the new tree, and the updater mends each
 * of its slots once more. That the grace period is also a full barrier counts: publication must be
 * visible before the updater looks at the words again, hence the store buffer.
 *
 * Models     outcome.c change_word, snapshot.c fo__snapshot_mend and build_tree, sumtree.c
 *            fo__sumtree_set, publish.c fo__publish
 * Processes  two changers of slot 0; with them either one of slot 1 (same node) and an updater that
 *            replaces the tree, or a third of slot 0, or one of slot 1 and one of slot 2 (other
 *            node); each change is a failure, a success, down, or recovery
 * Checked    at the end: each contribution of the published tree is f(word), each node is the sum
 *            of its contributions, the root is the sum of the nodes; no deadlock
 * Planted    NO_REREAD: a changer mends once. It exchanges what it read before another's change
 *            after that other's exchange: a stale contribution for good.
 *            NO_EXCHANGE: the old contribution is loaded, then the new one stored. Two changers
 *            subtract the same old value: wrong sums for good.
 *            NO_REPAIR_AFTER_PUBLISH: the updater does not mend. A change after its reading of the
 *            word went to the old tree.
 *            NO_GRACE_BEFORE_REPAIR: the updater mends at once, while its publication is not yet
 *            seen. A changer still mends the old tree behind it.
 */
/* planted: NO_REREAD NO_EXCHANGE NO_REPAIR_AFTER_PUBLISH NO_GRACE_BEFORE_REPAIR */

#include "rcu.inc"

#define SLOTS 3
#define NODES 2
#define NODE(slot) ((slot) / 2)

#define FULL 2 /* health: 0 ... FULL */
#define DOWN 4 /* flag; health is kept beside it */
#define F(w) (((w) & DOWN) -> 0 : (w))

typedef tree_t {
    byte contribution[SLOTS];
    short node[NODES]; /* signed: a subtraction may overtake the addition that it undoes */
    short root;
};

byte words[SLOTS] = FULL;
tree_t trees[2];
byte snapshot; /* which tree is published */
bool buffered; /* the second one is about to be */

#define T trees[snapshot]

/* One step for both levels: adds commute and nobody looks at a sum before the end. */
inline add(t, slot, difference)
{
    d_step {
        trees[t].node[NODE(slot)] = trees[t].node[NODE(slot)] + difference;
        trees[t].root = trees[t].root + difference
    }
}

inline repair(t, slot)
{
    do
    :: w = words[slot];
#ifdef NO_EXCHANGE
       old = trees[t].contribution[slot];
       trees[t].contribution[slot] = F(w);
#else
       atomic { old = trees[t].contribution[slot]; trees[t].contribution[slot] = F(w) }
#endif
       add(t, slot, F(w) - old);
#ifdef NO_REREAD
       break
#else
       if
       :: F(words[slot]) == F(w) -> break
       :: else
       fi
#endif
    od
}

/* Any change there is: its own compare and swap, the report's meaning does not matter here. */
inline change_word(slot)
{
    do
    :: w = words[slot];
       if
       :: !(w & DOWN) && w > 1 -> next = w - 1
       :: !(w & DOWN) && w < FULL -> next = w + 1
       :: !(w & DOWN) -> next = w | DOWN
       :: (w & DOWN) -> next = w & ~DOWN
       fi;
       atomic {
           if
           :: words[slot] == w -> words[slot] = next; break
           :: else
           fi
       }
    od
}

proctype changer(byte me; byte slot)
{
    byte tree, w, next, old;

    read_lock(me);
    change_word(slot);
    tree = snapshot;
    repair(tree, slot);
    read_unlock(me)
}

/* The updater's store of the snapshot pointer may become visible late; a grace period begins with a
 * full barrier. */
proctype store_buffer()
{
end:
    atomic { buffered -> snapshot = 1; buffered = false }
}

proctype updater()
{
    byte slot, w, old;

    for (slot : 0 .. SLOTS - 1) {
        w = words[slot];
        trees[1].contribution[slot] = F(w);
        add(1, slot, F(w))
    }
    buffered = true;
#ifndef NO_GRACE_BEFORE_REPAIR
    (!buffered);
    synchronize(UPDATER);
#endif
#ifndef NO_REPAIR_AFTER_PUBLISH
    for (slot : 0 .. SLOTS - 1) {
        repair(1, slot)
    }
#endif
}

init {
    byte slot;

    atomic {
        for (slot : 0 .. SLOTS - 1) {
            trees[0].contribution[slot] = FULL;
            add(0, slot, FULL)
        }
        if
        :: run store_buffer();
           run updater();
           run changer(2, 1)
        :: run changer(2, 0)
        :: run changer(2, 1);
           run changer(3, 2)
        fi;
        run changer(0, 0);
        run changer(1, 0)
    }
    (_nr_pr == 1);
    for (slot : 0 .. SLOTS - 1) {
        assert(T.contribution[slot] == F(words[slot]))
    }
    assert(T.node[0] == T.contribution[0] + T.contribution[1]);
    assert(T.node[1] == T.contribution[2]);
    assert(T.root == T.node[0] + T.node[1])
}
