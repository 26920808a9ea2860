"""Amplitude of a sky frame in the images of all detectors, and the sky frame that images of several visits share."""

from __future__ import annotations

__all__ = ["Amplitude", "BoxSamples", "common_frame", "fit_amplitude", "sample_boxes"]

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .. import errors
from ..errors import InvalidParameterError
from ..math import Property, StatisticsControl, makeStatistics
from .clipped_fit import MOST_CONDITION, fit_clipped, robust_scatter

# Rounds in which the common frame and its amplitudes are improved in turn, and the change at which they stop.
_ROUNDS = 30
_CHANGE = 1e-7
# Residual in standard deviations from which a bin counts less while the frame is being found.
_HUBER = 1.5


@dataclass(frozen=True, slots=True)
class Amplitude:
    """Amplitude of a sky frame.

    Attributes
    ----------
    scale : float
        Factor of the sky frame.
    error : float
        Its standard error, from the scatter of the residuals as if these were uncorrelated; NaN without samples to
        spare. Residual structure that is larger than a sample, such as a background or the light of a galaxy, makes the
        true error larger.
    pedestal : float
        Constant that was fitted as well; 0 if none was.
    rms : float
        Standard deviation of the residuals.
    used, rejected : int
        Number of samples in the fit, and of those that were rejected by clipping.
    """

    scale: float
    error: float
    pedestal: float
    rms: float
    used: int
    rejected: int


@dataclass(frozen=True, slots=True)
class BoxSamples:
    """Samples of an image in boxes, row by row; NaN where a box has no good pixel.

    Attributes
    ----------
    values : ndarray of float64, shape (n,)
        Statistic of the good pixels.
    frame : ndarray of float64, shape (n,)
        Statistic of the sky frame at the same pixels; 0 without a sky frame.
    x, y : ndarray of float64, shape (n,)
        Centroid of the good pixels, in array pixels counted from 0.
    share : ndarray of float64, shape (n,)
        Share of the pixels that are good.
    """

    values: np.ndarray
    frame: np.ndarray
    x: np.ndarray
    y: np.ndarray
    share: np.ndarray


def sample_boxes(
    image: np.ndarray,
    good: np.ndarray,
    frame: np.ndarray | None,
    counts: tuple[int, int],
    statistic: Property,
    control: StatisticsControl,
) -> BoxSamples:
    """Measure an image and a sky frame in the same boxes, on the same pixels.

    Parameters
    ----------
    image : ndarray, shape (height, width)
    good : ndarray of bool, shape (height, width)
        Pixels that count in both.
    frame : ndarray, shape (height, width), or None
        Sky frame.
    counts : tuple of int
        Number of boxes in x and y; at most one for each pixel.
    statistic : Property
    control : StatisticsControl
    """
    height, width = image.shape
    x_edges = np.linspace(0, width, min(counts[0], width) + 1, dtype=int)
    y_edges = np.linspace(0, height, min(counts[1], height) + 1, dtype=int)
    result = np.full((5, len(y_edges) - 1, len(x_edges) - 1), np.nan)
    for row, (bottom, top) in enumerate(pairwise(y_edges)):
        for column, (left, right) in enumerate(pairwise(x_edges)):
            box = slice(bottom, top), slice(left, right)
            counting = good[box]
            number = np.count_nonzero(counting)
            result[4, row, column] = number / counting.size
            if number == 0:
                continue
            for n, plane in enumerate((image, frame)):
                if plane is not None:
                    values = plane[box][counting]
                    result[n, row, column] = makeStatistics(values, statistic, control).getValue(statistic)
            result[2, row, column] = counting.sum(axis=0) @ np.arange(left, right) / number
            result[3, row, column] = counting.sum(axis=1) @ np.arange(bottom, top) / number
    if frame is None:
        result[1] = 0.0
    return BoxSamples(*result.reshape(5, -1))


def fit_amplitude(
    samples: np.ndarray, frame: np.ndarray, iterations: int = 3, rejection: float = 3.0, *, pedestal: bool = False
) -> Amplitude:
    """Fit a sky frame to samples by least squares with rejection of outliers.

    Parameters
    ----------
    samples, frame : array-like, shape (n,)
        Samples of the images of all detectors and of the sky frame at the same places. NaN is not used.
    iterations : int, optional
        Largest number of rounds of rejection.
    rejection : float, optional
        Largest residual in standard deviations.
    pedestal : bool, optional
        Fit a constant as well.

    Returns
    -------
    Amplitude

    Raises
    ------
    evensky.errors.RuntimeError
        If there are no usable samples, or they do not determine the amplitude: the frame is 0 in all of them or, with a
        pedestal, constant.
    """
    values, terms = np.asarray(samples, np.float64).ravel(), np.asarray(frame, np.float64).ravel()
    if values.shape != terms.shape:
        raise InvalidParameterError(
            f"There are {values.size} samples of the images and {terms.size} of the sky frame; both are needed"
        )
    design = np.column_stack([terms, np.ones_like(terms)]) if pedestal else terms[:, np.newaxis]
    fit = fit_clipped(design, values, iterations, rejection)
    if fit.condition > MOST_CONDITION:
        known = terms[fit.kept]
        raise errors.RuntimeError(
            f"The amplitude of the sky frame is undetermined: the frame is {known.min():g} to {known.max():g} in the "
            f"{known.size} samples. "
            + ("It must vary, or fit no pedestal" if pedestal and known.any() else "It must differ from 0 in some")
        )
    used = int(np.count_nonzero(fit.kept))
    usable = int(np.count_nonzero(np.isfinite(values) & np.isfinite(terms)))
    constant = float(fit.solution[1]) if pedestal else 0.0
    error = float(np.sqrt(fit.covariance[0, 0]))
    return Amplitude(float(fit.solution[0]), error, constant, fit.scatter, used, usable - used)


