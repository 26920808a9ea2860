"""Joint match of exposures that are hard to match, measured against their truth.

Usage: python tests/benchmarks/matching_cases.py [--case NAME ...] [--seeds 3] [--trials 400] [--clean 200]

The cases are those of `tests/python/hard_scenes.py`. Each is matched with the default terms, and once more with the
terms that it needs. The table gives over all seeds

- the residual differences between skies that count (RMS); the same with the part that the zero point of the scene
  leaves undetermined; the same without a constant for each exposure
- the RMS error of the models if the reference stays unchanged, and the largest RMS in an exposure of these errors in
  units of the stated errors
- the range of `fit_chi`, the flags, the names of the models, and the seconds of one match

Some cases are counted as well: trials in which all models are the simplest that are right, and clean sets that are
flagged. For mosaics, what they show besides the scene is printed.
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

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
import hard_scenes

HAS_TERMS = "terms" in inspect.signature(evensky.match_all).parameters
COUNTED = ("mixed_orders", "mosaic", "clean_set")
# Largest number of names that a row lists.
_MOST_NAMES = 6


@dataclass
class Row:
    """Figures of one case, collected over seeds."""

    left: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    without_constants: list[float] = field(default_factory=list)
    error: list[float] = field(default_factory=list)
    pull: list[float] = field(default_factory=list)
    chi: list[float] = field(default_factory=list)
    flags: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def add(self, scene: hard_scenes.HardScene, result: Any, seconds: float) -> None:
        residuals = hard_scenes.residuals(scene, result)
        self.left.append(residuals.without_zero_point)
        self.total.append(residuals.total)
        self.without_constants.append(residuals.without_constants)
        if scene.expected is not None:
            errors = [float(np.mean(error**2)) for error in hard_scenes.errors_of_models(scene, result)]
            self.error.append(float(np.sqrt(np.mean(errors))))
            self.pull.append(max(hard_scenes.pulls(scene, result)))
        self.chi += [record.fit_chi for record in result.run.records if record.fit_chi is not None]
        self.flags.update(flag for record in result.run.records for flag in record.flags)
        names = ["failed" if model is None else model.name for model in result.models]
        self.names.update(name for at, name in enumerate(names) if at != scene.reference)
        self.seconds.append(seconds)

    def __str__(self) -> str:
        chi = [one for one in self.chi if np.isfinite(one)]
        cells = [
            _rms(self.left),
            _rms(self.total),
            _rms(self.without_constants),
            _rms(self.error),
            f"{max(self.pull):.1f}" if self.pull else "–",
            f"{min(chi):.2f} to {max(chi):.2f}" if chi else "–",
            ", ".join(f"{flag} {count}" for flag, count in self.flags.most_common()) or "–",
            ", ".join(f"{name} {count}" for name, count in self.names.most_common(_MOST_NAMES)),
            f"{np.median(self.seconds):.2f}",
        ]
        return " | ".join(cells)


def _rms(values: Sequence[float]) -> str:
    return f"{np.sqrt(np.mean(np.square(values))):.3g}" if values else "–"


def matched(scene: hard_scenes.HardScene, **options: Any) -> tuple[Any, float]:
    """Match a scene; return the result and the seconds that it took."""
    begin = time.perf_counter()
    result = evensky.match_all(
        scene.exposures, reference=scene.reference, pictures=False, **hard_scenes.masks_of(scene), **options
    )
    return result, time.perf_counter() - begin


def run_case(name: str, seeds: int) -> list[tuple[str, Row]]:
    """Return rows for the default terms, and for those that the case needs."""
    rows = {"default": Row()}
    for seed in range(1, seeds + 1):
        scene = hard_scenes.CASES[name](seed)
        rows["default"].add(scene, *matched(scene, level="reference"))
        if HAS_TERMS:
            needed = rows.setdefault("+".join(scene.terms), Row())
            needed.add(scene, *matched(scene, level="reference", terms=hard_scenes.needed_terms(scene)))
    return list(rows.items())


def run_trials(trials: int) -> None:
    """Count trials in which all models are the simplest that are right, for the chain and for mixed orders."""
    for name, number in (("chain", 20), ("mixed_orders", trials)):
        right, wrong = 0, Counter[tuple[str, str]]()
        begin = time.perf_counter()
        for seed in range(1, number + 1):
            scene = hard_scenes.CASES[name](seed)
            result, _ = matched(scene)
            assert scene.names is not None
            right += all(hard_scenes.right_orders(scene, result))
            for at, (model, expected) in enumerate(zip(result.models, scene.names, strict=True)):
                if at != scene.reference and model is not None and model.name != expected:
                    wrong[expected, model.name] += 1
        mistakes = ", ".join(
            f"{got} instead of {name} {count}" for (name, got), count in wrong.most_common(_MOST_NAMES)
        )
        seconds = time.perf_counter() - begin
        print(f"{name}: {right} of {number} trials right, {seconds:.0f} s; {mistakes or 'no mistakes'}")


def run_mosaics(seeds: int) -> None:
    """Print what mosaics show besides the scene."""
    print("\n| mosaic, counts: RMS (half of the range) | untouched | level = reference | level = mean | default |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for seed in range(1, seeds + 1):
        scene = hard_scenes.mosaic(seed)
        cells = []
        for level in ("untouched", "reference", "mean", None):
            result = None if level == "untouched" else matched(scene, level=level)[0]
            seen = hard_scenes.mosaic_of(scene, result)
            cells.append(f"{np.nanstd(seen):.3g} ({np.ptp(seen[np.isfinite(seen)]) / 2:.3g})")
        print(f"| seed {seed} | {' | '.join(cells)} |")


def run_clean(sets: int) -> None:
    """Count the flags of sets in which nothing is wrong."""
    flags, flagged, right, models = Counter[str](), 0, 0, 0
    for seed in range(1, sets + 1):
        scene = hard_scenes.clean_set(seed)
        result, _ = matched(scene)
        found = {flag for record in result.run.records for flag in record.flags}
        flags.update(found)
        flagged += bool(found)
        names = hard_scenes.right_orders(scene, result)
        right, models = right + sum(names), models + len(names)
    raised = ", ".join(f"{flag} {count}" for flag, count in flags.most_common())
    print(f"clean_set: {flagged} of {sets} sets flagged ({raised or 'no flag'}); {right} of {models} models right")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=list(hard_scenes.CASES), default=list(hard_scenes.CASES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--clean", type=int, default=200)
    options = parser.parse_args()
    if not HAS_TERMS:
        print("This version of evensky.match_all has no parameter `terms`; all rows are for the default.")
    print("| case | terms | counts left | total | without constants | error | pull | chi | flags | models | seconds |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- | ---: |")
    for name in options.case:
        if name not in COUNTED:
            for terms, row in run_case(name, options.seeds):
                print(f"| {name} | {terms} | {row} |", flush=True)
    if {"chain", "mixed_orders"} & set(options.case):
        run_trials(options.trials)
    if "mosaic" in options.case:
        run_mosaics(options.seeds)
    if "clean_set" in options.case:
        run_clean(options.clean)


if __name__ == "__main__":
    main()
