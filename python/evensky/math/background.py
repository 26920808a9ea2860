"""Backgrounds with the names of ``lsst.afw.math``: statistics in a grid of bins, and smooth models through them."""

from __future__ import annotations

__all__ = [
    "INCREASE_NXNYSAMPLE",
    "REDUCE_INTERP_ORDER",
    "THROW_EXCEPTION",
    "Background",
    "BackgroundControl",
    "BackgroundMI",
    "UndersampleStyle",
    "fill_with_model",
    "makeBackground",
    "stringToUndersampleStyle",
    "undersample_style",
]

import copy
import html
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .. import _core
from .._bands import band_height, row_bands
from .._checks import real_number
from .._core import BackgroundControl, UndersampleStyle, stringToUndersampleStyle
from .._text import reason_of
from ..draw.figures import picture_url, plot_model_grid, unit_label
from ..draw.tables import table_html
from ..errors import EvenskyError, InvalidParameterError
from ..geom import Box2I, box_numbers, trusted_box
from ..image import ImageD, ImageF, Mask, MaskedImageF
from ..image._pixels import pixels_of
from ..image.foreign import Planes, as_planes, float32_variance, int32_mask
from .approximate import Approximate, ApproximateControl
from .interpolate import Interpolate, by_number, interp_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Number of pixels of a model that are evaluated at a time.
_BAND_PIXELS = 2**18

THROW_EXCEPTION = UndersampleStyle.THROW_EXCEPTION
REDUCE_INTERP_ORDER = UndersampleStyle.REDUCE_INTERP_ORDER
INCREASE_NXNYSAMPLE = UndersampleStyle.INCREASE_NXNYSAMPLE

# Places of the arguments of a background, of its parts and of an image to measure.
_PARTS = {"imageDimensions": 0, "statsImage": 1, "img": 0, "bgCtrl": 1}
_PARTS_NEEDED = "it takes imageDimensions and statsImage, or img and bgCtrl"

