#!/usr/bin/env bash
# Count the instructions per pixel of the hot loops, and compare them with bounds: unlike times, counts do not depend on
# the load of the machine. Needs valgrind, which does not support AVX-512.
# Usage: tests/cpp/instructions.sh program [bounds]
set -euo pipefail
program=${1:?a program that counts: build with -DEVENSKY_TESTS=ON, then tests/cpp/instructions in the build folder}
bounds=${2:-$(dirname "$0")/instructions.txt}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
pixels=$((1024 * 1024))
failed=0
while read -r work level bound; do
    case $work in '#'* | '') continue ;; esac
    EVENSKY_SIMD=$level valgrind --tool=callgrind --toggle-collect=measured --callgrind-out-file="$out/counts" \
        "$program" "$work" >"$out/said" 2>&1 || { cat "$out/said" >&2; exit 1; }
    grep -qx "level $level" "$out/said" || { echo "$level was requested but did not run" >&2; exit 1; }
    count=$(sed -n 's/.*Collected : *//p' "$out/said")
    awk -v count="$count" -v pixels=$pixels -v work="$work" -v level="$level" -v bound="$bound" 'BEGIN {
        each = count / pixels
        printf "%-13s %-8s %7.2f instructions a pixel, at most %s\n", work, level, each, bound
        exit !(each > 0.05 && each <= bound)
    }' || failed=1
done <"$bounds"
exit $failed
