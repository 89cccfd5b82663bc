/* SPDX-License-Identifier: Apache-2.0
 *
 * Publish and retire: a pick reads an immutable snapshot while updates replace it.
 *
 *     fo_balancer_update (update lock)         fo_pick
 *     --------------------------------         -------
 *     allocate, fill in                        enter the read side
 *     current = new     (store release) -----> s = current         (load acquire)
 *     synchronize_rcu                          read s, as often as it likes
 *     free the old one                         leave the read side
 *
 * Two things can go wrong. The processor may make the new pointer visible before what it points to;
 * a release store forbids that. And a reader may still be inside the old snapshot; the grace period
 * waits for it. A later reader can only find the new one.
 *
 * Spin's memory is sequentially consistent, so an updater's store buffer is a process of its own:
 * it drains stores in any order, except that a release store waits for those before it. The
 * reader's loads depend on the pointer and stay in order. Freed memory may be allocated again at
 * once.
 *
 * Models     snapshot.c fo__snapshot_create and fo__snapshot_destroy, publish.c fo__publish,
 *            pick.c fo_pick
 * Processes  two updaters (two updates and one), each with a store buffer; two readers, two read
 *            sections each
 * Checked    a reader never touches freed memory, also when it was allocated again meanwhile; it
 *            sees every field as it was filled in; nothing is freed twice; at the end the published
 *            snapshot, made last, is the only one left; no deadlock
 * Planted    NO_GRACE_PERIOD: the old snapshot is freed at once, under a reader.
 *            PUBLISH_BEFORE_INIT: the pointer is a relaxed store. A reader sees an empty snapshot.
 *            NO_UPDATE_LOCK: two updaters replace the same snapshot, both free it.
 */
/* planted: NO_GRACE_PERIOD PUBLISH_BEFORE_INIT NO_UPDATE_LOCK */

#include "rcu.inc"

#define UPDATERS 2
#define BLOCKS 4 /* of memory; a snapshot needs one */
#define NOBODY 0
#define EMPTY 255

/* Every snapshot made has a number of its own; its two fields must read as that number. */
typedef block_t {
    byte field[2]; /* 0 in fresh memory */
    byte owner;    /* ghost: the number of the snapshot that lives here, or NOBODY: free memory */
};

/* What an updater has stored and nobody else sees yet. */
typedef store_buffer_t {
    byte block;    /* where the fields go */
    byte field[2]; /* EMPTY: drained */
    byte current;  /* EMPTY: drained */
};

block_t blocks[BLOCKS];
store_buffer_t buffers[UPDATERS];
byte current;  /* the block of the published snapshot */
byte made = 1; /* snapshots so far */
bool update_lock;

#define B buffers[me]
#define INIT_DRAINED (B.field[0] == EMPTY && B.field[1] == EMPTY)
#ifdef PUBLISH_BEFORE_INIT
#define MAY_PUBLISH true
#else
#define MAY_PUBLISH INIT_DRAINED
#endif

proctype store_buffer(byte me)
{
end:
    do
    :: atomic { B.field[0] != EMPTY -> blocks[B.block].field[0] = B.field[0]; B.field[0] = EMPTY }
    :: atomic { B.field[1] != EMPTY -> blocks[B.block].field[1] = B.field[1]; B.field[1] = EMPTY }
    :: atomic { B.current != EMPTY && MAY_PUBLISH -> current = B.current; B.current = EMPTY }
    od
}

/* Any free block, also the one that was freed just now. Sets new. */
inline allocate()
{
    atomic {
        if
        :: blocks[0].owner == NOBODY -> new = 0
        :: blocks[1].owner == NOBODY -> new = 1
        :: blocks[2].owner == NOBODY -> new = 2
        :: blocks[3].owner == NOBODY -> new = 3
        fi;
        made++;
        number = made;
        blocks[new].owner = number
    }
}

inline free_block(block)
{
    atomic {
        assert(blocks[block].owner != NOBODY);
        blocks[block].owner = NOBODY;
        blocks[block].field[0] = 0;
        blocks[block].field[1] = 0
    }
}

proctype updater(byte me; byte rounds)
{
    byte old, new, number;

    do
    :: rounds > 0 ->
        rounds--;
#ifndef NO_UPDATE_LOCK
        atomic { !update_lock; update_lock = true }
#endif
        old = current;
        allocate();
        atomic { B.block = new; B.field[0] = number }
        B.field[1] = number;
        B.current = new;
        (INIT_DRAINED && B.current == EMPTY); /* synchronize_rcu begins with a full barrier */
#ifndef NO_GRACE_PERIOD
        synchronize(UPDATER);
#endif
        free_block(old);
        update_lock = false
    :: rounds == 0 -> break
    od
}

inline look(f)
{
    assert(blocks[s].owner == number && blocks[s].field[f] == number)
}

proctype reader(byte me)
{
    byte s, number, round;

    for (round : 1 .. 2) {
        read_lock(me);
        atomic { s = current; number = blocks[s].owner }
        assert(number != NOBODY);
        look(0);
        look(1);
        read_unlock(me)
    }
}

init {
    byte i, living;

    atomic {
        blocks[0].owner = made;
        blocks[0].field[0] = made;
        blocks[0].field[1] = made;
        for (i : 0 .. UPDATERS - 1) {
            buffers[i].field[0] = EMPTY;
            buffers[i].field[1] = EMPTY;
            buffers[i].current = EMPTY;
            run store_buffer(i)
        }
        run updater(0, 2);
        run updater(1, 1);
        for (i : 0 .. 1) {
            run reader(i)
        }
    }
    (_nr_pr == 1 + UPDATERS); /* the store buffers never end */
    for (i : 0 .. BLOCKS - 1) {
        living = living + (blocks[i].owner != NOBODY)
    }
    assert(living == 1 && blocks[current].owner == made)
}
