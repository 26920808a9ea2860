"""Interpolants as functions; SciPy's are used for splines that it has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

MIN_POINTS = {
    "CONSTANT": 1,
    "LINEAR": 2,
    "NATURAL_SPLINE": 3,
    "CUBIC_SPLINE": 3,
    "CUBIC_SPLINE_PERIODIC": 3,
    "AKIMA_SPLINE": 5,
    "AKIMA_SPLINE_PERIODIC": 5,
}

Function = Callable[[np.ndarray], np.ndarray]


def best_style(points: int) -> str:
    """Return the most flexible style that a number of points allows."""
    return {1: "CONSTANT", 2: "LINEAR", 3: "CUBIC_SPLINE", 4: "CUBIC_SPLINE"}.get(points, "AKIMA_SPLINE")


def constant(x: np.ndarray, y: np.ndarray) -> Function:
    """Return steps half way between the knots, with the mean of the values of two knots between them."""
    if len(x) == 1:
        return lambda xs: np.where(np.isnan(xs), np.nan, y[0])
    edges = np.concatenate([0.5 * (x[1:] + x[:-1]), [x[-1] + 0.5 * (x[-1] - x[-2])]])
    values = np.concatenate([y[:1], 0.5 * (y[1:] + y[:-1]), y[-1:]])
    return lambda xs: np.where(np.isnan(xs), np.nan, values[np.searchsorted(edges, xs, side="right")])


def akima_slopes(x: np.ndarray, y: np.ndarray, periodic: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the slopes of the segments, and the derivatives at their left and right ends."""
    m = np.diff(y) / np.diff(x)
    if periodic:
        padded = np.concatenate([m[-2:], m, m[:2]])
    else:
        left, right = 2 * m[0] - m[1], 2 * m[-1] - m[-2]
        padded = np.concatenate([[3 * m[0] - 2 * m[1], left], m, [right, 3 * m[-1] - 2 * m[-2]]])
    # At knot i: slopes i-2, i-1, i, i+1.
    a, b, c, d = (padded[k : k + len(x)] for k in range(4))
    weight = np.abs(d - c) + np.abs(b - a)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = (np.abs(d - c) * b + np.abs(b - a) * c) / weight
    lefts = np.where(weight[:-1] == 0, m, t[:-1])
    rights = np.where((weight[:-1] == 0) | (weight[1:] == 0), m, t[1:])
    return m, lefts, rights


def interpolant(x: np.ndarray, y: np.ndarray, style: str) -> Function:
    """Return the interpolant, with its quadratic continuation beyond the knots."""
    from scipy.interpolate import CubicHermiteSpline, CubicSpline, PPoly

    x, y = np.asarray(x, float), np.asarray(y, float)
    if style == "CONSTANT":
        return constant(x, y)
    if style == "LINEAR":
        spline = PPoly(np.array([np.diff(y) / np.diff(x), y[:-1]]), x)
    elif style in ("NATURAL_SPLINE", "CUBIC_SPLINE"):
        spline = CubicSpline(x, y, bc_type="natural")
    elif style == "CUBIC_SPLINE_PERIODIC":
        spline = CubicSpline(x, y, bc_type="periodic")
    else:
        _, lefts, rights = akima_slopes(x, y, style.endswith("PERIODIC"))
        # The segments are evaluated one by one, as derivatives may jump at a knot.
        pieces = [
            CubicHermiteSpline(x[i : i + 2], y[i : i + 2], [lefts[i], rights[i]]).c[:, 0] for i in range(len(x) - 1)
        ]
        spline = PPoly(np.array(pieces).T, x)

    def evaluate(xs: np.ndarray) -> np.ndarray:
        xs = np.asarray(xs, float)
        result = spline(xs, extrapolate=True) if xs.size else xs.copy()
        last = spline.c[:, -1]
        poly = np.polynomial.Polynomial(last[::-1])
        h = x[-1] - x[-2]
        for outside, knot, value, first, second in (
            (xs < x[0], x[0], y[0], float(spline(x[0], 1)), float(spline(x[0], 2))),
            (xs > x[-1], x[-1], y[-1], float(poly.deriv(1)(h)), float(poly.deriv(2)(h))),
        ):
            d = xs - knot
            result = np.where(outside, value + d * (first + 0.5 * d * second), result)
        return np.where(np.isnan(xs), np.nan, result)

    return evaluate
