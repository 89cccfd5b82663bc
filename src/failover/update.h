/* SPDX-License-Identifier: Apache-2.0
 *
 * An update, from what the caller wrote to what is to be done.
 */
#ifndef FO_UPDATE_H
#define FO_UPDATE_H

#include "publish.h"

#include <failover/balancer.h>

/** What becomes of one upsert. */
enum fo__change_kind {
    FO__CHANGE_NONE,        /* the name is there with the same configuration */
    FO__CHANGE_ADD,         /* a new name */
    FO__CHANGE_RECONFIGURE, /* weights or tags of the same incarnation */
    FO__CHANGE_REINCARNATE, /* other data: a new incarnation, the old one leaves */
    FO__CHANGE_REVIVE       /* an incarnation that was leaving, with the same data, is taken back */
};

struct fo__change {
    struct fo_endpoint_config config; /* ours, whatever version the caller's was */
    enum fo__change_kind kind;
    struct fo_endpoint *current; /* the member of that name before, or NULL */
    struct fo_endpoint *next;    /* the member after; the same unless added, new or revived */
    struct fo__endpoint_settings *settings; /* to be installed, later the ones replaced */
    struct fo__name *entry;                 /* the name's in the index */
    struct fo__name *reserved;              /* the same, if it was made for this change */
    char *address;                          /* for the host, later the one replaced; NULL: none */
    bool was_drained;                       /* a revived incarnation, when it left */
};

/** Whether the change brings a member that was none. */
static inline bool fo__change_joins(const struct fo__change *change)
{
    return change->kind == FO__CHANGE_ADD || change->kind == FO__CHANGE_REINCARNATE ||
           change->kind == FO__CHANGE_REVIVE;
}

struct fo__update {
    struct fo_balancer *balancer;
    struct fo__change *changes;
    size_t change_count;
    struct fo_endpoint **leavers;
    size_t leaver_count;
    size_t removal_count; /* the first so many leavers are named in the result's `removed` */
    struct fo_endpoint **members; /* the new list */
    uint32_t member_count;
    struct fo__snapshot *snapshot;
    struct fo_update_result *result; /* never NULL */
};

/** Copies and checks the caller's upserts and removals; names the offender. No lock needed. */
fo_status fo__update_read(struct fo__update *update, const struct fo_endpoint_config *upserts,
                          size_t n, const char *const *removals, size_t m);

/** Marks an entry as refused. */
fo_status fo__update_refuse(struct fo__update *update, fo_status status, size_t offender,
                            bool is_removal, const char *offence);

/** Finds out what each entry means. What it changes (a revival, scratch marks) is undone by
 * fo__update_undo(). Update lock held. */
fo_status fo__update_resolve(struct fo__update *update, const char *const *removals, size_t m,
                             bool replace);

/** Makes everything that committing needs. Update lock held. */
fo_status fo__update_prepare(struct fo__update *update);

/** After a failure of the two above: as before. Update lock held; waits for a grace period. */
void fo__update_undo(struct fo__update *update);

/** Memory for the result's lists, to be filled without failing. */
fo_status fo__update_result_reserve(struct fo__update *update);

/** Whether a caller's result has room for all that it must bring back. */
bool fo__update_result_is_sane(const struct fo_update_result *result);

/** Fills the lists from a committed update. */
void fo__update_result_fill(struct fo__update *update);

#endif
