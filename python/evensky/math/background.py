"""Backgrounds with the names of ``lsst.afw.math``: statistics in a grid of bins, and smooth models through them."""

from __future__ import annotations

__all__ = [
    "INCREASE_NXNYSAMPLE",
    "REDUCE_INTERP_ORDER",
    "THROW_EXCEPTION",
    "Background",
    "BackgroundControl",
    "BackgroundList",
    "BackgroundMI",
    "UndersampleStyle",
    "fill_with_model",
    "makeBackground",
    "stringToUndersampleStyle",
    "undersample_style",
]

import copy
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .. import _core
from .._checks import real_number, shown
from .._core import BackgroundControl, UndersampleStyle, stringToUndersampleStyle
from ..errors import InvalidParameterError, OutOfRangeError
from ..geom import Box2I, Extent2I, Point2I, box_numbers
from ..image import ImageD, ImageF, Mask, MaskedImageF
from ..image._pixels import pixels_of
from ..image.coerce import Planes, as_planes
from .approximate import Approximate, ApproximateControl
from .interpolate import Interpolate, by_number, interp_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THROW_EXCEPTION = UndersampleStyle.THROW_EXCEPTION
REDUCE_INTERP_ORDER = UndersampleStyle.REDUCE_INTERP_ORDER
INCREASE_NXNYSAMPLE = UndersampleStyle.INCREASE_NXNYSAMPLE


def undersample_style(style: UndersampleStyle | str | int) -> UndersampleStyle:
    """Return an undersample style, given as a style, a name or a number.

    Raises
    ------
    evensky.errors.NotFoundError
        If the name is unknown; the message lists the known ones.
    evensky.errors.InvalidParameterError
        If the number is unknown; the message lists the known ones.
    """
    return stringToUndersampleStyle(style) if isinstance(style, str) else by_number(UndersampleStyle, style)


