"""The background of an image in a mesh of boxes, by the name of ``photutils.background``."""

from __future__ import annotations

__all__ = ["Background2D"]

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._checks import real_number, shown
from ...errors import InvalidParameterError
from ...errors import TypeError as WrongTypeError
from ...math.background_mesh import MeshOptions, mesh_of_boxes
from ..pixels import check_image, in_unit, pixels_of, where_true
from .estimators import SIGMA_CLIP, SExtractorBackground, StdBackgroundRMS, for_boxes, unclipped
from .interpolators import BkgZoomInterpolator, near_mean
from .options import size_pair, thread_number
from .statistics import measure_boxes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Background2D:
    """The background of an image and its rms, measured in a mesh of boxes and interpolated.

    The level and the rms of each box are estimated from the pixels that clipping leaves. Boxes of which too many pixels
    are masked or clipped are replaced by the mean of the ten nearest others, weighted by the inverse of their distance.
    The mesh is filtered by a median, and interpolated by a cubic spline (Bertin & Arnouts 1996, A&AS 117, 393).

    Parameters
    ----------
    data : image-like, shape (height, width)
        An array, a masked array, a ``Quantity``, ``NDData`` or nested lists. Pixels that are masked or not finite do
        not count.
    box_size : int or (int, int)
        Size of the boxes in pixels, or height and width. They begin at the first pixel, and the last ones may reach
        beyond the image.
    mask : array-like of bool, shape (height, width), optional
        True for pixels that do not count, such as those of sources.
    coverage_mask : array-like of bool, shape (height, width), optional
        True for pixels without data. They do not count, and have the value `fill_value` in the images.
    fill_value : float, optional
        Value of the pixels of `coverage_mask`.
    exclude_percentile : float, optional
        Boxes of which more than this percentage of the pixels is masked, not finite, clipped or beyond the image are
        replaced; so are those without a pixel.
    filter_size : int or (int, int), optional
        Size of the window of the median filter in boxes, or height and width; odd.
    filter_threshold : float or Quantity, optional
        Filter only boxes whose level is above this.
    sigma_clip : astropy.stats.SigmaClip or None, optional
        Clipping of the pixels of a box; None for no clipping.
    bkg_estimator, bkg_rms_estimator : callable, optional
        Estimators of level and rms: objects such as `MedianBackground`, whose own clipping is not used, those of
        photutils itself, or functions. A function takes an array of shape ``(1, n, pixels)``, in which pixels that are
        masked or clipped are NaN, and ``axis=-1``; it is much slower. By default `SExtractorBackground` and
        `StdBackgroundRMS`.
    n_threads : int, optional
        Number of threads that measure boxes. Results do not depend on it.
    interpolator : callable, optional
        `BkgZoomInterpolator`, the default, `BkgIDWInterpolator`, or a function with their parameters.
    bkgrms_estimator : callable, optional
        Former name of `bkg_rms_estimator`.

    Warns
    -----
    AstropyUserWarning
        If pixels that are not masked are not finite, and if an estimator returns NaN for boxes with pixels.
    AstropyDeprecationWarning
        For `bkgrms_estimator`.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For data that are no image of real numbers, for an option that is not allowed, and if all pixels are masked or
        all boxes are excluded.

    Examples
    --------
    >>> import numpy as np
    >>> from evensky.compat.photutils import Background2D, MedianBackground
    >>> sky = np.random.default_rng(1).normal(100.0, 5.0, (200, 300))
    >>> bkg = Background2D(sky, 50, filter_size=(3, 3), bkg_estimator=MedianBackground())
    >>> round(float(bkg.background_median)), bkg.background.shape
    (100, (200, 300))
    """

    def __init__(
        self,
        data: Any,
        box_size: Any,
        *,
        mask: Any = None,
        coverage_mask: Any = None,
        fill_value: float = 0.0,
        exclude_percentile: float = 10.0,
        filter_size: Any = (3, 3),
        filter_threshold: Any = None,
        sigma_clip: Any = SIGMA_CLIP,
        bkg_estimator: Any = None,
        bkg_rms_estimator: Any = None,
        n_threads: int = 1,
        interpolator: Any = None,
        bkgrms_estimator: Any = None,
    ) -> None:
        pixels = pixels_of(data, mask=mask, coverage_mask=coverage_mask)
        check_image(pixels)
        image, rejected = pixels.values, pixels.rejected
        self._shape = (int(image.shape[0]), int(image.shape[1]))
        self._dtype = np.dtype(np.float64 if pixels.is_double else np.float32)
        self._unit = pixels.unit
        wanted = size_pair(box_size, "box_size")
        self._box_size = min(wanted[0], self._shape[0]), min(wanted[1], self._shape[1])
        self.box_size = np.array(self._box_size)
        self.filter_size = np.array(size_pair(filter_size, "filter_size", odd=True))
        self.coverage_mask = None if coverage_mask is None else where_true(coverage_mask, "coverage_mask", self._shape)
        self.fill_value = self._value(fill_value, "fill_value")
        self.filter_threshold = filter_threshold
        self.exclude_percentile = real_number(exclude_percentile, "exclude_percentile")
        if not 0 <= self.exclude_percentile <= 100:
            raise InvalidParameterError(f"exclude_percentile is {shown(exclude_percentile)}; it must be in 0 .. 100")
        if sigma_clip is not None and not callable(sigma_clip):
            raise WrongTypeError(
                f"sigma_clip is {shown(sigma_clip)}; it must be a SigmaClip of astropy.stats, or None for no clipping"
            )
        self.sigma_clip = sigma_clip
        if bkgrms_estimator is not None:
            bkg_rms_estimator = _renamed(bkgrms_estimator, bkg_rms_estimator)
        self.bkg_estimator = unclipped(SExtractorBackground() if bkg_estimator is None else bkg_estimator)
        self.bkg_rms_estimator = unclipped(StdBackgroundRMS() if bkg_rms_estimator is None else bkg_rms_estimator)
        self.n_threads = thread_number(n_threads)
        self.interpolator = BkgZoomInterpolator() if interpolator is None else interpolator
        if not callable(self.interpolator):
            raise WrongTypeError(
                f"interpolator is {shown(interpolator)}; it must be a function, or an object such as "
                "BkgZoomInterpolator()"
            )
        _check_pixels(image, rejected)
        self._measure(image, rejected)

    def _value(self, value: Any, name: str) -> float:
        """Return a number, or a quantity in the unit of the data."""
        if getattr(value, "unit", None) is None:
            return real_number(value, name)
        from astropy.units import UnitsError

        if self._unit is None:
            raise InvalidParameterError(f"{name} is {shown(value)}, and the data have no unit; give a number")
        try:
            return real_number(value.to_value(self._unit), name)
        except UnitsError as error:
            raise InvalidParameterError(
                f"{name} is {shown(value)}, and the data are in {self._unit}: {error}"
            ) from error

    def _measure(self, image: np.ndarray, rejected: np.ndarray | None) -> None:
        """Measure the boxes, replace those that are excluded, and filter the mesh."""
        estimators = (for_boxes(self.bkg_estimator), for_boxes(self.bkg_rms_estimator))
        boxes = measure_boxes(image, rejected, self._box_size, self.sigma_clip, estimators, self.n_threads)
        self._number = boxes.number
        pixels = self._box_size[0] * self._box_size[1]
        kept = (boxes.number > 0) & ((pixels - boxes.number) * 100.0 <= self.exclude_percentile * pixels)
        if not kept.any():
            raise InvalidParameterError(
                f"All {kept.size} boxes are excluded: in each of them, more than exclude_percentile = "
                f"{self.exclude_percentile:g} percent of the {pixels} pixels is masked, not finite or clipped; raise "
                "it, or use another box_size"
            )
        self._excluded = ~kept
        names = ("bkg_estimator", "bkg_rms_estimator")
        meshes = [_filled(values, _known(name, values, kept)) for name, values in zip(names, boxes.values, strict=True)]
        if tuple(self.filter_size) != (1, 1):
            self._filter(meshes)
        self._level, self._rms = (mesh.astype(self._dtype) for mesh in meshes)

    def _filter(self, meshes: list[np.ndarray]) -> None:
        """Replace meshes by the medians of windows, all of them or those of boxes above the threshold."""
        given = self.filter_threshold
        threshold = None if given is None else self._value(given, "filter_threshold")
        (level, rms), (height, width) = meshes, self._shape
        options = MeshOptions(*self._box_size, edge_method="pad")
        mesh = mesh_of_boxes((0, 0, width, height), options, level, np.full_like(level, np.nan), rms, self._number)
        rows, columns = map(int, self.filter_size)
        mesh.filter(rows, columns, threshold, self.n_threads)
        meshes[:] = mesh.level(), mesh.rms()

    def __repr__(self) -> str:
        return f"Background2D({', '.join(f'{name}={value!r}' for name, value in self._options().items())})"

    def __str__(self) -> str:
        lines = [f"{name}: {value!r}" for name, value in self._options().items()]
        return "\n".join(["<evensky.compat.photutils.Background2D>", *lines])

    def _options(self) -> dict[str, Any]:
        names = ["box_size", "fill_value", "exclude_percentile", "filter_size", "filter_threshold", "sigma_clip"]
        names += ["bkg_estimator", "bkg_rms_estimator", "n_threads", "interpolator"]
        return {"shape": self._shape, **{name: getattr(self, name) for name in names}}

    @property
    def background(self) -> Any:
        """Background, shape ``(height, width)``, in the unit of the data; it is computed anew each time."""
        return self._image(self._level)

    @property
    def background_rms(self) -> Any:
        """Rms of the background, shape ``(height, width)``, in the unit of the data; it is computed anew each time."""
        return self._image(self._rms)

    def _image(self, mesh: np.ndarray) -> Any:
        """Interpolate a mesh, and fill in the pixels without data."""
        options: dict[str, Any] = {
            "shape": self._shape,
            "dtype": self._dtype,
            "box_size": self.box_size,
            "n_threads": self.n_threads,
        }
        if "IDW" in type(self.interpolator).__name__:
            half = (self.box_size - 1) / 2
            options["mesh_yxcen"] = (np.argwhere(~self._excluded) * self.box_size + half).T
            options["mesh_nan_mask"] = self._excluded
        image = np.asarray(self.interpolator(in_unit(mesh, self._unit), **options), self._dtype)
        if image.shape != self._shape:
            raise InvalidParameterError(
                f"{shown(self.interpolator)} returned an image of shape {image.shape}; it must be {self._shape}"
            )
        if self.coverage_mask is not None:
            image[self.coverage_mask] = self.fill_value
        return in_unit(image, self._unit)

    @property
    def background_mesh(self) -> Any:
        """Level of each box as it is interpolated, shape ``(ny, nx)``, in the unit of the data."""
        return in_unit(self._level.copy(), self._unit)

    @property
    def background_rms_mesh(self) -> Any:
        """Rms of each box as it is interpolated, shape ``(ny, nx)``, in the unit of the data."""
        return in_unit(self._rms.copy(), self._unit)

    @property
    def background_median(self) -> Any:
        """Median of `background_mesh`."""
        return in_unit(np.median(self._level), self._unit)

    @property
    def background_rms_median(self) -> Any:
        """Median of `background_rms_mesh`."""
        return in_unit(np.median(self._rms), self._unit)

    @property
    def n_pixels_mesh(self) -> np.ndarray:
        """Number of pixels of each box that clipping has left, shape ``(ny, nx)``."""
        return self._number.copy()

    @property
    def n_pixels_map(self) -> np.ndarray:
        """Number of pixels that clipping has left in the box of each pixel, shape ``(height, width)``."""
        rows, columns = (np.arange(size) // box for size, box in zip(self._shape, self._box_size, strict=True))
        return np.asarray(self._number[np.ix_(rows, columns)])

    @property
    def npixels_mesh(self) -> np.ndarray:
        """Former name of `n_pixels_mesh`."""
        return self.n_pixels_mesh

    @property
    def npixels_map(self) -> np.ndarray:
        """Former name of `n_pixels_map`."""
        return self.n_pixels_map

    def plot_meshes(
        self,
        *,
        ax: Axes | None = None,
        marker: str = "+",
        markersize: float | None = None,
        color: str = "blue",
        alpha: float | None = None,
        outlines: bool = False,
        **kwargs: Any,
    ) -> None:
        """Draw the centres of the boxes that are not excluded.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; the current ones by default.
        marker : str, optional
            Marker of the centres.
        markersize : float, optional
            Area of the markers in square points; 0 for none.
        color : str, optional
        alpha : float, optional
        outlines : bool, optional
            Draw the edges of the boxes, too.
        **kwargs
            Arguments of `matplotlib.patches.Patch` for the edges.
        """
        import matplotlib.pyplot as plt
        from matplotlib.collections import PatchCollection
        from matplotlib.patches import Rectangle

        axes = plt.gca() if ax is None else ax
        corners = np.argwhere(~self._excluded) * self.box_size - 0.5
        y, x = (corners + self.box_size / 2).T
        if markersize is None or markersize > 0:
            size = plt.rcParams["lines.markersize"] ** 2 if markersize is None else markersize
            axes.scatter(x, y, s=size, marker=marker, color=color, alpha=alpha)
        if outlines:
            height, width = self._box_size
            options = {"edgecolor": color, "facecolor": "none", "alpha": alpha, **kwargs}
            boxes = [Rectangle((left, bottom), width, height) for bottom, left in corners]
            axes.add_collection(PatchCollection(boxes, **options))


def _warning_class() -> type[Warning]:
    from astropy.utils.exceptions import AstropyUserWarning

    kind: type[Warning] = AstropyUserWarning
    return kind


def _renamed(former: Any, new: Any) -> Any:
    """Return the estimator that is given by the former name of its parameter."""
    from astropy.utils.exceptions import AstropyDeprecationWarning

    if new is not None:
        raise WrongTypeError("bkgrms_estimator is the former name of bkg_rms_estimator, and both are given; give one")
    warnings.warn(
        "bkgrms_estimator is the former name of bkg_rms_estimator; use the latter",
        AstropyDeprecationWarning,
        stacklevel=3,
    )
    return former


def _check_pixels(image: np.ndarray, rejected: np.ndarray | None) -> None:
    """Warn of pixels that are not finite and not masked; raise an error if no pixel counts."""
    if rejected is not None and rejected.all():
        raise InvalidParameterError("All pixels are masked, so there is no background; check mask and coverage_mask")
    if image.dtype.kind != "f":
        return
    with np.errstate(all="ignore"):
        if np.isfinite(image.sum()):  # which is faster than to look at each pixel
            return
    finite = np.isfinite(image)
    if finite.all():
        return
    lost = ~finite if rejected is None else ~finite & ~rejected
    if lost.any():
        number = np.count_nonzero(lost)
        if not finite.any():
            raise InvalidParameterError(f"None of the {image.size} pixels is finite, so there is no background")
        warnings.warn(
            f"{number} pixels of the data that are not masked are not finite (NaN or infinity); they do not count",
            _warning_class(),
            stacklevel=4,
        )


def _known(name: str, values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return the boxes among some whose values are finite; warn if there are others, which only functions make."""
    known: np.ndarray = kept & np.isfinite(values)
    if not known.any():
        raise InvalidParameterError(
            f"{name} returned no finite value for any box; it must ignore NaN, as numpy.nanmedian does"
        )
    if lost := np.count_nonzero(kept & ~known):
        warnings.warn(
            f"{name} returned values that are not finite for {lost} of {np.count_nonzero(kept)} boxes, which are "
            "replaced by means of their neighbours; it must ignore NaN, as numpy.nanmedian does",
            _warning_class(),
            stacklevel=5,
        )
    return known


def _filled(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return a mesh in which boxes that are not kept are replaced by their neighbours."""
    if kept.all():
        return values
    filled = values.copy()
    filled[~kept] = near_mean(np.argwhere(kept), values[kept], np.argwhere(~kept))
    return filled
