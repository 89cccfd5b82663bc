/* SPDX-License-Identifier: Apache-2.0 */
#include "limit.h"

#include <math.h>

#define WINDOW_NS UINT64_C(100000000)
#define WINDOW_SAMPLES 10u
#define HEADROOM 0.1 /* of the limit, on top of what the gradient leaves */
#define SMOOTHING 0.5
#define GRADIENT_MIN 0.5
#define MUCH 0.8 /* a gradient below shrinks by much */
#define STEADY_WINDOWS 10u
#define SHRINKS_MAX 3u
#define DIP 0.75
#define DEEP_DIP 0.5
#define DIP_WINDOWS 2u
#define RISE 1.1
#define AIMD_FACTOR 0.9

static double value_of(const struct fo__limit *limit, const struct fo__limit_rules *rules)
{
    double value = fo__load_relaxed(&limit->value);
    return value > 0 ? value : rules->first;
}

/** Sets it; `dip`: what picks see of it. */
static void set(struct fo__limit *limit, const struct fo__limit_rules *rules, double value,
                double dip)
{
    double now;

    value = fmin(fmax(value, rules->min), rules->max);
    now = fmax(value * dip, rules->min);
    fo__store_relaxed(&limit->value, value);
    fo__store_relaxed(&limit->now, (uint32_t)fmax(floor(now), 1));
}

static void step_aimd(struct fo__limit *limit, const struct fo__limit_rules *rules,
                      const struct fo__limit_window *window)
{
    double value = value_of(limit, rules);

    if (window->drops > 0)
        set(limit, rules, value * AIMD_FACTOR, 1);
    else if (window->peak >= value / 2)
        set(limit, rules, value + 1, 1);
}

/** Where it was steady, or where it shrinks and nobody knows how far. */
static double dip_of(uint32_t shrinks)
{
    return shrinks < SHRINKS_MAX ? DIP : DEEP_DIP;
}

/** The host is slower than it was, or the dip was not deep enough: a deeper one tells. */
static bool is_doubtful(const struct fo__limit *limit, const struct fo__limit_window *window,
                        uint32_t shrinks)
{
    return shrinks < SHRINKS_MAX &&
           (double)window->latency_ns > RISE * (double)fo__load_relaxed(&limit->base_ns);
}

/** While it dips: the first window still has requests from before, the second measures the base. */
static void step_dip(struct fo__limit *limit, const struct fo__limit_rules *rules,
                     const struct fo__limit_window *window, uint32_t step)
{
    uint32_t shrinks = fo__load_relaxed(&limit->shrinks);
    double dip = dip_of(shrinks);

    step++;
    if (step == STEADY_WINDOWS + DIP_WINDOWS && is_doubtful(limit, window, shrinks)) {
        step = STEADY_WINDOWS;
        shrinks = SHRINKS_MAX;
        dip = DEEP_DIP;
    } else if (step == STEADY_WINDOWS + DIP_WINDOWS) {
        fo__store_relaxed(&limit->base_ns, window->latency_ns);
        step = 0;
        shrinks = 0;
        dip = 1;
    }
    fo__store_relaxed(&limit->step, step);
    fo__store_relaxed(&limit->shrinks, shrinks);
    set(limit, rules, value_of(limit, rules), dip);
}

static double gradient_of(const struct fo__limit *limit, const struct fo__limit_window *window)
{
    double gradient = (double)fo__load_relaxed(&limit->base_ns) / (double)window->latency_ns;

    if (window->drops > 0)
        gradient = fmin(gradient, AIMD_FACTOR - HEADROOM);
    return fmin(fmax(gradient, GRADIENT_MIN), 1);
}

static void step_gradient(struct fo__limit *limit, const struct fo__limit_rules *rules,
                          const struct fo__limit_window *window)
{
    double value = value_of(limit, rules);
    uint32_t step = fo__load_relaxed(&limit->step);
    uint32_t shrinks;
    double gradient;

    if (window->latency_ns == 0)
        return;
    if (step >= STEADY_WINDOWS) {
        step_dip(limit, rules, window, step);
        return;
    }
    if (fo__load_relaxed(&limit->base_ns) == 0 || window->peak < value / 2)
        fo__store_relaxed(&limit->base_ns, window->latency_ns);
    if (window->peak < value / 2)
        return; /* not enough to do to tell, and nothing is queued */
    gradient = gradient_of(limit, window);
    shrinks = gradient < MUCH ? fo__load_relaxed(&limit->shrinks) + 1 : 0;
    step = shrinks < SHRINKS_MAX ? step + 1 : STEADY_WINDOWS;
    fo__store_relaxed(&limit->shrinks, shrinks);
    fo__store_relaxed(&limit->step, step);
    value += SMOOTHING * (value * gradient + fmax(1, value * HEADROOM) - value);
    set(limit, rules, value, step >= STEADY_WINDOWS ? dip_of(shrinks) : 1);
}

void fo__limit_step(struct fo__limit *limit, const struct fo__limit_rules *rules,
                    const struct fo__limit_window *window)
{
    if (rules->kind == FO_LIMIT_GRADIENT)
        step_gradient(limit, rules, window);
    else
        step_aimd(limit, rules, window);
}

/** Whoever moves the beginning closes the window. */
static void close_if_over(struct fo__limit *limit, const struct fo__limit_rules *rules,
                          uint64_t now_ns)
{
    struct fo__limit_window window;
    uint64_t began_ns = fo__load_relaxed(&limit->began_ns);
    uint32_t count;

    if (now_ns - began_ns < WINDOW_NS || fo__load_relaxed(&limit->count) < WINDOW_SAMPLES ||
        !fo__cas_acq_rel(&limit->began_ns, &began_ns, now_ns))
        return;
    count = fo__exchange_acq_rel(&limit->count, 0);
    window.latency_ns = fo__exchange_acq_rel(&limit->latency_sum_ns, 0) / (count > 0 ? count : 1);
    window.drops = fo__exchange_acq_rel(&limit->drops, 0);
    window.peak = fo__exchange_acq_rel(&limit->peak, 0);
    fo__limit_step(limit, rules, &window);
}

/** Whether a latency is what the limit of this window makes it: what was sent before waited in an older
 * queue, and a refusal comes back at once. */
static bool is_of_window(const struct fo__limit *limit, uint64_t now_ns, uint64_t latency_ns,
                         bool dropped)
{
    return !dropped && latency_ns != 0 && now_ns - latency_ns >= fo__load_relaxed(&limit->began_ns);
}

void fo__limit_sample(struct fo__limit *limit, const struct fo__limit_rules *rules, uint64_t now_ns,
                      uint64_t latency_ns, bool dropped, uint64_t in_flight)
{
    if (dropped)
        fo__add_relaxed(&limit->drops, 1);
    if (in_flight > fo__load_relaxed(&limit->peak))
        fo__store_relaxed(&limit->peak, (uint32_t)in_flight);
    if (rules->kind == FO_LIMIT_AIMD || is_of_window(limit, now_ns, latency_ns, dropped)) {
        fo__add_relaxed(&limit->latency_sum_ns, latency_ns);
        fo__add_relaxed(&limit->count, 1);
    }
    close_if_over(limit, rules, now_ns);
}
