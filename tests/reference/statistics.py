"""Statistics, computed from their definitions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

IQRANGE_TO_STDEV = 0.741301109252802
MAD_TO_STDEV = 1.482602218505602


@dataclass
class Control:
    """Options with the meaning of those of `evensky.math.StatisticsControl`."""

    num_sigma_clip: float = 3.0
    num_iter: int = 3
    and_mask: int = 0
    nan_safe: bool = True
    weighted: bool | None = None
    errors_from_variance: bool = False
    mosaic_mode: bool = False
    thresholds: dict[int, float] = field(default_factory=dict)


def quantile(values: np.ndarray, fraction: float) -> float:
    """Return a quantile of the sorted values; integers stand for intervals of width 1."""
    n = values.size
    if n == 0:
        return np.nan
    at = int(fraction * (n - 1))
    if values.dtype.kind == "f":
        rest = fraction * (n - 1) - at
        return float(values[at]) if rest == 0 else (1 - rest) * float(values[at]) + rest * float(values[at + 1])
    if n == 1:
        return float(values[0])
    value = values[at]
    return float(value) - 0.5 + (fraction * n - np.sum(values < value)) / np.sum(values == value)


def moments(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Return the weighted mean and the unbiased variance, in extended precision."""
    x, w = values.astype(np.longdouble), weights.astype(np.longdouble)
    total, squares = w.sum(), np.square(w).sum()
    if x.size == 0 or total == 0:
        return np.nan, np.nan
    mean = (w * x).sum() / total
    d = x - mean
    if x.size == 1:
        return float(mean), np.nan
    variance = ((w * d * d).sum() / total - ((w * d).sum() / total) ** 2) * total**2 / (total**2 - squares)
    return float(mean), float(max(variance, 0))


@np.errstate(all="ignore")  # 0 / 0 is NaN, as intended
def statistics(
    image: np.ndarray,
    mask: np.ndarray | None = None,
    variance: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    control: Control | None = None,
) -> dict[str, tuple[float, float]]:
    """Return every property with its error, and ``orMask``."""
    control = control or Control()
    x = image.ravel()
    m = np.zeros(x.size, np.int64) if mask is None else mask.ravel().astype(np.int64)
    var = np.full(x.size, np.nan) if variance is None else variance.ravel().astype(np.float64)
    kept = (m & control.and_mask) == 0
    if control.nan_safe and x.dtype.kind == "f":
        with np.errstate(over="ignore"):
            kept &= np.isfinite(x.astype(np.float32))
    if weights is not None:
        w, known = weights.ravel().astype(np.float64), np.ones(x.size, bool)
    elif control.weighted:
        known = var > 0
        w = np.divide(1.0, var, out=np.zeros_like(var), where=known)
    else:
        w, known = np.ones(x.size), np.ones(x.size, bool)
    good = kept & known
    ordered = np.sort(x[kept])
    values, w_good, var_good = x[good], w[good], var[good]
    n = values.size

    def mean_and_error(chosen: np.ndarray) -> tuple[float, float]:
        ws, vs = w_good[chosen].astype(np.longdouble), var_good[chosen].astype(np.longdouble)
        mean, spread = moments(values[chosen], w_good[chosen])
        total = ws.sum()
        if chosen.sum() == 0 or total == 0:
            return np.nan, np.nan
        if control.errors_from_variance:
            return mean, float(np.sqrt((ws**2 * vs).sum() / total**2))
        if control.mosaic_mode:
            return mean, float(np.sqrt((ws * vs).sum() / total))
        return mean, float(np.sqrt(spread * (ws**2).sum() / total**2))

    def variance_and_error(chosen: np.ndarray) -> tuple[float, float]:
        _, spread = moments(values[chosen], w_good[chosen])
        count = int(chosen.sum())
        return spread, float(np.sqrt(2 * (count - 1) * spread**2 / count**2)) if count else np.nan

    def stdev_and_error(chosen: np.ndarray) -> tuple[float, float]:
        spread, error = variance_and_error(chosen)
        root = np.sqrt(spread)
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(root), float(np.float64(0.5 * error) / root)

    everything = np.ones(n, bool)
    median, iqrange = quantile(ordered, 0.5), quantile(ordered, 0.75) - quantile(ordered, 0.25)
    mad = quantile(np.sort(np.abs(ordered.astype(np.float64) - median)), 0.5)
    surviving = np.zeros(n, bool)
    centre, width = median, control.num_sigma_clip * IQRANGE_TO_STDEV * iqrange
    for turn in range(control.num_iter):
        if turn > 0:
            centre, spread = moments(values[surviving], w_good[surviving])
            if n != 1:  # a single survivor of several pixels has no width, and nothing survives the next round
                width = control.num_sigma_clip * np.sqrt(spread)
        surviving = np.abs(values.astype(np.float64) - centre) <= width
    mean, spread = moments(values, w_good)
    mean_square = (n - 1) / n * spread + mean**2 if n else np.nan
    or_mask = int(np.bitwise_or.reduce(m[good])) if n else 0
    for bit, threshold in control.thresholds.items():
        rejected = w[~good & known & ((m >> bit) & 1 == 1)].sum()
        if rejected / (w_good.sum() + rejected) > threshold:
            or_mask |= 1 << bit
    result: dict[str, Any] = {
        "NPOINT": (n, 0),
        "NMASKED": (x.size - n, 0),
        "SUM": (float((w_good.astype(np.longdouble) * values).sum()), 0),
        "MEAN": mean_and_error(everything),
        "VARIANCE": variance_and_error(everything),
        "STDEV": stdev_and_error(everything),
        "MEANSQUARE": (mean_square, np.sqrt(2) * mean_square / n if n else np.nan),
        "MEDIAN": (median, float(np.sqrt(np.pi / 2 * spread / n)) if n else np.nan),
        "IQRANGE": (iqrange, np.nan),
        "MAD": (MAD_TO_STDEV * mad, np.nan),
        "MIN": (float(values.min()) if n else np.nan, 0),
        "MAX": (float(values.max()) if n else np.nan, 0),
        "MEANCLIP": mean_and_error(surviving),
        "VARIANCECLIP": variance_and_error(surviving),
        "STDEVCLIP": stdev_and_error(surviving),
        "NCLIPPED": (n - int(surviving.sum()), 0),
        "ORMASK": (or_mask, 0),
    }
    return result