class BackgroundMI:
    """Background of an image, held as a masked image of statistics with one pixel per bin.

    Several threads may evaluate a background at once, with the same results as one. The statistics image must not be
    modified during an evaluation.

    Parameters
    ----------
    imageBBox : Box2I
        Box of the image.
    statsImage : image-like, shape (ny, nx)
        Values of the bins and, in the variance plane, their errors (standard deviations); copied.

    Notes
    -----
    The constructor also takes an image and a `BackgroundControl`, as in ``lsst.afw.math``; see `makeBackground`.
    """

    def __init__(self, imageBBox: Any, statsImage: Any, *, num_threads: int = 0) -> None:
        if isinstance(statsImage, BackgroundControl):
            core = _measure(as_planes(imageBBox), statsImage, num_threads)
        else:
            planes = as_planes(statsImage)
            values = ImageF(planes.image).array
            core = _core.Background(box_numbers(imageBBox, "imageBBox"), values, planes.mask, planes.variance)
        self._adopt(core, _core.AsUsed())

    def _adopt(self, core: _core.Background, as_used: _core.AsUsed) -> None:
        self._core = core
        self._as_used = as_used
        values, masks, errors = core.get_stats_planes()
        self._stats = MaskedImageF(ImageF(values), Mask(array=masks), ImageF(errors))

    @classmethod
    def from_core(cls, core: _core.Background, as_used: _core.AsUsed) -> Self:
        """Wrap a background of the core."""
        self = cls.__new__(cls)
        self._adopt(core, as_used)
        return self

    def getStatsImage(self) -> MaskedImageF:
        """Return the statistics image, shape ``(ny, nx)``: the values of the bins, with their errors.

        The variance plane holds the errors as standard deviations. The image is not a copy: changes to it affect all
        later models.
        """
        return self._stats

    def getImageBBox(self) -> Box2I:
        """Return the box of the image."""
        x0, y0, width, height = self._core.get_image_bbox()
        return Box2I(Point2I(x0, y0), Extent2I(width, height))

    def getBinCentersX(self) -> np.ndarray:
        """Return the x positions of the centres of the bins, in parent coordinates, shape ``(nx,)``."""
        return self._core.getBinCentersX()

    def getBinCentersY(self) -> np.ndarray:
        """Return the y positions of the centres of the bins, in parent coordinates, shape ``(ny,)``."""
        return self._core.getBinCentersY()

    def getBackgroundControl(self) -> BackgroundControl:
        """Return the control of the background; it is not a copy, so changes to it affect later evaluations."""
        return self._core.getBackgroundControl()

    def getAsUsedInterpStyle(self) -> Interpolate.Style:
        """Return the interpolation style of the last image; UNKNOWN before the first one, and for an approximation."""
        return self._as_used.interpStyle

    def getAsUsedUndersampleStyle(self) -> UndersampleStyle:
        """Return the undersample style of the last image."""
        return self._as_used.undersampleStyle

    def getImageF(self, *args: Any, num_threads: int = 0, **kwargs: Any) -> ImageF:
        """Evaluate the model in float32: ``getImageF([bbox,] [interpStyle, undersampleStyle])``.

        Parameters
        ----------
        bbox : Box2I, optional
            Box to evaluate, in parent coordinates; the whole image if omitted.
        interpStyle : Interpolate.Style, str or int, optional
            Interpolation style; that of the control if omitted.
        undersampleStyle : UndersampleStyle, str or int, optional
            Action if there are too few bins for the style; that of the control if omitted.
        num_threads : int, optional
            Number of threads; 0 for the process-wide default.

        Returns
        -------
        ImageF
            Image with the size and origin of the box. It holds the approximation if the control has an
            ApproximateControl and no style is given, and NaN if no bin is good.

        Raises
        ------
        evensky.errors.InvalidParameterError, evensky.errors.OutOfRangeError
            If there are too few bins and `undersampleStyle` is THROW_EXCEPTION.
        evensky.errors.LengthError
            If `bbox` is not inside the box of the image.
        """
        return ImageF(*self._evaluate(np.dtype(np.float32), args, kwargs, num_threads))

    def getImageD(self, *args: Any, num_threads: int = 0, **kwargs: Any) -> ImageD:
        """Evaluate the model in float64; parameters and errors are those of `getImageF`."""
        return ImageD(*self._evaluate(np.dtype(np.float64), args, kwargs, num_threads))

    def _evaluate(
        self, dtype: np.dtype[Any], args: tuple[Any, ...], kwargs: dict[str, Any], num_threads: int
    ) -> tuple[np.ndarray, bool, Point2I]:
        names: tuple[str, ...] = ("bbox", "interpStyle", "undersampleStyle")
        if not (args and isinstance(args[0], Box2I)):
            names = names[1:] if args else names
        if len(args) > len(names):
            raise InvalidParameterError(f"getImage takes at most {', '.join(names)}; got {len(args)} arguments")
        given = dict(zip(names, args, strict=False))
        if unknown := (set(kwargs) - {"bbox", "interpStyle", "undersampleStyle"}) | (set(kwargs) & set(given)):
            raise InvalidParameterError(f"getImage got unknown or repeated arguments: {', '.join(sorted(unknown))}")
        given.update(kwargs)
        whole = self.getImageBBox()
        bbox = whole if given.get("bbox") is None else given["bbox"]
        box = box_numbers(bbox)
        style = given.get("interpStyle")
        undersample = given.get("undersampleStyle")
        # No memory is allocated for a box outside the image, which the core then refuses.
        out = pixels_of(*(box[2:] if whole.contains(bbox) else (0, 0)), dtype, "A model")
        self._as_used = self._core.get_image(
            out,
            box,
            None if style is None else interp_style(style),
            None if undersample is None else undersample_style(undersample),
            num_threads,
        )
        return out, False, Point2I(box[0], box[1])

    def getApproximate(
        self, actrl: ApproximateControl, undersampleStyle: UndersampleStyle | str | int = THROW_EXCEPTION
    ) -> Approximate:
        """Fit a Chebyshev model to the bins.

        Parameters
        ----------
        actrl : ApproximateControl
            Order of the series, and whether to weight bins by 1 / error.
        undersampleStyle : UndersampleStyle, str or int, optional
            Accepted for compatibility with ``lsst.afw.math``, and ignored: bins that do not determine all terms always
            raise an error.

        Raises
        ------
        evensky.errors.RuntimeError
            If no bin is usable, or the bins determine fewer terms than the order requires.
        """
        undersample_style(undersampleStyle)
        return Approximate(self._core.get_approximate(actrl))

    def __iadd__(self, delta: float) -> Self:
        self._core.add(real_number(delta, "A constant"))
        return self

    def __isub__(self, delta: float) -> Self:
        self._core.add(-real_number(delta, "A constant"))
        return self

    def __getstate__(self) -> tuple[Any, ...]:
        planes = tuple(np.array(plane) for plane in self._core.get_stats_planes())
        used = (self._as_used.interpStyle, self._as_used.undersampleStyle)
        return self._core.get_image_bbox(), planes, copy.copy(self.getBackgroundControl()), used

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if len(state) != 4:
            raise InvalidParameterError(f"The state of a BackgroundMI has {len(state)} values; it must have 4")
        bbox, (values, masks, errors), bctrl, used = state
        self._adopt(_core.Background(tuple(bbox), values, masks, errors, bctrl), _core.AsUsed(*used))

    def plot(self) -> Figure:
        """Plot the model with its bins, and the residuals of the bins, see `evensky.plot.plot_background`."""
        from ..plot import plot_background

        return plot_background(self)

    def _repr_html_(self) -> str:
        from ..display import background_html
        from ..plot import background_model

        approximate = self.getBackgroundControl().getApproximateControl()
        order = approximate.getOrderX() if approximate.getStyle() >= 0 else None
        return background_html(self, lambda: background_model(self), order)

    def __repr__(self) -> str:
        nx, ny = self._stats.getDimensions()
        return f"BackgroundMI({nx} x {ny} bins over {self.getImageBBox()!r})"


