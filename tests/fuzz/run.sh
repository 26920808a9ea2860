#!/usr/bin/env bash
# Fuzz the core with clang's libFuzzer, under AddressSanitizer and UndefinedBehaviorSanitizer, then reduce the corpus to
# the inputs that are needed for the same coverage. Usage: tests/fuzz/run.sh BUILD_FOLDER SECONDS [target ...]
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:?a folder to build in}
seconds=${2:?seconds for each target}
shift 2
targets=${*:-statistics clipped_stats interpolate background background_mesh approximate pair sampling stack combine calls}
command -v clang++ >/dev/null || { echo "tests/fuzz/run.sh needs clang++ with libFuzzer" >&2; exit 2; }
CC=clang CXX=clang++ cmake -S . -B "$build" -DEVENSKY_TESTS=ON -DEVENSKY_FUZZ=ON -DBUILD_SHARED_LIBS=OFF \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS="-O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link \
-fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all" >/dev/null
cmake --build "$build" --parallel >/dev/null
export UBSAN_OPTIONS=print_stacktrace=1
for target in $targets; do
    corpus=tests/fuzz/corpus/$target
    mkdir -p "$corpus" "$build/corpus/$target" "$build/kept"
    # A crash, a report, more than 10 s, or more than 1 GB end the run; the input that caused it is kept.
    "$build/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=4096 \
        -print_final_stats=1 -artifact_prefix="$build/" "$build/corpus/$target" "$corpus" >"$build/$target.log" 2>&1 || {
        grep -aE "ERROR|SUMMARY|violated|runtime error|Test unit|evensky" "$build/$target.log" | cut -c1-200 | tail -30
        exit 1
    }
    rm -rf "$build/kept/$target"
    mkdir "$build/kept/$target"
    "$build/tests/fuzz/fuzz_$target" -merge=1 -set_cover_merge=1 -use_counters=0 -rss_limit_mb=1024 "$build/kept/$target" "$corpus" "$build/corpus/$target" \
        >>"$build/$target.log" 2>&1
    rm -rf "$corpus"
    cp -r "$build/kept/$target" "$corpus"
    printf '%-12s %s executions, %s files kept (%s)\n' "$target" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$target.log" | head -1)" \
        "$(find "$corpus" -type f | wc -l)" "$(du -sh --apparent-size "$corpus" | cut -f1)"
done
