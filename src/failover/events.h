/* SPDX-License-Identifier: Apache-2.0
 *
 * Events: from what is queued to what listeners hear, and the end of endpoints and balancers.
 */
#ifndef FO_EVENTS_H
#define FO_EVENTS_H

#include "runtime.h"

/** Handles everything queued and every timer due; returns the number of events delivered. The
 * dispatcher, inside the cold lock, which is left for each call of a listener. */
size_t fo__events_dispatch(struct fo_runtime *runtime);

#endif
