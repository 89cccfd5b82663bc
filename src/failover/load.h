/* SPDX-License-Identifier: Apache-2.0
 *
 * Load: what is known of a host's load, one cache line that picks read and finishes write.
 *
 *     open, buckets │ latency │ penalty │ reported         │ limit …          (limit.h)
 *     tally.h       │ signals: value and time in one word  │ next line
 *
 * A *signal* is a float and the time at which it was valid, in one word: one CAS changes both, and who
 * reads it can let it fade by its age. Time is in units of 2^20 ns (1.05 ms) and wraps after 52 days;
 * a signal that is older fades less than it should.
 *
 * Latency is a peak moving average (Finagle): a sample above it counts at once, one below it moves it by
 * the time that has passed, and while no sample comes it fades, so that a host that was slow once is
 * asked again. A failure is a sample of twice what the latency last was, at least: fading forgets the
 * latency, not that the host fails.
 *
 * Penalty is the same for policies that go by what is in flight: each failure doubles it (1, 2, 4 …
 * up to 1,024), each answer halves it, and it fades. Without it a host that fails at once has nothing in
 * flight and draws all the traffic (the sinkhole).
 */
#ifndef FO_LOAD_H
#define FO_LOAD_H

#include "limit.h"
#include "tally.h"

#include <string.h>

#define FO__SIGNAL_SHIFT 20 /* of a signal's time, in ns */
#define FO__LATENCY_MAX_NS 30e9f
#define FO__PENALTY_MAX 1024

struct fo__load_policy;

/* What time a pick needs while leases are counted: readings of a clock are not for read sections. */
enum fo__time { FO__TIME_NONE, FO__TIME_COARSE, FO__TIME_EXACT };

/** What a configuration says about load, defaults filled in. */
struct fo__load_rules {
    const struct fo__load_policy *policy; /* NULL: none */
    struct fo__limit_rules limit;
    uint64_t max_in_flight; /* of the balancer; UINT64_MAX: no limit */
    uint64_t slice_ns;      /* of tallies; 0: leases are never lost */
    uint64_t report_expiry_ns;
    float decay_ns;
    float unknown_ns; /* latency of a host without samples */
    float failure_ns; /* what a failure takes at least */
    float hot_quantile;
    enum fo__time time; /* that every pick needs */
    bool measures;      /* picks and finishes read the clock for latency */
    bool is_on;         /* there is anything to count for, endpoints' own limits aside */
};

struct fo__load {
    _Alignas(FO__CACHE_LINE) struct fo__tally tally;
    _Atomic uint64_t latency;  /* signal, in ns; 0: none yet */
    _Atomic uint64_t penalty;  /* signal, in requests */
    _Atomic uint64_t reported; /* signal: the load that the server reported; 0: none yet */

    _Alignas(FO__CACHE_LINE) struct fo__limit limit;
    _Atomic uint64_t manual; /* of tally.open: added by hand */
};

_Static_assert(offsetof(struct fo__load, limit) == FO__CACHE_LINE, "one line for every pick");

static inline uint64_t fo__signal_of(float value, uint64_t now_ns)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return (uint64_t)bits << 32 | (uint32_t)(now_ns >> FO__SIGNAL_SHIFT);
}

static inline float fo__signal_value(uint64_t signal)
{
    uint32_t bits = (uint32_t)(signal >> 32);
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/** Of one that is not from the future; threads' readings of a clock may be that far apart. */
static inline uint64_t fo__signal_age_ns(uint64_t signal, uint64_t now_ns)
{
    int32_t age = (int32_t)((uint32_t)(now_ns >> FO__SIGNAL_SHIFT) - (uint32_t)signal);

    return age > 0 ? (uint64_t)age << FO__SIGNAL_SHIFT : 0;
}

/** What is left after that age, 1 … 0: e^(−age / decay), within 2 % of 1 of it. */
static inline float fo__fade(uint64_t age_ns, float decay_ns)
{
    float x = (float)age_ns / decay_ns;

    return 1 / (1 + x + x * x * (0.5f + x * (1.0f / 6)));
}

/** What a signal says now; 0 if it never was. */
static inline float fo__signal_now(uint64_t signal, uint64_t now_ns, float decay_ns)
{
    uint64_t age_ns = fo__signal_age_ns(signal, now_ns);

    return age_ns == 0 ? fo__signal_value(signal)
                       : fo__signal_value(signal) * fo__fade(age_ns, decay_ns);
}

/** An answer took so long. */
void fo__load_answered(struct fo__load *load, uint64_t latency_ns, uint64_t now_ns, float decay_ns);

/** A request failed, after so long (0: unknown) and at least so long by the configuration. `unknown_ns`:
 * the latency of a host without samples. */
void fo__load_failed(struct fo__load *load, uint64_t latency_ns, float at_least_ns,
                     float unknown_ns, uint64_t now_ns);

/** An answer came, whatever its latency: a penalty is halved. True: it is gone with that. */
bool fo__load_forgive(struct fo__load *load, uint64_t now_ns, float decay_ns);

/** Adds by hand, and takes back up to n of what was added. */
void fo__load_add(struct fo__load *load, uint64_t n);
void fo__load_sub(struct fo__load *load, uint64_t n);

/** In a child after fork(): nothing is in flight. Alone. */
void fo__load_after_fork(struct fo__load *load);

#endif
