"""Background of a visit over a whole tract, in bins that are filled warp by warp."""

from __future__ import annotations

__all__ = ["TractBackground", "TractModel", "bad_plane_bits", "box_of", "misplacement", "tract_of", "within"]

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np

from ... import errors
from ..._checks import shown
from ...errors import InvalidParameterError, NotFoundError, OutOfRangeError
from ...geom import Box2I, Extent2I, Point2I
from ...image import ImageF, Mask, MaskedImageF
from ...image.bad_bits import bad_bits
from ...matching.bin_fit import BinFit
from ...matching.bin_sums import bin_positions, centre_bins, fill_bins, fit_plane, sample_bins, spline_bins
from ...math import (
    MEANCLIP,
    NCLIPPED,
    NPOINT,
    REDUCE_INTERP_ORDER,
    VARIANCECLIP,
    BackgroundList,
    BackgroundMI,
    StatisticsControl,
    makeStatistics,
    stringToInterpStyle,
)
from .config import TractBackgroundConfig

_STATISTICS = int(MEANCLIP | NPOINT | VARIANCECLIP | NCLIPPED)
# Half-width of the window that pixels of a bin are clipped to, in standard deviations, and number of rounds.
_CLIP, _ROUNDS = 3.0, 3
# Number of pixels that a bin is given where its value is known, so that it is never filled.
_KNOWN = 1e6


def tract_of(skymap: Any, tract: int) -> Any:
    """Return a tract of a sky map, which may be one of ``lsst.skymap``.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For what is not a sky map.
    evensky.errors.NotFoundError
        For a number that it does not have.
    """
    if isinstance(skymap, Mapping | list | tuple):
        try:
            return skymap[tract]
        except (LookupError, TypeError):
            advice = "use SkyMap.from_dict" if "tracts" in skymap else "give a SkyMap that has it"
            raise NotFoundError(
                f"There is no tract {shown(tract)} in {shown(skymap)}, a {type(skymap).__name__}; {advice}"
            ) from None
    if hasattr(skymap, "__getitem__") and not isinstance(skymap, str | bytes):
        return skymap[tract]
    if hasattr(skymap, "generateTract"):
        return skymap.generateTract(tract)
    raise InvalidParameterError(
        f"The sky map is {shown(skymap)}, a {type(skymap).__name__}; an object that gives a tract by its number, as "
        "skyMap[tract], is needed"
    )


def _first_patch_size(tract_info: Any) -> tuple[int, int]:
    """Return the inner width and height of the first patch of a tract."""
    for name in ("getPatchInnerDimensions", "patch_inner_dimensions"):
        value = getattr(tract_info, name, None)
        if value is not None:
            width, height = value() if callable(value) else value
            return int(width), int(height)
    patch = tract_info.getPatchInfo((0, 0)) if hasattr(tract_info, "getPatchInfo") else tract_info[0]
    box = patch.getInnerBBox()
    return box.getWidth(), box.getHeight()


def misplacement(tract_info: Any, patch: Any, box: Box2I) -> str:
    """Return why a warp of a box cannot be that of a patch; "" if it can.

    A warp must lie in the outer box of its patch and cover a part of the inner one. Where a tract does not tell its
    patches, the warp must lie in the tract.
    """
    advice = "set its origin (XY0) to the pixels of the tract, and use the sky map that it was made with"
    find = getattr(tract_info, "getPatchInfo", None) or getattr(tract_info, "__getitem__", None)
    if find is None:
        outer = inner = _bbox_of(tract_info)
        whole = "its tract"
    else:
        try:
            info = find(patch)
        except (LookupError, ValueError, TypeError) as error:
            return f"its tract has no patch {shown(patch)} ({error}); correct its data ID or the sky map"
        inner, outer = plain_box(info.getInnerBBox()), plain_box(info.getOuterBBox())
        whole = "the outer box of its patch"
    if not outer.contains(box):
        return f"its box, {box}, does not lie in {whole}, {outer}; {advice}"
    if not inner.overlaps(box):
        return f"its box, {box}, does not overlap with the inner box of its patch, {inner}; {advice}"
    return ""


