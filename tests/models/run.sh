#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Searches every model of this folder completely: no error may be found. Then searches it once more
# for each of its planted bugs: each must be found. See README.md.
#
#     tests/models/run.sh [DIR]
#
# Works in a folder of its own, under DIR if given, and removes it. Exit: 0 when all passed, 1 when
# not, 2 when a tool is missing or an argument is wrong.
set -euo pipefail

models=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
limit_s=120       # of one search
memory_mib=2048   # of one search
depth=10000       # far above what any model reaches; too little is a failure
passed=0
failed=0

for tool in spin gcc; do
    command -v "$tool" >/dev/null && continue
    echo "run.sh: $tool is missing (Debian package $tool)" >&2
    exit 2
done
[ $# -le 1 ] || { echo "usage: run.sh [DIR]" >&2; exit 2; }
if [ $# -eq 1 ]; then
    mkdir -p "$1"
    work=$(mktemp -d "$(cd "$1" && pwd)/models.XXXXXX")
else
    work=$(mktemp -d)
fi
trap 'rm -rf "$work"' EXIT
cd "$work"

# result ok|FAIL MODEL VARIANT TEXT: one line, one count.
result() {
    printf '%-4s  %-8s %-25s %s\n' "$@"
    if [ "$1" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# search MODEL OPTIMISATION [MACRO]: leaves the verifier's report in pan.out.
search() {
    rm -f pan* ./*.trail
    {
        spin -a ${3:+"-D$3"} "$models/$1.pml" &&
            gcc "$2" -w -DSAFETY -DCOLLAPSE -DMEMLIM=$memory_mib -o pan pan.c &&
            timeout "$limit_s" ./pan -m$depth -w23
    } >pan.out 2>&1 || echo "run.sh: the search ended with status $?" >>pan.out
}

states() {
    awk '/states, stored/ { printf "%d states", $1 }' pan.out
}

seconds() {
    awk '/elapsed time/ { printf "%s s", $4 }' pan.out
}

# The whole state space was seen, without an error, and no statement of the model is dead.
is_proven() {
    grep -q 'errors: 0$' pan.out &&
        ! grep -qE 'not completed|depth too small|^run.sh:' pan.out &&
        ! grep -E '^\s.*, state [0-9]+,' pan.out | grep -vq -- '"-end-"'
}

found() {
    sed -nE 's/^pan:1: ((assertion violated|invalid end state).*) \(at depth [0-9]+\)$/\1/p' pan.out
}

check_model() {
    search "$1" -O2
    if is_proven; then
        result ok "$1" "" "no error in $(states), $(seconds)"
        return
    fi
    result FAIL "$1" "" "$(found | grep . || echo "the search is not complete")"
    grep -vE '^Depth=' pan.out
    [ ! -e "$1.pml.trail" ] || spin -k "$1.pml.trail" -t -p -g -l "$models/$1.pml"
}

check_planted() {
    search "$1" -O0 "$2"
    if [ -n "$(found)" ]; then
        result ok "$1" "$2" "found after $(states): $(found | tr -s ' ')"
    else
        result FAIL "$1" "$2" "the planted bug was not found in $(states)"
        grep -vE '^Depth=' pan.out
    fi
}

# Every macro that changes a model is listed in its planted line, and the other way round.
check_list() {
    local listed used

    listed=$(planted "$1" | tr ' ' '\n' | sort)
    used=$(sed -nE 's/^#ifn?def ([A-Z_]+)$/\1/p' "$models/$1.pml" | sort -u)
    if [ -z "$listed" ] || [ "$listed" != "$used" ]; then
        result FAIL "$1" "" "its planted line and its #ifdefs differ"
    fi
}

planted() {
    sed -nE 's:^/\* planted\: (.*) \*/$:\1:p' "$models/$1.pml"
}

for file in "$models"/*.pml; do
    model=$(basename "$file" .pml)
    check_list "$model"
    check_model "$model"
    for macro in $(planted "$model"); do
        check_planted "$model" "$macro"
    done
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
