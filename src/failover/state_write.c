/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing saved state: the whole text into memory of our own under the update lock, then out of it.
 *
 * The text has a bound that is known beforehand, so it is written once and in one go, although hosts
 * change meanwhile. Each line is one look at one host word.
 */
#include "bits.h"
#include "cold.h"
#include "hash.h"
#include "members.h"
#include "state_read.h"

#include <failover/state.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer than the header and the last line together, with their numbers. */
#define FRAME_BYTES 128

struct text {
    char *bytes;
    size_t length;
};

/* ---- Lines --------------------------------------------------------------------------------- */

/** Health in ten digits. */
static uint64_t health_of(uint64_t word)
{
    fo__u128 scaled = (fo__u128)fo__word_health(word) * FO__STATE_HEALTH_ONE;

    return (uint64_t)((scaled + FO__HEALTH_ONE / 2) / FO__HEALTH_ONE);
}

/** How long a host that is down waits for its trial from now on. One that the dispatcher has not come
 * to since it went down, or since its trial failed, has no time set yet: then the usual first wait. */
static uint64_t wait_ms_of(struct fo__host *host, uint64_t word, uint64_t now_ns)
{
    uint64_t due_ns = fo__load_relaxed(&host->trial_due_ns);
    uint64_t wait_ms;

    if ((word & (FO__FLAG_DUE | FO__FLAG_TRIAL)) != 0)
        return 0;
    if (due_ns <= now_ns)
        return fo__word_reason(word) == FO_REASON_RESTORED ? 0 : host->group->trial.backoff_ms;
    wait_ms = (due_ns - now_ns + FO__NS_PER_MS - 1) / FO__NS_PER_MS;
    return wait_ms < FO__STATE_WAIT_MAX_MS ? wait_ms : FO__STATE_WAIT_MAX_MS;
}

static uint64_t trials_failed_of(struct fo__host *host, uint64_t word)
{
    uint64_t trials_failed = fo__word_reason(word) == FO_REASON_RESTORED
                                 ? fo__word_restored_trials(word)
                                 : fo__load_relaxed(&host->trials_failed);

    return trials_failed < FO__STATE_TRIALS_MAX ? trials_failed : FO__STATE_TRIALS_MAX;
}

static void write_name(struct text *text, const char *name)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *name != '\0'; name++) {
        unsigned char byte = (unsigned char)*name;

        if (fo__state_is_plain(byte)) {
            text->bytes[text->length++] = *name;
        } else {
            text->bytes[text->length++] = '%';
            text->bytes[text->length++] = digits[byte / 16];
            text->bytes[text->length++] = digits[byte % 16];
        }
    }
    text->bytes[text->length++] = '\n';
}

static void write_host(struct text *text, struct fo__host *host, uint64_t now_ns)
{
    uint64_t word = fo__load_acquire(host->word);
    char *at = &text->bytes[text->length];

    if ((word & FO__FLAG_DOWN) == 0) {
        uint64_t health = health_of(word);

        text->length +=
            (size_t)sprintf(at, "up %" PRIu64 ".%010" PRIu64 " ", health / FO__STATE_HEALTH_ONE,
                            health % FO__STATE_HEALTH_ONE);
    } else {
        text->length +=
            (size_t)sprintf(at, "down %" PRIu64 " %" PRIu64 " ", wait_ms_of(host, word, now_ns),
                            trials_failed_of(host, word));
    }
    write_name(text, host->name->bytes);
}

/* ---- The whole ----------------------------------------------------------------------------- */

static size_t bound_of(const struct fo_balancer *balancer)
{
    size_t bound = FRAME_BYTES;

    for (uint32_t i = 0; i < balancer->count; i++)
        bound += 3 * (size_t)balancer->members[i]->host->name->length +
                 (FO__STATE_LINE_MAX - 3 * FO_NAME_MAX);
    return bound;
}

/** Caller holds the update lock. */
static fo_status write_all(struct fo_balancer *balancer, uint64_t now_s, uint64_t now_ns,
                           struct text *text)
{
    if (balancer->closing)
        return FO_CLOSED;
    text->bytes = malloc(bound_of(balancer));
    if (text->bytes == NULL)
        return FO_NOMEM;
    text->length = (size_t)sprintf(text->bytes, FO__STATE_HEADER "%" PRIu64 "\n", now_s);
    for (uint32_t i = 0; i < balancer->count; i++)
        write_host(text, balancer->members[i]->host, now_ns);
    text->length += (size_t)sprintf(&text->bytes[text->length], "end %" PRIu32 " %016" PRIx64 "\n",
                                    balancer->count, fo__hash(text->bytes, text->length));
    return FO_OK;
}

static fo_status save(struct fo_balancer *balancer, const struct fo_state_options *options,
                      struct text *text)
{
    struct fo_state_options ours;
    uint64_t now_ns;
    fo_status status;

    if (!fo__state_options_read(&ours, options))
        return FO_EINVAL;
    fo__cold_begin();
    now_ns = fo__clock_now_ns(&balancer->group->runtime->clock);
    pthread_mutex_lock(&balancer->update_lock);
    status = write_all(balancer, ours.now_s, now_ns, text);
    pthread_mutex_unlock(&balancer->update_lock);
    fo__cold_end();
    return status;
}

fo_status fo_state_save(struct fo_balancer *balancer, const struct fo_state_options *options,
                        char *buffer, size_t capacity, size_t *length)
{
    struct text text = {NULL, 0};
    fo_status status;

    if (balancer == NULL || length == NULL || (buffer == NULL && capacity > 0))
        return FO_EINVAL;
    status = save(balancer, options, &text);
    if (status != FO_OK)
        return status;
    *length = text.length;
    if (text.length < capacity) {
        memcpy(buffer, text.bytes, text.length);
        buffer[text.length] = '\0';
    } else {
        status = FO_NOSPACE;
    }
    free(text.bytes);
    return status;
}

fo_status fo_state_write(struct fo_balancer *balancer, const struct fo_state_options *options,
                         fo_state_writer_fn writer, void *arg)
{
    struct text text = {NULL, 0};
    fo_status status;

    if (balancer == NULL || writer == NULL)
        return FO_EINVAL;
    status = save(balancer, options, &text);
    if (status == FO_OK)
        writer(text.bytes, text.length, arg);
    free(text.bytes);
    return status;
}
