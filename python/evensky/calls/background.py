"""The background of an array, or of an object that holds the pixels of an image, in one call."""

from __future__ import annotations

__all__ = ["BackgroundEstimate", "BinStatistics", "estimate_background", "style_of"]

import html
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._checks import real_number, shown, whole_number
from .._text import with_digits
from ..errors import InvalidParameterError
from ..image._pixels import pixels_of
from ..image.foreign import Planes, reject_pixels, values_of
from ..image.like import data_like, floating_like
from ..math import (
    REDUCE_INTERP_ORDER,
    STDEVCLIP,
    ApproximateControl,
    BackgroundControl,
    BackgroundMI,
    StatisticsControl,
    stringToInterpStyle,
    stringToStatisticsProperty,
)
from ..math.approximate import Approximate
from ..math.background import background_html, fill_with_model, plot_background
from ..math.background_mesh import (
    AUTO,
    GIVEN,
    SOURCES_ARE_MASKED,
    MeshOptions,
    choose,
    filter_mesh,
    measure_mesh,
    replace_outliers,
    smooth_mesh,
)
from ..math.interpolate import interp_style
from .arguments import clipping_control, read_data, select_planes, with_unit
from .lazy_image import LazyImage, lazy_array
from .source_mask import SourceMask, find_sources, source_options
from .source_options import SourceOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The style that only a mesh has.
_SPLINE = "bicubic_spline"

# Short names of interpolation styles.
_STYLES = {"akima": "AKIMA_SPLINE", "natural": "NATURAL_SPLINE", "cubic": "CUBIC_SPLINE"}

# Start of the warning of a background that is NaN everywhere.
_EMPTY = "no bin has a pixel that counts"


@dataclass(frozen=True, repr=False)
class BinStatistics:
    """Statistics of the bins.

    Attributes
    ----------
    x, y : ndarray, shape (ny, nx)
        Centres of the bins in pixels; the centre of the first pixel is 0 (plus the origin of the image, if it has one).
    value, error : ndarray, shape (ny, nx)
        Statistic of each bin and its error, in the unit of the pixels; NaN for a bin without good pixels.
    """

    x: np.ndarray
    y: np.ndarray
    value: Any
    error: Any

    def __repr__(self) -> str:
        ny, nx = self.value.shape
        return f"BinStatistics({nx} x {ny} bins: x, y, value, error)"


@dataclass(frozen=True)
class _Coverage:
    """Pixels outside the coverage of the image, and their value in the results."""

    outside: np.ndarray
    fill_value: float


