/* SPDX-License-Identifier: Apache-2.0
 *
 * Sized structs of every version that a caller may have been compiled against.
 *
 *     ├ size ┼──── fields we know ────┼── a newer caller's tail ──┤
 *                   ▲                 ▲                           ▲
 *                   an older caller   one like us                 the memory ends as claimed
 *
 * Each struct lies in memory of exactly the claimed size, so AddressSanitizer sees a read or a
 * write behind it. A size is too small (no field), that of an older header (it ends where a field
 * ends), ours, or larger; the tail is zero or not. Fields that the caller gave count, others are
 * defaults: the status must be what the manual says about the two put together, and on a refusal
 * nothing may have changed, neither in the caller's memory nor in the balancer.
 */
#include "dump.h"
#include "input.h"

#include <failover/failover.h>
#include <math.h>

#define LARGEST_TAIL 4096u

/* ---- Structs of any size --------------------------------------------------------------- */

/** A caller's struct, and what the library must take it for. */
struct claim {
    void *memory;      /* the caller's, of the claimed size */
    size_t size;       /* as claimed */
    bool size_is_sane; /* and the tail is empty */
};

/** Where a field ends: what a header before the next field would have claimed, but for padding. */
#define END(type, field) (offsetof(struct type, field) + sizeof(((struct type *)0)->field))

static size_t padded(size_t size)
{
    return (size + sizeof(size_t) - 1) / sizeof(size_t) * sizeof(size_t);
}

static size_t size_from(struct input *input, const size_t *ends, size_t count, size_t ours)
{
    switch (input_below(input, 8)) {
    case 0: return input_below(input, sizeof(size_t) + 1);
    case 1:
    case 2: return padded(ends[input_below(input, (unsigned)count)]);
    case 3: return padded(ours + 1 + input_below(input, 64));
    case 4: return ours + LARGEST_TAIL + (input_bit(input) ? sizeof(size_t) : 0);
    case 5: return SIZE_MAX - input_byte(input);
    default: return ours;
    }
}

/**
 * Lays a struct out as a caller of another version has it.
 *
 * @param theirs    the struct with all fields set
 * @param defaults  what the library's own defaults are; becomes what it must take the claim for
 */
static struct claim claim_from(struct input *input, const void *theirs, void *defaults, size_t ours,
                               const size_t *ends, size_t count)
{
    struct claim claim = {.size = size_from(input, ends, count, ours)};
    bool sane = claim.size > sizeof(size_t) && claim.size <= ours + LARGEST_TAIL;
    size_t room = sane ? claim.size : claim.size < sizeof(size_t) ? sizeof(size_t) : claim.size;
    size_t known = claim.size < ours ? claim.size : ours;
    bool dirty = input_below(input, 4) == 0;

    if (room > ours + LARGEST_TAIL)
        room = ours; /* nobody believes it */
    claim.memory = calloc(1, room);
    MUST(claim.memory != NULL);
    memcpy(claim.memory, theirs, known > room ? room : known);
    memcpy(claim.memory, &claim.size, sizeof(claim.size));
    claim.size_is_sane = sane;
    if (sane && claim.size > ours && dirty) {
        size_t at = ours + (size_t)input_wide(input) % (claim.size - ours);

        ((unsigned char *)claim.memory)[at] = (unsigned char)(input_byte(input) | 1);
        claim.size_is_sane = false;
    }
    if (sane)
        memcpy((char *)defaults + sizeof(size_t), (const char *)theirs + sizeof(size_t),
               known - sizeof(size_t));
    return claim;
}

#define CLAIM(input, theirs, defaults, ends)                                                       \
    claim_from(input, &(theirs), &(defaults), sizeof(theirs), ends,                                \
               sizeof(ends) / sizeof((ends)[0]))

/* ---- Values ---------------------------------------------------------------------------- */

static double number_from(struct input *input)
{
    static const double numbers[] = {0,   1,    0.5,  0.01,  100,      -1,  1e12,        2e12,
                                     0.1, 1e-9, 1e-3, -1e-9, HUGE_VAL, 250, (double)NAN, 0.99};
    return numbers[input_below(input, 16)];
}

