/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: a thread's private counters, from its first call to its exit, and after.
 *
 *     first call   registry lock: claim a free row, or make one (up to a limit), or none
 *     counting     own row: load, add 1, store: nobody else writes it; no row: shared cells, atomic
 *     exit         registry lock: give the row back, its counts stay for the next owner; an orphan
 *                  is freed
 *     destroy      registry lock: free the rows that nobody has; the others become orphans
 *     sum          no lock: all finished first, then the list again for all started
 *
 * A lease may be finished in another row than it was started in, so only sums over all rows mean
 * anything. A lease that the sum sees finished was started before; by reading the list again and
 * the starts last, its start is seen too, even in a row that was made in between: the number in
 * flight is never negative, and exact when nobody counts.
 *
 * Models     row.c (acquire_row, give_rows_back, fo__row_set_sum, fo__row_set_fini), lease.h
 *            fo__lease_start, finish.c fo__finish_count, endpoint.c fo__endpoint_counts
 * Processes  a thread that picks and hands its lease to the next, which finishes it; a third that
 *            picks and finishes; all exit at any time; row limit 2; a summer; a destroyer that
 *            comes when all leases are finished
 * Checked    the sum in flight is never negative, and exact at the end; no count is lost; nobody
 *            touches a freed row; each row is freed once; no deadlock
 * Planted    STARTED_FIRST: the sum reads the starts first.
 *            ONE_LIST: the second pass uses the list of the first, without newer rows.
 *            CLAIM_IN_TWO_STEPS: look, then claim, without the lock: a row with two owners loses
 *            counts, and is given back under one of them.
 *            EXIT_WITHOUT_LOCK: a row that becomes an orphan behind the look is never freed.
 *            NO_ORPHANS: destroy frees all rows, a thread's exit gives back a freed one.
 */
/* planted: STARTED_FIRST ONE_LIST CLAIM_IN_TWO_STEPS EXIT_WITHOUT_LOCK NO_ORPHANS */

#define ROWS 2
#define SHARED ROWS /* the endpoint's shared cells */

typedef row_t {
    byte started;
    byte finished;
    bool claimed;
    bool orphan;
    byte freed; /* ghost */
};

row_t rows[ROWS + 1];
byte made; /* the list: the rows below */
bool registry_lock;

bool handed; /* the first thread's lease */
byte open;   /* ghosts */
byte closed;
bool summed;

inline lock()
{
    atomic { !registry_lock; registry_lock = true }
}

inline unlock()
{
    registry_lock = false
}

inline claim(r)
{
#ifdef CLAIM_IN_TWO_STEPS
    if
    :: row == SHARED && made > r && !rows[r].claimed -> row = r; rows[r].claimed = true
    :: else
    fi
#else
    atomic {
        if
        :: row == SHARED && made > r && !rows[r].claimed -> row = r; rows[r].claimed = true
        :: else
        fi
    }
#endif
}

inline acquire_row()
{
#ifndef CLAIM_IN_TWO_STEPS
    lock();
#endif
    row = SHARED;
    claim(0);
    claim(1);
    if
    :: row == SHARED ->
        atomic {
            if
            :: made < ROWS -> row = made; rows[row].claimed = true; made++
            :: else
            fi
        }
    :: else
    fi;
#ifndef CLAIM_IN_TWO_STEPS
    unlock()
#endif
}

inline free_row(r)
{
    rows[r].freed++;
    assert(rows[r].freed == 1)
}

inline give_row_back()
{
#ifndef EXIT_WITHOUT_LOCK
    lock();
#endif
    if
    :: row != SHARED ->
        assert(!rows[row].freed);
        if
        :: rows[row].orphan -> free_row(row)
        :: else -> rows[row].claimed = false
        fi
    :: else
    fi;
#ifndef EXIT_WITHOUT_LOCK
    unlock()
#endif
}

inline start()
{
    atomic { assert(!rows[row].freed); count = rows[row].started }
    if
    :: row == SHARED -> rows[row].started++
    :: else -> rows[row].started = count + 1
    fi;
    open++
}

inline finish()
{
    atomic { assert(!rows[row].freed); count = rows[row].finished }
    if
    :: row == SHARED -> rows[row].finished++
    :: else -> rows[row].finished = count + 1
    fi;
    closed++
}

proctype picking_thread()
{
    byte row, count;

    acquire_row();
    start();
    handed = true;
    give_row_back()
}

proctype finishing_thread()
{
    byte row, count;

    acquire_row();
    handed;
    finish();
    give_row_back()
}

proctype other_thread()
{
    byte row, count;

    acquire_row();
    start();
    finish();
    give_row_back()
}

inline sum_finished()
{
    finished = rows[SHARED].finished;
    list = made;
    for (r : 0 .. ROWS - 1) {
        finished = finished + (r < list -> rows[r].finished : 0)
    }
}

inline sum_started()
{
#ifndef ONE_LIST
    list = made;
#endif
    for (r : 0 .. ROWS - 1) {
        started = started + (r < list -> rows[r].started : 0)
    }
    started = started + rows[SHARED].started
}

proctype summer()
{
    byte r, list, started, finished;

#ifdef STARTED_FIRST
    list = made;
    sum_started();
    sum_finished();
#else
    sum_finished();
    sum_started();
#endif
    assert(started >= finished);
    summed = true
}

proctype destroyer()
{
    byte r;

    (open == 2 && closed == 2 && summed);
    assert(rows[0].started + rows[1].started + rows[SHARED].started == 2);
    assert(rows[0].finished + rows[1].finished + rows[SHARED].finished == 2);
    lock();
    for (r : 0 .. made - 1) {
#ifdef NO_ORPHANS
        free_row(r)
#else
        if
        :: rows[r].claimed -> rows[r].orphan = true
        :: else -> free_row(r)
        fi
#endif
    }
    unlock()
}

init {
    byte r;

    atomic {
        run picking_thread();
        run finishing_thread();
        run other_thread();
        run summer();
        run destroyer()
    }
    (_nr_pr == 1);
    for (r : 0 .. made - 1) {
        assert(rows[r].freed == 1)
    }
}
