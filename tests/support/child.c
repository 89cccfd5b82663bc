/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS 30
#define NOBODY 65534

#if defined(__SANITIZE_THREAD__)
#define IS_WATCHED true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IS_WATCHED true
#endif
#endif
#ifndef IS_WATCHED
#define IS_WATCHED false
#endif

bool child_may_have_threads(void)
{
    return !IS_WATCHED && getenv("FO_EMULATED") == NULL;
}

pid_t child_fork(void)
{
    pid_t pid = fork();

    assert(pid >= 0);
    if (pid == 0)
        alarm(SECONDS);
    return pid;
}

void child_await(pid_t pid)
{
    int status = 0;
    pid_t ended = waitpid(pid, &status, 0);

    assert(ended == pid);
    assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

bool child_refuse_threads(bool refuse)
{
    struct rlimit limit;

    if ((getuid() == 0 && setuid(NOBODY) != 0) || getrlimit(RLIMIT_NPROC, &limit) != 0)
        return false;
    limit.rlim_cur = refuse ? 0 : limit.rlim_max;
    return setrlimit(RLIMIT_NPROC, &limit) == 0;
}
