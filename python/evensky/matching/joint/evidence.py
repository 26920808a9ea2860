"""Choice of the candidate model that the differences of an exposure support.

The candidates are compared by the Bayesian information criterion (Schwarz 1978, Annals of Statistics 6, 461),

    BIC = sum of min((r / s)^2, t^2) + k ln n,

where r are the residuals of n bins in units of their standard errors, and k is the number of terms. It approximates
minus twice the logarithm of the evidence of a linear model with a prior as informative as one observation (Kass and
Raftery 1995, JASA 90, 773), so a difference of 10 means odds of 150 to 1. Bins, not pixels, are counted as
observations, as bins are fitted. Two additions adapt the criterion to real exposures. First, the errors of bins hold
only for white noise; if even the best candidate has a larger residual scatter, s is that scatter, otherwise 1. Second,
a bin beyond t (a satellite, a variable star, a ghost) costs t^2 at most: no candidate is chosen because it follows such
a bin, and no bin is rejected without a cost.
"""

from __future__ import annotations

__all__ = ["Choice", "Evidence", "Score", "choose", "determines"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .models import Candidate

# Bins that differ from a model by more than this number of standard errors are outliers.
OUTLIER = 4.0
# Largest number of fits, which are repeated until the rejected bins stay the same.
_ROUNDS = 8
# Largest number of terms of a candidate for each bin.
_TERMS_PER_BIN = 0.5
# Least mean square residual, in units of the squared errors, that any model can reach; a candidate that would need a
# smaller one to be the best is not fitted.
_LEAST_SCATTER = 0.5
# Relative ridge added to the normal equations: far below any error, but enough to keep them regular despite rounding.
_RIDGE = 1e-10
# Largest condition number of a series; one that the bins determine worse is not a candidate.
_WORST_CONDITION = 1e8


@dataclass(frozen=True)
class Score:
    """The score of a candidate.

    Attributes
    ----------
    candidate : Candidate
    bic : float
        Bayesian information criterion minus that of the best candidate; lower is better.
    rejected : int
        Number of bins that are outliers.
    """

    candidate: Candidate
    bic: float
    rejected: int


@dataclass
class Choice:
    """The best candidate, with its fit.

    Attributes
    ----------
    candidate : Candidate
    coefficients : ndarray, shape (terms,)
    outliers : ndarray of bool, shape (n,)
        True for bins that were rejected as outliers.
    scale : float
        Scatter of the bins in units of their errors; at least 1.
    scores : list of Score
        Scores of all candidates, the best first.
    """

    candidate: Candidate
    coefficients: np.ndarray
    outliers: np.ndarray
    scale: float
    scores: list[Score]


@dataclass
class Evidence:
    """The evidence on the model of one exposure: the values that it should have in bins.

    Attributes
    ----------
    value, error : ndarray, shape (n,)
        Estimate and standard error in each bin.
    designs : sequence of (list of Candidate, callable)
        Candidates, the simplest first, whose terms are the first columns of a matrix of shape (n, terms), and a
        function that makes that matrix.
    """

    value: np.ndarray
    error: np.ndarray
    designs: Sequence[tuple[list[Candidate], Callable[[], np.ndarray]]]


@dataclass
class _Fit:
    coefficients: np.ndarray
    residuals: np.ndarray
    outliers: np.ndarray


def choose(evidence: Evidence) -> Choice:
    """Compare the candidates and choose the best.

    Parameters
    ----------
    evidence : Evidence

    Returns
    -------
    Choice
        Candidates with too many terms for the n bins, or with terms that the bins do not determine, are left out; the
        simplest is always compared.
    """
    number = evidence.value.size
    value = evidence.value / evidence.error
    penalty = float(np.log(number)) if number > 1 else 0.0
    fits: dict[Candidate, _Fit] = {}

    lowest = np.inf  # lowest criterion so far, with the given errors

    def squares(fit: _Fit, scale: float) -> float:
        return float(np.minimum((fit.residuals / scale) ** 2, OUTLIER**2).sum())

    def hopeless(candidate: Candidate) -> bool:
        """Return whether a candidate cannot be the best, even with half the sum of squares that noise would leave."""
        least = _LEAST_SCATTER * (number - candidate.terms)
        too_many = candidate.terms > max(_TERMS_PER_BIN * number, 1)
        return too_many or least + candidate.terms * penalty > lowest

    for candidates, design in evidence.designs:
        todo = [candidate for candidate in candidates if not hopeless(candidate)]
        if not todo:
            continue
        weighted = design() / evidence.error[:, None]
        gram = weighted.T @ weighted
        for candidate in todo:
            if not hopeless(candidate) and _determined(gram, candidate.terms):
                fits[candidate] = fit = _robust_fit(weighted[:, : candidate.terms], value)
                lowest = min(lowest, squares(fit, 1.0) + candidate.terms * penalty)

    # Errors are scaled by the least residual scatter of all candidates that have enough bins to measure it.
    spreads = [_spread(fit, candidate.terms) for candidate, fit in fits.items()]
    scale = max(1.0, min((spread for spread in spreads if spread is not None), default=1.0))
    bic = {candidate: squares(fit, scale) + candidate.terms * penalty for candidate, fit in fits.items()}
    ranked = sorted(bic, key=lambda candidate: (bic[candidate], candidate.terms))
    best = ranked[0]
    scores = [Score(candidate, bic[candidate] - bic[best], int(fits[candidate].outliers.sum())) for candidate in ranked]
    return Choice(best, fits[best].coefficients, fits[best].outliers, scale, scores)


def determines(evidence: Evidence, candidate: Candidate) -> bool:
    """Return whether the bins determine all terms of a candidate, which must be the only one in the evidence."""
    design = evidence.designs[0][1]() / evidence.error[:, None]
    return candidate.terms <= evidence.value.size and _determined(design.T @ design, candidate.terms)


def _determined(gram: np.ndarray, terms: int) -> bool:
    if terms <= 1:
        return terms == 0 or bool(gram[0, 0] > 0)
    part = gram[:terms, :terms]
    norm = np.sqrt(np.diag(part))
    if not np.all(norm > 0):
        return False
    return bool(np.linalg.cond(part / np.outer(norm, norm)) < _WORST_CONDITION)


def _robust_fit(design: np.ndarray, value: np.ndarray) -> _Fit:
    """Fit by least squares without outliers.

    If the plain fit has outliers, it is followed by a fit with Huber's weights, which is robust to a few of them. Then
    bins beyond the limit are rejected; the limit is in units of the errors, or of the scatter if that is greater.
    """
    coefficients = _solve(design, value, np.ones(value.size))
    residuals = value - design @ coefficients
    if not np.any(np.abs(residuals) > OUTLIER * max(1.0, _mad(residuals))):
        return _Fit(coefficients, residuals, np.zeros(value.size, bool))
    for _ in range(3):
        limit = 1.345 * max(1.0, _mad(residuals))
        weights = np.minimum(1.0, limit / np.maximum(np.abs(residuals), 1e-300))
        coefficients = _solve(design, value, weights)
        residuals = value - design @ coefficients
    outliers = np.zeros(value.size, bool)
    for _ in range(_ROUNDS):
        now = np.abs(residuals) > OUTLIER * max(1.0, _mad(residuals))
        if np.array_equal(now, outliers) and _ > 0:
            break
        outliers = now
        coefficients = _solve(design, value, (~outliers).astype(float))
        residuals = value - design @ coefficients
    return _Fit(coefficients, residuals, outliers)


def _solve(design: np.ndarray, value: np.ndarray, weights: np.ndarray) -> np.ndarray:
    if design.shape[1] == 0:
        return np.zeros(0)
    normal = (design * weights[:, None]).T
    gram = normal @ design
    gram[np.diag_indices_from(gram)] *= 1 + _RIDGE
    return np.asarray(np.linalg.solve(gram, normal @ value))


def _mad(residuals: np.ndarray) -> float:
    """Estimate the standard deviation about 0 from the median of absolute residuals."""
    return 1.482602218505602 * float(np.median(np.abs(residuals))) if residuals.size else 0.0


def _spread(fit: _Fit, terms: int) -> float | None:
    """Return the scatter in units of the errors; None if there are too few bins to measure it."""
    kept = fit.residuals[~fit.outliers]
    freedom = kept.size - terms
    return float(np.sqrt((kept**2).sum() / freedom)) if freedom > max(3, 0.25 * fit.residuals.size) else None
