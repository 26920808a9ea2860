#!/usr/bin/env bash
# Run the golden tests with each instruction set that the machine supports, in one binary, and compare the digests of
# all results, which must be bit-identical. Usage: tests/cpp/levels.sh golden_tests (with EVENSKY_GOLDEN set)
set -euo pipefail
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
levels="portable"
grep -q avx2 /proc/cpuinfo && levels+=" avx2"
grep -q avx512dq /proc/cpuinfo && levels+=" avx512"
for level in $levels; do
    EVENSKY_SIMD=$level "$1" | grep -E '^(digest|level)' >"$out/$level"
    grep -qx "level $level" "$out/$level" || { echo "$level was requested but did not run" >&2; exit 1; }
    sed -i /^level/d "$out/$level"
    [ "$(wc -l <"$out/$level")" -eq 5 ] || { echo "$level: not every family ran" >&2; exit 1; }
    cmp "$out/portable" "$out/$level"
    echo "$level: as portable"
done
cat "$out/portable"
