"""Comparison of the matches of evensky and of its peers, in turns in one process.

Usage: python tests/benchmarks/compare_matching.py [--seeds 3] [--number 10] [--side 1024] [--picture FILE]
           [--real FILE [FILE ...]] [--real-picture FILE]

Simulated exposures have stars, diffuse light of 60 counts, cosmic rays and noise of 10 counts, and no masks. Their
residual differences are measured against the truth: the RMS over all pixels of sky + model about its mean over the
exposures. The preserved share of the diffuse light is measured in the mean of the models. For real exposures, FITS
images on one grid, there is no truth: their agreement is measured by the spread of their levels, and by the scatter of
the differences of all pairs in bins of 256 px, in units of the errors of the bins. Peers: pip install reproject stcal
sep MontagePy.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matching_peers
import numpy as np

import evensky
from evensky.simulate import SimulatedExposure, make_bare_exposures, residual_between

Images = Sequence[np.ndarray]
Method = Callable[[Images], list[np.ndarray]]

CASES = {
    "levels": {"curved": False},
    "gradients and curvature": {},
    "the same, five cover a half": {"halves": 5},
}
OURS = "evensky.match_all"
_GLOW = 60.0


def all_to_all(images: Images) -> list[np.ndarray]:
    return list(evensky.match_all(list(images), pictures=False).exposures)


def one_reference(images: Images) -> list[np.ndarray]:
    result = evensky.match(list(images), reference=len(images) - 1, bin_size=128, statistic="meanclip", pictures=False)
    return [image if one is None else one for one, image in zip(result.exposures, images, strict=True)]


def methods() -> dict[str, Method]:
    return {OURS: all_to_all, "evensky.match, splines of 128 px": one_reference, **matching_peers.available()}


@dataclass
class Figures:
    """Figures of one method and one case, a number for each seed."""

    left: list[float] = field(default_factory=list)
    glow: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def glow_kept(added: list[np.ndarray], simulated: list[SimulatedExposure], dark: list[SimulatedExposure]) -> float:
    """Return the preserved share of the diffuse light, from the part of its shape in the mean of the models."""
    shape = simulated[0].scene.astype(float) - dark[0].scene
    shape -= shape.mean()
    # Mean of sky + model over the exposures: the common sky that remains after matching.
    common = np.nanmean([a + one.sky.astype(float) for a, one in zip(added, simulated, strict=True)], axis=0)
    u = np.linspace(-1, 1, shape.shape[1])[None, :] * np.ones((shape.shape[0], 1))
    v = np.linspace(-1, 1, shape.shape[0])[:, None] * np.ones((1, shape.shape[1]))
    # A smooth common sky may remain; a part with the shape of the diffuse light beside it was taken from that light.
    smooth = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=-1).reshape(-1, 6)
    terms = np.column_stack([shape.ravel(), smooth])
    good = np.isfinite(common.ravel())
    coefficients, *_ = np.linalg.lstsq(terms[good], common.ravel()[good], rcond=None)
    return 1.0 + float(coefficients[0])


def run_simulated(
    number: int, side: int, seeds: int
) -> tuple[dict[str, dict[str, Figures]], dict[str, dict[str, list[np.ndarray]]], dict[str, list[SimulatedExposure]]]:
    """Return figures by case and method, and the models and exposures of the first seed."""
    figures: dict[str, dict[str, Figures]] = {case: {} for case in CASES}
    first: dict[str, dict[str, list[np.ndarray]]] = {case: {} for case in CASES}
    exposures: dict[str, list[SimulatedExposure]] = {}
    for seed, (case, fields) in itertools.product(range(1, seeds + 1), CASES.items()):
        simulated = make_bare_exposures(number, (side, side), seed, glow=_GLOW, **fields)
        dark = make_bare_exposures(1, (side, side), seed, glow=0.0)
        images = [one.exposure.image.array for one in simulated]
        for name, method in methods().items():
            begin = time.perf_counter()
            try:
                corrected = method([image.copy() for image in images])
            except Exception as error:  # a peer that cannot do this case has a dash in the table
                print(f"{name}, {case}: {type(error).__name__}: {error}")
                continue
            seconds = time.perf_counter() - begin
            added = [np.asarray(one, float) - image for one, image in zip(corrected, images, strict=True)]
            row = figures[case].setdefault(name, Figures())
            row.left.append(residual_between(list(added), simulated))
            row.glow.append(glow_kept(added, simulated, dark))
            row.seconds.append(seconds)
            if seed == 1:
                first[case][name], exposures[case] = added, simulated
    return figures, first, exposures


def print_simulated(figures: dict[str, dict[str, Figures]]) -> None:
    print("\n| residual RMS between exposures, counts | " + " | ".join(CASES) + " | diffuse light kept | seconds |")
    print("| --- |" + " ---: |" * (len(CASES) + 2))
    for name in methods():
        rows = [figures[case].get(name) for case in CASES]
        left = ["–" if row is None else f"{np.sqrt(np.mean(np.square(row.left))):.3g}" for row in rows]
        curved = figures["gradients and curvature"].get(name)
        kept = "–" if curved is None else f"{100 * np.mean(curved.glow):.1f} %"
        seconds = "–" if curved is None else f"{np.median(curved.seconds):.2f}"
        print(f"| {name} | {' | '.join(left)} | {kept} | {seconds} |")
    for name in matching_peers.missing():
        print(f"{name}: not installed")


def plot_simulated(
    first: dict[str, dict[str, list[np.ndarray]]], exposures: dict[str, list[SimulatedExposure]], path: Path
) -> None:
    """Draw the residual sky of one exposure by each method; the pictures in a row have the same stretch."""
    from matplotlib.figure import Figure

    names = list(methods())
    figure = Figure(figsize=(1.9 * len(names) + 0.6, 2.35 * len(CASES)), layout="constrained")
    axes = figure.subplots(len(CASES), len(names), squeeze=False)
    for index, (row, case, span) in enumerate(zip(axes, CASES, (0.5, 3.0, 3.0), strict=True)):
        simulated = exposures[case]
        for ax, name in zip(row, names, strict=True):
            ax.set_xticks([])
            ax.set_yticks([])
            ax.set_facecolor("#F3D9D0")
            if name not in first[case]:
                continue
            skies = np.array([one.sky + added for one, added in zip(simulated, first[case][name], strict=True)])
            for sky, one in zip(skies, simulated, strict=True):
                sky[~np.isfinite(one.exposure.image.array)] = np.nan
            left = skies[0] - np.nanmean(skies, axis=0)
            shown = ax.imshow(left, origin="lower", cmap="RdBu_r", vmin=-span, vmax=span, interpolation="nearest")
            if index == 0:
                ax.set_title(name.replace("(", "\n("), fontsize=8)
        row[0].set_ylabel(case, fontsize=8)
        figure.colorbar(shown, ax=row, label="counts", shrink=0.9, aspect=18)
    figure.savefig(path, dpi=110)


# Size of the bins for differences of real exposures.
_BIN = 256


def bins_of(difference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return clipped means of whole bins, and their errors."""
    height, width = (size - size % _BIN for size in difference.shape)
    stats = evensky.estimate_background(difference[:height, :width], bin_size=_BIN).stats
    return np.asarray(stats.value), np.asarray(stats.error)


