"""Comparison of the output files of two installations of evensky, byte for byte.

Usage: python tests/benchmarks/compare_builds.py OLD_PYTHON NEW_PYTHON [FILE ...]

OLD_PYTHON and NEW_PYTHON are the interpreters of two environments. Both match the exposures of ``evensky demo``, and
FILES if any are given, with both methods. All output files must be equal; the exit code is 1 if one is not.
"""

from __future__ import annotations

import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path


def evensky(python: str, *arguments: str | Path) -> None:
    subprocess.run([python, "-m", "evensky", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def main(old: str, new: str, files: list[Path]) -> int:
    different = compared = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        evensky(old, "demo", folder / "demo")
        sets = {"demo": sorted((folder / "demo" / "exposures").glob("*.fits"))}
        if files:
            sets["files"] = files
        for title, paths in sets.items():
            for method in ("all", "reference"):
                outputs = []
                for build, python in (("old", old), ("new", new)):
                    out = folder / f"{title}-{method}-{build}"
                    evensky(python, "match", *paths, "--out", out, "--method", method, "--no-report", "-q")
                    outputs.append(out)
                for path in sorted(outputs[0].glob("*_matched.fits")):
                    same = filecmp.cmp(path, outputs[1] / path.name, shallow=False)
                    compared += 1
                    different += not same
                    print(f"{title:6} {method:10} {path.name:32} {'same' if same else 'DIFFERENT'}")
    print(f"{compared} files compared, {different} differ")
    return int(different > 0)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2], [Path(file) for file in sys.argv[3:]]))
