"""Comparison of the combining of evensky and of its peers, in turns in one process.

Usage: python tests/benchmarks/compare_combine.py [--speed] [--files] [--demo] [--dithered]
           [--real FILE [FILE ...]] [--tiles FILE [FILE ...] --grid HEADER] [--title NAME]
           [--size 1024] [--number 20] [--repeats 3] [--picture FOLDER]

--speed prints the processor time of each sample with masks, and for evensky with variances too. --files does so for
exposures in files with mask and variance, beside the time that astropy needs to read them. --demo combines the
exposures of the demo before and after the match, by evensky and by ccdproc. --dithered resamples and combines exposures
with pointings and distortions of their own, by evensky and by reproject. --real does the same as --demo for FITS images
on one grid, and --tiles as --dithered for FITS images of any grids. These four print how far pixels differ where the
methods are the same; --picture draws the coadds.

Peers: pip install ccdproc reproject bottleneck numbagg.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import combine_peers
import numpy as np

import evensky
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF
from evensky.io import read_exposure, write_exposure
from evensky.math.combine_planes import CombineOptions, combine_planes
from evensky.simulate import make_dithered_exposures, make_exposures

# The clipping of which peers are capable: about the median, by the standard deviation.
_ASTROPY = {"rounds": 3, "centre": "median", "scatter": "std"}
_CCDPROC = _ASTROPY | {"rounds": 1}


def made_planes(number: int, size: int) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Make images, bit masks and variances: 5 % of the pixels are bad, 0.1 % NaN and 1 % outliers."""
    rng = np.random.default_rng(1)
    images, masks, variances = [], [], []
    for _ in range(number):
        image = rng.normal(100, 5, (size, size)).astype(np.float32)
        image[rng.random(image.shape) < 0.01] += 500
        image[rng.random(image.shape) < 0.001] = np.nan
        images.append(image)
        masks.append((rng.random(image.shape) < 0.05).astype(np.int32))
        variances.append(np.full_like(image, 25.0))
    return images, masks, variances


