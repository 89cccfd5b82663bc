/* SPDX-License-Identifier: Apache-2.0
 *
 * The balancer: a set of interchangeable endpoints of which each request gets one.
 *
 *     create ─► update ─┬─► pick ─► (your request) ─► finish ─┐
 *                       └──────────── many times ◄────────────┘ ─► destroy
 *
 * A pick returns a *lease*: a small value that holds the endpoint until it is finished, exactly once,
 * on any thread. The outcome given to fo_finish() is how the library learns.
 *
 * After a thread's first call on a balancer, picks and finishes take no lock and allocate nothing.
 *
 * A thread's first call. The first pick, finish or report of a thread on a balancer takes a lock and
 * allocates the thread's row of counters. If there is no memory for it the call uses shared counters,
 * and every later call of the thread tries again, until it has its row. With check_leases every pick
 * and finish takes a lock, and a pick may allocate.
 *
 * Updates never reset what was learned: health belongs to the host (see group.h), counters to the
 * incarnation (see endpoint.h), and a pick reads an immutable index that an update replaces whole.
 */
#ifndef FAILOVER_BALANCER_H
#define FAILOVER_BALANCER_H

#include <failover/base.h>
#include <failover/endpoint.h>
#include <failover/group.h>
#include <failover/health.h>
#include <failover/levels.h>
#include <failover/load.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fo_runtime;

/** A balancer. Opaque; pair fo_balancer_create() with fo_balancer_destroy(). */
struct fo_balancer;

struct fo_config {
    size_t size;
    const char *name;             /**< For log lines and events; NULL: ""; copied. */
    struct fo_group *group;       /**< NULL: a health group of its own. */
    struct fo_runtime *runtime;   /**< NULL: the group's, or the process's default. With a group it
                                     must be NULL or the group's own. Must outlive the balancer. */
    struct fo_trial_config trial; /**< For a group of its own; with a group given all zero, but
                                       for ramp_ms, which may be FO_RAMP_NONE without effect. */
    struct fo_weight_function weight; /**< How outcomes move health. */
    uint64_t seed; /**< For all random numbers; 0: from the system. With a seed, a clock of your
                             own and a group of its own, one thread's run repeats to the last pick
                             (the back-offs and ramps of a shared group are always seeded by
                             the system). */
    uint32_t row_limit; /**< Threads that get private counters (16 bytes hot and 8 cold for each
                             endpoint); further threads share atomic ones, at ~6 ns more a count.
                             0: twice the number of CPUs. At most 65,535. */
    bool check_leases;  /**< Debugging: remember every open lease (under a lock) to report double
                             and forgotten finishes through `log`. */
    fo_log_fn log;      /**< NULL: no log. */
    void *log_arg;      /**< Handed to log; must live until `closed` was delivered. */
    struct fo_level_config levels; /**< Overflow, zones, last resort. */
    double
        key_load_factor; /**< Bound for picks by key: no endpoint has more open leases of them than
                                 this times its share, rounded up; 1 … 1000, such as 1.25; 0: no
                                 bound. It comes before ramps: what nobody else may take goes to
                                 a host that ramps. fo_balancer_configure() changes it. */
    uint32_t
        reuse_recent_ms; /**< For clients that send little: while no lease is open and all of the
                                   first level is at full health, a pick is for the endpoint of the
                                   last success, if that is less than this ago, so that its
                                   connection is kept warm and the others may be closed. Picks by key
                                   keep to their key. All threads count leases in one place, and every
                                   pick takes the long way and reads the clock, to within 10 ms: not for
                                   many requests.
                                   A lease that is never finished ends all reuse. 0: never.
                                   fo_balancer_configure() changes it. */
    uint32_t reserved;   /**< Must be 0. */
    struct fo_check_config check; /**< For a group of its own (check.h); with a group given that of
                                       fo_check_config_init(). */
    struct fo_judge_config judge; /**< For a group of its own (judge.h); with a group given that of
                                       fo_judge_config_init(), or of fo_judge_none() to no effect. */
    struct fo_load_config load;   /**< Load policy and limits of hosts (load.h).
                                       fo_balancer_configure() changes it. */
    uint64_t max_in_flight; /**< Most leases of this balancer that are open at once, of those picked
                                 since it was set: a pick beyond gets FO_OVERLOADED. At most
                                 FO_IN_FLIGHT_MAX; 0: no limit. fo_balancer_configure() changes it. */
};

