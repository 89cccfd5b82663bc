/* SPDX-License-Identifier: Apache-2.0
 *
 * The floor: the least that a weighted pick and its finish can cost behind two calls into a shared
 * library, when memberships change under RCU and every request is counted as it begins and ends.
 *
 *     floor_pick()    read section { table ─► Weyl ─► alias column ─► started + 1 in the own row }
 *     floor_finish()  finished + 1 in the own row
 *
 * There is no health, no limit, no lease to speak of, nothing is looked up or checked: what our
 * library costs above this is what our library does. It is compiled as the library is, and wherever
 * there is a choice it takes the faster one: rows are made beforehand, and only a pick has a read
 * section, since nothing that a finish touches is ever freed.
 */
#ifndef FLOOR_H
#define FLOOR_H

#include <stdint.h>

#define FLOOR_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

struct floor;

/** What was picked, and from which floor. */
struct floor_lease {
    struct floor *floor;
    uint32_t endpoint;
};

/** Most floors of one process. */
#define FLOOR_COUNT_MAX 1024

/** A floor over n positive weights, for the rest of the process. Aborts without memory. */
FLOOR_API struct floor *floor_create(const double *weights, uint32_t n);

/** Gives the calling thread its row; before its first pick. Calling it again costs little. */
FLOOR_API void floor_prepare_thread(const struct floor *floor);

FLOOR_API void floor_pick(struct floor *floor, struct floor_lease *lease);

FLOOR_API void floor_finish(const struct floor_lease *lease);

#ifdef __cplusplus
}
#endif

#endif
