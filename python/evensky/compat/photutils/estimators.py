"""Estimators of the level and the scatter of values, by the names of ``photutils.background``."""

from __future__ import annotations

__all__ = [
    "SIGMA_CLIP",
    "BackgroundBase",
    "BackgroundRMSBase",
    "BiweightLocationBackground",
    "BiweightScaleBackgroundRMS",
    "MADStdBackgroundRMS",
    "MMMBackground",
    "MeanBackground",
    "MedianBackground",
    "ModeEstimatorBackground",
    "SExtractorBackground",
    "StdBackgroundRMS",
    "for_boxes",
    "own_estimator",
    "unclipped",
]

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from ..._checks import real_number, shown
from ...calls.arguments import reduced_axes
from ...errors import TypeError as WrongTypeError
from ..astropy.stats import SigmaClip
from ..pixels import Pixels, in_unit, pixels_of
from .clipping import clip_rows, core_clipping
from .statistics import Estimator, Terms, measure_rows

SIGMA_CLIP = SigmaClip(sigma=3.0, maxiters=10)
"""The clipping by default."""


class _Base(ABC):
    """What estimators of level and scatter have in common."""

    def __init__(self, sigma_clip: SigmaClip | None = SIGMA_CLIP) -> None:
        if sigma_clip is not None and not isinstance(sigma_clip, SigmaClip):
            raise WrongTypeError(
                f"sigma_clip is {shown(sigma_clip)}; it must be a SigmaClip of astropy.stats, or None for no clipping"
            )
        self.sigma_clip = sigma_clip

    def __repr__(self) -> str:
        options = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        options["sigma_clip"] = options.pop("sigma_clip", None)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in options.items())})"

    @abstractmethod
    def __call__(self, data: Any, axis: Any = None, masked: bool = False) -> Any: ...


class BackgroundBase(_Base):
    """Base class of estimators of the level.

    Parameters
    ----------
    sigma_clip : astropy.stats.SigmaClip or None, optional
        Clipping before the level is estimated; None for no clipping. `Background2D` has its own.
    """

    @abstractmethod
    def calc_background(self, data: Any, axis: Any = None, masked: bool = False) -> Any:
        """Estimate the level of values.

        Parameters
        ----------
        data : array-like
            An array of any shape, a masked array, a ``Quantity`` or ``NDData``. Values that are masked or not finite do
            not count.
        axis : int, tuple of int or None, optional
            Axes along which the level is estimated, and that the result does not have; None for all.
        masked : bool, optional
            Return a masked array if the result has axes, in which levels without a value are masked; they are NaN
            otherwise.

        Returns
        -------
        float, ndarray of float64, MaskedArray or Quantity
        """

    def __call__(self, data: Any, axis: Any = None, masked: bool = False) -> Any:
        """Estimate the level of values, as `calc_background` does."""
        return self.calc_background(data, axis=axis, masked=masked)


class BackgroundRMSBase(_Base):
    """Base class of estimators of the scatter.

    Parameters
    ----------
    sigma_clip : astropy.stats.SigmaClip or None, optional
        Clipping before the scatter is estimated; None for no clipping. `Background2D` has its own.
    """

    @abstractmethod
    def calc_background_rms(self, data: Any, axis: Any = None, masked: bool = False) -> Any:
        """Estimate the scatter of values.

        Parameters
        ----------
        data : array-like
            An array of any shape, a masked array, a ``Quantity`` or ``NDData``. Values that are masked or not finite do
            not count.
        axis : int, tuple of int or None, optional
            Axes along which the scatter is estimated, and that the result does not have; None for all.
        masked : bool, optional
            Return a masked array if the result has axes, in which scatters without a value are masked; they are NaN
            otherwise.

        Returns
        -------
        float, ndarray of float64, MaskedArray or Quantity
        """

    def __call__(self, data: Any, axis: Any = None, masked: bool = False) -> Any:
        """Estimate the scatter of values, as `calc_background_rms` does."""
        return self.calc_background_rms(data, axis=axis, masked=masked)


def _result(values: Any, unit: Any, masked: bool) -> Any:
    """Return statistics as the caller wants them."""
    array = np.asarray(values, dtype=np.float64)
    if masked and array.ndim > 0:
        return np.ma.MaskedArray(in_unit(array, unit), mask=np.isnan(array))
    return in_unit(array[()], unit)


