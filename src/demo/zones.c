/* SPDX-License-Identifier: Apache-2.0
 *
 * An explanation names endpoints one by one; here they are added up by zone.
 */
#include "zones.h"

#include <error.h>
#include <stdio.h>
#include <string.h>

#include <failover/failover.h>

#include "options.h"

#define HEALTHY 0.5

static bool add_up(const struct fo_explanation *explanation, void *arg)
{
    const struct server *server = explanation->endpoint->data;
    struct zone_view *view = &((struct zone_view *)arg)[server->zone];

    view->level = explanation->endpoint->level;
    view->share += explanation->probability;
    view->servers += 1;
    view->healthy += explanation->endpoint->health >= HEALTHY ? 1 : 0;
    return true;
}

void zones_look(struct fo_balancer *balancer, struct zone_view views[ZONE_COUNT])
{
    fo_status status;

    memset(views, 0, ZONE_COUNT * sizeof(*views));
    status = fo_balancer_explain(balancer, NULL, add_up, views);
    if (status != FO_OK)
        error(EXIT_TROUBLE, 0, "fo_balancer_explain: %s", fo_status_name(status));
}

struct zone_text zones_describe(const struct zone_view *view, enum zone zone)
{
    struct zone_text text;

    snprintf(text.text, sizeof(text.text),
             "level %u (zone %s): %.0f %% of the traffic, %u of %u healthy", view->level,
             zone_names[zone], 100 * view->share, view->healthy, view->servers);
    return text;
}
