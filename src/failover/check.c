/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "cold.h"
#include "outcome.h"
#include "rcu.h"
#include "rng.h"

#include <stdlib.h>
#include <string.h>

/* ---- Life -------------------------------------------------------------------------------- */

static const struct fo__check_kind *kind_of(fo_check_kind kind)
{
    switch (kind) {
    case FO_CHECK_SYNC: return &fo__check_sync;
    case FO_CHECK_ASYNC: return &fo__check_async;
    case FO_CHECK_NONE:
    case FO_CHECK_TCP:
    case FO_CHECK_HTTP: break;
    }
    return &fo__check_socket;
}

struct fo__check *fo__check_make(struct fo__host *host)
{
    struct fo__check *check = calloc(1, sizeof(*check));

    if (check == NULL)
        return NULL;
    check->host = host;
    check->config = host->group->check;
    check->kind = kind_of(check->config->kind);
    check->fd = -1;
    check->timer.kind = FO__TIMER_CHECK;
    fo__node_init(&check->node, FO__NODE_CHECK);
    return check;
}

static void list(struct fo__check *check)
{
    struct fo_runtime *runtime = fo__check_runtime(check);

    if (check->is_listed)
        return;
    check->is_listed = true;
    check->next = runtime->checks;
    if (check->next != NULL)
        check->next->previous = check;
    runtime->checks = check;
}

static void unlist(struct fo__check *check)
{
    if (!check->is_listed)
        return;
    if (check->previous != NULL)
        check->previous->next = check->next;
    else
        fo__check_runtime(check)->checks = check->next;
    if (check->next != NULL)
        check->next->previous = check->previous;
}

static void arm(struct fo__check *check, uint64_t due_ns)
{
    fo__timer_arm(&fo__check_runtime(check)->timers, &check->timer, due_ns);
}

static void end(struct fo__check *check)
{
    if (!check->runs)
        return;
    check->runs = false;
    check->kind->end(check);
}

void fo__check_stop(struct fo__check *check)
{
    end(check);
    check->kind->fini(check);
    fo__timer_cancel(&fo__check_runtime(check)->timers, &check->timer);
}

void fo__check_free(struct fo__check *check)
{
    if (check == NULL)
        return;
    unlist(check);
    free(check);
}

void fo__checks_after_fork(struct fo_runtime *runtime)
{
    for (struct fo__check *check = runtime->checks; check != NULL; check = check->next) {
        bool ran = check->runs;

        fo__node_taken(&check->node); /* whoever marked it may be gone before he linked it */
        end(check);
        check->kind->fini(check);
        if (ran)
            arm(check, 0);
    }
}

/* ---- Who is checked ----------------------------------------------------------------------- */

/** An endpoint of the host that takes part in its balancer; or one that does not, because it is about
 * to join or still leaving. NULL: none at all. It lives until the dispatcher frees it: that is us. */
static struct fo_endpoint *find_endpoint(struct fo__host *host, bool *is_member)
{
    struct fo_endpoint *found;

    *is_member = false;
    pthread_mutex_lock(&host->group->lock);
    found = host->endpoints;
    for (struct fo_endpoint *at = found; at != NULL && !*is_member; at = at->host_next) {
        fo__rcu_read_lock();
        *is_member =
            fo__snapshot_slot(fo__load_acquire(&at->core->snapshot), at->id) != FO__NO_SLOT;
        fo__rcu_read_unlock();
        if (*is_member)
            found = at;
    }
    pthread_mutex_unlock(&host->group->lock);
    return found;
}

static bool is_wanted(const struct fo__check *check, uint64_t word)
{
    return check->config->when == FO_CHECK_ALWAYS || fo__word_health(word) < FO__HEALTH_ONE;
}

static void copy_address(struct fo__check *check)
{
    struct fo__host *host = check->host;
    char address[FO_NAME_MAX + 1];

    pthread_mutex_lock(&host->group->lock);
    strcpy(address, host->address != NULL ? host->address : host->name->bytes);
    pthread_mutex_unlock(&host->group->lock);
    if (strcmp(check->address, address) == 0)
        return;
    check->kind->fini(check); /* it resolved another name */
    strcpy(check->address, address);
}

/* ---- Results ------------------------------------------------------------------------------ */

/** Outside the cold lock, as everything in which the embedder's weight function may run. */
static void apply(struct fo__check *check, enum fo__check_verdict verdict, uint32_t epoch)
{
    const struct fo__evidence success = {
        .outcome = FO_OUTCOME_SUCCESS, .epoch = epoch, .strikes = FO__STRIKES_NOW};
    bool is_member;
    struct fo_endpoint *endpoint = find_endpoint(check->host, &is_member);

    if (verdict == FO__CHECK_VERDICT_NONE || !is_member)
        return;
    fo__cold_end();
    switch (verdict) {
    case FO__CHECK_VERDICT_DOWN:
        fo__outcome_fell(endpoint->core, endpoint, epoch, FO_REASON_CHECK_FAILED);
        break;
    case FO__CHECK_VERDICT_UP:
        if (fo__outcome_lift(endpoint->core, endpoint, epoch)) {
            check->has_lifted = true;
            check->lifted_epoch = fo__epoch_sum(epoch, 1);
        }
        break;
    case FO__CHECK_VERDICT_HEAL: fo__outcome_apply(endpoint->core, endpoint, &success); break;
    case FO__CHECK_VERDICT_NONE: break;
    }
    fo__cold_begin();
}