def _bbox_of(tract_info: Any) -> Box2I:
    """Return the box of a tract."""
    box = tract_info.getBBox() if hasattr(tract_info, "getBBox") else getattr(tract_info, "bbox", None)
    if box is None:
        raise InvalidParameterError(
            f"A tract of the sky map is {shown(tract_info)}, a {type(tract_info).__name__}; it must have getBBox(). "
            "Give the sky map, not one of its tracts"
        )
    return plain_box(box)


def box_of(exposure: Any) -> Box2I:
    """Return the box of an exposure."""
    if not hasattr(exposure, "getBBox"):
        raise InvalidParameterError(
            f"An exposure is {shown(exposure)}, a {type(exposure).__name__}; it must have image, mask and getBBox()"
        )
    return plain_box(exposure.getBBox())


def plain_box(box: Any) -> Box2I:
    """Return a box, which may be one of ``lsst.geom``, as one of this package."""
    return Box2I(Point2I(box.getMinX(), box.getMinY()), Extent2I(box.getWidth(), box.getHeight()))


def bad_plane_bits(exposure: Any, planes: Any) -> int:
    """Return the bits of an exposure's mask that reject a pixel, as the mask's own numbers."""
    return bad_bits(exposure.mask, list(planes), defaults_may_lack=True)


def within(part: Box2I, box: Box2I) -> tuple[slice, slice]:
    """Return the slices of an array over a box that hold a part of the box."""
    x, y = part.getMinX() - box.getMinX(), part.getMinY() - box.getMinY()
    return slice(y, y + part.getHeight()), slice(x, x + part.getWidth())


