/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* dup3 */
#include "io.h"

#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

static bool add(int epoll_fd, int fd, uint32_t events, void *owner)
{
    struct epoll_event event = {.events = events, .data.ptr = owner};

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static int make(int wake_fd)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);

    if (fd >= 0 && !add(fd, wake_fd, EPOLLIN, NULL)) {
        close(fd);
        return -1;
    }
    return fd;
}

bool fo__io_init(struct fo__io *io, int wake_fd)
{
    io->watched = 0;
    io->is_shared = false;
    io->epoll_fd = make(wake_fd);
    return io->epoll_fd >= 0;
}

void fo__io_fini(struct fo__io *io)
{
    close(io->epoll_fd);
    io->epoll_fd = -1;
}

bool fo__io_reopen(struct fo__io *io, int wake_fd)
{
    int fresh = make(wake_fd);

    /* The number stays, for an embedder who has it in a poll set. */
    io->is_shared = fresh < 0 || dup3(fresh, io->epoll_fd, O_CLOEXEC) < 0;
    io->watched = 0;
    if (fresh >= 0)
        close(fresh);
    return !io->is_shared;
}

bool fo__io_watch(struct fo__io *io, int fd, uint32_t events, void *owner)
{
    if (io->is_shared || !add(io->epoll_fd, fd, events, owner))
        return false;
    io->watched++;
    return true;
}

void fo__io_rewatch(struct fo__io *io, int fd, uint32_t events, void *owner)
{
    struct epoll_event event = {.events = events, .data.ptr = owner};

    (void)epoll_ctl(io->epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

void fo__io_unwatch(struct fo__io *io, int fd)
{
    /* In a child the set is new, and does not know what the parent watched. */
    if (!io->is_shared && epoll_ctl(io->epoll_fd, EPOLL_CTL_DEL, fd, NULL) == 0)
        io->watched--;
}

int fo__io_take(struct fo__io *io, struct epoll_event *ready, int most)
{
    int count = io->watched > 0 ? epoll_wait(io->epoll_fd, ready, most, 0) : 0;

    return count > 0 ? count : 0;
}
