/* SPDX-License-Identifier: Apache-2.0
 *
 * Dirty queue and burial: telling the dispatcher that an endpoint has changed, and freeing it.
 *
 * What is queued is the endpoint itself, at most once, so the queue is bounded and allocates
 * nothing:
 *
 *     push                                     dispatcher
 *     ----                                     ----------
 *     set the pending bit                      take the whole list
 *     exchange(queued, 1): was it 0?           for each: exchange(queued, 0), then
 *     then link it in                          p = exchange(pending, 0), tell p
 *                                              RELEASED told: dead; grace period; free
 *
 * No change is lost, since the dispatcher clears `queued` before it looks: who changes the endpoint
 * after that look finds 0 and links it in again.
 *
 * Freeing is the delicate half. The dispatcher also looks at endpoints that nobody queued, because
 * their host has changed. So it may tell RELEASED between a releaser's pending bit and his exchange
 * of `queued`, and the node of a dead endpoint comes into the queue. Bit and push are therefore one
 * read section. After the grace period nobody is about to push, and `queued` tells: if it is 0, the
 * endpoint is freed; otherwise the node is in the queue, and it is freed when it is taken from
 * there.
 *
 * Models     queue.c fo__queue_push and fo__queue_take, endpoint.c fo__endpoint_tell,
 *            members.c fo__members_free, finish.c finish_draining, publish.c settle_leaver, events.c
 *            take_endpoint, tell and bury
 * Processes  an updater that removes the endpoint and, when no lease is open, releases it; a
 *            finisher that releases it otherwise; the dispatcher, which looks twice without being
 *            asked
 * Checked    REMOVED, then RELEASED are told, once each, and the endpoint is freed in the end;
 *            nobody touches it after that; it is not in the queue then
 * Planted    LOOK_BEFORE_CLEAR: the dispatcher clears `queued` after its look. A change is lost.
 *            PUSH_BEFORE_PENDING: the bit comes after the push. A change is lost.
 *            PUSH_OUTSIDE_READ_SIDE: the grace period does not wait for who is about to push.
 *            NO_GRACE_BEFORE_FREE: freed under the finisher that is about to push.
 *            FREE_WHILE_QUEUED: freed without a look at `queued`. The queue points at freed memory.
 */
/* planted: LOOK_BEFORE_CLEAR PUSH_BEFORE_PENDING PUSH_OUTSIDE_READ_SIDE */
/* planted: NO_GRACE_BEFORE_FREE FREE_WHILE_QUEUED */

#include "rcu.inc"

#define REMOVED 1
#define RELEASED 2

/* The endpoint. */
byte pending;
bool queued;
bool linked;  /* in the list that fo__queue_take() takes */
bool is_dead; /* its node is the last that holds it */
bool freed;

bool may_release; /* the leases are settled, and one was open */
bool update_lock;
byte told;        /* ghost */

inline lock()
{
    atomic { !update_lock; update_lock = true }
}

inline unlock()
{
    update_lock = false
}

inline set_pending(flag)
{
    atomic { assert(!freed); pending = pending | flag }
}

inline push()
{
    atomic { assert(!freed); was_queued = queued; queued = true }
    if
    :: !was_queued -> atomic { assert(!freed && !linked); linked = true }
    :: else
    fi
}

inline tell_later(flag)
{
#ifndef PUSH_OUTSIDE_READ_SIDE
    read_lock(me);
#endif
#ifdef PUSH_BEFORE_PENDING
    push();
    set_pending(flag);
#else
    set_pending(flag);
    push();
#endif
#ifndef PUSH_OUTSIDE_READ_SIDE
    read_unlock(me)
#endif
}

proctype updater(byte me)
{
    bool was_queued;

    lock();
    tell_later(REMOVED);
    if
    :: tell_later(RELEASED)
    :: may_release = true
    fi;
    unlock()
}

proctype finisher(byte me)
{
    bool was_queued;

    if
    :: may_release -> tell_later(RELEASED)
    :: freed /* by the updater's doing */
    fi
}

inline look()
{
    atomic {
        assert(!freed);
        assert(!(pending & told)); /* each is told once */
        assert(!(pending & RELEASED) || ((told | pending) & REMOVED));
        released = (pending & RELEASED) != 0;
        told = told | pending;
        pending = 0
    }
}

inline free_endpoint()
{
    lock();
    atomic { assert(!freed && !queued && !linked); freed = true };
    unlock()
}

inline bury()
{
#ifndef NO_GRACE_BEFORE_FREE
    synchronize(DISPATCHER);
#endif
    if
#ifndef FREE_WHILE_QUEUED
    :: queued -> is_dead = true
#endif
    :: else -> free_endpoint()
    fi
}

proctype dispatcher()
{
    byte unasked = 2;
    bool released;

    do
    :: released = false;
end:
       if
       :: atomic { linked -> linked = false }
#ifdef LOOK_BEFORE_CLEAR
          if
          :: is_dead -> queued = false; free_endpoint()
          :: else -> look(); queued = false
          fi
#else
          queued = false;
          if
          :: is_dead -> free_endpoint()
          :: else -> look()
          fi
#endif
       :: atomic { !(told & RELEASED) && unasked > 0 -> unasked-- } /* its host has changed */
          look()
       fi;
       if
       :: released -> bury()
       :: else
       fi
    od
}

init {
    atomic {
        run dispatcher();
        run updater(0);
        run finisher(1)
    }
    freed;
    assert(told == (REMOVED | RELEASED))
}
