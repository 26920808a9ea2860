"""Choice of the visit whose background the others of a tract are matched to."""

from __future__ import annotations

__all__ = ["ChooseReferenceVisitTask", "VisitCandidate"]

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import Any

import numpy as np

from ... import errors
from ...errors import InvalidParameterError, UnsuitableError
from ...geom import Box2I
from ...matching.bin_sums import bin_positions, centre_bins, fit_plane
from ..base import Struct, Task
from .background import TractBackground, box_of, tract_of
from .config import ChooseReferenceVisitConfig, as_configured, log_idle
from .footprint import Footprint
from .warps import Warps, by_patch, none_of_its

# Share of the good bins of other visits, relative to the candidate with the largest, below which a visit cannot serve.
_LEAST_SHARE = 0.5
# Coefficients of a plane.
_PLANE = 3
# Fields that only the task that matches needs; the original has them in both configurations.
_IDLE = ("gridStatistic", "undersampleStyle", "interpStyle", "numSigmaClip", "numIter")
# Number that the original subtracts from the number of bins, that of a polynomial of second order.
_ORIGINAL_TERMS = 6


@dataclass
class VisitCandidate:
    """One visit in the choice of the reference; the lowest cost wins.

    Attributes
    ----------
    visit : int
    chi2 : float
        Squared deviation of its bins from a plane, in units of their variance, per degree of freedom.
    variance : float
        Mean variance of its pixels.
    npoints : int
        Number of its good bins.
    cost_chi2, cost_variance, cost_coverage : float
        Terms of the cost, weights included. The first two compare all visits in the same bins: a visit is completed
        from the others in bins that it lacks. With ``asOriginal``, they are those of `chi2` and `variance`.
    cost : float
        Sum of the terms; NaN for a visit that is not considered.
    selected : bool
    message : str
        Why it is not considered.
    met : int
        Number of other visits that it shares good bins with. 0 with ``asOriginal``, which does not count them.
    share : float
        Share of the good bins of another visit that it has, too, as the mean of the other visits; NaN if there are
        none, and with ``asOriginal``.
    """

    visit: int
    chi2: float = float("nan")
    variance: float = float("nan")
    npoints: int = 0
    cost_chi2: float = float("nan")
    cost_variance: float = float("nan")
    cost_coverage: float = float("nan")
    cost: float = float("nan")
    selected: bool = False
    message: str = ""
    met: int = 0
    share: float = float("nan")


