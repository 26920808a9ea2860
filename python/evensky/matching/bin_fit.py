"""Chebyshev series through the bins of a grid, with errors."""

from __future__ import annotations

__all__ = ["BinFit", "fit_bins", "least_bins"]

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from .. import errors
from ..errors import InvalidParameterError
from ..geom import Box2I
from .clipped_fit import robust_scatter

# Each pixel is counted in this many bins, as each is measured in a box of twice its width and height.
_SHARED = 4.0
# Smallest singular value that counts, as a share of the largest.
_RANK = 1e-9
# The robust fit: residuals, in standard deviations, beyond which bins count less, and number of iterations.
_HUBER_EDGE = 1.345
_HUBER_TURNS = 15
# Largest share of the bins that are clipped.
_MOST_CLIPPED = 0.05
# Least number of independent bins in the criterion for the order: with one, a term would cost nothing.
_LEAST_COUNT = 2.0


@dataclass(frozen=True)
class BinFit:
    """A Chebyshev series in x and y, with the covariance of its coefficients.

    Attributes
    ----------
    bbox : Box2I
        Box whose outer pixel edges are -1 and +1 of the polynomials.
    order : int
        Highest total degree of the terms.
    coefficients : ndarray, shape (n,)
        Coefficients of T_p(x) T_q(y), ordered by the total degree p + q and then by q.
    covariance : ndarray, shape (n, n)
    chi2 : float
        Sum of squared residuals in units of the bins' errors, divided by the degrees of freedom. If the errors are
        unknown, the unit is that of the bins.
    known_errors : bool
        Whether the bins had errors.
    rejected : ndarray of bool
        True for the bins that were clipped, in the shape of the bins.
    """

    bbox: Box2I
    order: int
    coefficients: np.ndarray
    covariance: np.ndarray
    chi2: float
    rejected: np.ndarray
    known_errors: bool = True

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the series at pixel positions, in the broadcast shape of x and y."""
        return np.asarray(_terms(x, y, self.bbox, self.order) @ self.coefficients)

    def errors(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the standard deviation of the series at pixel positions."""
        terms = _terms(x, y, self.bbox, self.order)
        variance = np.einsum("...i,ij,...j->...", terms, self.covariance, terms)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def least_bins(order: int) -> int:
    """Return the number of bins that a series of an order needs.

    As bins share pixels, there are four for each term. A plane needs only one more than it has terms: most of a sky's
    difference is its slope, and few bins of small errors give it well.
    """
    terms = _number_of_terms(order)
    return order + terms if order < 2 else int(_SHARED * terms)


def _number_of_terms(order: int) -> int:
    return (order + 1) * (order + 2) // 2


