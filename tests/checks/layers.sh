#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Who may include whom, and who may name a dependency.
#
#   floors   src/failover/README.md lists the modules in a fenced block, one floor a line:
#                floor 2: snapshot levels subset
#            A module (X.c with X.h) includes its own floor and those below, never one above.
#   names    liburcu, xxHash, ck and the memory orders each live in one file.
#   outside  no public header includes a dependency or a private header.
set -euo pipefail
cd "$(dirname "$0")/../.."
table=src/failover/README.md
failures=0

red() {
    echo "layers: $*" >&2
    failures=$((failures + 1))
}

code() { gcc -fpreprocessed -dD -E -P -w "$1"; } # Without comments.

declare -A floor=()
while read -r number names; do
    for name in $names; do
        [[ ! -v floor[$name] ]] || red "$table lists $name twice"
        floor[$name]=$number
    done
done < <(awk '/^```/ { fenced = !fenced } fenced && sub(/^floor /, "") && sub(/:/, "")' "$table")
((${#floor[@]} > 0)) || red "$table has no line 'floor N: name ...' in a fenced block"

for file in src/failover/*.[ch]; do
    module=$(basename "${file%.*}")
    if [[ ! -v floor[$module] ]]; then
        red "$file: $module is on no floor of $table"
        continue
    fi
    own=${floor[$module]}
    while read -r included; do
        ((${floor[$included]:-99} <= own)) ||
            red "$file (floor $own) includes $included.h (floor ${floor[$included]:-none})"
    done < <(code "$file" | sed -n 's/^ *# *include *"\(.*\)\.h".*/\1/p')
done
for module in "${!floor[@]}"; do
    compgen -G "src/failover/$module.[ch]" >/dev/null ||
        red "$table lists $module, which does not exist"
done

# only FILE PATTERN: no other file's code matches.
only() {
    local file found
    for file in src/failover/*.[ch]; do
        [[ ${file##*/} == "$1" ]] && continue
        found=$(code "$file" | grep -oE "$2" | sort -u | xargs) || true
        [[ -z $found ]] || red "$file names what only $1 may name: $found"
    done
}
only rcu.h 'urcu|synchronize_rcu|call_rcu'
only hash.h 'xxhash|XXH'
only atomic.h 'memory_order_\w*|__ATOMIC_\w*|stdatomic\.h'
only names.c '\bck_\w*'

for file in include/failover/*; do
    bad=$(code "$file" | grep '^ *# *include' | grep -vE '<(failover/|std)[a-z]+\.h>' || true)
    [[ -z $bad ]] || red "$file: $bad"
done
exit $((failures > 0))
