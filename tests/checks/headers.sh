#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Each header compiles alone, without a warning, under gcc and clang: public ones as C99 and C++11,
# private ones as gnu11.
set -euo pipefail
cd "$(dirname "$0")/../.."

warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
read -ra private <<<"-Isrc/failover $(pkg-config --cflags liburcu-bp ck libxxhash)"
failures=0

# compiles HEADER COMPILER FLAGS...
compiles() {
    local header=$1
    shift
    if ! echo "#include \"$header\"" | "$@" "${warnings[@]}" -Iinclude -fsyntax-only -; then
        echo "headers: $header does not compile alone: $*" >&2
        failures=$((failures + 1))
    fi
}

for compiler in gcc clang-14; do
    for header in include/failover/*.h include/failover/*.hpp; do
        name=${header#include/}
        [[ $header == *.hpp ]] || compiles "$name" $compiler -xc -std=c99
        compiles "$name" $compiler -xc++ -std=c++11
    done
    for header in src/failover/*.h; do
        compiles "${header##*/}" $compiler -xc -std=gnu11 "${private[@]}"
    done
done
exit $((failures > 0))
