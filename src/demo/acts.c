/* SPDX-License-Identifier: Apache-2.0
 *
 * The acts. Each is a function that runs once, when the act opens; a removal goes on from tick to tick,
 * because draining, removing and releasing wait for each other.
 *
 * Before a server gets into trouble its truth is changed ("not good"), after it is well again it is
 * changed back: a request that overlaps with trouble in any way does not count that server as one
 * that would have answered.
 */
#include "acts.h"

#include <error.h>
#include <signal.h>
#include <stdio.h>

#include <failover/failover.h>

#include "now.h"
#include "server.h"
#include "zones.h"

/* Who plays what: indexes into the servers. The added one is the last. */
enum { DRAINED_SERVER = 0, KILLED_SERVER = 1, FROZEN_SERVER = 2, SLOWED_SERVER = 3 };
_Static_assert(SLOWED_SERVER < SERVERS_LEAST, "every role needs a server");
_Static_assert(SLOWDOWN == 20, "the act's title says so");

/* Lengths of the acts in relation to each other. Coming back takes longest: the library tries a
 * dead server again in steps that have grown to their largest by then. */
static const unsigned act_weights[ACT_COUNT] = {3, 4, 4, 4, 5, 3, 3, 3, 4, 5};

static const char *const act_names[ACT_COUNT] = {"healthy", "killed", "frozen", "slowed", "back",
                                                 "added",   "leaves", "local",  "lost",   "return"};

static void check(fo_status status, const char *call)
{
    if (status != FO_OK)
        error(EXIT_TROUBLE, 0, "%s: %s", call, fo_status_name(status));
}

/* ---- Planning -------------------------------------------------------------------------------- */

static void plan_times(struct stage *stage, unsigned seconds)
{
    unsigned total = 0;
    unsigned before = 0;

    for (int i = 0; i < ACT_COUNT; i++)
        total += act_weights[i];
    for (int i = 0; i < ACT_COUNT; i++) {
        uint64_t buckets = seconds * (NS_PER_S / BUCKET_NS) * before / total;

        stage->opening_ns[i] = buckets * BUCKET_NS;
        before += act_weights[i];
    }
    stage->end_ns = seconds * NS_PER_S;
}

static void name_act(struct stage *stage, enum act act, const char *label, const char *title)
{
    struct act_record *record = &stage->record->acts[act];

    record->name = act_names[act];
    snprintf(record->label, sizeof(record->label), "%s", label);
    snprintf(record->title, sizeof(record->title), "%s", title);
}

/* An act in which something happens to one server. */
static void name_act_of(struct stage *stage, enum act act, unsigned server, const char *what)
{
    const char *name = stage->cluster->servers[server].name;
    struct act_record *record = &stage->record->acts[act];

    record->name = act_names[act];
    snprintf(record->label, sizeof(record->label), "%s %s", name, record->name);
    snprintf(record->title, sizeof(record->title), "%s %s", name, what);
}

static void name_acts(struct stage *stage)
{
    name_act(stage, ACT_HEALTHY, "healthy", "all servers healthy");
    name_act_of(stage, ACT_KILLED, KILLED_SERVER, "killed (SIGKILL)");
    name_act_of(stage, ACT_FROZEN, FROZEN_SERVER, "frozen (SIGSTOP)");
    name_act_of(stage, ACT_SLOWED, SLOWED_SERVER, "slowed 20 times");
    name_act(stage, ACT_BACK, "all back", "all three are well again");
    name_act_of(stage, ACT_ADDED, stage->cluster->initial, "added");
    name_act_of(stage, ACT_REMOVED, DRAINED_SERVER, "drained and removed");
    name_act(stage, ACT_LOCAL, "near first", "the local zone, near, comes first");
    name_act(stage, ACT_LOST, "near lost", "zone near lost: all of it killed");
    name_act(stage, ACT_RETURN, "near back", "zone near is back");
}

static void cast(struct stage *stage, enum act act, unsigned fault, unsigned server)
{
    stage->record->faults[fault].act = act;
    stage->record->faults[fault].server = server;
    stage->cluster->servers[server].role = act_names[act];
}