class BackgroundEstimate:
    """The background of an image, measured in bins; the result of `estimate_background`.

    Attributes
    ----------
    sources : SourceMask or None
        The sources that were masked; None if they were not to be found.
    estimator : str
        Estimator of the levels of the bins, as it was used: never "auto". The name of the statistic, such as
        "meanclip", if one was given instead.
    estimator_reason : str
        Why this estimator was used, as a part of a sentence; "given" if it was given.
    """

    sources: SourceMask | None = None
    estimator: str = ""
    estimator_reason: str = GIVEN
    _smoothed: np.ndarray | None = None

    def __init__(
        self,
        data: Any,
        planes: Planes,
        control: BackgroundControl,
        order: int | None,
        num_threads: int,
        coverage: _Coverage | None = None,
    ) -> None:
        self._data = data
        self._planes = planes
        self._order = order
        self._num_threads = num_threads
        self._coverage = coverage
        self._background = self._measure(control)

    @property
    def background(self) -> BackgroundMI:
        """The background as an object with the interface of ``lsst.afw.math``."""
        return self._background

    def _measure(self, control: BackgroundControl) -> BackgroundMI:
        planes = self._planes
        made = _core.Background(planes.image, planes.mask, None, planes.x0, planes.y0, control, self._num_threads)
        return BackgroundMI.from_core(made, _core.AsUsed())

    def _evaluate(self, background: BackgroundMI) -> np.ndarray:
        if self._order is not None:
            return self._evaluate_series(background)
        double = floating_like(self._planes.image.dtype) == np.float64
        make = background.getImageD if double else background.getImageF
        return make(num_threads=self._num_threads).array

    def write_rows(self, out: np.ndarray, first_row: int = 0, *, rms: bool = False) -> None:
        """Evaluate some rows of the model, or of the rms image, into an existing array.

        Parameters
        ----------
        out : ndarray of float32 or float64, shape (rows, width)
            Array to write to. Pixels outside the coverage are written, too.
        first_row : int, optional
            First row of the image to evaluate, counted from 0.
        rms : bool, optional
            Evaluate the rms image.
        """
        if self._order is None:
            self._write(out, first_row, rms)
        else:
            series = self._rms_series if rms else self._level_series
            fill_with_model(out, series, first_row=first_row, num_threads=self._num_threads)
        if rms:
            np.maximum(out, 0, out=out)

    def _write(self, out: np.ndarray, first_row: int, rms: bool) -> None:
        """Interpolate some rows."""
        background = self._scatter if rms else self._background
        fill_with_model(out, background, first_row=first_row, num_threads=self._num_threads)

    @cached_property
    def _level_series(self) -> Approximate:
        return self._background.getApproximate(self._series_control())

    @cached_property
    def _rms_series(self) -> Approximate:
        return self._scatter.getApproximate(self._series_control())

    def _series_control(self) -> ApproximateControl:
        assert self._order is not None
        return ApproximateControl(ApproximateControl.CHEBYSHEV, self._order)

    @property
    def kind(self) -> str:
        """Kind of the model: its series, or the interpolation that was used the last time it was evaluated."""
        if self._order is not None:
            return f"Chebyshev order {self._order}"
        return self._background.getAsUsedInterpStyle().name

    @property
    def has_scatter(self) -> bool:
        """Whether a bin has the two good pixels that a standard deviation needs."""
        return bool(np.isfinite(self._rms_values()).any())

    @property
    def replaced(self) -> np.ndarray:
        """Bins whose values come from their neighbours, shape ``(ny, nx)``: True for these."""
        return np.zeros(self._background.getStatsImage().image.array.shape, dtype=bool)

    @property
    def smoothed(self) -> np.ndarray:
        """Bins whose levels were smoothed, shape ``(ny, nx)``: True for these; see `smooth_bins`."""
        return np.zeros(self.replaced.shape, dtype=bool) if self._smoothed is None else self._smoothed.copy()

    def _evaluate_series(self, background: BackgroundMI) -> np.ndarray:
        model = self._level_series if background is self._background else self._rms_series
        double = floating_like(self._planes.image.dtype) == np.float64
        make = model.getImageD if double else model.getImage
        return make(num_threads=self._num_threads).array

    @cached_property
    def image(self) -> Any:
        """Model image, shape ``(height, width)``, of the same type as the data."""
        return data_like(self._data, self._model, bare=True)

    @cached_property
    def rms_image(self) -> Any:
        """Modelled standard deviation of the pixels about the background, shape ``(height, width)``."""
        return data_like(self._data, self._filled(self._evaluate_rms()), bare=True)

    def _evaluate_rms(self) -> np.ndarray:
        # A spline may overshoot below 0 beside a steep step; a standard deviation cannot be negative.
        image = self._evaluate(self._scatter)
        positive: np.ndarray = np.maximum(image, 0, out=image if isinstance(image, np.ndarray) else None)
        return positive

    @property
    def background_rms(self) -> Any:
        """Modelled standard deviation of the pixels about the background, by the name that photutils gives it."""
        return self.rms_image

    @cached_property
    def _scatter(self) -> BackgroundMI:
        """Background whose bins hold the standard deviation of their pixels."""
        own = self._background.getBackgroundControl()
        control = BackgroundControl(
            own.getInterpStyle(),
            own.getNxSample(),
            own.getNySample(),
            own.getUndersampleStyle(),
            own.getStatisticsControl(),
            STDEVCLIP,
        )
        return self._measure(control)

    def _filled(self, image: np.ndarray) -> np.ndarray:
        """Set the pixels of an image outside the coverage to their value."""
        if self._coverage is not None:
            image[self._coverage.outside] = self._coverage.fill_value
        return image

    @property
    def subtracted(self) -> Any:
        """Data minus the background, of the same type as the data, with their mask and uncertainty."""
        return data_like(self._data, self._planes.image - self._model)

    @cached_property
    def _model(self) -> np.ndarray:
        return self._filled(self._evaluate(self._background))

    @property
    def background_mesh(self) -> Any:
        """Level of each bin as it is interpolated, shape ``(ny, nx)``: that of ``stats``."""
        return self.stats.value

    @property
    def background_rms_mesh(self) -> Any:
        """Scatter of the pixels of each bin as it is interpolated, shape ``(ny, nx)``."""
        return with_unit(self._data, self._rms_values())

    def _rms_values(self) -> np.ndarray:
        return np.array(self._scatter.getStatsImage().image.array, dtype=np.float64)

    @property
    def background_median(self) -> Any:
        """Median of the levels of the bins: the same as ``level``."""
        return self.level

    @property
    def background_rms_median(self) -> Any:
        """Median of the scatters of the bins."""
        return with_unit(self._data, _median(self._rms_values()))

    @property
    def stats(self) -> BinStatistics:
        """Statistics of the bins."""
        grid = self._background.getStatsImage()
        x, y = np.meshgrid(self._background.getBinCentersX(), self._background.getBinCentersY())
        value, error = (np.array(plane.array, dtype=np.float64) for plane in (grid.image, grid.variance))
        return BinStatistics(x, y, with_unit(self._data, value), with_unit(self._data, error))

    @property
    def level(self) -> Any:
        """Median of the bins."""
        return with_unit(self._data, _median(self._background.getStatsImage().image.array))

    def plot(self) -> Figure:
        """Draw the model with the bins on it, and the residuals of the bins."""
        return plot_background(self._background, self._model, self._planes.unit)

    def __repr__(self) -> str:
        nx, ny = self._background.getStatsImage().getDimensions()
        height, width = self._planes.image.shape
        errors = self._background.getStatsImage().variance.array
        known = errors[np.isfinite(errors)]
        level = self.level
        noise = float(np.median(known)) if known.size else None
        number = with_digits(float(getattr(level, "value", level)), noise, least=6)
        unit = getattr(level, "unit", None)
        text = number if unit is None else f"{number} {unit}"
        return f"BackgroundEstimate({nx} x {ny} bins over {width} x {height} px, {self.estimator}, level {text})"

    def _repr_html_(self) -> str:
        return background_html(self._background, lambda: self._model, self._order, self._planes.unit, more=self._told)

    @property
    def _told(self) -> list[tuple[str, str]]:
        """What a notebook tells of how the levels were found."""
        smoothed = int(np.count_nonzero(self.smoothed))
        return [
            ("estimator", f"{self.estimator} ({self.estimator_reason})"),
            *([("bins smoothed", f"{smoothed}, as they scatter as noise does")] if smoothed else []),
        ]


