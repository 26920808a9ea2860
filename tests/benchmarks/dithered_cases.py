"""Joint match of exposures as they were observed, through their WCS, measured against their truth.

Usage: python tests/benchmarks/dithered_cases.py [--case NAME ...] [--seeds 3] [--side PIXELS]

The cases are those of `tests/python/dithered_scenes.py`. The table gives over all seeds

- the residual differences between skies on the sky (RMS), before and after the match, the limit that they should not
  exceed, and the same for the same skies, noise and number of stars on one pixel grid
- the bowl over the field, before and after: the RMS of the second-order polynomial that fits the mean sky best
- the range of `fit_chi`, the flags, the names of the models, and the seconds of one match, on one grid in brackets
"""

from __future__ import annotations

import argparse
import inspect
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import evensky
from evensky.errors import EvenskyError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
import dithered_scenes
from dithered_scenes import DitheredScene

# Largest number of names that a row lists.
_MOST_NAMES = 6


@dataclass
class Row:
    """Figures of one case, collected over seeds."""

    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    bowl_before: list[float] = field(default_factory=list)
    bowl_after: list[float] = field(default_factory=list)
    limit: float = np.inf
    chi: list[float] = field(default_factory=list)
    flags: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def add(self, scene: DitheredScene, result: Any, seconds: float) -> None:
        before, after = scene.residuals(), scene.residuals(result)
        self.before.append(before.rms)
        self.after.append(after.rms)
        self.bowl_before.append(before.bowl)
        self.bowl_after.append(after.bowl)
        self.limit = scene.limit
        self.chi += [one.fit_chi for one in result.run.records if one.fit_chi is not None and np.isfinite(one.fit_chi)]
        self.flags.update(flag for record in result.run.records for flag in record.flags)
        self.names.update("failed" if model is None else model.name for model in result.models)
        self.seconds.append(seconds)


def matched(scene: DitheredScene) -> tuple[Any, float]:
    """Match a scene; return the result and the seconds that it took."""
    begin = time.perf_counter()
    result = evensky.match_all(scene.exposures, pictures=False)
    return result, time.perf_counter() - begin


def run_case(name: str, seeds: int, options: dict[str, Any]) -> str:
    """Return the row of the table for a case."""
    make = dithered_scenes.CASES[name]
    own, grid = Row(), Row()
    for seed in range(1, seeds + 1):
        for row, given in ((own, {}), (grid, {"one_grid": True})):
            if given and "one_grid" not in inspect.signature(make).parameters:
                continue
            scene = make(seed, **options, **given)
            row.add(scene, *matched(scene))
    cells = [
        name,
        _rms(own.before),
        _rms(own.after),
        f"{own.limit:g}" if np.isfinite(own.limit) else "–",
        _rms(grid.after),
        f"{_rms(own.bowl_before)}, {_rms(own.bowl_after)}",
        f"{min(own.chi):.2f} to {max(own.chi):.2f}" if own.chi else "–",
        ", ".join(f"{flag} {count}" for flag, count in own.flags.most_common()) or "–",
        ", ".join(f"{model} {count}" for model, count in own.names.most_common(_MOST_NAMES)),
        f"{np.median(own.seconds):.2f}" + (f" ({np.median(grid.seconds):.2f})" if grid.seconds else ""),
    ]
    return f"| {' | '.join(cells)} |"


def _rms(values: Sequence[float]) -> str:
    return f"{np.sqrt(np.mean(np.square(values))):.3g}" if values else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cases = list(dithered_scenes.CASES)
    parser.add_argument("--case", nargs="+", choices=cases, default=[name for name in cases if name != "jwst_like"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--side", type=int, help="side of an exposure in pixels; by default that of each case")
    options = parser.parse_args()
    given = {} if options.side is None else {"side": options.side}
    print("| case | before | after | limit | on one grid | bowl | chi | flags | models | seconds (on one grid) |")
    print("| --- | ---: | ---: | ---: | ---: | --- | --- | --- | --- | ---: |")
    for name in options.case:
        try:
            print(run_case(name, options.seeds, given), flush=True)
        except EvenskyError as error:
            print(f"| {name} | refused: {str(error).splitlines()[0]} |", flush=True)


if __name__ == "__main__":
    main()
