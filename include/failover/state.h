/* SPDX-License-Identifier: Apache-2.0
 *
 * Saved state: what one process has learned about its servers, for the one that takes its place.
 *
 * A process that starts knows nothing: it would find out about a dead server with its users' requests.
 * So save what a balancer has learned, now and then or at the end, and restore it after the first
 * update of the new process's balancer:
 *
 *     fo_balancer_update(b, servers, n, …)     first: only endpoints that are there are restored
 *     fo_state_restore(b, NULL, text, length, NULL)
 *
 * A server that was down is down again, and gets its trial when the rest of its back-off is over: the
 * time between the two processes counts. Where there are checks (check.h) there are no trials: it waits
 * until they pass, whatever the text says of trials. A server that was up has its health again. What this process
 * has learned itself is newer, and stays.
 *
 * The text, of which each line ends with a newline:
 *
 *     failover-state 1 1764072000                format, seconds since 1970 when it was written
 *     up 0.7500000000 10.0.0.1:80                health, name
 *     down 850 2 10.0.0.2:80                     ms until its trial, trials that have failed, name
 *     end 2 5e0a40587e6d93fe                     number of servers, XXH3 of all the lines above
 *
 * Bytes of a name that are no printable ASCII, blanks and '%' are written as % and two hexadecimal
 * digits. Text that is not exactly so is refused as a whole: cut off, changed, or with numbers out of
 * range. So write it to a new file, and rename that over the old one.
 */
#ifndef FAILOVER_STATE_H
#define FAILOVER_STATE_H

#include <failover/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fo_balancer;

struct fo_state_options {
    size_t size;
    uint64_t now_s;     /**< What the time is, in seconds since 1970; 0: as CLOCK_REALTIME says. */
    uint32_t max_age_s; /**< Older text is not restored; 0: 600. Saving does not look at it. */
    uint32_t reserved;  /**< Must be 0. */
};

/** All defaults. */
static inline struct fo_state_options fo_state_options_init(void)
{
    struct fo_state_options options;
    options.size = sizeof(options);
    options.now_s = 0;
    options.max_age_s = 0;
    options.reserved = 0;
    return options;
}

/** What fo_state_restore() has done. */
struct fo_state_result {
    size_t size;
    uint64_t restored; /**< Endpoints that are now as they were. */
    uint64_t kept;     /**< Endpoints whose host has been down, or was added down and was up in the
                            text: left as they are. */
    uint64_t unknown;  /**< Names that no endpoint has: ignored. */
    uint64_t age_s;    /**< Of the text; 0 also if it seems to come from the future. */
    uint64_t line;     /**< FO_EINVAL: the line, from 1, that is wrong; 0: an argument is. */
};

static inline struct fo_state_result fo_state_result_init(void)
{
    struct fo_state_result result;
    result.size = sizeof(result);
    result.restored = 0;
    result.kept = 0;
    result.unknown = 0;
    result.age_s = 0;
    result.line = 0;
    return result;
}

/**
 * Receives saved state, all of it in one call.
 *
 * @param text    not NUL-terminated; valid during the call
 * @param length  in bytes
 *
 * Not called under a lock: it may block, and call any function of the library.
 */
typedef void (*fo_state_writer_fn)(const char *text, size_t length, void *arg);

/**
 * Writes what a balancer has learned about its endpoints into a buffer.
 *
 * @param options   NULL: all defaults; not kept
 * @param buffer    [out] the text and a NUL behind it; NULL if capacity is 0
 * @param capacity  bytes of the buffer
 * @param length    [out] on FO_OK the text's bytes without the NUL; on FO_NOSPACE the same, that is
 *                  one less than would have been enough; not NULL
 * @return FO_OK
 *         FO_NOSPACE  the buffer is too small and was left alone: make room for *length + 1, and a little
 *                     more because the next text may be longer, and call again
 *         FO_NOMEM    free memory, call again
 *         FO_CLOSED   the balancer is being destroyed
 *         FO_EINVAL   a NULL argument, a bad size, an unknown or reserved field: fix the caller
 *
 * Any thread, concurrently with everything; for fo_balancer_destroy() see there. Cold: takes the
 * balancer's update lock, allocates. O(N).
 */
FO_API FO_MUST_USE fo_status fo_state_save(struct fo_balancer *balancer,
                                           const struct fo_state_options *options, char *buffer,
                                           size_t capacity, size_t *length);

/**
 * The same, to a writer.
 *
 * @param writer  not NULL; called once on FO_OK, else not at all
 * @param arg     handed to writer
 * @return as fo_state_save(), but for FO_NOSPACE
 */
FO_API FO_MUST_USE fo_status fo_state_write(struct fo_balancer *balancer,
                                            const struct fo_state_options *options,
                                            fo_state_writer_fn writer, void *arg);

/**
 * Restores what another process has saved, for those endpoints that this balancer has.
 *
 * @param options  NULL: all defaults; not kept
 * @param text     as it was saved; need not be NUL-terminated; may come from anywhere
 * @param length   in bytes
 * @param result   NULL, or [out] filled on every status but those of a bad size
 * @return FO_OK       done: see result
 *         FO_EINVAL   the text is damaged, see result->line: do without it. Or a NULL argument, a bad
 *                     size, an unknown or reserved field: fix the caller
 *         FO_STALE    written more than max_age_s ago, or by a clock that much ahead: do without it
 *         FO_NOMEM    free memory, call again
 *         FO_CLOSED   the balancer is being destroyed
 *
 * But for FO_OK nothing was changed. A wait for a trial that is longer than the group's own settings
 * ever make it is cut to that. In a group it is the hosts that are restored, for all balancers.
 *
 * An endpoint's host that was never down since it was added takes the health of the text; one that was
 * added with init_weight 0 takes over when its trial is due. A host that goes down so is told of with
 * the reason FO_REASON_RESTORED.
 *
 * Any thread, concurrently with everything; for fo_balancer_destroy() see there. Cold: takes the
 * balancer's update lock, allocates twice or three times the text. O(N log N).
 */
FO_API FO_MUST_USE fo_status fo_state_restore(struct fo_balancer *balancer,
                                              const struct fo_state_options *options,
                                              const char *text, size_t length,
                                              struct fo_state_result *result);

#ifdef __cplusplus
}
#endif

#endif