def _rows(pixels: Pixels, axis: Any) -> tuple[np.ndarray, np.ndarray | None, tuple[int, ...]]:
    """Return values as rows, each of which has one statistic, and the shape of the statistics."""
    values, rejected = pixels.values, pixels.rejected
    axes = reduced_axes(axis, values.ndim)
    rest = tuple(one for one in range(values.ndim) if one not in axes)
    shape = tuple(values.shape[one] for one in rest)
    length = 1
    for one in axes:
        length *= values.shape[one]
    size = (int(np.prod(shape)), length)

    def arrange(array: np.ndarray) -> np.ndarray:
        return array.transpose((*rest, *axes)).reshape(size)

    return arrange(values), None if rejected is None else arrange(rejected), shape


class _OfTerms(_Base):
    """An estimator that the core computes."""

    def _terms(self) -> Terms | None:
        raise NotImplementedError

    def _function(self, values: np.ndarray, axis: int = -1) -> Any:
        """Return the statistic along an axis, without NaN, if the core does not compute it."""
        raise NotImplementedError

    def _estimate(self, data: Any, axis: Any, masked: bool) -> Any:
        pixels = pixels_of(data)
        values, rejected, shape = _rows(pixels, axis)
        clipping, terms = core_clipping(self.sigma_clip), self._terms()
        if clipping is None or terms is None:
            values = values.astype(np.float64 if pixels.is_double else np.float32)
            values[~np.isfinite(values) if rejected is None else rejected | ~np.isfinite(values)] = np.nan
            values, rejected = clip_rows(values, self.sigma_clip), None
            clipping = core_clipping(None)
        assert clipping is not None
        if terms is None:
            statistic = np.ma.filled(self._function(values), np.nan)
        else:
            statistic = measure_rows(values, rejected, clipping, [terms]).values[0]
        return _result(np.reshape(statistic, shape), pixels.unit, masked)


class _Level(_OfTerms, BackgroundBase):
    def calc_background(self, data: Any, axis: Any = None, masked: bool = False) -> Any:
        return self._estimate(data, axis, masked)

    calc_background.__doc__ = BackgroundBase.calc_background.__doc__


class _Scatter(_OfTerms, BackgroundRMSBase):
    def calc_background_rms(self, data: Any, axis: Any = None, masked: bool = False) -> Any:
        return self._estimate(data, axis, masked)

    calc_background_rms.__doc__ = BackgroundRMSBase.calc_background_rms.__doc__


class MeanBackground(_Level):
    """The mean of the values that clipping leaves.

    Parameters
    ----------
    sigma_clip : astropy.stats.SigmaClip or None, optional

    Examples
    --------
    >>> from evensky.compat.photutils import MeanBackground
    >>> float(MeanBackground()(range(100)))
    49.5
    """

    def _terms(self) -> Terms:
        return Terms(levels=(("mean", 1.0),))


class MedianBackground(_Level):
    """The median of the values that clipping leaves.

    Parameters
    ----------
    sigma_clip : astropy.stats.SigmaClip or None, optional
    """

    def _terms(self) -> Terms:
        return Terms(levels=(("median", 1.0),))


class ModeEstimatorBackground(_Level):
    """The mode of the values that clipping leaves: `median_factor` times the median less `mean_factor` times the mean.

    Parameters
    ----------
    median_factor, mean_factor : float, optional
    sigma_clip : astropy.stats.SigmaClip or None, optional
    """

    def __init__(
        self, median_factor: float = 3.0, mean_factor: float = 2.0, sigma_clip: SigmaClip | None = SIGMA_CLIP
    ) -> None:
        super().__init__(sigma_clip)
        self.median_factor = real_number(median_factor, "median_factor")
        self.mean_factor = real_number(mean_factor, "mean_factor")

    def _terms(self) -> Terms:
        if (self.median_factor, self.mean_factor) == (3.0, 2.0):
            return Terms(levels=(("mmm", 1.0),))
        return Terms(levels=(("median", self.median_factor), ("mean", -self.mean_factor)))


class MMMBackground(_Level):
    """The mode of DAOPHOT: 3 median - 2 mean (Stetson 1987, PASP 99, 191) of the values that clipping leaves.

    Parameters
    ----------
    sigma_clip : astropy.stats.SigmaClip or None, optional
    """

    def _terms(self) -> Terms:
        return Terms(levels=(("mmm", 1.0),))


class SExtractorBackground(_Level):
    """The mode of SExtractor (Bertin & Arnouts 1996, A&AS 117, 393) of the values that clipping leaves.

    It is 2.5 median - 1.5 mean, or the median if the two differ by more than 0.3 standard deviations.

    Parameters
    ----------
    sigma_clip : astropy.stats.SigmaClip or None, optional
    """

    def _terms(self) -> Terms:
        return Terms(levels=(("sextractor", 1.0),))