void stage_set(struct stage *stage, unsigned seconds)
{
    struct server *servers = stage->cluster->servers;
    unsigned added = stage->cluster->initial;

    plan_times(stage, seconds);
    name_acts(stage);
    cast(stage, ACT_KILLED, 0, KILLED_SERVER);
    cast(stage, ACT_FROZEN, 1, FROZEN_SERVER);
    cast(stage, ACT_SLOWED, 2, SLOWED_SERVER);
    stage->record->added_server = added;
    servers[added].role = act_names[ACT_ADDED];
    stage->record->removal.server = DRAINED_SERVER;
    servers[DRAINED_SERVER].role = act_names[ACT_REMOVED];
}

uint32_t stage_act_ms(const struct stage *stage, enum act act)
{
    uint64_t end_ns = act + 1 < ACT_COUNT ? stage->opening_ns[act + 1] : stage->end_ns;

    return (uint32_t)((end_ns - stage->opening_ns[act]) / NS_PER_MS);
}

/* ---- Trouble, and its end -------------------------------------------------------------------- */

static struct server *open_fault(struct stage *stage, unsigned fault)
{
    struct fault_record *record = &stage->record->faults[fault];
    struct server *server = &stage->cluster->servers[record->server];

    server_is_not_good(server, server->role);
    atomic_store(&record->begin_ns, record_time_ns(stage->record));
    return server;
}

static void close_fault(struct stage *stage, unsigned fault)
{
    struct fault_record *record = &stage->record->faults[fault];

    atomic_store(&record->end_ns, record_time_ns(stage->record));
    server_is_good(&stage->cluster->servers[record->server]);
}

static void act_killed(struct stage *stage)
{
    nursery_kill(stage->nursery, open_fault(stage, 0)->index);
}

static void act_frozen(struct stage *stage)
{
    nursery_signal(stage->nursery, open_fault(stage, 1)->index, SIGSTOP);
}

static void act_slowed(struct stage *stage)
{
    nursery_signal(stage->nursery, open_fault(stage, 2)->index, SERVER_SLOW);
}

static void act_back(struct stage *stage)
{
    nursery_launch(stage->nursery, KILLED_SERVER);
    nursery_signal(stage->nursery, FROZEN_SERVER, SIGCONT);
    nursery_signal(stage->nursery, SLOWED_SERVER, SERVER_NORMAL);
    for (unsigned i = 0; i < FAULT_COUNT; i++)
        close_fault(stage, i);
}

/* ---- Changes of membership ------------------------------------------------------------------- */

static void act_added(struct stage *stage)
{
    struct server *server = &stage->cluster->servers[stage->record->added_server];
    struct fo_endpoint_config config = fo_endpoint_config_init(server->name);

    nursery_launch(stage->nursery, server->index);
    config.data = server;
    config.zone = zone_names[server->zone];
    check(fo_balancer_update(stage->balancer, &config, 1, NULL, 0, NULL), "fo_balancer_update");
    server_is_good(server);
    stage->record->added_ns = record_time_ns(stage->record);
}

static void look_at(const struct stage *stage, struct fo_endpoint_info *info)
{
    const struct server *server = &stage->cluster->servers[stage->record->removal.server];

    *info = fo_endpoint_info_init();
    check(fo_endpoint_status(stage->balancer, server->name, info), "fo_endpoint_status");
}

static void act_drained(struct stage *stage)
{
    struct removal_record *removal = &stage->record->removal;
    struct server *server = &stage->cluster->servers[removal->server];
    struct fo_endpoint_info info;

    server_is_not_good(server, "leaving");
    check(fo_drain(stage->balancer, server->name), "fo_drain");
    removal->drained_ns = record_time_ns(stage->record);
    look_at(stage, &info);
    removal->picks_at_drain = info.started;
}

static void remove_when_idle(struct stage *stage)
{
    struct removal_record *removal = &stage->record->removal;
    const char *name = stage->cluster->servers[removal->server].name;
    struct fo_endpoint_info info;

    look_at(stage, &info);
    if (info.in_flight != 0)
        return;
    removal->idle_ns = record_time_ns(stage->record);
    removal->picks_at_idle = info.started;
    check(fo_balancer_update(stage->balancer, NULL, 0, &name, 1, NULL), "fo_balancer_update");
    removal->removed_ns = record_time_ns(stage->record);
}

