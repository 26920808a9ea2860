#!/usr/bin/env bash
# Run all C++ tests with AddressSanitizer and UndefinedBehaviorSanitizer, then with ThreadSanitizer. The compiler is
# clang, which takes less time for this, unless CC and CXX select another.
# Usage: tests/cpp/sanitizers.sh [build folder] [address | thread]
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/sanitizers} only=${2:-}
export CC=${CC:-clang} CXX=${CXX:-clang++}
run() {
    local name=$1 flags=$2
    shift 2
    [ -z "$only" ] || [ "$only" = "$name" ] || return 0
    cmake -S . -B "$build/$name" -DEVENSKY_TESTS=ON -DCMAKE_BUILD_TYPE=None \
        -DCMAKE_CXX_FLAGS="$flags -O1 -g1 -fno-omit-frame-pointer" >/dev/null
    cmake --build "$build/$name" --parallel ${CMAKE_BUILD_PARALLEL_LEVEL:-} >/dev/null
    echo "== $name"
    ctest --test-dir "$build/$name" --parallel 2 --output-on-failure "$@"
}
export ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
run address "-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all"
# Threads are used in the same way for every instruction set, so one is enough.
run thread "-fsanitize=thread" --exclude-regex levels
