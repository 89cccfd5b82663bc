/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of checks, with its defaults filled in and its texts copied.
 */
#ifndef FO_CHECK_CONFIG_H
#define FO_CHECK_CONFIG_H

#include <failover/check.h>
#include <stdbool.h>

/** Whether every field is in range. */
bool fo__check_config_is_valid(const struct fo_check_config *config);

/** Whether it is that of fo_check_config_init(). */
bool fo__check_config_is_default(const struct fo_check_config *config);

/** A copy of a valid configuration, one block of memory. NULL: out of memory. */
struct fo_check_config *fo__check_config_copy(const struct fo_check_config *config);

/** Why an address cannot be checked in this way; NULL: it can. `config` NULL: nothing is checked. */
const char *fo__check_config_offence(const struct fo_check_config *config, const char *address);

#endif
