/* SPDX-License-Identifier: Apache-2.0 */
#include "judge_config.h"

#include <stddef.h>

#define STRIKES 5u
#define FAILURE_PERCENT 50u
#define OUTLIER_PERMILLE 1900u
#define OUTLIER_PERMILLE_MAX 10000u
#define LATENCY_PERCENT 500u
#define LATENCY_PERCENT_MIN 101u
#define LATENCY_PERCENT_MAX 100000u
#define WINDOW_MS 10000u
#define WINDOW_MIN_MS 100u
#define WINDOW_MAX_MS 3600000u
#define WINDOW_REQUESTS 100u
#define SHARE_PERCENT 50u
#define EJECTION_MS 5000u
#define EJECTION_MAX_MS 300000u
#define STALL_MS 100u

static uint32_t filled(uint32_t value, uint32_t preset)
{
    return value != 0 ? value : preset;
}

struct fo_judge_config fo__judge_config_full(const struct fo_judge_config *given)
{
    struct fo_judge_config full = *given;

    full.strikes = filled(given->strikes, STRIKES);
    full.failure_percent = filled(given->failure_percent, FAILURE_PERCENT);
    full.outlier_permille = filled(given->outlier_permille, OUTLIER_PERMILLE);
    full.latency_percent = filled(given->latency_percent, LATENCY_PERCENT);
    full.window_ms = filled(given->window_ms, WINDOW_MS);
    full.window_requests = filled(given->window_requests, WINDOW_REQUESTS);
    full.share_percent = filled(given->share_percent, SHARE_PERCENT);
    full.ejection_ms = filled(given->ejection_ms, EJECTION_MS);
    full.ejection_max_ms =
        filled(given->ejection_max_ms,
               full.ejection_ms > EJECTION_MAX_MS ? full.ejection_ms : EJECTION_MAX_MS);
    full.stall_ms = filled(given->stall_ms, STALL_MS);
    return full;
}

static bool is_within(uint32_t value, uint32_t min, uint32_t max)
{
    return value >= min && value <= max;
}

static bool is_off_or_within(uint32_t value, uint32_t min, uint32_t max)
{
    return value == FO_JUDGE_OFF || is_within(value, min, max);
}

static bool reserves_are_zero(const struct fo_judge_config *config)
{
    for (size_t i = 0; i < sizeof(config->reserved) / sizeof(config->reserved[0]); i++)
        if (config->reserved[i] != 0)
            return false;
    return true;
}

bool fo__judge_config_is_valid(const struct fo_judge_config *config)
{
    struct fo_judge_config full = fo__judge_config_full(config);

    return is_off_or_within(full.strikes, 1, FO_STRIKES_MAX) &&
           is_off_or_within(full.failure_percent, 1, 100) &&
           is_off_or_within(full.outlier_permille, 1, OUTLIER_PERMILLE_MAX) &&
           is_off_or_within(full.latency_percent, LATENCY_PERCENT_MIN, LATENCY_PERCENT_MAX) &&
           is_within(full.window_ms, WINDOW_MIN_MS, WINDOW_MAX_MS) &&
           is_within(full.share_percent, 1, 100) && full.ejection_max_ms >= full.ejection_ms &&
           reserves_are_zero(config);
}

static bool is_zero_or_off(uint32_t value)
{
    return value == 0 || value == FO_JUDGE_OFF;
}

bool fo__judge_config_is_neutral(const struct fo_judge_config *config)
{
    return is_zero_or_off(config->strikes) && config->failure_percent == config->strikes &&
           config->outlier_permille == config->strikes &&
           config->latency_percent == config->strikes && config->stall_ms == config->strikes &&
           config->window_ms == 0 && config->window_requests == 0 && config->share_percent == 0 &&
           config->ejection_ms == 0 && config->ejection_max_ms == 0 && reserves_are_zero(config);
}

bool fo__judge_config_has_windows(const struct fo_judge_config *config)
{
    return config->failure_percent != FO_JUDGE_OFF || config->outlier_permille != FO_JUDGE_OFF ||
           config->latency_percent != FO_JUDGE_OFF;
}

bool fo__judge_config_has_stalls(const struct fo_judge_config *config)
{
    return config->stall_ms != FO_JUDGE_OFF;
}