_FLOAT, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


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
    """Background of an image, stored as a masked image of statistics with one pixel per bin.

    Several threads may evaluate a background at once, with the same results as one. The statistics image must not be
    modified during an evaluation.

    Parameters
    ----------
    imageDimensions : Box2I
        Box of the image.
    statsImage : image-like, shape (ny, nx)
        Values of the bins and, in the variance plane, their errors (standard deviations); copied.
    img, bgCtrl : image-like and BackgroundControl, optional
        Image to measure, and options, in place of the parts of a background; see `makeBackground`.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are more bins than pixels, or no bins or pixels.
    TypeError
        If there are not two arguments of one of the two kinds.
    """

    def __init__(self, *args: Any, num_threads: int = 0, **named: Any) -> None:
        given = dict(enumerate(args))
        for name, value in named.items():
            place = _PARTS.get(name)
            if place is None or place in given:
                raise TypeError(f"BackgroundMI() got an unknown or repeated argument {name!r}; {_PARTS_NEEDED}")
            given[place] = value
        if sorted(given) != [0, 1]:
            raise TypeError(f"BackgroundMI() got {len(given)} of its 2 arguments; {_PARTS_NEEDED}")
        first, second = given[0], given[1]
        if isinstance(second, BackgroundControl):
            core = _measure(as_planes(first), second, num_threads)
        else:
            planes = as_planes(second)
            values = ImageF(planes.image).array
            core = _core.Background(box_numbers(first, "imageDimensions"), values, int32_mask(planes), planes.variance)
        self._adopt(core, _core.AsUsed())

    def _adopt(self, core: _core.Background, as_used: _core.AsUsed) -> None:
        self._core = core
        self._as_used = as_used  # styles of the last evaluation
        self._first_used: _core.AsUsed | None = None  # styles of the first one
        self._stats: MaskedImageF | None = None  # made when it is first needed

    @classmethod
    def from_core(cls, core: _core.Background, as_used: _core.AsUsed) -> Self:
        """Wrap a background of the core."""
        self = cls.__new__(cls)
        self._adopt(core, as_used)
        return self

    def set_as_used(self, used: _core.AsUsed) -> None:
        """Store the styles of an image of these bins that was evaluated elsewhere."""
        self._as_used, self._first_used = used, self._first_used or used

    def getStatsImage(self) -> MaskedImageF:
        """Return the statistics image, shape ``(ny, nx)``: the values of the bins, with their errors.

        The variance plane holds the errors as standard deviations. The image is not a copy: changes to it affect all
        later models.
        """
        if self._stats is None:
            values, masks, errors = self._core.get_stats_planes()
            self._stats = MaskedImageF._of(ImageF._of(values), Mask._of(masks), ImageF._of(errors))
        return self._stats

    def getImageBBox(self) -> Box2I:
        """Return the box of the image to which the background belongs."""
        return trusted_box(*self._core.get_image_bbox())

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
            Image with the size and origin of the box; NaN if no bin is good. If the control has an
            ApproximateControl, the image holds the approximation, even if styles are given.

        Raises
        ------
        evensky.errors.InvalidParameterError, evensky.errors.OutOfRangeError
            If there are too few bins and `undersampleStyle` is THROW_EXCEPTION.
        evensky.errors.LengthError
            If `bbox` is not inside the box of the image.
        """
        return ImageF._of(*self._evaluate(_FLOAT, args, kwargs, num_threads))

    def getImageD(self, *args: Any, num_threads: int = 0, **kwargs: Any) -> ImageD:
        """Evaluate the model in float64; parameters and errors are those of `getImageF`."""
        return ImageD._of(*self._evaluate(_DOUBLE, args, kwargs, num_threads))

    def _evaluate(
        self, dtype: np.dtype[Any], args: tuple[Any, ...], kwargs: dict[str, Any], num_threads: int
    ) -> tuple[np.ndarray, int, int]:
        """Return the pixels of the model, and the origin of its image."""
        if not args and not kwargs:
            x0, y0, width, height = self._core.get_image_bbox()
            out = pixels_of(width, height, dtype, "A model")
            used = self._core.get_image(out, (x0, y0, width, height), None, None, num_threads)
            self._as_used, self._first_used = used, self._first_used or used
            return out, x0, y0
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
        # No memory is allocated for a box that is not inside the image, as the core refuses it.
        width, height = (box[2], box[3]) if whole.contains(bbox) else (0, 0)
        out = pixels_of(width, height, dtype, "A model")
        used = self._core.get_image(
            out,
            box,
            None if style is None else interp_style(style),
            None if undersample is None else undersample_style(undersample),
            num_threads,
        )
        self._as_used, self._first_used = used, self._first_used or used
        return out, box[0], box[1]

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
        """Draw the model with the bins on it, and the residuals of the bins. See `plot_background`."""
        return plot_background(self)

    def _repr_html_(self) -> str:
        approximate = self.getBackgroundControl().getApproximateControl()
        order = approximate.getOrderX() if approximate.getStyle() >= 0 else None
        return background_html(self, lambda: model_image(self), order)

    def __repr__(self) -> str:
        nx, ny = self.getStatsImage().getDimensions()
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
        used = model._core.get_image(out, (x0, y0 + first_row, width, len(out)), None, None, num_threads)
        model._as_used, model._first_used = used, model._first_used or used


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
    variance, note = float32_variance(planes)
    if note:
        warnings.warn(note, stacklevel=4)
    return _core.Background(planes.image, planes.mask, variance, planes.x0, planes.y0, bctrl, num_threads)


def makeBackground(img: Any, bgCtrl: BackgroundControl, *, num_threads: int = 0) -> BackgroundMI:
    """Measure the background of an image in a grid of bins.

    Parameters
    ----------
    img : image-like, shape (height, width)
        An image or masked image of `evensky.image`, a numpy array, a `numpy.ma.MaskedArray` or an astropy ``NDData``.
    bgCtrl : BackgroundControl
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
    if not isinstance(bgCtrl, BackgroundControl):
        raise InvalidParameterError(f"bgCtrl is a {type(bgCtrl).__name__}; it must be a BackgroundControl")
    return BackgroundMI(img, bgCtrl, num_threads=num_threads)