class ChooseReferenceVisitTask(Task):
    """Task that chooses the reference among the visits of a tract.

    The best visit has a background close to a plane, a low variance and many good bins.

    The others must be able to be matched to it. So a visit is set aside that shares good bins, in patches that both
    have, with fewer other visits than another candidate does; and of those that are left, one that has less than half
    of the share of the others' bins that the best of them has. With ``asOriginal``, all visits are candidates.

    Parameters
    ----------
    config : ChooseReferenceVisitConfig, optional
    name : str, optional
    log : logging.Logger, optional
        Parent of the task's log.
    """

    ConfigClass = ChooseReferenceVisitConfig
    _DefaultName = "chooseReferenceVisit"
    config: ChooseReferenceVisitConfig

    def run(self, warps: Sequence[Any], skyMap: Any) -> Struct:
        """Choose a reference visit.

        Parameters
        ----------
        warps : sequence of handles
            Objects with ``get()`` and a ``dataId`` with visit, patch and tract.
        skyMap : SkyMap
            One of this package or of ``lsst.skymap``.

        Returns
        -------
        Struct
            reference : int
                The visit.
            candidates : list of VisitCandidate
                All visits in ascending order.

        Raises
        ------
        evensky.errors.UnsuitableError
            If no visit can be the reference, or no warp lies in its patch; it is a ValueError.
        evensky.errors.InvalidParameterError
            If there are no warps, or they are of several tracts, or a visit has two warps of one patch.
        evensky.errors.RuntimeError
            With ``asOriginal``, if a visit has no good bin.
        """
        read = Warps(warps)
        if not read.warps:
            raise InvalidParameterError("There are 0 warps; at least 1 is needed to choose a reference visit")
        if not self.config.asOriginal:
            read.check()
        return self.choose(read, skyMap, read.warps[0].tract)

    def choose(self, warps: Warps, skyMap: Any, tract: int, *, as_original: bool = False) -> Struct:
        """Choose a reference visit among warps that are held; see `run`."""
        as_original = as_original or self.config.asOriginal
        self.config.validate()
        log_idle(self.config, dict.fromkeys(_IDLE, "the choice of a reference makes no grid"), self.log)
        config = as_configured(self.config.tractBgModel, as_original)
        tract_info = None if as_original else tract_of(skyMap, tract)
        candidates, models = [], {}
        footprints: dict[int, Footprint] = {}
        bins: dict[int, np.ndarray] = {}
        for visit in warps.visits:
            model = TractBackground(config, skyMap, tract)
            seen: list[Box2I] = []
            footprints[visit] = Footprint()
            ones = warps.of_visit(visit)
            for warp in ones if as_original else sorted(ones, key=by_patch):
                known = warps.open(warp, tract_info, self.log)
                if known is None:
                    continue
                before = None if as_original else model.numbers.array.copy()
                model.addWarp(known[1], without=seen)
                if before is not None:  # the original counts pixels that several patches share in each of them
                    footprints[visit].add(warp.patch, model.numbers.array - before)
                    seen.append(box_of(known[1]))
            models[visit] = model
            if as_original:
                candidates.append(_measured_as_original(model, visit))
            else:
                candidate, bins[visit] = _measured(model, visit)
                candidates.append(candidate)
            if all(warp.message for warp in ones):
                candidates[-1].message = none_of_its(ones)
        warps.check_places()
        if not as_original:
            _set_aside(candidates, footprints, models)
        self._fill_in_costs(candidates, as_original, bins)
        for one in candidates:
            self.log.info(
                "Visit %d: chi2 %.4g, variance %.4g, %d good bins, cost %.4f%s",
                *(one.visit, one.chi2, one.variance, one.npoints, one.cost),
                f" ({one.message})" if one.message else "",
            )
        costs = np.array([one.cost for one in candidates])
        if np.isnan(costs).all():
            reasons = "; ".join(f"visit {one.visit}: {one.message or 'its cost is NaN'}" for one in candidates)
            raise UnsuitableError([f"No visit of tract {tract} can be the reference: {reasons}"])
        best = candidates[int(np.nanargmin(costs))]
        best.selected = True
        self.log.info("Visit %d is the reference", best.visit)
        return Struct(reference=best.visit, candidates=candidates, models=models)

    def _fill_in_costs(self, candidates: list[VisitCandidate], as_original: bool, bins: dict[int, np.ndarray]) -> None:
        config = self.config
        usable = candidates if as_original else [one for one in candidates if not one.message]
        if not usable:
            return
        chi2, variance, npoints = (
            np.array([getattr(one, name) for one in usable], np.float64) for name in ("chi2", "variance", "npoints")
        )
        if not as_original:
            chi2, variance = _in_equal_bins(usable, bins)
        with np.errstate(all="ignore"):
            terms = (
                config.bestRefWeightChi2 * _relative(chi2, as_original),
                config.bestRefWeightVariance * _relative(variance, as_original),
                config.bestRefWeightGlobalCoverage * (np.fmin.reduce(npoints) / npoints),
            )
        for one, *values in zip(usable, *terms, strict=True):
            one.cost_chi2, one.cost_variance, one.cost_coverage = map(float, values)
            one.cost = float(sum(values))


def _set_aside(
    candidates: list[VisitCandidate], footprints: dict[int, Footprint], models: dict[int, TractBackground]
) -> None:
    """Count the good bins that the visits share, and set those aside to which the others cannot be matched."""
    others: dict[int, list[float]] = {one.visit: [] for one in candidates}
    for first, second in combinations(candidates, 2):
        model = models[first.visit]
        shared = 0
        if first.npoints and second.npoints:
            numbers = footprints[first.visit].shared(footprints[second.visit], model.numbers.array.shape)
            shared = int(np.count_nonzero((numbers > 0) & (numbers >= np.float32(model.least_number))))
        for one, other in ((first, second), (second, first)):
            one.met += shared > 0
            if other.npoints:
                others[one.visit].append(shared / other.npoints)
    for one in candidates:
        if others[one.visit]:
            one.share = float(np.mean(others[one.visit]))
    usable = [one for one in candidates if not one.message]
    if not usable:
        return
    most = max(usable, key=lambda one: one.met)
    for one in usable:
        if one.met < most.met:
            one.message = (
                f"it shares good bins with {one.met} of the other visits, and visit {most.visit} with {most.met}; the "
                "reference must share some with as many as possible"
            )
    usable = [one for one in usable if not one.message]
    best = max(usable, key=lambda one: np.nan_to_num(one.share))
    for one in usable:
        if one.share < _LEAST_SHARE * best.share:
            one.message = (
                f"it has {100 * one.share:.3g} % of the good bins of the other visits, and visit {best.visit} has "
                f"{100 * best.share:.3g} %; the reference must have at least half as many"
            )


def _relative(values: np.ndarray, as_original: bool) -> np.ndarray:
    """Return values divided by the largest; visits without a value, or without noise, are equally good."""
    if as_original:
        return np.asarray(values / np.fmax.reduce(values))
    largest = np.fmax.reduce(values)
    return np.asarray(np.nan_to_num(values / largest)) if largest > 0 else np.zeros_like(values)