static uint32_t milliseconds_from(struct input *input)
{
    static const uint32_t values[] = {0, 1, 1000, 30000, 5000, 29999, 30001, UINT32_MAX};
    return values[input_below(input, 8)];
}

static struct fo_trial_config trial_from(struct input *input)
{
    struct fo_trial_config trial = fo_trial_config_init();

    if (input_bit(input))
        return trial;
    trial.backoff_ms = milliseconds_from(input);
    trial.backoff_max_ms = milliseconds_from(input);
    trial.timeout_ms = milliseconds_from(input);
    trial.ramp_ms = milliseconds_from(input);
    if (input_below(input, 8) == 0)
        trial.reserved[input_below(input, 2)] = input_byte(input);
    return trial;
}

static struct fo_judge_config judge_from(struct input *input)
{
    static const uint32_t values[] = {0, 1, 63, 64, 100, 101, 5000, FO_JUDGE_OFF};
    struct fo_judge_config judge = input_bit(input) ? fo_judge_none() : fo_judge_config_init();

    if (input_bit(input))
        return judge;
    judge.strikes = values[input_below(input, 8)];
    judge.failure_percent = values[input_below(input, 8)];
    judge.latency_percent = values[input_below(input, 8)];
    judge.window_ms = values[input_below(input, 8)];
    judge.share_percent = values[input_below(input, 8)];
    judge.ejection_ms = values[input_below(input, 8)];
    judge.ejection_max_ms = values[input_below(input, 8)];
    judge.reserved[5] = input_below(input, 8) == 0 ? 1 : 0;
    return judge;
}

static bool is_preset_or_in(uint32_t value, uint32_t min, uint32_t max)
{
    return value == 0 || (value >= min && value <= max);
}

static bool is_off_or_in(uint32_t value, uint32_t min, uint32_t max)
{
    return value == FO_JUDGE_OFF || is_preset_or_in(value, min, max);
}

static bool judge_is_valid(const struct fo_judge_config *judge)
{
    uint32_t ejection_ms = judge->ejection_ms != 0 ? judge->ejection_ms : 5000;

    return is_off_or_in(judge->strikes, 1, 63) && is_off_or_in(judge->failure_percent, 1, 100) &&
           is_off_or_in(judge->latency_percent, 101, 100000) &&
           is_preset_or_in(judge->window_ms, 100, 3600000) &&
           is_preset_or_in(judge->share_percent, 1, 100) && judge->reserved[5] == 0 &&
           (judge->ejection_max_ms == 0 || judge->ejection_max_ms >= ejection_ms);
}

/** What may be given with a group: all defaults, or none. */
static bool judge_is_neutral(const struct fo_judge_config *judge)
{
    uint32_t all = judge->strikes;

    return (all == 0 || all == FO_JUDGE_OFF) && judge->failure_percent == all &&
           judge->outlier_permille == all && judge->latency_percent == all &&
           judge->stall_ms == all && judge->window_ms == 0 && judge->share_percent == 0 &&
           judge->ejection_ms == 0 && judge->ejection_max_ms == 0 && judge->reserved[5] == 0;
}

static bool nothing_is_reserved(const struct fo_trial_config *trial)
{
    return trial->reserved[0] == 0 && trial->reserved[1] == 0;
}

/** "Not below backoff_ms", whatever stands for 0. */
static bool trial_is_valid(const struct fo_trial_config *trial)
{
    uint32_t backoff_ms = trial->backoff_ms != 0 ? trial->backoff_ms : 1000;

    if (!nothing_is_reserved(trial))
        return false;
    return trial->backoff_max_ms == 0 || trial->backoff_max_ms >= backoff_ms;
}

static double same_weight(const struct fo_weight_input *input, void *arg)
{
    (void)arg;
    return input->live_weight;
}

static struct fo_weight_function weight_from(struct input *input)
{
    struct fo_weight_function weight = fo_weight_ratio();
    double *fields[] = {&weight.failure_keep, &weight.failure_step,   &weight.success_step,
                        &weight.recover_step, &weight.down_threshold, &weight.mild_step};