/** All defaults. */
static inline struct fo_config fo_config_init(void)
{
    struct fo_config config;
    config.size = sizeof(config);
    config.name = NULL;
    config.group = NULL;
    config.runtime = NULL;
    config.trial = fo_trial_config_init();
    config.weight = fo_weight_ratio();
    config.seed = 0;
    config.row_limit = 0;
    config.check_leases = false;
    config.log = NULL;
    config.log_arg = NULL;
    config.levels = fo_level_config_init();
    config.key_load_factor = 0;
    config.reuse_recent_ms = 0;
    config.reserved = 0;
    config.check = fo_check_config_init();
    config.judge = fo_judge_config_init();
    config.load = fo_load_config_init();
    config.max_in_flight = 0;
    return config;
}

/** The behaviour of simple-failover-java, as far as it is a matter of configuration: its overflow, no
 * last resort, no ramps and no judge. */
static inline struct fo_config fo_config_compat(void)
{
    struct fo_config config = fo_config_init();
    config.levels.overflow = FO_OVERFLOW_COMPAT;
    config.levels.last_resort = FO_LAST_RESORT_NONE;
    config.trial.ramp_ms = FO_RAMP_NONE;
    config.judge = fo_judge_none();
    return config;
}

/* ---- Life -------------------------------------------------------------------------------- */

/**
 * Creates a balancer without endpoints.
 *
 * @param config    NULL: all defaults; copied, except what its fields say must outlive it
 * @param balancer  [out] set on FO_OK, untouched otherwise; yours until fo_balancer_destroy()
 * @return FO_OK
 *         FO_NOMEM   free memory, call again
 *         FO_EINVAL  balancer is NULL, or a field is out of range, unknown or reserved: fix the
 *                    caller
 *         FO_SYSTEM  the default runtime's thread or descriptor could not be had: raise the limit
 *
 * Any thread. Cold: allocates, takes locks.
 */
FO_API FO_MUST_USE fo_status fo_balancer_create(const struct fo_config *config,
                                                struct fo_balancer **balancer);

/**
 * Changes weight function, levels, the bound for keys, reuse, load policy and limits of a living balancer;
 * health and counters stay.
 *
 * @param config  not NULL; `weight`, `levels`, `key_load_factor`, `reuse_recent_ms`, `load` and
 *                `max_in_flight` take effect: name, log, seed, row_limit, check_leases, group, runtime,
 *                trial, check and judge are fixed at creation and are not looked at
 * @return FO_OK
 *         FO_NOMEM   free memory, call again; nothing was changed
 *         FO_EINVAL  a NULL argument, a bad size, an unknown field, or something that takes
 *                    effect out of range: fix the caller; nothing was changed
 *         FO_CLOSED  the balancer is being destroyed
 *
 * Any thread, concurrently with everything; for fo_balancer_destroy() see there. Cold: takes the
 * update lock, builds the index anew (O(N)) and waits for a grace period. Not from a weight function.
 * When it returns, calls that began before may still be asking the old weight function.
 */
FO_API FO_MUST_USE fo_status fo_balancer_configure(struct fo_balancer *balancer,
                                                   const struct fo_config *config);

/**
 * Destroys a balancer; NULL is allowed.
 *
 * Every endpoint is removed: its `released` event comes when its last lease is finished. After the
 * last of them comes one `closed` event, and the memory is freed behind it by the runtime. Open
 * leases stay valid and must still be finished. Listeners and their `arg` must live until `closed`.
 *
 * Stop every other call on the balancer first, or hold one open lease until they have returned: the
 * memory is freed once the last lease is finished and the `closed` listeners have returned, which may
 * be before this call returns. A call that overlaps within that rule returns FO_CLOSED, or finishes as
 * if it had come before. Afterwards only fo_finish() on open leases is allowed, and from this
 * balancer's own listeners any call but this one.
 *
 * Once; any thread, also from a listener. Cold: takes locks and waits for a grace period. With
 * check_leases it calls `log` if leases are open.
 */
FO_API void fo_balancer_destroy(struct fo_balancer *balancer);

/* ---- Membership -------------------------------------------------------------------------- */

/** One line of an update's result; as long as the result's entry_size says. */
struct fo_update_entry {
    const char *name;     /**< Valid until fo_update_result_fini(). */
    uint64_t id;          /**< The incarnation now; in `removed`: the one that left. */
    uint64_t previous_id; /**< In `updated`: the incarnation before; differs from id when `data`
                               changed. Otherwise 0. */
};