class _Biweight(_OfTerms):
    """An estimator with a tuning constant and a centre."""

    c: float
    M: float | None

    def _set(self, c: float, M: float | None) -> None:
        self.c = real_number(c, "c")
        self.M = None if M is None else real_number(M, "M")


class BiweightLocationBackground(_Biweight, _Level):
    """The biweight location of the values that clipping leaves (Beers, Flynn & Gebhardt 1990, AJ 100, 32).

    Parameters
    ----------
    c : float, optional
        Tuning constant.
    M : float or None, optional
        Location about which values are weighted; None for their median.
    sigma_clip : astropy.stats.SigmaClip or None, optional
    """

    def __init__(self, c: float = 6.0, M: float | None = None, sigma_clip: SigmaClip | None = SIGMA_CLIP) -> None:
        super().__init__(sigma_clip)
        self._set(c, M)

    def _terms(self) -> Terms | None:
        return Terms(levels=(("biweight", 1.0),)) if self.c == 6.0 and self.M is None else None

    def _function(self, values: np.ndarray, axis: int = -1) -> Any:
        from astropy.stats import biweight_location

        return biweight_location(values, c=self.c, M=self.M, axis=axis, ignore_nan=True)


class StdBackgroundRMS(_Scatter):
    """The standard deviation, with divisor n, of the n values that clipping leaves.

    Parameters
    ----------
    sigma_clip : astropy.stats.SigmaClip or None, optional
    """

    def _terms(self) -> Terms:
        return Terms(scatters=(("std", 1.0),))


class MADStdBackgroundRMS(_Scatter):
    """1.4826 times the median distance from the median of the values that clipping leaves.

    Parameters
    ----------
    sigma_clip : astropy.stats.SigmaClip or None, optional
    """

    def _terms(self) -> Terms:
        return Terms(scatters=(("mad", 1.0),))


class BiweightScaleBackgroundRMS(_Biweight, _Scatter):
    """The biweight scale of the values that clipping leaves (Beers, Flynn & Gebhardt 1990, AJ 100, 32).

    Parameters
    ----------
    c : float, optional
        Tuning constant.
    M : float or None, optional
        Location about which values are weighted; None for their median.
    sigma_clip : astropy.stats.SigmaClip or None, optional
    """

    def __init__(self, c: float = 9.0, M: float | None = None, sigma_clip: SigmaClip | None = SIGMA_CLIP) -> None:
        super().__init__(sigma_clip)
        self._set(c, M)

    def _terms(self) -> Terms | None:
        return Terms(scatters=(("biweight", 1.0),)) if self.c == 9.0 and self.M is None else None

    def _function(self, values: np.ndarray, axis: int = -1) -> Any:
        from astropy.stats import biweight_scale

        return biweight_scale(values, c=self.c, M=self.M, axis=axis, ignore_nan=True)


_CLASSES: dict[str, type[_OfTerms]] = {
    one.__name__: one
    for one in (
        MeanBackground,
        MedianBackground,
        ModeEstimatorBackground,
        MMMBackground,
        SExtractorBackground,
        BiweightLocationBackground,
        StdBackgroundRMS,
        MADStdBackgroundRMS,
        BiweightScaleBackgroundRMS,
    )
}


def own_estimator(estimator: Any) -> Any:
    """Return the estimator of this file that does what one of photutils itself does; others are returned unchanged."""
    kind = type(estimator)
    if kind.__module__.split(".")[0] != "photutils" or kind.__name__ not in _CLASSES:
        return estimator
    own = _CLASSES[kind.__name__]
    names = [name for name in inspect.signature(own).parameters if hasattr(estimator, name)]
    return own(**{name: getattr(estimator, name) for name in names})


def unclipped(estimator: Any) -> Any:
    """Return an estimator that does not clip by itself.

    Raises
    ------
    evensky.errors.TypeError
        If it cannot be called.
    """
    if not callable(estimator) or isinstance(estimator, type):
        made = f"{estimator.__name__}()" if isinstance(estimator, type) else "MedianBackground()"
        raise WrongTypeError(
            f"{shown(estimator)} is no estimator; it must be a function with the parameter axis, or an object such as "
            f"{made}"
        )
    if getattr(estimator, "sigma_clip", None) is None:
        return estimator
    estimator = copy.copy(estimator)
    estimator.sigma_clip = None
    return estimator


def for_boxes(estimator: Callable[..., Any]) -> Estimator:
    """Return how an estimator is applied to boxes: the statistics of the core if it has some, otherwise itself."""
    own = own_estimator(estimator)
    terms = own._terms() if type(own) in _CLASSES.values() else None
    return estimator if terms is None else terms
