/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows: how often something happened in the last ticks.
 *
 *     word[tick % 32] = tick | count           an old tick in it: its count is over
 *
 *       … ░ ░ ▒ ▓ ▓ ▓ ▓ ▓ ▓ ▓ ▓ ▓ ▓ │ now      ░ over   ▒ over for who counts 20 ticks
 *
 * The tick in the word makes clearing needless, and a count that ends is ended by the one thread whose
 * CAS replaces it: so whoever keeps a sum of counts may subtract it, exactly once.
 *
 * A thread that was held up between reading the clock and counting finds a newer tick in its word, and
 * counts there: as if it had happened when it woke. A word with a count of 0 is anybody's; so a clock
 * may begin anywhere. All of it is relaxed but for the CAS, whose order nobody needs.
 */
#ifndef FO_RETRY_WINDOW_H
#define FO_RETRY_WINDOW_H

#include "atomic.h"

#include <stddef.h>

/** Ticks of one budget_ttl_ms. */
#define FO__RETRY_WINDOW_TICKS 20u
#define FO__RETRY_WINDOW_WORDS 32u

struct fo__retry_window {
    _Atomic uint64_t word[FO__RETRY_WINDOW_WORDS];
};

static inline uint32_t fo__retry_tally_count(uint64_t word)
{
    return (uint32_t)word;
}

/** How many ticks ago it was counted; negative: later. */
static inline int32_t fo__retry_tally_age(uint64_t word, uint32_t tick)
{
    return (int32_t)(tick - (uint32_t)(word >> 32));
}

/** Counts one in a word; returns the count that was over, and is no more. */
static inline uint32_t fo__retry_tally_add(_Atomic uint64_t *word, uint32_t tick)
{
    uint64_t old = fo__load_relaxed(word);
    uint64_t next;
    uint32_t over;

    do {
        bool is_old = fo__retry_tally_count(old) == 0 || fo__retry_tally_age(old, tick) > 0;

        over = is_old ? fo__retry_tally_count(old) : 0;
        next = is_old ? (uint64_t)tick << 32 | 1 : old + 1;
    } while (!fo__cas_acq_rel(word, &old, next));
    return over;
}

static inline uint32_t fo__retry_window_add(struct fo__retry_window *window, uint32_t tick)
{
    return fo__retry_tally_add(&window->word[tick % FO__RETRY_WINDOW_WORDS], tick);
}

/** Takes one of a tick back; false: there is none any more. */
static inline bool fo__retry_window_take_back(struct fo__retry_window *window, uint32_t tick)
{
    _Atomic uint64_t *word = &window->word[tick % FO__RETRY_WINDOW_WORDS];
    uint64_t old = fo__load_relaxed(word);

    do {
        if (fo__retry_tally_count(old) == 0 || fo__retry_tally_age(old, tick) != 0)
            return false;
    } while (!fo__cas_acq_rel(word, &old, old - 1));
    return true;
}

/** The count of the last `ticks`, this one among them. */
static inline uint64_t fo__retry_window_sum(const struct fo__retry_window *window, uint32_t tick,
                                            uint32_t ticks)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < FO__RETRY_WINDOW_WORDS; i++) {
        uint64_t word = fo__load_relaxed(&window->word[i]);
        int32_t age = fo__retry_tally_age(word, tick);

        sum += age >= 0 && (uint32_t)age < ticks ? fo__retry_tally_count(word) : 0;
    }
    return sum;
}

/** Ends what is older than the last `ticks`; returns how much that was. */
static inline uint64_t fo__retry_window_expire(struct fo__retry_window *window, uint32_t tick,
                                               uint32_t ticks)
{
    uint64_t over = 0;

    for (size_t i = 0; i < FO__RETRY_WINDOW_WORDS; i++) {
        uint64_t word = fo__load_relaxed(&window->word[i]);

        if (fo__retry_tally_count(word) > 0 && fo__retry_tally_age(word, tick) >= (int32_t)ticks &&
            fo__cas_acq_rel(&window->word[i], &word, word >> 32 << 32))
            over += fo__retry_tally_count(word);
    }
    return over;
}

#endif