/** What an update did, or which entry it refused. */
struct fo_update_result {
    size_t size;
    size_t entry_size; /**< sizeof(struct fo_update_entry) as the caller knows it: the lists are
                            made of entries of that size. Set by the init function. */
    const struct fo_update_entry *added; /**< New names, in the order given. */
    size_t added_count;
    const struct fo_update_entry *updated; /**< Known names whose configuration changed. */
    size_t updated_count;
    const struct fo_update_entry *removed;
    size_t removed_count;
    size_t offender;       /**< When refused for an entry: its index; otherwise, also with FO_NOMEM
                                and FO_CLOSED, SIZE_MAX. */
    bool offender_removal; /**< The index counts removals, not upserts. */
    const char *offence;   /**< What is wrong, in words; static; "" when nothing is. */
    void *memory;          /**< The library's; see fo_update_result_fini(). */
};

static inline struct fo_update_result fo_update_result_init(void)
{
    struct fo_update_result result;
    result.size = sizeof(result);
    result.entry_size = sizeof(struct fo_update_entry);
    result.added = NULL;
    result.added_count = 0;
    result.updated = NULL;
    result.updated_count = 0;
    result.removed = NULL;
    result.removed_count = 0;
    result.offender = SIZE_MAX;
    result.offender_removal = false;
    result.offence = "";
    result.memory = NULL;
    return result;
}

/** Frees a result's lists. Needed after each call that was given the result; harmless twice. */
FO_API void fo_update_result_fini(struct fo_update_result *result);

/**
 * Adds, changes and removes endpoints. Names that are not mentioned are not touched.
 *
 * All or nothing: on any status but FO_OK the membership is as it was, and `result` names the
 * offending entry if there is one. Health, state and counters of known names are kept; an upsert that
 * changes nothing is not listed.
 *
 * Other `data` for a known name makes a new incarnation with a new id, on the same host. So a retry
 * that excludes the ids of what it has tried can land on the same server when an update comes between.
 *
 * @param upserts   n configurations to add or change, all of the same `size`; NULL when n is 0; not
 *                  kept
 * @param removals  m names to remove; NULL when m is 0; not kept
 * @param result    NULL, or [in, out] from fo_update_result_init(); give it back with
 *                  fo_update_result_fini()
 * @return FO_OK
 *         FO_EINVAL     a name is empty or too long, a weight is NaN, infinite, negative, too large,
 *                       max < min, init outside [min, max], an address that cannot be checked
 *                       (fo_endpoint_config.address), a bad or another size, a NULL list of a non-zero
 *                       count, or there would be more than FO_ENDPOINTS_MAX: fix the caller
 *         FO_DUPLICATE  a name stands twice in upserts and removals together
 *         FO_NOTFOUND   a removal names no endpoint
 *         FO_NOMEM      free memory, call again
 *         FO_CLOSED     the balancer is being destroyed
 *
 * Any thread, also from event listeners, concurrently with everything; for fo_balancer_destroy() see
 * there. Calls on one balancer run one after another. Cold: takes the update lock, allocates, and waits
 * for a grace period (typically 1 µs to 1 ms). When it returns, no new pick lands on what was removed.
 * Cost O(N) in the number of endpoints, and the table of keys if picks have come with some.
 */
FO_API FO_MUST_USE fo_status fo_balancer_update(struct fo_balancer *balancer,
                                                const struct fo_endpoint_config *upserts, size_t n,
                                                const char *const *removals, size_t m,
                                                struct fo_update_result *result);

/** For fo_balancer_replace(): an empty list is meant. */
#define FO_REPLACE_ALLOW_EMPTY 1u

/**
 * Makes the membership equal to a full list, as a diff: what is missing in it is removed, the rest is
 * upserted. Everything else is as for fo_balancer_update().
 *
 * @param flags  0 or FO_REPLACE_ALLOW_EMPTY. Without it an empty list is refused with FO_EINVAL:
 *               discovery that fails with an empty answer must not take the last capacity away.
 */
FO_API FO_MUST_USE fo_status fo_balancer_replace(struct fo_balancer *balancer,
                                                 const struct fo_endpoint_config *all, size_t n,
                                                 unsigned flags, struct fo_update_result *result);

