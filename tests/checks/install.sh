#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs a build, moves it elsewhere, and uses it as a stranger would: by the README, through pkg-config,
# through find_package(), shared and static, from C and C++, and by dlopen().
#
#   install.sh BUILD_DIR     works in BUILD_DIR/stranger
set -euo pipefail
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")/../install" && pwd)
root=$(cd "$here/../.." && pwd)
work=$build/stranger
prefix=$work/moved
lib=$prefix/lib

red() {
    echo "install: $*" >&2
    exit 1
}

rm -rf "$work"
cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$prefix"

# ---- What was installed ----
diff -r "$root/include/failover" "$prefix/include/failover" || red "installed headers differ"
! grep -rnF -e "$build" -e "$root" "$prefix/include" "$lib/pkgconfig" "$lib/cmake" ||
    red "an installed file names the build machine"
version=$(awk '/^#define FO_VERSION_/ { print $3 }' "$prefix/include/failover/base.h" | paste -sd.)
library=$lib/libfailover.so
[[ $(readlink -f "$library") == "$lib/libfailover.so.$version" ]] || red "no libfailover.so.$version"
dynamic=$(readelf -dW "$library")
grep -q "SONAME.*\[libfailover.so.${version%.*}\]" <<<"$dynamic" || red "wrong SONAME"
grep -q NODELETE <<<"$dynamic" || red "not linked with -z nodelete"
grep -q 'BIND_NOW\|FLAGS_1.*NOW' <<<"$dynamic" || red "not linked with -z now"
! grep -q TEXTREL <<<"$dynamic" || red "text relocations"
# glibc keeps about 1.5 KiB of static thread-local storage for all libraries that are loaded later.
tls=$(readelf -lW "$library" | awk '$1 == "TLS" { print $6 }')
((${tls:-0} <= 512)) || red "$((tls)) bytes of thread-local state: more than 512, dlopen() may fail"
found=$(ldd "$prefix/bin/failover-demo" | awk '/libfailover/ { print $3 }')
[[ $(realpath "$found") == "$lib/libfailover.so.$version" ]] ||
    red "the installed failover-demo finds another library: $found"

# ---- Used as the README says ----
# Its commands as they stand, but for the place; cc also runs what it has built.
cd "$work"
awk '/^```c$/ { inside = 1; next } /^```/ && inside { exit } inside' "$root/README.md" >example.c
commands=$(awk '/^```sh$/ { block = ""; next } /^```/ { if (block ~ /cc example.c/) print block; block = "" }
    { block = block $0 "\n" }' "$root/README.md" | sed '/^PREFIX=/d; /^\.\/dev /d')
(($(grep -c '^cc ' <<<"$commands") == 2)) || red "the README has not two ways to call cc"
cat >readme.sh <<END
PREFIX=$prefix
cc() {
    rm -f example
    command cc "\$@" && ./example | grep -c '^b.example:80: success$'
}
$commands
END
bash -eu -o pipefail readme.sh >/dev/null || red "a command of the README fails"

# ---- Used from outside ----
export LD_LIBRARY_PATH=$lib PKG_CONFIG_PATH=$lib/pkgconfig
[[ $(pkg-config --modversion libfailover) == "$version" ]] || red "pkg-config gives another version"
flags=$(pkg-config --cflags --libs libfailover)
static_flags=$(pkg-config --static --cflags --libs libfailover)

# built NAME COMMAND...: compiles and runs.
built() {
    local name=$1
    shift
    "$@" -o "$name" || red "$name does not build: $*"
    "./$name" || red "$name exits $?"
}
# shellcheck disable=SC2086 # Flags are words.
{
    built pc_shared_c gcc -std=c99 "$here/use.c" $flags
    built pc_shared_cpp g++ -std=c++11 "$here/use.cpp" $flags
    built pc_static_c gcc -static -std=c99 "$here/use.c" $static_flags
    built pc_static_cpp g++ -static -std=c++11 "$here/use.cpp" $static_flags
}
gcc "$here/load.c" -o load
./load "$library" || red "dlopen() fails"
if command -v python3 >/dev/null; then
    timeout 60 python3 -B "$here/load.py" "$library" || red "an interpreter cannot load and unload it"
else
    echo "install: there is no python3 to load the library into"
fi

# logged WHAT COMMAND...: shows the output only if the command fails.
logged() {
    local what=$1
    shift
    "$@" &>cmake.log || { cat cmake.log; red "$what"; }
}
logged "find_package(failover) fails" cmake -S "$here" -B cmake -G Ninja \
    -DCMAKE_PREFIX_PATH="$prefix" -DFAILOVER_VERSION="${version%.*}"
logged "the consumer does not build" cmake --build cmake
logged "the consumer fails" ctest --test-dir cmake --output-on-failure --no-tests=error
