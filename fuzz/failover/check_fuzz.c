/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks: any numbers as their configuration, and any row of results.
 *
 * The configuration is taken or refused as the manual says (check.h). Then its plan is driven through
 * the life of a host, on virtual time, against the manual once more:
 *
 *     down exactly with the `fall`th failed in a row, up exactly with the `rise`th passed
 *     the next check comes after the interval, the fast one, or one that was doubled for each that failed
 *     while the host is down, never more than the longest; and jitter is within its share
 */
#include "check_config.h"
#include "check_plan.h"
#include "clock.h"
#include "input.h"

#include <failover/failover.h>

#define STEPS 300

/* ---- Configuration ------------------------------------------------------------------------- */

/** Often small, often next to a border, sometimes anything. */
static uint32_t number(struct input *input)
{
    static const uint32_t borders[] = {0, 1, 2, 50, 99, 100, 2000, UINT32_MAX};

    switch (input_below(input, 4)) {
    case 0: return 0;
    case 1: return input_byte(input);
    case 2: return borders[input_below(input, 8)] + input_below(input, 3) - 1;
    default: return (uint32_t)input_wide(input);
    }
}

static struct fo_check_config draw_config(struct input *input)
{
    struct fo_check_config config = input_bit(input) ? fo_check_tcp() : fo_check_http(NULL);

    config.when = (fo_check_when)input_below(input, 3);
    config.interval_ms = number(input);
    config.timeout_ms = number(input);
    config.rise = number(input);
    config.fall = number(input);
    config.fast_interval_ms = number(input);
    config.down_interval_max_ms = number(input);
    config.jitter_percent = number(input);
    config.reserved[input_below(input, 3)] = input_below(input, 32) == 1;
    config.status_min = (uint16_t)number(input);
    config.status_max = (uint16_t)number(input);
    return config;
}

static uint32_t or_default(uint32_t value, uint32_t if_zero)
{
    return value != 0 ? value : if_zero;
}

static bool status_is_right(const struct fo_check_config *config)
{
    uint32_t least = or_default(config->status_min, 200);
    uint32_t most = or_default(config->status_max, least > 399 ? least : 399);

    return least >= 100 && least <= most && most <= 599;
}

/** What the manual says of these fields. */
static bool is_right(const struct fo_check_config *config)
{
    uint32_t interval_ms = or_default(config->interval_ms, 2000);

    return config->when <= FO_CHECK_ALWAYS && config->fast_interval_ms <= interval_ms &&
           (config->down_interval_max_ms == 0 || config->down_interval_max_ms >= interval_ms) &&
           (config->jitter_percent <= 50 || config->jitter_percent == FO_CHECK_JITTER_NONE) &&
           config->reserved[0] + config->reserved[1] + config->reserved[2] == 0 &&
           status_is_right(config);
}

static void judge_config(const struct fo_check_config *config)
{
    struct fo_group_config of_group = fo_group_config_init();
    struct fo_group *group = NULL;
    bool right = is_right(config);

    MUST(fo_runtime_create(NULL, &of_group.runtime) == FO_OK);
    of_group.check = *config;
    MUST(fo_group_create(&of_group, &group) == (right ? FO_OK : FO_EINVAL));
    MUST((group != NULL) == right);
    fo_group_destroy(group);
    MUST(fo_runtime_destroy(of_group.runtime) == FO_OK);
}

/* ---- Plan ----------------------------------------------------------------------------------- */

struct life {
    const struct fo_check_config *given;
    struct fo_check_config *config; /* defaults filled in */
    struct fo__check_plan plan;
    _Atomic uint64_t rng;
    uint64_t now_ns;
    uint32_t epoch;
    bool is_down;
    uint32_t passed; /* in a row, of this state */
    uint32_t failed;
};

static uint32_t fast_ms(const struct fo_check_config *given)
{
    uint32_t interval_ms = or_default(given->interval_ms, 2000);
    uint32_t quarter_ms = interval_ms / 4 > 50 ? interval_ms / 4 : 50;

    return or_default(given->fast_interval_ms, quarter_ms < interval_ms ? quarter_ms : interval_ms);
}

static uint64_t wanted_ms(const struct life *life)
{
    uint64_t ms = or_default(life->given->interval_ms, 2000);
    uint64_t most_ms = or_default(life->given->down_interval_max_ms, (uint32_t)ms);

    if ((life->is_down ? life->passed : life->failed) > 0)
        return fast_ms(life->given);
    for (uint32_t i = 0; life->is_down && i < life->failed && ms < most_ms; i++)
        ms *= 2;
    return life->is_down && ms > most_ms ? most_ms : ms;
}

static void judge_interval(struct life *life)
{
    uint64_t after_ns =
        fo__check_plan_interval_ns(&life->plan, life->config, life->is_down, &life->rng);
    uint64_t wanted_ns = wanted_ms(life) * FO__NS_PER_MS;
    uint32_t percent = or_default(life->given->jitter_percent, 10);
    uint64_t most_ns = percent == FO_CHECK_JITTER_NONE ? 0 : wanted_ns / 100 * percent;

    MUST(after_ns >= wanted_ns - most_ns && after_ns <= wanted_ns + most_ns);
    MUST(after_ns > 0);
    life->now_ns += after_ns;
}

static void begin_rows(struct life *life)
{
    life->passed = 0;
    life->failed = 0;
}

/** Somebody else takes the host down, or brings it back. */
static void turn(struct life *life)
{
    life->is_down = !life->is_down;
    life->epoch = (life->epoch + 1) & 0xffffff;
    begin_rows(life);
    MUST(fo__check_plan_follow(&life->plan, life->epoch));
    MUST(!fo__check_plan_follow(&life->plan, life->epoch));
}

static enum fo__check_verdict wanted_verdict(const struct life *life, bool current, bool passed)
{
    if (!current)
        return FO__CHECK_VERDICT_NONE;
    if (life->is_down)
        return life->passed >= or_default(life->given->rise, 2) ? FO__CHECK_VERDICT_UP
                                                                : FO__CHECK_VERDICT_NONE;
    if (life->failed >= or_default(life->given->fall, 3))
        return FO__CHECK_VERDICT_DOWN;
    return passed ? FO__CHECK_VERDICT_HEAL : FO__CHECK_VERDICT_NONE;
}

static void check_once(struct life *life, bool current, bool passed)
{
    enum fo__check_verdict verdict;

    life->passed = passed ? life->passed + 1 : 0;
    life->failed = passed ? 0 : life->failed + 1;
    verdict = fo__check_plan_count(&life->plan, life->config, life->is_down, current, passed);
    MUST(verdict == wanted_verdict(life, current, passed));
    if (verdict == FO__CHECK_VERDICT_UP || verdict == FO__CHECK_VERDICT_DOWN)
        turn(life);
    judge_interval(life);
}

static void live(struct input *input, const struct fo_check_config *given)
{
    struct life life = {.given = given, .config = fo__check_config_copy(given)};

    MUST(life.config != NULL);
    atomic_init(&life.rng, input_wide(input));
    for (int step = 0; step < STEPS && input->left > 0; step++) {
        unsigned what = input_below(input, 16);

        if (what == 15)
            turn(&life);
        else
            check_once(&life, what != 14, what % 2 == 0);
    }
    free(life.config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct fo_check_config config = draw_config(&input);

    judge_config(&config);
    if (is_right(&config))
        live(&input, &config);
    return 0;
}