def _processor_time(call: Callable[[], Any]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def compare_speed(number: int, size: int, repeats: int) -> None:
    """Print the processor time of each sample, the best of some turns, and the ratios to evensky."""
    images, masks, variances = made_planes(number, size)
    bad = [mask != 0 for mask in masks]
    own = {
        "meanclip": CombineOptions(),
        "meanclip by MAD, one round": CombineOptions(rounds=1, centre="median", scatter="mad"),
        "meanclip by MAD": CombineOptions(centre="median", scatter="mad"),
        "median": CombineOptions(statistic="median"),
        "mean": CombineOptions(statistic="mean"),
    }
    calls: dict[str, tuple[str, Callable[[], Any]]] = {}

    def add(kind: str, name: str, options: CombineOptions) -> None:
        def ours(with_variances: bool) -> Any:
            planes = variances if with_variances else None
            return combine_planes(images, masks, planes, bad=1, options=options, num_threads=1)

        calls[f"evensky {name}, mask and variance"] = kind, lambda: ours(True)
        calls[f"evensky {name}, mask"] = kind, lambda: ours(False)

    for kind, options in own.items():
        add(kind, kind, options)
    add("meanclip", "meanclip like astropy", CombineOptions(**_ASTROPY))
    for kind in own:
        for name, peer in combine_peers.peers(kind).items():
            peer([image[:4, :4] for image in images], [mask[:4, :4] for mask in bad])  # imports and compiles
            calls[name] = kind, lambda peer=peer: peer(images, bad)
    best: dict[str, float] = {}
    for _ in range(repeats):
        for name, (_, call) in calls.items():
            best[name] = min(best.get(name, np.inf), _processor_time(call))
    print(f"\n{number} exposures of {size} x {size} px, {evensky.simd_level()}, one thread\n")
    print("| statistic | who | ns a sample | evensky, mask and variance, is faster by | evensky, mask |")
    print("| --- | --- | ---: | ---: | ---: |")
    for name, (kind, _) in calls.items():
        seconds = best[name]
        whole, masked = (seconds / best[f"evensky {kind}, {planes}"] for planes in ("mask and variance", "mask"))
        print(f"| {kind} | {name} | {seconds / number / size**2 * 1e9:.2f} | {whole:.1f} | {masked:.1f} |")


def _read_with_astropy(paths: Sequence[Path], *, native: bool) -> None:
    """Read all planes of files into memory, as they are stored or as numbers of this machine."""
    from astropy.io import fits

    for path in paths:
        with fits.open(path, memmap=False) as hdus:
            for hdu in hdus:
                if hdu.data is not None and native:
                    np.array(hdu.data, hdu.data.dtype.newbyteorder("="))


def _combine_with_ccdproc(paths: Sequence[Path]) -> None:
    import astropy
    import ccdproc

    astropy.log.setLevel("WARNING")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ccdproc.combine(
            [str(path) for path in paths],
            method="average",
            sigma_clip=True,
            sigma_clip_func=np.nanmedian,
            sigma_clip_dev_func=np.nanstd,
            mem_limit=1e9,
            unit="adu",
            hdu=1,
            hdu_mask=None,
        )


def compare_files(number: int, size: int, repeats: int) -> None:
    """Print the processor time and the elapsed time of a combination of files, the best of some turns."""
    images, masks, variances = made_planes(number, size)
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for index, (image, mask, variance) in enumerate(zip(images, masks, variances, strict=True)):
            exposure = ExposureF(MaskedImageF(ImageF(image), Mask(mask), ImageF(variance)))
            paths.append(Path(folder) / f"exposure_{index:03}.fits")
            write_exposure(exposure, paths[-1])
        del images, masks, variances
        out = Path(folder) / "coadd.fits"
        calls: dict[str, Callable[[], Any]] = {
            "astropy, reading of bytes": lambda: _read_with_astropy(paths, native=False),
            "astropy, reading of numbers": lambda: _read_with_astropy(paths, native=True),
            "evensky clipped mean, mask and variance": lambda: evensky.combine_files(paths, out, overwrite=True),
            "evensky median, mask and variance": lambda: evensky.combine_files(
                paths, out, statistic="median", overwrite=True
            ),
        }
        if combine_peers.installed("ccdproc"):
            calls["ccdproc clipped mean, image alone"] = lambda: _combine_with_ccdproc(paths)
        best: dict[str, list[float]] = {}
        for _ in range(repeats):
            for name, call in calls.items():
                start = time.perf_counter()
                spent = [_processor_time(call), time.perf_counter() - start]
                best[name] = [min(pair) for pair in zip(best.get(name, spent), spent, strict=True)]
    reading = best["astropy, reading of numbers"]
    print(f"\n{number} files of {size} x {size} px with mask and variance\n")
    print("| who | processor [s] | elapsed [s] | processor, reading of numbers = 1 |")
    print("| --- | ---: | ---: | ---: |")
    for name, (processor, elapsed) in best.items():
        print(f"| {name} | {processor:.2f} | {elapsed:.2f} | {processor / reading[0]:.2f} |")


def largest_difference(one: np.ndarray, other: np.ndarray) -> str:
    """Return the largest difference of two coadds, and whether they have the same pixels without data."""
    both = np.isfinite(one) & np.isfinite(other)
    alone = int(np.sum(np.isfinite(one) != np.isfinite(other)))
    difference = float(np.max(np.abs(one[both].astype(float) - other[both]), initial=0.0))
    size = float(np.median(np.abs(other[both])))
    return f"largest difference {difference:.3g} of {size:.4g} in {both.sum()} px; {alone} px in one alone"


def seams(coadd: np.ndarray, number: np.ndarray) -> tuple[float, float]:
    """Return the typical step between neighbouring pixels at the edges of exposures, and elsewhere."""
    at_edges, elsewhere = [], []
    for axis in (0, 1):
        step, changed = np.diff(coadd, axis=axis), np.diff(number, axis=axis) != 0
        known = np.isfinite(step)
        at_edges.append(step[changed & known])
        elsewhere.append(step[~changed & known])
    return tuple(float(np.sqrt(np.median(np.concatenate(some) ** 2))) for some in (at_edges, elsewhere))


def compare_on_one_grid(
    title: str, exposures: Sequence[Any], images: Callable[[Any], tuple[np.ndarray, np.ndarray]], folder: Path | None
) -> None:
    """Combine exposures on one grid before and after the match, by evensky and its peers."""
    result = evensky.match_all(exposures, pictures=False)
    print(f"\n{title}: {result.run.summary}")
    shown: dict[str, np.ndarray] = {}
    for name, some in (("before", exposures), ("after", result.exposures)):
        planes = [images(one) for one in some]
        arrays, bad = [image for image, _ in planes], [mask for _, mask in planes]
        methods: dict[str, tuple[dict[str, Any], combine_peers.Peer, str]] = {
            "clipped mean": (_CCDPROC, combine_peers.ccdproc_clipped, "ccdproc"),
            "clipped mean, 3 rounds": (_ASTROPY, combine_peers.astropy_clipped, "astropy"),
            "median": ({"statistic": "median"}, combine_peers.ccdproc_median, "ccdproc"),
        }
        for method, (options, peer, package) in methods.items():
            ours = evensky.combine(some, **options).exposure.image.array
            if method == "clipped mean":
                shown[f"{name}, evensky"] = ours
            if combine_peers.installed(package):
                theirs = peer(arrays, bad)
                print(f"  {name}, {method}, evensky and {package}: {largest_difference(ours, theirs)}")
                if method == "clipped mean":
                    shown[f"{name}, {package}"] = theirs
    if folder is not None:
        draw(shown, folder / f"{title.replace(' ', '-')}.png")


def bad_of(exposure: Any) -> np.ndarray:
    """Return which pixels of an exposure do not count."""
    bad = exposure.mask.array & exposure.mask.getPlaneBitMask(["NO_DATA", "BAD", "SAT", "CR"])
    return (bad != 0) | ~np.isfinite(exposure.image.array)


def compare_on_the_sky(title: str, exposures: Sequence[Any], folder: Path | None, grid: Path | None = None) -> None:
    """Resample and combine exposures before and after the match, by evensky and by reproject."""
    for exposure in exposures:
        exposure.metadata["BUNIT"] = "MJy/sr"  # reproject knows no counts per pixel, which depend on its area
    result = evensky.match_all(exposures, pictures=False)
    print(f"\n{title}: {result.run.summary}")
    shown: dict[str, np.ndarray] = {}
    for name, some in (("before", exposures), ("after", result.exposures)):
        for statistic in ("mean", "median"):
            started = time.process_time()
            coadd = evensky.combine(some, statistic=statistic, wcs=grid)
            spent = time.process_time() - started
            ours = coadd.exposure.image.array
            if statistic == "mean":
                shown[f"{name}, evensky"] = ours
            if statistic == "median" or not combine_peers.installed("reproject"):
                continue  # reproject has no median
            inputs = [(np.where(bad_of(one), np.nan, one.image.array), one.wcs) for one in some]
            started = time.process_time()
            theirs = combine_peers.reproject_coadd(inputs, coadd.exposure.wcs, ours.shape, statistic=statistic)
            print(
                f"  {name}, {statistic}, evensky and reproject: {largest_difference(ours, theirs)}; "
                f"{spent:.1f} s and {time.process_time() - started:.1f} s"
            )
            if statistic == "mean":
                shown[f"{name}, reproject"] = theirs
        at_edges, elsewhere = seams(shown[f"{name}, evensky"], coadd.number)
        print(f"  {name}: steps at the edges of exposures {at_edges:.3f}, elsewhere {elsewhere:.3f}")
    if folder is not None:
        draw(shown, folder / f"{title}.png")


def draw(coadds: dict[str, np.ndarray], path: Path) -> None:
    """Draw coadds on one stretch that shows the sky."""
    from matplotlib.figure import Figure

    columns = max(1, len(coadds) // 2)
    figure = Figure(figsize=(4.2 * columns, 8.2), layout="constrained")
    axes = figure.subplots(2, columns, squeeze=False)
    spans = []
    for coadd in coadds.values():
        low, middle, high = np.nanpercentile(coadd, [16, 50, 84])
        spans.append((high - low) / 2)
    span = 2.5 * min(spans)
    for ax, (name, coadd) in zip(axes.ravel(), coadds.items(), strict=False):
        middle = np.nanmedian(coadd)
        shown = ax.imshow(coadd - middle, origin="lower", cmap="gray", vmin=-span, vmax=span)
        ax.set_title(name)
        ax.set_axis_off()
    figure.colorbar(shown, ax=axes, shrink=0.6).set_label("counts about the median")
    figure.savefig(path, dpi=100)
    print(f"  {path}")


def main() -> None:
    """Run the comparisons that are asked for; all but that of real files by default."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--dithered", action="store_true")
    parser.add_argument("--real", type=Path, nargs="+")
    parser.add_argument("--tiles", type=Path, nargs="+")
    parser.add_argument("--grid", type=Path, help="file with the grid of the tiles")
    parser.add_argument("--title", default="real", help="name of the real exposures")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--number", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    every = not (args.speed or args.files or args.demo or args.dithered or args.real or args.tiles)
    if args.picture is not None:
        args.picture.mkdir(parents=True, exist_ok=True)
    if args.speed or every:
        compare_speed(args.number, args.size, args.repeats)
    if args.files or every:
        compare_files(args.number, args.size, args.repeats)
    if args.demo or every:
        exposures = [one.exposure for one in make_exposures(6, (args.size, args.size), 2026)]
        compare_on_one_grid("demo", exposures, lambda one: (one.image.array, bad_of(one)), args.picture)
    if args.dithered or every:
        options = {"dither": 0.3 * args.size, "distortion": 3 * args.size / 1024}
        simulated = make_dithered_exposures(6, (args.size, args.size), 2026, **options)
        compare_on_the_sky("dithered", [one.exposure for one in simulated], args.picture)
    if args.tiles:
        compare_on_the_sky(args.title, [read_exposure(path) for path in args.tiles], args.picture, args.grid)
    if args.real:
        from astropy.io import fits

        arrays = [fits.getdata(path).astype(np.float32) for path in args.real]
        compare_on_one_grid(args.title, arrays, lambda one: (one, ~np.isfinite(one)), args.picture)


if __name__ == "__main__":
    main()
