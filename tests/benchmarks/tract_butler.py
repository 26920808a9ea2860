"""Match of two tracts on a real Butler: by pipetask, and by BPS with Parsl on this machine.

Usage: python tests/benchmarks/tract_butler.py FOLDER [--patch 512] [--border 32] [--bin 64] [--bps] [--picture FILE]

It makes a repository in the new folder FOLDER with two tracts of 3 x 3 patches and 6 visits, of
`tests/python/tract_scenes.py`: in the first one, one visit has all patches, in the second one, none has. It runs the
pipeline `match_tract.yaml` and reads its outputs. For each tract it prints the steps of the coadd at the borders of
patches and visits and the residual, before and after, in counts and without noise, and the quality table. `--picture`
draws the coadds before and after.

Needs ``evensky[pipeline]``, and lsst-ctrl-bps-parsl for `--bps`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "python"), str(Path(__file__).resolve().parent)]
import butlers
import tract_scenes
from lsst.daf.butler import Butler, DatasetType
from tract_scenes import MatchQuality, Models, TractScene
from tract_seams import blocks

import evensky.interop
from evensky.draw.tables import table_text
from evensky.interop.lsst_images import to_masked_image
from evensky.tasks.tract import SkyMap

TRACTS = (0, 1)


def make_scene(tract: int, side: int, border: int) -> TractScene:
    """Return the visits of a tract."""
    return tract_scenes.scene(5 + tract, patch=(side, side), border=border, tract=tract, centred=tract == 0)


def make_repository(root: Path, scenes: list[TractScene]) -> None:
    """Make a repository with all warps and the sky map."""
    warps = (
        ({"tract": scene.tract, "visit": visit, "patch": patch}, to_masked_image(scene.warps[visit, patch]))
        for scene in scenes
        for visit, patch in scene.covered
    )
    sizes = {scene.tract: tuple(scene.info.getNumPatches()) for scene in scenes}
    butler = butlers.make_repository(root, scenes[0].visits, sizes, warps, warp_type="psf_matched")
    kind = DatasetType("skyMap", dimensions=("skymap",), storageClass="StructuredDataDict", universe=butler.dimensions)
    butler.registry.registerDatasetType(kind)
    butler.put(SkyMap({scene.tract: scene.info for scene in scenes}).to_dict(), kind, skymap="map")


def read_outputs(root: Path, collection: str, scene: TractScene) -> tuple[Models, dict[str, Any], float]:
    """Return the models of a tract, its quality table, and the largest difference of matched - warp - model."""
    butler = Butler.from_config(root, collections=[collection])
    where = {"skymap": "map", "tract": scene.tract}
    models, worst = {}, 0.0
    for visit, patch in scene.covered:
        place = {"instrument": butlers.CAMERA, "visit": visit, "patch": patch, **where}
        model = butler.get("psf_matched_warp_background_diff", place).array
        matched = butler.get("psf_matched_warp_background_matched", place).image.array
        worst = max(worst, float(np.nanmax(np.abs(matched - (scene.warps[visit, patch].image.array + model)))))
        models[visit, patch] = model
    return models, butler.get("psf_matched_warp_background_tract_fit", band="r", **where), worst


def quality_row(name: str, quality: MatchQuality) -> list[str]:
    """Return a row of the table."""
    steps = (quality.patch_seams, quality.visit_steps)
    numbers = [value for one in steps for value in (one.rms, one.largest)]
    return [name, *(f"{value:.2f}" for value in (*numbers, quality.residual)), str(quality.matched)]


def print_visits(quality: dict[str, Any]) -> None:
    """Print the quality table of a tract."""
    names = ("rms", "good_bins", "filled_bins", "good_fraction", "filled_fraction")
    rows = []
    for visit, one in quality["visits"].items():
        numbers = [f"{one[name]:.3g}" if one.get(name) is not None else "" for name in names]
        cost = one.get("cost", {}).get("cost")
        rows.append([visit, one["status"], f"{cost:.3f}" if cost else "", *numbers, ", ".join(one.get("flags", ()))])
    print(table_text(["visit", "status", "cost", *names, "flags"], rows, range(2, 8)))
    print(f"Reference: visit {quality['reference']}. {quality['reason']}\n")


def draw(pairs: list[tuple[TractScene, Models, Models]], path: Path) -> None:
    """Draw the coadds of all tracts before and after, each pair with one stretch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 3.7 * len(pairs)), layout="constrained")
    axes = figure.subplots(len(pairs), 2, squeeze=False)
    for row, (scene, before, after) in zip(axes, pairs, strict=True):
        images = []
        for models in (before, after):
            coadd = tract_scenes.assemble(scene, tract_scenes.coadds(scene, models, noise=True))
            image = blocks(coadd, max(2, scene.scene.shape[0] // 128))
            images.append(image - np.nanmedian(image))
        low, high = np.nanpercentile(images[1], [1, 98])
        for ax, title, image in zip(row, ("before", "after"), images, strict=True):
            shown = ax.imshow(image, origin="lower", cmap="cividis", vmin=low, vmax=high, interpolation="nearest")
            ax.set(title=f"tract {scene.tract}, {title}", xticks=[], yticks=[])
        figure.colorbar(shown, ax=row, shrink=0.8, label="counts above the median")
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patch", type=int, default=512)
    parser.add_argument("--border", type=int, default=32)
    parser.add_argument("--bin", type=int, default=64)
    parser.add_argument("--bps", action="store_true", help="run by BPS, too")
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()

    given.folder.mkdir(parents=True)
    root = given.folder.resolve() / "repo"
    scenes = [make_scene(tract, given.patch, given.border) for tract in TRACTS]
    begin = time.perf_counter()
    make_repository(root, scenes)
    print(f"{sum(len(scene.covered) for scene in scenes)} warps stored in {time.perf_counter() - begin:.0f} s")

    pipeline = Path(evensky.interop.__file__).with_name("match_tract.yaml")
    bins = [
        f"{model}.{axis}={given.bin}"
        for model in ("tractBgModel", "reference.tractBgModel")
        for axis in ("xBin", "yBin")
    ]
    settings = [f"matchTractBackgrounds:match.{one}" for one in (*bins, f"tractBgModel.binning={given.bin // 2}")]
    options = [part for one in settings for part in ("-c", one)]
    where = ["-b", str(root), "-i", "test/warps", "-o", "test/pipetask", "-d", "skymap='map'"]
    begin = time.perf_counter()
    butlers.run_program(
        ["pipetask", "run", *where, "-p", str(pipeline), *options, "--register-dataset-types", "-j", "2"], given.folder
    )
    print(f"pipetask run -j 2: {time.perf_counter() - begin:.0f} s\n")

    header = ["tract", "seams, RMS", "largest", "visit steps, RMS", "largest", "residual", "warps"]
    pairs = []
    for scene in scenes:
        models, table, worst = read_outputs(root, "test/pipetask", scene)
        before = {place: np.zeros_like(model) for place, model in models.items()}
        pairs.append((scene, before, models))
        rows = [
            quality_row(f"{scene.tract}, {name}", tract_scenes.measure(scene, one))
            for name, one in (("before", before), ("after", models))
        ]
        print(table_text(header, rows, range(1, 7)))
        print(f"largest difference of matched - (warp + model): {worst:g}\n")
        print_visits(table)
    if given.picture:
        draw(pairs, given.picture)

    if given.bps:
        (given.folder / "submission.yaml").write_text(butlers.submission(pipeline, root, options=" ".join(options)))
        begin = time.perf_counter()
        butlers.run_program(["bps", "submit", "submission.yaml"], given.folder)
        print(f"bps submit: {time.perf_counter() - begin:.0f} s")
        for scene, _, models in pairs:
            again = read_outputs(root, "test/bps", scene)[0]
            same = all(np.array_equal(model, again[place], equal_nan=True) for place, model in models.items())
            print(f"tract {scene.tract}: {'bit-identical' if same else 'DIFFERENT'}")


if __name__ == "__main__":
    main()
