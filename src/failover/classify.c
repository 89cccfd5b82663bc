/* SPDX-License-Identifier: Apache-2.0
 *
 * What an errno says about the server; the table is in retry.h.
 */
#include <errno.h>
#include <failover/retry.h>

fo_outcome fo_classify_errno(int error, void *arg)
{
    (void)arg;
    switch (error) {
    case 0: return FO_OUTCOME_SUCCESS;

    case FO_CONNECT_TIMEOUT:
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN: return FO_OUTCOME_DOWN;

    case ECANCELED:
    case EINTR: return FO_OUTCOME_CANCELLED;

    case EINVAL:
    case EBADF:
    case EFAULT:
    case ENOTSOCK:
    case EDESTADDRREQ:
    case EMSGSIZE:
    case EISCONN:
    case ENOTCONN:
    case EALREADY:
    case EINPROGRESS:
    case EDOM:
    case ERANGE:
    case E2BIG:
    case ENAMETOOLONG:
    case ENOSYS:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case EPROTOTYPE:
    case EOPNOTSUPP:
    case ENOPROTOOPT:
    case EACCES:
    case EPERM:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
    case EADDRINUSE: return FO_OUTCOME_NEUTRAL;

    default: return FO_OUTCOME_FAILURE;
    }
}
