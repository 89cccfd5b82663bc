/* SPDX-License-Identifier: Apache-2.0 */
#include "model_pick.h"

#include <assert.h>
#include <stdlib.h>

static bool append(const struct fo_endpoint_info *info, void *arg)
{
    struct model *model = arg;

    if (model->count == model->capacity) {
        model->capacity = model->capacity == 0 ? 16 : model->capacity * 2;
        model->endpoints = realloc(model->endpoints, model->capacity * sizeof(*model->endpoints));
        assert(model->endpoints != NULL);
    }
    model->endpoints[model->count++] = *info;
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct fo_endpoint_info *x = a;
    const struct fo_endpoint_info *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

struct model model_of(struct fo_balancer *balancer)
{
    struct model model = {NULL, 0, 0};
    fo_status status = fo_endpoint_list(balancer, append, &model);

    assert(status == FO_OK);
    (void)status;
    qsort(model.endpoints, model.count, sizeof(*model.endpoints), by_id);
    return model;
}

void model_fini(struct model *model)
{
    free(model->endpoints);
}

static bool has_tags(const struct fo_endpoint_info *endpoint, uint64_t tags)
{
    return (endpoint->tags & tags) == tags;
}

static bool is_excluded(const struct fo_endpoint_info *endpoint,
                        const struct fo_pick_options *options)
{
    for (size_t i = 0; i < options->exclude_count; i++)
        if (options->exclude[i] == endpoint->id)
            return true;
    return false;
}

static double live_weight(const struct fo_endpoint_info *endpoint)
{
    double live = endpoint->health * endpoint->max_weight;

    if (endpoint->drained)
        return 0;
    return live > endpoint->min_weight ? live : endpoint->min_weight;
}

/** Makes weights into shares. False: there is nothing to share. */
static bool share_out(double *shares, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += shares[i];
    for (size_t i = 0; i < n && sum > 0; i++)
        shares[i] /= sum;
    return sum > 0;
}

fo_status model_pick(const struct model *model, const struct fo_pick_options *options,
                     double *shares)
{
    struct fo_pick_options none = fo_pick_options_init();

    if (options == NULL)
        options = &none;
    for (size_t i = 0; i < model->count; i++) {
        const struct fo_endpoint_info *endpoint = &model->endpoints[i];
        bool allowed = has_tags(endpoint, options->require_tags) && !is_excluded(endpoint, options);

        shares[i] = allowed ? live_weight(endpoint) : 0;
    }
    if (share_out(shares, model->count))
        return FO_OK;
    if (options->exclude_count == 0 || options->strict)
        return FO_UNAVAILABLE;
    none.require_tags = options->require_tags;
    return model_pick(model, &none, shares);
}

size_t model_find(const struct model *model, uint64_t id)
{
    size_t low = 0;
    size_t high = model->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (model->endpoints[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < model->count && model->endpoints[low].id == id ? low : model->count;
}

fo_status model_count(const struct model *model, struct fo_balancer *balancer,
                      const struct fo_pick_options *options, uint64_t picks, uint64_t *counts)
{
    for (uint64_t i = 0; i < picks; i++) {
        struct fo_lease lease = fo_lease_init();
        fo_status status = fo_pick_with(balancer, options, &lease);
        size_t at;

        if (status != FO_OK)
            return status;
        at = model_find(model, fo_endpoint_id(lease.endpoint));
        assert(at < model->count);
        counts[at]++;
        status = fo_finish(&lease, FO_OUTCOME_NEUTRAL);
        assert(status == FO_OK);
    }
    return FO_OK;
}
