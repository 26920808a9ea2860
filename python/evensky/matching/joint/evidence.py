"""Choice of the candidate model that the differences support.

The candidates of a unit are compared by the Bayesian information criterion (Schwarz 1978, Annals of Statistics 6,
461),

    BIC = chi2 / s^2 + k ln n,

where chi2 is the weighted sum of the squared residuals, n the number of bins of the unit and k the number of its terms.
It approximates minus twice the logarithm of the evidence of a linear model with a prior as informative as one
observation (Kass and Raftery 1995, JASA 90, 773), so a difference of 10 means odds of 150 to 1. Bins, not pixels, are
counted as observations, as bins are fitted. The errors of bins hold only for white noise; if even the best candidate
has a larger residual scatter, s is that scatter, otherwise 1.

chi2 is that of the joint solution: the models of the other units are solved for along with each candidate. If they were
held, two neighbours could hold each other in a wrong place: a curve that the first should not have remains, because
without it the second, which keeps the opposite curve, would not fit.

A candidate is refused if its own error exceeds what it gains: if the standard error of its values, anywhere in its
images, is larger than six times the root mean square by which it improves on the best simpler candidate in the bins
that were compared. Smooth functions reach about three times their root mean square, and grow beyond the bins.
"""

from __future__ import annotations

__all__ = [
    "LARGEST_GAIN",
    "ORDERS_ABOVE",
    "Choice",
    "Fit",
    "Score",
    "Selection",
    "choices_of",
    "choose",
    "option_sets",
    "plausible_sizes",
    "series_gains",
    "series_order",
    "within_noise",
]

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
from numpy.linalg import LinAlgError

from .candidates import Candidate, Extra, terms_of_order
from .models import Choices

# Largest number of terms of a candidate for each bin.
_TERMS_PER_BIN = 0.5
# Least mean square residual that any model can reach: by how many of its standard deviations, for independent bins, it
# may be below that of the best model so far. A candidate that would need less to be the best is not fitted.
_DEVIATIONS = 4.0
# Number of standard deviations within which a sum of squares is that of noise.
_WITHIN_NOISE = 2.0
# Relative ridge added to the normal equations: far below any error, but enough to keep them regular despite rounding.
_RIDGE = 1e-10
# A term is left out if this share of its weight, or less, is its own and not that of the terms before it.
_DEPENDENT = 1e-8
# Width of the prior of the constant, in units of its error, in the evidence for other candidates.
_FLAT = 1e3
# Other candidates count if their share of the evidence is at least this.
_LEAST_SHARE = 1e-4
LARGEST_GAIN = 0.3
"""Largest difference of a throughput from 1. A larger one is no throughput: if the sky of the reference is curved, so
is the scene after the match, and differences of the sky are proportional to it."""
# Price of a throughput besides that of its term: exposures that differ in a smooth sky alone shall not seem to have
# one.
_GAIN_PRICE = 15.0
# Greatest value of what a candidate adds, in units of its root mean square in the compared bins: smooth functions reach
# three times theirs, and grow beyond the bins.
_PEAK = 6.0
# Ratio of variances up to which coefficients are known about as well as each other.
_ALIKE = 10.0
ORDERS_ABOVE = 2
"""Orders above that of the chosen series that count in its error, and that are compared first in a large set."""


@dataclass(frozen=True)
class Score:
    """The score of a candidate.

    Attributes
    ----------
    candidate : Candidate
    bic : float
        Bayesian information criterion minus that of the best candidate; lower is better.
    refused : bool
        Whether its own error exceeds what it gains, so that it cannot be chosen.
    """

    candidate: Candidate
    bic: float
    refused: bool = False


@dataclass
class Fit:
    """The fit of a candidate, with the neighbours solved along.

    Attributes
    ----------
    candidate : Candidate
    gained : float
        Decrease of chi2 from that without any terms.
    rank : int
        Number of terms that the bins determine.
    spread : float
        Largest standard error of its values anywhere in the images, with the neighbours held and s = 1.
    solve : callable
        Function that returns the coefficients in the order of the candidate.
    """

    candidate: Candidate
    gained: float
    rank: int
    spread: float
    solve: Callable[[], np.ndarray]

    @cached_property
    def coefficients(self) -> np.ndarray:
        """Coefficients in the order of the candidate."""
        return self.solve()


