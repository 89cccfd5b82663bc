/* SPDX-License-Identifier: Apache-2.0 */
#include "retry_pick.h"

#include "abi.h"

_Static_assert(FO_RETRY_ATTEMPTS_MAX < FO_EXCLUDE_MAX, "all that was asked can be excluded");

/** The options of a pick, and the ids that they point to. */
struct ask {
    struct fo_pick_options options;
    uint64_t exclude[FO_EXCLUDE_MAX];
};

static bool read_options(struct fo_pick_options *ours, const struct fo_pick_options *theirs)
{
    *ours = fo_pick_options_init();
    return theirs == NULL || fo__abi_read(ours, sizeof(*ours), theirs);
}

bool fo__retry_options_are_valid(const struct fo_pick_options *options, uint32_t max_attempts)
{
    struct fo_pick_options ours;

    return read_options(&ours, options) && (ours.exclude != NULL || ours.exclude_count == 0) &&
           ours.exclude_count <= FO_EXCLUDE_MAX - max_attempts;
}

static void exclude(struct ask *ask, uint64_t id)
{
    ask->exclude[ask->options.exclude_count++] = id;
}

/** Excludes the caller's ids and all that was asked. */
static bool prepare(struct ask *ask, const struct fo_retry *retry)
{
    const uint64_t *theirs;
    size_t count;

    if (!read_options(&ask->options, retry->options))
        return false;
    theirs = ask->options.exclude;
    count = ask->options.exclude_count;
    ask->options.exclude = ask->exclude;
    ask->options.exclude_count = 0;
    for (size_t i = 0; i < count; i++)
        exclude(ask, theirs[i]);
    for (uint32_t i = 0; i < retry->attempts; i++)
        exclude(ask, retry->asked[i].endpoint_id);
    return true;
}

/** When the first of those to be left alone may be asked again; UINT64_MAX: there are none. */
static uint64_t first_end_of_silence(const struct fo_retry *retry, uint64_t now_ns)
{
    uint64_t first = UINT64_MAX;

    for (uint32_t i = 0; i < retry->attempts; i++) {
        uint64_t end = retry->asked[i].not_before_ns;

        if (end > now_ns && end < first)
            first = end;
    }
    return first;
}

/** All that was asked is used again, but for those to be left alone. */
static fo_status pick_again(struct ask *ask, const struct fo_retry *retry, uint64_t now_ns,
                            struct fo_lease *lease)
{
    ask->options.exclude_count = 0;
    for (uint32_t i = 0; i < retry->attempts; i++)
        if (retry->asked[i].not_before_ns > now_ns)
            exclude(ask, retry->asked[i].endpoint_id);
    return fo_pick_with(retry->balancer, &ask->options, lease);
}

static fo_status pick_in_steps(struct ask *ask, const struct fo_retry *retry, uint64_t now_ns,
                               struct fo_lease *lease)
{
    bool is_strict = ask->options.strict;
    fo_status status;

    ask->options.strict = true;
    status = fo_pick_with(retry->balancer, &ask->options, lease);
    if ((status != FO_UNAVAILABLE && status != FO_OVERLOADED) || is_strict)
        return status;
    status = pick_again(ask, retry, now_ns, lease);
    return status == FO_UNAVAILABLE ? FO_WAIT : status;
}

fo_status fo__retry_pick(const struct fo_retry *retry, uint64_t now_ns, struct fo_lease *lease,
                         uint64_t *wait_until_ns)
{
    struct ask ask;

    if (retry->attempts == 0)
        return fo_pick_with(retry->balancer, retry->options, lease);
    if (!prepare(&ask, retry))
        return FO_EINVAL;
    *wait_until_ns = first_end_of_silence(retry, now_ns);
    if (*wait_until_ns == UINT64_MAX)
        return fo_pick_with(retry->balancer, &ask.options, lease);
    return pick_in_steps(&ask, retry, now_ns, lease);
}

fo_status fo__retry_pick_another(const struct fo_retry *retry, struct fo_lease *lease)
{
    struct ask ask;

    if (!prepare(&ask, retry))
        return FO_EINVAL;
    ask.options.strict = true;
    return fo_pick_with(retry->balancer, &ask.options, lease);
}
