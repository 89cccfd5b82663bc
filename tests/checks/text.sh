#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What no file of the tree may hold: a path of somebody's machine, a source without a licence line.
# And the README's example is one that the tests compile.
set -euo pipefail
cd "$(dirname "$0")/../.."
failures=0

red() {
    printf 'text: %s\n' "$@" >&2
    failures=$((failures + 1))
}

files() { find . \( -path ./.git -o -path ./build \) -prune -o -type f "$@" -print; }

absolute='(^|[^A-Za-z0-9_.}-])/(home|root|Users|work|tmp)/[A-Za-z0-9_.$-]'
paths=$(files | xargs -rd '\n' grep -InE "$absolute" || true)
[[ -z $paths ]] || red "paths of one machine:" "$paths"

unlicensed=$(files -regex '.*\(\.[ch]pp\|\.[ch]\|\.sh\|\.py\|\.pml\|/CMakeLists.txt\|^./dev\)' |
    xargs -rd '\n' grep -L 'SPDX-License-Identifier: Apache-2.0' || true)
[[ -z $unlicensed ]] || red "no SPDX line:" "$unlicensed"

# The first C block of the README, white space aside, is part of one of these files.
squeeze() { tr -s '[:space:]' ' '; }
example=$(awk '/^```c$/ { inside = 1; next } /^```/ && inside { exit } inside' README.md | squeeze)
found=
for file in examples/*.c; do
    [[ -f $file && -n $example && $(squeeze <"$file") == *"$example"* ]] && found=$file
done
[[ -n $found ]] || red "the first C example of README.md is in no file of examples/"
exit $((failures > 0))