def run_real(paths: Sequence[Path], picture: Path | None) -> None:
    """Print how well methods make real exposures agree."""
    from astropy.io import fits

    images = [fits.getdata(path).astype(np.float32) for path in paths]
    corrected: dict[str, Images] = {"as they are": images}
    seconds: dict[str, float] = {}
    for name, method in methods().items():
        begin = time.perf_counter()
        try:
            corrected[name] = method([image.copy() for image in images])
        except Exception as error:  # a peer that cannot do this is listed with its error
            print(f"{name}: {type(error).__name__}: {error}")
            continue
        seconds[name] = time.perf_counter() - begin
    print(f"\n| {len(images)} real exposures | spread of clipped means | bins of {_BIN} px, in errors | seconds |")
    print("| --- | ---: | ---: | ---: |")
    for name, some in corrected.items():
        levels = [evensky.clipped_stats(np.asarray(one)).mean for one in some]
        pulls = []
        for one, other in itertools.combinations(some, 2):
            value, error = bins_of(np.asarray(one, np.float32) - np.asarray(other, np.float32))
            pulls.append((value / error) ** 2)
        spent = f"{seconds[name]:.2f}" if name in seconds else "–"
        print(f"| {name} | {max(levels) - min(levels):.3f} | {np.sqrt(np.mean(pulls)):.2f} | {spent} |")
    if picture is not None:
        plot_real(corrected, picture)


def plot_real(corrected: dict[str, Images], path: Path) -> None:
    """Draw the difference between the last and the first exposure, in small bins, by each method."""
    from matplotlib.figure import Figure

    names = list(corrected)
    figure = Figure(figsize=(2.1 * len(names) + 0.6, 2.4), layout="constrained")
    axes = figure.subplots(1, len(names))
    for ax, name in zip(axes, names, strict=True):
        some = corrected[name]
        difference = np.asarray(some[-1], np.float32) - np.asarray(some[0], np.float32)
        bins = evensky.estimate_background(difference, bin_size=40).stats.value
        shown = ax.imshow(bins, origin="lower", cmap="RdBu_r", vmin=-4, vmax=4, interpolation="nearest")
        ax.set_title(name.replace("(", "\n("), fontsize=8)
        ax.set_xticks([])
        ax.set_yticks([])
    figure.colorbar(shown, ax=axes, label="counts", shrink=0.8)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--number", type=int, default=10)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--real", type=Path, nargs="+", default=[])
    parser.add_argument("--real-picture", type=Path)
    options = parser.parse_args()
    if options.seeds > 0:
        figures, first, exposures = run_simulated(options.number, options.side, options.seeds)
        print_simulated(figures)
        if options.picture is not None:
            plot_simulated(first, exposures, options.picture)
    if options.real:
        run_real(options.real, options.real_picture)


if __name__ == "__main__":
    main()