@dataclass
class Choice:
    """The best candidate of a unit.

    Attributes
    ----------
    fit : Fit
    scale : float
        Scatter of the bins in units of their errors; at least 1.
    scores : list of Score
        Scores of all candidates, the best first.
    criterion : float
        Bayesian information criterion of the best candidate, relative to no terms.
    """

    fit: Fit
    scale: float
    scores: list[Score]
    criterion: float


@dataclass
class Selection:
    """Normal equations of one unit for a ladder of candidates, whose terms are the first ones of the largest.

    Attributes
    ----------
    design : Candidate
        The largest smooth part, with all further terms that are possible.
    steps : list of Candidate
        Smooth parts, the simplest first.
    gram, own, right : ndarray
        See `evensky.matching.joint.system.Equations.eliminate`.
    everywhere : ndarray, shape (points, terms)
        Terms at points that are spread over the good pixels of the images.
    weight : float
        Sum of the weights of the bins.
    """

    design: Candidate
    steps: list[Candidate]
    gram: np.ndarray
    own: np.ndarray
    right: np.ndarray
    everywhere: np.ndarray
    weight: float
    _found: dict[tuple[Extra, ...], list[Fit]] = field(default_factory=dict)

    def places(self, extras: Sequence[Extra]) -> np.ndarray:
        """Return the columns of some further terms."""
        starts = np.cumsum([self.design.smooth_terms, *(extra.terms for extra in self.design.extras)])
        start_of = dict(zip(self.design.extras, starts.tolist(), strict=False))
        parts = [np.arange(start_of[extra], start_of[extra] + extra.terms) for extra in extras]
        return np.concatenate([np.zeros(0, int), *parts]).astype(int)

    def fits(self, extras: tuple[Extra, ...]) -> list[Fit]:
        """Return the fits of all smooth parts with some further terms; undetermined ones are left out."""
        if extras not in self._found:
            self._found[extras] = self._fits(extras)
        return self._found[extras]

    def _fits(self, extras: tuple[Extra, ...]) -> list[Fit]:
        further = self.places(extras)
        order = np.concatenate([further, np.arange(self.design.smooth_terms)])
        square = np.ix_(order, order)
        root, kept, norm = _root(self.gram[square])
        solved = _forward(root, self.right[order] / norm) * kept
        gained, rank = np.cumsum(solved**2), np.cumsum(kept)
        own_root, own_kept, own_norm = _root(self.own[square])
        errors = _forward(own_root, (self.everywhere[:, order] / own_norm).T) * own_kept[:, None]
        spread = np.sqrt(np.cumsum(errors**2, axis=0).max(axis=1, initial=0))
        found = []

        def coefficients(number: int) -> np.ndarray:
            result = np.zeros(number)
            if number:
                result = _backward(root[:number, :number], solved[:number]) * kept[:number] / norm[:number]
            return np.concatenate([result[further.size :], result[: further.size]])

        for step in self.steps:
            number = further.size + step.smooth_terms
            # Further terms are relative to a level.
            if extras and step.smooth_terms == 0 and self.design.smooth_terms > 0:
                continue
            # A drift beside a smooth part without a slope is a spline along one axis.
            if step.nodes is None and step.order < 1 and any(extra.nodes for extra in extras):
                continue
            if not np.all(own_kept[further.size : number]):
                continue
            fit = Fit(
                replace(step, extras=extras) if extras else step,
                float(gained[number - 1]) if number else 0.0,
                int(rank[number - 1]) if number else 0,
                float(spread[number - 1]) if number else 0.0,
                partial(coefficients, number),
            )
            # The throughput is the last term.
            if extras and extras[-1].kind == "gain" and abs(fit.coefficients[-1]) > LARGEST_GAIN:
                continue
            found.append(fit)
        return found


