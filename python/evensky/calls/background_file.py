"""The background of one file, for the command line."""

from __future__ import annotations

__all__ = ["model_file"]

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from .._core import __version__
from .._text import with_digits
from ..errors import FitsError, TaskError
from ..fits.opening import real_path
from ..fits.planes import plane_file
from ..fits.scratch import Scratch
from ..image import Exposure, ImageF
from ..image.bad_bits import bad_bits, plane_names
from ..io import read_exposure, write_exposure, write_image
from ..math import (
    REDUCE_INTERP_ORDER,
    ApproximateControl,
    BackgroundControl,
    BackgroundMI,
    StatisticsControl,
    makeBackground,
)
from ..math.background import fill_with_model


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
    mask: str | None = None,
    bad_planes: str | None = None,
    num_threads: int = 1,
    overwrite: bool = False,
    scratch: Path | None = None,
    say: Callable[[str], None],
) -> None:
    """Measure the background of a file in bins, and write its model.

    Parameters
    ----------
    file : Path
    out, subtracted, rms : Path, optional
        Files for the model, the exposure minus the model, and the modelled standard deviation of the pixels.
    bin_size, statistic, style, order : optional
        See `evensky.estimate_background`; names are those of ``lsst.afw.math``.
    mask : str, optional
        Location of the mask, if not the usual one; see `evensky.io.read_exposure`.
    bad_planes : str, optional
        Names of mask planes whose pixels do not count, separated by commas.
    num_threads : int, optional
    overwrite : bool, optional
        Replace earlier files.
    scratch : Path, optional
        Folder in which pixels are kept instead of in memory.
    say : callable
        Called with lines that describe the results.

    Raises
    ------
    evensky.errors.FitsError
        For files that cannot be read or written.
    evensky.errors.NotFoundError
        For a plane that the mask does not have.
    evensky.errors.TaskError
        If no bin has a good pixel or, for `rms`, the two good pixels that a standard deviation needs.
    """
    inputs = [file] if mask is None else [file, plane_file(mask) or file]
    _check_outputs([path for path in (out, subtracted, rms) if path is not None], inputs, overwrite=overwrite)
    exposure = read_exposure(file, mask=mask, scratch=scratch)
    width, height = exposure.getDimensions()
    nx, ny = -(-width // bin_size), -(-height // bin_size)
    statistics = StatisticsControl()
    statistics.setAndMask(bad_bits(exposure.mask, plane_names(bad_planes)))

    def measure(what: str) -> BackgroundMI:
        control = BackgroundControl(style, nx, ny, REDUCE_INTERP_ORDER, statistics, what)
        return makeBackground(exposure.maskedImage, control, num_threads=num_threads)

    def evaluate(background: BackgroundMI) -> tuple[ImageF, str]:
        """Return the model image and the kind of model."""
        image = ImageF(Scratch(scratch).zeros((height, width), np.float32), xy0=exposure.getXY0())
        if order is None:
            fill_with_model(image.array, background, num_threads=num_threads)
            return image, background.getAsUsedInterpStyle().name
        control = ApproximateControl(ApproximateControl.CHEBYSHEV, order)
        fill_with_model(image.array, background.getApproximate(control), num_threads=num_threads)
        return image, f"Chebyshev order {order}"

    measured = measure(statistic)
    values, _, errors = measured.getStatsImage().getArrays()
    good = np.isfinite(values)
    if not good.any():
        raise TaskError(f"{file}: no bin of {bin_size} px has a good pixel")
    model, kind = evaluate(measured)
    bins = f"{nx} x {ny} bins"
    say(f"{file}: {width} x {height} px, {bins} of {bin_size} px, {statistic}, {kind}")
    for note in exposure.assumptions:
        say(f"Note: {note}.")
    say(f"bins with good pixels  {good.sum()} of {good.size}")
    low, middle, high = np.percentile(values[good], [0, 50, 100])
    noise = float(np.nanmedian(errors[good]))
    low, middle, high = (with_digits(float(value), noise, least=6) for value in (low, middle, high))
    say(f"level of the bins      median {middle}, {low} to {high}")
    say(f"error of a bin         median {noise:.4g}")
    lowest, highest = (reduce(model.array, axis=None) for reduce in (np.fmin.reduce, np.fmax.reduce))
    bottom, top = (with_digits(float(value), noise, least=6) for value in (lowest, highest))
    say(f"model                  {bottom} to {top}")
    if rms is not None:
        scatter = measure("STDEVCLIP")
        if not np.isfinite(scatter.getStatsImage().image.array).any():
            raise TaskError(f"{file}: no bin of {bin_size} px has two good pixels, which a standard deviation needs")
        deviation, kind_of_deviation = evaluate(scatter)
        # A spline may overshoot below 0 beside a steep step; a standard deviation cannot be negative.
        np.maximum(deviation.array, 0, out=deviation.array)
        _write(deviation, rms, exposure, f"standard deviation, {bins}, STDEVCLIP, {kind_of_deviation}", overwrite)
        say(f"deviation written to   {rms}")
    if out is not None:
        _write(model, out, exposure, f"background, {bins}, {statistic}, {kind}", overwrite)
        say(f"model written to       {out}")
    if subtracted is not None:
        pixels = exposure.image
        pixels -= model
        history = [f"evensky {__version__}: background subtracted, {bins}, {statistic}, {kind}"]
        write_exposure(exposure, subtracted, overwrite=overwrite, history=history)
        say(f"difference written to  {subtracted}")


def _check_outputs(outputs: Sequence[Path], inputs: Sequence[Path], *, overwrite: bool) -> None:
    """Raise an error if an output cannot be written, before anything is read."""
    for number, path in enumerate(outputs):
        if real_path(path) in map(real_path, outputs[:number]):
            raise FitsError(f"{path}: is given for two results; choose another name")
        if real_path(path) in map(real_path, inputs):
            raise FitsError(f"{path}: is an input too, and inputs are never written to; choose another name")
        if path.exists() and not overwrite:
            raise FitsError(f"{path}: exists already; choose another name or allow overwriting with --overwrite")


def _write(image: ImageF, path: Path, exposure: Exposure, what: str, overwrite: bool) -> None:
    """Write an image with the header of the exposure and a line of history."""
    header = exposure.metadata.copy()
    header.add_history(f"evensky {__version__}: {what}")
    write_image(image, path, overwrite=overwrite, header=header)