    weight.kind = (fo_weight_kind)input_below(input, 4);
    if (input_bit(input))
        weight.on_success = same_weight;
    if (input_bit(input))
        weight.on_failure = same_weight;
    if (input_bit(input))
        *fields[input_below(input, 6)] = number_from(input);
    if (input_below(input, 8) == 0)
        weight.recover_threshold = 0;
    if (input_below(input, 8) == 0)
        weight.reserved[input_below(input, 2)] = input_byte(input);
    return weight;
}

static bool is_in(double value, double low, double high)
{
    return !isnan(value) && value >= low && value <= high;
}

static bool weight_is_valid(const struct fo_weight_function *weight)
{
    if (weight->kind == FO_WEIGHT_CUSTOM &&
        (weight->on_success == NULL || weight->on_failure == NULL))
        return false;
    if (weight->reserved[0] != 0 || weight->reserved[1] != 0)
        return false;
    return (unsigned)weight->kind <= FO_WEIGHT_CUSTOM && weight->recover_threshold >= 1 &&
           is_in(weight->failure_keep, 0, 1) && weight->failure_keep != 1 &&
           is_in(weight->failure_step, 0, 1) && weight->failure_step != 0 &&
           is_in(weight->success_step, 0, 1) && weight->success_step != 0 &&
           is_in(weight->recover_step, 0, 1) && weight->recover_step != 0 &&
           is_in(weight->down_threshold, 0, 1) && weight->down_threshold != 1 &&
           is_in(weight->mild_step, 0, 1);
}

/* ---- One subject ----------------------------------------------------------------------- */

static uint64_t read_clock(void *arg)
{
    return *(uint64_t *)arg;
}

struct stage {
    uint64_t now_ns;
    struct fo_runtime *runtime;
    struct fo_group *group;
    struct fo_balancer *balancer;
};

static void fuzz_runtime(struct input *input, struct stage *stage)
{
    static const size_t ends[] = {END(fo_runtime_config, clock), END(fo_runtime_config, clock_arg)};
    struct fo_runtime_config theirs = fo_runtime_config_init();
    struct fo_runtime_config taken = fo_runtime_config_init();
    struct fo_runtime *runtime = NULL;
    struct claim claim;
    fo_status status;

    theirs.clock_arg = &stage->now_ns;
    claim = CLAIM(input, theirs, taken, ends);
    status = fo_runtime_create(claim.memory, &runtime);
    MUST(status == (claim.size_is_sane ? FO_OK : FO_EINVAL) &&
         (runtime != NULL) == (status == FO_OK));
    MUST(fo_runtime_create(claim.memory, NULL) == FO_EINVAL);
    MUST(fo_runtime_destroy(runtime) == FO_OK);
    free(claim.memory);
}

static void fuzz_group(struct input *input, struct stage *stage)
{
    static const size_t ends[] = {END(fo_group_config, runtime), END(fo_group_config, trial),
                                  END(fo_group_config, check), END(fo_group_config, judge)};
    struct fo_group_config theirs = fo_group_config_init();
    struct fo_group_config taken = fo_group_config_init();
    struct fo_group *group = NULL;
    struct claim claim;
    fo_status status;

    theirs.runtime = stage->runtime;
    theirs.trial = trial_from(input);
    theirs.judge = judge_from(input);
    claim = CLAIM(input, theirs, taken, ends);
    status = fo_group_create(claim.memory, &group);
    MUST(status ==
         (claim.size_is_sane && trial_is_valid(&taken.trial) && judge_is_valid(&taken.judge)
              ? FO_OK
              : FO_EINVAL));
    MUST((group != NULL) == (status == FO_OK));
    fo_group_destroy(group);
    free(claim.memory);
}

/** Levels, of which some are out of range. */
static struct fo_level_config levels_from(struct input *input)
{
    static const char *const zones[] = {"z0", "z1", "z2", "z0", "", NULL};
    struct fo_level_config levels = fo_level_config_init();

