#!/usr/bin/env bash
# Run all Python tests with the extension and the library built under AddressSanitizer and UndefinedBehaviorSanitizer.
# This takes many times as long as the tests; run it every night, or before a release.
# Usage, in an environment with the "test" extra, pybind11, cmeel-eigen and cmake:
#   tests/python/sanitized.sh [build folder [pytest arguments]]
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath -m "${1:-build/sanitized}")
shift || true
python=$(command -v python)
flags="-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all -O1 -g -fno-omit-frame-pointer"
cmake -S . -B "$build/cmake" -DEVENSKY_PYTHON=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPython_EXECUTABLE="$python" \
    -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" -DCMAKE_CXX_FLAGS="$flags" >/dev/null
cmake --build "$build/cmake" --parallel >/dev/null
# The package in the layout of a wheel.
rm -rf "$build/site"
mkdir -p "$build/site"
cp -r python/evensky "$build/site/"
rm -f "$build"/site/evensky/_core*.so
cp "$build"/cmake/python/bindings/_core*.so "$build/site/evensky/"
mkdir -p "$build/site/evensky/lib"
cp -L "$build"/cmake/cpp/libevensky.so.?.? "$build/site/evensky/lib/"
# The runtime is loaded before Python, with libstdc++, so that it sees exceptions. Memory that there cannot be is refused as
# by the system, for tests of that. Leaks are not reported, as Python itself
# does not free all memory at its end.
preload="$(${CXX:-g++} -print-file-name=libasan.so) $(${CXX:-g++} -print-file-name=libubsan.so) $(${CXX:-g++} -print-file-name=libstdc++.so)"
LD_PRELOAD="$preload" ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
    PYTHONPATH="$build/site" "$python" -m pytest -q -p no:cacheprovider "$@" tests/python
