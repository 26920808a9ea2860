"""Which candidate the differences of an exposure ask for.

The candidates are compared by the Bayesian information criterion (Schwarz 1978, Annals of Statistics 6, 461),

    BIC = sum of min(r^2, t^2) / s^2 + k ln n,

r being the residuals of n bins in units of their standard errors, k the number of terms. It approximates minus twice
the logarithm of the evidence of a linear model with a prior as wide as one observation tells (Kass and Raftery 1995,
JASA 90, 773), so a difference of 10 is odds of 150 to 1. Bins, not pixels, are counted as observations: they are what
is fitted. Two things make it fit for real exposures. The errors of bins are known only as far as the noise is white;
where even the best candidate leaves more than they say, s is what it leaves. And a bin beyond t (a satellite, a
variable star, a ghost) costs t^2 and no more, whatever it holds: no candidate is chosen to follow it, nor are bins left
out without a price.
"""

from __future__ import annotations

__all__ = ["Choice", "Evidence", "Score", "choose", "determines"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .models import Candidate

# Bins farther from a model, in standard errors, are outliers.
OUTLIER = 4.0
# Fits are repeated with bins left out until these stay the same, so often at most.
_ROUNDS = 8
# A candidate has at most so many terms for each bin.
_TERMS_PER_BIN = 0.5
# What is left of a bin's squared error where a model is as good as can be, at least: a candidate that would need less
# to be the best is not fitted.
_LEAST_SCATTER = 0.5
# Relative ridge of normal equations: far below any error, yet it tells rank from rounding.
_RIDGE = 1e-10
# A series whose terms the bins determine so badly is none for this exposure.
_WORST_CONDITION = 1e8


@dataclass(frozen=True)
class Score:
    """How a candidate did.

    Attributes
    ----------
    candidate : Candidate
    bic : float
        The lower the better; less that of the best.
    rejected : int
        Number of bins beyond its reach.
    """

    candidate: Candidate
    bic: float
    rejected: int


@dataclass
class Choice:
    """The best candidate.

    Attributes
    ----------
    candidate : Candidate
    coefficients : ndarray, shape (terms,)
    outliers : ndarray of bool, shape (n,)
        Bins that do not count.
    scale : float
        By how much the scatter of bins exceeds their errors; at least 1.
    scores : list of Score
        Of all candidates, the best first.
    """

    candidate: Candidate
    coefficients: np.ndarray
    outliers: np.ndarray
    scale: float
    scores: list[Score]


@dataclass
class Evidence:
    """What speaks for one exposure's correction: its value in bins.

    Attributes
    ----------
    value, error : ndarray, shape (n,)
    designs : sequence of (list of Candidate, callable)
        Candidates, the simplest first, whose terms are the first columns of a matrix of shape (n, terms), and what
        makes that matrix.
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
    """Compare the candidates.

    Parameters
    ----------
    evidence : Evidence

    Returns
    -------
    Choice
        Of what is known of n bins; candidates with too many terms for them, or that they do not determine, are left
        out, and the simplest is always there.
    """
    number = evidence.value.size
    value = evidence.value / evidence.error
    penalty = float(np.log(number)) if number > 1 else 0.0
    fits: dict[Candidate, _Fit] = {}

    lowest = np.inf  # criterion so far, with the errors as they are

    def squares(fit: _Fit, scale: float) -> float:
        return float(np.minimum((fit.residuals / scale) ** 2, OUTLIER**2).sum())

    def hopeless(candidate: Candidate) -> bool:
        """Whether even half the scatter that its freedom leaves would not pay for its terms."""
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

    # The errors are as large as the candidate says that leaves least; as they are where there are too few bins to say.
    spreads = [_spread(fit, candidate.terms) for candidate, fit in fits.items()]
    scale = max(1.0, min((spread for spread in spreads if spread is not None), default=1.0))
    bic = {candidate: squares(fit, scale) + candidate.terms * penalty for candidate, fit in fits.items()}
    ranked = sorted(bic, key=lambda candidate: (bic[candidate], candidate.terms))
    best = ranked[0]
    scores = [Score(candidate, bic[candidate] - bic[best], int(fits[candidate].outliers.sum())) for candidate in ranked]
    return Choice(best, fits[best].coefficients, fits[best].outliers, scale, scores)


def determines(evidence: Evidence, candidate: Candidate) -> bool:
    """Whether the bins determine all terms of a candidate, the only one that there is evidence for."""
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
    """Least squares without outliers.

    Where the plain fit leaves some, first a fit by Huber's weights, which few outliers do not carry away; then bins
    beyond the limit are left out, in units of the errors or of the scatter where that is greater.
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
    """Standard deviation about 0 that the median of absolute residuals stands for."""
    return 1.482602218505602 * float(np.median(np.abs(residuals))) if residuals.size else 0.0


def _spread(fit: _Fit, terms: int) -> float | None:
    """Scatter in units of the errors; None where too few bins are left to tell."""
    kept = fit.residuals[~fit.outliers]
    freedom = kept.size - terms
    return float(np.sqrt((kept**2).sum() / freedom)) if freedom > max(3, 0.25 * fit.residuals.size) else None
