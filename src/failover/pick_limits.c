/* SPDX-License-Identifier: Apache-2.0 */
#include "pick_limits.h"

const struct fo__limits fo__no_limits = {.level_limit = UINT32_MAX};

bool fo__pick_options_are_valid(const struct fo_pick_options *options)
{
    for (size_t i = 0; i < sizeof(options->reserved); i++)
        if (options->reserved[i])
            return false;
    return options->exclude_count <= FO_EXCLUDE_MAX &&
           (options->exclude_count == 0 || options->exclude != NULL);
}

const struct fo__zone *fo__zone_to_pick(struct fo__core *core, const char *name)
{
    static const struct fo__zone nowhere;
    const struct fo__zone *zone;

    if (name[0] == '\0')
        return NULL;
    zone = fo__zones_find(&core->zones, name);
    return zone != NULL ? zone : &nowhere;
}
