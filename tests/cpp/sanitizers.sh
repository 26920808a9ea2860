#!/usr/bin/env bash
# Run all C++ tests with AddressSanitizer and UndefinedBehaviorSanitizer, then with ThreadSanitizer. The compiler is
# clang, which takes less time for this, unless CC and CXX select another. Several files are compiled as one, which
# shares their headers and templates.
# Usage: tests/cpp/sanitizers.sh [build folder] [address | thread]
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/sanitizers} only=${2:-}
export CC=${CC:-clang} CXX=${CXX:-clang++}
run() {
    local name=$1 flags=$2 levels=$3
    shift 3
    [ -z "$only" ] || [ "$only" = "$name" ] || return 0
    cmake -S . -B "$build/$name" -DEVENSKY_TESTS=ON -DEVENSKY_X86_LEVELS="$levels" -DCMAKE_UNITY_BUILD=ON \
        -DCMAKE_UNITY_BUILD_BATCH_SIZE=12 -DCMAKE_BUILD_TYPE=None \
        -DCMAKE_CXX_FLAGS="$flags -O1 -g1 -fno-omit-frame-pointer" >/dev/null
    cmake --build "$build/$name" --parallel ${CMAKE_BUILD_PARALLEL_LEVEL:-} >/dev/null
    echo "== $name"
    ctest --test-dir "$build/$name" --parallel 2 --output-on-failure "$@"
}
# Kernels take the longest to compile, so those that this machine cannot run are left out.
levels=""
if grep -qs avx2 /proc/cpuinfo; then levels="avx2"; fi
if grep -qs avx512dq /proc/cpuinfo; then levels="avx2;avx512"; fi
export ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
run address "-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all" "$levels"
# Threads are used in the same way for every instruction set, so the best one is enough.
run thread "-fsanitize=thread" "${levels##*;}" --exclude-regex levels