class TractBackground:
    """Background of one visit over a tract: the sums of its pixels in a grid of bins.

    Warps of the visit are added one by one. Afterwards, the background of any warp can be read from the bins. Each bin
    is measured in a box of twice its width and height, so that neighbours share pixels.

    Parameters
    ----------
    config : TractBackgroundConfig
        Size of the bins, and how they are filled and read.
    skymap : SkyMap
        One of this package or of ``lsst.skymap``.
    tract : int
        Number of the tract.
    values, numbers, variances : image-like, shape (ny, nx), optional
        Sums over the pixels of each bin; copied. They are 0 by default.

    Notes
    -----
    With ``config.asOriginal`` all numbers equal those of the original. By default, a bin whose pixels are not spread
    evenly, at the edge of a visit or of the tract, is corrected for the place of their centroid; bins without enough
    pixels are filled as `evensky.matching.bin_sums.fill_bins` describes; and the background of a warp is sampled at the
    centres of its cells, and continued linearly to the edge of the tract.

    Examples
    --------
    >>> from evensky.image import ExposureF
    >>> from evensky.tasks.tract import SkyMap, TractBackgroundConfig, TractInfo
    >>> sky_map = SkyMap({0: TractInfo((100, 100), (3, 2), border=10)})
    >>> config = TractBackgroundConfig()
    >>> config.xBin = config.yBin = 25.0
    >>> config.binning = 10
    >>> background = TractBackground(config, sky_map, 0)
    >>> for patch in sky_map[0]:
    ...     warp = ExposureF(patch.getOuterBBox())
    ...     warp.image.array[:] = 7.0
    ...     background.addWarp(warp)
    >>> model = background.toWarpBackground(warp)
    >>> float(model.getImage().array.mean())
    7.0
    """

    def __init__(
        self,
        config: TractBackgroundConfig,
        skymap: Any,
        tract: int,
        values: Any = None,
        numbers: Any = None,
        variances: Any = None,
    ) -> None:
        if not isinstance(config, TractBackgroundConfig):
            raise InvalidParameterError(f"config is a {type(config).__name__}; it must be a TractBackgroundConfig")
        self.config = config
        self.skymap = skymap
        self.tract = tract
        tract_info = tract_of(skymap, tract)
        self._bbox = _bbox_of(tract_info)
        nx, ny = int(self._bbox.getWidth() / config.xBin), int(self._bbox.getHeight() / config.yBin)
        if nx < 1 or ny < 1:
            raise InvalidParameterError(
                f"Bins of {config.xBin:g} x {config.yBin:g} pixels are larger than the tract, which has "
                f"{self._bbox.getWidth()} x {self._bbox.getHeight()}; choose smaller bins"
            )
        planes = {"values": values, "numbers": numbers, "variances": variances}
        self._values, self._numbers, self._variances = (_plane(plane, (ny, nx), name) for name, plane in planes.items())
        # Sums of the distances of the pixels from the centres of their bins, in bins, in x and in y.
        self._offsets = np.zeros((2, ny, nx))

    @property
    def values(self) -> ImageF:
        """Sum of the pixels in each bin: the clipped mean times the number."""
        return self._values

    @property
    def numbers(self) -> ImageF:
        """Number of good pixels in each bin. Pixels of several warps are counted in each."""
        return self._numbers

    @property
    def variances(self) -> ImageF:
        """Sum of the variances of the pixels in each bin."""
        return self._variances

    @property
    def centroid_offsets(self) -> np.ndarray:
        """Mean distance of the pixels of each bin from its centre, in bins, shape ``(2, ny, nx)``: x and y."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.nan_to_num(self._offsets / self._numbers.array))

    @property
    def least_number(self) -> float:
        """Number of good pixels below which a bin is filled."""
        return float(self.config.minFrac * self.config.xBin * self.config.yBin)

    @property
    def bbox(self) -> Box2I:
        """Box of the tract."""
        return self._bbox

    def __repr__(self) -> str:
        ny, nx = self._values.array.shape
        return f"TractBackground({nx} x {ny} bins over tract {self.tract}, {self._bbox!r})"

    def clone(self) -> TractBackground:
        """Return a copy with its own planes."""
        copy = type(self)(self.config, self.skymap, self.tract, self._values, self._numbers, self._variances)
        copy._offsets = self._offsets.copy()
        return copy

    @classmethod
    def fromSimilar(cls, other: TractBackground) -> TractBackground:
        """Return an empty background with the configuration and tract of another one."""
        return cls(other.config, other.skymap, other.tract)

    def addWarp(self, exposure: Any, *, without: Iterable[Box2I] = ()) -> None:
        """Add the pixels of a warp.

        Parameters
        ----------
        exposure : Exposure
            Warp in the pixels of the tract; its own origin says where it is. Pixels with a bad mask plane, and those
            that are not finite, do not count.
        without : iterable of Box2I, optional
            Boxes whose pixels do not count, for example those of other patches that were added before.

        Raises
        ------
        evensky.errors.OutOfRangeError
            If the warp does not lie in the tract. With ``asOriginal``, pixels beyond the tract are ignored.
        """
        box = box_of(exposure)
        if not self.config.asOriginal and not self._bbox.contains(box):
            raise OutOfRangeError(
                f"The warp covers {box}, and tract {self.tract} {self._bbox}; set the origin (XY0) of the warp to the "
                "pixels of the tract, or give the part that lies in it"
            )
        bad = bad_plane_bits(exposure, self.config.mask)
        self.add_pixels(exposure.image.array, exposure.mask.array, bad, box, without=without)

    def add_pixels(
        self, image: np.ndarray, mask: np.ndarray | None, bad: int, box: Box2I, *, without: Iterable[Box2I] = ()
    ) -> None:
        """Add pixels.

        Parameters
        ----------
        image : ndarray, shape (height, width)
            Pixels; those that are not finite do not count.
        mask : ndarray of int32, shape (height, width), or None
            Mask bits.
        bad : int
            Bits that reject a pixel.
        box : Box2I
            Place of the pixels in the tract.
        without : iterable of Box2I, optional
            Boxes whose pixels do not count.
        """
        shared = [part for other in without if not (part := box.clippedTo(other)).isEmpty()]
        if shared:
            image = np.array(image, np.result_type(image, np.float32))
            for part in shared:
                image[within(part, box)] = np.nan
        config, start = self.config, (box.getMinX() - self._bbox.getMinX(), box.getMinY() - self._bbox.getMinY())
        values, numbers, variances = (plane.array for plane in (self._values, self._numbers, self._variances))
        ny, nx = values.shape
        columns = _touched(start[0], box.getWidth(), config.xBin, nx)
        rows = _touched(start[1], box.getHeight(), config.yBin, ny)
        centroids = None if config.asOriginal else _Centroids(image, mask, bad, columns, rows)
        control = StatisticsControl(_CLIP, _ROUNDS, bad)
        for j, y0, y1 in rows:
            for i, x0, x1 in columns:
                statistics = makeStatistics(
                    image[y0:y1, x0:x1],
                    mask=None if mask is None else mask[y0:y1, x0:x1],
                    flags=_STATISTICS,
                    sctrl=control,
                )
                mean, number = statistics.getValue(MEANCLIP), statistics.getValue(NPOINT)
                if not np.isfinite(mean):
                    continue
                variance = statistics.getValue(VARIANCECLIP)
                values[j, i] += np.float32(mean * number)
                numbers[j, i] += np.float32(number)
                variances[j, i] += np.float32(variance * number)
                if centroids is not None:
                    window = (mean, _CLIP * variance**0.5) if statistics.getValue(NCLIPPED) else None
                    x, y = centroids.of(i, j, window)
                    self._offsets[0, j, i] += number * ((start[0] + x + 0.5) / config.xBin - (i + 0.5))
                    self._offsets[1, j, i] += number * ((start[1] + y + 0.5) / config.yBin - (j + 0.5))

    def __iadd__(self, other: TractBackground) -> Self:
        """Add the sums of another background of the same grid.

        Raises
        ------
        evensky.errors.RuntimeError
            If the sizes of the bins or the grids differ.
        """
        if not isinstance(other, TractBackground):
            return NotImplemented
        for name, own, others in (
            ("bins", (self.config.xBin, self.config.yBin), (other.config.xBin, other.config.yBin)),
            ("grids", self._values.array.shape[::-1], other._values.array.shape[::-1]),
        ):
            if own != others:
                raise errors.RuntimeError(
                    f"The {name} differ in size: {own[0]:g} x {own[1]:g} and {others[0]:g} x {others[1]:g}; "
                    "backgrounds can only be added if they are equal"
                )
        for mine, its in (
            (self._values, other._values),
            (self._numbers, other._numbers),
            (self._variances, other._variances),
        ):
            mine.array[...] += its.array
        self._offsets += other._offsets
        return self

    def merge(self, other: TractBackground) -> None:
        """Add the sums of another background of the same grid; see ``+=``."""
        self += other

    def getVarianceImage(self) -> ImageF:
        """Return the mean variance of the pixels in each bin; NaN where there are none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return ImageF(self._variances.array / self._numbers.array)

    def getErrorImage(self) -> ImageF:
        """Return the standard deviation of the mean of each bin; NaN where there are no pixels."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return ImageF(np.sqrt(self._variances.array) / self._numbers.array)

    def getStatsImage(self) -> ImageF:
        """Return the mean of each bin, with the bins filled that have too few pixels.

        Raises
        ------
        evensky.errors.RuntimeError
            If no bin has enough pixels.
        """
        return ImageF(self._filled()[0])

    def getFilled(self) -> np.ndarray:
        """Return which bins have too few pixels and are filled from their neighbours, bool, shape ``(ny, nx)``."""
        numbers = self._numbers.array
        return np.asarray((numbers < np.float32(self.least_number)) | (numbers == 0))

    def getMeans(self) -> np.ndarray:
        """Return the mean of each bin as it is measured, at its centre, shape ``(ny, nx)``; NaN where it is filled."""
        with np.errstate(divide="ignore", invalid="ignore"):
            means = self._centred() / self._numbers.array
        means[self.getFilled()] = np.nan
        return np.asarray(means)

    def _centred(self) -> np.ndarray:
        """Return the sums of the bins as they would be if their pixels were spread evenly."""
        if self.config.asOriginal:
            return self._values.array
        off_x, off_y = self._offsets
        return centre_bins(self._values.array, self._numbers.array, off_x, off_y, self.least_number)

    def _filled(self) -> tuple[np.ndarray, np.ndarray]:
        config = self.config
        return fill_bins(
            self._centred(),
            self._numbers.array,
            self.least_number,
            config.interpolation,
            config.smoothScale if config.doSmooth else None,
            as_original=config.asOriginal,
        )

    def toWarpBackground(self, exposure: Any) -> BackgroundList:
        """Return the background of a warp.

        Parameters
        ----------
        exposure : Exposure
            Warp whose box the background gets.

        Returns
        -------
        BackgroundList
            One background, with a cell for each `binning` pixels. Cells that come from filled bins have the mask plane
            INTRP, and the variance plane holds their errors (standard deviations). With ``asOriginal``, cells without a
            value have the plane BAD, and the variances are 0.

        Raises
        ------
        evensky.errors.RuntimeError
            If no bin has enough pixels.
        evensky.errors.OutOfRangeError
            If the warp does not overlap with the tract.
        ValueError
            With ``asOriginal``, if the patches of the tract are not square.
        """
        box = box_of(exposure)
        if self.config.asOriginal:
            return self._original_background(box)
        return self.toModel().background_of(box)

    def toModel(self) -> TractModel:
        """Return the model of the tract that the bins make."""
        values, filled = self._filled()
        sigmas = self.getErrorImage().array
        # Filled bins may be wrong by as much as the known bins differ from a plane.
        known = ~filled & np.isfinite(sigmas)
        x, y = bin_positions(values.shape)
        measured = ~filled & np.isfinite(values)
        level, *slopes = fit_plane(values, measured)
        rest = (values - (level + slopes[0] * x + slopes[1] * y))[measured]
        typical = np.mean(sigmas[known].astype(np.float64) ** 2) if known.any() else 0.0
        sigmas = np.where(known, sigmas, np.sqrt(typical + np.mean(rest**2))).astype(np.float32)
        return TractModel(self.config, self._bbox, values, sigmas, filled)

    def _original_background(self, box: Box2I) -> BackgroundList:
        config = self.config
        width, height = _first_patch_size(tract_of(self.skymap, self.tract))
        if width != height:
            raise InvalidParameterError(
                f"The patches are {width} x {height} pixels; with asOriginal they must be square"
            )
        overlap = (box.getWidth() - width) // 2
        x0, y0 = box.getMinX(), box.getMinY()
        if x0 % width != 0:
            x0, y0 = x0 + overlap, y0 + overlap
        size = config.binning

        def positions(count: int, start: int, bin_size: float) -> np.ndarray:
            scale = 1.0 / bin_size
            return np.asarray(size * np.arange(count) * scale + (start * scale - 0.5))

        values = sample_bins(
            self.getStatsImage().array,
            positions(box.getWidth() // size, x0, config.xBin)[np.newaxis, :],
            positions(box.getHeight() // size, y0, config.yBin)[:, np.newaxis],
            as_original=True,
            area=size * size / (config.xBin * config.yBin),
        )
        missing = np.isnan(values)
        if not missing.all():
            values[missing] = values[~missing].mean()
        return _list_of(box, values, np.where(missing, Mask.getPlaneBitMask("BAD"), 0), None, config.interpolation)

    @classmethod
    def of_known_values(cls, like: TractBackground, values: np.ndarray) -> TractBackground:
        """Return a background of the same grid in which the value of every bin is known."""
        numbers = np.full(values.shape, _KNOWN, np.float32)
        return cls(like.config, like.skymap, like.tract, (values * np.float32(_KNOWN)).astype(np.float32), numbers)


class TractModel:
    """Smooth model of the background of a tract: the values of its bins, or a series.

    Parameters
    ----------
    config : TractBackgroundConfig
    bbox : Box2I
        Box of the tract.
    values, errors : ndarray, shape (ny, nx)
        Values of the bins, and their standard deviations.
    filled : ndarray of bool, shape (ny, nx)
        Bins that are filled from their neighbours.
    fit : BinFit, optional
        The series that was fitted to the bins, which is evaluated instead of interpolating between bins.
    """

    def __init__(
        self,
        config: TractBackgroundConfig,
        bbox: Box2I,
        values: np.ndarray,
        errors: np.ndarray,
        filled: np.ndarray,
        fit: BinFit | None = None,
    ) -> None:
        self.config = config
        self.bbox = bbox
        self.values = values
        self.errors = errors
        self.filled = filled
        self.fit = fit

    def getStatsImage(self) -> ImageF:
        """Return the values of the bins."""
        return ImageF(self.values)

    def toWarpBackground(self, exposure: Any) -> BackgroundList:
        """Return the background of a warp; see `TractBackground.toWarpBackground`."""
        return self.background_of(box_of(exposure))

    def background_of(self, box: Box2I) -> BackgroundList:
        """Return the background over a box in pixels of the tract.

        Raises
        ------
        evensky.errors.OutOfRangeError
            If the box does not overlap with the tract.
        """
        if not self.bbox.overlaps(box):
            raise OutOfRangeError(
                f"The box {box} does not overlap with the tract, {self.bbox}; set the origin (XY0) of the warp to the "
                "pixels of the tract"
            )
        x = _cell_centres(box.getMinX(), box.getWidth(), self.config.binning)[np.newaxis, :]
        y = _cell_centres(box.getMinY(), box.getHeight(), self.config.binning)[:, np.newaxis]
        bin_x = (x - self.bbox.getMinX() + 0.5) / self.config.xBin - 0.5
        bin_y = (y - self.bbox.getMinY() + 0.5) / self.config.yBin - 0.5
        if self.fit is None:
            values = self._sampled(bin_x, bin_y)
            sigmas = np.abs(sample_bins(self.errors, bin_x, bin_y))
        else:
            values = self.fit.evaluate(x, y).astype(np.float32)
            sigmas = self.fit.errors(x, y).astype(np.float32)
        filled = sample_bins(self.filled, bin_x, bin_y) > 0.5
        mask = np.where(filled, Mask.getPlaneBitMask("INTRP"), 0)
        return _list_of(box, values, mask, sigmas, self.config.interpolation)

    def variance_of(self, box: Box2I) -> ImageF:
        """Return the variance of the model over a box in pixels of the tract.

        The errors of neighbouring pixels are the same, so that a mean over many pixels keeps this variance.
        """
        background = self.background_of(box)[0][0]
        cells = background.getStatsImage()
        errors = BackgroundMI(box, ImageF(cells.variance.array))
        sigmas = errors.getImageF("LINEAR", REDUCE_INTERP_ORDER)
        return ImageF(sigmas.array**2, xy0=sigmas.getXY0())

    def _sampled(self, bin_x: np.ndarray, bin_y: np.ndarray) -> np.ndarray:
        """Return the values at positions in bins, shapes (1, n) and (m, 1)."""
        style = self.config.interpolation
        if style is None or style in ("CONSTANT", "LINEAR") or not np.isfinite(self.values).all():
            return sample_bins(self.values, bin_x, bin_y)
        # Patches sample the bins at different places. Their splines agree much better on a smooth surface than on one
        # with kinks.
        return spline_bins(self.values, bin_x.ravel(), bin_y.ravel(), style)

    def filled_pixels(self, good: np.ndarray, box: Box2I) -> int:
        """Return how many of the good pixels of a box are in bins that are filled.

        Parameters
        ----------
        good : ndarray of bool, shape (height, width)
        box : Box2I
            Place of the pixels in the tract.
        """
        ny, nx = self.filled.shape
        rows = _bin_numbers(box.getMinY() - self.bbox.getMinY(), box.getHeight(), self.config.yBin, ny)
        columns = _bin_numbers(box.getMinX() - self.bbox.getMinX(), box.getWidth(), self.config.xBin, nx)
        row_starts, column_starts = (np.flatnonzero(np.diff(numbers, prepend=-1)) for numbers in (rows, columns))
        counts = np.add.reduceat(
            np.add.reduceat(good, row_starts, axis=0, dtype=np.int32), column_starts, axis=1, dtype=np.int64
        )
        return int(counts[self.filled[np.ix_(rows[row_starts], columns[column_starts])]].sum())


class _Centroids:
    """Centroids of the good pixels in boxes that are products of ranges of columns and of rows."""

    def __init__(
        self,
        image: np.ndarray,
        mask: np.ndarray | None,
        bad: int,
        columns: list[tuple[int, int, int]],
        rows: list[tuple[int, int, int]],
    ) -> None:
        with np.errstate(over="ignore"):  # float64 pixels beyond float32 are not good
            good = np.isfinite(image.astype(np.float32, copy=False))
        if mask is not None and bad:
            good &= (mask & np.int32(bad)) == 0
        self._image, self._good = image, good
        counts = good.view(np.uint8)
        self._in_rows = {j: (y0, y1, np.add.reduce(counts[y0:y1], axis=0, dtype=np.int32)) for j, y0, y1 in rows}
        self._in_columns = {
            i: (x0, x1, np.add.reduce(counts[:, x0:x1], axis=1, dtype=np.int32)) for i, x0, x1 in columns
        }

    def of(self, i: int, j: int, window: tuple[float, float] | None = None) -> tuple[float, float]:
        """Return the centroid in a column and a row of boxes, in pixels of the image.

        With a window, its middle and half-width, pixels outside of it do not count. In a steep background, these may be
        all pixels at one end of a box.
        """
        y0, y1, along_x = self._in_rows[j]
        x0, x1, along_y = self._in_columns[i]
        along_x, along_y = along_x[x0:x1], along_y[y0:y1]
        if window is not None:
            box = slice(y0, y1), slice(x0, x1)
            kept = (self._good[box] & (np.abs(self._image[box] - window[0]) <= window[1])).view(np.uint8)
            if kept.any():
                along_x, along_y = (np.add.reduce(kept, axis=axis, dtype=np.int32) for axis in (0, 1))
        return _mean_position(along_x, x0), _mean_position(along_y, y0)


def _mean_position(counts: np.ndarray, start: int) -> float:
    """Return the mean position of pixels, given their numbers in consecutive places."""
    return start + float(counts @ np.arange(len(counts))) / float(counts.sum())


def _plane(plane: Any, shape: tuple[int, int], name: str) -> ImageF:
    """Return a copy of a plane, or a plane of zeros."""
    if plane is None:
        return ImageF(np.zeros(shape, np.float32))
    array = np.array(getattr(plane, "array", plane), np.float32)
    if array.shape != shape:
        raise InvalidParameterError(f"{name} have shape {array.shape}; the grid of the tract has {shape}")
    return ImageF(array)


def _touched(start: int, size: int, bin_size: float, count: int) -> list[tuple[int, int, int]]:
    """Return the bins whose boxes touch pixels: (index, first, end) with pixels counted from `start`."""
    found = []
    for index in range(max(0, int(start / bin_size) - 2), min(count, int((start + size) / bin_size) + 3)):
        first = int(np.floor((index - 0.5) * bin_size + 0.5)) - start
        last = int(np.floor((index + 0.5) * bin_size + bin_size - 1 + 0.5)) - start
        first, end = max(first, 0), min(last + 1, size)
        if first < end:
            found.append((index, first, end))
    return found


def _bin_numbers(start: int, size: int, bin_size: float, count: int) -> np.ndarray:
    """Return the number of the bin of each pixel; those beyond the last bin belong to it."""
    numbers = np.floor((start + np.arange(size) + 0.5) / bin_size)
    return np.asarray(np.clip(numbers, 0, count - 1), int)


def _cell_centres(start: int, size: int, cell: int) -> np.ndarray:
    """Return the centres of the cells that a background has over some pixels: at least two, for a slope."""
    count = max(size // cell, min(size, 2))
    ends = np.minimum((np.arange(1, count + 1) * size + count // 2) // count, size)
    starts = np.concatenate([[0], ends[:-1]])
    return np.asarray(start + 0.5 * (starts + ends) - 0.5)


def _list_of(
    box: Box2I, values: np.ndarray, mask: np.ndarray, sigmas: np.ndarray | None, interpolation: str | None
) -> BackgroundList:
    """Return a list of one background with the given cells."""
    if not values.size:
        raise InvalidParameterError(f"A warp of {shown(box)} has no cell of a background; choose a smaller binning")
    stats = MaskedImageF(
        ImageF(values),
        Mask(mask.astype(np.int32)),
        ImageF(np.zeros(values.shape, np.float32) if sigmas is None else sigmas),
    )
    background = BackgroundMI(box, stats)
    control = background.getBackgroundControl()
    if interpolation is not None:
        control.setInterpStyle(stringToInterpStyle(interpolation))
    control.setUndersampleStyle(REDUCE_INTERP_ORDER)
    return BackgroundList(background)
