/* SPDX-License-Identifier: Apache-2.0
 *
 * What an embedder says about the judge: is it in range, is it the default, and the defaults.
 */
#ifndef FO_JUDGE_CONFIG_H
#define FO_JUDGE_CONFIG_H

#include <failover/judge.h>

/** Whether every field is in range. */
bool fo__judge_config_is_valid(const struct fo_judge_config *config);

/** Whether it is that of fo_judge_config_init() or of fo_judge_none(). */
bool fo__judge_config_is_neutral(const struct fo_judge_config *config);

/** A valid configuration with its defaults filled in. */
struct fo_judge_config fo__judge_config_full(const struct fo_judge_config *given);

/** Whether anything is judged by windows, or hosts are watched for stalls. Defaults filled in. */
bool fo__judge_config_has_windows(const struct fo_judge_config *config);
bool fo__judge_config_has_stalls(const struct fo_judge_config *config);

#endif
