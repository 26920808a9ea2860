"""Comparison of the ways to match the visits of a tract that is divided into patches, against the truth.

Usage: python tests/benchmarks/tract_seams.py [--seeds 3] [--patch 512] [--border 32] [--bin 64] [--visits 6]
                                              [--case NAME ...] [--method NAME ...] [--steps COUNTS] [--picture FILE]

The tracts are those of `tests/python/tract_scenes.py`: 3 x 3 patches, whose visits differ in level, gradient and
curvature, cover different parts of the tract, and lack some patches. There are two cases: "centred", where one visit
covers all patches, and "partial", where none does. The columns of the table are, in counts and
without noise: the steps of the coadd at the borders of patches, on the same pixels (RMS and largest), the steps of the
coadd at the borders of visits and detectors (RMS and largest), the residual, which is the RMS of background + model
about its mean over the visits, and the processor seconds of a tract. Values are means over the seeds, but for the
largest steps, which are the largest of all seeds. The noise of a pixel is about 8 counts.

`--picture` draws the coadd of the first tract of the last case by each method, with noise and stars.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import evensky

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
import tract_scenes
from tract_scenes import MatchQuality, Models, TractScene

Method = Callable[[TractScene, int], Models]
"""Function of a tract and the size of bins in pixels that returns the models that it adds to the warps."""


def unmatched(scene: TractScene, bin_size: int) -> Models:
    """Add nothing."""
    return {(visit, patch): np.zeros(scene.scene[scene.part(patch)].shape) for visit, patch in scene.covered}


def _by_patches(match: Callable[[TractScene, list[int], list[Any], int], Any]) -> Method:
    """Return a method that matches each patch by itself."""

    def method(scene: TractScene, bin_size: int) -> Models:
        models = {}
        for patch in scene.patches:
            visits = [visit for visit, one in scene.covered if one == patch]
            warps = [scene.warps[visit, patch] for visit in visits]
            result = match(scene, visits, warps, bin_size)
            for visit, warp, record, model in zip(visits, warps, result.run.records, result.models, strict=True):
                if model is not None:
                    image = model.image() if hasattr(model, "image") else model.getImageF().array
                    models[visit, patch] = image
                elif record.status == "reference":
                    models[visit, patch] = np.zeros(warp.image.array.shape)
        return models

    return method


def _one_by_one(scene: TractScene, visits: list[int], warps: list[Any], bin_size: int) -> Any:
    return evensky.match(warps, bin_size=bin_size, bad_planes=tract_scenes.LEFT_OUT)


def _to_the_first(scene: TractScene, visits: list[int], warps: list[Any], bin_size: int) -> Any:
    first = visits.index(scene.visits[0]) if scene.visits[0] in visits else None
    return evensky.match(warps, reference=first, bin_size=bin_size, bad_planes=tract_scenes.LEFT_OUT)


def _jointly(scene: TractScene, visits: list[int], warps: list[Any], bin_size: int) -> Any:
    return evensky.match_all(warps, bad_planes=tract_scenes.LEFT_OUT, pictures=False)


def tract_config(bin_size: int, **fields: Any) -> Any:
    """Return a configuration of the tract task for bins of a size, with other fields set."""
    from evensky.tasks.tract import MatchBackgroundsConfig

    config = MatchBackgroundsConfig()
    for background in (config.tractBgModel, config.reference.tractBgModel):
        background.xBin = background.yBin = float(bin_size)
        background.binning = bin_size // 2
    for name, value in fields.items():
        setattr(config, name, value)
    return config


def _of_tract(**fields: Any) -> Method:
    """Return the tract task with some fields of its configuration set."""

    def method(scene: TractScene, bin_size: int) -> Models:
        from evensky.tasks.tract import MatchBackgroundsTask

        models = {}

        def take(warp: Any, background: Any, matched: Any) -> None:
            # As original, the reference has the background of its first warp, which is zero, in all patches.
            shape, model = matched.image.array.shape, background.getImage().array
            models[warp.dataId["visit"], warp.dataId["patch"]] = model if model.shape == shape else np.zeros(shape)

        MatchBackgroundsTask(config=tract_config(bin_size, **fields)).run(scene.handles(), scene.sky_map, take=take)
        return models

    return method


def tract_jointly(scene: TractScene, bin_size: int) -> Models:
    """Match all visits of the tract to each other at once."""
    result = evensky.match_tract(scene.handles(), scene.sky_map, bad_planes=tract_scenes.LEFT_OUT)
    nothing = unmatched(scene, bin_size)
    return {place: nothing[place] if model is None else model.image() for place, model in result.models.items()}


METHODS: dict[str, Method] = {
    "unmatched": unmatched,
    "patch by patch, own references": _by_patches(_one_by_one),
    "patch by patch, one reference": _by_patches(_to_the_first),
    "patch by patch, jointly": _by_patches(_jointly),
    "tract task, as original": _of_tract(asOriginal=True),
    "tract task": _of_tract(),
    "tract task, fitted": _of_tract(fit="chebyshev"),
    "tract, jointly": tract_jointly,
}
"""The methods that are compared, by name."""

CASES = ("centred", "partial")


def run(scenes: Sequence[TractScene], method: Method, bin_size: int) -> tuple[list[MatchQuality], float, Models]:
    """Return the quality for each tract, the mean of the processor seconds, and the models of the first tract."""
    found, seconds, first = [], 0.0, {}
    for scene in scenes:
        begin = time.process_time()
        models = method(scene, bin_size)
        seconds += time.process_time() - begin
        found.append(tract_scenes.measure(scene, models))
        first = first or models
    return found, seconds / len(scenes), first


def row(name: str, found: Sequence[MatchQuality], seconds: float) -> str:
    """Return a row of the table."""
    values = [
        float(np.mean([one.patch_seams.rms for one in found])),
        max(one.patch_seams.largest for one in found),
        float(np.mean([one.visit_steps.rms for one in found])),
        max(one.visit_steps.largest for one in found),
        float(np.mean([one.residual for one in found])),
    ]
    matched = "/".join(str(one.matched) for one in found)
    return f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + f" | {matched} | {seconds:.1f} |"


def blocks(image: np.ndarray, side: int) -> np.ndarray:
    """Return the medians of blocks of an image, NaN where a block has no value."""
    height, width = (length // side * side for length in image.shape)
    cut = image[:height, :width].reshape(height // side, side, width // side, side).swapaxes(1, 2)
    cut = cut.reshape(height // side, width // side, side * side)
    result = np.full(cut.shape[:2], np.nan)
    known = np.isfinite(cut).any(axis=2)
    result[known] = np.nanmedian(cut[known], axis=1)
    return result


def picture(scene: TractScene, models: dict[str, Models], path: Path) -> None:
    """Draw the coadd of a tract by each method: medians of blocks, with one stretch for all matched coadds."""
    from matplotlib.figure import Figure

    side = max(2, scene.scene.shape[0] // 128)
    drawn = {}
    for name, one in models.items():
        coadd = tract_scenes.assemble(scene, tract_scenes.coadds(scene, one, noise=True))
        drawn[name] = blocks(coadd, side)
        drawn[name] -= np.nanmedian(drawn[name])
    matched = np.concatenate([one.ravel() for name, one in drawn.items() if name != "unmatched"])
    low, high = np.nanpercentile(matched, [1, 98])
    columns = min(len(drawn), 2)
    rows = -(-len(drawn) // columns)
    # Narrow, so that the titles can be read where the picture is scaled to a small window.
    figure = Figure(figsize=(3.6 * columns, 3.75 * rows + 0.9), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat[len(drawn) :]:
        ax.set_axis_off()
    for ax, (name, image) in zip(axes.flat, drawn.items(), strict=False):
        shown = ax.imshow(image, origin="lower", cmap="cividis", vmin=low, vmax=high, interpolation="nearest")
        ax.set(title=name, xticks=[], yticks=[])
        ax.title.set_fontsize(14)
    bar = figure.colorbar(shown, ax=axes, location="bottom", shrink=0.7, aspect=30, pad=0.01)
    bar.set_label("coadd, counts above its median", fontsize=14)
    bar.ax.tick_params(labelsize=13)
    figure.savefig(path, dpi=100)


def compare(case: str, scenes: Sequence[TractScene], names: Sequence[str], bin_size: int) -> dict[str, Models]:
    """Print the table of a case, and return the models of its first tract by the name of the method."""
    print(f"\n| {case} | seams, RMS | largest | visit steps, RMS | largest | residual | warps | s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    models: dict[str, Models] = {}
    for name in names:
        try:
            found, seconds, models[name] = run(scenes, METHODS[name], bin_size)
        except Exception as error:  # a method that cannot do this case has a dash in the table
            print(f"{case}, {name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            print(f"| {name} |" + " – |" * 7, flush=True)
            continue
        print(row(name, found, seconds), flush=True)
    return models


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--patch", type=int, default=512)
    parser.add_argument("--border", type=int, default=32)
    parser.add_argument("--bin", type=int, default=64)
    parser.add_argument("--visits", type=int, default=6)
    parser.add_argument("--steps", type=float, default=0.0, help="scatter of the levels of a visit's detectors")
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--method", action="append", choices=list(METHODS))
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    logging.disable(logging.WARNING)  # flags of extrapolated visits, which are many here

    for case in given.case or CASES:
        scenes = [
            tract_scenes.scene(
                seed,
                given.visits,
                patch=(given.patch,) * 2,
                border=given.border,
                steps=given.steps,
                centred=case == "centred",
            )
            for seed in range(1, given.seeds + 1)
        ]
        models = compare(case, scenes, given.method or list(METHODS), given.bin)
    if given.picture:
        picture(scenes[0], models, given.picture)


if __name__ == "__main__":
    main()
