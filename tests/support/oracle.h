/* SPDX-License-Identifier: Apache-2.0
 *
 * Oracle: what a balancer ought to know of its hosts, straight from the sentences of the manual: health,
 * states, epochs, strikes, windows, shares of ejection, trials and ramps, as plain structs that are searched
 * from one end to the other at every step.
 *
 *     a test does the same to both, and compares after each step
 *
 *         library                          oracle
 *         fo_pick()                        oracle_pick(): may this have been picked?
 *         fo_finish(), fo_report()         oracle_finish()
 *         fo_balancer_update()             oracle_add(), oracle_remove()
 *         a millisecond, dispatched        oracle_tick(), and what it saw of the library: jitter is
 *                                          the library's, the bounds of it are the oracle's
 *
 * One balancer, all endpoints of weight 100 in one level, the linear weight function, no checks, no
 * zones, one thread. It includes no header of the library's inside.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <failover/failover.h>

#define ORACLE_HOSTS 12
#define ORACLE_BUCKETS 10

/** The numbers that both go by, all given. */
struct oracle_rules {
    struct fo_weight_function weight;
    struct fo_trial_config trial;
    struct fo_judge_config judge;
};

struct oracle_host {
    bool is_member;
    uint32_t joined; /* rises with each endpoint that joins */
    int64_t health;  /* in units of 2^-31 */
    fo_state state;  /* with `is_ejected` for the trial of one that is ejected */
    bool is_ejected;
    bool is_recalled;
    bool trial_is_out;
    uint32_t trial; /* number of the last that was taken */
    uint64_t trial_ms;
    uint32_t trials_failed;
    uint32_t epoch;
    uint32_t strikes;
    uint32_t ejections;
    uint64_t wait_ms; /* when it began to wait */
    uint64_t ejected_ms;
    uint64_t returned_ms;
    uint64_t ramp_ms; /* when its ramp began; UINT64_MAX: no ramp */
    uint64_t finished[ORACLE_BUCKETS];
    uint64_t failed[ORACLE_BUCKETS];
};

struct oracle {
    struct oracle_rules rules;
    struct oracle_host host[ORACLE_HOSTS];
    uint32_t joined;
    uint64_t began_ms;
    uint64_t now_ms;
    uint64_t roll_ms;    /* the next bucket begins */
    const char *offence; /* what was wrong first; NULL: nothing */
    size_t offender;
};

/** What the oracle remembers of a request. */
struct oracle_lease {
    size_t host;
    uint32_t epoch;
    uint32_t strikes;
    uint32_t trial; /* 0: it is none */
};

struct oracle oracle_of(const struct oracle_rules *rules, uint64_t now_ms);

void oracle_add(struct oracle *oracle, size_t host);

/** No lease of it is open. */
void oracle_remove(struct oracle *oracle, size_t host);

/** A pick landed on that host, or on none: ORACLE_HOSTS. */
struct oracle_lease oracle_pick(struct oracle *oracle, size_t host);

/** The end of a request; lease NULL: reported by name, on that host. */
void oracle_finish(struct oracle *oracle, size_t host, const struct oracle_lease *lease,
                   fo_outcome outcome);

/** The library has dispatched at now_ms, which is at most a millisecond later than before. `infos` as it
 * shows its members. */
void oracle_tick(struct oracle *oracle, uint64_t now_ms, const struct fo_endpoint_info *infos);

/** Holds what the library shows against the oracle. */
void oracle_compare(struct oracle *oracle, const struct fo_endpoint_info *infos);

#endif