    if (input_bit(input))
        return levels;
    levels.factor = input_bit(input) ? 1.5 : number_from(input);
    levels.overflow = (fo_overflow)input_below(input, 3);
    levels.last_resort = (fo_last_resort)input_below(input, 3);
    levels.panic_threshold = input_bit(input) ? 0 : number_from(input);
    levels.local_zone = input_bit(input) ? zones[input_below(input, 6)] : "local";
    levels.zone_count = input_below(input, 8) == 0 ? FO_ZONES_MAX + 1 : input_below(input, 7);
    levels.zone_order = input_bit(input) ? zones : NULL;
    levels.reserved[3] = input_below(input, 16) == 0 ? 1 : 0;
    return levels;
}

static bool zones_are_valid(const struct fo_level_config *levels)
{
    const char *local = levels->local_zone != NULL ? levels->local_zone : "";

    if (levels->zone_count == 0)
        return true;
    if (levels->zone_count > FO_ZONES_MAX || levels->zone_order == NULL || local[0] == '\0')
        return false;
    if (levels->zone_count > 3) /* "z0" again */
        return false;
    for (size_t i = 0; i < levels->zone_count; i++)
        if (strcmp(levels->zone_order[i], local) == 0)
            return false;
    return true;
}

static bool levels_are_valid(const struct fo_level_config *levels)
{
    bool panics = levels->panic_threshold != 0;

    return (levels->factor == 0 || is_in(levels->factor, 1, 1e4) || levels->factor == INFINITY) &&
           levels->overflow <= FO_OVERFLOW_COMPAT && levels->last_resort <= FO_LAST_RESORT_NONE &&
           is_in(levels->panic_threshold, 0, 1) &&
           !(panics && levels->last_resort == FO_LAST_RESORT_NONE) && levels->reserved[3] == 0 &&
           zones_are_valid(levels);
}

static bool load_is_valid(const struct fo_config *config)
{
    return config->load.policy <= FO_LOAD_HOT_COLD && config->load.limit <= FO_LIMIT_AIMD &&
           is_in(config->load.hot_quantile, 0, 1) && config->load.reserved[1] == 0 &&
           config->max_in_flight <= FO_IN_FLIGHT_MAX;
}

static bool config_is_valid(const struct fo_config *config, const struct stage *stage)
{
    bool no_trial = config->trial.backoff_ms == 0 && config->trial.backoff_max_ms == 0 &&
                    config->trial.timeout_ms == 0 && nothing_is_reserved(&config->trial) &&
                    (config->trial.ramp_ms == 0 || config->trial.ramp_ms == FO_RAMP_NONE);

    if (config->reserved != 0 || !load_is_valid(config))
        return false;
    if (!weight_is_valid(&config->weight) || !levels_are_valid(&config->levels) ||
        config->row_limit > 65535)
        return false;
    if (config->group == NULL)
        return trial_is_valid(&config->trial) && judge_is_valid(&config->judge);
    return no_trial && judge_is_neutral(&config->judge) &&
           (config->runtime == NULL || config->runtime == stage->runtime);
}

static const size_t config_ends[] = {
    END(fo_config, name),      END(fo_config, group),         END(fo_config, runtime),
    END(fo_config, trial),     END(fo_config, weight),        END(fo_config, seed),
    END(fo_config, row_limit), END(fo_config, check_leases),  END(fo_config, log),
    END(fo_config, log_arg),   END(fo_config, levels),        END(fo_config, key_load_factor),
    END(fo_config, reserved),  END(fo_config, check),         END(fo_config, judge),
    END(fo_config, load),      END(fo_config, max_in_flight),
};

static struct fo_config config_from(struct input *input, const struct stage *stage)
{
    struct fo_config config = fo_config_init();

    config.name = input_bit(input) ? "b" : NULL;
    config.group = input_bit(input) ? stage->group : NULL;
    config.runtime = stage->runtime;
    config.trial = trial_from(input);
    config.judge = judge_from(input);
    config.weight = weight_from(input);
    config.seed = input_byte(input);
    config.row_limit =
        input_below(input, 8) == 0 ? 65535u + input_below(input, 2) : input_byte(input);
    config.check_leases = input_bit(input);
    config.levels = levels_from(input);
    config.reuse_recent_ms = input_bit(input) ? milliseconds_from(input) : 0;
    config.reserved = input_below(input, 16) == 0 ? input_byte(input) : 0;
    config.load.policy = (fo_load_policy)input_below(input, 6);
    config.load.limit = (fo_limit_kind)input_below(input, 4);
    config.load.hot_quantile = input_bit(input) ? 0 : number_from(input);
    config.load.lease_timeout_ms = input_byte(input);
    config.load.reserved[1] = input_below(input, 16) == 0 ? 1 : 0;
    config.max_in_flight = input_bit(input) ? 0 : FO_IN_FLIGHT_MAX - 1 + input_below(input, 3);
    return config;
}

