/* SPDX-License-Identifier: Apache-2.0 */
#include "crew.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct member {
    struct crew *crew;
    size_t number;
    pthread_t thread;
};

struct crew {
    size_t n;
    void (*work)(size_t member, void *arg);
    void *arg;
    pthread_barrier_t start;
    struct member members[CREW_MAX];
};

static void *run(void *arg)
{
    struct member *member = arg;

    pthread_barrier_wait(&member->crew->start);
    member->crew->work(member->number, member->crew->arg);
    return NULL;
}

struct crew *crew_start(size_t n, void (*work)(size_t member, void *arg), void *arg)
{
    struct crew *crew = calloc(1, sizeof(*crew));

    assert(crew != NULL && n > 0 && n <= CREW_MAX);
    crew->n = n;
    crew->work = work;
    crew->arg = arg;
    pthread_barrier_init(&crew->start, NULL, (unsigned)n + 1);
    for (size_t i = 0; i < n; i++) {
        int error;

        crew->members[i].crew = crew;
        crew->members[i].number = i;
        error = pthread_create(&crew->members[i].thread, NULL, run, &crew->members[i]);
        assert(error == 0);
        (void)error;
    }
    pthread_barrier_wait(&crew->start);
    return crew;
}

void crew_join(struct crew *crew)
{
    for (size_t i = 0; i < crew->n; i++)
        pthread_join(crew->members[i].thread, NULL);
    pthread_barrier_destroy(&crew->start);
    free(crew);
}

void crew_run(size_t n, void (*work)(size_t member, void *arg), void *arg)
{
    crew_join(crew_start(n, work, arg));
}