static enum fo__check_verdict count(struct fo__check *check, uint64_t word, bool passed,
                                    bool *is_down)
{
    uint32_t epoch = fo__word_epoch(word);
    enum fo__check_verdict verdict;

    *is_down =
        fo__word_is_down(word); /* of an ejected one the question is whether it is dead, too */
    fo__check_plan_follow(&check->plan, epoch);
    verdict = fo__check_plan_count(&check->plan, check->config, *is_down,
                                   check->began_epoch == epoch, passed);
    if (verdict == FO__CHECK_VERDICT_HEAL &&
        (fo__word_health(word) == FO__HEALTH_ONE || fo__word_is_ejected(word)))
        return FO__CHECK_VERDICT_NONE;
    if (verdict == FO__CHECK_VERDICT_DOWN || verdict == FO__CHECK_VERDICT_UP)
        *is_down = !*is_down;
    return verdict;
}

static void conclude(struct fo__check *check, enum fo__check_result result, uint64_t now_ns)
{
    uint64_t word = fo__load_acquire(check->host->word);
    enum fo__check_verdict verdict = FO__CHECK_VERDICT_NONE;
    _Atomic uint64_t *rng = &check->host->group->rng;
    uint64_t due_ns = check->began_ns;
    bool is_down;

    if (result == FO__CHECK_RUNS)
        return;
    end(check);
    if (result == FO__CHECK_UNKNOWN) {
        due_ns += fo__check_plan_again_ns(check->config, rng);
    } else {
        verdict = count(check, word, result == FO__CHECK_PASSED, &is_down);
        due_ns += fo__check_plan_interval_ns(&check->plan, check->config, is_down, rng);
    }
    arm(check, due_ns > now_ns ? due_ns : now_ns + 1);
    apply(check, verdict, fo__word_epoch(word));
}

/* ---- Steps -------------------------------------------------------------------------------- */

void fo__check_follow(struct fo__check *check, uint64_t now_ns)
{
    const struct fo_check_config *config = check->config;
    _Atomic uint64_t *rng = &check->host->group->rng;
    uint64_t word = fo__load_acquire(check->host->word);
    bool changed = fo__check_plan_follow(&check->plan, fo__word_epoch(word));
    bool is_member;
    uint64_t due_ns;

    if (check->runs || find_endpoint(check->host, &is_member) == NULL)
        return;
    list(check);
    if (!check->timer.armed) {
        arm(check, now_ns + fo__rng_below(rng, config->interval_ms * FO__NS_PER_MS));
        return;
    }
    due_ns = now_ns + fo__check_plan_interval_ns(&check->plan, config, fo__word_is_down(word), rng);
    if (changed && due_ns < check->timer.due_ns)
        arm(check, due_ns); /* it was waiting for the back-off of what is past */
}

static void begin(struct fo__check *check, uint64_t word, uint64_t now_ns)
{
    check->runs = true;
    check->began_ns = now_ns;
    check->began_epoch = fo__word_epoch(word);
    copy_address(check);
    arm(check, now_ns + check->config->timeout_ms * FO__NS_PER_MS);
    conclude(check, check->kind->begin(check, now_ns), now_ns);
}

static void skip(struct fo__check *check, uint64_t now_ns)
{
    check->plan.passed = 0;
    check->plan.failed = 0;
    arm(check, now_ns + fo__check_plan_interval_ns(&check->plan, check->config, false,
                                                   &check->host->group->rng));
}

void fo__check_due(struct fo__check *check, uint64_t now_ns)
{
    uint64_t word = fo__load_acquire(check->host->word);
    bool is_member;

    if (check->runs) {
        conclude(check, check->kind->time_out(check, now_ns), now_ns);
        return;
    }
    if (find_endpoint(check->host, &is_member) == NULL)
        return; /* whoever joins queues the host */
    if (is_member && is_wanted(check, word))
        begin(check, word, now_ns);
    else
        skip(check, now_ns);
}

static void go_on(struct fo__check *check, uint64_t now_ns)
{
    if (check->runs)
        conclude(check, check->kind->go_on(check, now_ns), now_ns);
}

void fo__check_take(struct fo__check *check, uint64_t now_ns)
{
    fo__node_taken(&check->node);
    if (check->runs)
        go_on(check, now_ns);
    else /* it may be what the host's end is waiting for */
        fo__queue_push(check->host->queue, &check->host->node);
}

void fo__checks_serve(struct fo_runtime *runtime, uint64_t now_ns)
{
    struct epoll_event ready[64];
    int count = fo__io_take(&runtime->io, ready, sizeof(ready) / sizeof(ready[0]));

    /* Checks are freed elsewhere, so all of these live; one may have ended meanwhile in a child that
     * was forked by a weight function. */
    for (int i = 0; i < count; i++)
        if (ready[i].data.ptr != NULL)
            go_on(ready[i].data.ptr, now_ns);
}

bool fo__check_has_lifted(const struct fo__check *check, uint32_t epoch)
{
    return check != NULL && check->has_lifted && check->lifted_epoch == epoch;
}
