/* SPDX-License-Identifier: Apache-2.0 */
#include "weighing.h"

#include "rcu.h"

#define PAUSE_NS (10 * FO__NS_PER_MS)

/* ---- The list ------------------------------------------------------------------------------ */

static void list(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns)
{
    if (host->is_weighed)
        return;
    if (runtime->weighed == NULL)
        runtime->weighed_due_ns = now_ns + PAUSE_NS;
    host->is_weighed = true;
    host->weighed_previous = NULL;
    host->weighed_next = runtime->weighed;
    if (runtime->weighed != NULL)
        runtime->weighed->weighed_previous = host;
    runtime->weighed = host;
}

void fo__weighing_forget(struct fo_runtime *runtime, struct fo__host *host)
{
    if (!host->is_weighed)
        return;
    host->is_weighed = false;
    if (host->weighed_previous != NULL)
        host->weighed_previous->weighed_next = host->weighed_next;
    else
        runtime->weighed = host->weighed_next;
    if (host->weighed_next != NULL)
        host->weighed_next->weighed_previous = host->weighed_previous;
}

void fo__weighing_follow(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns)
{
    if (fo__load_relaxed(&host->weighing_called) != 0)
        list(runtime, host, now_ns);
}

void fo__weighing_call(struct fo_runtime *runtime, struct fo__host *host, uint64_t now_ns)
{
    if (fo__load_relaxed(&host->group->weight_listeners) != 0)
        list(runtime, host, now_ns);
}

struct fo__host *fo__weighing_take_due(struct fo_runtime *runtime, uint64_t now_ns)
{
    struct fo__host *host = runtime->weighed;

    if (host == NULL || runtime->weighed_due_ns > now_ns)
        return NULL;
    fo__weighing_forget(runtime, host);
    (void)fo__exchange_acq_rel(&host->weighing_called, 0); /* before its word is looked at */
    return host;
}

uint64_t fo__weighing_next_ns(const struct fo_runtime *runtime)
{
    return runtime->weighed != NULL ? runtime->weighed_due_ns : FO__NEVER;
}

/* ---- Weights ------------------------------------------------------------------------------- */

static double weigh(struct fo_endpoint *endpoint, uint64_t word)
{
    const struct fo__endpoint_settings *settings;
    double share = fo__word_health(word) / (double)FO__HEALTH_ONE *
                   (fo__host_admission(endpoint->host, word) / (double)FO__HEALTH_ONE);
    double weight;

    if (fo__load_relaxed(&endpoint->drained))
        return 0;
    fo__rcu_read_lock();
    settings = fo__load_acquire(&endpoint->settings);
    weight = share * settings->max_weight;
    if (weight < settings->min_weight)
        weight = settings->min_weight;
    fo__rcu_read_unlock();
    return weight;
}

void fo__weighing_begin(struct fo_endpoint *endpoint)
{
    double weight = weigh(endpoint, fo__load_acquire(endpoint->host->word));

    fo__store_relaxed(&endpoint->told_weight, weight);
}

bool fo__weighing_differs(struct fo_endpoint *endpoint, uint64_t word, double *before,
                          double *after)
{
    *after = weigh(endpoint, word);
    *before = fo__exchange_acq_rel(&endpoint->told_weight, *after);
    return *before != *after;
}
