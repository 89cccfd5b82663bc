#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# docs/parity.md names nothing that is not there: each `suite/case` is a test, each `fo_…()` is in a header.
set -euo pipefail
cd "$(dirname "$0")/../.."
table=docs/parity.md

tests=$(cat tests/*/*.c tests/*/*.cpp | tr '\n' ' ' | grep -oE '\bTest\( *[a-z0-9_]+, *[a-z0-9_]+' |
    sed -E 's/Test\( *([a-z0-9_]+), */\1\//')
functions=$(grep -ohE '\bfo_[a-z0-9_]+\(' include/failover/*.h)
missing=$(
    comm -23 <(grep -oP '\x60\K[a-z0-9_]+/[a-z0-9_]+(?=\x60)' $table | sort -u) <(sort -u <<<"$tests")
    comm -23 <(grep -oE '\bfo_[a-z0-9_]+\(' $table | sort -u) <(sort -u <<<"$functions")
)
[[ -z $missing ]] || {
    printf 'parity: %s names what is not there:\n%s\n' $table "$missing" >&2
    exit 1
}
