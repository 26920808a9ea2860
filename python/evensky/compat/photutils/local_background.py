"""The background in an annulus around each of some places, by the name of ``photutils.background``."""

from __future__ import annotations

__all__ = ["LocalBackground"]

import math
from typing import Any

import numpy as np

from ..._checks import real_number, shown
from ...errors import InvalidParameterError, LengthError
from ..pixels import check_image, in_unit, pixels_of
from .clipping import core_clipping
from .estimators import MedianBackground, for_boxes, own_estimator
from .options import thread_number
from .statistics import Terms, measure_rows

# Pixels of annuli that are measured at once.
_PIXELS = 2**22


class LocalBackground:
    """The background in a circular annulus.

    Parameters
    ----------
    inner_radius, outer_radius : float
        Radii in pixels. A pixel belongs to the annulus if the distance of its centre is at least the inner and less
        than the outer one.
    bkg_estimator : callable, optional
        Estimator of the background, which takes an array of the finite pixels; by default `MedianBackground`.
    n_threads : int, optional
        Number of threads. Results do not depend on it.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the radii are not positive and increasing.

    Examples
    --------
    >>> import numpy as np
    >>> from evensky.compat.photutils import LocalBackground
    >>> LocalBackground(5, 10)(np.ones((101, 101)), [30, 50], [40, 60])
    array([1., 1.])
    """

    def __init__(
        self, inner_radius: float, outer_radius: float, bkg_estimator: Any = None, *, n_threads: int = 1
    ) -> None:
        if not 0 < real_number(inner_radius, "inner_radius") < real_number(outer_radius, "outer_radius") < math.inf:
            raise InvalidParameterError(
                f"inner_radius is {inner_radius} and outer_radius is {outer_radius}; they must be positive, and the "
                "outer one the larger"
            )
        self.inner_radius, self.outer_radius = inner_radius, outer_radius
        self.bkg_estimator = MedianBackground() if bkg_estimator is None else bkg_estimator
        self.n_threads = thread_number(n_threads)

    def __repr__(self) -> str:
        return (
            f"LocalBackground(inner_radius={self.inner_radius}, outer_radius={self.outer_radius}, "
            f"bkg_estimator={self.bkg_estimator!r})"
        )

    def __call__(self, data: Any, x: Any, y: Any, mask: Any = None) -> Any:
        """Measure the background around some places.

        Parameters
        ----------
        data : image-like, shape (height, width)
        x, y : float or array-like, shape (n,)
            Centres of the annuli in pixels; the centre of the first pixel is 0.
        mask : array-like of bool, shape (height, width), optional
            True for pixels that do not count.

        Returns
        -------
        float, ndarray of float64, shape (n,), or Quantity
            NaN where no pixel of an annulus counts. It is a number if there is one place.

        Raises
        ------
        evensky.errors.InvalidParameterError
            For data that are no image, and for places that are not finite.
        """
        pixels = pixels_of(data, mask=mask)
        check_image(pixels)
        places = self._places(x, y)
        image, rejected = pixels.values, pixels.rejected
        if image.dtype.kind == "f":
            unknown = ~np.isfinite(image)
            rejected = unknown if rejected is None else rejected | unknown
        own = own_estimator(self.bkg_estimator)
        terms, clipping = for_boxes(own), core_clipping(getattr(own, "sigma_clip", None))
        if isinstance(terms, Terms) and clipping is not None:
            # The most pixels that an annulus can have are those of a square around it.
            rows = max(1, _PIXELS // (2 * math.ceil(self.outer_radius) + 1) ** 2)
            parts = [
                measure_rows(
                    *self._rows(image, rejected, places[start : start + rows]), clipping, [terms], self.n_threads
                ).values[0][:, 0]
                for start in range(0, len(places), rows)
            ]
            levels = np.concatenate(parts)
        else:
            levels = np.full(len(places), np.nan)
            for number, place in enumerate(places):
                values = self._annulus(image, rejected, *place)
                if values.size:
                    levels[number] = np.asarray(self.bkg_estimator(values)).item()
        return in_unit(levels if len(levels) > 1 else levels[0], pixels.unit)

    def _places(self, x: Any, y: Any) -> np.ndarray:
        x, y = (np.atleast_1d(np.asarray(one, np.float64)) for one in (x, y))
        if x.shape != y.shape or x.ndim != 1 or not x.size:
            raise LengthError(f"x has shape {x.shape} and y has shape {y.shape}; both need n values, one each")
        places = np.stack([x, y], axis=1)
        if not np.isfinite(places).all():
            raise InvalidParameterError(f"x and y are {shown(places.tolist())}; they must be finite")
        return places

    def _annulus(self, image: np.ndarray, rejected: np.ndarray | None, x: float, y: float) -> np.ndarray:
        """Return the pixels of an annulus that count."""
        height, width = image.shape
        reach = self.outer_radius
        columns, rows = (
            np.arange(max(0, math.ceil(centre - reach)), min(size, math.floor(centre + reach) + 1))
            for centre, size in ((x, width), (y, height))
        )
        if not columns.size or not rows.size:
            return image[:0, 0]
        part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        distance = np.hypot(rows[:, np.newaxis] - y, columns - x)
        chosen = (distance >= self.inner_radius) & (distance < reach)
        if rejected is not None:
            chosen &= ~rejected[part]
        return image[part][chosen]

    def _rows(
        self, image: np.ndarray, rejected: np.ndarray | None, places: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels of annuli as rows, and where rows have no more pixels."""
        found = [self._annulus(image, rejected, *place) for place in places]
        lengths = np.array([len(one) for one in found])
        values = np.zeros((len(found), max(1, lengths.max())), image.dtype)
        for row, one in zip(values, found, strict=True):
            row[: len(one)] = one
        return values, np.arange(values.shape[1]) >= lengths[:, np.newaxis]

    def to_aperture(self, x: Any, y: Any) -> Any:
        """Return the annuli as a ``CircularAnnulus`` of photutils, which must be installed.

        Parameters
        ----------
        x, y : float or array-like, shape (n,)

        Raises
        ------
        evensky.errors.InvalidParameterError
            If photutils is not installed.
        """
        try:
            from photutils.aperture import CircularAnnulus
        except ImportError as error:
            raise InvalidParameterError(
                f"apertures are those of photutils, which cannot be imported ({error}): pip install photutils"
            ) from error
        return CircularAnnulus(self._places(x, y), self.inner_radius, self.outer_radius)
