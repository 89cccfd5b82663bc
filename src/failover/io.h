/* SPDX-License-Identifier: Apache-2.0
 *
 * I/O of a runtime: one epoll set that holds the queue's wake-up and the sockets of checks.
 *
 *     embedder's poll() ──► epoll set ─┬─ eventfd of the queue     owner NULL
 *                                      ├─ socket of a check        owner: that check
 *                                      └─ ...
 *
 * The set itself is the runtime's descriptor: it is readable when anything in it is. All is
 * level-triggered, so what one dispatch leaves undone wakes the next.
 *
 * fork(): an epoll set is shared with the child like any open file, and forgets a socket only when the
 * last copy of it is closed. So a socket is always taken out before it is closed: a child that has
 * inherited it would keep it in the parent's set. And the child has a set of its own before it takes
 * out anything: in the shared one it would take out the parent's.
 */
#ifndef FO_IO_H
#define FO_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct fo__io {
    int epoll_fd;
    uint32_t watched; /* sockets */
    bool is_shared;   /* a child's that has got none of its own: not to be touched */
};

/** False when the system has no descriptor or memory left. Pair with fo__io_fini(). */
bool fo__io_init(struct fo__io *io, int wake_fd);
void fo__io_fini(struct fo__io *io);

/** In a child after fork(): an empty set with the same number, but for `wake_fd`. False: the system
 * has none left; nothing will be watched. */
bool fo__io_reopen(struct fo__io *io, int wake_fd);

/** Watches a socket for EPOLLIN or EPOLLOUT. False: the system's limits. */
bool fo__io_watch(struct fo__io *io, int fd, uint32_t events, void *owner);

/** Watches a watched socket for something else. */
void fo__io_rewatch(struct fo__io *io, int fd, uint32_t events, void *owner);

/** To be called before a watched socket is closed. */
void fo__io_unwatch(struct fo__io *io, int fd);

/** The owners of sockets that are ready, up to `most`; never waits. */
int fo__io_take(struct fo__io *io, struct epoll_event *ready, int most);

#endif
