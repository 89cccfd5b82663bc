/* SPDX-License-Identifier: Apache-2.0
 *
 * Trial offers: the dispatcher puts an endpoint up, picks take it, and no offer is lost.
 *
 *     dispatcher                               pick
 *     ----------                               ----
 *     CAS word: down -> DUE                    bit set? offer = ENDPOINT?
 *     is it on offer? then by CAS ENDPOINT     CAS offer: ENDPOINT -> NOBODY
 *         -> ENDPOINT, else NOBODY ->          clear the bit; is somebody on offer again? set it
 *     set the bit                              CAS word: DUE -> TRIAL, if it is DUE
 *
 * The endpoint may stand on offer from an earlier round (a trial was taken through another balancer)
 * and be taken down in the very moment in which the next trial falls due. Then either the dispatcher
 * must see that it is gone, or the pick that the trial is due. Each has written one word and now
 * reads the other's, so plain loads can both come too early; that both *exchange* the offer puts them
 * into an order.
 *
 * Every process has a store buffer of one word, which is drained at any time. A read-modify-write is a
 * release: it waits until its process' earlier store is drained. It is alone on its word: it waits
 * until no other process has that word in its buffer. But its own store goes into the buffer, and
 * loads behind it run ahead of it, as behind stlxr on arm64.
 *
 * Models     offer.c fo__offer_put, fo__offer_take, claim, clear_bit; trial.c change_flag, offer
 * Processes  the dispatcher, for two rounds, and whatever was given back in them; two picks on the
 *            balancer; one trial through another balancer
 * Checked    at the end a trial that is due is on offer, with its bit
 * Planted    PLAIN_LOOK: the dispatcher only looks whether the endpoint is on offer. It is taken down,
 *            and the trial waits for the next look at the host.
 *            WORD_BEFORE_CLAIM: the pick looks at the word before it takes the offer down.
 */
/* planted: PLAIN_LOOK WORD_BEFORE_CLAIM */

#define PROCESSES 4
#define ROUNDS 2

/* The words. */
#define WORD 0
#define OFFER 1
#define BIT 2
#define NO_WORD 3

/* Their values. */
#define DOWN 0
#define DUE 1
#define TRIAL 2
#define NOBODY 0
#define ENDPOINT 1

byte memory[3];
byte buffered[PROCESSES]; /* which word */
byte value[PROCESSES];
byte queued;              /* trials given back that the dispatcher has not looked at */
byte done;

#define IN_A_BUFFER(w) \
    (buffered[0] == w || buffered[1] == w || buffered[2] == w || buffered[3] == w)

proctype store_buffer(byte me)
{
end:
    do
    :: atomic { buffered[me] != NO_WORD -> memory[buffered[me]] = value[me]; buffered[me] = NO_WORD }
    od
}

#define LOADED(w) (buffered[me] == w -> value[me] : memory[w])

inline store(w, v)
{
    buffered[me] = w;
    value[me] = v
}

/* Sets swapped. */
inline cas(w, from, to)
{
    atomic {
        buffered[me] == NO_WORD && !IN_A_BUFFER(w);
        swapped = memory[w] == from;
        if
        :: swapped -> store(w, to)
        :: else
        fi
    }
}

inline exchange(w, to)
{
    atomic {
        buffered[me] == NO_WORD && !IN_A_BUFFER(w);
        store(w, to)
    }
}

inline put()
{
    swapped = false;
    if
    :: LOADED(OFFER) == ENDPOINT ->
#ifdef PLAIN_LOOK
        swapped = true
#else
        cas(OFFER, ENDPOINT, ENDPOINT)
#endif
    :: else
    fi;
    if
    :: !swapped -> cas(OFFER, NOBODY, ENDPOINT)
    :: else
    fi;
    assert(swapped);
    exchange(BIT, 1)
}

proctype dispatcher(byte me)
{
    byte rounds;
    bool swapped;

    do
    :: rounds < ROUNDS ->
        rounds++;
        cas(WORD, DOWN, DUE);
        if
        :: swapped -> put()
        :: else
        fi
    :: atomic { queued > 0 -> queued-- }
        if
        :: LOADED(WORD) == DUE -> put()
        :: else
        fi
    :: atomic { rounds == ROUNDS && queued == 0 && done == PROCESSES - 1 -> break }
    od;
    done++
}

/* The trial fails, or it is given back. */
inline end_trial()
{
    if
    :: cas(WORD, TRIAL, DOWN)
    :: cas(WORD, TRIAL, DUE);
        atomic { buffered[me] == NO_WORD -> queued++ } /* a push is a release, too */
    fi
}

inline take_if_due()
{
    cas(WORD, DUE, TRIAL);
    if
    :: swapped -> end_trial()
    :: else
    fi
}

proctype pick(byte me)
{
    byte word;
    bool swapped;

    if
    :: LOADED(BIT) == 1 && LOADED(OFFER) == ENDPOINT ->
#ifdef WORD_BEFORE_CLAIM
        word = LOADED(WORD);
#endif
        cas(OFFER, ENDPOINT, NOBODY);
        if
        :: swapped ->
            exchange(BIT, 0);
            if
            :: LOADED(OFFER) != NOBODY -> exchange(BIT, 1)
            :: else
            fi;
#ifndef WORD_BEFORE_CLAIM
            word = LOADED(WORD);
#endif
            if
            :: word == DUE -> take_if_due()
            :: else
            fi
        :: else
        fi
    :: else
    fi;
    done++
}

proctype other_balancer(byte me)
{
    bool swapped;

    take_if_due();
    done++
}

init {
    byte i;

    atomic {
        memory[OFFER] = ENDPOINT;
        memory[BIT] = 1;
        for (i : 0 .. PROCESSES - 1) {
            buffered[i] = NO_WORD;
            run store_buffer(i)
        }
        run dispatcher(0);
        run pick(1);
        run pick(2);
        run other_balancer(3)
    }
    (done == PROCESSES && buffered[0] == NO_WORD && !IN_A_BUFFER(WORD) && !IN_A_BUFFER(OFFER) &&
     !IN_A_BUFFER(BIT));
    assert(memory[WORD] != DUE || (memory[OFFER] == ENDPOINT && memory[BIT] == 1))
}
