/* SPDX-License-Identifier: Apache-2.0 */
#include "release.h"

#define BIAS (INT64_C(1) << 62)

static bool take_release(struct fo__release *release)
{
    uint32_t life = FO__DRAINING;
    return fo__cas_acq_rel(&release->life, &life, FO__RELEASED);
}

bool fo__release_finish(struct fo__release *release)
{
    /* Acquire-release: the last one sees everything that the others did with the endpoint. */
    return fo__sub_acq_rel(&release->owed, 1) == 1 && take_release(release);
}

void fo__release_begin(struct fo__release *release)
{
    fo__store_relaxed(&release->owed, BIAS);
    fo__store_release(&release->life, FO__DRAINING);
}

bool fo__release_settle(struct fo__release *release, int64_t open)
{
    int64_t before;

    release->open = open;
    before = fo__add_acq_rel(&release->owed, open - BIAS);
    return before + open - BIAS == 0 && take_release(release);
}

bool fo__release_revive(struct fo__release *release)
{
    uint32_t life = FO__DRAINING;
    return fo__cas_acq_rel(&release->life, &life, FO__LIVE);
}

void fo__release_after_fork(struct fo__release *release)
{
    fo__store_relaxed(&release->owed, 0);
    (void)take_release(release);
}

int64_t fo__release_revived(struct fo__release *release)
{
    return release->open - fo__load_acquire(&release->owed);
}
