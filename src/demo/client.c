/* SPDX-License-Identifier: Apache-2.0
 *
 * A client thread, a request, an attempt. The definition of a request "that a retry could have
 * saved" is in main.c; could_have_been_saved() is that text in code.
 */
#include "client.h"

#include <errno.h>
#include <error.h>
#include <poll.h>

#include <failover/failover.h>

#include "connection.h"
#include "dice.h"
#include "now.h"
#include "wire.h"

/* Between two looks at a balancer that had nothing to offer. */
enum { NAP_MS = 2 };

struct request {
    uint64_t begin_ns;
    uint64_t deadline_ns;
    unsigned attempts;
    const struct server *tried[ATTEMPTS_MOST];
    uint64_t tried_ids[ATTEMPTS_MOST];
    bool answered;
    size_t length;
    unsigned char frame[WIRE_FRAME_MAX];
};

/* ---- One attempt ----------------------------------------------------------------------------- */

static fo_outcome outcome_of(enum exchange result)
{
    switch (result) {
    case EXCHANGE_ANSWERED: return FO_OUTCOME_SUCCESS;
    case EXCHANGE_REFUSED: return FO_OUTCOME_DOWN;
    case EXCHANGE_OWN_FAULT: return FO_OUTCOME_CANCELLED;
    default: return FO_OUTCOME_FAILURE;
    }
}

/* After anything but an answer the connection is out of step: it is not used again. */
static enum exchange exchange_with(struct server *server, unsigned client,
                                   const struct request *request, uint64_t deadline_ns)
{
    int *connection = &server->connections[client];
    enum exchange result = connection_ready(connection, &server->address, deadline_ns);

    if (result == EXCHANGE_ANSWERED)
        result = connection_exchange(*connection, request->frame, request->length, deadline_ns);
    if (result != EXCHANGE_ANSWERED)
        connection_close(connection);
    return result;
}

static fo_outcome attempt(struct client *client, struct server *server, struct request *request)
{
    struct record *record = client->load->record;
    uint64_t begin_ns = now_ns();
    uint64_t deadline_ns = begin_ns + ATTEMPT_MS * NS_PER_MS;
    enum exchange result;

    if (deadline_ns > request->deadline_ns)
        deadline_ns = request->deadline_ns;
    record_sent(record, server->index, begin_ns - record->origin_ns);
    result = exchange_with(server, client->number, request, deadline_ns);
    histogram_add(&server->latency, now_ns() - begin_ns);
    if (result != EXCHANGE_ANSWERED)
        record_failed(record, server->index, record_time_ns(record));
    return outcome_of(result);
}

/* ---- One request ----------------------------------------------------------------------------- */

static void begin_request(struct client *client, struct request *request)
{
    size_t filler = dice_below(&client->dice, WIRE_FRAME_MAX - WIRE_HEAD + 1);

    *request = (struct request){.begin_ns = now_ns()};
    request->deadline_ns = request->begin_ns + REQUEST_MS * NS_PER_MS;
    request->length = wire_encode(request->frame, ++client->last_id, filler);
}

static bool all_tried_were_near(const struct request *request)
{
    for (unsigned i = 0; i < request->attempts; i++) {
        if (request->tried[i]->zone != ZONE_NEAR)
            return false;
    }
    return true;
}

/* Picks a server that this request has not tried; false when there is nothing to pick now. */
static bool pick(const struct client *client, const struct request *request, struct fo_lease *lease)
{
    struct fo_pick_options options = fo_pick_options_init();
    fo_status status;

    options.exclude = request->tried_ids;
    options.exclude_count = request->attempts;
    if (request->attempts == ATTEMPTS_MOST - 1 && all_tried_were_near(request))
        options.zone = zone_names[ZONE_FAR];
    status = fo_pick_with(client->load->balancer, &options, lease);
    if (status != FO_OK && status != FO_UNAVAILABLE)
        error(EXIT_TROUBLE, 0, "fo_pick_with: %s", fo_status_name(status));
    return status == FO_OK;
}

static void try_once(struct client *client, struct request *request)
{
    struct fo_lease lease;
    struct server *server;
    fo_outcome outcome;
    fo_status status;

    if (!pick(client, request, &lease)) {
        poll(NULL, 0, NAP_MS);
        return;
    }
    server = fo_endpoint_data(lease.endpoint);
    request->tried[request->attempts] = server;
    request->tried_ids[request->attempts] = fo_endpoint_id(lease.endpoint);
    request->attempts++;
    outcome = attempt(client, server, request);
    status = fo_finish(&lease, outcome);
    if (status != FO_OK)
        error(EXIT_TROUBLE, 0, "fo_finish: %s", fo_status_name(status));
    request->answered = outcome == FO_OUTCOME_SUCCESS;
}

/* ---- Judgement ------------------------------------------------------------------------------- */

static bool tried_among_first(const struct request *request, unsigned count,
                              const struct server *server)
{
    for (unsigned i = 0; i < count; i++) {
        if (request->tried[i] == server)
            return true;
    }
    return false;
}

static bool spent_an_attempt_badly(const struct request *request)
{
    for (unsigned i = 0; i < request->attempts; i++) {
        if (!server_was_good_since(request->tried[i], request->begin_ns) ||
            tried_among_first(request, i, request->tried[i]))
            return true;
    }
    return request->attempts < ATTEMPTS_MOST;
}

static bool could_have_been_saved(const struct load *load, const struct request *request)
{
    if (!spent_an_attempt_badly(request))
        return false;
    for (unsigned i = 0; i < load->cluster->count; i++) {
        const struct server *server = &load->cluster->servers[i];

        if (server_was_good_since(server, request->begin_ns) &&
            !tried_among_first(request, request->attempts, server))
            return true;
    }
    return false;
}

static void judge(const struct load *load, const struct request *request, struct act_record *act)
{
    histogram_add(&act->latency, now_ns() - request->begin_ns);
    atomic_fetch_add(&act->requests, 1);
    if (request->attempts > 1)
        atomic_fetch_add(&act->retried, 1);
    if (request->attempts > 1 && request->answered)
        atomic_fetch_add(&act->saved, 1);
    if (request->answered)
        return;
    atomic_fetch_add(&act->lost, 1);
    record_lost(load->record, record_time_ns(load->record));
    if (could_have_been_saved(load, request))
        atomic_fetch_add(&act->savable, 1);
}

/* ---- The threads ----------------------------------------------------------------------------- */

static void run_request(struct client *client)
{
    const struct load *load = client->load;
    struct act_record *act = &load->record->acts[atomic_load(&load->record->act)];
    struct request request;

    begin_request(client, &request);
    while (!request.answered && request.attempts < ATTEMPTS_MOST && now_ns() < request.deadline_ns)
        try_once(client, &request);
    judge(load, &request, act);
}

static void *run_client(void *arg)
{
    struct client *client = arg;

    fo_thread_prepare();
    while (!atomic_load(&client->load->stopping))
        run_request(client);
    return NULL;
}

void load_start(struct load *load, uint64_t seed)
{
    for (unsigned i = 0; i < load->thread_count; i++) {
        struct client *client = &load->clients[i];
        int problem;

        client->load = load;
        client->number = i;
        client->dice = dice_roll(&seed);
        client->last_id = 0;
        problem = pthread_create(&client->thread, NULL, run_client, client);
        if (problem != 0)
            error(EXIT_TROUBLE, problem, "cannot start client thread %u", i + 1);
    }
}

void load_stop(struct load *load)
{
    atomic_store(&load->stopping, true);
    for (unsigned i = 0; i < load->thread_count; i++)
        pthread_join(load->clients[i].thread, NULL);
}
