"""The background of one file, for the command line."""

from __future__ import annotations

__all__ = ["model_file"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._bands import row_bands
from .._checks import shown
from .._core import __version__
from .._text import with_digits
from ..errors import FitsError, InvalidParameterError, TaskError
from ..fits.descriptions import ImageDescription, Selection
from ..fits.opening import real_path
from ..fits.rewriting import NewPlane
from ..fits.scratch import Scratch, stored
from ..image import Exposure, Image, ImageF
from ..image.on_disk import without_variance
from ..io.formats import bad_bits_of, describe, read_image, rewrite_file
from ..math import (
    REDUCE_INTERP_ORDER,
    ApproximateControl,
    BackgroundControl,
    BackgroundMI,
    StatisticsControl,
    makeBackground,
)
from ..math.approximate import Approximate
from ..math.background import fill_with_model
from ..runs.memory_plan import scratch_of_images

# Ends of the names of outputs.
_ENDINGS = (".fits", ".fit", ".fts", ".fits.fz", ".fits.gz", ".fits.bz2", ".fits.xz")


@dataclass(frozen=True)
class _Model:
    """How the background is modelled."""

    bin_size: int
    statistic: str
    style: str
    order: int | None
    num_threads: int
    scratch: Scratch

    def measure(self, exposure: Exposure, statistic: str) -> BackgroundMI:
        """Measure a statistic in bins."""
        width, height = exposure.getDimensions()
        statistics = StatisticsControl()
        statistics.setAndMask(bad_bits_of(exposure))
        nx, ny = -(-width // self.bin_size), -(-height // self.bin_size)
        control = BackgroundControl(self.style, nx, ny, REDUCE_INTERP_ORDER, statistics, statistic)
        return makeBackground(without_variance(exposure.maskedImage), control, num_threads=self.num_threads)

    def evaluate(self, exposure: Exposure, background: BackgroundMI) -> tuple[ImageF, str]:
        """Return the model image and the kind of model."""
        width, height = exposure.getDimensions()
        image = ImageF(self.scratch.zeros((height, width), np.float32), xy0=exposure.getXY0())
        model: BackgroundMI | Approximate = background
        if self.order is not None:
            model = background.getApproximate(ApproximateControl(ApproximateControl.CHEBYSHEV, self.order))
        for rows in row_bands(height, width):
            band = image.bands[rows]
            fill_with_model(band, model, first_row=rows.start, num_threads=self.num_threads)
            stored(image.bands, rows, band)
        if self.order is None:
            return image, background.getAsUsedInterpStyle().name
        return image, f"Chebyshev order {self.order}"


def model_file(
    file: Path,
    *,
    out: Path | None = None,
    subtracted: Path | None = None,
    rms: Path | None = None,
    bin_size: int = 128,
    statistic: str = "MEANCLIP",
    style: str = "AKIMA_SPLINE",
    order: int | None = None,
    selection: Selection | None = None,
    num_threads: int = 1,
    overwrite: bool = False,
    scratch: Path | None = None,
    max_memory: int | str | None = None,
    say: Callable[[str], None],
) -> None:
    """Measure the background of all science images of a file in bins, and write its model.

    Parameters
    ----------
    file : Path
    out, subtracted, rms : Path, optional
        Files for the model, the exposure minus the model, and the modelled standard deviation of the pixels. They are
        copies of `file` in which the pixels of the science images are replaced. Folders that are missing are made.
    bin_size, statistic, style, order : optional
        See `evensky.estimate_background`; names are those of ``lsst.afw.math``.
    selection : Selection, optional
        Choices of images, planes and bad pixels.
    num_threads : int, optional
    overwrite : bool, optional
        Replace earlier files.
    scratch : Path, optional
        Folder in which pixels are kept instead of in memory; by default only if they do not fit into memory.
    max_memory : int or str, optional
        Memory to stay below, as in `evensky.match_files`.
    say : callable
        Called with lines that describe the results.

    Raises
    ------
    evensky.errors.FitsError
        For files that cannot be read or written.
    evensky.errors.InvalidParameterError
        For an output whose name is not that of a FITS file.
    evensky.errors.NotFoundError
        For a plane that the mask does not have.
    evensky.errors.TaskError
        If no bin has a good pixel or, for `rms`, the two good pixels that a standard deviation needs.
    """
    described = describe(file, selection, with_wcs=False)
    inputs = [file]
    for image in described.images:
        inputs += [plane.path for plane in (image.mask, image.variance) if plane is not None]
    targets = [(rms, "deviation"), (out, "model"), (subtracted, "difference")]
    _check_outputs([path for path, _ in targets if path is not None], inputs, overwrite=overwrite)
    wanted = {kind for path, kind in targets if path is not None}
    place, notes = scratch_of_images(
        described.images,
        next((path.parent for path, _ in targets if path is not None), None),
        made=1 + ("deviation" in wanted),
        max_memory=max_memory,
        scratch=scratch,
    )
    model = _Model(bin_size, statistic, style, order, num_threads, place)
    planes: dict[str, dict[int, NewPlane]] = {kind: {} for kind in wanted}
    for note in (*described.notes, *notes):
        say(f"Note: {note}.")
    for image in described.images:
        for kind, plane in _model_image(image, model, wanted, say).items():
            planes[kind][image.hdu] = plane
    for path, kind in targets:
        if path is not None:
            _make_folder(path.parent)
            rewrite_file(file, path, planes[kind], overwrite=overwrite)
            say(f"{f'{kind} written to':<22} {path}")


def _model_image(
    image: ImageDescription, model: _Model, wanted: set[str], say: Callable[[str], None]
) -> dict[str, NewPlane]:
    """Model the background of one image; return the wanted planes by kind."""
    exposure = read_image(image, scratch=model.scratch)
    where = f"{image.path}[{image.name}]" if image.slot else f"{image.path}"
    width, height = exposure.getDimensions()
    measured = model.measure(exposure, model.statistic)
    values, _, errors = measured.getStatsImage().getArrays()
    good = np.isfinite(values)
    if not good.any():
        raise TaskError(f"{where}: no bin of {model.bin_size} px has a good pixel")
    fitted, kind = model.evaluate(exposure, measured)
    ny, nx = values.shape
    bins = f"{nx} x {ny} bins"
    say(f"{where}: {width} x {height} px, {bins} of {model.bin_size} px, {model.statistic}, {kind}")
    for note in exposure.assumptions:
        say(f"Note: {note}.")
    say(f"bins with good pixels  {good.sum()} of {good.size}")
    low, middle, high = np.percentile(values[good], [0, 50, 100])
    noise = float(np.nanmedian(errors[good]))
    low, middle, high = (with_digits(float(value), noise, least=6) for value in (low, middle, high))
    say(f"level of the bins      median {middle}, {low} to {high}")
    say(f"error of a bin         median {noise:.4g}")
    bands = list(row_bands(height, width))
    lowest = np.fmin.reduce([np.fmin.reduce(fitted.bands[rows], axis=None) for rows in bands])
    highest = np.fmax.reduce([np.fmax.reduce(fitted.bands[rows], axis=None) for rows in bands])
    bottom, top = (with_digits(float(value), noise, least=6) for value in (lowest, highest))
    say(f"model                  {bottom} to {top}")
    planes = {}
    if "deviation" in wanted:
        scatter = model.measure(exposure, "STDEVCLIP")
        if not np.isfinite(scatter.getStatsImage().image.array).any():
            raise TaskError(
                f"{where}: no bin of {model.bin_size} px has two good pixels, which a standard deviation needs"
            )
        deviation, kind_of_deviation = model.evaluate(exposure, scatter)
        # A spline may overshoot below 0 beside a steep step; a standard deviation cannot be negative.
        for rows in bands:
            deviation.bands[rows] = np.maximum(deviation.bands[rows], 0)
        planes["deviation"] = _plane(deviation, f"standard deviation, {bins}, STDEVCLIP, {kind_of_deviation}")
    if "model" in wanted:
        planes["model"] = _plane(fitted, f"background, {bins}, {model.statistic}, {kind}")
    if "difference" in wanted:
        pixels = exposure.image
        for rows in bands:
            pixels.bands[rows] -= fitted.bands[rows]
        planes["difference"] = _plane(pixels, f"background subtracted, {bins}, {model.statistic}, {kind}")
    return planes


def _plane(image: Image, what: str) -> NewPlane:
    """Return new pixels with cards and a line of history that say what they are."""
    cards = {
        "EVS_VER": (__version__, "version of evensky"),
        "EVS_STAT": (what.split(",")[0], "what the pixels are"),
    }
    return NewPlane(image.bands, cards, [f"evensky {__version__}: {what}"])


def _check_outputs(outputs: Sequence[Path], inputs: Sequence[Path], *, overwrite: bool) -> None:
    """Raise an error if an output cannot be written, before any pixel is read."""
    for number, path in enumerate(outputs):
        if not path.name.lower().endswith(_ENDINGS):
            raise InvalidParameterError(
                f"{shown(str(path))}: the result is a FITS file, whose name ends with one of {', '.join(_ENDINGS)}"
            )
        if real_path(path) in map(real_path, outputs[:number]):
            raise FitsError(f"{path}: is given for two results; choose another name")
        if real_path(path) in map(real_path, inputs):
            raise FitsError(f"{path}: is an input too, and inputs are never written to; choose another name")
        if path.exists() and not overwrite:
            raise FitsError(f"{path}: exists already; choose another name or allow overwriting with --overwrite")


def _make_folder(folder: Path) -> None:
    """Make a folder, if it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FitsError(f"{folder}: cannot be made: {error.strerror or error}") from error
