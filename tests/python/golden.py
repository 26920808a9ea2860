"""Reader of the golden cases."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent.parent / "data" / "golden"


@cache
def _arrays(family: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"{family}.npz") as arrays:
        return {key: arrays[key] for key in arrays.files}


@cache
def cases(family: str) -> list[dict[str, Any]]:
    """Return all cases of a family, with their arrays loaded under `planes`."""
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{family}.json").read_text())
    arrays = _arrays(family)
    for case in found:
        case["planes"] = {role: arrays[key] for role, key in case["arrays"].items()}
    return found


def ids(family: str) -> list[str]:
    """Return the names of the cases, for pytest."""
    return [f"{family}-{case['id']}" for case in cases(family)]


EXACT = {"NPOINT", "MIN", "MAX", "MEDIAN", "IQRANGE", "NCLIPPED", "NMASKED"}
INTEGER_ORDER = {"MEDIAN", "IQRANGE"}
AFTER_INTEGER_ORDER = {"MEANCLIP", "STDEVCLIP", "VARIANCECLIP", "NCLIPPED"}


def expected_statistics(case: dict[str, Any]) -> Iterator[tuple[str, str, float, float, str]]:
    """Return the expectations of a case of statistics: property, "value" or "error", number, tolerance, and exemption.

    Two differences from the original are intended. "Quartiles and the median of INTEGER images, when computed together,
    are wrong, negative or infinite, and clipping after them too": the file corrects some of these values; values that
    are infinite in it are exempt, and so is the clipping after them. "MIN and MAX can be a mean that no pixel has":
    those of constant images are compared within rounding.
    """
    image = case["planes"]["image"]
    expected = case["result"] | case["corrected"]
    infinite = image.dtype.kind in "iu" and any(
        math.isinf(float(case["result"].get(name, [0])[0])) for name in INTEGER_ORDER
    )
    finite = np.abs(image[np.isfinite(image)].astype(np.float64))
    largest = float(finite.max()) if finite.size else 1.0
    for name, pair in expected.items():
        for kind, text in zip(("value", "error"), pair, strict=True):
            want = float(text)
            after = name in AFTER_INTEGER_ORDER and name not in case["corrected"]
            if infinite and (after or (name in INTEGER_ORDER and math.isinf(want))):
                yield name, kind, want, 0.0, "integer order statistics"
                continue
            power = 2 if name in ("VARIANCE", "VARIANCECLIP", "MEANSQUARE") else 1
            count = float(expected.get("NPOINT", [image.size])[0]) if name == "SUM" else 1.0
            tolerance = 1e-12 * max(abs(want), largest**power * max(count, 1))
            if name in EXACT and kind == "value":
                a_mean = name in ("MIN", "MAX") and case.get("kind") == "const"
                tolerance = 1e-12 * abs(want) if a_mean else 0.0
            yield name, kind, want, tolerance, ""