@contextmanager
def unflagged_if_empty() -> Iterator[None]:
    """Let `estimate_background` return NaN without a warning, for callers that look for it themselves."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _EMPTY)
        yield


def _median(values: np.ndarray) -> float:
    """Return the median of the finite values; NaN if there are none."""
    good = values[np.isfinite(values)]
    return float(np.median(good)) if good.size else math.nan


@dataclass(frozen=True)
class _MeshSteps:
    """What is done with the boxes of a mesh after they are measured."""

    filter_size: tuple[int, int]
    filter_threshold: float | None
    filter_sigma: float | None
    exclude_percentile: float
    smooth_bins: bool

    def apply(
        self, mesh: _core.BackgroundMesh, options: MeshOptions, num_threads: int
    ) -> tuple[_core.BackgroundMesh, np.ndarray | None]:
        """Return the mesh without gaps and filtered, and the bins that were smoothed; the given one may change."""
        mesh.fill(self.exclude_percentile, num_threads)
        filled = np.isnan(mesh.error())
        if self.filter_size != (1, 1):
            if self.filter_sigma is None:
                mesh = filter_mesh(mesh, options, *self.filter_size, self.filter_threshold, num_threads)
            else:
                mesh = replace_outliers(mesh, options, *self.filter_size, self.filter_sigma)
        if not self.smooth_bins:
            return mesh, None
        smooth = smooth_mesh(mesh, options, filled)
        return smooth, (smooth.level() != mesh.level()) & ~filled & np.isfinite(smooth.level())


class _PaddedBackground(BackgroundMI):
    """Bins for a table and a plot whose centres are not those of evenly spread ones."""

    centers: tuple[np.ndarray, np.ndarray]

    def getBinCentersX(self) -> np.ndarray:
        return self.centers[0]

    def getBinCentersY(self) -> np.ndarray:
        return self.centers[1]


class _MeshEstimate(BackgroundEstimate):
    """Background that is measured in a mesh of boxes."""

    def __init__(
        self,
        data: Any,
        planes: Planes,
        mesh: _core.BackgroundMesh,
        options: MeshOptions,
        control: BackgroundControl,
        order: int | None,
        num_threads: int,
        coverage: _Coverage | None = None,
        bicubic_spline: bool = False,
    ) -> None:
        self._mesh = mesh
        self._options = options
        self._bicubic_spline = bicubic_spline
        super().__init__(data, planes, control, order, num_threads, coverage)

    @property
    def background(self) -> BackgroundMI:
        edge_method = self._options.edge_method
        if edge_method != "spread":
            raise InvalidParameterError(
                f"edge_method is {edge_method!r}, but the bins of a BackgroundMI are spread evenly; use 'spread'"
            )
        return self._background

    def _measure(self, control: BackgroundControl) -> BackgroundMI:
        return self._as_background(control, self._mesh.level(), self._mesh.error())

    @cached_property
    def _scatter(self) -> BackgroundMI:
        values = self._mesh.rms()
        with np.errstate(divide="ignore", invalid="ignore"):  # boxes without pixels
            errors = values / np.sqrt(2.0 * self._mesh.number())
        errors[np.isnan(self._mesh.error())] = np.nan
        return self._as_background(self._background.getBackgroundControl(), values, errors)

    def _as_background(self, control: BackgroundControl, values: np.ndarray, errors: np.ndarray) -> BackgroundMI:
        planes = values.astype(np.float32), None, errors.astype(np.float32)
        made = _core.Background(self._mesh.get_image_bbox(), *planes, control)
        if self._options.edge_method == "spread":
            return BackgroundMI.from_core(made, _core.AsUsed())
        padded = _PaddedBackground.from_core(made, _core.AsUsed())
        padded.centers = self._mesh.getBinCentersX(), self._mesh.getBinCentersY()
        return padded

    def _evaluate(self, background: BackgroundMI) -> np.ndarray:
        if self._order is not None:
            return self._evaluate_series(background)
        box = self._mesh.get_image_bbox()
        out = pixels_of(box[2], box[3], floating_like(self._planes.image.dtype), "A model")
        self._write(out, 0, background is not self._background)
        return out

    def _evaluate_rms(self) -> np.ndarray:
        # The core writes no negative values, so that a pass over the image is spared.
        return self._evaluate(self._scatter) if self._order is None else super()._evaluate_rms()

    def _write(self, out: np.ndarray, first_row: int, rms: bool) -> None:
        x0, y0, width, _ = self._mesh.get_image_bbox()
        box = (x0, y0 + first_row, width, len(out))
        if self._bicubic_spline:
            spline = self._mesh.get_spline_rms_image if rms else self._mesh.get_spline_image
            spline(out, box, self._num_threads)
            return
        background = self._scatter if rms else self._background
        own = background.getBackgroundControl()
        write = self._mesh.get_rms_image if rms else self._mesh.get_image
        background.set_as_used(write(out, box, own.getInterpStyle(), own.getUndersampleStyle(), self._num_threads))

    @property
    def kind(self) -> str:
        return _SPLINE if self._bicubic_spline else super().kind

    @property
    def has_scatter(self) -> bool:
        return bool((self._mesh.number() > 1).any())

    @property
    def replaced(self) -> np.ndarray:
        return np.isfinite(self._mesh.level()) & np.isnan(self._mesh.error())

    def _rms_values(self) -> np.ndarray:
        return self._mesh.rms()

    def _repr_html_(self) -> str:
        style = _SPLINE if self._bicubic_spline else ""
        return background_html(self._background, lambda: self._model, self._order, self._planes.unit, style, self._told)

    @property
    def stats(self) -> BinStatistics:
        x, y = np.meshgrid(self._mesh.getBinCentersX(), self._mesh.getBinCentersY())
        value, error = self._mesh.level(), self._mesh.error()
        return BinStatistics(x, y, with_unit(self._data, value), with_unit(self._data, error))

    @property
    def level(self) -> Any:
        return with_unit(self._data, _median(self._mesh.level()))


class LazyBackgroundEstimate(BackgroundEstimate):
    """The background of an array of ``dask``: its bins are measured, and its images are arrays of dask.

    Blocks of the images are computed from the bins when they are needed, so that no whole image is ever in memory.
    """

    _lazy: LazyImage

    def plot(self) -> Figure:
        """Draw the model with the bins on it, and the residuals of the bins; the whole model is computed."""
        return plot_background(self.background, np.asarray(self._model), self._planes.unit)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"  # pictures would need the whole model


class _LazyStatisticEstimate(LazyBackgroundEstimate):
    """Background of an array of dask whose bins have a statistic."""

    def __init__(self, data: Any, lazy: LazyImage, control: BackgroundControl, order: int | None, threads: int) -> None:
        self._lazy = lazy
        super().__init__(data, Planes(lazy.image), control, order, threads)

    def _measure(self, control: BackgroundControl) -> BackgroundMI:
        return self._lazy.measure(control, self._num_threads)

    def _evaluate(self, background: BackgroundMI) -> Any:
        dtype = floating_like(self._lazy.image.dtype)
        return self._lazy.evaluate(background, self._order, dtype, self._num_threads)


class _LazyMeshEstimate(_MeshEstimate, LazyBackgroundEstimate):
    """Background of an array of dask that is measured in a mesh of boxes."""

    def __init__(
        self,
        data: Any,
        lazy: LazyImage,
        mesh: _core.BackgroundMesh,
        options: MeshOptions,
        control: BackgroundControl,
        order: int | None,
        threads: int,
    ) -> None:
        self._lazy = lazy
        super().__init__(data, Planes(lazy.image), mesh, options, control, order, threads)

    def _evaluate_rms(self) -> Any:
        return BackgroundEstimate._evaluate_rms(self)

    def _evaluate(self, background: BackgroundMI) -> Any:
        dtype = floating_like(self._lazy.image.dtype)
        if self._order is not None:
            return self._lazy.evaluate(background, self._order, dtype, self._num_threads)
        own = background.getBackgroundControl()
        values = self._mesh.level() if background is self._background else self._mesh.rms()
        image, used = self._lazy.evaluate_mesh(
            values, self._options, own.getInterpStyle(), own.getUndersampleStyle(), dtype, self._num_threads
        )
        background.set_as_used(used)
        return image


def estimate_background(
    data: Any,
    mask: Any = None,
    bad_planes: int | str | Iterable[str] | None = None,
    *,
    variance: Any = None,
    weights: Any = None,
    bin_size: int | tuple[int, int] = 128,
    statistic: str | None = None,
    style: str = "akima",
    order: int | None = None,
    sigma: float | tuple[float, float] = 3.0,
    rounds: int | None = 3,
    centre: str | None = None,
    scatter: str | None = None,
    estimator: str | None = None,
    rms_estimator: str | None = None,
    edge_method: str | None = None,
    exclude_percentile: float | None = None,
    filter_size: int | tuple[int, int] | None = None,
    filter_threshold: float | None = None,
    filter_sigma: float | None = None,
    smooth_bins: bool | None = None,
    coverage_mask: Any = None,
    fill_value: float = 0.0,
    mask_sources: bool | Mapping[str, Any] | SourceOptions = False,
    num_threads: int = 0,
) -> BackgroundEstimate:
    """Measure the background of an image in bins, and model it by a smooth surface.

    Parameters
    ----------
    data : image-like, shape (height, width)
        An array, a masked array, a ``Quantity``, ``NDData``, an image of `evensky.image`, or the name of a FITS file.
        An array of ``dask`` is measured in blocks, and the images of the result are arrays of dask; a ``DataArray`` of
        ``xarray`` comes back with its coordinates and attributes. Arrays are not copied, and neither is a boolean
        `mask`: they must not change as long as the result is used.
    mask, bad_planes : optional
        Pixels that do not count; see `image_statistics`.
    variance, weights : array-like, optional
        Variance or weight of each pixel. Only pixels count whose variance and weight are positive and finite; the
        values have no other effect.
    bin_size : int or (int, int), optional
        Largest size of the bins in pixels, or their height and width. Bins are spread evenly.
    statistic : str, optional
        Statistic of a bin, instead of an `estimator`: "mean", "median" or "meanclip"; the first two are not clipped.
        Bins are those of ``lsst.afw.math``, and none is filtered; the options from `centre` to `smooth_bins` cannot
        be given with it.
    style : str, optional
        Interpolation between bins: "akima", "natural", "cubic", "linear", "constant", or a name of `Interpolate.Style`.
        A simpler style is used if there are too few bins. "bicubic_spline" is the spline of sep, which needs the
        `edge_method` "pad" (then the default) or "crop".
    order : int, optional
        Fit a Chebyshev series of this order to the bins, weighted by their errors, instead of interpolating.
    sigma, rounds : optional
        Half-width of the clipping window, and number of clipping rounds; see `image_statistics`. Without a `statistic`,
        `sigma` can be two widths, below and above the centre, and 0 rounds mean no clipping. Narrow windows also clip
        noise: at 2 sigma the scatter is a fifth too small, and errors a third; unequal widths shift the level. The mask
        of ``astropy.stats.sigma_clip(data, grow=...)`` also rejects neighbours of clipped pixels.
    centre, scatter : str, optional
        Centre ("median" or "mean") and scatter ("std" or "mad") of all clipping rounds. If one is given, each round
        clips what the last one has left, as astropy's ``SigmaClip`` does, by default about the median by the standard
        deviation. By default, clipping is that of `image_statistics`.
    estimator : str, optional
        Estimator of the level of a bin, from the pixels that clipping leaves; with their mean, median and standard
        deviation (divisor n):

        - "auto" (the default without `mask_sources`): "mode"; "grouped_mode" if the scatter is less than 40 steps
          between the values that pixels can have, as for most counts, in any unit; and "mean" for less than 3 steps, as
          for single photons. ``estimator`` of the result tells which;
        - "mean" (the default with `mask_sources`): their mean;
        - "median": their median;
        - "mode": "sextractor" where the mean exceeds the median by more than two standard errors of their difference,
          as light of sources makes it, or falls short of it by more than five, as structure of the sky does; elsewhere
          the mean, which has less noise;
        - "grouped_mode": "mode" with the median of grouped data: pixels that equal the median are spread evenly over
          its step, as the median of whole numbers is up to half a step off;
        - "sextractor": 2.5 median - 1.5 mean, or the median if the two differ by more than 0.3 standard deviations
          (Bertin & Arnouts 1996, A&AS 117, 393);
        - "mmm": 3 median - 2 mean (Stetson 1987, PASP 99, 191; Da Costa 1992, ASPC 23, 90);
        - "biweight": biweight location with c = 6 (Beers, Flynn & Gebhardt 1990, AJ 100, 32);
        - "histogram": mode of a clipped histogram, as SExtractor and sep find it. It clips by itself, so that `sigma`,
          `rounds`, `centre`, `scatter` and `rms_estimator` cannot be given.

    rms_estimator : str, optional
        Estimator of the scatter of the pixels of a bin: "std", the standard deviation (the default), "mad", 1.4826
        times the median absolute deviation, or "biweight", the biweight scale with c = 9.
    edge_method : str, optional
        How bins cover an image whose size is not a multiple of theirs: "spread", of nearly equal sizes (the default),
        "pad", of the full size from the first pixel on, the last ones smaller, or "crop", of the full size from the
        first pixel on, without the pixels that remain at the far edges.
    exclude_percentile : float, optional
        Bins of which more than this percentage of pixels is masked, not finite, clipped or, for "pad", beyond the
        image, are replaced by the mean of the ten nearest other bins, weighted by the inverse of their distance; so are
        bins without a good pixel, always. Their errors are NaN. 100 by default: no other bins.
    filter_size : int or (int, int), optional
        Size of the window of a median filter of the bins, or its height and width, in bins; odd. It is cut at the
        edges. By default, 3 with a `filter_sigma` of 5; 1 for no filter. Errors of filtered bins are those of the
        medians; see `evensky.math.background_mesh.filter_mesh`.
    filter_threshold : float, optional
        Filter only bins whose level is above this.
    filter_sigma : float, optional
        Filter only bins that stand out: whose level or scatter deviates by more than this many sigma from the median of
        the window, and from what bins at opposite sides of the window predict by straight lines. Sigma is the scatter
        of such deviations over all bins (1.4826 times the median of their absolute values), or the median error of the
        bins if that is larger. Errors of replaced bins are NaN; see `evensky.math.background_mesh.replace_outliers`.
    smooth_bins : bool, optional
        Move the level of each bin towards what the bins around it predict by straight lines, by a weight that is 0
        unless bins scatter as noise does, with no more structure at two and three bins' distance than at one; see
        `evensky.math.background_mesh.smooth_mesh`. By default, if neither a filter nor an `order` is given. Errors of
        bins are those after smoothing, up to three times less; neighbouring bins are correlated then.
    coverage_mask : array-like of bool, optional
        True for pixels without data. They do not count, and have the value `fill_value` in all images of the result.
    fill_value : float, optional
        Value of the pixels of `coverage_mask`.
    mask_sources : bool, mapping or SourceOptions, optional
        Find stars and galaxies, and leave them out: True, or options of `evensky.mask_sources`, such as
        ``{"threshold": 3}``. It needs ``pip install "evensky[sources]"``.
    num_threads : int, optional
        Number of threads; 0 for the process-wide default. Results do not depend on it.

    Returns
    -------
    BackgroundEstimate
        ``image``, ``rms_image``, ``subtracted``, ``stats``, ``level``, ``plot()``; and with the names of photutils
        ``background_rms``, ``background_mesh``, ``background_rms_mesh``, ``background_median``,
        ``background_rms_median``.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For an image without pixels or of an unsuitable type, for bins of size 0, for an unknown statistic, style or
        estimator, or for options that do not go together.
    evensky.errors.RuntimeError
        If `exclude_percentile` excludes all bins; or if the bins determine fewer terms than `order` needs, which is
        raised when the image is evaluated.

    Examples
    --------
    >>> import numpy as np, evensky
    >>> sky = np.add.outer(np.arange(400.0), np.arange(600.0))
    >>> background = evensky.estimate_background(sky, bin_size=100, order=1)
    >>> bool(np.abs(background.image - sky).max() < 0.01)
    True
    """
    data = read_data(data)
    mesh: dict[str, Any] = {
        "centre": centre,
        "scatter": scatter,
        "estimator": estimator,
        "rms_estimator": rms_estimator,
        "edge_method": edge_method,
        "exclude_percentile": exclude_percentile,
        "filter_size": filter_size,
        "filter_threshold": filter_threshold,
        "filter_sigma": filter_sigma,
        "smooth_bins": smooth_bins,
    }
    spline = isinstance(style, str) and style.lower() == _SPLINE
    if spline:
        mesh["edge_method"] = _edge_of_spline(edge_method, statistic, order)
    if (array := lazy_array(data)) is not None:
        if source_options(mask_sources) is not None:
            raise InvalidParameterError(
                "mask_sources: sources are found in whole images, and the data are a dask array; compute it first, or "
                "give a mask of the sources"
            )
        refused = {
            "coverage_mask": coverage_mask,
            "style": style if spline else None,
            "edge_method": mesh["edge_method"],
        }
        for name, value in refused.items():
            if value is not None and not (isinstance(value, str) and value == "spread"):
                raise InvalidParameterError(
                    f"{name} is {shown(value)}, and the data are a dask array, which cannot have it; compute the array "
                    f"first, or leave out {name}"
                )
        lazy = LazyImage(array, mask, bad_planes, variance, weights)
        if statistic is not None:
            _refuse_with_statistic(statistic, mesh, sigma)
            assert not isinstance(sigma, tuple | list)  # it was refused
            clipping = clipping_control(0, sigma, rounds)
            control = _control(lazy.image.shape, bin_size, statistic, style, clipping, order)
            lazy_estimate: BackgroundEstimate = _LazyStatisticEstimate(data, lazy, control, order, num_threads)
            lazy_estimate.estimator = _estimator_of(statistic)
            return lazy_estimate
        options, steps = _mesh_options(bin_size, sigma, rounds, mesh, order)
        measured, options, reason = lazy.measure_mesh(options, num_threads)
        control = _control(lazy.image.shape, bin_size, "meanclip", style, StatisticsControl(), order)
        boxes, smoothed = steps.apply(measured, options, num_threads)
        lazy_estimate = _LazyMeshEstimate(data, lazy, boxes, options, control, order, num_threads)
        lazy_estimate.estimator, lazy_estimate.estimator_reason = options.estimator, reason
        lazy_estimate._smoothed = smoothed
        return lazy_estimate
    planes, bits = select_planes(data, mask, bad_planes, variance=variance)
    if weights is not None:
        given = values_of(weights, planes, "weights")
        good = np.isfinite(given) & (given > 0)
        if not good.any():
            raise InvalidParameterError("weights: no value is positive and finite, so no pixel would count")
        reject_pixels(planes, ~good)
        bits |= planes.reject
    coverage = None if coverage_mask is None else _coverage(coverage_mask, planes, fill_value)
    if coverage is not None:
        reject_pixels(planes, coverage.outside)
        bits |= planes.reject
    sources, chosen_beside_sources = None, False
    if (wanted := source_options(mask_sources)) is not None:
        chosen_beside_sources = estimator is None and statistic is None
        if chosen_beside_sources:
            mesh["estimator"] = "mean"  # with little light of sources left, the mode is noisier than the mean

        def measure(rejected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            with unflagged_if_empty():
                again = estimate_background(
                    planes.image,
                    rejected,
                    bin_size=bin_size,
                    statistic=statistic,
                    style=style,
                    order=order,
                    sigma=sigma,
                    rounds=rounds,
                    **mesh,
                    num_threads=num_threads,
                )
            return again.image, again.rms_image

        sources = find_sources(planes, bits, wanted, measure)
        reject_pixels(planes, sources.mask)
        bits |= planes.reject
        for note in sources.notes:
            warnings.warn(note, stacklevel=2)
    if statistic is not None:
        _refuse_with_statistic(statistic, mesh, sigma)
        assert not isinstance(sigma, tuple | list)  # it was refused
        control = _control(planes.image.shape, bin_size, statistic, style, clipping_control(bits, sigma, rounds), order)
        estimate = BackgroundEstimate(data, planes, control, order, num_threads, coverage)
        estimate.estimator = _estimator_of(statistic)
    else:
        options, steps = _mesh_options(bin_size, sigma, rounds, mesh, order)
        options, reason = choose(planes, bits, options)
        # The control is for the interpolation alone, as a mesh clips by itself.
        own = "natural" if spline else style
        control = _control(planes.image.shape, bin_size, "meanclip", own, StatisticsControl(), order)
        boxes, smoothed = steps.apply(measure_mesh(planes, bits, options, num_threads), options, num_threads)
        estimate = _MeshEstimate(data, planes, boxes, options, control, order, num_threads, coverage, spline)
        estimate.estimator, estimate.estimator_reason = options.estimator, reason
        estimate._smoothed = smoothed
    if not np.isfinite(estimate._background.getStatsImage().image.array).any():
        warnings.warn(
            f"{_EMPTY}, so that the background is NaN: all are masked, not finite or clipped; let some of them count",
            stacklevel=2,
        )
    estimate.sources = sources
    if chosen_beside_sources:
        estimate.estimator_reason = SOURCES_ARE_MASKED
    return estimate


def _estimator_of(statistic: str) -> str:
    """Return the name of a statistic as an estimator: those of this name clip."""
    name = statistic.lower()
    return name if name == "meanclip" else f"{name}, not clipped"


def _refuse_with_statistic(statistic: str, mesh: Mapping[str, Any], sigma: Any) -> None:
    """Raise an error if an option is given beside a statistic that is for estimators alone."""
    given = {**mesh, "sigma": sigma if isinstance(sigma, tuple | list) else None}
    for name, value in given.items():
        if name == "estimator" and value is not None:
            raise InvalidParameterError(
                f"statistic is {shown(statistic)} and estimator is {shown(value)}, which both tell what the level of a "
                "bin is; give one of them"
            )
        if value is not None:
            raise InvalidParameterError(
                f"statistic is {shown(statistic)} and {name} is given, which needs an estimator; use "
                'estimator="mean" or "median", with rounds=0 for no clipping, in place of statistic'
            )


def _mesh_options(
    bin_size: Any, sigma: Any, rounds: int | None, mesh: Mapping[str, Any], order: int | None
) -> tuple[MeshOptions, _MeshSteps]:
    """Return how boxes are measured and what is done with them then, from the options that are given or None."""
    size_y, size_x = _pair(bin_size)
    filter_size, threshold, filter_sigma = (mesh[f"filter_{name}"] for name in ("size", "threshold", "sigma"))
    smooth_bins = mesh["smooth_bins"]
    if smooth_bins is None:
        smooth_bins = filter_size is None and filter_sigma is None and order is None
    elif not isinstance(smooth_bins, bool):
        raise InvalidParameterError(f"smooth_bins is {shown(smooth_bins)}; it must be True or False")
    edge_method = mesh["edge_method"]
    if order is not None and edge_method in ("pad", "crop"):
        raise InvalidParameterError(
            f"order is {order} and edge_method is {edge_method!r}; a series is fitted to bins that are spread evenly, "
            "so use edge_method='spread'"
        )
    if threshold is not None and filter_size is None:
        raise InvalidParameterError(
            f"filter_threshold is {shown(threshold)} without a filter_size; give one, such as filter_size=3"
        )
    if threshold is not None and filter_sigma is not None:
        raise InvalidParameterError(
            f"filter_threshold is {shown(threshold)} and filter_sigma is {shown(filter_sigma)}; give one of them"
        )
    if filter_size is None:
        filter_size, filter_sigma = 3, 5.0 if filter_sigma is None else filter_sigma
    if filter_sigma is not None:
        filter_sigma = real_number(filter_sigma, "filter_sigma")
        if not filter_sigma >= 0:
            raise InvalidParameterError(f"filter_sigma is {filter_sigma:g}; it must be at least 0")
    options = MeshOptions(
        size_y,
        size_x,
        mesh["estimator"] or AUTO,
        mesh["rms_estimator"] or "std",
        edge_method or "spread",
        sigma,
        rounds,
        mesh["centre"],
        mesh["scatter"],
    )
    excluded = mesh["exclude_percentile"]
    return options, _MeshSteps(
        _pair(filter_size, "filter_size"),
        None if threshold is None else real_number(threshold, "filter_threshold"),
        filter_sigma,
        100.0 if excluded is None else real_number(excluded, "exclude_percentile"),
        bool(smooth_bins),
    )


def _edge_of_spline(edge_method: str | None, statistic: str | None, order: int | None) -> str:
    """Return the edge method of bins that a bicubic spline interpolates."""
    if order is not None:
        raise InvalidParameterError(
            f"order is {order} and style is {_SPLINE!r}; a series takes the place of the interpolation, so leave one "
            "out"
        )
    if edge_method == "spread":
        raise InvalidParameterError(
            f"edge_method is 'spread', but style {_SPLINE!r} needs bins of one size; use 'pad' or 'crop'"
        )
    if statistic is not None:
        raise InvalidParameterError(
            f"statistic is {shown(statistic)}, but style {_SPLINE!r} needs an estimator of clipped pixels; use "
            'estimator="mean" or "median", with rounds=0 for no clipping, in place of statistic'
        )
    return edge_method or "pad"


def _coverage(coverage_mask: Any, planes: Planes, fill_value: float) -> _Coverage:
    """Return the pixels outside the coverage; masked values of the coverage mask are outside."""
    values = values_of(coverage_mask, planes, "coverage_mask")
    return _Coverage(np.isnan(values) | (values != 0), real_number(fill_value, "fill_value"))


def _control(
    shape: tuple[int, ...], bin_size: Any, statistic: str, style: str, statistics: StatisticsControl, order: int | None
) -> BackgroundControl:
    """Return the control of the background of an image of a shape."""
    height, width = shape
    size_y, size_x = _pair(bin_size)
    control = BackgroundControl(
        style_of(style),
        max(1, -(-width // size_x)),
        max(1, -(-height // size_y)),
        REDUCE_INTERP_ORDER,
        statistics,
        stringToStatisticsProperty(statistic.upper()),
    )
    if order is not None:
        ApproximateControl(ApproximateControl.CHEBYSHEV, order)  # raises an error if the order is not allowed
    return control


def style_of(style: str) -> Any:
    """Return the interpolation style that has a short name or a name of `Interpolate.Style`."""
    name = style.lower() if isinstance(style, str) else style
    return stringToInterpStyle(_STYLES.get(name, name.upper())) if isinstance(name, str) else interp_style(name)


def _pair(size: Any, name: str = "bin_size") -> tuple[int, int]:
    """Return a height and a width, which may be given as one number."""
    pair = size if isinstance(size, tuple | list) else (size, size)
    if len(pair) != 2:
        raise InvalidParameterError(f"{name} is {shown(size)}; it must be one number, or height and width")
    size_y, size_x = (whole_number(value, name) for value in pair)
    if min(size_y, size_x) < 1:
        what = "bins have at least 1 pixel" if name == "bin_size" else "windows have at least 1 bin"
        raise InvalidParameterError(f"{name} is {shown(size)}; {what}")
    if name == "filter_size" and not (size_y % 2 and size_x % 2):
        raise InvalidParameterError(f"filter_size is {shown(size)}; it must be odd")
    return size_y, size_x