def _in_equal_bins(usable: list[VisitCandidate], bins: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return chi2 and mean variance of each visit, completed in the bins that it lacks; see `_measured` for the bins.

    A visit that lacks the bins of a nebula would otherwise look smoother and quieter than those that cover it.
    """
    ordered = [bins[one.visit] for one in sorted(usable, key=lambda one: -np.nan_to_num(one.share))]
    whole = reduce(_completed, ordered)
    completed = [_completed(bins[one.visit], whole) for one in usable]
    return np.array([_chi2(one) for one in completed]), np.array([_mean_variance(one) for one in completed])


def _completed(bins: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the bins of a visit with those that it lacks from another one, shifted by the plane between the two."""
    lacks = np.isnan(bins[0]) & np.isfinite(other[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        difference, weights = bins[0] - other[0], 1 / (1 / bins[1] + 1 / other[1])
    y, x = np.nonzero(np.isfinite(difference) & (weights > 0))
    if not lacks.any() or not y.size:
        return bins
    level, *slopes = fit_plane(difference[y, x], weights[y, x], x, y)
    y, x = np.nonzero(lacks)
    result = bins.copy()
    result[:, y, x] = other[:, y, x]
    result[0, y, x] += level + slopes[0] * x + slopes[1] * y
    return result


def _chi2(bins: np.ndarray) -> float:
    """Return the squared deviation of bins from a plane, in units of their variance, per degree of freedom."""
    y, x = np.nonzero(np.isfinite(bins[0]) & np.isfinite(bins[1]))
    means, weights, _ = bins[:, y, x]
    level, *slopes = fit_plane(means, weights, x, y)
    rest = means - (level + slopes[0] * x + slopes[1] * y)
    return float((rest**2 * weights).sum() / (len(rest) - _PLANE))


def _mean_variance(bins: np.ndarray) -> float:
    """Return the mean variance of the pixels of bins; 0 if none is known."""
    return float(np.nanmean(bins[2])) if np.isfinite(bins[2]).any() else 0.0


def _measured(model: TractBackground, visit: int) -> tuple[VisitCandidate, np.ndarray]:
    """Measure the good bins of a visit.

    Returns
    -------
    candidate : VisitCandidate
    bins : ndarray, shape (3, ny, nx)
        Mean of each bin, its inverse variance, and the variance of its pixels; NaN where it is not good.
    """
    bins = np.full((3, *model.numbers.array.shape), np.nan)
    numbers = model.numbers.array.astype(np.float64)
    good = ~model.getFilled() & (numbers > 0)
    candidate = VisitCandidate(visit, npoints=int(good.sum()))
    if not good.any():
        candidate.message = "it has no good bin"
        return candidate, bins
    off_x, off_y = model.centroid_offsets * numbers
    values = centre_bins(model.values.array, model.numbers.array, off_x, off_y, model.least_number)
    variances = model.variances.array[good].astype(np.float64) / numbers[good]
    with np.errstate(divide="ignore"):
        weights = numbers[good] / variances  # the inverse variance of the mean, not of a pixel
    bins[:, good] = values[good] / numbers[good], weights, variances
    candidate.variance = _mean_variance(bins)
    known = np.count_nonzero(np.isfinite(weights))
    if known <= _PLANE:
        candidate.message = (
            f"{known} of its bins have a mean and a variance; at least {_PLANE + 1} are needed to compare it with a "
            "plane"
        )
        return candidate, bins
    candidate.chi2 = _chi2(bins)
    return candidate, bins


def _measured_as_original(model: TractBackground, visit: int) -> VisitCandidate:
    """Measure the bins of a visit, filled ones included, in the way of the original."""
    try:
        stats, variances = model.getStatsImage().array, model.getVarianceImage().array
    except errors.RuntimeError as error:
        raise errors.RuntimeError(
            f"Visit {visit} cannot be a candidate: {error}. Leave the visit out, or set asOriginal to False, which "
            "skips it"
        ) from error
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = 1 / variances.astype(np.float64)
    x, y = bin_positions(stats.shape)
    known = np.isfinite(stats) & np.isfinite(weights)
    if not known.any():
        raise errors.RuntimeError(
            f"Visit {visit} has no bin with a mean and a variance that is positive; a plane cannot be fitted"
        )
    level, *slopes = fit_plane(stats, np.where(known, weights, 0.0), x, y)
    # The original keeps the plane as a float32 image.
    rest = stats - (level + slopes[0] * x + slopes[1] * y).astype(np.float32)
    counted = ~np.isnan(rest)
    with np.errstate(all="ignore"):
        chi2 = np.nansum(rest[counted] ** 2 / variances[counted]) / np.float64(counted.sum() - _ORIGINAL_TERMS)
    return VisitCandidate(
        visit,
        chi2=float(chi2),
        variance=float(np.nanmean(variances[counted])),
        npoints=int(np.isfinite(rest).sum()),
    )
