#!/usr/bin/env bash
# Build the library and its golden tests for each x86-64 level that this machine has, and compare the digests of all
# results: they must be the same, bit for bit. Usage: tests/cpp/levels.sh [build folder]
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/levels}
levels="x86-64"
grep -q sse4_2 /proc/cpuinfo && levels+=" x86-64-v2"
grep -q avx2 /proc/cpuinfo && levels+=" x86-64-v3"
grep -q avx512vl /proc/cpuinfo && levels+=" x86-64-v4"
for level in $levels; do
    cmake -S . -B "$build/$level" -DEVENSKY_TESTS=ON -DCMAKE_CXX_FLAGS="-march=$level" >/dev/null
    cmake --build "$build/$level" --parallel >/dev/null
    ctest --test-dir "$build/$level" --verbose | sed -n 's/.*: digest/digest/p' >"$build/$level.txt"
    [ "$(wc -l <"$build/$level.txt")" -eq 4 ] || { echo "$level: not every family ran" >&2; exit 1; }
    cmp "$build/x86-64.txt" "$build/$level.txt"
    echo "$level: as x86-64"
done
cat "$build/x86-64.txt"