static void fuzz_balancer(struct input *input, struct stage *stage)
{
    struct fo_config theirs = config_from(input, stage);
    struct fo_config taken = fo_config_init();
    struct claim claim = CLAIM(input, theirs, taken, config_ends);
    struct fo_balancer *balancer = NULL;
    fo_status status = fo_balancer_create(claim.memory, &balancer);

    MUST(status == (claim.size_is_sane && config_is_valid(&taken, stage) ? FO_OK : FO_EINVAL));
    MUST((balancer != NULL) == (status == FO_OK));
    fo_balancer_destroy(balancer);
    free(claim.memory);
}

static void fuzz_configure(struct input *input, struct stage *stage)
{
    struct fo_config theirs = config_from(input, stage);
    struct fo_config taken = fo_config_init();
    struct claim claim = CLAIM(input, theirs, taken, config_ends);
    bool valid = claim.size_is_sane && taken.reserved == 0 && weight_is_valid(&taken.weight) &&
                 levels_are_valid(&taken.levels) && load_is_valid(&taken);

    MUST(fo_balancer_configure(stage->balancer, claim.memory) == (valid ? FO_OK : FO_EINVAL));
    free(claim.memory);
}

/* ---- Endpoints and updates ------------------------------------------------------------- */

static bool endpoint_is_valid(const struct fo_endpoint_config *config)
{
    double init = config->init_weight;

    return is_in(config->max_weight, 0, FO_WEIGHT_MAX) &&
           is_in(config->min_weight, 0, config->max_weight) &&
           (init == FO_INIT_WEIGHT_MAX || is_in(init, config->min_weight, config->max_weight)) &&
           config->level <= FO_LEVEL_MAX && !config->reserved[2] &&
           config->max_in_flight <= FO_IN_FLIGHT_MAX;
}

/** An array of endpoint configs has the stride of its first; `taken`: what it must mean. */
struct endpoints {
    char *memory;
    size_t stride;
    struct fo_endpoint_config taken[3];
    bool valid;
};

static struct endpoints endpoints_from(struct input *input, unsigned count)
{
    static const char *const names[] = {"a", "b", "c"};
    static const size_t ends[] = {
        END(fo_endpoint_config, name),       END(fo_endpoint_config, max_weight),
        END(fo_endpoint_config, min_weight), END(fo_endpoint_config, init_weight),
        END(fo_endpoint_config, tags),       END(fo_endpoint_config, data),
        END(fo_endpoint_config, reserved),   END(fo_endpoint_config, zone),
        END(fo_endpoint_config, address),    END(fo_endpoint_config, max_in_flight),
    };
    struct input first = *input;
    struct endpoints endpoints = {.valid = true};

    for (unsigned i = 0; i < count; i++) {
        struct fo_endpoint_config theirs = fo_endpoint_config_init(names[i]);
        struct input again = first; /* the same size and tail for all */
        struct claim claim;

        theirs.max_weight = input_bit(input) ? 100 : number_from(input);
        theirs.min_weight = input_bit(input) ? 0 : number_from(input);
        theirs.init_weight = input_bit(input) ? FO_INIT_WEIGHT_MAX : number_from(input);
        theirs.tags = input_byte(input);
        theirs.data = (void *)(uintptr_t)input_byte(input);
        theirs.level = input_below(input, FO_LEVEL_MAX + 2);
        theirs.degraded = input_bit(input);
        theirs.reserved[2] = input_below(input, 16) == 0;
        theirs.zone = input_bit(input) ? "z1" : NULL;
        theirs.max_in_flight = input_bit(input) ? 0 : FO_IN_FLIGHT_MAX - 1 + input_below(input, 3);
        endpoints.taken[i] = fo_endpoint_config_init(names[i]);
        claim = CLAIM(&again, theirs, endpoints.taken[i], ends);
        if (i == 0) {
            endpoints.stride = claim.size > sizeof(theirs) + LARGEST_TAIL ? sizeof(theirs)
                               : claim.size < sizeof(size_t)              ? sizeof(size_t)
                                                                          : claim.size;
            endpoints.memory = calloc(count, endpoints.stride);
            MUST(endpoints.memory != NULL);
        }
        memcpy(endpoints.memory + i * endpoints.stride, claim.memory, endpoints.stride);
        endpoints.valid =
            endpoints.valid && claim.size_is_sane && endpoint_is_valid(&endpoints.taken[i]);
        free(claim.memory);
    }
    return endpoints;
}