def common_frame(visits: Sequence[np.ndarray], rejection: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the frame that visits share up to a factor, and the factors.

    Parameters
    ----------
    visits : sequence of ndarray, shape (n,)
        Bins of all detectors of each visit, in the same order. NaN is not used.
    rejection : float, optional
        Bins whose residual in a visit is larger, in standard deviations, do not count in that visit.

    Returns
    -------
    frame : ndarray of float64, shape (n,)
        NaN where no visit has a good bin.
    factors : ndarray, shape (visits,)
        Factor of the frame in each visit; the mean of their squares is 1, and their sum is not negative.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are no visits, or their numbers of bins differ.
    evensky.errors.RuntimeError
        If a visit has no bin in common with the others, or all bins of all visits are 0.
    """
    sizes = {np.size(visit) for visit in visits}
    if len(sizes) != 1:
        raise InvalidParameterError(
            f"The visits have {sorted(sizes)} bins; at least one visit is needed, and all must have the same bins"
        )
    data = np.stack([np.asarray(visit, np.float64).ravel() for visit in visits])
    known = np.isfinite(data)
    filled = np.where(known, data, 0.0)
    if known.any() and not filled.any():
        raise errors.RuntimeError(
            f"All bins of the {len(data)} visits are 0, so that they share no pattern; measure the bins of images with "
            "sky, after subtraction of the large-scale background"
        )
    frame = _first_guess(data, rejection)
    # Outliers first count less, the more the further off they are, which has one solution wherever it starts. Those
    # that are then beyond the limit do not count at all.
    for limit in (None, rejection):
        before = np.zeros(len(data))
        for _ in range(_ROUNDS):
            own = _factors(frame, data, rejection)
            residuals = np.abs(data - own[:, np.newaxis] * frame)
            size = float(np.sqrt(np.mean(own**2)))
            factors = own * (-1.0 if own.sum() < 0 else 1.0) / (size if size > 0 else 1.0)
            weights = known * _weights(residuals, _CHANGE * np.abs(filled), limit)
            norm = (weights * factors[:, np.newaxis] ** 2).sum(axis=0)
            with np.errstate(divide="ignore", invalid="ignore"):
                frame = (weights * factors[:, np.newaxis] * filled).sum(axis=0) / norm
            if np.abs(factors - before).max() < _CHANGE:
                break
            before = factors
    return frame, factors


def _weights(residuals: np.ndarray, rounding: np.ndarray, limit: float | None) -> np.ndarray:
    """Return weights of the bins of each visit from their absolute residuals.

    A bin that the frame lacks so far has no residual, and counts like one of residual 0. With a limit in standard
    deviations, a bin counts or does not; without one, Huber's weights are returned.
    """
    scatter = np.array([robust_scatter(np.concatenate([row, -row])) for row in _finite(residuals)])
    if limit is None:
        allowed = _HUBER * scatter[:, np.newaxis] + rounding
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = np.where(residuals > allowed, allowed / residuals, 1.0)
    else:
        weights = np.where(residuals > limit * scatter[:, np.newaxis] + rounding, 0.0, 1.0)
    # Noisy visits count less; none counts more than twice as much as a typical one.
    noise = scatter**2 + float(np.median(scatter)) ** 2
    return weights / (noise if noise.all() else np.ones_like(noise))[:, np.newaxis]


def _finite(rows: np.ndarray) -> list[np.ndarray]:
    return [row[np.isfinite(row)] for row in rows]


def _first_guess(data: np.ndarray, rejection: float) -> np.ndarray:
    """Return the median over the visits of their bins in units of the visit with most signal.

    Something that one visit alone has, such as a ghost, does not reach the median of three.
    """
    signal = np.nansum(data**2, axis=1)
    frame = data[int(np.argmax(signal))]
    factors = _factors(frame, data, rejection)
    # Visits in which the frame is faint would add noise.
    strong = np.abs(factors) > 0.3 * float(np.median(np.abs(factors)))
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = data[strong] / factors[strong, np.newaxis]
    empty = np.isnan(scaled).all(axis=0)
    guess = np.nanmedian(np.where(empty, 0.0, scaled), axis=0)
    guess[empty] = np.nan
    return np.asarray(guess)


def _factors(frame: np.ndarray, data: np.ndarray, rejection: float) -> np.ndarray:
    """Return the factor of a frame in each visit."""
    return np.array([fit_clipped(frame[:, np.newaxis], row, 3, rejection).solution[0] for row in data])