def fit_bins(
    means: np.ndarray,
    sigmas: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    bbox: Box2I,
    *,
    order: int | None = None,
    max_order: int = 6,
    clip: float = 3.0,
    rounds: int = 3,
    undersample: bool = True,
) -> BinFit:
    """Fit a Chebyshev series to bins, weighted by their errors and with outliers clipped.

    Parameters
    ----------
    means : ndarray
        Values of the bins; those that are not finite are left out.
    sigmas : ndarray, same shape
        Standard deviations of the values. If none is positive and finite, the bins have equal weights; otherwise bins
        without such an error are left out.
    x, y : ndarray, same shape
        Centroids of the pixels in each bin, in pixels.
    bbox : Box2I
        Box over which the series is defined.
    order : int, optional
        Highest total degree of the terms; selected by default.
    max_order : int, optional
        Highest order that is selected.
    clip : float, optional
        Half-width of the clipping window, in standard deviations of the residuals. If more than 5 % of the bins are
        outside, they are taken for structure, and none is clipped.
    rounds : int, optional
        Number of clipping rounds.
    undersample : bool, optional
        Reduce an order that needs more bins than there are (see `least_bins`); False raises an error instead.

    Returns
    -------
    BinFit
        Its covariance takes into account that neighbouring bins share pixels, and is scaled by chi2 if that is greater
        than 1.

    Raises
    ------
    evensky.errors.RuntimeError
        If no bin has a value.
    evensky.errors.InvalidParameterError
        If the order needs more bins than there are, and `undersample` is false.

    Notes
    -----
    The order is the one with the lowest Bayesian information criterion for independent Gaussian noise of unknown
    variance; the number of independent bins is a quarter of their number.
    """
    means, sigmas, x, y = (np.asarray(array, np.float64) for array in (means, sigmas, x, y))
    good = np.isfinite(means) & np.isfinite(x) & np.isfinite(y)
    known = np.isfinite(sigmas) & (sigmas > 0)
    if (good & known).any():
        good &= known
    else:
        sigmas = np.ones_like(means)
    number = int(good.sum())
    if number == 0:
        raise errors.RuntimeError(f"None of the {means.size} bins has a value; a series cannot be fitted")
    wanted = max_order if order is None else order
    possible = wanted
    while possible > 0 and least_bins(possible) > number:
        possible -= 1
    if order is not None and possible < order and not undersample:
        raise InvalidParameterError(
            f"order is {order}, which has {_number_of_terms(order)} terms; "
            f"{number} bins that share pixels allow order {possible}, and it needs {least_bins(order)}"
        )
    orders = range(possible + 1) if order is None else [possible]
    data = np.stack([means[good], sigmas[good], x[good], y[good]])
    # The order is selected for the bins that a fit of the highest order keeps.
    kept = _fit(data, bbox, possible, clip, rounds)[3]
    scores = {}
    if order is None:
        part = data[:, kept]
        count = max(kept.sum() / _SHARED, _LEAST_COUNT)
        # Residuals within rounding of float32 are equally good.
        floor = kept.sum() * (1e-7 * np.abs(part[0] / part[1]).max(initial=0.0)) ** 2 + np.finfo(float).tiny
        for one in orders:
            solution, _, residuals, _ = _fit(part, bbox, one, clip, 0)
            scores[one] = count * np.log((residuals**2).sum() + floor) + len(solution) * np.log(count)
    best = min(scores, key=lambda one: scores[one]) if scores else possible
    solution, covariance, residuals, kept = _fit(data, bbox, best, clip, rounds)
    freedom = kept.sum() - len(solution)
    chi2 = float((residuals[kept] ** 2).sum() / freedom) if freedom > 0 else float("nan")
    if not (good & known).any():
        covariance = covariance * (chi2 if np.isfinite(chi2) else 0.0)
    rejected = np.zeros(means.shape, bool)
    rejected[good] = ~kept
    scale = chi2 if known.any() and chi2 > 1 else 1.0
    has_errors = bool((good & known).any())
    return BinFit(bbox, best, solution, covariance * (_SHARED * scale), chi2, rejected, has_errors)


def _fit(
    data: np.ndarray, bbox: Box2I, order: int, clip: float, rounds: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return coefficients, covariance, residuals in units of the errors, and which bins were kept."""
    means, sigmas, x, y = data
    terms = _terms(x, y, bbox, order) / sigmas[:, np.newaxis]
    values = means / sigmas
    kept = np.ones(len(means), bool)
    if rounds:
        residuals = _robust_residuals(terms, values)
        for _ in range(rounds):
            width = clip * robust_scatter(residuals[kept])
            again = np.abs(residuals) <= width
            # Many bins beyond the window are structure that the series does not follow.
            if width <= 0 or again.sum() < (1 - _MOST_CLIPPED) * len(again) or (again == kept).all():
                break
            kept = again
            residuals = values - terms @ (np.linalg.pinv(terms[kept], rcond=_RANK) @ values[kept])
    # Directions that the bins do not determine are left at 0 by the pseudo-inverse.
    inverse = np.linalg.pinv(terms[kept], rcond=_RANK)
    solution = inverse @ values[kept]
    return solution, inverse @ inverse.T, values - terms @ solution, kept


def _robust_residuals(terms: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the residuals of a fit in which bins far from it count by their distance, not by its square (Huber)."""
    weights = np.ones(len(values))
    for _ in range(_HUBER_TURNS):
        root = np.sqrt(weights)
        solution = np.linalg.lstsq(terms * root[:, np.newaxis], values * root, rcond=_RANK)[0]
        residuals = np.asarray(values - terms @ solution)
        distance = np.abs(residuals)
        edge = _HUBER_EDGE * robust_scatter(residuals)
        if edge <= 0:
            break
        weights = edge / np.maximum(distance, edge)
    return residuals


def _terms(x: np.ndarray, y: np.ndarray, bbox: Box2I, order: int) -> np.ndarray:
    """Return the polynomials at positions, shape ``(..., n)``."""
    x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
    along_x = chebvander((2 * (x - bbox.getMinX()) + 1) / bbox.getWidth() - 1, order)
    along_y = chebvander((2 * (y - bbox.getMinY()) + 1) / bbox.getHeight() - 1, order)
    return np.stack(
        [along_x[..., degree - q] * along_y[..., q] for degree in range(order + 1) for q in range(degree + 1)], axis=-1
    )