Background = BackgroundMI


def fill_with_model(
    out: np.ndarray, model: BackgroundMI | Approximate, *, first_row: int = 0, num_threads: int = 0
) -> None:
    """Evaluate whole rows of a model into an existing array.

    Parameters
    ----------
    out : ndarray of float32 or float64, shape (rows, width)
        Array to write to.
    model : BackgroundMI or Approximate
    first_row : int, optional
        First row of the image to evaluate, counted from 0.
    num_threads : int, optional
        Number of threads; 0 for the process-wide default.
    """
    if isinstance(model, Approximate):
        x0, y0, width, _ = model._core.get_bbox()
        model._core.get_image(out, (x0, y0 + first_row, width, len(out)), -1, -1, num_threads)
    else:
        x0, y0, width, _ = model._core.get_image_bbox()
        box = x0, y0 + first_row, width, len(out)
        model._as_used = model._core.get_image(out, box, None, None, num_threads)


def _measure(planes: Planes, bctrl: BackgroundControl, num_threads: int) -> _core.Background:
    sctrl = bctrl.getStatisticsControl()
    if planes.reject and not sctrl.getAndMask() & planes.reject:
        # A boolean mask has no planes to choose from, so its pixels are always rejected.
        sctrl = copy.copy(sctrl)
        sctrl.setAndMask(sctrl.getAndMask() | planes.reject)
        bctrl = BackgroundControl(
            bctrl.getInterpStyle(),
            bctrl.getNxSample(),
            bctrl.getNySample(),
            bctrl.getUndersampleStyle(),
            sctrl,
            bctrl.getStatisticsProperty(),
            bctrl.getApproximateControl(),
        )
    return _core.Background(planes.image, planes.mask, planes.variance, planes.x0, planes.y0, bctrl, num_threads)


