"""Linear least squares with rejection of outliers."""

from __future__ import annotations

__all__ = ["MOST_CONDITION", "ClippedFit", "fit_clipped", "robust_scatter"]

from dataclasses import dataclass

import numpy as np

from .. import errors
from ..errors import InvalidParameterError

# Interquartile range of a normal distribution of standard deviation 1.
_NORMAL_IQR = 1.3489795003921634
# Residuals below this share of the largest value are rounding, which is never rejected.
_ROUNDING = 1e-12
# Singular values below this share of the largest one are 0, so that the terms that depend on them get the solution of
# least norm.
_SINGULAR = 1e-10
# Condition of the terms beyond which the samples do not tell them apart: noise of the samples would be multiplied by
# about this number, and rounding of float32 samples matters.
MOST_CONDITION = 1e6


@dataclass(frozen=True, slots=True)
class ClippedFit:
    """Result of `fit_clipped`.

    Attributes
    ----------
    solution : ndarray, shape (p,)
        Factors of the terms.
    covariance : ndarray, shape (p, p)
        Their covariance, from the scatter of the residuals.
    inverse : ndarray, shape (p, p)
        Their covariance for samples of standard deviation 1.
    condition : float
        Largest singular value of the terms, each divided by its norm over the samples that were used, over the smallest
        one; infinite if a term depends on the others or is 0.
    kept : ndarray of bool, shape (n,)
        Samples that were used: neither NaN nor rejected.
    scatter : float
        Standard deviation of the residuals of these samples, for their number less the number of terms.
    rounds : int
        Number of rounds in which samples were rejected or taken back.
    """

    solution: np.ndarray
    covariance: np.ndarray
    inverse: np.ndarray
    condition: float
    kept: np.ndarray
    scatter: float
    rounds: int


def robust_scatter(values: np.ndarray) -> float:
    """Return the standard deviation of the normal distribution with the same interquartile range; NaN if empty."""
    if values.size == 0:
        return float("nan")
    low, high = np.percentile(values, [25, 75])
    return float(high - low) / _NORMAL_IQR


def fit_clipped(design: np.ndarray, values: np.ndarray, iterations: int, rejection: float) -> ClippedFit:
    """Fit a sum of terms to samples, and repeat the fit without outliers.

    Parameters
    ----------
    design : ndarray, shape (n, p)
        Values of the terms at the samples. Samples where one is NaN are not used.
    values : ndarray, shape (n,)
        Samples; NaN is not used.
    iterations : int
        Largest number of rounds of rejection. Fewer are made if one changes nothing; samples can come back.
    rejection : float
        Largest residual, in standard deviations (from the interquartile range of the residuals of all samples).

    Returns
    -------
    ClippedFit

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the shapes do not fit.
    evensky.errors.RuntimeError
        If there are fewer samples than terms.
    """
    design, values = np.asarray(design, np.float64), np.asarray(values, np.float64)
    if design.ndim != 2 or values.shape != design.shape[:1]:
        raise InvalidParameterError(
            f"The terms have shape {design.shape} and the samples {values.shape}; they must be (n, p) and (n,)"
        )
    usable = np.isfinite(values) & np.isfinite(design).all(axis=1)
    kept, rounds = usable, 0
    solution, inverse, condition = _solve(design, values, kept)
    floor = _ROUNDING * float(np.abs(values[usable]).max(initial=0.0))
    for _ in range(iterations):
        residuals = values - design @ solution
        limit = max(rejection * robust_scatter(residuals[usable]), floor)
        within = usable & (np.abs(residuals) <= limit)
        if np.array_equal(within, kept) or np.count_nonzero(within) < design.shape[1]:
            break
        kept, rounds = within, rounds + 1
        solution, inverse, condition = _solve(design, values, kept)
    residuals = (values - design @ solution)[kept]
    freedom = residuals.size - design.shape[1]
    scatter = float(np.sqrt(residuals @ residuals / freedom)) if freedom > 0 else float("nan")
    return ClippedFit(solution, inverse * scatter**2, inverse, condition, kept, scatter, rounds)


def _solve(design: np.ndarray, values: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the solution of least squares, the inverse of the normal matrix and the condition of the terms."""
    terms = design.shape[1]
    number = np.count_nonzero(kept)
    if number < max(terms, 1):
        raise errors.RuntimeError(
            f"There are {number} usable samples for {terms} terms; at least as many as terms are needed. Mask less, or "
            "use fewer terms"
        )
    # Terms of different scale are made comparable, so that the small ones are not taken for 0.
    scale = np.sqrt((design[kept] ** 2).sum(axis=0))
    scale[scale == 0] = 1.0
    left, singular, right = np.linalg.svd(design[kept] / scale, full_matrices=False)
    usable = singular > _SINGULAR * singular[0]
    weights = np.where(usable, 1 / np.where(usable, singular, 1.0), 0.0)
    solution = (right.T * weights) @ (left.T @ values[kept])
    inverse = (right.T * weights**2) @ right
    condition = float(singular[0] / singular[-1]) if singular[-1] > 0 else float("inf")
    return solution / scale, inverse / np.outer(scale, scale), condition
