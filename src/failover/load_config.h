/* SPDX-License-Identifier: Apache-2.0
 *
 * What fo_load_config says, checked, and with its defaults filled in.
 */
#ifndef FO_LOAD_CONFIG_H
#define FO_LOAD_CONFIG_H

#include "load.h"

bool fo__load_config_is_valid(const struct fo_load_config *config);

/** `max_in_flight`: the balancer's; 0: no limit. */
void fo__load_rules_fill(struct fo__load_rules *rules, const struct fo_load_config *config,
                         uint64_t max_in_flight);

#endif
