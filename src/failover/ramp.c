/* SPDX-License-Identifier: Apache-2.0 */
#include "ramp.h"

#include "judged.h"
#include "rng.h"
#include "weighing.h"

/* Steps of a ramp, and the shortest of them. */
#define STEPS 64
#define STEP_MIN_NS (10 * FO__NS_PER_MS)

/** 0.8 to 1 of the time that is configured. */
static uint64_t length_ns(struct fo_group *group)
{
    uint64_t ns = group->trial.ramp_ms * FO__NS_PER_MS;

    return ns - fo__rng_below(&group->rng, ns / 5 + 1);
}

static void admit(struct fo__host *host, uint64_t word, uint64_t admission)
{
    fo__store_relaxed(&host->admission, admission << FO__LOSS_SHIFT | (word & FO__EPOCH_MASK));
}

static void arm(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns)
{
    uint64_t step_ns = host->ramp_ns / STEPS;
    uint64_t end_ns = host->ramp_began_ns + host->ramp_ns;
    uint64_t due_ns = now_ns + (step_ns > STEP_MIN_NS ? step_ns : STEP_MIN_NS);

    fo__timer_arm(&runtime->timers, &host->timer, due_ns < end_ns ? due_ns : end_ns);
}

void fo__ramp_follow(struct fo_runtime *runtime, struct fo__host *host, uint64_t word,
                     uint64_t now_ns)
{
    if ((word & FO__FLAG_RAMP) == 0) {
        fo__timer_cancel(&runtime->timers, &host->timer);
        return;
    }
    if (fo__host_admission_begun(host, word) != 0)
        return;
    host->ramp_began_ns = now_ns;
    host->ramp_ns = length_ns(host->group);
    admit(host, word, FO__ADMISSION_FIRST);
    arm(runtime, host, now_ns);
}

/** The host is admitted in full, unless it has gone down meanwhile. */
static void end(struct fo__host *host, uint64_t word)
{
    uint32_t epoch = fo__word_epoch(word);

    while ((word & FO__FLAG_RAMP) != 0 && fo__word_epoch(word) == epoch)
        if (fo__cas_acq_rel(host->word, &word, word & ~FO__FLAG_RAMP))
            return;
}

void fo__ramp_hold(struct fo__host *host, uint64_t word, uint64_t admission)
{
    uint32_t epoch = fo__word_epoch(word);

    admit(host, word, admission); /* before any pick can see the flag */
    while ((word & (FO__FLAG_RAMP | FO__FLAG_DOWN)) == 0 && fo__word_epoch(word) == epoch)
        if (fo__cas_acq_rel(host->word, &word, word | FO__FLAG_RAMP))
            return;
}

void fo__ramp_due(struct fo_runtime *runtime, struct fo__host *host, uint64_t word, uint64_t now_ns)
{
    uint64_t elapsed_ns = now_ns - host->ramp_began_ns;
    double climbed;

    if ((word & FO__FLAG_RAMP) == 0 || fo__host_admission_begun(host, word) == 0)
        return; /* armed for what is past: the host is queued */
    if (fo__host_is_suspect(host))
        return; /* whoever ends that calls again */
    fo__weighing_call(runtime, host, now_ns);
    if (elapsed_ns >= host->ramp_ns) {
        end(host, word);
        return;
    }
    climbed = (double)elapsed_ns / (double)host->ramp_ns;
    admit(host, word,
          FO__ADMISSION_FIRST +
              (uint64_t)(climbed * (double)(FO__HEALTH_ONE - FO__ADMISSION_FIRST)));
    arm(runtime, host, now_ns);
}