def _root(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the Cholesky factor of a scaled normal matrix, which terms are independent of those before, and scales."""
    norm = np.sqrt(np.maximum(np.diag(gram), 0))
    norm[norm == 0] = 1.0
    scaled = gram / np.outer(norm, norm)
    empty = np.diag(scaled) <= 0
    ridge = _RIDGE
    while True:
        try:
            root = np.linalg.cholesky(scaled + np.diag(np.where(empty, 1.0, ridge)))
            break
        except LinAlgError:
            ridge *= 10.0  # rounding errors of eliminated neighbours
    kept = (np.diag(root) ** 2 > np.maximum(_DEPENDENT, 10 * ridge)) & ~empty
    return root, kept, norm


# The functions of LAPACK are called directly: for such small matrices, their callers in SciPy take longer than they do.


def _forward(root: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the solution of root @ x = right for a lower triangular matrix."""
    return _triangular(root, right, transposed=True)


def _backward(root: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the solution of root.T @ x = right for a lower triangular matrix."""
    return _triangular(root, right, transposed=False)


def _triangular(root: np.ndarray, right: np.ndarray, *, transposed: bool) -> np.ndarray:
    from scipy.linalg.lapack import dtrtrs

    if not len(root):
        return right
    # The transpose of a lower triangular matrix is an upper triangular one in the order of LAPACK.
    solution, zero = dtrtrs(root.T, right, lower=0, trans=int(transposed))
    if zero:
        raise LinAlgError(f"the triangular matrix has a zero at place {zero} of its diagonal")
    return np.asarray(solution)


def option_sets(
    options: Sequence[tuple[Extra, ...]], required: Iterable[str], now: tuple[Extra, ...], *, every: bool = False
) -> list[tuple[Extra, ...]]:
    """Return the sets of further terms to compare, the present one first.

    Parameters
    ----------
    options : sequence of tuple of Extra
        Variants of each term, of which a model has one at most.
    required : iterable of str
        Names of terms that each model has.
    now : tuple of Extra
    every : bool, optional
        Return all sets, and not only those that differ from the present one in one term.
    """
    must = set(required)
    present = [next((extra for extra in variants if extra in now), None) for variants in options]
    choices: list[list[Extra | None]] = []
    for k, variants in enumerate(options):
        if present[k] is None and variants[0].name in must:
            present[k] = variants[0]
        others: list[Extra | None] = [extra for extra in variants if extra != present[k]]
        if present[k] is not None and variants[0].name not in must:
            others.append(None)
        choices.append([present[k], *others])
    if every:
        found = [list(one) for one in itertools.product(*choices)]
    else:
        found = [present]
        for k, alternatives in enumerate(choices):
            found += [[*present[:k], other, *present[k + 1 :]] for other in alternatives[1:]]
    return [tuple(extra for extra in one if extra is not None) for one in found]


def choose(
    ladder: Selection,
    splines: Sequence[tuple[Candidate, Callable[[], Selection]]],
    sets: Sequence[tuple[Extra, ...]],
    *,
    bins: int,
    squares: float,
    now: float,
) -> Choice:
    """Compare the candidates of a unit and choose the best.

    Parameters
    ----------
    ladder : Selection
        Series.
    splines : sequence of (Candidate, callable)
        Splines, with functions that make their normal equations.
    sets : sequence of tuple of Extra
        Sets of further terms.
    bins : int
        Number of bins of the unit.
    squares, now : float
        Sum of the squared residuals of the present model, and what it gained.

    Returns
    -------
    Choice
        Candidates with too many terms for the bins, or with terms that the bins do not determine, are left out; the
        simplest is always compared.
    """
    penalty = float(np.log(bins)) if bins > 1 else 0.0
    squares = max(squares, 0.0)

    def left(fit: Fit) -> float:
        return max(squares - (fit.gained - now), 0.0)

    def least(terms: int) -> float:
        """Return the lowest criterion that candidates of so many terms can reach."""
        reached = min((left(fit) / max(bins - fit.rank, 1) for fit in fits), default=1.0)
        share = max(0.5, 1.0 - _DEVIATIONS * np.sqrt(2.0 / max(bins, 1)))
        return float(share * min(1.0, reached) * (bins - terms) + terms * penalty)

    def too_many(terms: int) -> bool:
        return terms > max(_TERMS_PER_BIN * bins, 1)

    fits: list[Fit] = []
    for extras in sets:
        further = sum(extra.terms for extra in extras)
        lowest = min((left(fit) + fit.rank * penalty for fit in fits), default=np.inf)
        if fits and least(further) > lowest:
            continue
        fits += [fit for fit in ladder.fits(extras) if not too_many(fit.candidate.terms) or fit.candidate.terms <= 1]
    if not fits:
        simplest = ladder.steps[0]  # of a smooth part that is required, although no bin is good
        nothing = Fit(simplest, 0.0, 0, 0.0, partial(np.zeros, simplest.terms))
        fits = ladder.fits(())[:1] or [nothing]
    for candidate, make in splines:
        criteria = [left(fit) + fit.rank * penalty for fit in fits]
        refused = _refused(fits, criteria, 1.0, ladder.weight)
        best = min((k for k in range(len(fits)) if not refused[k]), key=lambda k: criteria[k])
        if too_many(candidate.terms) or least(candidate.terms) > criteria[best]:
            continue
        # A spline with as many terms as a model that leaves no more than noise can only follow that noise.
        if candidate.terms >= fits[best].rank and within_noise(left(fits[best]), bins - fits[best].rank):
            continue
        # A spline takes the place of drifting rows and columns.
        fits += make().fits(tuple(extra for extra in sets[0] if not extra.nodes))
    # Errors are scaled by the least residual scatter of all candidates that have enough bins to measure it.
    spreads = [float(np.sqrt(left(fit) / (bins - fit.rank))) for fit in fits if bins - fit.rank > max(3, 0.25 * bins)]
    scale = max(1.0, min(spreads, default=1.0))
    bic = [left(fit) / scale**2 + fit.rank * penalty + _doubt(fit.candidate, sets) for fit in fits]
    refused = _refused(fits, bic, scale, ladder.weight)
    # A term that is 0 in all bins changes the criterion by rounding errors only.
    ranked = sorted(range(len(fits)), key=lambda k: (refused[k], round(bic[k], 6), fits[k].candidate.terms))
    best = ranked[0]
    scores = [Score(fits[k].candidate, bic[k] - bic[best], refused[k]) for k in ranked]
    return Choice(fits[best], scale, scores, bic[best] - (squares + now) / scale**2)


def within_noise(squares: float, freedom: int) -> bool:
    """Return whether a sum of squared residuals, in units of their errors, is no more than that of noise."""
    freedom = max(freedom, 1)
    return bool(squares <= freedom + _WITHIN_NOISE * np.sqrt(2.0 * freedom))


def _doubt(candidate: Candidate, sets: Sequence[tuple[Extra, ...]]) -> float:
    """Return what the throughput costs besides its term; nothing if each candidate has it."""
    gain = any(extra.kind == "gain" for extra in candidate.extras)
    return _GAIN_PRICE if gain and not all(any(extra.kind == "gain" for extra in one) for one in sets) else 0.0


def _refused(fits: Sequence[Fit], bic: Sequence[float], scale: float, weight: float) -> list[bool]:
    """Return for each candidate whether its own error exceeds what it gains."""
    result = [False] * len(fits)
    best: int | None = None  # of the simpler ones that were not refused
    waiting: list[int] = []  # of as many terms
    for k in sorted(range(len(fits)), key=lambda k: fits[k].candidate.terms):
        candidate = fits[k].candidate
        if waiting and fits[waiting[0]].candidate.terms < candidate.terms:
            best = min([*waiting, *([] if best is None else [best])], key=lambda j: bic[j])
            waiting = []
        if best is not None and (candidate.smooth_terms > 1 or any(extra.nodes for extra in candidate.extras)):
            gain = _PEAK * np.sqrt(max(fits[k].gained - fits[best].gained, 0.0) / weight)
            result[k] = bool(scale * fits[k].spread > gain)
        if not result[k]:
            waiting.append(k)
    return result


# -- other candidates in the error --


def plausible_sizes(fits: Sequence[tuple[np.ndarray, np.ndarray]], degree: int, otherwise: float) -> np.ndarray:
    """Estimate the sizes of the coefficients of one degree from those of all units.

    Parameters
    ----------
    fits : sequence of (ndarray, ndarray)
        Coefficients of each unit and their variances, of a series at least of this degree; infinite if undetermined.
    degree : int
    otherwise : float
        Size of a coefficient that no unit determines, unless others of its degree are larger.

    Returns
    -------
    ndarray, shape (degree + 1,)
        Roots of the variance components: the variances of the coefficients beyond those of their errors. A slope that
        is well known along one axis says little about that along the other, so only coefficients that are known about
        as well as each other have one size.
    """
    known: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for k in range(degree + 1):
        at = terms_of_order(degree - 1) + k
        values = np.array([coefficients[at] for coefficients, _ in fits], float)
        variances = np.array([variance[at] for _, variance in fits], float)
        # A coefficient whose error is larger than any plausible size says nothing about that size.
        some = np.isfinite(variances) & (variances < otherwise**2)
        if some.any():
            known[k] = values[some], variances[some]
    found = np.full(degree + 1, np.nan)
    waiting = sorted(known, key=lambda k: float(np.median(known[k][1])))
    while waiting:
        # Coefficients that are known about as well are taken together.
        limit = _ALIKE * float(np.median(known[waiting[0]][1]))
        together = [k for k in waiting if float(np.median(known[k][1])) <= limit]
        values, variances = (np.concatenate([known[k][part] for k in together]) for part in (0, 1))
        found[together] = _size_of(values, variances)
        waiting = [k for k in waiting if k not in together]
    unknown = np.isnan(found)
    found[unknown] = max([otherwise, *found[~unknown].tolist()])
    return found


def _size_of(values: np.ndarray, variances: np.ndarray) -> float:
    """Return the root of the variance of values beyond that of their errors."""
    size = float(np.mean(values**2))
    for _ in range(20):
        weights = (variances + size) ** -2
        beyond_errors = float((weights * (values**2 - variances)).sum() / weights.sum())
        size = max(beyond_errors, float(variances.min()) / values.size)
    # The fewer coefficients are known, the less certain is their size.
    return float(np.sqrt(size * (1.0 + 2.0 / values.size)))


def choices_of(
    selection: Selection, chosen: Candidate, scale: float, sizes: Sequence[np.ndarray | float]
) -> Choices | None:
    """Return the variance that is due to the choice among series, weighted by their evidence.

    The evidence of a series is that of a linear model whose coefficients have a prior: of the plausible size of their
    degree. A term that the bins do not determine costs nothing there, whereas the criterion of the choice would count
    it as if they did; so a model that is continued beyond the bins has the error of the other models that are possible.

    Parameters
    ----------
    selection : Selection
    chosen : Candidate
        A series with any further terms.
    scale : float
        Scatter of the bins in units of their errors.
    sizes : sequence of ndarray or float
        Plausible sizes of the coefficients of each degree.

    Returns
    -------
    Choices or None
        None if no other candidate is possible.
    """
    if selection.design.order < 0:
        return None
    # A spline is wrong beyond the bins as far as the series of the lowest orders are unknown there. A model without a
    # smooth part may be wrong by as much as its level is uncertain.
    order_of_chosen = max(chosen.order, 0) if chosen.nodes is None else 0
    most = min(order_of_chosen + ORDERS_ABOVE, selection.design.order, len(sizes) - 1)
    further = selection.places(chosen.extras)
    smooth = np.arange(terms_of_order(most))
    gram, right = selection.gram[np.ix_(smooth, smooth)], selection.right[smooth]
    if further.size:
        inner = selection.gram[np.ix_(further, further)]
        inner = inner + np.diag(np.maximum(np.diag(inner), 1e-300) * _RIDGE)
        cross = selection.gram[np.ix_(smooth, further)]
        solved = np.linalg.solve(inner, np.column_stack([cross.T, selection.right[further]]))
        gram, right = gram - cross @ solved[:, :-1], right - cross @ solved[:, -1]
    gram, right = gram / scale**2, right / scale**2
    flat = np.array([_FLAT / np.sqrt(gram[0, 0]) if gram[0, 0] > 0 else 1.0])
    width = np.concatenate([flat, *(np.broadcast_to(sizes[degree], degree + 1) for degree in range(1, most + 1))])
    found: list[tuple[float, np.ndarray, np.ndarray]] = []
    for order in range(most + 1):
        number = terms_of_order(order)
        own = width[:number]
        matrix = np.eye(number) + own[:, None] * gram[:number, :number] * own
        inverse = np.linalg.inv((matrix + matrix.T) / 2)
        part = own * right[:number]
        evidence = 0.5 * part @ inverse @ part - 0.5 * np.linalg.slogdet(matrix)[1]
        coefficients, covariance = np.zeros(smooth.size), np.zeros((smooth.size, smooth.size))
        coefficients[:number] = own * (inverse @ part)
        covariance[:number, :number] = own[:, None] * inverse * own
        found.append((float(evidence), coefficients, covariance))
    evidences = np.array([evidence for evidence, _, _ in found])
    shares = np.exp(evidences - evidences.max())
    shares /= shares.sum()
    total = np.zeros((smooth.size, smooth.size))
    if chosen.nodes is not None:
        total = found[-1][2]
        return Choices(most, total)
    if chosen.smooth_terms == 0:
        total += found[0][2]
    for order, (share, (_, coefficients, covariance)) in enumerate(zip(shares, found, strict=True)):
        if order == order_of_chosen or share < _LEAST_SHARE:
            continue
        off = coefficients - found[order_of_chosen][1]
        total += share * np.outer(off, off)
        if order > order_of_chosen:
            total += share * (covariance - found[order_of_chosen][2])
    return Choices(most, total) if np.any(total) else None


def series_gains(
    gram: np.ndarray,
    right: np.ndarray,
    designs: tuple[Candidate, Candidate],
    first: int,
    orders: Sequence[int],
    penalties: tuple[float, float],
    scale: float,
) -> list[float]:
    """Return the criteria of series of two units at once, relative to no terms.

    Parameters
    ----------
    gram, right : ndarray
        Normal equations for the largest series and the further terms of both units.
    designs : (Candidate, Candidate)
        These terms of each unit.
    first : int
        Order of the series of the first unit.
    orders : sequence of int
        Orders of the series of the second unit, for each of which there is a criterion.
    penalties : (float, float)
        Logarithm of the number of bins of each unit.
    scale : float
        Scatter of the bins in units of their errors.
    """
    start = designs[0].terms
    before = np.concatenate([np.arange(designs[0].smooth_terms, start), np.arange(terms_of_order(first))])
    further = np.arange(start + designs[1].smooth_terms, len(gram))
    # Series of all orders begin with the same terms, so one factor has those of all of them.
    chosen = np.concatenate([before, further, start + np.arange(terms_of_order(max(orders)))])
    root, kept, norm = _root(gram[np.ix_(chosen, chosen)])
    gained = np.cumsum((_forward(root, right[chosen] / norm) * kept) ** 2)
    price = np.cumsum(np.repeat(penalties, [before.size, chosen.size - before.size]) * kept)
    ends = [before.size + further.size + terms_of_order(order) for order in orders]
    return [float(price[end - 1] - gained[end - 1] / scale**2) if end else 0.0 for end in ends]


def series_order(terms: np.ndarray, values: np.ndarray, weights: np.ndarray) -> int:
    """Return the order of the series that bins support by themselves.

    Parameters
    ----------
    terms : ndarray, shape (n, terms)
        Terms of a series in the bins; those of lower orders come first.
    values, weights : ndarray, shape (n,)
        Values of the bins, and their inverse variances; 0 for bins that do not count.

    Returns
    -------
    int
        The order with the lowest Bayesian information criterion among those that have a term for two bins at most.
    """
    bins = int((weights > 0).sum())
    orders = [order for order in range(terms.shape[1]) if terms_of_order(order) <= terms.shape[1]]
    orders = [order for order in orders if terms_of_order(order) <= max(_TERMS_PER_BIN * bins, 1)]
    some = terms[:, : terms_of_order(orders[-1])]
    weighted = some.T * weights
    root, kept, norm = _root(weighted @ some)
    gained = np.cumsum((_forward(root, weighted @ values / norm) * kept) ** 2)
    rank = np.cumsum(kept)
    ends = np.array([terms_of_order(order) - 1 for order in orders])
    left = np.maximum(float((weights * values**2).sum()) - gained[ends], 0.0)
    scale = max(1.0, float((left / np.maximum(bins - rank[ends], 1)).min()))
    return orders[int(np.argmin(left / scale + rank[ends] * np.log(max(bins, 1))))]
