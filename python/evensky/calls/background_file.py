"""The backgrounds of files, for the command line."""

from __future__ import annotations

__all__ = ["BinOptions", "FileBackground", "ImageBackground", "filled_outputs", "model_file", "model_files"]

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from .._bands import row_bands
from .._checks import shown
from .._core import __version__
from .._text import printable, with_digits
from ..errors import EvenskyError, FitsError, InvalidParameterError, TaskError
from ..fits.descriptions import ImageDescription, Selection
from ..fits.opening import real_path
from ..fits.rewriting import NewPlane
from ..fits.scratch import Scratch, stored
from ..fits.writing import write_hdus
from ..image import Exposure, Image, ImageF
from ..image.foreign import as_planes
from ..image.on_disk import is_on_disk, without_variance
from ..io.file_names import fill_pattern, refuse_twice, unique_labels
from ..io.formats import bad_bits_of, describe, read_image, rewrite_file
from ..math.background_mesh import SOURCES_ARE_MASKED
from ..runs.memory_plan import scratch_of_images
from .background import BackgroundEstimate, estimate_background, unflagged_if_empty
from .source_mask import SourceMask, find_sources
from .source_options import SourceOptions

# Ends of the names of outputs.
_ENDINGS = (".fits", ".fit", ".fts", ".fits.fz", ".fits.gz", ".fits.bz2", ".fits.xz")


# Places in the name of an output that the input fills.
_FILLED = re.compile(r"\{(stem|name|dir)\b")
# Comment of the card that names the estimator.
_ESTIMATOR = "estimator of the levels of the bins"
_SMOOTHED = "number of bins whose levels were smoothed"
# Planes of float32, about, that are in memory while sources are found.
_PLANES_OF_SOURCES = 7


@dataclass(frozen=True)
class ImageBackground:
    """The background of one image of a file.

    Attributes
    ----------
    name : str
        Name of the image in its file; "" if it is the only one.
    width, height : int
        Size in pixels.
    nx, ny : int
        Numbers of bins.
    good_bins : int
        Number of bins whose values are measured, smoothed or not; the others are replaced from their neighbours.
    kind : str
        Kind of the model.
    level, low, high : float
        Median, least and largest value of the bins, in the unit of the pixels.
    error : float
        Median error of a bin.
    model_low, model_high : float
        Range of the model.
    rms : float or None
        Median of the standard deviations in the bins; None if it was not asked for.
    sources : SourceMask or None
        The sources that were masked; None if they were not to be found.
    unit : str
        Unit of the pixels; "" if unknown.
    notes : tuple of str
        What was assumed and what is doubtful, in sentences without a full stop.
    estimator, estimator_reason : str
        Estimator of the levels of the bins, or their statistic, as it was used, and why; see
        `evensky.calls.background.BackgroundEstimate`.
    smoothed_bins : int
        Number of bins whose levels were smoothed, as they scatter as noise does.
    """

    name: str
    width: int
    height: int
    nx: int
    ny: int
    good_bins: int
    kind: str
    level: float
    low: float
    high: float
    error: float
    model_low: float
    model_high: float
    rms: float | None = None
    sources: SourceMask | None = None
    unit: str = ""
    notes: tuple[str, ...] = ()
    estimator: str = ""
    estimator_reason: str = ""
    smoothed_bins: int = 0


@dataclass
class FileBackground:
    """The backgrounds of the images of one file.

    Attributes
    ----------
    path : Path
    label : str
        Short name of the file that differs from those of the others.
    images : list of ImageBackground
        Empty if the file failed.
    notes : list of str
        Notes on the file.
    error : str
        Why the file failed; "" if it did not.
    """

    path: Path
    label: str
    images: list[ImageBackground] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: str = ""