static void check_taken(struct stage *stage, const struct fo_endpoint_config *taken)
{
    struct fo_endpoint_info info = fo_endpoint_info_init();

    MUST(fo_endpoint_status(stage->balancer, taken->name, &info) == FO_OK);
    MUST(info.max_weight == taken->max_weight && info.min_weight == taken->min_weight);
    MUST(info.tags == taken->tags && info.data == taken->data);
}

static bool entry_size_is_sane(size_t size)
{
    return size >= sizeof(struct fo_update_entry) &&
           size <= sizeof(struct fo_update_entry) + LARGEST_TAIL && size % sizeof(size_t) == 0;
}

/** A result of any size, with entries of any size; it is given back like any other, whatever the
 * status was. */
static struct claim result_from(struct input *input, size_t *entry_size)
{
    static const size_t entry_sizes[] = {
        0,  16,
        25, sizeof(struct fo_update_entry) + LARGEST_TAIL,
        32, sizeof(struct fo_update_entry) + LARGEST_TAIL + sizeof(size_t),
        64, SIZE_MAX,
    };
    static const size_t ends[] = {
        END(fo_update_result, entry_size),       END(fo_update_result, added),
        END(fo_update_result, added_count),      END(fo_update_result, updated),
        END(fo_update_result, updated_count),    END(fo_update_result, removed),
        END(fo_update_result, removed_count),    END(fo_update_result, offender),
        END(fo_update_result, offender_removal), END(fo_update_result, offence),
        END(fo_update_result, memory),
    };
    struct fo_update_result theirs = fo_update_result_init();
    struct fo_update_result taken = fo_update_result_init();

    if (input_below(input, 4) == 0)
        theirs.entry_size = entry_sizes[input_below(input, 8)];
    *entry_size = theirs.entry_size;
    return CLAIM(input, theirs, taken, ends);
}

static void fuzz_update(struct input *input, struct stage *stage)
{
    unsigned count = 1 + input_below(input, 3);
    struct endpoints endpoints = endpoints_from(input, count);
    size_t entry_size;
    struct claim result = result_from(input, &entry_size);
    bool with_result = input_bit(input);
    char *before = dump(stage->balancer);
    const void *upserts = endpoints.memory;
    fo_status status;

    status = input_bit(input) ? fo_balancer_update(stage->balancer, upserts, count, NULL, 0,
                                                   with_result ? result.memory : NULL)
                              : fo_balancer_replace(stage->balancer, upserts, count, 0,
                                                    with_result ? result.memory : NULL);
    MUST(status == FO_OK || status == FO_EINVAL);
    if (status == FO_OK) {
        MUST(endpoints.valid && (!with_result || entry_size_is_sane(entry_size)));
        for (unsigned i = 0; i < count; i++)
            check_taken(stage, &endpoints.taken[i]);
        free(before);
    } else {
        MUST(!endpoints.valid || (with_result && (result.size != sizeof(struct fo_update_result) ||
                                                  !entry_size_is_sane(entry_size))));
        MUST(dump_is_still(stage->balancer, before));
    }
    if (with_result) {
        fo_update_result_fini(result.memory);
        fo_update_result_fini(result.memory);
    }
    free(result.memory);
    free(endpoints.memory);
}

/* ---- Picks and status ------------------------------------------------------------------ */

