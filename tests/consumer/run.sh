#!/usr/bin/env bash
# Build and run the examples with an installed library, as another project would. Usage: tests/consumer/run.sh (--prefix
# folder | --cmake-dir folder) [build folder]
#   --prefix     the prefix of cmake --install; pkg-config is tested, too
#   --cmake-dir  the output of `python -m evensky --cmakedir`
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${3:-$(mktemp -d)}
case $1 in
    --prefix) where=(-DCMAKE_PREFIX_PATH="$2") ;;
    --cmake-dir) where=(-Devensky_DIR="$2") ;;
    *) sed -n '2,5p' "$0" >&2; exit 2 ;;
esac
cmake -S "$here/find_package" -B "$build/find_package" "${where[@]}" >/dev/null
cmake --build "$build/find_package" >/dev/null
echo "find_package:"
"$build/find_package/subtract_background"
"$build/find_package/match_exposures"
if [ "$1" = --prefix ]; then
    mkdir -p "$build/pkg_config"
    pc=$(find "$2" -name evensky.pc -printf '%h\n')
    echo "pkg-config:"
    PKG_CONFIG_PATH=$pc make --no-print-directory --silent -C "$here/pkg_config" OUT="$build/pkg_config"
fi