/**
 * Stops new picks of an endpoint and keeps it in the membership: open leases go on, health and
 * counters stay. The setting survives updates and replaces until fo_undrain() or removal.
 *
 * @return FO_OK (also if it was drained already), FO_NOTFOUND, FO_NOMEM, FO_CLOSED; FO_EINVAL: NULL
 *
 * Threads and cost as for fo_balancer_update(). When it returns, no new pick lands on the endpoint.
 */
FO_API FO_MUST_USE fo_status fo_drain(struct fo_balancer *balancer, const char *name);

/** Undoes fo_drain(); same statuses and cost. */
FO_API FO_MUST_USE fo_status fo_undrain(struct fo_balancer *balancer, const char *name);

/* ---- Pick and finish --------------------------------------------------------------------- */

/**
 * A lease: holds `endpoint` until fo_finish(). Copy it freely, finish one copy only. 64 bytes;
 * only `endpoint` is yours to read, the rest belongs to the library.
 */
struct fo_lease {
    struct fo_endpoint *endpoint; /**< NULL in an empty or finished lease. */
    void *reserved_pointer[4];
    uint64_t reserved_wide[3];
};

/** An empty lease; finishing it is refused with FO_EINVAL. */
static inline struct fo_lease fo_lease_init(void)
{
    struct fo_lease lease;
    int i;
    lease.endpoint = NULL;
    for (i = 0; i < 4; i++)
        lease.reserved_pointer[i] = NULL;
    for (i = 0; i < 3; i++)
        lease.reserved_wide[i] = 0;
    return lease;
}

/** Most exclusions of one pick. */
#define FO_EXCLUDE_MAX 64

struct fo_pick_options {
    size_t size;
    const uint64_t *exclude; /**< Ids (fo_endpoint_id()) not to pick; unknown ids are ignored. */
    size_t exclude_count;    /**< 0 … FO_EXCLUDE_MAX */
    uint64_t require_tags;   /**< Only endpoints that have all of these tags; 0: any. */
    bool strict;             /**< false: when the exclusions leave nothing, they are dropped (a
                                  cluster of one must retry on itself); true: FO_UNAVAILABLE. */
    bool reserved[3];        /**< Must be false. */
    uint32_t level_limit;    /**< Only levels below this one; 0: any. */
    const char *zone;        /**< Only endpoints of this zone; NULL or "": any. */
    const void *key;         /**< Bytes that belong to one endpoint, as below; NULL: none. */
    size_t key_size;         /**< Bytes of `key`; ignored without it. */
};

static inline struct fo_pick_options fo_pick_options_init(void)
{
    struct fo_pick_options options;
    int i;
    options.size = sizeof(options);
    options.exclude = NULL;
    options.exclude_count = 0;
    options.require_tags = 0;
    options.strict = false;
    for (i = 0; i < 3; i++)
        options.reserved[i] = false;
    options.level_limit = 0;
    options.zone = NULL;
    options.key = NULL;
    options.key_size = 0;
    return options;
}

/**
 * Picks an endpoint in proportion to its live weight, and to its ramp while it has one (group.h).
 *
 * @param balancer  from fo_balancer_create(); not NULL
 * @param lease     [out] not NULL; filled on FO_OK, untouched otherwise; give it back exactly once
 *                  with fo_finish()
 * @return FO_OK
 *         FO_UNAVAILABLE  no endpoint that is not drained and has a weight; or, with last resort
 *                         configured off, every one is down: shed or queue
 *         FO_OVERLOADED   only with limits (load.h): what could be picked has all that it may have in
 *                         flight, or the balancer has: shed the request, or wait for a finish
 *         FO_CLOSED       the balancer is being destroyed: stop using it
 *
 * Any thread, concurrently with everything; for fo_balancer_destroy() see there. Lock-free, allocates
 * nothing and makes no system call, but for a thread's first call (see the top). O(1) expected while
 * at least a fair part of the weight is up, O(log N) otherwise; up to some 20 times as long for the
 * first seconds after all of a level has come back at once and ramps. In a shared group the sums behind
 * that may be behind what other balancers of the group learned: then the pick that would be refused
 * looks at every endpoint, O(N), and brings the sums up to date.
 * While everything is healthy, the picks of one thread are spread by a low-discrepancy sequence: in
 * any window each endpoint's count stays within a few of its share with equal weights, and within
 * some tens, as measured, with very unequal ones.
 *
 * With a load policy or a limit, what is in flight decides, too (load.h), and O(N) when most of the
 * endpoints are at their limits.
 * Sources: alias method (Walker 1977, Vose 1991); additive recurrence (Weyl 1916).
 */
