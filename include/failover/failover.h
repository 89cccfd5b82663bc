/* SPDX-License-Identifier: Apache-2.0
 *
 * libfailover: client-side failover and load balancing. This header includes the others; begin
 * reading with balancer.h.
 */
#ifndef FAILOVER_FAILOVER_H
#define FAILOVER_FAILOVER_H

#include <failover/balancer.h>
#include <failover/base.h>
#include <failover/check.h>
#include <failover/endpoint.h>
#include <failover/events.h>
#include <failover/explain.h>
#include <failover/group.h>
#include <failover/health.h>
#include <failover/judge.h>
#include <failover/levels.h>
#include <failover/load.h>
#include <failover/retry.h>
#include <failover/runtime.h>
#include <failover/state.h>

#endif
