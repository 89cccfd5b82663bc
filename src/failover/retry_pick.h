/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom a retry asks.
 *
 *     nobody asked it to be left alone:  one pick; what was asked is excluded, and used again if it must
 *     otherwise:  one that was not asked ─► one that was, and may be asked again ─► wait for one
 *                 (strict)                  (strict, without those to be left alone)
 *
 * A pick that is not strict drops all exclusions at once when they leave nothing. So where some of them
 * must hold, because the server said when to come again, the steps are taken one by one. While the
 * healthy are all to be left alone, picks that are strict do not fall back to those that are down, so
 * the request waits for a healthy one, too.
 */
#ifndef FO_RETRY_PICK_H
#define FO_RETRY_PICK_H

#include <failover/retry.h>

/** Whether the caller's options can be those of a request of so many attempts. */
bool fo__retry_options_are_valid(const struct fo_pick_options *options, uint32_t max_attempts);

/** Picks; FO_WAIT: everything is to be left alone until *wait_until_ns, at least. Otherwise as
 * fo_pick_with(). */
fo_status fo__retry_pick(const struct fo_retry *retry, uint64_t now_ns, struct fo_lease *lease,
                         uint64_t *wait_until_ns);

/** Picks one that was not asked yet, or none. */
fo_status fo__retry_pick_another(const struct fo_retry *retry, struct fo_lease *lease);

#endif
