/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* dup3 */
#include "queue.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool fo__queue_init(struct fo__queue *queue)
{
    atomic_init(&queue->head, NULL);
    queue->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return queue->wake_fd >= 0;
}

void fo__queue_fini(struct fo__queue *queue)
{
    close(queue->wake_fd);
    queue->wake_fd = -1;
}

bool fo__queue_reopen(struct fo__queue *queue)
{
    /* Parent and child share the old one: each would take the other's wake-ups. The number stays,
     * for an embedder who has it in a poll set. */
    int fresh = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    bool reopened = fresh >= 0 && dup3(fresh, queue->wake_fd, O_CLOEXEC) >= 0;

    if (fresh >= 0)
        close(fresh);
    return reopened;
}

static void push_all(struct fo__queue *queue, struct fo__node *node)
{
    while (node != NULL) {
        struct fo__node *next = node->next;

        fo__node_taken(node);
        fo__queue_push(queue, node);
        node = next;
    }
}

void fo__queue_renew(struct fo__queue *queue, struct fo__node *taken)
{
    struct fo__node *queued = fo__queue_take(queue);

    push_all(queue, taken);
    push_all(queue, queued);
}

void fo__queue_wake(struct fo__queue *queue)
{
    const uint64_t one = 1;
    int saved_errno = errno;

    /* EAGAIN means that the counter is at its maximum: readable, which is all we want. */
    while (write(queue->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
    errno = saved_errno;
}

void fo__queue_clear_wake(struct fo__queue *queue)
{
    uint64_t count;

    while (read(queue->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
}

void fo__queue_push(struct fo__queue *queue, struct fo__node *node)
{
    struct fo__node *head;

    if (fo__exchange_acq_rel(&node->queued, 1) != 0)
        return;
    head = fo__load_relaxed(&queue->head);
    do {
        node->next = head;
    } while (!fo__cas_acq_rel(&queue->head, &head, node));
    if (head == NULL)
        fo__queue_wake(queue);
}

struct fo__node *fo__queue_take(struct fo__queue *queue)
{
    struct fo__node *newest = fo__exchange_acq_rel(&queue->head, NULL);
    struct fo__node *oldest = NULL;

    while (newest != NULL) {
        struct fo__node *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}
