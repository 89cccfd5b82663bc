/* SPDX-License-Identifier: Apache-2.0 */
#include "dump.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct page {
    FILE *file;
};

static bool write_info(const struct fo_endpoint_info *info, void *arg)
{
    struct page *page = arg;

    fprintf(page->file,
            "%s id=%llx data=%p tags=%llx max=%a min=%a live=%a health=%a %s drained=%d epoch=%u "
            "started=%llu finished=%llu failed=%llu in_flight=%llu\n",
            info->name, (unsigned long long)info->id, info->data, (unsigned long long)info->tags,
            info->max_weight, info->min_weight, info->live_weight, info->health,
            fo_state_name(info->state), info->drained, info->epoch,
            (unsigned long long)info->started, (unsigned long long)info->finished,
            (unsigned long long)info->failed, (unsigned long long)info->in_flight);
    return true;
}

char *dump(struct fo_balancer *balancer)
{
    struct page page;
    char *text = NULL;
    size_t size = 0;
    fo_status status;

    page.file = open_memstream(&text, &size);
    assert(page.file != NULL);
    status = fo_endpoint_list(balancer, write_info, &page);
    assert(status == FO_OK);
    (void)status;
    fclose(page.file);
    return text;
}

bool dump_is_still(struct fo_balancer *balancer, char *before)
{
    char *now = dump(balancer);
    bool same = strcmp(before, now) == 0;

    if (!same)
        fprintf(stderr, "before:\n%snow:\n%s", before, now);
    free(before);
    free(now);
    return same;
}

struct name_list {
    char *at;
    const char *end;
};

static bool append_name(const struct fo_endpoint_info *info, void *arg)
{
    struct name_list *list = arg;

    if (list->at != list->end)
        list->at += snprintf(list->at, (size_t)(list->end - list->at), "%s ", info->name);
    return true;
}

const char *dump_names(struct fo_balancer *balancer)
{
    static __thread char names[4096];
    struct name_list list = {names, names + sizeof(names)};
    fo_status status;

    names[0] = '\0';
    status = fo_endpoint_list(balancer, append_name, &list);
    assert(status == FO_OK);
    (void)status;
    if (list.at > names)
        list.at[-1] = '\0';
    return names;
}
