#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The shared library exports exactly the functions that the public headers declare FO_API.
#
#   exports.sh LIBRARY
set -euo pipefail
cd "$(dirname "$0")/../.."

# A declaration runs from FO_API to its first parenthesis; the name stands before that.
declared() {
    for header in include/failover/*.h; do
        gcc -fpreprocessed -dD -E -P -w "$header"
    done | grep -v '^ *#' | tr '\n' ' ' |
        perl -ne 'print "$1\n" while /\bFO_API\b[^;{}]*?\b(\w+)\s*\(/g' | sort -u
}

# The version node itself is listed too, as an absolute symbol (A).
exported() {
    nm -D --defined-only "$1" | awk '$(NF - 1) != "A" { sub(/@.*/, "", $NF); print $NF }' | sort -u
}

missing=$(comm -23 <(declared) <(exported "$1"))
surplus=$(comm -13 <(declared) <(exported "$1"))
[[ -n $(declared) ]] || echo "exports: no FO_API in include/failover" >&2
[[ -z $missing ]] || echo "exports: declared but not exported:" "${missing//$'\n'/ }" >&2
[[ -z $surplus ]] || echo "exports: exported but not declared:" "${surplus//$'\n'/ }" >&2
[[ -n $(declared) && -z $missing$surplus ]]
