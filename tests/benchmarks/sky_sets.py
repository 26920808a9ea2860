"""Match of real exposures through their WCS, with an independent measurement of the levels in their overlaps.

Usage: python tests/benchmarks/sky_sets.py DATA_FOLDER OUT_FOLDER [--sets NAME ...] [--peers] [--no-match]

The folder of the data holds one folder per set (see `SETS`). Each set is matched by `evensky.match_files` with its
default options, masks and weights included. The levels in the overlaps are measured by `sky_levels`, which uses no code
of evensky: images are resampled by reproject, bad pixels and sources are left out. All exposures of a set are of one
instrument, whose flat fields make the sky the same in all pixels, so pixel areas do not enter. The tables give for each
overlap

- the clipped mean of first - second before and after, with its error
- the median over all pixels, those of sources included, as a check
- the largest mean in 4 x 4 parts of the overlap, and the RMS of these means in units of their errors

Every set has a picture: a mosaic and the differences, before and after. With --peers, the constants that other packages
would add are measured in the same way. With --no-match, only the levels before are measured.

Needs reproject, and stcal for its column.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sky_levels
import sky_peers
from sky_levels import Level, SkyImage

import evensky
from evensky.errors import EvenskyError


@dataclass(frozen=True)
class SkySet:
    """A set of files that show one field.

    Attributes
    ----------
    title : str
    images : tuple of str
        Patterns of file names, relative to the folder of the data.
    unit : str
        Unit in tables.
    quality, weight : tuple of (str, str), optional
        Part of a file name, and what replaces it in the name of the file of the mask or of the weights.
    same : tuple of (str, str)
        Endings of the labels of pairs whose overlaps hold the same pixels, so that they must agree to `same_limit`.
    limit, same_limit : float or None
        Largest level after the match, if one is asked for.
    nothing : bool
        Whether the levels agree before, so that the match must leave them as they are within errors.
    """

    title: str
    images: tuple[str, ...]
    unit: str
    quality: tuple[str, str] | None = None
    weight: tuple[str, str] | None = None
    same: tuple[tuple[str, str], ...] = ()
    limit: float | None = None
    same_limit: float | None = None
    nothing: bool = False


_MASKS: dict[str, Any] = {"quality": ("_ooi_", "_ood_"), "weight": ("_ooi_", "_oow_")}
_OLD_MASKS: dict[str, Any] = {"quality": ("_oki_", "_ood_"), "weight": ("_oki_", "_oow_")}
_DEEP: dict[str, Any] = {"weight": (".fits", ".wht.fits")}

SETS = {
    "m17": SkySet(
        "2MASS, M17, four tiles",
        ("2mass_m17_4/2mass-atlas-*.fits",),
        "DN",
        same=(("1420186", "1420198"), ("1430080", "1430092")),
        limit=0.2,
        same_limit=0.02,
    ),
    "dss": SkySet("DSS, two cut-outs of one plate", ("dss_pair/dss_test*.fits",), "counts", nothing=True, limit=0.01),
    "vircam": SkySet("VIRCAM, three chips without their skies", ("vircam_3/image_*.fits",), "counts", nothing=True),
    "deep2_g": SkySet(
        "90prime, deep2 g, five chips, turned and mirrored", ("mosaic3_90prime/deep2g_*ccd?.fits",), "counts", **_DEEP
    ),
    "deep2_r": SkySet(
        "90prime, deep2 r, five chips, turned and mirrored", ("mosaic3_90prime/deep2r_*ccd?.fits",), "counts", **_DEEP
    ),
    "90prime_r": SkySet(
        "90prime r, three exposures of two nights",
        ("mosaic3_90prime/ksb_160203_*_ooi_r_*.fits", "mosaic3_90prime/ksb_160406_*_ooi_r_*.fits"),
        "ADU/s",
        **_MASKS,
    ),
    "90prime_g": SkySet(
        "90prime g, three exposures", ("mosaic3_90prime/ksb_160704_*_ooi_g_*.fits",), "ADU/s", **_MASKS
    ),
    "mosaic3_2015": SkySet("Mosaic-3 z, 2015", ("mosaic3_90prime/k4m_1512*_oki_*.fits",), "counts/s", **_OLD_MASKS),
    "mosaic3_2016": SkySet("Mosaic-3 z, 2016", ("mosaic3_90prime/k4m_16031[13]_*_ooi_*.fits",), "counts/s", **_MASKS),
    "decam_z": SkySet(
        "DECam z, N10 to N12, 41 x 51 px",
        ("decam_cp/c4d_140818_*_ooi_z_*", "decam_cp/c4d_150412_*_ooi_z_*", "decam_cp/c4d_180218_*_ooi_z_*"),
        "ADU",
        **_MASKS,
    ),
    "decam_r": SkySet(
        "DECam r, N11 and N12, 41 x 51 px",
        ("decam_cp/c4d_150329_*_ooi_r_*", "decam_cp/c4d_180518_*_ooi_r_*"),
        "ADU",
        **_MASKS,
    ),
    "decam_g": SkySet(
        "DECam g, N10 to N12, 41 x 51 px",
        ("decam_cp/c4d_150329_*_ooi_g_*", "decam_cp/c4d_180809_*_ooi_g_*", "decam_cp/c4d_180908_*_ooi_g_*"),
        "ADU",
        **_MASKS,
    ),
    "decam_south_z": SkySet(
        "DECam z, S4 and S9", ("decam_cp/c4d_150110_*_ooi_z_*", "decam_cp/c4d_181215_*_ooi_z_*"), "ADU", **_MASKS
    ),
    "decam_south_r": SkySet(
        "DECam r, S4 and S9", ("decam_cp/c4d_171113_0619*_ooi_r_*", "decam_cp/c4d_181215_*_ooi_r_*"), "ADU", **_MASKS
    ),
    "decam_south_g": SkySet(
        "DECam g, S4 and S9", ("decam_cp/c4d_181104_*_ooi_g_*", "decam_cp/c4d_181214_*_ooi_g_*"), "ADU", **_MASKS
    ),
}

BEFORE, OURS = "before", "evensky"


@dataclass
class Overlap:
    """Levels of one pair, by the name of the method; the differences are kept for the picture."""

    first: int
    second: int
    levels: dict[str, Level] = field(default_factory=dict)
    differences: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass
class Outcome:
    """What was found for one set.

    Attributes
    ----------
    images : list of SkyImage
        As they are.
    matched : dict of str to list of ndarray
        Pixels by the name of the method; BEFORE holds those of the images.
    overlaps : list of Overlap
    remarks : list of str
        Refusals, failures, notes and flags.
    models : list of str
        What evensky adds to each image.
    """

    images: list[SkyImage]
    matched: dict[str, list[np.ndarray]]
    overlaps: list[Overlap] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def files_of(one: SkySet, folder: Path) -> list[Path]:
    """Return the images of a set."""
    return [path for pattern in one.images for path in sorted(folder.glob(pattern))]


def read_set(one: SkySet, folder: Path) -> list[SkyImage]:
    """Read the images of a set with their masks and weights."""
    images = []
    for path in files_of(one, folder):
        beside = [
            None if swap is None else path.with_name(path.name.replace(*swap)) for swap in (one.quality, one.weight)
        ]
        images.append(sky_levels.read_sky_image(path, *beside))
    return images


def match_set(one: SkySet, folder: Path, out: Path, outcome: Outcome, options: Mapping[str, Any]) -> None:
    """Match the files of a set, and add the pixels of the outputs and all remarks."""
    shutil.rmtree(out, ignore_errors=True)
    paths = files_of(one, folder)
    begin = time.perf_counter()
    try:
        run = evensky.match_files(paths, out, **options)
    except EvenskyError as error:
        outcome.remarks.append(f"refused: {error}")
        return
    except Exception:  # a bug of one set must not hide what is found for the others
        outcome.remarks.append(f"stopped by an error:\n{traceback.format_exc()}")
        return
    outcome.seconds[OURS] = time.perf_counter() - begin
    matched = []
    for path, image, record in zip(paths, outcome.images, run.records, strict=True):
        written = out / f"{path.name.removesuffix('.fits')}_matched.fits"
        pixels = sky_levels.read_image(written)[0] if written.exists() else image.pixels
        matched.append(pixels)
        added = (pixels - image.pixels)[np.isfinite(image.pixels)]
        outcome.models.append(
            f"{record.label}: {record.model}, adds {added.mean():+.4g} ({added.min():+.4g} to {added.max():+.4g})"
            + (f", gain {record.gain:.4f} ± {record.gain_error or 0:.4f}" if record.gain is not None else "")
            + (f"; flags {', '.join(record.flags)}" if record.flags else "")
            + (f"; {record.message}" if record.message else "")
            + "".join(f"; {warning}" for warning in record.warnings)
        )
    outcome.matched[OURS] = matched
    outcome.remarks += [run.summary, *run.notes]


def add_peers(outcome: Outcome) -> None:
    """Add the images of a set with the constants of each peer."""
    for name, peer in sky_peers.available().items():
        begin = time.process_time()
        try:
            constants = peer([image.pixels for image in outcome.images], [image.wcs for image in outcome.images])
        except Exception as error:  # a peer that cannot do this set has a dash in the table
            outcome.remarks.append(f"{name}: {type(error).__name__}: {error}")
            continue
        outcome.seconds[name] = time.process_time() - begin
        outcome.matched[name] = [
            image.pixels + constant for image, constant in zip(outcome.images, constants, strict=True)
        ]


def measure(outcome: Outcome) -> None:
    """Measure all overlaps of a set by each method."""
    names = list(outcome.matched)
    for i, j in itertools.combinations(range(len(outcome.images)), 2):
        found = sky_levels.differences(
            outcome.images[i],
            outcome.images[j],
            [(outcome.matched[name][i], outcome.matched[name][j]) for name in names],
        )
        if found is None:
            continue
        overlap = Overlap(i, j)
        for name, difference in zip(names, found[0], strict=True):
            level = sky_levels.level_of(difference, found[1])
            if level is not None:
                overlap.levels[name] = level
                overlap.differences[name] = np.where(found[1], np.nan, difference)
        if overlap.levels:
            outcome.overlaps.append(overlap)


# -- tables --


def _short(labels: Sequence[str]) -> list[str]:
    """Return labels without what all of them begin and end with."""
    if len(labels) < 2:
        return list(labels)
    low, high = min(labels), max(labels)
    start = next((k for k, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), 0)
    while start > 0 and low[start - 1].isalnum():
        start -= 1
    return [label[start:] for label in labels]


def _few_errors(number: float) -> str:
    """Return a level in units of its error; pairs that hold the same pixels have hardly any error."""
    return f"{number:.1f}" if number < 1000 else "> 999"


def _is_same(one: SkySet, first: str, second: str) -> bool:
    return any(first.endswith(a) and second.endswith(b) for a, b in one.same)


def report(name: str, one: SkySet, outcome: Outcome) -> list[str]:
    """Return the lines of the report on a set, in Markdown."""
    labels = _short([image.label for image in outcome.images])
    areas = [image.area / outcome.images[0].area for image in outcome.images]
    lines = [f"## {name}: {one.title}", ""]
    lines.append(
        "Pixel areas relative to the first: "
        + ", ".join(f"{label} {area:.5f}" for label, area in zip(labels, areas, strict=True))
    )
    after = OURS if OURS in outcome.matched else BEFORE
    lines += [
        "",
        f"| first - second [{one.unit}] | pixels | before | after | error | in errors | medians | parts | RMS |",
    ]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for overlap in outcome.overlaps:
        first, last = overlap.levels[BEFORE], overlap.levels[after]
        title = f"{labels[overlap.first]} - {labels[overlap.second]}"
        same = _is_same(one, outcome.images[overlap.first].label, outcome.images[overlap.second].label)
        lines.append(
            f"| {title}{' (same pixels)' if same else ''} | {last.pixels} | {first.mean:+.4g} | {last.mean:+.4g} | "
            f"{last.error:.2g} | {_few_errors(last.in_errors)} | {first.median:+.4g}, {last.median:+.4g} | "
            f"{first.largest_part:.3g}, {last.largest_part:.3g} | "
            f"{_few_errors(first.parts_in_errors)}, {_few_errors(last.parts_in_errors)} |"
        )
    lines += ["", f"| method | median size [{one.unit}] | largest | RMS in errors | parts, RMS in errors | seconds |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for method in outcome.matched:
        levels = [overlap.levels[method] for overlap in outcome.overlaps if method in overlap.levels]
        if not levels:
            continue
        sizes = [abs(level.mean) for level in levels]
        in_errors = np.sqrt(np.mean([level.in_errors**2 for level in levels]))
        parts = np.sqrt(np.mean([level.parts_in_errors**2 for level in levels]))
        spent = f"{outcome.seconds[method]:.2f}" if method in outcome.seconds else "–"
        lines.append(
            f"| {method} | {np.median(sizes):.3g} | {max(sizes):.3g} | {_few_errors(in_errors)} | "
            f"{_few_errors(parts)} | {spent} |"
        )
    lines += ["", *verdicts(one, outcome), ""]
    lines += [f"- {line}" for line in (*outcome.models, *outcome.remarks)]
    return [*lines, ""]


def verdicts(one: SkySet, outcome: Outcome) -> list[str]:
    """Return sentences on what is asked of a set."""
    if OURS not in outcome.matched:
        return []
    said = []
    for overlap in outcome.overlaps:
        level = overlap.levels[OURS]
        same = _is_same(one, outcome.images[overlap.first].label, outcome.images[overlap.second].label)
        limit = one.same_limit if same else one.limit
        if limit is not None and abs(level.mean) > limit + 3 * level.error:
            said.append(f"MISSED: {overlap.first} - {overlap.second}: {level.mean:+.4g}, asked for {limit:.3g}")
        elif limit is not None and abs(level.mean) > limit:
            said.append(f"within errors: {overlap.first} - {overlap.second}: {level.mean:+.4g}, asked for {limit:.3g}")
        if one.nothing and level.in_errors > 3 and abs(level.mean) > abs(overlap.levels[BEFORE].mean):
            said.append(f"WORSE: {overlap.first} - {overlap.second}: {level.in_errors:.1f} errors")
    return said or ["All that is asked for is met."]


# -- pictures --

_MOST_ROWS = 10
_MOSAIC_SIDE = 500


def mosaics(outcome: Outcome) -> dict[str, np.ndarray]:
    """Return mosaics of the images before and after, at a coarse resolution if they are large."""
    from reproject import reproject_interp
    from reproject.mosaicking import find_optimal_celestial_wcs
    from scipy import ndimage

    inputs = [(image.pixels.shape, image.wcs) for image in outcome.images]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target, shape = find_optimal_celestial_wcs(inputs)
        factor = max(1, round(max(shape) / _MOSAIC_SIDE))
        if factor > 1:
            target = target[::factor, ::factor]
            shape = tuple(size // factor for size in shape)
        shown = {}
        for name in (BEFORE, OURS):
            if name not in outcome.matched:
                continue
            planes = []
            for image, pixels in zip(outcome.images, outcome.matched[name], strict=True):
                good = np.isfinite(image.pixels)
                if factor > 1:
                    share = ndimage.uniform_filter(good.astype(float), factor)
                    pixels = ndimage.uniform_filter(np.where(good, pixels, 0.0), factor) / np.maximum(share, 1e-6)
                pixels = np.where(good, pixels, np.nan)
                planes.append(reproject_interp((pixels, image.wcs), target, shape_out=shape, return_footprint=False))
            shown[name] = np.nanmean(planes, axis=0)
    return shown


def draw(name: str, one: SkySet, outcome: Outcome, path: Path) -> None:
    """Draw a mosaic and the differences of overlaps, before and after."""
    from matplotlib.figure import Figure

    overlaps = sorted(outcome.overlaps, key=lambda one: -one.levels[BEFORE].in_errors)[:_MOST_ROWS]
    names = [name for name in (BEFORE, OURS) if name in outcome.matched]
    shown = mosaics(outcome)
    ratio = shown[BEFORE].shape[0] / shown[BEFORE].shape[1]
    sides = [_trimmed(overlap.differences[BEFORE]).shape for overlap in overlaps]
    heights = [min(6.0, 4.2 * ratio), *(float(np.clip(3.2 * y / x, 0.8, 2.2)) for y, x in sides)]
    figure = Figure(figsize=(9.0, 0.6 + sum(heights)), layout="constrained")
    axes = figure.subplots(1 + len(overlaps), 2, squeeze=False, height_ratios=heights)
    low, high = np.nanpercentile(shown[BEFORE], [3, 90])
    labels = _short([image.label for image in outcome.images])
    for column, method in enumerate(names):
        mosaic = np.asarray(shown[method])
        middle = np.nanmedian(mosaic) - np.nanmedian(shown[BEFORE])
        drawn = axes[0, column].imshow(
            mosaic, origin="lower", cmap="gray", vmin=low + middle, vmax=high + middle, interpolation="nearest"
        )
        axes[0, column].set_title(f"mosaic, {method}", fontsize=9)
        figure.colorbar(drawn, ax=axes[0, column], shrink=0.8).ax.tick_params(labelsize=7)
        for row, overlap in enumerate(overlaps, 1):
            level = overlap.levels[method]
            difference = _trimmed(overlap.differences[method])
            size = max(2, round(np.sqrt(difference.size) / 40))
            blocks = sky_levels._block_medians(difference, size)
            span = max(np.nanpercentile(np.abs(blocks), 97), 1e-9)
            ax = axes[row, column]
            drawn = ax.imshow(blocks, origin="lower", cmap="RdBu_r", vmin=-span, vmax=span, interpolation="nearest")
            ax.set_title(
                f"{labels[overlap.first]} - {labels[overlap.second]}: {level.mean:+.3g} ± {level.error:.1g} {one.unit}",
                fontsize=7,
            )
            figure.colorbar(drawn, ax=ax, shrink=0.9).ax.tick_params(labelsize=7)
    for ax in axes.ravel():
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_facecolor("#E5E5E5")
        if not ax.images:
            ax.set_axis_off()
    figure.suptitle(f"{name}: {one.title}", fontsize=10)
    figure.savefig(path, dpi=110)


def _trimmed(difference: np.ndarray) -> np.ndarray:
    """Return the part of a difference that holds its good pixels."""
    good = np.isfinite(difference)
    rows, columns = (np.flatnonzero(good.any(axis=axis)) for axis in (1, 0))
    part = difference[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return part.T if part.shape[0] > part.shape[1] else part


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the data")
    parser.add_argument("out", type=Path, help="folder for outputs, tables and pictures")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--no-match", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    for name in options.sets:
        one = SETS[name]
        images = read_set(one, options.data)
        if len(images) < 2:
            print(f"{name}: {len(images)} of its files are in {options.data}", file=sys.stderr)
            continue
        outcome = Outcome(images, {BEFORE: [image.pixels for image in images]})
        if not options.no_match:
            match_set(one, options.data, options.out / name, outcome, {})
        if options.peers:
            add_peers(outcome)
        measure(outcome)
        lines = report(name, one, outcome)
        print("\n".join(lines), flush=True)
        (options.out / f"{name}.md").write_text("\n".join(lines))
        draw(name, one, outcome, options.out / f"{name}.png")


if __name__ == "__main__":
    main()
