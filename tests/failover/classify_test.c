/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of fo_classify_errno() in retry.h, read and compared for every number.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <failover/retry.h>

static const int down[] = {FO_CONNECT_TIMEOUT, ECONNREFUSED, EHOSTUNREACH,
                           EHOSTDOWN,          ENETUNREACH,  ENETDOWN};
static const int cancelled[] = {ECANCELED, EINTR};
static const int neutral[] = {
    EINVAL,   EBADF,        EFAULT,          ENOTSOCK,   EDESTADDRREQ, EMSGSIZE,      EISCONN,
    ENOTCONN, EALREADY,     EINPROGRESS,     EDOM,       ERANGE,       E2BIG,         ENAMETOOLONG,
    ENOSYS,   EAFNOSUPPORT, EPROTONOSUPPORT, EPROTOTYPE, EOPNOTSUPP,   ENOPROTOOPT,   EACCES,
    EPERM,    EMFILE,       ENFILE,          ENOBUFS,    ENOMEM,       EADDRNOTAVAIL, EADDRINUSE};
static const int failure[] = {ETIMEDOUT, EAGAIN, EWOULDBLOCK, ECONNRESET, EPIPE, EPROTO, EIO};

static bool is_among(const int *list, size_t n, int error)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == error)
            return true;
    return false;
}

#define IS_AMONG(list, error) is_among(list, sizeof(list) / sizeof((list)[0]), error)

static fo_outcome expected(int error)
{
    return error == 0                   ? FO_OUTCOME_SUCCESS
           : IS_AMONG(down, error)      ? FO_OUTCOME_DOWN
           : IS_AMONG(cancelled, error) ? FO_OUTCOME_CANCELLED
           : IS_AMONG(neutral, error)   ? FO_OUTCOME_NEUTRAL
                                        : FO_OUTCOME_FAILURE;
}

Test(classify, says_of_every_number_what_the_table_says)
{
    for (int error = -300; error < 5000; error++)
        cr_assert_eq(fo_classify_errno(error, NULL), expected(error), "%d", error);
    for (size_t i = 0; i < sizeof(failure) / sizeof(failure[0]); i++)
        cr_assert_eq(fo_classify_errno(failure[i], NULL), FO_OUTCOME_FAILURE);
}
