/* SPDX-License-Identifier: Apache-2.0 */
#include "check_config.h"

#include "address.h"
#include "http_answer.h"

#include <failover/endpoint.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_MS 2000u
#define TIMEOUT_MS 1000u
#define RISE 2u
#define FALL 3u
#define FAST_INTERVAL_MIN_MS 50u
#define JITTER_PERCENT 10u
#define JITTER_PERCENT_MAX 50u
#define STATUS_MIN 200u
#define STATUS_MAX 399u

/* ---- Defaults ---------------------------------------------------------------------------- */

static uint32_t given_or(uint32_t given, uint32_t fallback)
{
    return given != 0 ? given : fallback;
}

static uint32_t fast_interval_ms(uint32_t interval_ms)
{
    uint32_t fast_ms = interval_ms / 4;

    if (fast_ms < FAST_INTERVAL_MIN_MS)
        fast_ms = FAST_INTERVAL_MIN_MS;
    return fast_ms < interval_ms ? fast_ms : interval_ms;
}

static void fill_in(struct fo_check_config *config)
{
    config->interval_ms = given_or(config->interval_ms, INTERVAL_MS);
    config->timeout_ms = given_or(config->timeout_ms, TIMEOUT_MS);
    config->rise = given_or(config->rise, RISE);
    config->fall = given_or(config->fall, FALL);
    config->fast_interval_ms =
        given_or(config->fast_interval_ms, fast_interval_ms(config->interval_ms));
    config->down_interval_max_ms = given_or(config->down_interval_max_ms, config->interval_ms);
    config->jitter_percent = given_or(config->jitter_percent, JITTER_PERCENT);
    if (config->path == NULL)
        config->path = "/";
    if (config->status_min == 0)
        config->status_min = STATUS_MIN;
    if (config->status_max == 0)
        config->status_max = config->status_min > STATUS_MAX ? config->status_min : STATUS_MAX;
}

/* ---- Checking ---------------------------------------------------------------------------- */

static bool are_zero(const struct fo_check_config *config)
{
    for (size_t i = 0; i < sizeof(config->reserved) / sizeof(config->reserved[0]); i++)
        if (config->reserved[i] != 0)
            return false;
    for (size_t i = 0; i < sizeof(config->reserved2) / sizeof(config->reserved2[0]); i++)
        if (config->reserved2[i] != 0)
            return false;
    return true;
}

static bool is_text(const void *bytes, size_t size)
{
    return (bytes != NULL) == (size > 0) && size <= FO_CHECK_TEXT_MAX;
}

static bool is_request(const struct fo_check_config *config)
{
    char buffer[2 * FO_CHECK_TEXT_MAX];
    const char *host = config->host != NULL ? config->host : "localhost";

    return strnlen(config->path, FO_CHECK_TEXT_MAX + 1) <= FO_CHECK_TEXT_MAX &&
           strnlen(host, FO_NAME_MAX + 1) <= FO_NAME_MAX &&
           fo__http_request_write(buffer, sizeof(buffer), config->path, host) > 0;
}

bool fo__check_config_is_valid(const struct fo_check_config *config)
{
    struct fo_check_config full = *config;
    bool jitter_is_valid;

    if (config->kind > FO_CHECK_ASYNC ||
        (config->check != NULL) != (config->kind == FO_CHECK_SYNC) ||
        (config->begin != NULL) != (config->kind == FO_CHECK_ASYNC) ||
        config->when > FO_CHECK_ALWAYS || !are_zero(config))
        return false;
    fill_in(&full);
    jitter_is_valid =
        full.jitter_percent <= JITTER_PERCENT_MAX || full.jitter_percent == FO_CHECK_JITTER_NONE;
    return jitter_is_valid && full.fast_interval_ms <= full.interval_ms &&
           full.down_interval_max_ms >= full.interval_ms && is_text(full.send, full.send_size) &&
           is_text(full.expect, full.expect_size) && is_request(&full) && full.status_min >= 100 &&
           full.status_min <= full.status_max && full.status_max <= 599;
}

bool fo__check_config_is_default(const struct fo_check_config *config)
{
    return config->kind == FO_CHECK_NONE && config->when == FO_CHECK_LAZY &&
           config->interval_ms == 0 && config->timeout_ms == 0 && config->rise == 0 &&
           config->fall == 0 && config->fast_interval_ms == 0 &&
           config->down_interval_max_ms == 0 && config->jitter_percent == 0 && are_zero(config) &&
           config->send == NULL && config->send_size == 0 && config->expect == NULL &&
           config->expect_size == 0 && config->path == NULL && config->host == NULL &&
           config->status_min == 0 && config->status_max == 0 && config->check == NULL &&
           config->begin == NULL && config->arg == NULL;
}

const char *fo__check_config_offence(const struct fo_check_config *config, const char *address)
{
    struct fo__address read;

    if (config == NULL || config->kind == FO_CHECK_SYNC || config->kind == FO_CHECK_ASYNC ||
        fo__address_read(address, &read))
        return NULL;
    return "its address, or its name without one, is none that can be checked";
}

/* ---- Copying ------------------------------------------------------------------------------ */

/** Copies bytes to the end of the block, with a 0 byte behind them. */
static const char *append(char **end, const void *bytes, size_t size)
{
    char *copy = *end;

    if (bytes == NULL)
        return NULL;
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    *end = copy + size + 1;
    return copy;
}

struct fo_check_config *fo__check_config_copy(const struct fo_check_config *config)
{
    struct fo_check_config full = *config;
    struct fo_check_config *copy;
    size_t host_size = config->host != NULL ? strlen(config->host) : 0;
    char *end;

    fill_in(&full);
    copy = malloc(sizeof(full) + full.send_size + full.expect_size + strlen(full.path) + host_size +
                  4);
    if (copy == NULL)
        return NULL;
    end = (char *)(copy + 1);
    full.send = append(&end, full.send, full.send_size);
    full.expect = append(&end, full.expect, full.expect_size);
    full.path = append(&end, full.path, strlen(full.path));
    full.host = append(&end, full.host, host_size);
    *copy = full;
    return copy;
}
