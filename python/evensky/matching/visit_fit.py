"""Background of a visit: a Chebyshev series over the focal plane, a sky frame and steps between detectors."""

from __future__ import annotations

__all__ = ["VisitFit", "chebyshev_terms", "fit_visit"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from ..errors import InvalidParameterError
from ..geom import Box2D
from .clipped_fit import fit_clipped


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
        Amplitude of the sky frame and its standard error; 0 without a sky frame.
    pistons : ndarray, shape (groups,)
        Constant of each group of detectors. Their mean, weighted by the samples, is 0.
    rms : float
        Standard deviation of the residuals.
    used, rejected : int
        Number of samples in the fit, and of those that were rejected by clipping.
    rounds : int
        Number of rounds of rejection.
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

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the series at positions in the focal plane, in the broadcast shape of x and y."""
        order_y, order_x = (size - 1 for size in self.coefficients.shape)
        terms = chebyshev_terms(x, y, self.box, (order_x, order_y))
        return np.asarray(terms @ self.coefficients.ravel())


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
        If there are fewer usable samples than terms.
    """
    values, frame = np.asarray(values, np.float64), np.asarray(frame, np.float64)
    degrees = np.array([(p, q) for q in range(orders[1] + 1) for p in range(orders[0] + 1)], dtype=float)
    shares = degrees / np.maximum(orders, 1)
    wanted = shares.sum(axis=1) <= 1 + 1e-9 if triangular else np.ones(len(degrees), bool)
    series = chebyshev_terms(x, y, box, orders)[:, wanted]
    columns = [series]
    has_frame = bool(np.any(frame[np.isfinite(frame)]))
    if has_frame:
        columns.append(frame[:, np.newaxis])
    steps = _steps(values, groups)
    columns.append(steps)
    fit = fit_clipped(np.concatenate(columns, axis=1), values, iterations, rejection)
    coefficients = np.zeros(len(degrees))
    coefficients[wanted] = fit.solution[: series.shape[1]]
    at = series.shape[1]
    scale = float(fit.solution[at]) if has_frame else 0.0
    error = float(np.sqrt(fit.covariance[at, at])) if has_frame else 0.0
    pistons = np.zeros(0)
    if groups is not None:
        which = np.asarray(groups)
        factors = fit.solution[at + has_frame :]
        pistons = np.zeros(int(which.max()) + 1)
        pistons[which] = steps @ factors  # equal for all samples of a group
    used = int(fit.kept.sum())
    usable = int((np.isfinite(values) & np.isfinite(frame)).sum())
    shape = orders[1] + 1, orders[0] + 1
    return VisitFit(
        box, coefficients.reshape(shape), scale, error, pistons, fit.scatter, used, usable - used, fit.rounds
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
