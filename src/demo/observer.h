/* SPDX-License-Identifier: Apache-2.0
 *
 * Hears the library's events: writes the story, times what the library noticed, and closes the
 * connections to a server when the library says that nobody uses them any more.
 */
#ifndef DEMO_OBSERVER_H
#define DEMO_OBSERVER_H

#include <semaphore.h>
#include <stdbool.h>

#include "record.h"

struct fo_balancer;

struct observer {
    struct record *record;
    sem_t closed;
};

void observer_start(struct observer *observer, struct record *record, struct fo_balancer *balancer);

/* After fo_balancer_destroy(): waits for the last event; exits the program if it does not come. */
void observer_finish(struct observer *observer);

#endif