def model_range(model: BackgroundMI | Approximate) -> tuple[float, float]:
    """Return the lowest and the highest value of a model, which is evaluated in bands of rows."""
    box = model.getBBox() if isinstance(model, Approximate) else model.getImageBBox()
    width, height = box.getDimensions()
    low, high = np.float32(np.inf), np.float32(-np.inf)
    buffer = np.empty((min(height, band_height(width, _BAND_PIXELS)), width), np.float32)
    for rows in row_bands(height, width, _BAND_PIXELS):
        band = buffer[: rows.stop - rows.start]
        fill_with_model(band, model, first_row=rows.start)
        # A model without any good bin is NaN, which is ignored.
        low, high = np.fmin(low, np.fmin.reduce(band, axis=None)), np.fmax(high, np.fmax.reduce(band, axis=None))
    return float(low), float(high)


def model_image(background: BackgroundMI) -> np.ndarray:
    """Return the model image, evaluated with the background's own control, shape ``(height, width)``.

    If there are too few bins for the style, a simpler one is used.
    """
    return background.getImageF(undersampleStyle=REDUCE_INTERP_ORDER).array


def plot_background(background: BackgroundMI, model: np.ndarray | None = None, unit: str = "") -> Figure:
    """Draw the model of a background with its bins on it, and the residuals of the bins.

    Parameters
    ----------
    background : BackgroundMI
    model : ndarray, shape (height, width), optional
        The model image; by default it is evaluated with the background's own control.
    unit : str, optional
        Unit of the pixels.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if model is None:
        model = model_image(background)
    grid = background.getStatsImage()
    x0, y0 = background.getImageBBox().getMin()
    x, y = np.meshgrid(background.getBinCentersX() - x0, background.getBinCentersY() - y0)
    # The centre of a bin with an even number of pixels lies between two of them.
    left, right = np.floor(x).astype(int), np.ceil(x).astype(int)
    below, above = np.floor(y).astype(int), np.ceil(y).astype(int)
    at_centre = 0.25 * (model[below, left] + model[below, right] + model[above, left] + model[above, right])
    value = grid.image.array.astype(np.float64)
    flat = [plane.ravel() for plane in (x, y, value, grid.variance.array, value - at_centre)]
    return plot_model_grid(model, flat[0], flat[1], flat[2], flat[3], flat[4], unit)


def background_html(
    background: BackgroundMI,
    model: Callable[[], np.ndarray],
    order: int | None,
    unit: str = "",
    style: str = "",
    more: Sequence[tuple[str, str]] = (),
) -> str:
    """Return a table of the bins and of the model, and a picture of both, as HTML.

    Parameters
    ----------
    background : BackgroundMI
    model : callable
        Function that returns the model image.
    order : int or None
        Order of the Chebyshev series; None if the model is interpolated.
    unit : str, optional
        Unit of the pixels.
    style : str, optional
        Name of the interpolation, if it is none of `Interpolate.Style`.
    more : sequence of (str, str), optional
        Further rows of the table: what is told of the bins, and its value.
    """
    grid = background.getStatsImage()
    nx, ny = grid.getDimensions()
    box = background.getImageBBox()
    good = int(np.isfinite(grid.image.array).sum())
    rows = [
        ("bins", f"{nx} x {ny} over {box.getWidth()} x {box.getHeight()} px"),
        ("bins with good pixels", f"{good} of {nx * ny}"),
        ("level of the bins", _range_text(grid.image.array, unit)),
        *more,
    ]
    if good == 0:
        return table_html(("background", ""), rows) + "<p>No bin has a good pixel, so there is no model.</p>"
    try:
        image = model()
    except EvenskyError as error:  # the bins do not allow a model
        return table_html(("background", ""), rows) + f"<p>{html.escape(reason_of(error))}</p>"
    # With few bins the model is simpler than the requested one.
    kind = f"Chebyshev order {order}" if order is not None else style or background.getAsUsedInterpStyle().name
    rows.append((f"model, {kind}", _range_text(image, unit)))
    try:
        url = picture_url(lambda: plot_background(background, image, unit), 80)
        picture = f'<img alt="model and bins" src="{url}"/>'
    except Exception as error:  # the table can be shown without its picture
        picture = f"<p>The model cannot be drawn: {html.escape(reason_of(error))}</p>"
    return table_html(("background", ""), rows) + picture


def _range_text(values: np.ndarray, unit: str) -> str:
    """Return the median and the extremes of the finite values, in words."""
    good = values[np.isfinite(values)]
    if not good.size:
        return "none"
    low, middle, high = np.percentile(good, [0, 50, 100])
    return f"median {middle:.6g}, {low:.6g} to {high:.6g} {unit_label(unit)}".rstrip()
