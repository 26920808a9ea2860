"""Converter of the golden cases to a format that a C++ test reads without a library. Usage: export_golden.py FOLDER

Each family gives FAMILY.txt, which holds lines of words, and FAMILY.bin, which holds the arrays one after the other:

    case ID                              begins a case
    set NAME VALUE                       a number or a word
    array ROLE DTYPE HEIGHT WIDTH OFFSET position of an array in the .bin
    expect PROPERTY KIND VALUE TOLERANCE an expected statistic
    error TYPE                           the case must fail with an error of that type
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))
import golden


def settings(case: dict[str, Any]) -> dict[str, Any]:
    """Iterate over all numbers and strings of nested data."""
    found = {}
    for name, value in case.items():
        if name in ("planes", "arrays", "result", "corrected", "why", "note", "id", "error"):
            continue
        if name == "control":
            for key, setting in value.items():
                if key == "maskPropagationThresholds":
                    found |= {f"threshold{bit}": limit for bit, limit in setting.items()}
                elif key != "xy0":
                    found[key] = setting
        elif name in ("bbox", "xy0", "asUsed", "args"):
            found |= {f"{name}{i}": one for i, one in enumerate(value or [])}
        elif not isinstance(value, list):
            found[name] = value
    return {
        name: int(value) if isinstance(value, bool) else value for name, value in found.items() if value is not None
    }


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for family in ("statistics", "interpolate", "background", "approximate"):
        lines, offset = [], 0
        with (folder / f"{family}.bin").open("wb") as arrays:
            for case in golden.cases(family):
                lines.append(f"case {case['id']}")
                if family == "statistics":
                    flags = "+".join(case["flags"])
                    lines.append(f"set flags {flags}")
                lines += [f"set {name} {value}" for name, value in settings(case).items()]
                for role, array in case["planes"].items():
                    plane = np.ascontiguousarray(np.atleast_2d(array))
                    lines.append(f"array {role} {plane.dtype.name} {plane.shape[0]} {plane.shape[1]} {offset}")
                    data = plane.tobytes()
                    # Every array starts at a multiple of 8 bytes, so that it can be viewed in place.
                    offset += arrays.write(data + bytes(-len(data) % 8))
                if "error" in case:
                    lines.append(f"error {case['error'].removeprefix('lsst::pex::exceptions::').split(' *')[0]}")
                elif family == "approximate" and "corrected" in case:
                    lines.append("error RuntimeError")
                elif family == "statistics":
                    for name, kind, want, tolerance, exempt in golden.expected_statistics(case):
                        if not exempt:
                            lines.append(f"expect {name} {kind} {want!r} {tolerance!r}")
        (folder / f"{family}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
