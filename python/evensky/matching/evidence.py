"""Choice of the candidate model of one exposure from its differences.

The candidates are compared by the Bayesian information criterion (Schwarz 1978, Annals of Statistics 6, 461),

    BIC = sum of min((r / s)^2, t^2) + k ln n,

where r are the residuals of n bins in units of their standard errors and k is the number of terms. It approximates
minus twice the logarithm of the evidence of a linear model whose prior carries the information of one observation
(Kass and Raftery 1995, JASA 90, 773); a difference of 10 means odds of 150 to 1. The observations counted are bins,
not pixels, because bins are fitted. Two modifications adapt the criterion to real exposures. First, the standard
errors hold for white noise only; if even the best candidate leaves residuals that exceed them, s is the excess (and 1
otherwise). Second, a bin beyond the limit t (a satellite trail, a variable star, a ghost) costs t^2, whatever its
value: no candidate is chosen because it follows such a bin, and no bin is rejected free of charge.
"""

from __future__ import annotations

__all__ = ["Choice", "Evidence", "Score", "choose", "determines"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .models import Candidate

# A bin that is farther from a model than this, in standard errors, is an outlier.
OUTLIER = 4.0
# Largest number of fits, each without the outliers of the one before; they end once the outliers stay the same.
_ROUNDS = 8
# Largest number of terms of a candidate per bin.
_TERMS_PER_BIN = 0.5
# Least squared residual per degree of freedom, in units of the squared error, that a good fit is expected to reach; a
# candidate that would have to fall below it to be the best is not fitted.
_LEAST_SCATTER = 0.5
# Relative ridge added to the normal equations: far below any error, but enough to keep them regular despite rounding.
_RIDGE = 1e-10
# A candidate whose normal equations exceed this condition number is not considered.
_WORST_CONDITION = 1e8


@dataclass(frozen=True)
class Score:
    """Score of a candidate.

    Attributes
    ----------
    candidate : Candidate
    bic : float
        Bayesian information criterion minus that of the best candidate; lower is better.
    rejected : int
        Number of bins that are outliers of its fit.
    """

    candidate: Candidate
    bic: float
    rejected: int


@dataclass
class Choice:
    """Best candidate, with its fit.

    Attributes
    ----------
    candidate : Candidate
    coefficients : ndarray, shape (terms,)
    outliers : ndarray of bool, shape (n,)
        True for bins that were rejected as outliers.
    scale : float
        Ratio of the scatter of the bins to their standard errors, at least 1.
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
    """Estimates in bins of the value that the model of one exposure must have.

    Attributes
    ----------
    value, error : ndarray, shape (n,)
        Estimate and standard error in each bin.
    designs : sequence of (list of Candidate, callable)
        Groups of candidates, the simplest first, each with a function that returns a matrix of shape (n, terms); the
        terms of a candidate are the leading columns of that matrix.
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
    """Choose the best candidate.

    Candidates with too many terms for the number of bins, or with terms that the bins do not determine, are not
    considered; the simplest candidate always is.

    Parameters
    ----------
    evidence : Evidence

    Returns
    -------
    Choice
    """
    number = evidence.value.size
    value = evidence.value / evidence.error
    penalty = float(np.log(number)) if number > 1 else 0.0
    fits: dict[Candidate, _Fit] = {}

    lowest = np.inf  # lowest criterion so far, with unscaled errors

    def squares(fit: _Fit, scale: float) -> float:
        return float(np.minimum((fit.residuals / scale) ** 2, OUTLIER**2).sum())

    def hopeless(candidate: Candidate) -> bool:
        """Return whether the penalty of a candidate exceeds what even a very good fit could gain."""
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

    # The candidate with the least scatter scales the errors; they are not scaled if there are too few bins to tell.
    spreads = [_spread(fit, candidate.terms) for candidate, fit in fits.items()]
    scale = max(1.0, min((spread for spread in spreads if spread is not None), default=1.0))
    bic = {candidate: squares(fit, scale) + candidate.terms * penalty for candidate, fit in fits.items()}
    ranked = sorted(bic, key=lambda candidate: (bic[candidate], candidate.terms))
    best = ranked[0]
    scores = [Score(candidate, bic[candidate] - bic[best], int(fits[candidate].outliers.sum())) for candidate in ranked]
    return Choice(best, fits[best].coefficients, fits[best].outliers, scale, scores)


def determines(evidence: Evidence, candidate: Candidate) -> bool:
    """Return whether the bins determine all terms of `candidate`, which must be the only one in `evidence`."""
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
    """Fit by least squares, and reject outliers.

    If the plain fit leaves outliers, a fit with Huber weights, which a few outliers cannot pull away, provides the
    starting point; then bins beyond the limit are rejected iteratively. The limit is in units of the standard error or
    of the scatter, whichever is larger.
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
    """Return the standard deviation about 0, estimated from the median absolute residual."""
    return 1.482602218505602 * float(np.median(np.abs(residuals))) if residuals.size else 0.0


def _spread(fit: _Fit, terms: int) -> float | None:
    """Return the scatter in units of the standard errors; None if too few bins remain to estimate it."""
    kept = fit.residuals[~fit.outliers]
    freedom = kept.size - terms
    return float(np.sqrt((kept**2).sum() / freedom)) if freedom > max(3, 0.25 * fit.residuals.size) else None