FO_API FO_MUST_USE fo_status fo_pick(struct fo_balancer *balancer, struct fo_lease *lease);

/**
 * Picks as fo_pick() does, within limits.
 *
 * @param options  NULL: as fo_pick(). Retries exclude the endpoints that they have tried.
 * @return as fo_pick(), and
 *         FO_UNAVAILABLE  also when nothing has the tags, the zone or a level below the limit, or strict
 *                         and everything is excluded
 *         FO_EINVAL       a bad size, more than FO_EXCLUDE_MAX exclusions, a NULL list of a
 *                         non-zero count, or a reserved field set: fix the caller
 *         FO_NOMEM        the first pick with a key, and no memory for the table: free some, call again
 *
 * With a key, the endpoint is the key's: the same one for the same key, in every process that has the
 * same endpoints with the same weights, after restarts, on every machine. Keys are shared by weight.
 * When an endpoint joins or leaves, few keys move but its own. When the key's endpoint is down,
 * excluded, beyond its bound or otherwise not to be had, the key has a second choice, and a third … that
 * are as fixed; of an endpoint at 70 % of its health, or so far up its ramp, 70 % of the keys stay, always
 * the same (how far up a ramp is, each process has its own idea). Keys keep
 * to level 0 as long as anything there is healthy; beyond it, and when all that the limits leave is beyond its
 * bound, they are picked as without a key. The first such pick on a balancer builds the table
 * (cold: takes the update lock, allocates 131 KB or up to 400 bytes an endpoint, waits for a grace period: so
 * not inside a read section of liburcu of your own); updates then build it again
 * before they return.
 *
 * When the level that is due has nothing within the limits, the others are looked at in order of
 * preference, then, as a last resort, those that are down, then, unless strict, the excluded.
 *
 * Threads and progress as fo_pick(). At worst, with a required zone or tags, O(distinct sets of level,
 * zone and tags × (log N + exclusions)); O(levels × (log N + exclusions)) without.
 * Sources for keys: Maglev (Eisenbud et al. 2016); bounded loads (Mirrokni, Thorup, Zadimoghaddam 2018).
 */
FO_API FO_MUST_USE fo_status fo_pick_with(struct fo_balancer *balancer,
                                          const struct fo_pick_options *options,
                                          struct fo_lease *lease);

/** What became of the keys when the table was last built. */
struct fo_key_info {
    size_t size;
    uint64_t builds;   /**< How often it was built; 0: no pick had a key yet, and all is 0. */
    size_t table_size; /**< Its entries: keys that it tells apart. */
    double moved;      /**< Share of them that another endpoint has than before the last build. */
    double needless; /**< Of all, the share that moved although their endpoint is still there, with
                            the same weight. */
};

static inline struct fo_key_info fo_key_info_init(void)
{
    struct fo_key_info info;
    info.size = sizeof(info);
    info.builds = 0;
    info.table_size = 0;
    info.moved = 0;
    info.needless = 0;
    return info;
}

/**
 * Copies the statistics of keys.
 *
 * @return FO_OK; FO_EINVAL: a NULL argument or a bad size; FO_CLOSED
 *
 * Any thread, concurrently with everything; for fo_balancer_destroy() see there. Cold: takes the
 * update lock.
 */
FO_API FO_MUST_USE fo_status fo_key_status(struct fo_balancer *balancer, struct fo_key_info *info);

/**
 * Picks several different endpoints: for a quorum, for hedging, for connections to keep open.
 *
 * The first as fo_pick_with() does, each further one likewise among those not yet picked: weighted,
 * without replacement.
 *
 * @param options  NULL: none; as for fo_pick_with(), without a key
 * @param n        how many are wanted; at least 1
 * @param leases   [out] room for n, each to be finished by itself; those behind the first *got are
 *                 empty
 * @param got      [out] how many were picked: fewer than n when there are no more; 0 on failure
 * @return FO_OK (*got ≥ 1), otherwise as fo_pick_with(); FO_EINVAL also for n 0, a NULL
 *         pointer or a key
 *
 * Threads as fo_pick(); allocates nothing, but for a thread's first call. O(n × (n + log N)) for up to a
 * quarter of the endpoints, O(N + n log n) beyond.
 * Source of the latter: Efraimidis and Spirakis 2006.
 */
