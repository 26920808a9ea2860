"""Reading the golden cases."""

from __future__ import annotations

import json
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
    """All cases of a family, their arrays loaded under `planes`."""
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{family}.json").read_text())
    arrays = _arrays(family)
    for case in found:
        case["planes"] = {role: arrays[key] for role, key in case["arrays"].items()}
    return found


def ids(family: str) -> list[str]:
    """Names of the cases, for pytest."""
    return [f"{family}-{case['id']}" for case in cases(family)]
