"""Choice of the visit whose background the others of a tract are matched to."""

from __future__ import annotations

__all__ = ["ChooseReferenceVisitTask", "VisitCandidate"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import errors
from ...errors import InvalidParameterError, UnsuitableError
from ...geom import Box2I
from ...matching.bin_sums import bin_positions, centre_bins, fit_plane
from ..base import Struct, Task
from .background import TractBackground, box_of, tract_of
from .config import ChooseReferenceVisitConfig, as_configured
from .warps import Warps, by_patch

# Coefficients of a plane.
_PLANE = 3
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
        Terms of the cost, weights included.
    cost : float
        Sum of the terms; NaN for a visit that is not considered.
    selected : bool
    message : str
        Why it is not considered.
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


class ChooseReferenceVisitTask(Task):
    """Task that chooses the reference among the visits of a tract.

    The best visit has a background close to a plane, a low variance and many good bins.

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
        config = as_configured(self.config.tractBgModel, as_original)
        tract_info = None if as_original else tract_of(skyMap, tract)
        candidates, models = [], {}
        for visit in warps.visits:
            model = TractBackground(config, skyMap, tract)
            seen: list[Box2I] = []
            ones = warps.of_visit(visit)
            for warp in ones if as_original else sorted(ones, key=by_patch):
                known = warps.open(warp, tract_info, self.log)
                if known is None:
                    continue
                model.addWarp(known[1], without=seen)
                if not as_original:  # which counts pixels that several patches share in each of them
                    seen.append(box_of(known[1]))
            models[visit] = model
            candidates.append(_measured_as_original(model, visit) if as_original else _measured(model, visit))
            if all(warp.misplaced for warp in ones):
                candidates[-1].message = f"none of its warps can be used: patch {ones[0].patch}: {ones[0].message}"
        warps.check_places()
        self._fill_in_costs(candidates, as_original)
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

    def _fill_in_costs(self, candidates: list[VisitCandidate], as_original: bool) -> None:
        config = self.config
        usable = candidates if as_original else [one for one in candidates if not one.message]
        if not usable:
            return
        chi2, variance, npoints = (
            np.array([getattr(one, name) for one in usable], np.float64) for name in ("chi2", "variance", "npoints")
        )
        with np.errstate(all="ignore"):
            terms = (
                config.bestRefWeightChi2 * _relative(chi2, as_original),
                config.bestRefWeightVariance * _relative(variance, as_original),
                config.bestRefWeightGlobalCoverage * (np.fmin.reduce(npoints) / npoints),
            )
        for one, *values in zip(usable, *terms, strict=True):
            one.cost_chi2, one.cost_variance, one.cost_coverage = map(float, values)
            one.cost = float(sum(values))


def _relative(values: np.ndarray, as_original: bool) -> np.ndarray:
    """Return values divided by the largest; visits without a value, or without noise, are equally good."""
    if as_original:
        return np.asarray(values / np.fmax.reduce(values))
    largest = np.fmax.reduce(values)
    return np.asarray(np.nan_to_num(values / largest)) if largest > 0 else np.zeros_like(values)


def _measured(model: TractBackground, visit: int) -> VisitCandidate:
    """Measure the good bins of a visit."""
    numbers = model.numbers.array.astype(np.float64)
    good = ~model.getFilled() & (numbers > 0)
    candidate = VisitCandidate(visit, npoints=int(good.sum()))
    if not good.any():
        candidate.message = "it has no good bin"
        return candidate
    off_x, off_y = model.centroid_offsets * numbers
    values = centre_bins(model.values.array, model.numbers.array, off_x, off_y, model.least_number)
    means = values[good] / numbers[good]
    variances = model.variances.array[good].astype(np.float64) / numbers[good]
    candidate.variance = float(np.nanmean(variances)) if np.isfinite(variances).any() else 0.0
    with np.errstate(divide="ignore"):
        weights = numbers[good] / variances  # the inverse variance of the mean, not of a pixel
    y, x = np.nonzero(good)
    known = np.isfinite(weights)
    freedom = int(known.sum()) - _PLANE
    if freedom <= 0:
        candidate.message = (
            f"{known.sum()} of its bins have a mean and a variance; at least {_PLANE + 1} are needed to compare it "
            "with a plane"
        )
        return candidate
    level, *slopes = fit_plane(means, np.where(known, weights, 0.0), x, y)
    rest = means - (level + slopes[0] * x + slopes[1] * y)
    candidate.chi2 = float((rest[known] ** 2 * weights[known]).sum() / freedom)
    return candidate


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
