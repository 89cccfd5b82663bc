/* SPDX-License-Identifier: Apache-2.0
 *
 * Weight functions: from a live weight and an outcome to the next live weight. Pure arithmetic; what
 * becomes of the host's state is judged in outcome.c.
 */
#ifndef FO_WEIGHT_H
#define FO_WEIGHT_H

#include <failover/health.h>

/** Whether every number is in its documented range. */
bool fo__weight_function_is_valid(const struct fo_weight_function *function);

/** success_units of a weight function that must be asked. */
#define FO__CUSTOM_UNITS UINT32_MAX

/** What a success above the minimum adds to health, in units of 2^-31, or FO__CUSTOM_UNITS. */
uint32_t fo__weight_success_units(const struct fo_weight_function *function);

/** The live weight after a success. */
double fo__weight_after_success(const struct fo_weight_function *function,
                                const struct fo_weight_input *input);

/** The live weight after a failure. */
double fo__weight_after_failure(const struct fo_weight_function *function,
                                const struct fo_weight_input *input);

/** The live weight after a mild step: part of a failure, and never below the down threshold (at
 * least 1 % of max_weight): a server that answers "busy" is not dead. */
double fo__weight_after_mild_step(const struct fo_weight_function *function,
                                  const struct fo_weight_input *input);

#endif