@dataclass(frozen=True)
class BinOptions:
    """Options of `evensky.estimate_background` that say how bins are measured; None for its defaults."""

    sigma: float | tuple[float, float] | None = None
    rounds: int | None = None
    centre: str | None = None
    scatter: str | None = None
    estimator: str | None = None
    rms_estimator: str | None = None
    edge_method: str | None = None
    exclude_percentile: float | None = None
    filter_size: int | tuple[int, int] | None = None
    filter_threshold: float | None = None
    filter_sigma: float | None = None
    smooth_bins: bool | None = None

    @property
    def given(self) -> dict[str, Any]:
        """The options that are not None."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class _Model:
    """How the background is modelled."""

    bin_size: int | tuple[int, int]
    statistic: str | None
    style: str
    order: int | None
    bins: BinOptions
    sources: SourceOptions | None
    num_threads: int
    scratch: Scratch

    @property
    def size(self) -> str:
        """Size of the bins in pixels, for people: width before height, as that of the image."""
        size_y, size_x = self._size
        return f"{size_x}" if size_x == size_y else f"{size_x} x {size_y}"

    @property
    def _size(self) -> tuple[int, int]:
        return self.bin_size if isinstance(self.bin_size, tuple) else (self.bin_size, self.bin_size)

    def level(self, estimate: BackgroundEstimate) -> str:
        """Return what the level of a bin is, for people."""
        if self.statistic is not None:
            return ", ".join([self.statistic.upper(), *self._options_of_bins()])
        by_choice = "" if self.bins.estimator == estimate.estimator else f" ({self.reason(estimate)})"
        return ", ".join([f"estimator {estimate.estimator}{by_choice}", *self._options_of_bins()])

    def reason(self, estimate: BackgroundEstimate) -> str:
        """Return why the estimator is used."""
        if self.bins.estimator is None and self.statistic is None and self.sources is not None:
            return SOURCES_ARE_MASKED
        return estimate.estimator_reason

    @property
    def deviation(self) -> str:
        """What the scatter of a bin is, for people."""
        name = "STDEVCLIP" if self.statistic is not None else f"estimator {self.bins.rms_estimator or 'std'}"
        return ", ".join([name, *self._options_of_bins()])

    @property
    def _estimator(self) -> str:
        """The estimator; beside masked sources, the default is that of `evensky.estimate_background` with them."""
        return self.bins.estimator or ("auto" if self.sources is None else "mean")

    def _options_of_bins(self) -> list[str]:
        """Return the options that are given, for people, but not the estimators."""
        given = {name: value for name, value in self.bins.given.items() if not name.endswith("estimator")}
        texts = {
            name: ",".join(f"{one:g}" for one in value) if isinstance(value, tuple) else f"{value}"
            for name, value in given.items()
        }
        return [f"{name} {text}" for name, text in texts.items()]

    def scale(self, bins: tuple[int, ...], shape: tuple[int, int]) -> tuple[float, float]:
        """Return the numbers of bins for each pixel along y and x, of an image of a shape in pixels."""
        if self.bins.edge_method in ("pad", "crop") or self.style.lower() == "bicubic_spline":
            size_y, size_x = self._size
            return 1 / size_y, 1 / size_x
        return bins[0] / shape[0], bins[1] / shape[1]

    def measure(self, exposure: Exposure, sources: SourceMask | None) -> BackgroundEstimate:
        """Measure the bins, without the pixels of sources."""
        weights = None if sources is None else ~sources.mask
        image, bits = without_variance(exposure.maskedImage), bad_bits_of(exposure)
        with unflagged_if_empty():
            return estimate_background(image, None, bits, weights=weights, **self._options())

    def _options(self) -> dict[str, Any]:
        return {
            "bin_size": self.bin_size,
            "statistic": self.statistic,
            "style": self.style,
            "order": self.order,
            "num_threads": self.num_threads,
            **({"estimator": self._estimator} if self.statistic is None else {}),
            **self.bins.given,
        }

    def find_sources(self, exposure: Exposure, where: str) -> SourceMask | None:
        """Find the sources that are to be masked; return None if there are none to be found."""
        if self.sources is None:
            return None
        if is_on_disk(exposure.maskedImage):
            raise TaskError(
                f"{where}: sources are found in images that are in memory, for which this one is too large; allow more "
                "with --max-memory (max_memory), without --scratch, or give a mask of the sources"
            )
        planes = as_planes(exposure.maskedImage)

        def measure(rejected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            estimate = estimate_background(planes.image, rejected, **self._options())
            return estimate.image, estimate.rms_image

        try:
            return find_sources(planes, bad_bits_of(exposure), self.sources, measure)
        except TaskError as error:
            raise TaskError(f"{where}: {error}") from error

    def evaluate(self, exposure: Exposure, estimate: BackgroundEstimate, *, rms: bool = False) -> ImageF:
        """Return the model image, or that of the rms."""
        width, height = exposure.getDimensions()
        image = ImageF(self.scratch.zeros((height, width), np.float32), xy0=exposure.getXY0())
        for rows in row_bands(height, width):
            band = image.bands[rows]
            estimate.write_rows(band, rows.start, rms=rms)
            stored(image.bands, rows, band)
        return image


def model_file(
    file: Path,
    *,
    out: Path | None = None,
    subtracted: Path | None = None,
    rms: Path | None = None,
    mesh: Path | None = None,
    bin_size: int | tuple[int, int] = 128,
    statistic: str | None = None,
    style: str = "AKIMA_SPLINE",
    order: int | None = None,
    bins: BinOptions | None = None,
    mask_sources: SourceOptions | None = None,
    selection: Selection | None = None,
    num_threads: int = 1,
    overwrite: bool = False,
    scratch: Path | None = None,
    max_memory: int | str | None = None,
    say: Callable[[str], None],
) -> list[ImageBackground]:
    """Measure the background of all science images of a file in bins, and write its model.

    Parameters
    ----------
    file : Path
    out, subtracted, rms : Path, optional
        Files for the model, the exposure minus the model, and the modelled standard deviation of the pixels. They are
        copies of `file` in which the pixels of the science images are replaced. Folders that are missing are made.
    mesh : Path, optional
        File for the values of the bins. For each science image, it has the HDUs MESH, MESH_ERROR and MESH_RMS: the
        level, its error, and the standard deviation of the pixels, with the number of the image as EXTVER. LTM and
        LTV cards say where the bins are on the image.
    bin_size, statistic, style, order : optional
        See `evensky.estimate_background`; names are those of ``lsst.afw.math``.
    bins : BinOptions, optional
        Clipping, estimators, edges and filter of the bins.
    mask_sources : SourceOptions, optional
        Leave out sources, which are found in this way.
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

    Returns
    -------
    list of ImageBackground
        One for each science image.

    Raises
    ------
    evensky.errors.FitsError
        For files that cannot be read or written.
    evensky.errors.InvalidParameterError
        For an output whose name is not that of a FITS file, for options that do not go together, or if photutils is
        needed and not installed.
    evensky.errors.NotFoundError
        For a plane that the mask does not have.
    evensky.errors.RuntimeError
        If `exclude_percentile` excludes all bins.
    evensky.errors.TaskError
        If no bin has a good pixel or, for `rms` and `mesh`, the two good pixels that a standard deviation needs; if
        sources cover the whole image, or are to be found in an image that does not fit into memory.
    """
    described = describe(file, selection, with_wcs=False)
    inputs = [file, *_companions(described.images)]
    targets = [(rms, "deviation"), (out, "model"), (subtracted, "difference")]
    if mesh is not None and not mesh.name.lower().endswith(_ENDINGS[:3]):
        raise InvalidParameterError(
            f"{shown(str(mesh))}: the mesh is a FITS file that is not compressed, whose name ends with one of "
            f"{', '.join(_ENDINGS[:3])}"
        )
    wanted = {kind for path, kind in targets if path is not None}
    _check_outputs([path for path in (rms, out, subtracted, mesh) if path is not None], inputs, overwrite=overwrite)
    place, notes = scratch_of_images(
        described.images,
        next((path.parent for path in (rms, out, subtracted, mesh) if path is not None), None),
        made=1 + ("deviation" in wanted),
        meanwhile=0 if mask_sources is None else _PLANES_OF_SOURCES,
        max_memory=max_memory,
        scratch=scratch,
    )
    model = _Model(bin_size, statistic, style, order, bins or BinOptions(), mask_sources, num_threads, place)
    if mesh is not None:
        wanted.add("mesh")
    planes: dict[str, dict[int, Any]] = {kind: {} for kind in wanted}
    results = []
    for note in (*described.notes, *notes):
        say(f"Note: {note}.")
    for image in described.images:
        found, made = _model_image(image, model, wanted, say)
        results.append(found)
        for kind, plane in made.items():
            planes[kind][image.hdu] = plane
    for path, kind in targets:
        if path is not None:
            _make_folder(path.parent)
            rewrite_file(file, path, planes[kind], overwrite=overwrite)
            say(f"{f'{kind} written to':<22} {path}")
    if mesh is not None:
        _make_folder(mesh.parent)
        _write_meshes(mesh, file, planes["mesh"], overwrite=overwrite)
        say(f"{'mesh written to':<22} {mesh}")
    return results


def _model_image(
    image: ImageDescription, model: _Model, wanted: set[str], say: Callable[[str], None]
) -> tuple[ImageBackground, dict[str, Any]]:
    """Model the background of one image; return it, and the wanted planes by kind."""
    exposure = read_image(image, scratch=model.scratch)
    where = f"{image.path}[{image.name}]" if image.slot else f"{image.path}"
    width, height = exposure.getDimensions()
    sources = model.find_sources(exposure, where)
    estimate = model.measure(exposure, sources)
    stats, replaced = estimate.stats, estimate.replaced
    values, errors = stats.value, stats.error
    good = np.isfinite(values)
    if not good.any():
        raise TaskError(f"{where}: no bin of {model.size} px has a good pixel")
    fitted = model.evaluate(exposure, estimate)
    kind = estimate.kind
    ny, nx = values.shape
    bins = f"{nx} x {ny} bins"
    level_of_bins = model.level(estimate)
    say(f"{where}: {width} x {height} px, {bins} of {model.size} px, {level_of_bins}, {kind}")
    notes = (*exposure.assumptions, *(() if sources is None else sources.notes))
    for note in notes:
        say(f"Note: {note}.")
    if sources is not None:
        say(f"sources                {sources.number} on {sources.fraction:.1%} of the good pixels")
    say(f"bins measured          {np.count_nonzero(good & ~replaced)} of {good.size}")
    if replaced.any():
        say(f"bins replaced          {np.count_nonzero(replaced)}, from their neighbours")
    if smoothed := int(np.count_nonzero(estimate.smoothed)):
        say(f"bins smoothed          {smoothed}, as they scatter as noise does")
        level_of_bins += f", {smoothed} smoothed"
    low, middle, high = np.percentile(values[good], [0, 50, 100])
    noise = float(np.nanmedian(errors[good]))
    shown_low, shown_middle, shown_high = (with_digits(float(value), noise, least=6) for value in (low, middle, high))
    say(f"level of the bins      median {shown_middle}, {shown_low} to {shown_high}")
    say(f"error of a bin         median {noise:.4g}")
    bands = list(row_bands(height, width))
    lowest = np.fmin.reduce([np.fmin.reduce(fitted.bands[rows], axis=None) for rows in bands])
    highest = np.fmax.reduce([np.fmax.reduce(fitted.bands[rows], axis=None) for rows in bands])
    bottom, top = (with_digits(float(value), noise, least=6) for value in (lowest, highest))
    say(f"model                  {bottom} to {top}")
    planes: dict[str, Any] = {}
    rms = None
    if wanted & {"deviation", "mesh"}:
        scatters = estimate.background_rms_mesh
        if not estimate.has_scatter:
            raise TaskError(f"{where}: no bin of {model.size} px has two good pixels, which a standard deviation needs")
        rms = float(np.nanmedian(scatters))
        say(f"rms of the bins        median {rms:.4g}")
    if "mesh" in wanted:
        scale = model.scale(values.shape, (height, width))
        planes["mesh"] = _Mesh(
            values,
            errors,
            scatters,
            image.name,
            f"{bins}, {level_of_bins}",
            scale,
            estimate.estimator,
            smoothed,
            image.unit,
        )
    if "deviation" in wanted:
        deviation = model.evaluate(exposure, estimate, rms=True)
        planes["deviation"] = _plane(deviation, f"standard deviation, {bins}, {model.deviation}, {kind}", estimate)
    if "model" in wanted:
        planes["model"] = _plane(fitted, f"background, {bins}, {level_of_bins}, {kind}", estimate)
    if "difference" in wanted:
        pixels = exposure.image
        for rows in bands:
            pixels.bands[rows] -= fitted.bands[rows]
        planes["difference"] = _plane(pixels, f"background subtracted, {bins}, {level_of_bins}, {kind}", estimate)
    found = ImageBackground(
        name=image.name if image.slot else "",
        width=width,
        height=height,
        nx=nx,
        ny=ny,
        good_bins=int(np.count_nonzero(good & ~replaced)),
        smoothed_bins=smoothed,
        kind=kind,
        estimator=estimate.estimator,
        estimator_reason=model.reason(estimate),
        level=float(middle),
        low=float(low),
        high=float(high),
        error=noise,
        model_low=float(lowest),
        model_high=float(highest),
        rms=rms,
        sources=sources,
        unit=image.unit,
        notes=notes,
    )
    return found, planes


@dataclass(frozen=True)
class _Mesh:
    """Values of the bins of one image.

    Attributes
    ----------
    values, errors, scatters : ndarray, shape (ny, nx)
    name : str
        Name of the image.
    what : str
        What the bins are, for people.
    scale : (float, float)
        Bins for each pixel along y and x.
    estimator : str
        Estimator of the levels.
    smoothed : int
        Number of bins whose levels were smoothed.
    unit : str
        Unit of the pixels; "" if it is not known.
    """

    values: np.ndarray
    errors: np.ndarray
    scatters: np.ndarray
    name: str
    what: str
    scale: tuple[float, float]
    estimator: str
    smoothed: int
    unit: str


def _write_meshes(path: Path, file: Path, meshes: Mapping[int, _Mesh], *, overwrite: bool) -> None:
    """Write the values of the bins of the images of a file."""
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    primary.header["EVS_VER"] = (__version__, "version of evensky")
    primary.header["EVS_STAT"] = ("background mesh", "what the pixels are")
    hdus = [primary]
    for number, (hdu, mesh) in enumerate(meshes.items(), start=1):
        planes = {"MESH": mesh.values, "MESH_ERROR": mesh.errors, "MESH_RMS": mesh.scatters}
        for name, values in planes.items():
            made = fits.ImageHDU(np.array(values, dtype=np.float32), name=name, ver=number)
            if mesh.unit:
                made.header["BUNIT"] = (mesh.unit, "unit of the pixels")
            made.header["EVS_STAT"] = ("background mesh", "what the pixels are")
            made.header["EVS_ESTM"] = (mesh.estimator, _ESTIMATOR)
            made.header["EVS_NSMO"] = (mesh.smoothed, _SMOOTHED)
            made.header["EVS_HDU"] = (hdu, "number of the HDU of the image in its file")
            for axis, scale in ((1, mesh.scale[1]), (2, mesh.scale[0])):
                # Bins are even to a pixel: the centre of bin i, from 1, is at pixel (i - LTV) / LTM of the image.
                made.header[f"LTM{axis}_{axis}"] = scale
                made.header[f"LTV{axis}"] = 0.5 - 0.5 * scale
            made.header.add_history(f"evensky {__version__}: {name}, {mesh.what} of {printable(file.name)}")
            hdus.append(made)
    write_hdus(fits.HDUList(hdus), path, overwrite)


def _companions(images: Sequence[ImageDescription]) -> list[Path]:
    """Return the files of the masks and variances of images."""
    planes = [plane for image in images for plane in (image.mask, image.variance)]
    return [plane.path for plane in planes if plane is not None]


def filled_outputs(files: Sequence[Path], outputs: Mapping[str, Path | None]) -> list[dict[str, Any]]:
    """Return the outputs of each file by the names of their patterns.

    Parameters
    ----------
    files : sequence of Path
    outputs : mapping of str to Path or None
        Patterns, see `model_files`; None for what is not wanted.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If a pattern cannot be filled in, or names one file for several inputs.
    """
    labels = unique_labels(list(files))
    return [
        {kind: _filled(pattern, kind, file, label, files) for kind, pattern in outputs.items() if pattern}
        for file, label in zip(files, labels, strict=True)
    ]


def model_files(
    files: Sequence[Path],
    outputs: Mapping[str, Path | None],
    selections: Sequence[Selection] | None = None,
    *,
    overwrite: bool = False,
    **options: Any,
) -> Iterator[FileBackground]:
    """Measure the backgrounds of several files, one after the other; a file that fails does not stop the others.

    Nothing is measured before the first result is asked for.

    Parameters
    ----------
    files : sequence of Path
    outputs : mapping of str to Path or None
        Patterns of the outputs ``out``, ``subtracted``, ``rms`` and ``mesh`` of `model_file`, in which ``{stem}``,
        ``{name}`` and ``{dir}`` stand for the short name, the name and the folder of the input.
    selections : sequence of Selection, optional
        Choices of images, planes and bad pixels of each file.
    overwrite : bool, optional
        Replace earlier files.
    **options
        Further arguments of `model_file`.

    Yields
    ------
    FileBackground
        That of each file, in order, once its outputs are written.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If a pattern cannot be filled in, and for a file that is given twice.
    evensky.errors.FitsError
        If a pattern gives two inputs the same output, or an output is an input of any file, the masks and variances
        beside them included, or exists already.
    """
    refuse_twice(files)
    labels = unique_labels(list(files))
    named = filled_outputs(files, outputs)
    chosen = [None] * len(files) if selections is None else selections
    inputs = list(files)
    for file, selection in zip(files, chosen, strict=True):
        # A file that cannot be read has no outputs; it is told of when its turn comes.
        with suppress(EvenskyError, OSError):
            inputs += _companions(describe(file, selection, with_wcs=False).images)
    _check_outputs([path for one in named for path in one.values()], inputs, overwrite=overwrite)
    for file, label, own, selection in zip(files, labels, named, chosen, strict=True):
        result = FileBackground(file, label)
        lines: list[str] = []
        try:
            result.images = model_file(
                file, **own, selection=selection, overwrite=overwrite, say=lines.append, **options
            )
        except (EvenskyError, OSError, MemoryError) as error:
            result.error = str(error) or type(error).__name__
        told = {note for image in result.images for note in image.notes}
        of_file = [line.removeprefix("Note: ").removesuffix(".") for line in lines if line.startswith("Note: ")]
        result.notes = [note for note in of_file if note not in told]
        yield result


def _filled(pattern: Path, kind: str, file: Path, label: str, files: Sequence[Path]) -> Path:
    """Return the name of an output of one of several files."""
    if not _FILLED.search(str(pattern)):
        if len(files) == 1:
            return pattern
        raise InvalidParameterError(
            f"--{kind} {str(pattern)!r} names one file, and {len(files)} files are given; use a pattern such as "
            f"'{{stem}}_{kind}.fits', in which {{stem}}, {{name}} and {{dir}} stand for the short name, the name and "
            "the folder of each file"
        )
    return Path(fill_pattern(str(pattern), file, label))


def _plane(image: Image, what: str, estimate: BackgroundEstimate) -> NewPlane:
    """Return new pixels with cards and a line of history that say what they are."""
    cards = {
        "EVS_VER": (__version__, "version of evensky"),
        "EVS_STAT": (what.split(",")[0], "what the pixels are"),
        "EVS_ESTM": (estimate.estimator, _ESTIMATOR),
        "EVS_NSMO": (int(np.count_nonzero(estimate.smoothed)), _SMOOTHED),
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
