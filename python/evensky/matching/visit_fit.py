"""Background of a visit: a Chebyshev series over the focal plane, a sky frame and steps between detectors."""

from __future__ import annotations

__all__ = ["VisitFit", "chebyshev_terms", "fit_visit"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from .. import errors
from ..errors import InvalidParameterError
from ..geom import Box2D
from .clipped_fit import MOST_CONDITION, ClippedFit, fit_clipped

# Condition of the terms up to which an order is recommended; the error of the series then stays moderate, up to the
# edges of the detectors.
_SAFE_CONDITION = 50.0


@dataclass(frozen=True, slots=True)
class VisitFit:
    """Result of `fit_visit`.

    Attributes
    ----------
    box : Box2D
        Box of the focal plane over which the series is defined.
    coefficients : ndarray, shape (order_y + 1, order_x + 1)
        Coefficients of T_q(y) T_p(x); 0 for terms that were not fitted.
    scale, error : float
        Amplitude of the sky frame and its standard error, as if residuals were uncorrelated; 0 without a sky frame.
    pistons : ndarray, shape (groups,)
        Constant of each group of detectors. Their mean, weighted by the samples, is 0.
    rms : float
        Standard deviation of the residuals.
    used, rejected : int
        Number of samples in the fit, and of those that were rejected by clipping.
    rounds : int
        Number of rounds of rejection.
    inverse : ndarray, shape (fitted terms, fitted terms)
        Covariance of the fitted terms for samples of standard deviation 1: those of the series that were fitted, the
        amplitude if there is a sky frame, and the steps between the groups.
    fitted : ndarray of bool, shape (terms of the series,)
        Terms of the series that were fitted.
    steps : ndarray, shape (groups, steps)
        Values of the steps in each group.
    """

    box: Box2D
    coefficients: np.ndarray
    scale: float
    error: float
    pistons: np.ndarray
    rms: float
    used: int
    rejected: int
    rounds: int
    inverse: np.ndarray
    fitted: np.ndarray
    steps: np.ndarray

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the series at positions in the focal plane, in the broadcast shape of x and y."""
        order_y, order_x = (size - 1 for size in self.coefficients.shape)
        terms = chebyshev_terms(x, y, self.box, (order_x, order_y))
        return np.asarray(terms @ self.coefficients.ravel())

    def lower_orders(self) -> tuple[int, int] | None:
        """Return the highest orders in x and y, below those of the series, that the samples determine well, if any."""
        order_y, order_x = (size - 1 for size in self.coefficients.shape)
        count = int(self.fitted.sum())
        products = np.linalg.inv(self.inverse)[:count, :count]
        return _highest(products, (order_x, order_y), not self.fitted.all())

    def noise_gain(self, x: np.ndarray, y: np.ndarray, group: int = 0) -> np.ndarray:
        """Return the standard error of the series with the constant of a group, over that of one sample.

        Parameters
        ----------
        x, y : ndarray
            Positions in the focal plane.
        group : int, optional
            Number of the group, if there are constants.

        Returns
        -------
        ndarray
            In the broadcast shape of x and y. It is below 1 at the samples, and grows beyond them.
        """
        order_y, order_x = (size - 1 for size in self.coefficients.shape)
        terms = chebyshev_terms(x, y, self.box, (order_x, order_y))[..., self.fitted]
        count = terms.shape[-1]
        steps = self.steps[group] if self.steps.size else np.empty(0)
        between = len(self.inverse) - count - steps.size  # the amplitude of the sky frame, which is not in the series
        rest = np.concatenate([np.zeros(between), steps])
        rows = np.concatenate([terms, np.broadcast_to(rest, (*terms.shape[:-1], rest.size))], axis=-1)
        return np.asarray(np.sqrt(np.maximum(((rows @ self.inverse) * rows).sum(axis=-1), 0.0)))


def chebyshev_terms(x: np.ndarray, y: np.ndarray, box: Box2D, orders: tuple[int, int]) -> np.ndarray:
    """Return all products T_p(x) T_q(y) up to the orders in x and y, shape (..., terms), ordered by q and then by p."""
    x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
    along_x = chebvander(2 * (x - box.getMinX()) / box.getWidth() - 1, orders[0])
    along_y = chebvander(2 * (y - box.getMinY()) / box.getHeight() - 1, orders[1])
    products = along_y[..., :, np.newaxis] * along_x[..., np.newaxis, :]
    return np.asarray(products.reshape(*x.shape, -1))


def fit_visit(
    x: np.ndarray,
    y: np.ndarray,
    values: np.ndarray,
    frame: np.ndarray,
    groups: Sequence[int] | np.ndarray | None,
    box: Box2D,
    orders: tuple[int, int],
    *,
    triangular: bool = False,
    iterations: int = 10,
    rejection: float = 3.0,
) -> VisitFit:
    """Fit the background of a visit to samples of all its detectors.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Positions in the focal plane.
    values : ndarray, shape (n,)
        Samples of the images; NaN is not used.
    frame : ndarray, shape (n,)
        Samples of the sky frame; all 0 without one.
    groups : array-like of int, shape (n,), or None
        Number of the group of each sample, from 0. Each group gets a constant; None for no constants.
    box : Box2D
        Box of the focal plane over which the series is defined.
    orders : tuple of int
        Orders of the series in x and y.
    triangular : bool, optional
        Leave out products whose degrees in x and y, as shares of the orders, add to more than 1.
    iterations : int, optional
        Largest number of rounds of rejection.
    rejection : float, optional
        Largest residual in standard deviations.

    Returns
    -------
    VisitFit

    Raises
    ------
    evensky.errors.RuntimeError
        If the usable samples do not determine the terms, for example because there are fewer of them; the message says
        which orders they determine.
    """
    values, frame = np.asarray(values, np.float64), np.asarray(frame, np.float64)
    wanted = _wanted(orders, orders, triangular)
    series = chebyshev_terms(x, y, box, orders)[:, wanted]
    columns = [series]
    has_frame = bool(np.any(frame[np.isfinite(frame)]))
    if has_frame:
        columns.append(frame[:, np.newaxis])
    steps = _steps(values, groups)
    columns.append(steps)
    design = np.concatenate(columns, axis=1)
    usable = np.isfinite(values) & np.isfinite(design).all(axis=1)
    if np.count_nonzero(usable) < series.shape[1]:
        raise errors.RuntimeError(_too_high(series[usable], orders, triangular))
    fit = fit_clipped(design, values, iterations, rejection)
    if fit.condition > MOST_CONDITION:
        raise errors.RuntimeError(_undetermined(fit, design, series.shape[1], has_frame, orders, triangular))
    coefficients = np.zeros(len(wanted))
    coefficients[wanted] = fit.solution[: series.shape[1]]
    at = series.shape[1]
    scale = float(fit.solution[at]) if has_frame else 0.0
    error = float(np.sqrt(fit.covariance[at, at])) if has_frame else 0.0
    pistons, step_rows = np.zeros(0), np.zeros((0, 0))
    if groups is not None:
        which = np.asarray(groups)
        factors = fit.solution[at + has_frame :]
        pistons = np.zeros(int(which.max()) + 1)
        pistons[which] = steps @ factors  # equal for all samples of a group
        step_rows = np.zeros((len(pistons), steps.shape[1]))
        step_rows[which] = steps
    used = int(fit.kept.sum())
    shape = orders[1] + 1, orders[0] + 1
    return VisitFit(
        box,
        coefficients.reshape(shape),
        scale,
        error,
        pistons,
        fit.scatter,
        used,
        int(usable.sum()) - used,
        fit.rounds,
        fit.inverse,
        wanted,
        step_rows,
    )


def _wanted(lower: tuple[int, int], orders: tuple[int, int], triangular: bool) -> np.ndarray:
    """Return which products up to `orders` a series of lower orders has."""
    degrees = np.array([(p, q) for q in range(orders[1] + 1) for p in range(orders[0] + 1)])
    wanted: np.ndarray = np.asarray((degrees <= lower).all(axis=1))
    if triangular:
        wanted &= (degrees / np.maximum(lower, 1)).sum(axis=1) <= 1 + 1e-9
    return wanted


def _determined(terms: np.ndarray, condition: float = MOST_CONDITION) -> bool:
    """Return whether samples tell terms apart, given as the products of all pairs of terms."""
    norms = np.sqrt(np.diag(terms))
    if not norms.all():
        return False
    squared = np.linalg.eigvalsh(terms / np.outer(norms, norms))
    return bool(squared[0] * condition**2 >= squared[-1])


def _too_high(series: np.ndarray, orders: tuple[int, int], triangular: bool) -> str:
    """Return the message for a series with more terms than the samples determine.

    Parameters
    ----------
    series : ndarray, shape (samples, terms)
        Terms of the series at the samples that were used.
    orders : tuple of int
    triangular : bool
    """
    lower = _highest(series.T @ series, orders, triangular) if len(series) else None
    advice = "" if lower is None else f"use at most orderX = {lower[0]}, orderY = {lower[1]}, "
    return (
        f"A series of orderX = {orders[0]}, orderY = {orders[1]} is not determined: there are {len(series)} usable "
        f"samples for {series.shape[1]} terms, and too few along x or y for some of these; {advice}"
        "make the samples smaller, or mask less"
    )


def _highest(products: np.ndarray, orders: tuple[int, int], triangular: bool) -> tuple[int, int] | None:
    """Return the highest orders, below those of a series, that its samples determine well; None if there are none.

    Parameters
    ----------
    products : ndarray, shape (terms, terms)
        Sums over the samples of the products of all pairs of terms of the series.
    orders : tuple of int
    triangular : bool
    """
    fitted = _wanted(orders, orders, triangular)
    low, high = -1, max(orders)  # the lowest order that is too high is above `low`, and at most `high`
    while high - low > 1:
        middle = (low + high) // 2
        among = _wanted((min(orders[0], middle), min(orders[1], middle)), orders, triangular)[fitted]
        low, high = (middle, high) if _determined(products[np.ix_(among, among)], _SAFE_CONDITION) else (low, middle)
    return None if low < 0 else (min(orders[0], low), min(orders[1], low))


def _undetermined(
    fit: ClippedFit, design: np.ndarray, count: int, has_frame: bool, orders: tuple[int, int], triangular: bool
) -> str:
    """Return the message for terms that depend on each other: series, then sky frame, then steps of groups."""
    used = design[fit.kept]
    products = used.T @ used
    if used.shape[1] == count or not _determined(products[:count, :count]):
        return _too_high(used[:, :count], orders, triangular)
    if has_frame and not _determined(products[: count + 1, : count + 1]):
        return (
            "The amplitude of the sky frame is undetermined: a series of "
            f"orderX = {orders[0]}, orderY = {orders[1]} is equal to the frame; use lower orders, or no sky frame"
        )
    return (
        f"The constants of the detectors are undetermined beside a series of orderX = {orders[0]}, "
        f"orderY = {orders[1]}, which can be equal to them in all {len(used)} samples; use lower orders, or fit no "
        "constants"
    )


def _steps(values: np.ndarray, groups: Sequence[int] | np.ndarray | None) -> np.ndarray:
    """Return a term for each group but the last, shape (n, groups - 1); the mean of each over the samples is 0.

    The constant of the series and those of all groups could not be told apart.
    """
    if groups is None:
        return np.empty((len(values), 0))
    which = np.asarray(groups)
    if which.shape != values.shape:
        raise InvalidParameterError(f"There are {which.size} numbers of groups for {values.size} samples")
    count = int(which.max(initial=-1)) + 1
    used = np.bincount(which[np.isfinite(values)], minlength=count)
    present = np.flatnonzero(used)
    if present.size < 2:
        return np.empty((len(values), 0))
    last = present[-1]
    steps: np.ndarray = (which[:, np.newaxis] == present[:-1]).astype(np.float64)
    steps[which == last] = -used[present[:-1]] / used[last]
    return steps
