/* SPDX-License-Identifier: Apache-2.0 */
#include "weight.h"

#include <math.h>

/* Comparisons are written so that NaN fails them. */
static bool in_range(double value, double low, double high)
{
    return value >= low && value <= high;
}

bool fo__weight_function_is_valid(const struct fo_weight_function *function)
{
    bool custom = function->kind == FO_WEIGHT_CUSTOM;

    if (!custom && function->kind != FO_WEIGHT_RATIO && function->kind != FO_WEIGHT_LINEAR)
        return false;
    if (custom && (function->on_success == NULL || function->on_failure == NULL))
        return false;
    if (function->reserved[0] != 0 || function->reserved[1] != 0)
        return false;
    return function->recover_threshold >= 1 && in_range(function->failure_keep, 0, 1) &&
           function->failure_keep < 1 && in_range(function->failure_step, 0, 1) &&
           function->failure_step > 0 && in_range(function->success_step, 0, 1) &&
           function->success_step > 0 && in_range(function->recover_step, 0, 1) &&
           function->recover_step > 0 && in_range(function->down_threshold, 0, 1) &&
           function->down_threshold < 1 && in_range(function->mild_step, 0, 1);
}

uint32_t fo__weight_success_units(const struct fo_weight_function *function)
{
    if (function->kind == FO_WEIGHT_CUSTOM)
        return FO__CUSTOM_UNITS;
    return (uint32_t)llround(function->success_step * 0x1p31); /* at most 2^31 */
}

static double clamped(double live, const struct fo_weight_input *input)
{
    if (isnan(live))
        return input->live_weight;
    if (live < input->min_weight)
        return input->min_weight;
    return live < input->max_weight ? live : input->max_weight;
}

/** Asks the embedder's function, whose header may be older or newer than ours. */
static double ask(fo_weight_fn function, const struct fo_weight_input *input, void *arg)
{
    struct fo_weight_input told = *input;

    told.size = sizeof(told);
    return function(&told, arg);
}

double fo__weight_after_success(const struct fo_weight_function *function,
                                const struct fo_weight_input *input)
{
    bool recovers = input->live_weight <= input->min_weight;
    double step = recovers ? function->recover_step : function->success_step;

    if (function->kind == FO_WEIGHT_CUSTOM)
        return clamped(ask(function->on_success, input, function->arg), input);
    return clamped(input->live_weight + step * input->max_weight, input);
}

double fo__weight_after_failure(const struct fo_weight_function *function,
                                const struct fo_weight_input *input)
{
    double live;

    switch (function->kind) {
    case FO_WEIGHT_CUSTOM: live = ask(function->on_failure, input, function->arg); break;
    case FO_WEIGHT_LINEAR:
        live = input->live_weight - function->failure_step * input->max_weight;
        break;
    case FO_WEIGHT_RATIO:
    default: live = input->live_weight * function->failure_keep; break;
    }
    if (live < function->down_threshold * input->max_weight)
        live = input->min_weight;
    return clamped(live, input);
}

double fo__weight_after_mild_step(const struct fo_weight_function *function,
                                  const struct fo_weight_input *input)
{
    double loss = input->live_weight - fo__weight_after_failure(function, input);
    double share = function->down_threshold > 0.01 ? function->down_threshold : 0.01;
    double floor = share * input->max_weight;
    double live = input->live_weight - loss * function->mild_step;

    if (live < floor)
        live = input->live_weight < floor ? input->live_weight : floor;
    return clamped(live, input);
}