static void fuzz_pick(struct input *input, struct stage *stage)
{
    static const size_t ends[] = {
        END(fo_pick_options, exclude),
        END(fo_pick_options, exclude_count),
        END(fo_pick_options, require_tags),
        END(fo_pick_options, strict),
    };
    uint64_t ids[FO_EXCLUDE_MAX + 1];
    struct fo_pick_options theirs = fo_pick_options_init();
    struct fo_pick_options taken = fo_pick_options_init();
    struct fo_lease lease = fo_lease_init();
    struct claim claim;
    fo_status status;
    bool valid;

    memset(ids, 0xff, sizeof(ids));
    theirs.exclude = input_bit(input) ? ids : NULL;
    theirs.exclude_count = input_bit(input) ? input_below(input, FO_EXCLUDE_MAX + 2) : 0;
    theirs.require_tags = input_byte(input);
    theirs.strict = input_bit(input);
    claim = CLAIM(input, theirs, taken, ends);
    valid = claim.size_is_sane && taken.exclude_count <= FO_EXCLUDE_MAX &&
            (taken.exclude_count == 0 || taken.exclude != NULL);
    status = fo_pick_with(stage->balancer, claim.memory, &lease);
    MUST(valid ? status == FO_OK || status == FO_UNAVAILABLE : status == FO_EINVAL);
    MUST((status == FO_OK) == (lease.endpoint != NULL));
    if (status == FO_OK)
        MUST(fo_finish(&lease, FO_OUTCOME_SUCCESS) == FO_OK);
    free(claim.memory);
}

/** What is written: all that both know, nothing behind it, and never the size. */
static void fuzz_status(struct input *input, struct stage *stage)
{
    static const size_t ends[] = {
        END(fo_endpoint_info, name),    END(fo_endpoint_info, id),
        END(fo_endpoint_info, data),    END(fo_endpoint_info, max_weight),
        END(fo_endpoint_info, health),  END(fo_endpoint_info, state),
        END(fo_endpoint_info, drained), END(fo_endpoint_info, epoch),
        END(fo_endpoint_info, started), END(fo_endpoint_info, in_flight),
        END(fo_endpoint_info, level),   END(fo_endpoint_info, zone),
        END(fo_endpoint_info, ramp),
    };
    struct fo_endpoint_info full = fo_endpoint_info_init();
    size_t size = size_from(input, ends, sizeof(ends) / sizeof(ends[0]), sizeof(full));
    bool sane = size > sizeof(size_t) && size <= sizeof(full) + LARGEST_TAIL;
    size_t room = sane ? size : sizeof(full);
    size_t filled = size < sizeof(full) ? size : sizeof(full);
    unsigned char *memory = malloc(room);
    const char *name = input_bit(input) ? "a" : "nobody";
    fo_status expected = fo_endpoint_status(stage->balancer, name, &full);

    MUST(memory != NULL);
    memset(memory, 0x5a, room);
    memcpy(memory, &size, sizeof(size));
    MUST(fo_endpoint_status(stage->balancer, name, (struct fo_endpoint_info *)(void *)memory) ==
         (sane ? expected : FO_EINVAL));
    MUST(memcmp(memory, &size, sizeof(size)) == 0);
    for (size_t i = sane && expected == FO_OK ? filled : sizeof(size); i < room; i++)
        MUST(memory[i] == 0x5a);
    if (sane && expected == FO_OK && filled >= END(fo_endpoint_info, id))
        MUST(memcmp(memory + offsetof(struct fo_endpoint_info, id), &full.id, sizeof(full.id)) ==
             0);
    free(memory);
}

static bool is_share_or_none(double number, double most)
{
    return number == FO_RETRY_NONE || (number >= 0 && number <= most);
}

static bool policy_is_valid(const struct fo_retry_policy *policy)
{
    bool pauses = policy->backoff_base_ms != FO_RETRY_NO_BACKOFF;

    return policy->max_attempts <= FO_RETRY_ATTEMPTS_MAX &&
           !(pauses && policy->backoff_max_ms != 0 &&
             policy->backoff_base_ms > policy->backoff_max_ms) &&
           (policy->budget_ttl_ms == 0 ||
            (policy->budget_ttl_ms >= 1000 && policy->budget_ttl_ms <= 3600000)) &&
           is_share_or_none(policy->budget_share, 1000) &&
           is_share_or_none(policy->budget_floor_per_s, 1e6) &&
           (policy->throttle_k == 0 || (policy->throttle_k >= 1 && policy->throttle_k <= 1000)) &&
           policy->hedge_share >= 0 && policy->hedge_share <= 0.1;
}