def makeBackground(image: Any, bctrl: BackgroundControl, *, num_threads: int = 0) -> BackgroundMI:
    """Measure the background of an image in a grid of bins.

    Parameters
    ----------
    image : image-like, shape (height, width)
        An image or masked image of `evensky.image`, a numpy array, a `numpy.ma.MaskedArray` or an astropy ``NDData``.
    bctrl : BackgroundControl
        Number of bins, statistic to measure in them, and style of evaluation.
    num_threads : int, optional
        Number of threads; 0 for the process-wide default. Results do not depend on it.

    Returns
    -------
    BackgroundMI

    Raises
    ------
    evensky.errors.InvalidParameterError
        If a bin has no pixels, or the dtype of the pixels is not supported.
    """
    if not isinstance(bctrl, BackgroundControl):
        raise InvalidParameterError(f"bctrl is a {type(bctrl).__name__}; it must be a BackgroundControl")
    return BackgroundMI(image, bctrl, num_threads=num_threads)


class BackgroundList:
    """List of backgrounds whose sum is the background of an image, each with the styles of its evaluation.

    Parameters
    ----------
    *args : BackgroundMI or tuple
        Backgrounds, or tuples ``(background, interpStyle, undersampleStyle, approximateStyle, approximateOrderX,
        approximateOrderY, approximateWeighting)``.
    """

    def __init__(self, *args: Any) -> None:
        self._backgrounds: list[tuple[Any, ...]] = []
        for value in args:
            self.append(value)

    def append(self, value: Any) -> None:
        """Add a background, or a tuple of a background and styles; omitted styles are those of its control."""
        background, *rest = value if isinstance(value, tuple) and value else (value,)
        if not isinstance(background, BackgroundMI):
            raise InvalidParameterError(
                f"A BackgroundList holds BackgroundMI objects; got a {type(background).__name__}, {shown(background)}"
            )
        control = background.getBackgroundControl()
        actrl = control.getApproximateControl()
        defaults = (
            control.getInterpStyle(),
            control.getUndersampleStyle(),
            actrl.getStyle(),
            actrl.getOrderX(),
            actrl.getOrderY(),
            actrl.getWeighting(),
        )
        if len(rest) > len(defaults):
            raise InvalidParameterError(f"A BackgroundList takes tuples of up to 7 values; got {len(rest) + 1}")
        styles: tuple[Any, ...] = (*rest, *defaults[len(rest) :])
        self._backgrounds.append(
            (
                background,
                interp_style(styles[0]),
                undersample_style(styles[1]),
                by_number(ApproximateControl.Style, styles[2]),
                *styles[3:],
            )
        )

    def clone(self) -> BackgroundList:
        """Return a new list of the same backgrounds."""
        return BackgroundList(*self._backgrounds)

    def getImage(self) -> ImageF:
        """Return the sum of all backgrounds.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the list is empty.
        """
        if not self._backgrounds:
            raise InvalidParameterError("The BackgroundList is empty; an image needs at least 1 background")
        total: ImageF | None = None
        for background, style, undersample, approximate, orderX, orderY, weighting in self._backgrounds:
            if approximate != ApproximateControl.UNKNOWN:
                actrl = ApproximateControl(approximate, orderX, orderY, weighting)
                image = background.getApproximate(actrl, undersample).getImage()
            else:
                image = background.getImageF(style, undersample)
            if total is None:
                total = image
            else:
                total += image
        assert total is not None  # the list is not empty
        return total

    def writeFits(self, fileName: str | Path, overwrite: bool = True) -> None:
        """Write the list to a FITS file, see `evensky.io.backgrounds`."""
        from ..io.backgrounds import write_background_list

        write_background_list(self, fileName, overwrite=overwrite)

    @staticmethod
    def readFits(fileName: str | Path) -> BackgroundList:
        """Read a list from a FITS file that `writeFits` has written."""
        from ..io.backgrounds import read_background_list

        return read_background_list(fileName)

    def __len__(self) -> int:
        return len(self._backgrounds)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._backgrounds)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if not -len(self) <= index < len(self):
            raise OutOfRangeError(f"Index {index} is outside a BackgroundList of {len(self)}")
        return self._backgrounds[index]

    def extend(self, values: Iterable[Any]) -> None:
        """Add several backgrounds."""
        for value in values:
            self.append(value)
