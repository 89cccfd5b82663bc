/* SPDX-License-Identifier: Apache-2.0
 *
 * Restoring saved state: all of the text is read and judged first (state_read.c), then every host that
 * has a record is brought there by one CAS of its word, as a finish would (outcome.c).
 *
 *     record up    fresh and up     same epoch, its health
 *     record down  fresh            epoch + 1, DOWN, reason RESTORED, number of the last trial = trials
 *                                   that have failed; the dispatcher goes on from there (trial.c)
 *
 * Fresh is a host that has made no transition since it was added: up in epoch 0, or still down as it
 * was added. Anybody else has learned something newer.
 *
 * When a trial is due does not fit into the word: it stands beside it, and is written before the CAS. The
 * group lock keeps two restores apart, so that the time and the word are from the same text.
 */
#include "abi.h"
#include "bits.h"
#include "cold.h"
#include "members.h"
#include "outcome.h"
#include "state_read.h"

#include <failover/state.h>

#define MAX_AGE_S 600u

struct restore {
    struct fo_state_options options;
    uint64_t now_ns; /* of the group's runtime */
    struct fo_state_result result;
};

/* ---- One host ------------------------------------------------------------------------------ */

static bool is_fresh(uint64_t word)
{
    if ((word & FO__FLAG_DOWN) == 0)
        return fo__word_epoch(word) == 0;
    return fo__word_reason(word) == FO_REASON_STARTED_DOWN &&
           (word & (FO__FLAG_DUE | FO__FLAG_TRIAL)) == 0;
}

/** The longest wait that the group's own settings make, rounded up. */
static uint64_t wait_max_ms(const struct fo_group *group)
{
    return (uint64_t)group->trial.backoff_max_ms * 6 / 5 + 1;
}

static uint64_t due_ns_of(const struct restore *restore, const struct fo_group *group,
                          const struct fo__state_record *record)
{
    uint64_t past_ms = restore->result.age_s * 1000;
    uint64_t wait_ms = record->wait_ms > past_ms ? record->wait_ms - past_ms : 0;

    if (wait_ms > wait_max_ms(group))
        wait_ms = wait_max_ms(group);
    return restore->now_ns + wait_ms * FO__NS_PER_MS;
}

static uint64_t word_up(uint64_t word, uint64_t health)
{
    fo__u128 scaled = (fo__u128)health * FO__HEALTH_ONE + FO__STATE_HEALTH_ONE / 2;
    uint64_t units = (uint64_t)(scaled / FO__STATE_HEALTH_ONE);

    return fo__word_of(word, units > 0 ? units : 1, 0);
}

/** False: the host has learned something newer, or was added down and was up in the text. */
static bool restore_host(const struct restore *restore, struct fo_endpoint *endpoint,
                         const struct fo__state_record *record)
{
    struct fo__host *host = endpoint->host;
    bool down = record->health == 0;
    uint64_t before;
    uint64_t after;

    do {
        before = fo__load_acquire(host->word);
        if (!is_fresh(before) || (!down && (before & FO__FLAG_DOWN) != 0))
            return false;
        if (down)
            fo__store_relaxed(&host->trial_due_ns, due_ns_of(restore, host->group, record));
        after = down ? fo__word_restored(before, record->trials_failed)
                     : word_up(before, record->health);
    } while (after != before && !fo__outcome_change_word(endpoint->core, endpoint, before, after));
    return true;
}

/* ---- The whole ----------------------------------------------------------------------------- */

/** Caller holds the update lock. */
static void restore_record(struct restore *restore, struct fo_balancer *balancer,
                           const struct fo__state_record *record)
{
    struct fo_endpoint *endpoint = fo__names_get(&balancer->names, record->name);
    bool restored;

    if (endpoint == NULL) {
        restore->result.unknown++;
        return;
    }
    pthread_mutex_lock(&balancer->group->lock);
    restored = restore_host(restore, endpoint, record);
    pthread_mutex_unlock(&balancer->group->lock);
    restore->result.restored += restored ? 1 : 0;
    restore->result.kept += restored ? 0 : 1;
}

/** A clock that was set back makes a text look as if it came from the future: a little is forgiven. */
static bool is_stale(struct restore *restore, uint64_t written_s)
{
    uint64_t now_s = restore->options.now_s;
    uint64_t max_age_s = restore->options.max_age_s != 0 ? restore->options.max_age_s : MAX_AGE_S;

    restore->result.age_s = now_s > written_s ? now_s - written_s : 0;
    return restore->result.age_s > max_age_s ||
           (written_s > now_s && written_s - now_s > max_age_s);
}

/** Inside the cold lock. */
static fo_status restore_all(struct restore *restore, struct fo_balancer *balancer,
                             const struct fo__state_text *read)
{
    bool closing;

    restore->now_ns = fo__clock_now_ns(&balancer->group->runtime->clock);
    pthread_mutex_lock(&balancer->update_lock);
    closing = balancer->closing;
    for (size_t i = 0; i < read->count && !closing; i++)
        restore_record(restore, balancer, &read->records[i]);
    pthread_mutex_unlock(&balancer->update_lock);
    return closing ? FO_CLOSED : FO_OK;
}

static fo_status restore_text(struct restore *restore, struct fo_balancer *balancer,
                              const char *text, size_t length)
{
    struct fo__state_text read;
    fo_status status = fo__state_read(&read, text, length);

    restore->result.line = status == FO_EINVAL ? read.bad_line : 0;
    if (status == FO_OK && is_stale(restore, read.written_s))
        status = FO_STALE;
    if (status == FO_OK) {
        fo__cold_begin();
        status = restore_all(restore, balancer, &read);
        fo__cold_end();
    }
    fo__state_text_fini(&read);
    return status;
}

fo_status fo_state_restore(struct fo_balancer *balancer, const struct fo_state_options *options,
                           const char *text, size_t length, struct fo_state_result *result)
{
    struct restore restore = {.result = fo_state_result_init()};
    fo_status status;

    if (balancer == NULL || text == NULL ||
        (result != NULL && !fo__abi_size_is_sane(result->size, sizeof(*result))) ||
        !fo__state_options_read(&restore.options, options))
        return FO_EINVAL;
    status = restore_text(&restore, balancer, text, length);
    if (result != NULL)
        fo__abi_write(result, &restore.result, sizeof(restore.result));
    return status;
}