/* Drained, then idle, then removed, then released: only now may the server itself stop. */
static void advance_removal(struct stage *stage)
{
    struct removal_record *removal = &stage->record->removal;

    if (removal->drained_ns == NEVER_NS || removal->stopped_ns != NEVER_NS)
        return;
    if (removal->removed_ns == NEVER_NS) {
        remove_when_idle(stage);
    } else if (atomic_load(&removal->released_ns) != NEVER_NS) {
        server_is_not_good(&stage->cluster->servers[removal->server], "stopped");
        nursery_kill(stage->nursery, removal->server);
        removal->stopped_ns = record_time_ns(stage->record);
    }
}

/* ---- Zones ----------------------------------------------------------------------------------- */

static void act_local(struct stage *stage)
{
    struct fo_config config = fo_config_init();

    config.levels.local_zone = zone_names[ZONE_NEAR];
    check(fo_balancer_configure(stage->balancer, &config), "fo_balancer_configure");
}

/* In the near zone, and not the one that was removed. */
static bool is_near(const struct stage *stage, const struct server *server)
{
    return server->zone == ZONE_NEAR && server->index != stage->record->removal.server;
}

/* First all are told to be in trouble, then all are killed: no request counts any of them as well. */
static void act_lost(struct stage *stage)
{
    struct cluster *cluster = stage->cluster;

    for (unsigned i = 0; i < cluster->count; i++) {
        if (is_near(stage, &cluster->servers[i]))
            server_is_not_good(&cluster->servers[i], "killed");
    }
    stage->record->zones.lost_ns = record_time_ns(stage->record);
    for (unsigned i = 0; i < cluster->count; i++) {
        if (is_near(stage, &cluster->servers[i]))
            nursery_kill(stage->nursery, i);
    }
}

static void act_return(struct stage *stage)
{
    struct cluster *cluster = stage->cluster;

    for (unsigned i = 0; i < cluster->count; i++) {
        if (!is_near(stage, &cluster->servers[i]))
            continue;
        nursery_launch(stage->nursery, i);
        server_is_good(&cluster->servers[i]);
    }
    stage->record->zones.back_ns = record_time_ns(stage->record);
}

/* When three quarters of a zone act are over: what has become of the traffic, by the library's own
 * account. */
static void look_at_zones(struct stage *stage, uint64_t now)
{
    struct zone_record *zones = &stage->record->zones;
    enum act act = (enum act)atomic_load(&stage->record->act);
    uint64_t due = stage->opening_ns[act] + stage_act_ms(stage, act) * NS_PER_MS * 3 / 4;

    if (act < ACT_LOCAL || zones->looked[act] || now < due)
        return;
    zones->looked[act] = true;
    zones_look(stage->balancer, zones->views[act]);
    for (int i = 0; i < ZONE_COUNT; i++)
        record_event(stage->record, "EXPLAINED", "%s",
                     zones_describe(&zones->views[act][i], (enum zone)i).text);
}

/* ---- The course of the evening --------------------------------------------------------------- */

static void open_act(struct stage *stage, enum act act)
{
    static void (*const run[ACT_COUNT])(struct stage *) = {
        [ACT_KILLED] = act_killed, [ACT_FROZEN] = act_frozen, [ACT_SLOWED] = act_slowed,
        [ACT_BACK] = act_back,     [ACT_ADDED] = act_added,   [ACT_REMOVED] = act_drained,
        [ACT_LOCAL] = act_local,   [ACT_LOST] = act_lost,     [ACT_RETURN] = act_return};
    struct record *record = stage->record;

    stage_close(stage);
    record_event(record, "ACT", "%s", record->acts[act].title);
    record->acts[act].begin_ns = record_time_ns(record);
    atomic_store(&record->act, act);
    if (run[act] != NULL)
        run[act](stage);
}

void stage_close(struct stage *stage)
{
    struct record *record = stage->record;

    record->acts[atomic_load(&record->act)].end_ns = record_time_ns(record);
}

bool stage_tick(struct stage *stage)
{
    uint64_t now = record_time_ns(stage->record);

    for (int i = 0; i < ACT_COUNT; i++) {
        if (stage->record->acts[i].begin_ns == NEVER_NS && stage->opening_ns[i] <= now)
            open_act(stage, (enum act)i);
    }
    advance_removal(stage);
    look_at_zones(stage, now);
    return now < stage->end_ns;
}