FO_API FO_MUST_USE fo_status fo_pick_many(struct fo_balancer *balancer,
                                          const struct fo_pick_options *options, size_t n,
                                          struct fo_lease *leases, size_t *got);

/**
 * Picks from the first of several balancers that has something healthy, and something within the limits.
 *
 * First each balancer in which anything is healthy is asked, for an endpoint that is not excluded. When
 * none has one, each is asked as fo_pick_with() does it, so exclusions are dropped, and the last resort of
 * a balancer that is dead comes, last. For a chain
 * such as own cluster, other cluster, cloud; levels (levels.h) do the same inside one balancer.
 *
 * @param balancers  n of them, best first; not NULL
 * @param n          at least 1
 * @param options    NULL: none. Ids to exclude belong to one balancer each: excluding them from all
 *                   excludes endpoints of the same id elsewhere, too.
 * @return as fo_pick_with(), of the last balancer asked; FO_EINVAL also for n 0
 *
 * Threads and progress as fo_pick_with().
 */
FO_API FO_MUST_USE fo_status fo_pick_chain(struct fo_balancer *const *balancers, size_t n,
                                           const struct fo_pick_options *options,
                                           struct fo_lease *lease);

/**
 * Finishes a lease with what happened, and clears it.
 *
 * @param lease    from fo_pick(); may come from another thread. Cleared: `endpoint` is NULL after.
 * @param outcome  see fo_outcome. An outcome of a request that was picked before the host's last
 *                 change to or from down counts in the statistics and moves nothing.
 * @return FO_OK
 *         FO_EINVAL  lease is NULL, empty or already finished, or outcome is no outcome (the lease
 *                    is then still open). With check_leases also a finished copy: logged.
 *
 * Without check_leases, finishing a second copy is undefined: it may release the endpoint early.
 *
 * Any thread, also late in a thread's exit, and after fo_balancer_destroy(). Lock-free and allocates
 * nothing, but for a thread's first call (see the top). A finish that changes the host's state, or
 * that is the last one of a removed endpoint, may wake the runtime with one write to an eventfd.
 */
FO_API fo_status fo_finish(struct fo_lease *lease, fo_outcome outcome);

/** What a finish tells. */
struct fo_finish_report {
    size_t size;
    fo_outcome outcome;  /**< As for fo_finish(). */
    uint32_t reserved;   /**< Must be 0. */
    uint64_t latency_ns; /**< How long the request took; 0: not known, and measured by the library
                              where it needs it (fo_load_config.reports_latency). */
    double load;         /**< What the server says that it has in flight, from all its clients;
                              below 0: it does not say. */
};

/** A report of that outcome and nothing else. */
static inline struct fo_finish_report fo_finish_report_init(fo_outcome outcome)
{
    struct fo_finish_report report;
    report.size = sizeof(report);
    report.outcome = outcome;
    report.reserved = 0;
    report.latency_ns = 0;
    report.load = -1;
    return report;
}

/**
 * Finishes a lease as fo_finish() does, and tells more of the request and its server.
 *
 * What it tells is for load policies and limits (load.h); the latency of an answer is kept for the host
 * also while there are none.
 *
 * @param report  from fo_finish_report_init(); not NULL
 * @return as fo_finish(); FO_EINVAL also for a NULL report, a bad size, a load that is NaN or infinite, or a
 *         reserved field set (the lease is then still open)
 *
 * Threads and progress as fo_finish().
 */
FO_API fo_status fo_finish_with(struct fo_lease *lease, const struct fo_finish_report *report);

/**
 * Reports an outcome for callers who keep only a name.
 *
 * Counts as one request that was picked and finished at once, and moves the health of the host as
 * fo_finish() would, but never lifts it out of down: without a lease nobody knows when the request
 * began. Prefer leases.
 *
 * @return FO_OK, FO_NOTFOUND, FO_CLOSED; FO_EINVAL: a NULL argument or no outcome
 *
 * Any thread, concurrently with everything; for fo_balancer_destroy() see there. Lock-free and
 * allocates nothing, but for a thread's first call (see the top). A report that changes the host's
 * state may wake the runtime with one write to an eventfd.
 */
FO_API fo_status fo_report(struct fo_balancer *balancer, const char *name, fo_outcome outcome);

#ifdef __cplusplus
}
#endif

#endif