static struct fo_retry_policy policy_from(struct input *input)
{
    struct fo_retry_policy policy = fo_retry_policy_init();
    double *const numbers[] = {&policy.budget_share, &policy.budget_floor_per_s, &policy.throttle_k,
                               &policy.hedge_share};

    policy.max_attempts = input_below(input, 20);
    policy.attempt_timeout_ms = milliseconds_from(input);
    policy.total_timeout_ms = milliseconds_from(input);
    policy.backoff_base_ms = milliseconds_from(input);
    policy.backoff_max_ms = milliseconds_from(input);
    policy.budget_ttl_ms = milliseconds_from(input);
    for (int i = 0; i < 4; i++)
        *numbers[i] = input_below(input, 4) == 0 ? number_from(input) : 0;
    return policy;
}

static void fuzz_retrier(struct input *input, struct stage *stage)
{
    static const size_t ends[] = {
        END(fo_retry_policy, attempt_timeout_ms), END(fo_retry_policy, backoff_base_ms),
        END(fo_retry_policy, budget_ttl_ms),      END(fo_retry_policy, budget_share),
        END(fo_retry_policy, throttle_k),         END(fo_retry_policy, hedge_share),
        END(fo_retry_policy, classify_arg),       END(fo_retry_policy, sleep_arg),
        END(fo_retry_policy, clock_arg),          END(fo_retry_policy, seed),
    };
    struct fo_retry_policy theirs = policy_from(input);
    struct fo_retry_policy taken = fo_retry_policy_init();
    struct claim claim = CLAIM(input, theirs, taken, ends);
    struct fo_retrier *retrier = NULL;
    struct fo_retry retry;
    fo_status status = fo_retrier_create(claim.memory, &retrier);

    MUST(status == (claim.size_is_sane && policy_is_valid(&taken) ? FO_OK : FO_EINVAL) &&
         (retrier != NULL) == (status == FO_OK));
    if (retrier != NULL) {
        MUST(fo_retry_begin(retrier, stage->balancer, NULL, &retry) == FO_OK);
        MUST(fo_retry_end(&retry) == FO_OK);
    }
    fo_retrier_destroy(retrier);
    free(claim.memory);
}

static void run(struct input *input)
{
    static void (*const subjects[])(struct input *, struct stage *) = {
        fuzz_runtime, fuzz_group, fuzz_balancer, fuzz_configure,
        fuzz_update,  fuzz_pick,  fuzz_status,   fuzz_retrier,
    };
    struct stage stage = {.now_ns = 1000000000};
    struct fo_runtime_config runtime = fo_runtime_config_init();
    struct fo_group_config group = fo_group_config_init();
    struct fo_config config = fo_config_init();
    struct fo_endpoint_config endpoint = fo_endpoint_config_init("a");

    runtime.clock = read_clock;
    runtime.clock_arg = &stage.now_ns;
    MUST(fo_runtime_create(&runtime, &stage.runtime) == FO_OK);
    group.runtime = stage.runtime;
    MUST(fo_group_create(&group, &stage.group) == FO_OK);
    config.group = stage.group;
    config.seed = 1;
    MUST(fo_balancer_create(&config, &stage.balancer) == FO_OK);
    MUST(fo_balancer_update(stage.balancer, &endpoint, 1, NULL, 0, NULL) == FO_OK);
    for (int steps = 0; input->left > 0 && steps < 16; steps++)
        subjects[input_below(input, 8)](input, &stage);
    fo_balancer_destroy(stage.balancer);
    fo_group_destroy(stage.group);
    while (fo_runtime_destroy(stage.runtime) == FO_BUSY)
        fo_runtime_dispatch(stage.runtime);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input_run(data, size, run);
    return 0;
}
